"""Where a level begins to change: the onset of a step whose ramp has an unknown shape, with its uncertainty.

A board does not draw its full power at once. What the host stamps is the onset of the change, so that is what is
looked for: each edge is compared with steps of many onsets and of several shapes (sharp, exponential, straight, each
of several lengths). Edges of one kind, all rises or all falls, share their shape; how far the data leave it open is
a part of the uncertainty that all of them share.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from powerlab_analysis.integral import Integral

SIDES = (64, 48, 36, 27, 20, 15, 11, 8, 6)  # blocks looked at on either side of an edge, where so many are clear
SIDE = SIDES[0]
FEWEST = 3  # blocks on either side, without which there is no level to step from
FINEST = 4  # onsets a block in the first pass, so that a sharp step is near one of them
MOST_ONSETS = 241  # tried in one pass
LATER_ONSETS = 51  # tried in a later one
LENGTHS = 8  # of ramps of either shape, tried in one pass
PASSES = 6
ENOUGH = 0.3  # of the uncertainty: the spacing of the onsets at which the passes may end
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
    """How a step goes from 0 to 1: its kind and its length in s (the time constant of an exponential)."""

    kind: str
    length: float = 0.0

    @property
    def span(self) -> float:
        """Seconds in which nearly all of it happens."""
        return 3 * self.length if self.kind == "exponential" else self.length

    @property
    def delay(self) -> float:
        """Seconds by which the step comes later than a sharp one, on average."""
        return self.length / 2 if self.kind == "straight" else self.length

    def integral(self, since: NDArray[np.float64]) -> NDArray[np.float64]:
        """Its integral over the seconds since the onset."""
        if self.kind == "exponential":
            return since + self.length * np.expm1(-since / self.length)
        if self.kind == "straight":
            return np.where(since < self.length, since**2 / (2 * self.length), since - self.length / 2)
        return since


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """How closely to look: onsets over +-`search` s, blocks of `block` s, and the shapes that are in question."""

    search: float
    block: float
    number: int
    shapes: Sequence[_Shape]

    @property
    def onsets(self) -> NDArray[np.float64]:
        return np.linspace(-self.search, self.search, self.number)

    @property
    def spacing(self) -> float:
        return 2 * self.search / (self.number - 1)


def locate(integral: Integral, edges: Edges, search: float, block: float) -> Onsets:
    """The onsets of edges that lie within +-`search` of where they are expected, looked for in blocks of `block` s.

    Each pass looks more closely at what the one before has left open: onsets, shapes, and the blocks that tell them
    apart.
    """
    number = min(MOST_ONSETS, 2 * max(FEWEST, round(FINEST * search / block)) + 1)
    look = _Look(search, block, number, _shapes(0.4 * block, 25 * block, block, 60 * block))
    found, logs = _pass(integral, edges, look)
    for _ in range(PASSES):
        seen = np.isfinite(found.u)
        if not seen.any():
            break
        u = float(np.median(found.u[seen]))
        closer = _closer(look, u, found.shape, logs, integral.interval)
        if look.spacing <= ENOUGH * u and closer.block > 0.7 * look.block:
            break
        look, edges = closer, edges.at(np.where(seen, found.times, edges.times))
        found, logs = _pass(integral, edges, look)
    return found


def _closer(look: _Look, u: float, shape: float, logs: NDArray[np.float64], interval: float) -> _Look:
    """What is left to look at, from the logarithms of the shapes' evidence [shapes]."""
    supported = [it for it, log in zip(look.shapes, logs.tolist(), strict=True) if log > logs.max() - SUPPORTED]
    search = min(look.search, 4 * look.spacing + 5 * u + 3 * shape)
    block = max(search, *(it.span for it in supported)) / WORTH
    block = min(max(block, interval), look.block)
    ranges = []
    for kind, shortest in (("exponential", 0.4), ("straight", 1.0)):
        lengths = sorted({it.length for it in look.shapes if it.kind == kind})
        left = [it.length for it in supported if it.kind == kind]
        # As far as the neighbours that were ruled out, and below the shortest as far as the new blocks show it.
        low = max((it for it in lengths if left and it < min(left)), default=shortest * block)
        high = min((it for it in lengths if left and it > max(left)), default=max(left, default=0.0))
        ranges += [low, high] if left else [0.0, 0.0]
    sharp = any(it.kind == "sharp" for it in supported)
    return _Look(search, block, LATER_ONSETS, _shapes(*ranges, sharp=sharp))


def _shapes(low: float, high: float, low_straight: float, high_straight: float, *, sharp: bool = True) -> list[_Shape]:
    """Exponential and straight ramps of lengths (s) in these ranges, none where one ends at 0, and a sharp one."""
    shapes = [_Shape("sharp")] if sharp else []
    for kind, first, last in (("exponential", low, high), ("straight", low_straight, high_straight)):
        if last > 0:
            shapes += [_Shape(kind, length) for length in np.geomspace(min(first, last), last, LENGTHS).tolist()]
    return shapes


def _pass(integral: Integral, edges: Edges, look: _Look) -> tuple[Onsets, NDArray[np.float64]]:
    """One look at all edges; their onsets, and the logarithms of the shapes' evidence [shapes]."""
    edges = edges.within(integral)
    bounds = np.arange(-SIDE, SIDE + 1, dtype=np.float64) * look.block
    templates = _templates(bounds, look)
    heights = integral.means(edges.times[:, None] + bounds) * edges.sign
    room = FEWEST * look.block + look.search
    sides = [
        (_blocks(before / look.block), _blocks(after / look.block)) if min(before, after) >= room else None
        for before, after in zip(edges.before.tolist(), edges.after.tolist(), strict=True)
    ]
    costs = np.full((len(edges.times), look.number, 2 * len(look.shapes)), np.nan)
    for side in {it for it in sides if it is not None}:
        rows = [k for k, it in enumerate(sides) if it == side]
        span = slice(SIDE - side[0], SIDE + side[1])
        costs[rows] = _costs(heights[rows, span], templates[..., span], bounds[:-1][span], look.onsets)
    seen = np.isfinite(costs[:, 0, 0])
    if not seen.any():
        unknown = np.full(len(seen), np.nan)
        return Onsets(unknown, unknown, 0.0), np.zeros(len(look.shapes))
    noise = _noise(heights[seen], costs[seen], [it for it in sides if it is not None], templates)
    # A slope is one more number to fit: it must explain more than chance would (Schwarz).
    lengths = np.array([sum(it) for it in sides if it is not None], dtype=np.float64)
    fits = -costs[seen] / (2 * noise)
    fits[..., len(look.shapes) :] -= np.log(lengths)[:, None, None] / 2
    found, evidence = _posterior(edges.times, look, fits, seen)
    return found, np.logaddexp(*evidence.reshape(2, -1))


def _belief(shapes: Sequence[_Shape]) -> NDArray[np.float64]:
    """Logarithms of what each shape deserves beforehand [shapes]: a sharp step as much as all ramps together."""
    return np.array([math.log(max(len(shapes) - 1, 1)) if it.kind == "sharp" else 0.0 for it in shapes])


def _blocks(clear: float) -> int:
    """How many blocks of the clear ones to look at: one of few numbers, so that many edges are looked at together."""
    return next((it for it in SIDES if it <= clear), int(clear))


def _posterior(
    times: NDArray[np.float64], look: _Look, logs: NDArray[np.float64], seen: NDArray[np.bool_]
) -> tuple[Onsets, NDArray[np.float64]]:
    """Mean and spread of the onsets, given the logarithms of likelihoods [edges seen, onsets, 2 shapes]."""
    onsets = look.onsets
    belief, delays = np.tile(_belief(look.shapes), 2), np.tile([it.delay for it in look.shapes], 2)
    evidence = logsumexp(logs, axis=1)
    weights = np.exp(logs - evidence[:, None, :])
    means = np.einsum("jos,o->js", weights, onsets)
    variances = np.einsum("jos,o->js", weights, onsets**2) - means**2
    together = evidence.sum(axis=0) + belief
    share = np.exp(together - logsumexp(together))  # of each shape, which all edges have in common
    centre = means @ share
    common = (means - centre[:, None]).mean(axis=0)
    found, u = np.full(len(times), np.nan), np.full(len(times), np.nan)
    found[seen] = times[seen] + centre
    u[seen] = np.sqrt(np.maximum(variances, 0.0) @ share + look.spacing**2 / 12)
    # No ramp is quite one of these shapes.
    shape = math.hypot(float(np.sqrt(share @ common**2)), UNLIKE * float(share @ delays))
    return Onsets(found, u, shape), together


def _templates(bounds: NDArray[np.float64], look: _Look) -> NDArray[np.float64]:
    """Means over the blocks of a step from 0 to 1 of each onset and shape [onsets, shapes, blocks]."""
    since = np.maximum(bounds - look.onsets[:, None], 0.0)
    means: NDArray[np.float64] = np.diff(np.stack([it.integral(since) for it in look.shapes], axis=1)) / look.block
    return means


def _costs(
    heights: NDArray[np.float64],
    templates: NDArray[np.float64],
    bounds: NDArray[np.float64],
    onsets: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Squared residuals of the blocks [edges, blocks] from the best step of each template [edges, onsets, 2 shapes].

    Fitted are the level and the step, which must go up; and for the second half of the shapes a slope of the level
    before the onset, as where the edge before has not died away yet.
    """
    y = heights - heights.mean(axis=1, keepdims=True)
    slope = np.minimum(bounds - onsets[:, None], 0.0)
    slope -= slope.mean(axis=1, keepdims=True)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    # Products of steps and slopes around their means, without a copy of the steps.
    blocks = templates.shape[2]
    square = np.square(y).sum(axis=1)[:, None, None]
    along = (y @ templates.reshape(-1, blocks).T).reshape(len(y), *templates.shape[:2])
    down = (y @ slope.T)[:, :, None]
    norm = np.einsum("osm,osm->os", templates, templates) - np.square(templates.sum(axis=2)) / blocks
    common = np.einsum("osm,om->os", templates, slope)
    flat = square - _explained(along, norm)
    sloped = square - np.square(down) - _explained(along - down * common, norm - np.square(common))
    return np.concatenate([flat, sloped], axis=2)


def _explained(along: NDArray[np.float64], norm: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a step explains of the squares if it goes up: its product with the blocks, and its own square."""
    found: NDArray[np.float64] = np.square(np.maximum(along, 0.0)) / np.where(norm > NO_STEP, norm, np.inf)
    return found


def _noise(
    heights: NDArray[np.float64],
    costs: NDArray[np.float64],
    sides: list[tuple[int, int]],
    templates: NDArray[np.float64],
) -> float:
    """Variance of a block around the best step, times how many blocks are worth one independent one."""
    number = len(costs)
    lengths = np.array([sum(it) for it in sides])
    best = costs.reshape(number, -1).argmin(axis=1)
    least = costs.reshape(number, -1).min(axis=1)
    variance = float(least.sum() / np.maximum(lengths - 4, 1).sum())
    products = np.zeros(LONGEST_LAG + 1)
    swing = 0.0
    for row, place, (before, after) in zip(heights, best.tolist(), sides, strict=True):
        onset, shape = divmod(place, costs.shape[2])
        shape %= templates.shape[1]
        span = slice(SIDE - before, SIDE + after)
        y, step = row[span] - row[span].mean(), templates[onset, shape, span]
        step = step - step.mean()
        power = float(step @ step)
        rest = y - (float(y @ step) / power if power > 0 else 0.0) * step
        swing = max(swing, float(np.ptp(row[span])) ** 2)
        lags = min(LONGEST_LAG, len(rest) - 1)
        products[: lags + 1] += [float(rest[: len(rest) - lag] @ rest[lag:]) for lag in range(lags + 1)]
    bracket = 1.0
    if products[0] > 0:
        correlations = products[1:] / products[0]
        died = np.flatnonzero(correlations < DYING)
        bracket += 2 * float(correlations[: died[0] if len(died) else LONGEST_LAG].sum())
    return max(variance * bracket, SMALLEST * swing, 1e-300)
