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

SIDES = (64, 48, 36, 27, 20, 15, 11, 8, 6)  # blocks looked at on either side of an edge, where so many are clear
SIDE = SIDES[0]
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
ALIKE = 0.03  # of a length: shapes that differ by less are one
REACHED = 3.0  # standard uncertainties that a closer look must reach
INSIDE = 0.9  # of a look's reach: an onset further out is likely to lie outside
KEPT_TEMPLATES = 12  # first passes are alike from record to record: 4 MB each at most
SUPPORTED = 12.0  # by how much the logarithm of a shape's evidence may lie below the best one's
WORTH = 20.0  # blocks: what is left open should span so many, to tell the shapes apart
UNLIKE = 0.05  # of a ramp's mean delay: how well its onset is known at best, for real ramps have ripple and kinks
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


def locate(integral: Integral, edges: Edges, search: float, block: float, passes: int = PASSES) -> Onsets:
    """The onsets of edges that lie within +-`search` of where they are expected, looked for in blocks of `block` s.

    Each pass looks more closely at what the one before has left open: onsets, shapes, and the blocks that tell them
    apart.
    """
    finest = max(1, min(FINEST, int(MOST_ONSETS * block / (2 * search))))
    reach = max(FEWEST, math.ceil(search / block * finest))
    lengths = LENGTHS if reach <= MANY else FEWER_LENGTHS
    look = _Look(block, finest, reach, _shapes((0.4, 25.0), (1.0, 60.0), sharp=True, number=lengths))
    found, logs = _pass(integral, edges, look)
    for _ in range(passes - 1):
        seen = np.isfinite(found.u)
        if not seen.any():
            break
        u = float(np.median(found.u[seen]))
        closer = _closer(look, u, found.shape, logs, integral.interval)
        known = look.spacing <= max(ENOUGH * u, WITHIN * integral.interval) or closer.search > CLOSER * look.search
        if known and _told(look, logs) and closer.block > CLOSER * look.block:
            break
        moved = found.times - edges.times
        look, edges = closer, edges.at(edges.times + np.where(seen, moved, np.median(moved[seen])))
        near, logs = _pass(integral, edges, look)
        # An edge that is known less well than the others may lie where the closer look does not reach.
        outside = np.isnan(near.u) | (np.abs(near.times - edges.times) > INSIDE * look.search)
        wide = seen & ((REACHED * found.u > look.search) | outside)
        found = Onsets(np.where(wide, found.times, near.times), np.where(wide, found.u, near.u), near.shape)
    return found


def _told(look: _Look, logs: NDArray[np.float64]) -> bool:
    """Whether the shapes lie so close together that the best is no better than chance, from their evidence [shapes]."""
    best = int(logs.argmax())
    share = 1 / float(np.exp(logs - logs[best]).sum())
    lengths = [it.length for it in look.shapes if it.kind == look.shapes[best].kind]
    near = min(
        (abs(it / look.shapes[best].length - 1) for it in lengths if it != look.shapes[best].length), default=0.0
    )
    return share < DOMINANT or near < ALIKE


def _closer(look: _Look, u: float, shape: float, logs: NDArray[np.float64], interval: float) -> _Look:
    """What is left to look at, from the logarithms of the shapes' evidence [shapes]."""
    supported = [it for it, log in zip(look.shapes, logs.tolist(), strict=True) if log > logs.max() - SUPPORTED]
    search = min(look.search, 4 * look.spacing + 5 * u + 3 * shape)
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
    return _Look(block, finest, max(1, math.ceil(search / block * finest)), _shapes(*ranges, sharp=sharp))


def _shapes(
    exponential: tuple[float, float], straight: tuple[float, float], *, sharp: bool, number: int = LENGTHS
) -> tuple[_Shape, ...]:
    """Ramps of so many lengths in each of these ranges, none where one ends at 0, and a sharp one."""
    shapes = [_Shape("sharp")] if sharp else []
    for kind, (first, last) in (("exponential", exponential), ("straight", straight)):
        if last > 0:
            shapes += [_Shape(kind, length) for length in np.geomspace(min(first, last), last, number).tolist()]
    return tuple(shapes)


@dataclass(frozen=True, slots=True, eq=False)
class _Templates:
    """Steps from 0 to 1 of each onset and shape in blocks [onsets, shapes, blocks].

    `norm` [onsets, shapes] are their squares around their means. `slopes` [onsets, blocks] are levels that rise up to
    the onset, of norm 1, and `common` [onsets, shapes] the products of steps and slopes.
    """

    steps: NDArray[np.float64]
    norm: NDArray[np.float64]
    slopes: NDArray[np.float64]
    common: NDArray[np.float64]


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
    return _Templates(steps, norm, slopes, (steps @ slopes[:, :, None])[:, :, 0])


def _pass(integral: Integral, edges: Edges, look: _Look) -> tuple[Onsets, NDArray[np.float64]]:
    """One look at all edges; their onsets, and the logarithms of the shapes' evidence [shapes]."""
    edges = edges.within(integral)
    bounds = np.arange(-SIDE, SIDE + 1, dtype=np.float64) * look.block
    heights = integral.means(edges.times[:, None] + bounds) * edges.sign
    least = FEWEST + look.reach / look.finest
    sides = [
        (_blocks(before / look.block, least), _blocks(after / look.block, least))
        if min(before, after) >= least * look.block
        else None
        for before, after in zip(edges.before.tolist(), edges.after.tolist(), strict=True)
    ]
    alike = replace(look, block=1.0)
    costs = np.full((len(sides), 2 * look.reach + 1, 2 * len(look.shapes)), np.nan)
    noise = _Noise()
    for side in {it for it in sides if it is not None}:
        rows = [k for k, it in enumerate(sides) if it == side]
        span = slice(SIDE - side[0], SIDE + side[1])
        part = heights[rows, span]
        part -= part.mean(axis=1, keepdims=True)
        templates = _templates(alike, *side)
        costs[rows] = found = _costs(part, templates)
        noise.add(part, found, templates, span)
    seen = np.isfinite(costs[:, 0, 0])
    if not seen.any():
        unknown = np.full(len(seen), np.nan)
        return Onsets(unknown, unknown, 0.0), np.zeros(len(look.shapes))
    fits = costs[seen] / (-2 * noise.variance)
    # A slope is one more number to fit: it must explain more than chance would (Schwarz).
    lengths = np.array([sum(it) for it in sides if it is not None], dtype=np.float64)
    fits[..., len(look.shapes) :] -= np.log(lengths)[:, None, None] / 2
    onsets, evidence = _posterior(edges.times, look, fits, seen, noise.alike)
    return onsets, np.logaddexp(*evidence.reshape(2, -1))


def _belief(shapes: tuple[_Shape, ...]) -> NDArray[np.float64]:
    """Logarithms of what each shape deserves beforehand [shapes]: a sharp step as much as all ramps together."""
    return np.array([math.log(max(len(shapes) - 1, 1)) if it.kind == "sharp" else 0.0 for it in shapes])


def _blocks(clear: float, least: float) -> int:
    """How many blocks of the clear ones to look at: one of few numbers, so that many edges are looked at together."""
    return next((it for it in SIDES if least <= it <= clear), min(int(clear), SIDE))


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
    u[seen] = np.sqrt(np.maximum(variances, 0.0) @ share + look.spacing**2 / 12)
    # No ramp is quite one of these shapes.
    delay = float(share @ np.tile([it.delay * look.block for it in look.shapes], 2))
    shared = math.sqrt(alike) * float(np.median(u[seen]))
    return Onsets(found, u, math.hypot(float(np.sqrt(share @ common**2)), shared, UNLIKE * delay)), together


def _costs(heights: NDArray[np.float64], templates: _Templates) -> NDArray[np.float64]:
    """Squared residuals of blocks around their means [edges, blocks] from the best step of each template.

    [edges, onsets, 2 shapes]. Fitted are the level and the step, which must go up; and for the second half of the
    shapes a slope of the level before the onset, as where the edge before has not died away yet.
    """
    blocks = heights.shape[1]
    square = np.square(heights).sum(axis=1)[:, None, None]
    along = (heights @ templates.steps.reshape(-1, blocks).T).reshape(len(heights), *templates.norm.shape)
    down = (heights @ templates.slopes.T)[:, :, None]
    flat = square - _explained(along, templates.norm)
    rest = templates.norm - np.square(templates.common)
    sloped = square - np.square(down) - _explained(along - down * templates.common, rest)
    return np.concatenate([flat, sloped], axis=2)


def _explained(along: NDArray[np.float64], norm: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a step explains of the squares if it goes up: its product with the blocks, and its own square."""
    found: NDArray[np.float64] = np.square(np.maximum(along, 0.0)) / np.where(norm > NO_STEP, norm, np.inf)
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
        shape %= templates.norm.shape[1]
        steps, norm = templates.steps[onset, shape], templates.norm[onset, shape]
        height = np.einsum("jm,jm->j", heights, steps) / np.where(norm > 0, norm, np.inf)
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
