"""Which pulse of the marker is which of the host's windows.

The marker, recorded beside the current, says to a sample when a window was; the host's times say which one it was, and
give cause to doubt.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.clocks import straight_line
from powerlab_analysis.edges import Pulse, debounced, pulses
from powerlab_traces.record import Record
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

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
# Contacts and long lines settle within a millisecond. Nothing that might be a window or a gap is taken for bounce.
LONGEST_BOUNCE = 1e-3  # s
BOUNCE_SHARE = 0.2  # of the shortest window or gap

NO_PULSE = "no marker pulse"
AMBIGUOUS = "the marker's pulses fit the host's windows in more than one way"
SHARED_PULSE = "its marker pulse fits another window too"
TOO_LATE = "ran after the record's end"
TOO_EARLY = "ran before the record began"
CUT_START = "the marker was already high when the record began"
CUT_STOP = "the record ended before the window did"
MERGED = "the marker was high into another window: leave a longer gap between windows, or look at its line"

# What becomes of a window: the pulse that is its own, or the reason why there is none.
Fate: TypeAlias = Pulse | str


def pair(record: Record, marker: Trace, bit: int, windows: Sequence[HostWindow]) -> tuple[Sequence[Fate], str]:
    """What becomes of each window, in their order, by the pulses of marker bit `bit`; and what was odd, "" if nothing.

    The k-th pulse is the k-th window when their numbers agree, or when the last pulse is cut off by the record's end
    (later windows then ran after it), and their starts are in step. Otherwise what could be wrong is tried, and what
    makes most windows whole is taken, the simplest first: starts matched in time (a pulse too many or too few), a
    bouncing line, a step of the host's clock, a line that is low in windows.
    """
    high, late = pulses(marker, bit), LATENCY + marker.interval
    begin = max(marker.start, record.current.start)
    end = min(marker.stop, record.current.stop)
    if (fates := _in_order(high, windows, late)) and _whole(windows, fates, late) == len(windows):
        return fates, ""
    inner = [pulse for pulse in high if not (pulse.cut_start or pulse.cut_stop)]
    if (
        len(inner) < len(high)
        and (found := _in_order(inner, windows, late))
        and _whole(windows, found, late) == len(windows)
    ):
        return found, ""  # what the record's ends cut is of windows that nobody timed
    tries = [(fates or _in_time(high, windows, (begin, end), late), "")]
    clean = debounced(high, _bounce(windows))
    if clean != tuple(high):
        bounced = any(pulse.bounce_start or pulse.bounce_stop for pulse in clean)
        text = (
            "the marker bounced: its edges are known less well there" if bounced else "the marker's line has glitches"
        )
        if (fates := _in_order(clean, windows, late)) and _whole(windows, fates, late) == len(windows):
            return fates, text
        tries.append((fates or _in_time(clean, windows, (begin, end), late), text))
    tries += [stepped for known in (high, clean) if (stepped := _stepped(known, windows, late)) is not None]
    upside_down = debounced(pulses(marker, bit, inverted=True), _bounce(windows))
    if high and high[0].cut_start and not any(_whole(windows, fates, late) for fates, _ in tries):
        inverted = "the marker is low in windows and high between them: it was read upside down"
        if (fates := _in_order(upside_down, windows, late)) is not None:
            tries.append((fates, inverted))
    fates, note = max(tries, key=lambda it: _whole(windows, it[0], late))  # the first of equals
    return _without_merged(windows, fates, late), note


def objection_to_pulse(host: HostWindow, pulse: Pulse, late: float) -> str | None:
    """Why a window's own pulse does not say where the window lies; None if it does.

    `late` (s) is what host and marker may differ by: `LATENCY` and a sample of the marker.
    """
    if pulse.cut_start:
        return CUT_START
    if pulse.cut_stop:
        return CUT_STOP
    if not _durations_agree(host, pulse, late):
        return (
            f"the marker was high for {pulse.duration:.6g} s, but the host timed {host.duration:.6g} s "
            f"(they may differ by {_duration_tolerance(host, late):.2g} s)"
        )
    return None


def since_first(windows: Sequence[HostWindow]) -> NDArray[np.float64]:
    """Starts on the host's clock in seconds since the first window's [n]."""
    return np.array([window.start - windows[0].start for window in windows], dtype=np.float64) * 1e-9


def _duration_tolerance(host: HostWindow, late: float) -> float:
    return max(late, DURATION_TOLERANCE * host.duration)


def _durations_agree(host: HostWindow, pulse: Pulse, late: float) -> bool:
    return abs(host.duration - pulse.duration) <= _duration_tolerance(host, late)


def _bounce(windows: Sequence[HostWindow]) -> float:
    """How long a pulse or a gap may be to count as bounce, in s."""
    gaps = [(later.start - earlier.stop) * 1e-9 for earlier, later in pairwise(windows)]
    shortest = min([*(window.duration for window in windows), *(gap for gap in gaps if gap > 0)])
    return min(LONGEST_BOUNCE, BOUNCE_SHARE * shortest)


def _whole(windows: Sequence[HostWindow], fates: Sequence[Fate], late: float) -> int:
    """How many windows have a pulse of their own that is as long as they are."""
    return sum(
        isinstance(fate, Pulse) and objection_to_pulse(host, fate, late) is None
        for host, fate in zip(windows, fates, strict=True)
    )


def _without_merged(windows: Sequence[HostWindow], fates: Sequence[Fate], late: float) -> list[Fate]:
    """The fates, those of windows that share one long pulse named so."""
    named = list(fates)
    for k, fate in enumerate(fates):
        if not isinstance(fate, Pulse) or fate.duration <= windows[k].duration + _duration_tolerance(windows[k], late):
            continue
        until = windows[k].start + round(fate.duration * 1e9)
        inside = [j for j in range(k + 1, len(windows)) if fates[j] == NO_PULSE and windows[j].start < until]
        if inside:
            for j in (k, *inside):
                named[j] = MERGED
    return named


def _stepped(high: Sequence[Pulse], windows: Sequence[HostWindow], late_by: float) -> tuple[list[Fate], str] | None:
    """The k-th pulse to the k-th window where the host's clock, and nothing else, has jumped once; and by how much.

    The lengths of the pulses say that each is its window's: all but that of the window, if any, in which it jumped.
    """
    if len(high) != len(windows) or len(windows) < 2 or any(pulse.cut_start or pulse.cut_stop for pulse in high):
        return None
    differ = [
        k
        for k, (host, pulse) in enumerate(zip(windows, high, strict=True))
        if not _durations_agree(host, pulse, late_by)
    ]
    if len(differ) > 1:
        return None
    late = np.array([pulse.start for pulse in high]) - since_first(windows)
    steps = np.diff(late)
    k = int(np.abs(steps).argmax())
    first, second = late[: k + 1], late[k + 1 :]
    spread = [late_by + CLOCK_LIMIT * float(np.ptp(since_first(part))) for part in (windows[: k + 1], windows[k + 1 :])]
    if np.ptp(first) > spread[0] or np.ptp(second) > spread[1] or (differ and differ[0] != k):
        return None
    text = (
        f"the host's clock went {-steps[k] * 1e3:+.3g} ms against the scope's by the start of window "
        f"{windows[k + 1].index}: the marker says where the windows are"
    )
    return list(high), text


def _in_order(high: Sequence[Pulse], windows: Sequence[HostWindow], late: float) -> Sequence[Fate] | None:
    """The k-th pulse to the k-th window; None where numbers or times speak against it."""
    ended = bool(high) and high[-1].cut_stop
    if len(high) != len(windows) and not (ended and len(high) < len(windows)):
        return None
    timed = [k for k, pulse in enumerate(high) if not pulse.cut_start]
    if len(timed) > 1:
        host = since_first([windows[k] for k in timed])
        slope, residuals = straight_line(host, np.array([high[k].start for k in timed]))
        drift = abs(slope - 1) * host[-1]
        if not (np.abs(residuals).max() <= late and drift <= late + CLOCK_LIMIT * host[-1]):
            return None
    return [*high, *[TOO_LATE] * (len(windows) - len(high))]


def _in_time(
    high: Sequence[Pulse], windows: Sequence[HostWindow], ends: tuple[float, float], late: float
) -> Sequence[Fate]:
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
    unexplained, fates = _fit(rises[0].start - host[int(second)], high, windows, ends, late)
    if not unexplained:
        return fates
    offsets = {rises[0].start - start for start in host.tolist()} | {rise.start for rise in rises}
    fits = [_fit(offset, high, windows, ends, late) for offset in offsets]
    fewest = min(unexplained for unexplained, _ in fits)
    rivals = {fates for unexplained, fates in fits if unexplained == fewest}
    return rivals.pop() if len(rivals) == 1 else [AMBIGUOUS] * len(windows)


def _fit(
    offset: float, high: Sequence[Pulse], windows: Sequence[HostWindow], ends: tuple[float, float], late: float
) -> tuple[int, tuple[Fate, ...]]:
    """How many pulses and windows stay unexplained, and each window's fate, if the clocks are `offset` apart.

    `offset` (s) is the record's time at the first window's start, `ends` when the record begins and ends. A pulse that
    lasts until a later window's stop explains that window and those between.
    """
    begin, end = ends
    rises = [pulse for pulse in high if not pulse.cut_start]
    times = np.array([rise.start for rise in rises])
    host = since_first(windows)
    tolerance = late + CLOCK_TOLERANCE * host
    lengths = np.array([window.duration for window in windows])
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
    until = -math.inf  # the stop of a pulse that holds more than its own window
    fates: list[Fate] = []
    for window, start, margin, k, number in zip(
        windows, expected.tolist(), tolerance.tolist(), first.tolist(), found.tolist(), strict=True
    ):
        known = True
        if number == 1 and claims[k] == 1:
            fates.append(rises[k])
            merged = bool((np.abs(expected + lengths - rises[k].stop) <= tolerance)[expected > start].any())
            until = rises[k].stop if merged else until
            known = rises[k].cut_stop or merged or _durations_agree(window, rises[k], late)
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
            known = start < until
        unexplained += not known
    # A pulse cut by the record's start belongs to a window that was then running, and the other way round.
    unexplained += high[0].cut_start != spanning
    return unexplained, tuple(fates)
