"""What is wrong with the data of a run. docs/verdicts.md lists every verdict with its limit, effect and source.

A verdict is about a defect. That no zero or only one idle record was taken is none: the uncertainty holds what is not
known then, and a protocol (see `protocols`) may ask for more.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from powerlab_analysis import alignment
from powerlab_analysis.aliasing import together
from powerlab_analysis.clocks import ClockComparison
from powerlab_analysis.measured import Measured
from powerlab_analysis.model import WINDOW_EDGES, Model
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.statistics import change, outliers
from powerlab_analysis.survey import Cut, Level, Survey
from powerlab_analysis.verdict import Effect, Verdict, numbers, worst_first
from powerlab_traces.record import RecordKind

TIMES: Final = ("time_per_batch", "time_per_image")
TOTAL: Final = ("power_total", "energy_per_batch", "energy_per_image")
NET: Final = ("power_net", "energy_per_image_net")
IDLE: Final = ("power_idle", *NET)
ACTIVE: Final = (*TOTAL, *NET)
OF_CURRENT: Final = ("power_idle", *ACTIVE)
OF_WINDOWS: Final = (*TIMES, *ACTIVE)

# Limits. "Rules" are those that this project measures by: the paper's method with its gaps closed (docs/verdicts.md).
IDLE_DRIFT: Final = 0.02  # of idle power: the rules' limit, from which on a net power says little
ALIASING: Final = 0.005  # of mean power between full and half rate: the rules' limit
SETTLED: Final = 0.01  # of power or time: the rules' limit for the end of the warm-up; less is no matter
EDGES: Final = 0.01  # of a time, as U95: the share of a reading that MLPerf allows an instrument
# Two sound crystals stay within half of this (some tens of ppm each, as in `alignment.CLOCK_TOLERANCE`).
CLOCK_SLOPE: Final = 200e-6
CLOCK_RESIDUAL: Final = 0.5e-3  # s: half of what the host and the marker may differ by (`alignment.LATENCY`)
MARKER_SHARE: Final = 0.01  # of the windows, that may lie between their markers and the host's times: as EDGES
# Ratio of probe to supply from which on no limit explains it: a wrong number of turns or a switch in the wrong place.
# Two turns for one give 2, two for three 1.5; the limits themselves add up to a few per cent.
WRONG_FACTOR: Final = 1.4
SIGNIFICANT: Final = 4.0  # standard uncertainties: chance exceeds them in 1 of 16 000 normal values

# Which verdict a reason of the alignment (or of `survey`, for zero and idle records) belongs to.
CLIPPED, LOST, LIMITED, OFF, UNCOVERED = "clipped", "lost-record", "current-limit", "supply-off", "not-covered"
DISAGREES, UNALIGNED = "marker-host", "not-aligned"
BEGINNINGS: Final = (
    ("current clipped", CLIPPED),
    ("the supply went into constant current", LIMITED),
    ("the supply was CC", LIMITED),
    ("the supply was", OFF),
    (alignment.CUT_START, UNCOVERED),
    (alignment.CUT_STOP, UNCOVERED),
    (alignment.TOO_EARLY, UNCOVERED),
    (alignment.TOO_LATE, UNCOVERED),
    ("the marker was high", DISAGREES),
)
# The windows that drew most are those that clip, and those that the supply cannot feed: what is left is biased.
BIASED: Final = frozenset({CLIPPED, LIMITED})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdicts are found from.

    `measured` are the run's quantities before any is refused; `idle_current` (A) is the idle current by the probe.
    """

    seen: Survey
    model: Model
    measured: Mapping[str, Measured]
    idle_current: Measured | None
    clock: ClockComparison | None


def verdicts_of(evidence: Evidence) -> tuple[Verdict, ...]:
    """All verdicts on a run, worst first."""
    found = [
        *_dropped(evidence.seen),
        *_lost(evidence.seen),
        *_unused(evidence.seen),
        *_over_range(evidence.seen, evidence.model),
        *_zero(evidence.model),
        *_idle(evidence.seen.idles, evidence.model),
        *_probe(evidence),
        *_aliasing(evidence.seen.cuts, evidence.model),
        *_short(evidence.seen.cuts, evidence.measured),
        *_repeats(evidence.seen.cuts, evidence.model),
        *_marker(evidence.seen.cuts),
        *_clock(evidence.clock),
    ]
    return worst_first(found)


def _dropped(seen: Survey) -> Iterator[Verdict]:
    """On windows that were dropped, by what was wrong with them; those of lost records are left to `_lost`."""
    reasons: dict[str, dict[str, list[int]]] = {}
    for window in seen.dropped:
        name = _name_of(window.reason)
        if name != LOST:
            reasons.setdefault(name, {}).setdefault(window.reason, []).append(window.index)
    low = all(it.clipped_low for it in seen.outlines if it.kind is RecordKind.ACTIVE)
    for name, found in reasons.items():
        texts = [f"{_windows_named(indices)} not counted: {reason}" for reason, indices in found.items()]
        biased = name in BIASED and not (name == CLIPPED and low)
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
    """On zero and idle records that were refused."""
    for record in seen.outlines:
        if record.objection is None:
            continue
        none_left = record.kind is RecordKind.IDLE and not seen.idles
        yield Verdict(
            name="idle-disturbed" if _name_of(record.objection) == DISAGREES else _name_of(record.objection),
            effect=Effect.REFUSE if none_left else Effect.FLAG,
            text=f"{record.kind.value} record {record.index} was not used: {record.objection}",
            quantities=IDLE if record.kind is RecordKind.IDLE else (),
            records=(record.index,),
        )


def _over_range(seen: Survey, model: Model) -> Iterator[Verdict]:
    """On a current through the jaw, turns times that of the lead, that the probe does not follow."""
    chain = model.chain
    if not chain.peak_current:
        return
    limit = chain.peak_current * (1 - chain.gain_limit)  # where a probe that reads low is flat already
    found = [cut for cut in seen.cuts if abs(cut.peak) >= limit]
    if found:
        highest = max(abs(cut.peak) for cut in found)
        yield Verdict(
            name="over-range",
            effect=Effect.LOWER_BOUND,
            text=f"the current reaches {prefixed(highest, 'A')}, and with {chain.turns} "
            f"turn{'s' * (chain.turns > 1)} the probe's range ends at {prefixed(chain.peak_current, 'A')}: "
            "pass fewer turns through it, or set its switch to the larger range",
            quantities=ACTIVE,
            value=highest,
            limit=chain.peak_current,
            unit="A",
            windows=tuple(cut.aligned.host.index for cut in found),
            records=tuple(sorted({cut.aligned.host.record for cut in found})),
        )


def _zero(model: Model) -> Iterator[Verdict]:
    """On a zero beyond what probe and scope may be off by, or that moves more than it may."""
    chain, zero = model.chain, model.zero
    if zero is None:
        return
    limit = chain.offset_limit + chain.scope_offset_limit
    farthest = max(zero.currents.values(), key=abs)
    if abs(farthest) > limit + SIGNIFICANT * zero.u:
        yield Verdict(
            name="zero-offset",
            effect=Effect.FLAG,
            text=f"the zero is {prefixed(farthest, 'A')}, beyond the {prefixed(limit, 'A')} that probe and scope may "
            "be off by: set the probe's zero and check its battery",
            quantities=OF_CURRENT,
            value=abs(farthest),
            limit=limit,
            unit="A",
        )
    if zero.half_range > chain.drift_limit + SIGNIFICANT * zero.u:
        yield Verdict(
            name="zero-drift",
            effect=Effect.FLAG,
            text=f"the zeros differ by {prefixed(2 * zero.half_range, 'A')}, more than the drift limit of "
            f"+-{prefixed(chain.drift_limit, 'A')} allows: the larger is in the budget; let the probe warm up and zero "
            "it again just before the windows",
            quantities=OF_CURRENT,
            value=zero.half_range,
            limit=chain.drift_limit,
            unit="A",
        )


def _idle(idles: Sequence[Level], model: Model) -> Iterator[Verdict]:
    """On idle records that differ by more than 2 % and by more than the probe's zero may have moved.

    The supply's own readings tell whether the board's current moved or the probe's zero.
    """
    if len(idles) < 2:
        return
    stretches = [level.stretch for level in idles]
    currents = model.currents(stretches)
    powers = model.energies(stretches) / [stretch.seconds for stretch in stretches]
    low, high = int(powers.argmin()), int(powers.argmax())
    voltage = stretches[high].voltage
    moved, mean = float(powers[high] - powers[low]), abs(float(powers.mean()))
    noise = math.hypot(*(idles[k].noise.of_mean(stretches[k].seconds) for k in (low, high)))
    margin = model.chain.drift_limit + SIGNIFICANT * noise
    if moved <= max(IDLE_DRIFT * mean, voltage * margin):
        return
    relative = moved / mean if mean else math.inf
    by_probe = float(currents[high] - currents[low])
    by_supply = stretches[high].supply_current - stretches[low].supply_current
    records = tuple(sorted((idles[low].record, idles[high].record)))
    if abs(by_supply) < abs(by_probe) / 2 and abs(by_probe - by_supply) > margin:
        yield Verdict(
            name="zero-drift",
            effect=Effect.FLAG,
            text=f"idle current moved by {prefixed(by_probe, 'A')} from record to record by the probe, but by "
            f"{prefixed(by_supply, 'A')} by the supply: the probe's zero drifts by more than the "
            f"{prefixed(model.chain.drift_limit, 'A')} in the budget; let it warm up and zero it again",
            quantities=OF_CURRENT,
            value=abs(by_probe - by_supply),
            limit=model.chain.drift_limit,
            unit="A",
            records=records,
        )
        return
    yield Verdict(
        name="idle-drift",
        effect=Effect.FLAG,
        text=f"idle power differs by {relative:.1%} between idle records {records[0]} and {records[1]} (limit "
        f"{IDLE_DRIFT:.0%}): let the board settle",
        quantities=IDLE,
        value=relative,
        limit=IDLE_DRIFT,
        records=records,
    )


def _probe(evidence: Evidence) -> Iterator[Verdict]:
    """On a probe that disagrees with what the supply itself read while idle.

    Both values lie within limits, so that not their quadratic sum is held against the difference but the plain one.
    """
    probe, seen, chain = evidence.idle_current, evidence.seen, evidence.model.chain
    if probe is None:
        return
    supply = evidence.model.supply_current([level.stretch for level in seen.idles])
    by_probe, by_supply = probe.quantity("A"), supply.quantity("A")
    limit = by_probe.U95 + by_supply.U95
    if abs(probe.value - supply.value) <= limit:
        return
    ratio = probe.value / supply.value if supply.value else math.inf
    grave = supply.value <= by_supply.U95 or ratio > WRONG_FACTOR or ratio < 1 / WRONG_FACTOR
    yield Verdict(
        name="probe-factor" if grave else "probe-supply",
        effect=Effect.REFUSE if grave else Effect.FLAG,
        text=f"the idle current is {by_probe} by the probe but {by_supply} by the supply, {ratio:.3g} times: "
        f"{_factor_advice(ratio, chain.turns) if grave else 'zero the probe, or calibrate it against the supply'}",
        quantities=OF_CURRENT,
        value=abs(probe.value - supply.value),
        limit=limit,
        unit="A",
        records=tuple(level.record for level in seen.idles),
    )


def _factor_advice(ratio: float, turns: int) -> str:
    """What may be set wrong when the probe shows `ratio` times the current."""
    for factor, switch in ((10.0, "100 mV/A where bench.toml says 10"), (0.1, "10 mV/A where bench.toml says 100")):
        if abs(ratio / factor - 1) < 0.2:
            return f"the probe's switch seems to stand at {switch}; check its zero and turns, too"
    passed = round(ratio * turns)
    if passed >= 1 and passed != turns and abs(ratio * turns / passed - 1) < 0.2:
        return (
            f"as if {passed} turns were in its jaw where bench.toml says {turns}; check its sensitivity and zero, too"
        )
    return "check the probe's sensitivity, turns and zero"


def _aliasing(cuts: Sequence[Cut], model: Model) -> Iterator[Verdict]:
    """On a mean power that is another at half the sample rate."""
    pairs = together(cut.pairs for cut in cuts)
    if not pairs.count:
        return
    current = float(model.currents([cut.stretch for cut in cuts]).mean())
    if abs(pairs.change) > max(ALIASING * abs(current), SIGNIFICANT * pairs.scatter):
        relative = abs(pairs.change / current) if current else math.inf
        yield Verdict(
            name="aliasing",
            effect=Effect.FLAG,
            text=f"mean power is another by {relative:.2%} at half the sample rate (limit {ALIASING:.1%}): part of the "
            "current is faster than the sampling; raise the sample rate, or filter the current",
            quantities=ACTIVE,
            value=relative,
            limit=ALIASING,
        )


def _short(cuts: Sequence[Cut], measured: Mapping[str, Measured]) -> Iterator[Verdict]:
    """On windows so short that their edges are most of what is not known of them."""
    time = measured.get("time_per_batch")
    if time is None:
        return
    edges = [part for source, part in time.parts.items() if source.name.startswith(WINDOW_EDGES.name)]
    relative = 2 * math.hypot(*edges) / time.value
    if relative > EDGES:
        shortest = min(cut.stretch.seconds for cut in cuts)
        yield Verdict(
            name="short-windows",
            effect=Effect.FLAG,
            text=f"windows as short as {prefixed(shortest, 's')}: their edges alone are worth {relative:.1%} of their "
            f"time (limit {EDGES:.0%}); put more images into a window, or sample faster",
            quantities=OF_WINDOWS,
            value=relative,
            limit=EDGES,
        )


def _repeats(cuts: Sequence[Cut], model: Model) -> Iterator[Verdict]:
    """On windows of one kind that stand apart from the others, or whose level changes."""
    if not cuts or len({cut.aligned.host.images for cut in cuts}) > 1:
        return  # windows of unlike batches may differ
    times = [cut.stretch.seconds / cut.aligned.host.images for cut in cuts]
    powers = [
        float(energy) / cut.stretch.seconds
        for energy, cut in zip(model.energies([cut.stretch for cut in cuts]), cuts, strict=True)
    ]
    indices = [cut.aligned.host.index for cut in cuts]
    yield from _outliers(powers, times, indices)
    yield from _changes(powers, times, indices)


def _outliers(powers: Sequence[float], times: Sequence[float], indices: Sequence[int]) -> Iterator[Verdict]:
    apart: dict[int, float] = {}
    for values in (powers, times):
        middle = sorted(values)[len(values) // 2]
        for k in outliers(values):
            distance = abs(values[k] / middle - 1) if middle else math.inf
            if distance > SETTLED:
                apart[k] = max(distance, apart.get(k, 0.0))
    if apart:
        yield Verdict(
            name="outlier",
            effect=Effect.FLAG,
            text=f"{_windows_named(indices[k] for k in apart)} apart from the others, by up to "
            f"{max(apart.values()):.1%} in power or time (more than scatter explains, and over {SETTLED:.0%}); counted "
            "all the same: look at `powerlab plot`, and at what else the board did",
            quantities=OF_WINDOWS,
            value=max(apart.values()),
            limit=SETTLED,
            windows=tuple(sorted(indices[k] for k in apart)),
        )


def _changes(powers: Sequence[float], times: Sequence[float], indices: Sequence[int]) -> Iterator[Verdict]:
    power, time = (
        it if it is not None and abs(it.relative) > SETTLED else None for it in (change(powers), change(times))
    )
    found = power or time
    if found is None:
        return
    said = " and ".join(
        f"{what} {abs(it.relative):.1%} {'more' if it.relative > 0 else 'less'}"
        for what, it in (("power", power), ("time", time))
        if it is not None
    )
    throttled = power is not None and time is not None and power.relative < 0 < time.relative
    early = found.at <= len(indices) / 2
    advice = "warm up longer" if early else "let the board settle, and look at its clocks and temperature"
    yield Verdict(
        name="throttled" if throttled else "not-settled",
        effect=Effect.FLAG,
        text=f"from window {indices[found.at]} on windows take {said} than before (limit {SETTLED:.0%}): "
        + ("the board lowered its clocks; lock them, or cool it" if throttled else advice),
        quantities=OF_WINDOWS,
        value=max(abs(it.relative) for it in (power, time) if it is not None),
        limit=SETTLED,
        windows=tuple(indices[: found.at]),
    )


def _marker(cuts: Sequence[Cut]) -> Iterator[Verdict]:
    """On a marker that bounds less or more than what the host timed."""
    host = sum(cut.aligned.host.duration for cut in cuts)
    marker = sum(cut.aligned.window.duration for cut in cuts)
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


def _clock(clock: ClockComparison | None) -> Iterator[Verdict]:
    """On a scope and a host that do not agree on time, beyond what the host's jitter explains."""
    if clock is None:
        return
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
    if clock.residual > CLOCK_RESIDUAL:
        yield Verdict(
            name="clock-step",
            effect=Effect.FLAG,
            text=f"a window's start differs by {clock.residual * 1e3:.2f} ms between scope and host "
            f"(limit {CLOCK_RESIDUAL * 1e3:g} ms): the workload's timing was disturbed, or the host's clock was set",
            quantities=TIMES,
            value=clock.residual,
            limit=CLOCK_RESIDUAL,
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


def _windows_named(indices: Iterable[int]) -> str:
    found = list(indices)
    return f"{_windows(found)} {'are' if len(found) > 1 else 'is'}"
