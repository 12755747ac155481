"""Windows of a capture without any marks: spans in which a trace lies clearly higher than around them.

What is found in the higher of two states (`states`) is doubted: a window is longer than the bursts between windows,
its edges are steps and no slow swing, and it stands out of what was left out. Its edges are placed as those of timed
windows are (`steps`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.edges import EdgeUncertainty
from powerlab_analysis.integral import Integral
from powerlab_analysis.noise import correlation_bracket
from powerlab_analysis.states import FEWEST, FINE, Span, States, any_level, best_states, spans_of
from powerlab_analysis.steps import Edges, locate
from powerlab_traces.trace import Trace
from powerlab_traces.window import Window

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
SMOOTH_NOISE = 0.07  # of a window's height: what the noise of a mean of blocks may be that says how far a ramp reaches
ROUNDS_LOWER = 3  # kinds of windows, at most
MOST_PARTS, FEWEST_PARTS = 100, 12  # of a window that is looked at for the levels it may have at either end
LEAST_PARTED = 0.4  # of the variance within a window: what such levels may leave, to be levels

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
    if len(integral.values) < FEWEST:
        return Found((), (), (), 1.0, reason=NOTHING.format(f"{len(integral.values)} samples are too few"))
    blocks = min(FINE, len(integral.values))
    bounds = np.linspace(integral.start, integral.stop, blocks + 1)
    values = integral.means(bounds)
    if np.ptp(values) == 0:
        return Found((), (), (), 1.0, reason=NOTHING.format("it is level"))
    states = best_states(integral, values)
    if states is None:
        return Found((), (), (), 1.0, reason=NOTHING.format("a level that drifts explains it as well"))
    states = any_level(values, states) or states
    least = max(2, math.ceil(shortest / (bounds[1] - bounds[0])))
    spans, others = _windows(spans_of(states.high), least)
    for _ in range(ROUNDS_LOWER - 1):
        more = _lower(values, states, spans, others, least)
        if not more:
            break
        spans = sorted([*spans, *more], key=lambda span: span.first)
    spans = [_parted(values, span, states.base) for span in spans]
    everything = sorted([*spans, *others], key=lambda span: span.first)
    return _doubted(_Seen(integral, bounds, values, states, everything), spans, others)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What a verdict on a span looks at: the trace, its blocks (bounds [n + 1], values [n]), states and all spans."""

    integral: Integral
    bounds: NDArray[np.float64]
    values: NDArray[np.float64]
    states: States
    spans: Sequence[Span]

    @property
    def block(self) -> float:
        return float(self.bounds[1] - self.bounds[0])

    def room(self, span: Span) -> tuple[int, int]:
        """Blocks before and after a span that no other one takes."""
        before = span.first - max((it.last for it in self.spans if it.last <= span.first), default=0)
        after = min((it.first for it in self.spans if it.first >= span.last), default=len(self.values)) - span.last
        return max(before, 1), max(after, 1)

    def area(self, span: Span) -> float:
        """What a span adds to the baseline."""
        part = slice(span.first, span.last)
        return float((self.values[part] - self.states.base[part]).sum())

    def said(self, span: Span) -> str:
        return f"{self.bounds[span.first]:.4g} to {self.bounds[span.last]:.4g} s"


# The spans.


def _windows(spans: Sequence[Span], least: int) -> tuple[list[Span], list[Span]]:
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


def _whole(spans: Sequence[Span]) -> list[Span]:
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
    return [Span(group[0].first, group[-1].last) for group in groups]


def _lower(
    values: NDArray[np.float64], states: States, spans: Sequence[Span], others: Sequence[Span], least: int
) -> list[Span]:
    """Windows of a lower kind among what is idle beside the higher ones."""
    hidden = np.zeros(len(values), dtype=np.bool_)
    for span in [*spans, *others]:
        margin = max(2, span.length // 20)
        hidden[max(0, span.first - margin) : span.last + margin] = True
    idle = (values - states.base)[~hidden]
    if len(idle) < 2 * FEWEST:
        return []
    found = best_states(Integral.over(idle, 1.0), idle)
    if found is None or found.height < LEAST_CONTRAST * states.height:
        return []
    places = np.flatnonzero(~hidden)
    high = np.zeros(len(values), dtype=np.bool_)
    high[places[found.high]] = True
    usual = _usual([span.length for span in spans])
    return [
        span
        for span in spans_of(high)
        if span.length >= max(SHORT * usual, least) and span.length <= usual / SHORT and _free(span, hidden)
    ]


def _parted(values: NDArray[np.float64], span: Span, idle: NDArray[np.float64]) -> Span:
    """The span with its head and its tail, where it has other levels there than in between."""
    scale = max(1, span.length // MOST_PARTS)
    number = span.length // scale
    if number < FEWEST_PARTS:
        return span
    part = values[span.first : span.first + number * scale] - idle[span.first : span.first + number * scale]
    part = part.reshape(number, scale).mean(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(part)])
    shortest = number // FEWEST_PARTS
    # The three stretches, of which the middle one may be nothing, that explain the span best.
    first, last = np.meshgrid(np.arange(shortest, number), np.arange(shortest, number), indexing="ij")
    between = last - first
    explained = sums[first] ** 2 / first + (sums[-1] - sums[last]) ** 2 / (number - last)
    explained += np.square(sums[last] - sums[first]) / np.maximum(between, 1)
    explained[(between < 0) | ((between > 0) & (between < shortest)) | (number - last < shortest)] = -np.inf
    k = int(explained.argmax())
    rest = float(np.square(part).sum()) - float(explained.flat[k])
    if rest > LEAST_PARTED * (float(np.square(part).sum()) - sums[-1] ** 2 / number):
        return span
    return replace(span, head=int(first.flat[k]) * scale, tail=span.length - int(last.flat[k]) * scale)


def _free(span: Span, hidden: NDArray[np.bool_]) -> bool:
    """Whether a span does not lean on what was hidden: then it is the foot of that, and no window."""
    return not hidden[max(0, span.first - 1) : span.last + 1].any()


# The doubts.


def _doubted(seen: _Seen, spans: Sequence[Span], others: Sequence[Span]) -> Found:
    """The spans that stand up to doubt, with their edges placed in the samples."""
    kept: list[Span] = []
    sure: list[float] = []
    left_out: list[str] = []
    strongest = max((seen.area(span) for span in others), default=0.0)
    for span in spans:
        verdict = _verdict(seen, span)
        if isinstance(verdict, str):
            left_out.append(f"{seen.said(span)}: {verdict}")
            if span.first > 0 and span.last < len(seen.values):
                strongest = max(strongest, seen.area(span))
        else:
            kept.append(verdict[0])
            sure.append(verdict[1])
    if others:
        longest = max(others, key=lambda span: span.length)
        left_out.append(
            f"{len(others)} span{'s' * (len(others) > 1)} too short for a window, the longest {seen.said(longest)}"
        )
    if not kept:
        sure_of_none = 0.5 if strongest > 0 else 1.0
        return Found((), (), (), sure_of_none, tuple(left_out), NOTHING.format("nothing in it is a step"))
    weakest = min(seen.area(span) for span in kept)
    confidence = min(sure) * (1 - min(1.0, max(0.0, strongest) / weakest)) if weakest > 0 else 0.0
    if confidence < LEAST_CONFIDENCE:
        left_out += [f"{seen.said(span)}: what is no window is as large" for span in kept]
        return Found((), (), (), 1 - min(sure), tuple(left_out), NOTHING.format("it goes up and down all along"))
    windows, edges = _placed(seen, kept)
    return Found(windows, edges, tuple(sure), confidence, tuple(left_out))


def _verdict(seen: _Seen, span: Span) -> tuple[Span, float] | str:
    """The span and how far to trust it, 0 to 1, or why it is no window.

    It keeps its head and its tail only if these begin and end with steps: otherwise they are ramps.
    """
    if span.first == 0 or span.last == len(seen.values):
        return "the trace cuts it off"
    sharp, clear = _look(seen, span)
    if min(sharp) < SHARP or min(clear) < SIGNIFICANT:
        span = replace(span, head=0, tail=0)
        sharp, clear = _look(seen, span)
    if min(clear) <= 0:
        return "it is no higher than what is beside it"
    if min(clear) < SIGNIFICANT:
        return f"it stands out by {min(clear):.1f} standard uncertainties only"
    if min(sharp) < SHARP:
        return "its edges are slow swings, not steps"
    return span, min(1.0, *sharp) * -math.expm1(-((min(clear) / SIGNIFICANT) ** 2))


def _look(seen: _Seen, span: Span) -> tuple[list[float], list[float]]:
    """Of either edge, what share of the height it climbs at once, and by how many uncertainties it stands out.

    The height is that of the part of the span that has one level there.
    """
    values, rooms = seen.values, seen.room(span)
    sharp, clear = [], []
    for edge, room, sign in ((span.first, rooms[0], -1), (span.last, rooms[1], 1)):
        part = span.part(sign)
        margin, reach = int(EDGE * (part.stop - part.start)), max(1, int(FLANK * (part.stop - part.start)))
        # Beside a short gap the whole of it is compared, less what a ramp may take.
        gap = min(margin, room // 3)
        flank = values[_between(edge + sign * gap, edge + sign * min(room, gap + reach))]
        side = values[_between(edge - sign * margin, edge - sign * (margin + reach))]
        far = values[_between(edge + sign * gap, edge + sign * min(room, span.length))]
        height = float(values[part].mean() - far.mean())
        sharp.append(float(side.mean() - flank.mean()) / height if height > 0 else 0.0)
        clear.append(height / math.hypot(_of_mean(values[part]), _of_mean(far)))
    return sharp, clear


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


# The edges.


def _placed(seen: _Seen, spans: Sequence[Span]) -> tuple[tuple[Window, ...], tuple[EdgeUncertainty, ...]]:
    """The edges of spans to a fraction of a sample where they are clear, else to the block."""
    rooms = np.array([seen.room(span) for span in spans]) * seen.block
    rises, falls = (seen.bounds[[getattr(span, end) for span in spans]] for end in ("first", "last"))
    parts = [[span.part(sign) for span in spans] for sign in (-1, 1)]
    first, last = (np.array([part.stop - part.start for part in side]) * seen.block for side in parts)
    # The state changes half-way up a ramp, so the onset comes before; and noise alone moves a change of state by a few
    # of the blocks that it takes to see one.
    slack = (3 + 8 * seen.states.noise) * seen.block
    up, down = (
        slack
        + min(
            RAMP_SHARE * float(min(first.min(), last.min())),
            2 * seen.block * max(_ramp(seen, span, sign) for span in spans),
        )
        for sign in (1, -1)
    )
    # The falls first: where a gap is short, they make room for the rise after it.
    stops, stop_doubts = _onsets(seen, Edges(falls, last * 0.9, rooms[:, 1], -1), down)
    earlier = np.concatenate([[0.0], np.maximum(falls - stops, 0.0)[:-1]])
    next_to = np.concatenate([[False], np.isclose(rooms[1:, 0], rises[1:] - falls[:-1])])
    before = rooms[:, 0] + np.where(next_to, earlier, 0.0)
    up = min(up, float(before.min()) / 4.6)  # half of it is looked at, and must hold the search and three blocks
    starts, start_doubts = _onsets(seen, Edges(rises, before / 2, first * 0.9, 1), up)
    found = zip(starts.tolist(), stops.tolist(), start_doubts.tolist(), stop_doubts.tolist(), strict=True)
    pairs = [(Window(start, stop, index=k), EdgeUncertainty(0.0, *u)) for k, (start, stop, *u) in enumerate(found)]
    return tuple(window for window, _ in pairs), tuple(edges for _, edges in pairs)


def _ramp(seen: _Seen, span: Span, sign: int) -> int:
    """Blocks before a change of state in which most of the ramp to it is seen, at the rise (+1) or the fall (-1)."""
    values, (before, after) = seen.values, seen.room(span)
    edge, room = (span.first, before) if sign > 0 else (span.last, after)
    part = values[span.part(-sign)]
    inside = part[::sign][: max(1, len(part) // 4)].mean()
    flank = values[_between(edge, edge - sign * max(1, min(room, len(part)) * 3 // 4))].mean()
    reach = min(edge, before if sign > 0 else len(part) // 2)
    back = values[edge - reach : edge][::-1]
    width = min(max(SMOOTHED, math.ceil(seen.states.noise / SMOOTH_NOISE**2)), len(back))
    smooth = np.convolve(back, np.full(width, 1 / width), mode="valid")
    passed = smooth < flank + 0.2 * (inside - flank) if sign > 0 else smooth > flank + 0.8 * (inside - flank)
    return int(passed.argmax()) + width - SMOOTHED if passed.any() else len(back)


def _onsets(seen: _Seen, edges: Edges, most: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Onsets that come up to 2 `most` (s) before where the state changes, and their uncertainties; else the block's."""
    interval = seen.integral.interval
    onsets = locate(seen.integral, edges.at(edges.times - most + seen.block), most, max(interval, most / 12))
    clear = np.isfinite(onsets.u)
    u = np.hypot(np.where(clear, onsets.u, seen.block), max(onsets.shape, interval / 2))
    return np.where(clear, onsets.times, edges.times), u
