"""Two states of a trace, low and high, on a baseline that may drift.

A change of state costs as much as chance could bring in, so that noise makes none: the most probable path of a hidden
Markov model, by the algorithm of A. J. Viterbi (IEEE Trans. Inf. Theory 13, 1967). Levels and states are found in turn,
from several first guesses, and what explains the trace best is taken.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.integral import Integral

COARSE, FINE = 8192, 65_536  # blocks in which states are looked for: first, and with the levels that were found
SCALES = (1, 8, 64, 256)  # blocks over which first guesses are smoothed: noise and windows have one each
GUESSES = 4.0  # standard deviations of a smoothed block, beyond which a first guess sees another level
ROUNDS = 6  # of states and levels in turn
KNOTS = 20  # pieces that the baseline has at most in idle
CHANGE = 3.0  # times ln(blocks): what a change of state costs, as the logarithm of a likelihood
SMOOTH, RARE = 256, 0.03  # stretches of a trace, and the share of them that is idle at least
LEAST_STATE = 0.2  # of the longest window: what is shorter is no state of one, but a gap with its ramps
CLOSE = 4  # blocks
STEEP = 0.6  # of a level above idle, that its edge climbs at once
LEAST_LEVEL = 0.2  # of the height: what a window lies above idle at least
FEWEST = 32  # blocks in which states can be told from noise


@dataclass(frozen=True, slots=True)
class Span:
    """Blocks `[first, last)` in the high state; the first `head` and the last `tail` of them at a lower level."""

    first: int
    last: int
    head: int = 0
    tail: int = 0

    @property
    def length(self) -> int:
        """How many blocks."""
        return self.last - self.first

    def part(self, sign: int) -> slice:
        """The blocks of one level next to the start (-1) or the stop (+1)."""
        if sign < 0:
            return slice(self.first, self.first + self.head if self.head else self.last - self.tail)
        return slice(self.last - self.tail if self.tail else self.first + self.head, self.last)


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """A trace in blocks [n] and their states; `base` [n] is the low level, `height` that of the high one above it."""

    high: NDArray[np.bool_]
    base: NDArray[np.float64]
    height: float
    cost: float
    noise: float  # variance of a block around the levels, over the square of the height
    knots: int  # pieces that the baseline may have


def best_states(integral: Integral, values: NDArray[np.float64]) -> States | None:
    """The states that explain the trace best, in the finest blocks; None where none does better than no window."""
    coarse = values
    if len(values) > COARSE:
        coarse = integral.means(np.linspace(integral.start, integral.stop, COARSE + 1))
    tried = [_settled(coarse, guess, knots) for guess, knots in _guesses(coarse)]
    found = [it for it in tried if it is not None]
    if not found:
        return None
    best = min(found, key=lambda it: it.cost)
    if best.cost >= _cost_without(coarse):
        return None
    if len(values) == len(coarse):
        return best
    places = (np.arange(len(values)) * (len(coarse) / len(values))).astype(np.int64)
    return _settled(values, best.high[places], best.knots)


def any_level(values: NDArray[np.float64], best: States) -> States | None:
    """The `best` states with all above one idle level in the high one: a window may have states of its own.

    None where the idle drifts: then an edge that is added is no step.
    """
    scale = max(1, len(values) // SMOOTH)
    smooth = values[: len(values) // scale * scale].reshape(-1, scale).mean(axis=1)
    low = values < float(np.quantile(smooth, RARE)) + best.height / 2
    least, cost = LEAST_LEVEL * best.height, CHANGE * math.log(len(values))
    shortest = LEAST_STATE * max(span.length for span in spans_of(best.high))
    for _ in range(ROUNDS):
        if not 0 < np.count_nonzero(low) < len(low):
            return None
        idle = float(np.median(values[low]))
        noise = 1.4826 * float(np.median(np.abs(values[low] - idle)))
        high = np.zeros(len(values), dtype=np.bool_)
        for span in spans_of(best.high):
            high[span.first : span.last] = values[span.first : span.last].mean() - idle > least
        # What the best states have between windows stays there unless it speaks against that, and for long enough.
        for span in spans_of(~high):
            if span.length < shortest:
                continue
            above = values[span.first : span.last] - idle
            rates = (above - least / 2) * (least / max(noise, least / cost) ** 2)
            for state in spans_of(_path(np.clip(rates, -cost, cost), cost)):
                high[span.first + state.first : span.first + state.last] = state.length >= shortest
        if (high != low).all():
            break
        low = ~high
    idles = [float(np.median(values[it.first : it.last])) for it in spans_of(low) if it.length >= scale]
    if not idles or np.ptp(idles) > least or not high.any():
        return None
    if not all(_steps(values, high, edge, idle, least) for edge in _edges(high) if not _near(edge, best.high)):
        return None
    height = float(np.median(values[high])) - idle
    return States(high, np.full(len(values), idle), height, best.cost, (noise / height) ** 2, 1)


def _edges(high: NDArray[np.bool_]) -> list[int]:
    """Where states [n] change, and the trace's ends where they are high."""
    return [edge for span in spans_of(high) for edge in (span.first, span.last)]


def _near(edge: int, high: NDArray[np.bool_]) -> bool:
    """Whether other states change within a few blocks of an edge as well."""
    return min((abs(edge - other) for other in _edges(high)), default=len(high)) <= CLOSE


def _steps(values: NDArray[np.float64], high: NDArray[np.bool_], edge: int, idle: float, least: float) -> bool:
    """Whether an edge of the high state is a step in the trace, and not where it slowly rises or falls."""
    if edge in (0, len(values)):
        return False
    others = [it for it in [0, *_edges(high), len(values)] if it != edge]
    before, after = (min(abs(edge - it) for it in others if (it < edge) == sign) for sign in (True, False))
    width = max(CLOSE, min(before, after) // 8)
    left, right = values[max(edge - width, 0) : edge], values[edge : edge + width]
    inside, outside = (left, right) if high[edge - 1] else (right, left)
    beyond = values[max(edge - 3 * width, 0) : edge] if high[edge - 1] else values[edge : edge + 3 * width]
    return float(inside.mean() - outside.mean()) > STEEP * max(least, float(beyond.mean()) - idle)


def _guesses(values: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.bool_], int]]:
    """First guesses at the high state, and pieces of the baseline: a threshold, what is rare, on several scales."""
    number = len(values)
    time = np.linspace(-1, 1, number)
    straight = np.polyval(np.polyfit(time, values, 1), time)
    for base, knots in ((np.zeros(number), 1), (straight, KNOTS), (_envelope(values), KNOTS)):
        for scale in SCALES:
            if number < 8 * scale:
                break
            means = (values - base)[: number // scale * scale].reshape(-1, scale).mean(axis=1)
            middle = float(np.median(means))
            noise = float(np.median(np.abs(np.diff(means)))) / (0.6745 * math.sqrt(2))
            for high in (means > _threshold(means), means > middle + GUESSES * noise, means > middle - GUESSES * noise):
                if 0 < np.count_nonzero(high) < len(high):
                    whole = np.repeat(high, scale)
                    yield np.concatenate([whole, np.full(number - len(whole), whole[-1])]), knots


def _threshold(values: NDArray[np.float64]) -> float:
    """Where two classes of values differ most from one another (N. Otsu, IEEE Trans. SMC 9, 1979)."""
    ordered = np.sort(values)
    below = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)[:-1]
    share = below / len(ordered)
    apart = sums / below - (ordered.sum() - sums) / (len(ordered) - below)
    k = int(np.argmax(share * (1 - share) * np.square(apart)))
    return float(ordered[k] + ordered[k + 1]) / 2


def _envelope(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A low level that may drift: the tenth part that is lowest in each of a few stretches, with straight lines."""
    parts = np.array_split(values, min(KNOTS // 2, len(values) // 8))
    middles = np.cumsum([len(part) for part in parts]) - np.array([len(part) for part in parts]) / 2
    return np.interp(np.arange(len(values)), middles, [float(np.quantile(part, 0.1)) for part in parts])


def _settled(values: NDArray[np.float64], high: NDArray[np.bool_], knots: int) -> States | None:
    """States and levels that agree with one another, from a first guess; None where only one state is left."""
    cost = CHANGE * math.log(len(values))
    for _ in range(ROUNDS):
        if not 0 < np.count_nonzero(high) < len(high):
            return None
        base = _baseline(values, high, knots)
        height = float(np.median((values - base)[high]))
        rest = values - base - np.where(high, height, 0.0)
        variance = float(np.square(rest).mean())
        if height <= 0 or variance == 0:
            return None if height <= 0 else States(high, base, height, -math.inf, 0.0, knots)
        rates = (values - base - height / 2) * (height / variance)
        # No single block decides: what is far above the high level is no more of a window than what is at it.
        ahead = _path(np.clip(rates, -cost, cost), cost)
        if (ahead == high).all():
            break
        high = ahead
    if not 0 < np.count_nonzero(high) < len(high):
        return None
    base = _baseline(values, high, knots)
    height = float(np.median((values - base)[high]))
    if height <= 0:
        return None
    rest = values - base - np.where(high, height, 0.0)
    return States(
        high, base, height, _cost(values, base, high, knots), float(np.square(rest).mean()) / height**2, knots
    )


def _path(rates: NDArray[np.float64], cost: float) -> NDArray[np.bool_]:
    """The most probable states [n], by how much each block speaks for the high one [n] and what a change costs."""
    ahead = 0.0
    forward = []
    for rate in rates.tolist():
        ahead = rate + min(max(ahead, -cost), cost)
        forward.append(ahead)
    state = ahead > 0
    states = [state]
    for ahead in reversed(forward[:-1]):
        state = ahead > (-cost if state else cost)
        states.append(state)
    return np.array(states[::-1])


def _baseline(values: NDArray[np.float64], high: NDArray[np.bool_], knots: int) -> NDArray[np.float64]:
    """The low level [n]: medians of the stretches in the low state, joined by straight lines; or one median."""
    if knots == 1:
        return np.full(len(values), float(np.median(values[~high])))
    longest = max(2, len(values) // knots)
    middles, levels = [], []
    for span in spans_of(~high):
        for part in np.array_split(np.arange(span.first, span.last), -(-span.length // longest)):
            middles.append(float(part.mean()))
            levels.append(float(np.median(values[part])))
    return np.interp(np.arange(len(values)), middles, levels)


def _cost(values: NDArray[np.float64], base: NDArray[np.float64], high: NDArray[np.bool_], knots: int) -> float:
    """What states leave unexplained, and what they cost: twice a logarithm of a likelihood, with the sign turned."""
    rest = values - base
    spans = spans_of(high)
    for span in spans:
        rest[span.first : span.last] -= rest[span.first : span.last].mean()
    return _unexplained(rest) + CHANGE * math.log(len(values)) * (4 * len(spans) + 2 * knots)


def _cost_without(values: NDArray[np.float64]) -> float:
    """The same for a level that drifts, without windows."""
    low = np.zeros(len(values), dtype=np.bool_)
    prices = [
        _unexplained(values - _baseline(values, low, knots)) + 2 * CHANGE * math.log(len(values)) * knots
        for knots in (1, KNOTS)
    ]
    return min(prices)


def _unexplained(rest: NDArray[np.float64]) -> float:
    variance = float(np.square(rest).mean())
    return len(rest) * math.log(max(variance, 1e-300))


def spans_of(high: NDArray[np.bool_]) -> list[Span]:
    """The spans in which a state [n] lasts, in order."""
    flips = np.flatnonzero(np.diff(np.concatenate([[False], high, [False]]).astype(np.int8)))
    return [Span(first, last) for first, last in flips.reshape(-1, 2).tolist()]
