"""Where the host's windows lie on a record's clock.

The marker line, recorded in the same acquisition as the current, says it to a sample; the host's times are used
to tell which pulse is which window, and to doubt.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.clocks import straight_line
from powerlab_analysis.edges import Pulse, pulses
from powerlab_traces.errors import TraceError
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.window import DroppedWindow, HostWindow, Window

# The host stamps a time, then works the marker line: between the two an ordinary kernel may take the processor
# away for some hundred microseconds, so one millisecond is what a good pair may differ by.
LATENCY = 1e-3  # s
# Two crystals differ by some tens of ppm each: 100 ppm is what a window's start may wander by since the first.
CLOCK_TOLERANCE = 100e-6
# Pairing in order needs no such narrow bound: only a pulse too many *and* one too few could spoil it, and that
# bends the line, or tilts it by far more than any clock could.
CLOCK_LIMIT = 1000e-6
# A pulse may differ from its host window by the latency, or by 2 % in a long one where the host was busy; more
# means that the pulse is not that window's, and its energy would be given to the wrong images.
DURATION_TOLERANCE = 0.02

NO_MARKER = "no marker was recorded"
NO_PULSE = "no marker pulse"
AMBIGUOUS = "the marker's pulses fit the host's windows in more than one way"
SHARED_PULSE = "its marker pulse fits another window too"
TOO_LATE = "ran after the record's end"
TOO_EARLY = "ran before the record began"
CUT_START = "the marker was already high when the record began"
CUT_STOP = "the record ended before the window did"

# What becomes of a window: the pulse that is its own, or the reason why there is none.
Fate: TypeAlias = Pulse | str


@dataclass(frozen=True, slots=True)
class AlignedWindow:
    """One window as the host timed it, and the same on the record's clock."""

    host: HostWindow
    window: Window


@dataclass(frozen=True, slots=True)
class Alignment:
    """What came of aligning windows: each is in one of the two."""

    kept: tuple[AlignedWindow, ...]
    dropped: tuple[DroppedWindow, ...]

    @property
    def tie(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Starts of the kept windows in seconds: on the host's clock since the first, on the scope's [n]."""
        return since_first([pair.host for pair in self.kept]), np.array([p.window.start for p in self.kept])


def align(record: Record, windows: Sequence[HostWindow], bit: int | None) -> Alignment:
    """Find the windows of one record on its clock, by the pulses of marker bit `bit`.

    The k-th pulse is the k-th window when their numbers agree, or when the last pulse is cut off by the
    record's end (later windows then ran after it), and their starts are in step. Otherwise the starts are
    matched in time. A pair counts only if its durations agree and no sample of the current in it is clipped.
    A record in which the supply left constant voltage has no valid windows: its current then says what the
    supply could give, not what the board wanted.
    """
    if not windows:
        return Alignment((), ())
    windows = sorted(windows, key=lambda window: window.start)
    objection = objection_to(record)
    if record.kind is not RecordKind.ACTIVE:
        objection = f"record {record.index} was taken as {record.kind.value}, not with windows running"
    if objection is None and (record.marker is None or bit is None):
        objection = NO_MARKER
    if objection is not None or record.marker is None or bit is None:
        return Alignment((), tuple(DroppedWindow(window.index, objection or NO_MARKER) for window in windows))
    high = pulses(record.marker, bit)
    begin = max(record.marker.start, record.current.start)
    end = min(record.marker.stop, record.current.stop)
    fates = _in_order(high, windows) or _in_time(high, windows, begin, end)
    clipped = np.sort(record.clipped)
    kept: list[AlignedWindow] = []
    dropped: list[DroppedWindow] = []
    for host, fate in zip(windows, fates, strict=True):
        verdict = _judge(record, clipped, host, fate)
        if isinstance(verdict, Window):
            kept.append(AlignedWindow(host, verdict))
        else:
            dropped.append(DroppedWindow(host.index, verdict))
    return Alignment(tuple(kept), tuple(dropped))


def objection_to(record: Record) -> str | None:
    """Why the supply makes a record's power worthless; None if it stayed in constant voltage throughout."""
    for when, reading in (("before", record.before), ("after", record.after)):
        if reading.regulation != "CV":
            return f"the supply was {reading.regulation} {when} the record, not CV: check its output and limits"
    if record.after.limited:
        return "the supply went into constant current during the record: raise its current limit"
    return None


def since_first(windows: Sequence[HostWindow]) -> NDArray[np.float64]:
    """Starts on the host's clock in seconds since the first window's [n]."""
    return np.array([window.start - windows[0].start for window in windows], dtype=np.float64) * 1e-9


def _judge(record: Record, clipped: NDArray[np.int64], host: HostWindow, fate: Fate) -> Window | str:
    """The window on the record's clock, or why it is dropped."""
    if isinstance(fate, str):
        return fate
    if objection := _objection_to_pulse(host, fate):
        return objection
    window = Window(fate.start, fate.stop, host.index, host.images, host.label)
    try:
        span = record.current.span_of(window)
    except TraceError as error:
        return str(error)
    inside = int(np.searchsorted(clipped, span.stop) - np.searchsorted(clipped, span.start))
    if inside:
        return f"current clipped in {inside} sample{'s' * (inside > 1)}: give the scope channel a larger range"
    return window


def _objection_to_pulse(host: HostWindow, pulse: Pulse) -> str | None:
    """Why a window's own pulse does not say where the window lies; None if it does."""
    if pulse.cut_start:
        return CUT_START
    if pulse.cut_stop:
        return CUT_STOP
    if not _durations_agree(host, pulse):
        return (
            f"the marker was high for {pulse.duration:.6g} s, but the host timed {host.duration:.6g} s "
            f"(they may differ by {_duration_tolerance(host):.2g} s)"
        )
    return None


def _duration_tolerance(host: HostWindow) -> float:
    return max(LATENCY, DURATION_TOLERANCE * host.duration)


def _durations_agree(host: HostWindow, pulse: Pulse) -> bool:
    return abs(host.duration - pulse.duration) <= _duration_tolerance(host)


def _in_order(high: Sequence[Pulse], windows: Sequence[HostWindow]) -> list[Fate] | None:
    """The k-th pulse to the k-th window; None where numbers or times speak against it."""
    ended = bool(high) and high[-1].cut_stop
    if len(high) != len(windows) and not (ended and len(high) < len(windows)):
        return None
    timed = [k for k, pulse in enumerate(high) if not pulse.cut_start]
    if len(timed) > 1:
        host = since_first([windows[k] for k in timed])
        slope, residuals = straight_line(host, np.array([high[k].start for k in timed]))
        drift = abs(slope - 1) * host[-1]
        if not (np.abs(residuals).max() <= LATENCY and drift <= LATENCY + CLOCK_LIMIT * host[-1]):
            return None
    return [*high, *[TOO_LATE] * (len(windows) - len(high))]


def _in_time(high: Sequence[Pulse], windows: Sequence[HostWindow], begin: float, end: float) -> Sequence[Fate]:
    """Match starts in time, supposing that the first pulse or the first window has its partner.

    Each such supposition fixes how far the clocks are apart. That the first pulse is the first window's is what
    the scope's trigger makes likely: it is taken if it leaves no pulse and no window unexplained. Otherwise the
    one that leaves the fewest is taken; when two that pair differently leave equally few, nothing can be said.
    """
    rises = [pulse for pulse in high if not pulse.cut_start]
    if not rises:
        return [CUT_START if high else NO_PULSE] * len(windows)
    host = since_first(windows)
    second = high[0].cut_start and len(windows) > 1  # the cut pulse is the first window's, then
    unexplained, fates = _fit(rises[0].start - host[int(second)], high, windows, begin, end)
    if not unexplained:
        return fates
    offsets = {rises[0].start - start for start in host.tolist()} | {rise.start for rise in rises}
    fits = [_fit(offset, high, windows, begin, end) for offset in offsets]
    fewest = min(unexplained for unexplained, _ in fits)
    rivals = {fates for unexplained, fates in fits if unexplained == fewest}
    return rivals.pop() if len(rivals) == 1 else [AMBIGUOUS] * len(windows)


def _fit(
    offset: float, high: Sequence[Pulse], windows: Sequence[HostWindow], begin: float, end: float
) -> tuple[int, tuple[Fate, ...]]:
    """How many pulses and windows stay unexplained, and each window's fate, if the clocks are `offset` apart.

    `offset` (s) is the record's time at the first window's start.
    """
    rises = [pulse for pulse in high if not pulse.cut_start]
    times = np.array([rise.start for rise in rises])
    host = since_first(windows)
    tolerance = LATENCY + CLOCK_TOLERANCE * host
    # The second round takes the offset from all the pairs of the first, so that a late first start spoils none.
    for _ in range(2):
        expected = host + offset
        first = np.searchsorted(times, expected - tolerance, side="left")
        found = np.searchsorted(times, expected + tolerance, side="right") - first
        one = found == 1
        if one.any():
            offset += float(np.median(times[first[one]] - expected[one]))
    claims = Counter(first[one].tolist())
    unexplained = len(rises) - len(claims)
    spanning = False
    fates: list[Fate] = []
    for window, start, margin, k, number in zip(
        windows, expected.tolist(), tolerance.tolist(), first.tolist(), found.tolist(), strict=True
    ):
        known = True
        if number == 1 and claims[k] == 1:
            fates.append(rises[k])
            known = rises[k].cut_stop or _durations_agree(window, rises[k])
        elif number == 1:
            fates.append(SHARED_PULSE)
            known = False
        elif number > 1:
            fates.append(f"{number} marker pulses where there should be one")
            known = False
        elif start >= end - margin:
            fates.append(TOO_LATE)
        elif start + window.duration <= begin + margin:
            fates.append(TOO_EARLY)
        elif start <= begin + margin:
            fates.append(CUT_START)
            spanning = True
        else:
            fates.append(NO_PULSE)
            known = False
        unexplained += not known
    # A pulse cut by the record's start belongs to a window that was then running, and the other way round.
    unexplained += high[0].cut_start != spanning
    return unexplained, tuple(fates)
