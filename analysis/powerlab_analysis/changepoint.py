"""Windows of a capture without any marks: spans in which a trace lies clearly higher than around them.

Two states, low and high, on a baseline that may drift: a change of state costs as much as chance could bring in, so
that noise makes none (the most probable path of a hidden Markov model, by the algorithm of A. J. Viterbi, IEEE Trans.
Inf. Theory 13, 1967). What is found is then doubted: a window is longer than the bursts between windows, its edges are
steps and no slow swing, and it stands out of what was left out. Its edges are placed as those of timed windows are
(`steps`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.edges import EdgeUncertainty
from powerlab_analysis.integral import Integral
from powerlab_analysis.noise import correlation_bracket
from powerlab_analysis.steps import Edges, locate
from powerlab_traces.trace import Trace
from powerlab_traces.window import Window

COARSE, FINE = 8192, 65_536  # blocks in which states are looked for: first, and with the levels that were found
SCALES = (1, 8, 64, 256)  # blocks over which a first guess is smoothed: each noise, and each length of window, has its own
GUESSES = 4.0  # standard deviations of a smoothed block, beyond which a first guess sees another level
ROUNDS = 6  # of states and levels in turn
KNOTS = 20  # pieces that the baseline has at most in idle
CHANGE = 3.0  # times ln(blocks): what a change of state costs, as the logarithm of a likelihood
SHORT = 0.2  # of the usual window: shorter spans are bursts between windows
ALIKE = 5.0  # two lengths of gaps that differ by more are of two kinds
INFERENCES = 8  # spans with short gaps between them, from which on they are the parts of one window
SHARP = 0.6  # of a window's height must be climbed at its edges; a sine's half wave climbs less
SIGNIFICANT = 5.0  # standard uncertainties by which a window must stand out
RAMP_SHARE = 0.08  # of the shortest window: half of how much earlier than a change of state its ramp may begin
FLANK, EDGE = 0.1, 0.05  # of a window: what is compared beside an edge, and what is left out for its ramp
LEAST_CONTRAST = 0.08  # of the higher windows' height: what a lower kind of window must have
LEAST_CONFIDENCE = 0.25  # below, there are no windows
SMOOTHED = 5  # blocks: where a single one lies says little
ROUNDS_LOWER = 3  # kinds of windows, at most

NOTHING = "no span stands out of the trace: {}"


@dataclass(frozen=True, slots=True)
class Found:
    """The windows of a trace, how well their edges are known, and how far to trust each, 0 to 1.

    `confidence` is that of the whole: of the least certain window, and how much less than it the strongest of what was
    left out is; without windows, that there are none. `left_out` says what else was seen, and `reason` why there are
    no windows, "" if there are.
    """

    windows: tuple[Window, ...]
    edges: tuple[EdgeUncertainty, ...]
    confidences: tuple[float, ...]
    confidence: float
    left_out: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Span:
    """Blocks `[first, last)` in the high state."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first


@dataclass(frozen=True, slots=True, eq=False)
class _States:
    """A trace in blocks [n] and their states; `base` [n] is the low level, `height` that of the high one above it."""

    high: NDArray[np.bool_]
    base: NDArray[np.float64]
    height: float
    cost: float


def find_windows(trace: Trace | Integral, *, shortest: float = 0.0) -> Found:
    """The windows of higher power in a trace of current, power or energy; none shorter than `shortest` (s).

    A window that the trace cuts off at one of its ends is left out. Nothing but the trace is known, so where bursts
    between windows are as long as the windows, or as high all along, they are windows too.

    >>> levels = np.repeat([2, 9, 2, 9, 2], [300, 500, 200, 500, 300]) * 100
    >>> found = find_windows(Trace(levels, interval=1e-3, unit="A"))
    >>> [(round(it.start, 3), round(it.stop, 3)) for it in found.windows]
    [(0.3, 0.8), (1.0, 1.5)]
    """
    integral = trace if isinstance(trace, Integral) else Integral.of(trace)
    if len(integral.values) < 4 * SCALES[1]:
        return Found((), (), (), 1.0, reason=NOTHING.format(f"{len(integral.values)} samples are too few"))
    blocks = min(FINE, len(integral.values))
    bounds = np.linspace(integral.start, integral.stop, blocks + 1)
    values = integral.means(bounds)
    if np.ptp(values) == 0:
        return Found((), (), (), 1.0, reason=NOTHING.format("it is level"))
    states = _best(integral, values)
    if states is None:
        return Found((), (), (), 1.0, reason=NOTHING.format("a level that drifts explains it as well"))
    least = max(2, math.ceil(shortest / (bounds[1] - bounds[0])))
    spans, others = _windows(_spans(states.high), least)
    for _ in range(ROUNDS_LOWER - 1):
        more = _lower(values, states, spans, others, least)
        if not more:
            break
        spans = sorted([*spans, *more], key=lambda span: span.first)
    return _doubted(integral, bounds, values, states, spans, others)


# The states.


def _best(integral: Integral, values: NDArray[np.float64]) -> _States | None:
    """The states that explain the trace best, in the finest blocks; None where none does better than no window."""
    coarse = values
    if len(values) > COARSE:
        coarse = integral.means(np.linspace(integral.start, integral.stop, COARSE + 1))
    tried = [_settled(coarse, guess) for guess in _guesses(coarse)]
    found = [it for it in tried if it is not None]
    if not found:
        return None
    best = min(found, key=lambda it: it.cost)
    if best.cost >= _cost_without(coarse):
        return None
    if len(values) == len(coarse):
        return best
    places = (np.arange(len(values)) * (len(coarse) / len(values))).astype(np.int64)
    return _settled(values, best.high[places])


def _guesses(values: NDArray[np.float64]) -> Iterator[NDArray[np.bool_]]:
    """First guesses at the high state: by the best threshold and by what is rare, on several scales and baselines."""
    number = len(values)
    time = np.linspace(-1, 1, number)
    lower = _envelope(values)
    for base in (np.zeros(number), np.polyval(np.polyfit(time, values, 1), time), lower):
        for scale in SCALES:
            if number < 8 * scale:
                break
            means = (values - base)[: number // scale * scale].reshape(-1, scale).mean(axis=1)
            middle = float(np.median(means))
            noise = float(np.median(np.abs(np.diff(means)))) / (0.6745 * math.sqrt(2))
            for high in (means > _threshold(means), means > middle + GUESSES * noise, means > middle - GUESSES * noise):
                if 0 < np.count_nonzero(high) < len(high):
                    whole = np.repeat(high, scale)
                    yield np.concatenate([whole, np.full(number - len(whole), whole[-1])])


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


def _settled(values: NDArray[np.float64], high: NDArray[np.bool_]) -> _States | None:
    """States and levels that agree with one another, from a first guess; None where only one state is left."""
    cost = CHANGE * math.log(len(values))
    for _ in range(ROUNDS):
        if not 0 < np.count_nonzero(high) < len(high):
            return None
        base = _baseline(values, high)
        height = float(np.median((values - base)[high]))
        rest = values - base - np.where(high, height, 0.0)
        variance = float(np.square(rest).mean())
        if height <= 0 or variance == 0:
            return None if height <= 0 else _States(high, base, height, -math.inf)
        rates = (values - base - height / 2) * (height / variance)
        # No single block decides: what is far above the high level is no more of a window than what is at it.
        ahead = _path(np.clip(rates, -cost, cost), cost)
        if (ahead == high).all():
            break
        high = ahead
    if not 0 < np.count_nonzero(high) < len(high):
        return None
    base = _baseline(values, high)
    height = float(np.median((values - base)[high]))
    return _States(high, base, height, _cost(values, base, high)) if height > 0 else None


def _path(rates: NDArray[np.float64], cost: float) -> NDArray[np.bool_]:
    """The most probable states [n], by how much each block speaks for the high one [n] and what a change costs."""
    ahead = 0.0
    forward = []
    for rate in rates.tolist():
        ahead = rate + (cost if ahead > cost else -cost if ahead < -cost else ahead)
        forward.append(ahead)
    state = ahead > 0
    states = [state]
    for ahead in reversed(forward[:-1]):
        state = ahead > (-cost if state else cost)
        states.append(state)
    return np.array(states[::-1])


def _baseline(values: NDArray[np.float64], high: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The low level [n]: medians of the stretches in the low state, joined by straight lines."""
    longest = max(2, len(values) // KNOTS)
    middles, levels = [], []
    for span in _spans(~high):
        for part in np.array_split(np.arange(span.first, span.last), -(-span.length // longest)):
            middles.append(float(part.mean()))
            levels.append(float(np.median(values[part])))
    return np.interp(np.arange(len(values)), middles, levels)


def _cost(values: NDArray[np.float64], base: NDArray[np.float64], high: NDArray[np.bool_]) -> float:
    """What states leave unexplained, and what they cost: twice a logarithm of a likelihood, with the sign turned."""
    rest = values - base
    spans = _spans(high)
    for span in spans:
        rest[span.first : span.last] -= rest[span.first : span.last].mean()
    return _unexplained(rest) + 4 * CHANGE * math.log(len(values)) * len(spans)


def _cost_without(values: NDArray[np.float64]) -> float:
    """The same for a level that drifts, without windows."""
    return _unexplained(values - _baseline(values, np.zeros(len(values), dtype=np.bool_)))


def _unexplained(rest: NDArray[np.float64]) -> float:
    variance = float(np.square(rest).mean())
    return len(rest) * math.log(max(variance, 1e-300))


# The spans.


def _spans(high: NDArray[np.bool_]) -> list[_Span]:
    flips = np.flatnonzero(np.diff(np.concatenate([[False], high, [False]]).astype(np.int8)))
    return [_Span(first, last) for first, last in flips.reshape(-1, 2).tolist()]


def _windows(spans: Sequence[_Span], least: int) -> tuple[list[_Span], list[_Span]]:
    """Which spans are windows, and which are not: bursts are left out, the parts of one window put together."""
    kept, others = list(spans), []
    while True:
        usual = _usual([span.length for span in kept])
        short = [span for span in kept if span.length < max(SHORT * usual, least)]
        others += short
        kept = [span for span in kept if span not in short]
        whole = _whole(kept)
        if not short and whole == kept:
            return kept, sorted(others, key=lambda span: span.first)
        others = [it for it in others if not any(span.first <= it.first and it.last <= span.last for span in whole)]
        kept = whole


def _usual(lengths: Sequence[int]) -> float:
    """The length of the span that holds the middle of all time in spans; 0 without any."""
    ordered = np.sort(np.array(lengths, dtype=np.float64))
    return float(ordered[np.searchsorted(ordered.cumsum(), ordered.sum() / 2)]) if len(ordered) else 0.0


def _whole(spans: Sequence[_Span]) -> list[_Span]:
    """The spans, many with short gaps between them put together where the other gaps are much longer."""
    gaps = [later.first - earlier.last for earlier, later in pairwise(spans)]
    ordered = sorted(gaps)
    limit = next((low for low, high in pairwise(ordered) if high > ALIKE * low), None)
    if limit is None:
        return list(spans)
    groups = [[spans[0]]]
    for gap, span in zip(gaps, spans[1:], strict=True):
        if gap <= limit:
            groups[-1].append(span)
        else:
            groups.append([span])
    if np.median([len(group) for group in groups]) < INFERENCES:
        return list(spans)
    return [_Span(group[0].first, group[-1].last) for group in groups]


def _lower(
    values: NDArray[np.float64], states: _States, spans: Sequence[_Span], others: Sequence[_Span], least: int
) -> list[_Span]:
    """Windows of a lower kind among what is idle beside the higher ones."""
    hidden = np.zeros(len(values), dtype=np.bool_)
    for span in [*spans, *others]:
        margin = max(2, span.length // 20)
        hidden[max(0, span.first - margin) : span.last + margin] = True
    idle = (values - states.base)[~hidden]
    if len(idle) < 8 * SCALES[1]:
        return []
    found = _best(Integral.over(idle, 1.0), idle)
    if found is None or found.height < LEAST_CONTRAST * states.height:
        return []
    places = np.flatnonzero(~hidden)
    high = np.zeros(len(values), dtype=np.bool_)
    high[places[found.high]] = True
    usual = _usual([span.length for span in spans])
    return [
        span
        for span in _spans(high)
        if span.length >= max(SHORT * usual, least) and span.length <= usual / SHORT and _free(span, hidden)
    ]


def _free(span: _Span, hidden: NDArray[np.bool_]) -> bool:
    """Whether a span does not lean on what was hidden: then it is the foot of that, and no window."""
    return not hidden[max(0, span.first - 1) : span.last + 1].any()


# The doubts.


def _doubted(
    integral: Integral,
    bounds: NDArray[np.float64],
    values: NDArray[np.float64],
    states: _States,
    spans: Sequence[_Span],
    others: Sequence[_Span],
) -> Found:
    """The spans that stand up to doubt, with their edges placed in the samples."""
    everything = sorted([*spans, *others], key=lambda span: span.first)
    kept: list[_Span] = []
    sure: list[float] = []
    left_out: list[str] = []
    strongest = max((_area(values, states, span) for span in others), default=0.0)
    for span in spans:
        verdict = _verdict(values, span, everything)
        if isinstance(verdict, str):
            left_out.append(f"{_said(bounds, span)}: {verdict}")
            if span.first > 0 and span.last < len(values):
                strongest = max(strongest, _area(values, states, span))
        else:
            kept.append(span)
            sure.append(verdict)
    if others:
        longest = max(others, key=lambda span: span.length)
        left_out.append(
            f"{len(others)} span{'s' * (len(others) > 1)} too short for a window, the longest {_said(bounds, longest)}"
        )
    if not kept:
        return Found((), (), (), 1.0 - max(sure, default=0.0), tuple(left_out), NOTHING.format("nothing in it is a step"))
    weakest = min(_area(values, states, span) for span in kept)
    confidence = min(sure) * (1 - min(1.0, max(0.0, strongest) / weakest)) if weakest > 0 else 0.0
    if confidence < LEAST_CONFIDENCE:
        left_out += [f"{_said(bounds, span)}: what is no window is as large" for span in kept]
        return Found((), (), (), 1 - confidence, tuple(left_out), NOTHING.format("it goes up and down all along"))
    windows, edges = _placed(integral, bounds, values, kept, everything)
    return Found(windows, edges, tuple(sure), confidence, tuple(left_out))


def _area(values: NDArray[np.float64], states: _States, span: _Span) -> float:
    part = slice(span.first, span.last)
    return float((values[part] - states.base[part]).sum())


def _ramp(values: NDArray[np.float64], span: _Span, everything: Sequence[_Span], sign: int) -> int:
    """Blocks before a change of state in which most of the ramp to it is seen, at the rise (+1) or the fall (-1)."""
    before, after = _room(span, everything, len(values))
    edge, room = (span.first, before) if sign > 0 else (span.last, after)
    inside = values[span.first : span.last][:: sign][: max(1, span.length // 4)].mean()
    flank = values[_between(edge, edge - sign * max(1, min(room, span.length) * 3 // 4))].mean()
    reach = min(edge, before if sign > 0 else span.length // 2)
    back = values[edge - reach : edge][::-1]
    width = min(SMOOTHED, len(back))
    smooth = np.convolve(back, np.full(width, 1 / width), mode="valid")
    passed = smooth < flank + 0.2 * (inside - flank) if sign > 0 else smooth > flank + 0.8 * (inside - flank)
    return int(passed.argmax()) if passed.any() else len(back)


def _onsets(
    integral: Integral, edges: Edges, most: float, block: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Onsets that come up to 2 `most` (s) before where the state changes, and their uncertainties; else the block's."""
    changes = edges.times
    most = max(most, 3 * block)
    onsets = locate(integral, edges.at(changes - most + block), most, max(integral.interval, most / 24))
    seen = np.isfinite(onsets.u)
    u = np.hypot(np.where(seen, onsets.u, block), max(onsets.shape, integral.interval / 2))
    return np.where(seen, onsets.times, changes), u


def _said(bounds: NDArray[np.float64], span: _Span) -> str:
    return f"{bounds[span.first]:.4g} to {bounds[span.last]:.4g} s"


def _verdict(values: NDArray[np.float64], span: _Span, everything: Sequence[_Span]) -> float | str:
    """How far to trust a span, 0 to 1, or why it is no window."""
    if span.first == 0 or span.last == len(values):
        return "the trace cuts it off"
    before, after = _room(span, everything, len(values))
    margin, reach = int(EDGE * span.length), max(1, int(FLANK * span.length))
    inside, within = values[span.first : span.last].mean(), _of_mean(values[span.first : span.last])
    sharp, clear = [], []
    for edge, room, sign in ((span.first, before, -1), (span.last, after, 1)):
        # Beside a short gap the whole of it is compared, less what a ramp may take.
        gap = min(margin, room // 3)
        flank = values[_between(edge + sign * gap, edge + sign * min(room, gap + reach))]
        side = values[_between(edge - sign * margin, edge - sign * (margin + reach))]
        far = values[_between(edge + sign * gap, edge + sign * min(room, span.length))]
        height = float(inside - far.mean())
        if height <= 0:
            return "it is no higher than what is beside it"
        sharp.append(float(side.mean() - flank.mean()) / height)
        clear.append(height / math.hypot(within, _of_mean(far)))
    if min(clear) < SIGNIFICANT:
        return f"it stands out by {min(clear):.1f} standard uncertainties only"
    if min(sharp) < SHARP:
        return "its edges are slow swings, not steps"
    return min(1.0, *sharp) * -math.expm1(-((min(clear) / SIGNIFICANT) ** 2))


def _of_mean(values: NDArray[np.float64]) -> float:
    """Standard uncertainty of the mean of blocks that are not independent of one another."""
    place = np.arange(len(values)) - (len(values) - 1) / 2
    rest = values - values.mean()
    if len(values) > 2:  # a drifting baseline is no noise
        rest = rest - place * (float(rest @ place) / float(place @ place))
    variance = float(np.square(rest).mean())
    if variance == 0:
        return 1e-12 * abs(float(values.mean())) + 1e-300
    return math.sqrt(variance * min(correlation_bracket(rest) / len(values), 1.0))


def _between(one: int, other: int) -> slice:
    """The blocks between two bounds, at least one."""
    first, last = sorted((one, other))
    return slice(max(first, 0), max(last, first + 1))


def _room(span: _Span, everything: Sequence[_Span], blocks: int) -> tuple[int, int]:
    """Blocks before and after a span that no other one takes."""
    before = span.first - max((it.last for it in everything if it.last <= span.first), default=0)
    after = min((it.first for it in everything if it.first >= span.last), default=blocks) - span.last
    return max(before, 1), max(after, 1)


def _placed(
    integral: Integral,
    bounds: NDArray[np.float64],
    values: NDArray[np.float64],
    spans: Sequence[_Span],
    everything: Sequence[_Span],
) -> tuple[tuple[Window, ...], tuple[EdgeUncertainty, ...]]:
    """The edges of spans to a fraction of a sample where they are clear, else to the block."""
    block = float(bounds[1] - bounds[0])
    rooms = np.array([_room(span, everything, len(bounds) - 1) for span in spans]) * block
    starts = bounds[[span.first for span in spans]]
    stops = bounds[[span.last for span in spans]]
    lengths = stops - starts
    most = RAMP_SHARE * float(lengths.min())
    ramps = [_ramp(values, span, everything, sign) * block for sign in (1, -1) for span in spans]
    up, down = (min(most, 2 * float(np.median(it))) for it in np.split(np.array(ramps), 2))
    # The state changes half-way up a ramp, so the onset comes before. The falls first: they make room for the rises.
    falls = Edges(stops, lengths * 0.9, rooms[:, 1], -1)
    stops, stop_doubts = _onsets(integral, falls, down, block)
    earlier = [float(found) - bounds[span.last] for span, found in zip(spans, stops, strict=True)]
    before = rooms[:, 0].copy()
    for k in range(1, len(spans)):
        if abs(rooms[k, 0] - (starts[k] - bounds[spans[k - 1].last])) < block / 2:
            before[k] -= min(earlier[k - 1], 0.0)
    rises = Edges(starts, before / 2, lengths * 0.9, 1)
    starts, start_doubts = _onsets(integral, rises, min(up, float(before.min()) / 6), block)
    doubts = start_doubts, stop_doubts
    placed = starts, stops
    windows = tuple(
        Window(start, stop, index=k)
        for k, (start, stop) in enumerate(zip(placed[0].tolist(), placed[1].tolist(), strict=True))
    )
    edges = tuple(EdgeUncertainty(0.0, start, stop) for start, stop in zip(*(it.tolist() for it in doubts), strict=True))
    return windows, edges
