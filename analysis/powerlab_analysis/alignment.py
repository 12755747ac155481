"""Where the host's windows lie on a record's clock, and how well that is known.

Best first: the marker, recorded in the same acquisition as the current, says it to a sample; a marker that only
triggered the scope says when the first window began, and the host's clock the rest; without any wire, the pattern of
the host's times is found in the current itself (`pattern`).
"""

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.clocks import HOST_JITTER, RATE_LIMIT
from powerlab_analysis.edges import EdgeUncertainty, Pulse
from powerlab_analysis.integral import Integral
from powerlab_analysis.pairing import (
    CUT_STOP,
    LATENCY,
    TOO_EARLY,
    TOO_LATE,
    Fate,
    objection_to_pulse,
    pair,
    since_first,
)
from powerlab_analysis.pattern import Match, Pattern, match
from powerlab_traces.errors import TraceError
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Provenance
from powerlab_traces.trace import ON_GRID
from powerlab_traces.window import DroppedWindow, HostWindow, Window

# Besides its uncertainty: how far the current's first step may lie from the trigger. A board begins to draw more some
# time after the marker rose, by its network and its regulators.
TRIGGER_LAG = 5e-3  # s
BRACKET_MARGIN = 0.01  # s by which a trigger may lie outside the host's times of it
SURE = 3.0  # standard uncertainties that nobody is beyond
WORTH_KNOWING = 0.2  # of how far two clocks may run apart: how well the current must know it to be asked
COARSEST = 0.1  # of a window: its place must be known better than so, as a standard uncertainty

NO_MARKER = "no marker was recorded"
NO_BRACKET = "no marker was recorded, and the host did not time the record either"
BEGAN_INSIDE = "the record began after the window did"
BEFORE_ARMED = "the window began before the scope was armed"


class Tie(StrEnum):
    """What ties the host's clock to the record's, best first."""

    MARKER = "marker"  # recorded on a digital input
    TRIGGER = "trigger"  # the marker's first edge began the record, and was not recorded
    PATTERN = "pattern"  # nothing: the windows are found in the current


def tie_of(provenance: Provenance) -> Tie:
    """What a run's records are tied by, as its bench.toml says how the marker was wired."""
    if provenance.marker_bit is not None:
        return Tie.MARKER
    try:
        wired = tomllib.loads(provenance.bench).get("marker", {})
    except tomllib.TOMLDecodeError:
        wired = {}
    triggers = wired.get("output", "none") != "none" and wired.get("input", "none") != "none"
    return Tie.TRIGGER if triggers else Tie.PATTERN


@dataclass(frozen=True, slots=True)
class AlignedWindow:
    """One window as the host timed it, the same on the record's clock, and how well its edges are known."""

    host: HostWindow
    window: Window
    edges: EdgeUncertainty = field(default_factory=EdgeUncertainty)


@dataclass(frozen=True, slots=True)
class Alignment:
    """What came of aligning windows: each is in one of the two. `note` says what was odd, "" if nothing was."""

    kept: Sequence[AlignedWindow]
    dropped: tuple[DroppedWindow, ...]
    by: Tie = Tie.MARKER
    note: str = ""

    @property
    def tie(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Starts of the kept windows in seconds: on the host's clock since the first, on the scope's [n].

        Empty where the scope did not see the starts for itself.
        """
        seen = self.kept if self.by is Tie.MARKER else ()
        return since_first([it.host for it in seen]), np.array([it.window.start for it in seen])


@dataclass(frozen=True, slots=True)
class _Placed:
    """A window's edges on the record's clock in s, before it is known whether the record holds them."""

    start: float
    stop: float
    edges: EdgeUncertainty
    doubt: str = ""


def align(
    record: Record, windows: Sequence[HostWindow], bit: int | None, tie: Tie = Tie.MARKER, host_u: float = 0.0
) -> Alignment:
    """Find the windows of one record on its clock, by what `tie` says; `bit` is the marker's, where it was recorded.

    `host_u` (s) is the standard uncertainty of the host's times, where they were those of another machine's clock.

    A window counts only if it is whole, its edges agree with the host's times, and no
    sample of the current in it is clipped. A record in which the supply left constant voltage has no valid windows:
    its current then says what the supply could give, not what the board wanted.
    """
    if not windows:
        return Alignment((), ())
    windows = sorted(windows, key=lambda window: window.start)
    objection = objection_to(record)
    if record.kind is not RecordKind.ACTIVE:
        objection = f"record {record.index} was taken as {record.kind.value}, not with windows running"
    if objection is not None:
        return Alignment((), tuple(DroppedWindow(window.index, objection) for window in windows))
    fates, note = _BY[tie](record, windows, bit, host_u)
    clipped = np.sort(record.clipped)
    kept: list[AlignedWindow] = []
    dropped: list[DroppedWindow] = []
    for host, fate in zip(windows, fates, strict=True):
        verdict = _judge(record, clipped, host, fate)
        if isinstance(verdict, AlignedWindow):
            kept.append(verdict)
        else:
            dropped.append(DroppedWindow(host.index, verdict))
    return Alignment(tuple(kept), tuple(dropped), tie, note)


def objection_to(record: Record) -> str | None:
    """Why the supply makes a record's power worthless; None if it stayed in constant voltage throughout."""
    for when, reading in (("before", record.before), ("after", record.after)):
        if reading.regulation != "CV":
            return f"the supply was {reading.regulation} {when} the record, not CV: check its output and limits"
    if record.after.limited:
        return "the supply went into constant current during the record: raise its current limit"
    return None


def _by_marker(
    record: Record, windows: Sequence[HostWindow], bit: int | None, _host_u: float
) -> tuple[Sequence[_Placed | str], str]:
    """Each window by the marker's pulse that is its own."""
    if record.marker is None or bit is None:
        return [NO_MARKER] * len(windows), ""
    fates, note = pair(record, record.marker, bit, windows)
    sample = math.hypot(record.current.interval, record.marker.interval) / math.sqrt(3)
    late = LATENCY + record.marker.interval
    return [_by_pulse(host, fate, sample, late) for host, fate in zip(windows, fates, strict=True)], note


def _by_pulse(host: HostWindow, fate: Fate, sample: float, late: float) -> _Placed | str:
    """The window that a pulse bounds.

    `sample` (s) is how well each edge is known where it is clean, `late` (s) what host and marker may differ by.
    """
    if not isinstance(fate, Pulse):
        return fate
    if objection := objection_to_pulse(host, fate, late):
        return objection
    own = EdgeUncertainty(
        start=math.hypot(sample, fate.bounce_start / math.sqrt(3)),
        stop=math.hypot(sample, fate.bounce_stop / math.sqrt(3)),
    )
    return _Placed(fate.start, fate.stop, own)


def _by_trigger(
    record: Record, windows: Sequence[HostWindow], _bit: int | None, host_u: float
) -> tuple[Sequence[_Placed | str], str]:
    """The first window began at the record's time 0, the others by the host's clock.

    The current is looked at as well: it knows how fast the host's clock runs against the scope's, and whether
    the trigger came from the first window at all.
    """
    first, jitter = windows[0].start, math.hypot(HOST_JITTER, host_u)
    margin = (LATENCY + SURE * host_u) * 1e9
    if record.fetched > record.armed and not record.armed - margin <= first <= record.fetched + SURE * host_u * 1e9:
        return [BEFORE_ARMED] * len(windows), ""
    pattern = _pattern_of(windows)
    around = 1.5 * pattern.period + TRIGGER_LAG
    drift = RATE_LIMIT / math.sqrt(3)  # the host's clock may run as it may, unless the current says more
    apart = drift * float(pattern.stops[-1]) > HOST_JITTER  # else it is no use to know more
    found = match(Integral.of(record.current), pattern, -around, around, closely=apart)
    if isinstance(found, str):
        return [
            _Placed(start, stop, _own(math.hypot(jitter, drift * start), HOST_JITTER, record))
            for start, stop in zip(pattern.starts.tolist(), pattern.stops.tolist(), strict=True)
        ], ""
    late = float(found.starts[0])
    if abs(late) > TRIGGER_LAG + 5 * float(found.shift[0]):
        side = "before" if late > 0 else "after"
        note = (
            f"record {record.index} was triggered {abs(late):.3g} s {side} the first window began, so not by it: "
            "look for glitches on the marker's line, and at its polarity"
        )
        return _matched(record, windows, found), note
    placed: list[_Placed | str] = []
    known = found.drift < WORTH_KNOWING * drift
    drift = found.drift if known else drift
    for k, doubt in enumerate(found.doubts):
        start, stop = pattern.starts[k], pattern.stops[k]
        shift = math.hypot(jitter, drift * pattern.starts[k])
        if found.step and k >= found.after:
            start, stop, shift = found.starts[k], found.stops[k], found.shift[k]
        elif known:
            start, stop = found.starts[k] - late, found.stops[k] - late
        placed.append(_Placed(float(start), float(stop), _own(shift, HOST_JITTER, record), doubt))
    return placed, _step_note(found, windows)


def _by_pattern(
    record: Record, windows: Sequence[HostWindow], _bit: int | None, host_u: float
) -> tuple[Sequence[_Placed | str], str]:
    """The windows where their pattern fits the current, between the times at which the host armed and fetched it."""
    if record.fetched <= record.armed:
        return [NO_BRACKET] * len(windows), ""
    first = windows[0].start
    # The record's time 0 lies between the arming and the fetch, and that by as much as the record went on after it.
    margin = BRACKET_MARGIN + SURE * host_u
    low = (first - record.fetched) * 1e-9 + record.current.stop - margin
    high = (first - record.armed) * 1e-9 + margin
    if low > high:
        return [NO_BRACKET] * len(windows), ""
    found = match(Integral.of(record.current), _pattern_of(windows), low, high)
    if isinstance(found, str):
        return [found] * len(windows), ""
    return _matched(record, windows, found), _step_note(found, windows)


_BY = {Tie.MARKER: _by_marker, Tie.TRIGGER: _by_trigger, Tie.PATTERN: _by_pattern}


def _matched(record: Record, windows: Sequence[HostWindow], found: Match) -> list[_Placed | str]:
    """The windows as the pattern has them."""
    placed: list[_Placed | str] = []
    for k, host in enumerate(windows):
        edges = _own(float(found.shift[k]), found.jitter, record)
        doubt = found.doubts[k]
        if edges.shift > COARSEST * host.duration:
            doubt = (
                f"no marker was recorded, and the current places the window only with u = {edges.shift:.2g} s: "
                f"too coarse for {host.duration:.2g} s"
            )
        placed.append(_Placed(float(found.starts[k]), float(found.stops[k]), edges, doubt))
    return placed


def _own(shift: float, jitter: float, record: Record) -> EdgeUncertainty:
    """Uncertainties of a window that no marker bounds: its edges are rounded to samples besides."""
    edge = math.hypot(jitter, record.current.interval / math.sqrt(3))
    return EdgeUncertainty(shift, edge, edge)


def _step_note(found: Match, windows: Sequence[HostWindow]) -> str:
    if not found.step:
        return ""
    return (
        f"the host's clock went {found.step * 1e3:+.3g} ms against the scope's by the start of window "
        f"{windows[found.after].index}: the current says where the windows are from there on"
    )


def _pattern_of(windows: Sequence[HostWindow]) -> Pattern:
    starts = since_first(windows)
    return Pattern(starts, starts + np.array([window.duration for window in windows]))


def _judge(record: Record, clipped: NDArray[np.int64], host: HostWindow, fate: _Placed | str) -> AlignedWindow | str:
    """The window on the record's clock, or why it is dropped."""
    if isinstance(fate, str):
        return fate
    if objection := _outside(record, fate) or fate.doubt:
        return objection
    window = Window(fate.start, fate.stop, host.index, host.images, host.label)
    try:
        span = record.current.span_of(window)
    except TraceError as error:
        return str(error)
    inside = int(np.searchsorted(clipped, span.stop) - np.searchsorted(clipped, span.start))
    if inside:
        return f"current clipped in {inside} sample{'s' * (inside > 1)}: give the scope channel a larger range"
    return AlignedWindow(host, window, fate.edges)


def _outside(record: Record, placed: _Placed) -> str:
    """Why the record's current does not hold a whole window; "" if it does."""
    margin = ON_GRID * record.current.interval
    if placed.start >= record.current.stop:
        return TOO_LATE
    if placed.stop <= record.current.start:
        return TOO_EARLY
    if placed.start < record.current.start - margin:
        return BEGAN_INSIDE
    return CUT_STOP if placed.stop > record.current.stop + margin else ""
