"""Verdicts on records and windows that do not count, and on the clocks and the marker that place them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from powerlab_analysis import alignment, pairing
from powerlab_analysis.clocks import ClockComparison
from powerlab_analysis.rows import field
from powerlab_analysis.survey import Cut, Survey
from powerlab_analysis.verdict import ACTIVE, IDLE, OF_WINDOWS, TIMES, Effect, Verdict, numbers
from powerlab_traces.record import RecordKind

# Two sound crystals stay within half of this (some tens of ppm each, as in `pairing.CLOCK_TOLERANCE`).
CLOCK_SLOPE: Final = 200e-6
CLOCK_RESIDUAL: Final = 0.5e-3  # s: half of what the host and the marker may differ by (`pairing.LATENCY`)
# Of all windows, that may lie between their markers and the host's times: the share of a reading that MLPerf allows an
# instrument.
MARKER_SHARE: Final = 0.01

# Which verdict a reason of the alignment (or of `survey`, for idle records) belongs to.
CLIPPED, LOST, LIMITED, OFF, UNCOVERED = "clipped", "lost-record", "current-limit", "supply-off", "not-covered"
DISAGREES, UNALIGNED, STEP = "marker-host", "not-aligned", "clock-step"
BEGINNINGS: Final = (
    ("current clipped", CLIPPED),
    ("the supply went into constant current", LIMITED),
    ("the supply was CC", LIMITED),
    ("the supply was", OFF),
    (pairing.CUT_START, UNCOVERED),
    (pairing.CUT_STOP, UNCOVERED),
    (pairing.TOO_EARLY, UNCOVERED),
    (pairing.TOO_LATE, UNCOVERED),
    (alignment.BEGAN_INSIDE, UNCOVERED),
    (alignment.BEFORE_ARMED, UNCOVERED),
    ("the marker was high in it", "idle-disturbed"),
    ("the marker was high for", DISAGREES),
    (pairing.MERGED, "marker-merged"),
    # and what the alignment found odd in a whole record
    ("the host's clock went", STEP),
    ("the marker bounced", "marker-bounce"),
    ("the marker is low in windows", "marker-inverted"),
)
# The windows that drew most are those that clip, and those that the supply cannot feed: what is left is biased.
BIASED: Final = frozenset({CLIPPED, LIMITED})


def record_verdicts(seen: Survey, clock: ClockComparison | None) -> Iterator[Verdict]:
    """On windows and records that do not count, and on their times."""
    yield from _dropped(seen)
    yield from _lost(seen)
    yield from _unused(seen)
    odd = {it.note: _name_of(it.note) for it in seen.alignments if it.note}
    yield from _odd(seen, odd)
    yield from _marker(seen.cuts)
    if clock is not None and STEP not in odd.values():
        yield from _clock(clock, 1 / seen.sample_rate if seen.sample_rate else 0.0)


def _dropped(seen: Survey) -> Iterator[Verdict]:
    """On windows that were dropped, by what was wrong with them; those of lost records are left to `_lost`."""
    reasons: dict[str, dict[str, list[int]]] = {}
    for window in seen.dropped:
        name = _name_of(window.reason)
        if name != LOST:
            reasons.setdefault(name, {}).setdefault(window.reason, []).append(window.index)
    high = any(it.clipped_high for it in seen.outlines if it.kind is RecordKind.ACTIVE)
    for name, found in reasons.items():
        texts = [f"{_are(indices)} not counted: {reason}" for reason, indices in found.items()]
        biased = name in BIASED and (high or name != CLIPPED)
        tail = "; those that are left are the ones that drew least" if biased and seen.cuts else ""
        indices = sorted(index for each in found.values() for index in each)
        yield Verdict(
            name=name,
            effect=_effect(seen, biased=biased),
            text="; ".join(texts[:2]) + (f"; and {len(texts) - 2} more reasons" if len(texts) > 2 else "") + tail,
            quantities=OF_WINDOWS if not seen.cuts else ACTIVE if biased else (),
            value=len(indices),
            limit=0,
            windows=tuple(indices),
        )


def _lost(seen: Survey) -> Iterator[Verdict]:
    """On records that were taken and are not here."""
    here = {it.index for it in seen.outlines}
    named = {window.index: record for window in seen.dropped if (record := _lost_record(window.reason)) is not None}
    missing = sorted(({*range(max(here, default=-1) + 1)} - here) | set(named.values()))
    if missing:
        windows = f", and with {'them' if len(missing) > 1 else 'it'} {_windows(named)}" if named else ""
        yield Verdict(
            name=LOST,
            effect=_effect(seen) if named else Effect.FLAG,
            text=f"record{'s' * (len(missing) > 1)} {numbers(missing)} {'are' if len(missing) > 1 else 'is'} missing "
            f"from this run{windows}: "
            "`powerlab check` looks for damage; capture more windows in their place",
            quantities=OF_WINDOWS if named and not seen.cuts else (),
            value=len(missing),
            limit=0,
            windows=tuple(sorted(named)),
            records=tuple(missing),
        )


def _unused(seen: Survey) -> Iterator[Verdict]:
    """On idle records that were refused."""
    for record in seen.outlines:
        if record.objection is None or record.kind is not RecordKind.IDLE:
            continue
        yield Verdict(
            name=_name_of(record.objection),
            effect=Effect.FLAG if seen.idles else Effect.REFUSE,
            text=f"idle record {record.index} was not used: {record.objection}",
            quantities=IDLE,
            records=(record.index,),
        )


def _odd(seen: Survey, odd: Mapping[str, str]) -> Iterator[Verdict]:
    """On what was odd in the times of whole records, and was put right."""
    for note, name in odd.items():
        windows = [pair.host for it in seen.alignments if it.note == note for pair in it.kept]
        yield Verdict(
            name=name,
            effect=Effect.FLAG,
            text=note,
            quantities=OF_WINDOWS,
            windows=tuple(it.index for it in windows),
            records=tuple(sorted({it.record for it in windows})),
        )


def _marker(cuts: Sequence[Cut]) -> Iterator[Verdict]:
    """On a marker that bounds less or more than what the host timed."""
    aligned = field(cuts, "aligned")
    host, marker = (sum(it.duration for it in field(aligned, name)) for name in ("host", "window"))
    if host and abs(marker / host - 1) > MARKER_SHARE:
        yield Verdict(
            name=DISAGREES,
            effect=Effect.FLAG,
            text=f"the marker was high for {marker / host:.1%} of the time that the host gives the same windows "
            f"(limit 100 % +- {MARKER_SHARE:.0%}): energies are those of the marker; raise it closer to the work",
            quantities=OF_WINDOWS,
            value=abs(marker / host - 1),
            limit=MARKER_SHARE,
        )


def _clock(clock: ClockComparison, interval: float) -> Iterator[Verdict]:
    """On a scope and a host that do not agree on time, beyond what the host's jitter and the sampling explain."""
    farthest = CLOCK_RESIDUAL + interval
    if abs(clock.slope) > CLOCK_SLOPE and abs(clock.slope) > 3 * clock.slope_uncertainty:
        yield Verdict(
            name="clock-rate",
            effect=Effect.FLAG,
            text=f"scope and host clocks differ by {clock.slope * 1e6:+.0f} ppm "
            f"(u = {clock.slope_uncertainty * 1e6:.0f} ppm, limit {CLOCK_SLOPE * 1e6:.0f} ppm): energies are those of "
            "the scope's; have the host's clock looked after",
            quantities=TIMES,
            value=abs(clock.slope),
            limit=CLOCK_SLOPE,
        )
    if clock.residual > farthest:
        yield Verdict(
            name=STEP,
            effect=Effect.FLAG,
            text=f"a window's start differs by {clock.residual * 1e3:.2f} ms between scope and host "
            f"(limit {farthest * 1e3:.3g} ms): the workload's timing was disturbed, or the host's clock was set",
            quantities=TIMES,
            value=clock.residual,
            limit=farthest,
            unit="s",
        )


def _name_of(reason: str) -> str:
    if _lost_record(reason) is not None:
        return LOST
    return next((name for beginning, name in BEGINNINGS if reason.startswith(beginning)), UNALIGNED)


def _lost_record(reason: str) -> int | None:
    """The number of the record that is not in the run, if that is why a window was dropped."""
    words = reason.split()
    lost = words[:1] == ["record"] and reason.endswith("is not in this run")
    return int(words[1]) if lost and words[1].isdigit() else None


def _effect(seen: Survey, *, biased: bool = False) -> Effect:
    if not seen.cuts:
        return Effect.REFUSE
    return Effect.LOWER_BOUND if biased else Effect.FLAG


def _windows(indices: Iterable[int]) -> str:
    found = list(indices)
    return f"window{'s' * (len(found) > 1)} {numbers(found)}"


def _are(indices: Iterable[int]) -> str:
    found = list(indices)
    return f"{_windows(found)} {'are' if len(found) > 1 else 'is'}"
