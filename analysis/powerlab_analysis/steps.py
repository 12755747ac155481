"""Where a level begins to change: the onset of a step whose ramp has an unknown shape, with its uncertainty.

A board does not draw its full power at once. What the host stamps is the onset of the change, so that is what is
looked for: each edge is compared with steps of many onsets and of several shapes (sharp, exponential, straight, each
of several lengths). Edges of one kind, all rises or all falls, share their shape; how far the data leave it open is
a part of the uncertainty that all of them share.
"""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from powerlab_analysis.integral import Integral
from powerlab_analysis.measured import rectangular

SIDES = (64, 48, 36, 27, 20, 15, 11, 8, 6)  # blocks looked at on either side of an edge, where so many are clear
SIDE = SIDES[0]
FEW_SIDES = np.array([max((few for few in SIDES if few <= it), default=0) for it in range(SIDE + 1)])
FEWEST = 3  # blocks on either side, without which there is no level to step from
FINEST = 4  # onsets a block in the first pass, so that a sharp step is near one of them
MOST_ONSETS = 241  # tried in one pass
LATER_ONSETS = 51  # tried in a later one
MOST_IN_BLOCK = 16  # onsets a block in a later pass
LENGTHS = 8  # of ramps of either shape, tried in one pass
MANY, FEWER_LENGTHS = 50, 5  # onsets on either side, with more of which there are so few lengths
PASSES = 7
ENOUGH = 0.3  # of the uncertainty: the spacing of the onsets at which the passes may end
WITHIN = 0.1  # of a sample: onsets need not lie closer
CLOSER = 0.7  # of a pass: what the next one must be less than, in onsets or in blocks, to be worth it
DOMINANT = 0.6  # share of a shape's evidence, above which its neighbours are too far from it to say what else could be
REACHED = 3.0  # standard uncertainties that a closer look must reach
INSIDE = 0.9  # of a look's reach: an onset further out is likely to lie outside
# Looks are alike from record to record if their reach, in onsets, and the ends of their lengths, in parts of an octave,
# are multiples of these; then templates need not be made anew.
ALIKE_REACH, ALIKE_LENGTHS = 8, 8
KEPT_TEMPLATES = 64  # of half a megabyte each, those of first passes some more
SUPPORTED = 12.0  # by how much the logarithm of a shape's evidence may lie below the best one's
WORTH = 20.0  # blocks: what is left open should span so many, to tell the shapes apart
# Of a ramp's mean delay: how far its onset may lie from where the likeliest shape has it, for real ramps have ripple
# and kinks. A limit: ramps of 3 and 4 ms with both are off by up to 0.13 ms.
UNLIKE = 0.05
SMALLEST = 1e-9  # of the step's square: the least variance of a block, so that a trace without noise has a weight
NO_STEP = 1e-6  # the square of a step of height 1, below which it is not in the blocks
DYING = 0.1  # autocorrelation that no longer counts
LONGEST_LAG = 20  # blocks


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Edges of one kind to look for [n]: expected at `times`, on a level that is clear for so long on either side (s).

    `sign` is +1 for rises and -1 for falls.
    """

    times: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    sign: int

    def at(self, times: NDArray[np.float64]) -> "Edges":
        """The same edges, expected at other times."""
        moved = times - self.times
        return Edges(times, self.before + moved, self.after - moved, self.sign)

    def within(self, integral: Integral) -> "Edges":
        """The same, clear no further than the trace reaches."""
        before = np.minimum(self.before, self.times - integral.start)
        return Edges(self.times, before, np.minimum(self.after, integral.stop - self.times), self.sign)


@dataclass(frozen=True, slots=True, eq=False)
class Onsets:
    """Where the edges of one kind begin [n], in s on the record's clock.

    `u` [n] are the standard uncertainties that each has for itself, from noise; `shape` is the one that they share,
    for nobody knows how the ramp begins. NaN where an edge had no room to be looked at.
    """

    times: NDArray[np.float64]
    u: NDArray[np.float64]
    shape: float


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a step goes from 0 to 1: its kind and its length in blocks (the time constant of an exponential)."""

    kind: str
    length: float = 0.0

    @property
    def span(self) -> float:
        """Blocks in which nearly all of it happens."""
        return 3 * self.length if self.kind == "exponential" else self.length

    @property
    def delay(self) -> float:
        """Blocks by which the step comes later than a sharp one, on average."""
        return self.length / 2 if self.kind == "straight" else self.length

    def integral(self, since: NDArray[np.float64]) -> NDArray[np.float64]:
        """Its integral over the blocks since the onset."""
        if self.kind == "exponential":
            return since + self.length * np.expm1(-since / self.length)
        if self.kind == "straight":
            return np.where(since < self.length, since**2 / (2 * self.length), since - self.length / 2)
        return since


@dataclass(frozen=True, slots=True)
class _Look:
    """How closely to look: in blocks of `block` s, at `finest` onsets in each, `reach` of them on either side.

    `shapes` are those in question.
    """

    block: float
    finest: int
    reach: int
    shapes: tuple[_Shape, ...]

    @property
    def onsets(self) -> NDArray[np.float64]:
        """In s after where an edge is expected."""
        return np.arange(-self.reach, self.reach + 1, dtype=np.float64) * self.spacing

    @property
    def spacing(self) -> float:
        return self.block / self.finest

    @property
    def search(self) -> float:
        return self.reach * self.spacing


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What one look has found, from which a closer one goes on."""

    found: Onsets
    look: _Look
    evidence: NDArray[np.float64]  # logarithms, of each shape


def locate(integral: Integral, edges: Edges, search: float, block: float) -> Onsets:
    """The onsets of edges that lie within +-`search` of where they are expected, looked for in blocks of `block` s."""
    return closely(integral, edges, glance(integral, edges, search, block))


def glance(integral: Integral, edges: Edges, search: float, block: float) -> Sight:
    """A first look at edges that lie within +-`search` of where they are expected, in blocks of `block` s."""
    finest = max(1, min(FINEST, int(MOST_ONSETS * block / (2 * search))))
    reach = max(FEWEST, math.ceil(search / block * finest))
    lengths = LENGTHS if reach <= MANY else FEWER_LENGTHS
    return _pass(integral, edges, _Look(block, finest, reach, _shapes((0.4, 25.0), (1.0, 60.0), True, lengths)))


def elsewhere(integral: Integral, edges: Edges, sight: Sight, search: float) -> Onsets:
    """As `closely`, of edges that lie within +-`search` of where they are expected now, whatever was found before."""
    again = _pass(integral, edges, _closer(sight.look, search, sight.evidence, integral.interval))
    return closely(integral, edges, again)


def closely(integral: Integral, edges: Edges, sight: Sight) -> Onsets:
    """The onsets of edges after a first look.

    Each pass looks more closely at what the one before has left open: onsets, shapes, and the blocks that tell them
    apart.
    """
    found = sight.found
    for _ in range(PASSES - 1):
        look = sight.look
        seen = np.isfinite(found.u)
        if not seen.any():
            break
        u = _middle(found.u[seen])
        search = min(look.search, 4 * look.spacing + 5 * u + 3 * found.shape)
        closer = _closer(look, search, sight.evidence, integral.interval)
        least = math.hypot(u, _unlike(sight))  # closer than this is of no use
        known = look.spacing <= max(ENOUGH * least, WITHIN * integral.interval) or closer.search > CLOSER * look.search
        if closer == look or (known and _told(sight) and closer.block > CLOSER * look.block):
            break
        moved = found.times - edges.times
        edges = edges.at(edges.times + np.where(seen, moved, _middle(moved[seen])))
        sight = _pass(integral, edges, closer)
        near = sight.found
        # An edge that is known less well than the others may lie where the closer look does not reach.
        outside = np.isnan(near.u) | (np.abs(near.times - edges.times) > INSIDE * closer.search)
        wide = seen & ((REACHED * found.u > closer.search) | outside)
        found = Onsets(np.where(wide, found.times, near.times), np.where(wide, found.u, near.u), near.shape)
    return found


def _told(sight: Sight) -> bool:
    """Whether the shapes lie so close together that several could be, or that the next ones are as good as alike."""
    best = int(sight.evidence.argmax())
    share = 1 / float(np.exp(sight.evidence - sight.evidence[best]).sum())
    likely = sight.look.shapes[best]
    lengths = [it.length for it in sight.look.shapes if it.kind == likely.kind]
    near = min((abs(it / likely.length - 1) for it in lengths if it != likely.length), default=0.0)
    return share < DOMINANT or near < 2 * UNLIKE  # the truth then lies within UNLIKE


def _unlike(sight: Sight) -> float:
    """How well the onset is known at best (s), for no ramp is quite the shape with most evidence."""
    return rectangular(UNLIKE * sight.look.shapes[int(sight.evidence.argmax())].delay * sight.look.block)


def _closer(look: _Look, search: float, logs: NDArray[np.float64], interval: float) -> _Look:
    """What is left to look at within +-`search` s, from the logarithms of the shapes' evidence [shapes]."""
    supported = [it for it, log in zip(look.shapes, logs.tolist(), strict=True) if log > logs.max() - SUPPORTED]
    block = max(search, *(it.span * look.block for it in supported)) / WORTH
    block = min(max(block, interval), look.block)
    ranges = []
    for kind, shortest in (("exponential", 0.4), ("straight", 1.0)):
        lengths = sorted({it.length for it in look.shapes if it.kind == kind})
        left = [it.length for it in supported if it.kind == kind]
        # As far as the neighbours that were ruled out, and below the shortest as far as the new blocks show it.
        low = max((it * look.block / block for it in lengths if left and it < min(left)), default=shortest)
        high = min((it for it in lengths if left and it > max(left)), default=max(left, default=0.0))
        ranges.append((low, high * look.block / block))
    sharp = any(it.kind == "sharp" for it in supported)
    finest = min(max(1, round(LATER_ONSETS * block / (2 * search))), MOST_IN_BLOCK)
    return _Look(
        block,
        finest,
        ALIKE_REACH * math.ceil(search / block * finest / ALIKE_REACH),
        _shapes(ranges[0], ranges[1], sharp),
    )


def _shapes(
    exponential: tuple[float, float],
    straight: tuple[float, float],
    sharp: bool,
    number: int = LENGTHS,
) -> tuple[_Shape, ...]:
    """Ramps of so many lengths in each of these ranges, none where one ends at 0, and a sharp one."""
    shapes = [_Shape("sharp")] if sharp else []
    for kind, (first, last) in (("exponential", exponential), ("straight", straight)):
        if last > 0:
            low = math.floor(ALIKE_LENGTHS * math.log2(min(first, last)))
            high = max(math.ceil(ALIKE_LENGTHS * math.log2(last)), low + 1)
            each = (high - low) / (number - 1) / ALIKE_LENGTHS
            shapes += [_Shape(kind, 2 ** (low / ALIKE_LENGTHS + k * each)) for k in range(number)]
    return tuple(shapes)


@dataclass(frozen=True, slots=True, eq=False)
class _Templates:
    """Steps from 0 to 1 of each onset and shape in blocks [blocks, onsets x shapes].

    `weight` [onsets, shapes] are the inverse squares of steps around their means, 0 for a step that is not in the
    blocks. `slopes` [blocks, onsets] are levels that rise up to the onset, of norm 1, `common` [onsets, shapes] the
    products of steps and slopes, and `sloped` [onsets, shapes] the inverse squares of steps less their slopes.
    """

    steps: NDArray[np.float64]
    weight: NDArray[np.float64]
    slopes: NDArray[np.float64]
    common: NDArray[np.float64]
    sloped: NDArray[np.float64]


@lru_cache(KEPT_TEMPLATES)
def _templates(look: _Look, before: int, after: int) -> _Templates:
    """Those of a look at so many blocks before and after an edge, each of which lasts 1."""
    finest, reach, blocks = look.finest, look.reach, before + after
    # A step's mean over a block depends on nothing but how long after the onset the block is.
    since = np.arange(-before * finest - reach, after * finest + reach + 1) / finest
    integrals = np.stack([it.integral(np.maximum(since, 0.0)) for it in look.shapes])
    means = integrals[:, finest:] - integrals[:, :-finest]
    row, one = means.strides
    shape = (2 * reach + 1, len(look.shapes), blocks)
    steps = np.ascontiguousarray(as_strided(means[:, 2 * reach :], shape, (-one, row, finest * one), writeable=False))
    slopes = np.minimum(np.arange(-before, after) - look.onsets[:, None], 0.0)
    slopes -= slopes.mean(axis=1, keepdims=True)
    slopes /= np.linalg.norm(slopes, axis=1, keepdims=True)
    norm = np.einsum("osm,osm->os", steps, steps) - np.square(steps.sum(axis=2)) / blocks
    common = (steps @ slopes[:, :, None])[:, :, 0]
    flat = np.ascontiguousarray(steps.reshape(-1, blocks).T)
    return _Templates(flat, _inverse(norm), np.ascontiguousarray(slopes.T), common, _inverse(norm - np.square(common)))


def _inverse(norm: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 / np.where(norm > NO_STEP, norm, np.inf)
    return found


def _pass(integral: Integral, edges: Edges, look: _Look) -> Sight:
    """One look at all edges."""
    edges = edges.within(integral)
    bounds = np.arange(-SIDE, SIDE + 1, dtype=np.float64) * look.block
    heights = np.diff(integral.at(edges.times[:, None] + bounds)) * (edges.sign / look.block)
    least = FEWEST + look.reach / look.finest
    seen = np.minimum(edges.before, edges.after) >= least * look.block
    if not seen.any():
        unknown = np.full(len(seen), np.nan)
        return Sight(Onsets(unknown, unknown, 0.0), look, np.zeros(len(look.shapes)))
    heights = heights[seen]
    before, after = (_blocks(it[seen] / look.block, least) for it in (edges.before, edges.after))
    alike = replace(look, block=1.0)
    fits = np.empty((len(heights), 2 * look.reach + 1, 2 * len(look.shapes)))
    noise = _Noise()
    kinds = before * (SIDE + 1) + after
    for kind in set(kinds.tolist()):
        rows = kinds == kind
        side = divmod(kind, SIDE + 1)
        span = slice(SIDE - side[0], SIDE + side[1])
        part = heights[rows, span]
        part -= part.mean(axis=1, keepdims=True)
        templates = _templates(alike, *side)
        fits[rows] = found = _costs(part, templates)
        noise.add(part, found, templates, span)
    fits /= -2 * noise.variance
    # A slope is one more number to fit: it must explain more than chance would (Schwarz).
    fits[..., len(look.shapes) :] -= np.log(before + after)[:, None, None] / 2
    onsets, evidence = _posterior(edges.times, look, fits, seen, noise.alike)
    return Sight(onsets, look, np.logaddexp(*evidence.reshape(2, -1)))


def _belief(shapes: tuple[_Shape, ...]) -> NDArray[np.float64]:
    """Logarithms of what each shape deserves beforehand [shapes]: a sharp step as much as all ramps together."""
    return np.array([math.log(max(len(shapes) - 1, 1)) if it.kind == "sharp" else 0.0 for it in shapes])


def _blocks(clear: NDArray[np.float64], least: float) -> NDArray[np.int64]:
    """How many blocks of the clear ones to look at: one of few numbers, so that many edges are looked at together."""
    whole = np.minimum(clear, SIDE).astype(np.int64)
    few = FEW_SIDES[whole]
    return np.where(few >= least, few, whole)


def _posterior(
    times: NDArray[np.float64], look: _Look, logs: NDArray[np.float64], seen: NDArray[np.bool_], alike: float
) -> tuple[Onsets, NDArray[np.float64]]:
    """Mean and spread of the onsets, given the logarithms of likelihoods [edges seen, onsets, 2 shapes].

    `alike` is the share of the noise that all edges have in common: so much less do many say than one.
    """
    onsets = look.onsets
    highest = logs.max(axis=1)
    weights = np.exp(logs - highest[:, None, :])
    sums, firsts, seconds = np.swapaxes(np.stack([np.ones_like(onsets), onsets, onsets**2]) @ weights, 0, 1)
    means = firsts / sums
    variances = seconds / sums - means**2
    together = (highest + np.log(sums)).sum(axis=0) / (1 + (len(logs) - 1) * alike) + np.tile(_belief(look.shapes), 2)
    share = np.exp(together - together.max())  # of each shape, which all edges have in common
    share /= share.sum()
    centre = means @ share
    common = (means - centre[:, None]).mean(axis=0)
    found, u = np.full(len(times), np.nan), np.full(len(times), np.nan)
    found[seen] = times[seen] + centre
    u[seen] = own = np.sqrt(np.maximum(variances, 0.0) @ share + look.spacing**2 / 12)
    # No ramp is quite one of these shapes.
    delay = float(share @ np.tile([it.delay * look.block for it in look.shapes], 2))
    shared = math.sqrt(alike) * _middle(own)
    return Onsets(
        found, u, math.hypot(float(np.sqrt(share @ common**2)), shared, rectangular(UNLIKE * delay))
    ), together


def _middle(values: NDArray[np.float64]) -> float:
    """The median of values without NaN, the upper one of two: of a few, much faster than numpy's."""
    return float(np.sort(values)[len(values) // 2])


def _costs(heights: NDArray[np.float64], templates: _Templates) -> NDArray[np.float64]:
    """Squared residuals of blocks around their means [edges, blocks] from the best step of each template.

    [edges, onsets, 2 shapes]. Fitted are the level and the step, which must go up; and for the second half of the
    shapes a slope of the level before the onset, as where the edge before has not died away yet.
    """
    number, shapes = len(heights), templates.weight.shape[1]
    along = (heights @ templates.steps).reshape(number, -1, shapes)
    down = (heights @ templates.slopes)[:, :, None]
    costs = np.empty((number, along.shape[1], 2 * shapes))
    costs[..., :shapes] = _explained(along, templates.weight)
    costs[..., shapes:] = _explained(along - down * templates.common, templates.sloped) + np.square(down)
    found: NDArray[np.float64] = np.square(heights).sum(axis=1)[:, None, None] - costs
    return found


def _explained(along: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a step explains of the squares if it goes up: its product with the blocks, and its own inverse square."""
    found = np.maximum(along, 0.0)
    found *= found
    found *= weight
    return found


@dataclass(slots=True)
class _Noise:
    """The noise of blocks around the best step of each edge."""

    squares: float = 0.0
    freedom: int = 0
    swing: float = 0.0
    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros(LONGEST_LAG + 1))
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2 * SIDE))  # over edges
    counts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2 * SIDE))

    def add(self, heights: NDArray[np.float64], costs: NDArray[np.float64], templates: _Templates, span: slice) -> None:
        """Count edges [edges, blocks], given the squared residuals from all templates; `span` says which blocks."""
        number, blocks = heights.shape
        flat = costs.reshape(number, -1)
        best = flat.argmin(axis=1)
        self.squares += float(flat[np.arange(number), best].sum())
        self.freedom += number * max(blocks - 4, 1)
        onset, shape = np.divmod(best, costs.shape[2])
        shapes = templates.weight.shape[1]
        shape %= shapes
        steps = templates.steps[:, onset * shapes + shape].T
        height = (heights * steps).sum(axis=1) * templates.weight[onset, shape]
        rest = heights - height[:, None] * (steps - steps.mean(axis=1, keepdims=True))
        self.swing = max(self.swing, float(np.ptp(heights, axis=1).max()) ** 2)
        self.sums[span] += rest.sum(axis=0)
        self.counts[span] += number
        # Padded, so that the end does not correlate with the beginning.
        spectrum = np.fft.rfft(rest, blocks + LONGEST_LAG)
        self.products += np.fft.irfft(np.square(np.abs(spectrum)).sum(axis=0), blocks + LONGEST_LAG)[: LONGEST_LAG + 1]

    @property
    def variance(self) -> float:
        """Of a block, times how many blocks are worth one independent one."""
        bracket = 1.0
        if self.products[0] > 0:
            correlations = self.products[1:] / self.products[0]
            died = np.flatnonzero(correlations < DYING)
            bracket += 2 * float(correlations[: died[0] if len(died) else LONGEST_LAG].sum())
        return max(self.squares / self.freedom * bracket, SMALLEST * self.swing, 1e-300)

    @property
    def alike(self) -> float:
        """Share of the variance that all edges have in common, 0 to 1: ripple that begins with each window, say."""
        several = self.counts > 1
        if self.squares <= 0 or not several.any():
            return 0.0
        counts = self.counts[several]
        excess = float(np.square(self.sums[several]).sum()) / (self.squares / self.freedom) - float(counts.sum())
        return min(max(excess / float((counts * (counts - 1)).sum()), 0.0), 1.0)
