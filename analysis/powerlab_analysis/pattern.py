"""Windows found in the current itself: the pattern of the host's times is laid over the trace where it fits best.

Nothing else ties host and scope then but a bracket of host times. The pattern as a whole says roughly where it lies,
and whether it could lie elsewhere; the onsets of its edges (`steps`) say it finely, and with which uncertainty.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.clocks import HOST_JITTER, RATE_LIMIT
from powerlab_analysis.integral import Integral
from powerlab_analysis.noise import correlation_bracket
from powerlab_analysis.steps import Edges, Onsets, elsewhere, glance

# Logarithm of a likelihood ratio; 12.5 is a Gaussian's five standard deviations.
SURE = 12.5
MOST_SUMS = 50_000_000  # windows times offsets that are tried
SUMS_AT_ONCE = 1_000_000
RESIDUAL_BLOCKS = 8192
FEWEST_ALIKE = 4  # windows, from which on what they have in common is known
ZOOMED = 41  # offsets of a closer look
MOST_PEAKS = 16  # of the first look that get one
FINE = 2e-4  # s: where the first look ends
RAMP = 0.025  # s by which the middle of a ramp, which is what the first look finds, may come after its onset
LARGEST_STEP = 0.06  # s of the host's clock that are looked for between two windows
LEAST_STEP = 2e-3  # s; below, a step is no different from a late stamp
FLANK = 0.05  # s of idle beside a window that are compared with it
USUAL_WEIGHT = 6  # degrees of freedom that the usual jitter of a host counts for beside those of the record
MEDIAN_WORTH = 0.37  # of a degree of freedom: what each edge is worth where their median is taken for the scatter
LEAST_JITTER, LARGEST_JITTER = 1e-5, 5e-4  # s; more is no jitter, but wrong
LATE = 1e-3  # s that an edge may be off, besides its uncertainty, before its window is given up

NO_STEP = "no marker was recorded, and the current shows no step where windows may have run"
AMBIGUOUS = "no marker was recorded, and the windows fit the current in more than one place: leave idle around them"
NO_EDGE = "no marker was recorded, and no edge of the windows is clear enough in the current"
TOO_WIDE = "no marker was recorded, and the host's times leave too many places for windows as short as these"


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Where the windows lie on the record's clock, in s [n].

    `shift` [n] is the standard uncertainty that all windows of the record share, `jitter` the one that each edge has
    for itself (s). `doubts` [n] say what speaks against a window, "" for none. `step` are the seconds by which the
    host's clock went ahead before window number `after`, 0 without a step. `drift` is the standard uncertainty of the
    host's rate against the scope's.
    """

    starts: NDArray[np.float64]
    stops: NDArray[np.float64]
    shift: NDArray[np.float64]
    jitter: float
    doubts: tuple[str, ...]
    drift: float
    step: float = 0.0
    after: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """Host times of starts and stops in order [n], in s since the first start."""

    starts: NDArray[np.float64]
    stops: NDArray[np.float64]

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Idle before each window but the first [n - 1]."""
        return self.starts[1:] - self.stops[:-1]

    @property
    def feature(self) -> float:
        """The shortest window or gap."""
        return float(min([*(self.stops - self.starts), *(gap for gap in self.gaps if gap > 0)]))

    @property
    def period(self) -> float:
        """The least shift by which another window could be taken for the right one."""
        return float(np.diff(self.starts).min()) if len(self.starts) > 1 else float(self.stops[0] - self.starts[0])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the pattern as a whole lies: the record's time of the first start, and the two levels."""

    offset: float
    idle: float
    step: float
    noise: float  # density: variance of a mean times its seconds


def match(integral: Integral, pattern: Pattern, low: float, high: float, *, closely: bool = True) -> Match | str:
    """Lay the pattern over a trace, its first start between `low` and `high` (s on the record's clock).

    A reason in words when the current does not say where it lies. Without `closely` the edges get a first look only:
    enough to tell whether a window is where it should be.
    """
    place = _place(integral, pattern, low, high)
    if isinstance(place, str):
        return place
    split, offsets = _split(integral, pattern, place)
    number = len(pattern.starts)
    starts, stops, shift = np.empty(number), np.empty(number), np.empty(number)
    doubts: list[str] = []
    jitters, drifts = [], []
    for rows, offset in zip((slice(0, split), slice(split, number)), offsets, strict=True):
        if rows.start == rows.stop:
            continue
        fine = _fine(integral, pattern, rows, offset, closely=closely)
        if isinstance(fine, str):
            return fine
        starts[rows], stops[rows], shift[rows] = fine.starts, fine.stops, fine.shift
        doubts += fine.doubts
        jitters.append(fine.jitter)
        drifts.append(fine.drift)
    step = 0.0
    if 0 < split < number:
        step = float((starts[split] - starts[split - 1]) - (pattern.starts[split] - pattern.starts[split - 1]))
    return Match(starts, stops, shift, max(jitters), tuple(doubts), max(drifts), -step, split % number)


def _place(integral: Integral, pattern: Pattern, low: float, high: float) -> _Place | str:
    """Where the pattern explains most of the trace, as two levels; a reason if it could be elsewhere, or nowhere."""
    spacing = max(integral.interval, pattern.feature / 4)
    number = math.ceil((high - low) / spacing) + 1
    if number * len(pattern.starts) > MOST_SUMS:
        return TOO_WIDE
    offsets = np.linspace(low, high, number)
    explained = _explained(integral, pattern, offsets)
    if explained.max() <= 0:
        return NO_STEP
    # The grid is too coarse to say which peak is the highest.
    peaks, heights = _zoomed(integral, pattern, offsets[_peaks(explained)[-MOST_PEAKS:]], spacing, (low, high))
    highest = int(heights.argmax())
    offset, most = float(peaks[highest]), float(heights[highest])
    place = _levels(integral, pattern, offset)
    if most < 2 * place.noise * 2 * SURE:
        return NO_STEP
    rival = float(heights[np.abs(peaks - offset) > pattern.period / 2].max(initial=-math.inf))
    if most - rival < 2 * place.noise * SURE:
        return AMBIGUOUS
    return place


def _peaks(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where values [n] are no lower than beside them, the lowest first."""
    beside = np.concatenate([[-np.inf], values, [-np.inf]])
    peaks = np.flatnonzero((values >= beside[:-2]) & (values >= beside[2:]))
    order: NDArray[np.int64] = peaks[np.argsort(values[peaks])]
    return order


def _zoomed(
    integral: Integral, pattern: Pattern, offsets: NDArray[np.float64], spacing: float, limits: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The offsets of peaks [n] and their heights [n], from ones that are off by less than `spacing` (s)."""
    while True:
        reach = np.linspace(-2 * spacing, 2 * spacing, ZOOMED)
        near = np.clip(offsets[:, None] + reach, *limits)
        found = _explained(integral, pattern, near.ravel()).reshape(near.shape)
        best = np.arange(len(near)), found.argmax(axis=1)
        offsets, heights = near[best], found[best]
        spacing /= (ZOOMED - 1) / 4
        if spacing <= max(FINE, integral.interval):
            return offsets, heights


def _sums(
    integral: Integral, pattern: Pattern, offsets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Integral of the trace inside the windows, and how many seconds of them are in the trace, at each offset."""
    edges = np.stack([pattern.starts, pattern.stops])[:, None, :]
    inside, seconds = np.empty(len(offsets)), np.empty(len(offsets))
    rows = max(1, SUMS_AT_ONCE // edges.size)
    for first in range(0, len(offsets), rows):
        part = slice(first, first + rows)
        times = np.clip(offsets[part, None] + edges, integral.start, integral.stop)
        found = integral.at(times).sum(axis=2)
        inside[part] = found[1] - found[0]
        seconds[part] = times[1].sum(axis=1) - times[0].sum(axis=1)
    return inside, seconds


def _explained(integral: Integral, pattern: Pattern, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """What two levels, the higher in the windows, explain of the trace's square: value^2 s, at each offset."""
    inside, seconds = _sums(integral, pattern, offsets)
    whole = integral.stop - integral.start
    above = inside - float(integral.at(np.array(integral.stop))) * seconds / whole
    rest = seconds * (1 - seconds / whole)
    usable = (above > 0) & (rest > 1e-9 * whole)
    return np.where(usable, np.square(above) / np.where(usable, rest, 1.0), 0.0)


def _levels(integral: Integral, pattern: Pattern, offset: float) -> _Place:
    """The two levels at an offset, and the noise around them."""
    inside, seconds = (float(it[0]) for it in _sums(integral, pattern, np.array([offset])))
    whole, total = integral.stop - integral.start, float(integral.at(np.array(integral.stop)))
    idle = (total - inside) / (whole - seconds)
    step = inside / seconds - idle
    blocks = min(RESIDUAL_BLOCKS, len(integral.values))
    bounds = np.linspace(integral.start, integral.stop, blocks + 1)
    ticks = np.stack([pattern.starts, pattern.stops], axis=1).ravel() + offset
    run = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * (np.arange(len(ticks) - 1) % 2 == 0))])
    share = np.diff(np.interp(bounds, ticks, run)) / (whole / blocks)
    rest = integral.means(bounds) - idle - step * share
    rest = _without_common(rest, bounds[:-1], ticks)
    rest -= rest.mean()
    variance = float(np.square(rest).mean())
    bracket = correlation_bracket(rest) if variance > 0 else 1.0
    return _Place(offset, idle, step, variance * bracket * whole / blocks)


def _without_common(
    rest: NDArray[np.float64], times: NDArray[np.float64], ticks: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The residuals [m] at `times` without what all windows have in common at the same time after a start or a stop.

    `ticks` [2 n] are starts and stops in turn.

    A ramp that each window has is no noise: it does not make another window look like the right one.
    """
    tick = np.searchsorted(ticks, times, side="right") - 1
    since = ((times - ticks[np.maximum(tick, 0)]) / (times[1] - times[0])).astype(np.int64)
    bins = np.where(tick >= 0, 2 * since + tick % 2 + 1, 0)
    count = np.bincount(bins)
    mean = np.bincount(bins, weights=rest) / np.maximum(count, 1)
    known = (count >= FEWEST_ALIKE) & (np.arange(len(count)) > 0)
    scale = np.sqrt(count / np.maximum(count - 1, 1))
    cleaned: NDArray[np.float64] = np.where(known[bins], (rest - mean[bins]) * scale[bins], rest)
    return cleaned


def _split(integral: Integral, pattern: Pattern, place: _Place) -> tuple[int, tuple[float, float]]:
    """Whether the pattern fits much better in two parts: the number of the second's first window, and their offsets.

    The host's clock has stepped then. The number is that of all windows where it has not.
    """
    number = len(pattern.starts)
    whole = number, (place.offset, place.offset)
    if number < 2:
        return whole
    shifts = np.arange(-LARGEST_STEP, LARGEST_STEP, max(integral.interval, pattern.feature / 8, 5e-4))
    halves = np.maximum(pattern.gaps / 2, 0.0)
    before = np.minimum(FLANK, np.concatenate([[np.inf], halves]))
    after = np.minimum(FLANK, np.concatenate([halves, [np.inf]]))
    middle = place.idle + place.step / 2
    ticks = np.stack([pattern.starts - before, pattern.starts, pattern.stops, pattern.stops + after])
    times = np.clip(ticks[:, :, None] + (place.offset + shifts), integral.start, integral.stop)
    flank, inside, other = np.diff(integral.at(times) - times * middle, axis=0)
    scores = (inside - flank - other) / place.step
    first, second = scores.cumsum(axis=0)[:-1], scores[::-1].cumsum(axis=0)[::-1][1:]
    together = float(scores.sum(axis=0).max())
    parted = first.max(axis=1) + second.max(axis=1)
    k = int(parted.argmax())
    left, right = float(shifts[first[k].argmax()]), float(shifts[second[k].argmax()])
    size = abs(right - left)
    gained, worth = float(parted[k]) - together, 0.2 * min(size, pattern.feature)
    if size < LEAST_STEP or gained < worth:
        return whole
    # In s of misplaced window: a step of the clock misplaces each later edge, noise only here and there. What noise is,
    # shows with the step taken out.
    moved = np.where(np.arange(number) > k, right - left, 0.0)
    parted_place = _levels(integral, Pattern(pattern.starts + moved, pattern.stops + moved), place.offset + left)
    chance = 6 * math.sqrt(2 * parted_place.noise * max(size, pattern.feature)) / place.step
    if gained < chance + worth:
        return whole
    return k + 1, (place.offset + left, place.offset + right)


@dataclass(frozen=True, slots=True, eq=False)
class _Fine:
    """What the edges of some windows say."""

    starts: NDArray[np.float64]
    stops: NDArray[np.float64]
    shift: NDArray[np.float64]
    jitter: float
    doubts: list[str]
    drift: float


def _fine(integral: Integral, pattern: Pattern, rows: slice, offset: float, *, closely: bool) -> _Fine | str:
    """The windows of these rows by the onsets of their edges, first the clearest and then all."""
    times = pattern.starts[rows], pattern.stops[rows]
    length = float((times[1] - times[0]).min())
    spread = RATE_LIMIT * float(pattern.stops[-1])
    search = min(RAMP + FINE + integral.interval + spread, length / 3)
    clear = [_clear(pattern, rows, offset, sign) for sign in (1, -1)]
    rooms = np.concatenate([np.minimum(it.before, it.after) for it in (edges.within(integral) for edges in clear)])
    search = min(search, float(rooms.max()) / 3)
    if search < 2 * integral.interval:
        return NO_EDGE
    sights = [glance(integral, edges, search, max(integral.interval, search / 24)) for edges in clear]
    found = [it.found for it in sights]
    moved = _common(clear, found)
    if moved is None:
        return NO_EDGE
    if not closely:
        return _straightened(pattern, rows, offset, found, integral.interval)
    far = [_far(edges, onsets, moved[0]) for edges, onsets in zip(clear, found, strict=True)]
    offset += moved[0]
    search = min(search, max(3 * integral.interval, 1.5e-3 + 5 * moved[1] + spread))
    clear = [_clear(pattern, rows, offset, sign) for sign in (1, -1)]
    closer = [elsewhere(integral, edges, sight, search) for edges, sight in zip(clear, sights, strict=True)]
    if _common(clear, closer) is not None:
        # An edge that is far from the others is out of the closer look's reach.
        found = [
            Onsets(np.where(off, one.times, other.times), np.where(off, one.u, other.u), other.shape)
            for off, one, other in zip(far, found, closer, strict=True)
        ]
    return _straightened(pattern, rows, offset, found, integral.interval)


def _clear(pattern: Pattern, rows: slice, offset: float, sign: int) -> Edges:
    """The rises or falls of these rows, with how far the level beside them is clear of other edges."""
    lengths = pattern.stops - pattern.starts
    gaps = np.maximum(pattern.gaps, 0.0)
    ends = np.array([np.inf])
    if sign > 0:
        # Half a gap only: in its first half, the fall before dies away.
        before, after, times = np.concatenate([ends, gaps / 2]), lengths * 0.9, pattern.starts
    else:
        before, after, times = lengths * 0.9, np.concatenate([gaps * 0.9, ends]), pattern.stops
    return Edges(times[rows] + offset, before[rows], after[rows], sign)


def _common(clear: list[Edges], found: list[Onsets]) -> tuple[float, float] | None:
    """By how much all edges lie later than expected, and its uncertainty; None if none was seen."""
    late = np.concatenate([onsets.times - edges.times for edges, onsets in zip(clear, found, strict=True)])
    u = np.concatenate([np.hypot(onsets.u, onsets.shape) for onsets in found])
    seen = np.isfinite(u)
    if not seen.any():
        return None
    # The median first: an edge may be far from where the host has it.
    # One of them, so that there is one near it.
    middle = np.sort(late[seen])[int(seen.sum()) // 2]
    near = seen & (np.abs(late - middle) <= LATE + 5 * u)
    weights = 1 / np.square(u[near])
    return float(late[near] @ weights / weights.sum()), float(weights.sum() ** -0.5)


def _far(edges: Edges, found: Onsets, moved: float) -> NDArray[np.bool_]:
    """Which edges [n] lie clearly elsewhere than the others, which are late by `moved` (s)."""
    late = found.times - edges.times - moved
    limit = LATE + 5 * np.hypot(found.u, found.shape)
    far: NDArray[np.bool_] = np.isfinite(late) & (np.abs(late) > limit)
    return far


def _straightened(pattern: Pattern, rows: slice, offset: float, found: list[Onsets], interval: float) -> _Fine | str:
    """The straight line of the onsets over the host's times, its slope no further from 1 than two clocks can be.

    Rises and falls may have a lag of their own each, as far as the shape of their ramps is not known.
    """
    starts, stops = pattern.starts[rows], pattern.stops[rows]
    host = np.concatenate([starts, stops])
    late = np.concatenate([onsets.times for onsets in found]) - host - offset
    noise = np.concatenate([onsets.u for onsets in found])
    middle = float(host.mean())
    number = len(starts)
    rises = np.arange(2 * number) < number
    columns = np.stack([np.ones(2 * number), host - middle, rises, ~rises], axis=1).astype(np.float64)
    shapes = [math.hypot(onsets.shape, interval / 2) for onsets in found]
    priors = np.diag([0.0, *(1 / it**2 for it in (RATE_LIMIT / math.sqrt(3), *shapes))])
    seen = np.isfinite(noise)
    jitter = HOST_JITTER
    good = seen.copy()
    for _ in range(3):
        weights = np.where(good, 1 / (np.square(np.where(seen, noise, 1.0)) + jitter**2), 0.0)
        if not good.any():
            return NO_EDGE
        covariance = np.linalg.inv(columns.T @ (weights[:, None] * columns) + priors)
        fit = covariance @ (columns.T @ (weights * np.where(good, late, 0.0)))
        rest = np.where(seen, late - columns @ fit, 0.0)
        jitter = _jitter(rest[good], noise[good])
        limit = LATE + 5 * np.sqrt(np.square(np.where(seen, noise, 0.0)) + jitter**2)
        good = seen & (np.abs(rest) <= limit)
    freedom = int(good.sum()) - 2
    chi = float(np.square(rest[good]) @ weights[good])
    scale = max(1.0, chi / freedom) if freedom > 0 else 1.0
    lag = 0.0
    if (good & rises).any() and (good & ~rises).any():
        # Rises and falls that do not agree have a lag that nobody can give to one of them.
        lag = abs(float(rest[good & rises].mean() - rest[good & ~rises].mean() + fit[2] - fit[3])) / 2
    line = columns[:, :2] @ fit[:2]
    own = np.einsum("ij,jk,ik->i", columns[:, :2], covariance[:2, :2], columns[:, :2]) * scale
    shift = np.sqrt(own[:number] + lag**2 / 3)
    off = seen & ~good
    doubts = [
        _doubt("start", rest[k]) if off[k] else _doubt("stop", rest[number + k]) if off[number + k] else ""
        for k in range(number)
    ]
    return _Fine(
        starts=starts + offset + line[:number],
        stops=stops + offset + line[number:],
        shift=shift,
        jitter=jitter * math.sqrt(scale),
        doubts=doubts,
        drift=math.sqrt(float(covariance[1, 1]) * scale),
    )


def _jitter(rest: NDArray[np.float64], noise: NDArray[np.float64]) -> float:
    """How far each edge scatters besides its noise (s): what is usual, until enough edges say otherwise."""
    freedom = max(len(rest) - 2, 0) * MEDIAN_WORTH
    # By the median, which an edge that is far off does not move.
    square = (1.4826 * float(np.median(np.abs(rest)))) ** 2 - float(np.square(noise).mean())
    found = (USUAL_WEIGHT * HOST_JITTER**2 + freedom * square) / (USUAL_WEIGHT + freedom)
    # Few edges say it roughly only (the variance of Student's distribution).
    rough = math.sqrt((USUAL_WEIGHT + freedom) / (USUAL_WEIGHT + freedom - 2))
    return min(rough * math.sqrt(max(found, LEAST_JITTER**2)), LARGEST_JITTER)


def _doubt(edge: str, late: float) -> str:
    """What speaks against a window, an edge of which lies so far (s) from where it should."""
    return f"the current's {edge} lies {late * 1e3:+.2g} ms from where the host's clock puts it"
