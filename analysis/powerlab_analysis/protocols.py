"""How much a measurement must hold for a purpose: presets of thresholds, and the verdicts on a run by them.

Where a number comes from is said beside it. "Rules" are those that this project measures by, the paper's method
(arXiv 1605.07678) with its gaps closed; docs/verdicts.md lists them.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from powerlab_analysis.measured import Measured
from powerlab_analysis.model import Model
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.rows import field
from powerlab_analysis.survey import Survey
from powerlab_analysis.verdict import IDLE, NET, OF_CURRENT, OF_WINDOWS, Effect, Verdict
from powerlab_traces.record import RecordKind


@dataclass(frozen=True, slots=True)
class Protocol:
    """What a measurement must hold. The defaults ask for nothing but a repeat."""

    name: str
    about: str
    windows: int = 2  # one window does not scatter: JCGM 100, 4.2.3 needs two
    seconds: float = 0.0  # of all windows together
    captures: int = 1  # separate starts of the process, analysed together
    warm_up: int = 0  # batches before the first window
    idle_records: int = 0  # 1: before or after the windows; 2: before and after
    idle_seconds: float = 0.0  # of each idle record
    zero: bool = False  # there must be one; how long it lasts is judged in every run (`zero-old`)
    idle_drift_refuses: bool = False  # net quantities, when idle drifts
    uncertainty: float = math.inf  # U95 of total power over its value


PROTOCOLS: Final[Mapping[str, Protocol]] = {
    it.name: it
    for it in (
        Protocol("quick", "a look: two windows, so that they can scatter"),
        Protocol(
            "paper",
            "the paper's method with its gaps closed",
            windows=5,  # rules: at least five values, all kept (as EnergyRunner takes five)
            seconds=60.0,  # rules, after the MLPerf Power paper (arXiv 2410.12032): a minute a point
            captures=3,  # rules: at least three process starts behind each plotted point
            warm_up=10,  # rules: at least ten iterations, as the lab's own timers did
            idle_records=2,  # rules: before and after
            idle_seconds=60.0,  # rules
            zero=True,  # rules: before and after a block; what the second would show is in the budget as drift
            idle_drift_refuses=True,  # rules: more than 2 % invalidates
        ),
        Protocol(
            "mlperf-tiny",
            "EnergyRunner, as MLPerf Tiny uses it",
            windows=10,  # at least ten inferences
            seconds=10.0,  # that take at least ten seconds
            captures=5,  # of which the median counts
        ),
        Protocol(
            "mlperf-power",
            "MLPerf Power",
            seconds=60.0,  # the MLPerf Power paper; runs of MLPerf Inference take 600 s by now
            uncertainty=0.01,  # of the reading: the rule for power analysers. A Hall clamp has to be calibrated for it
        ),
    )
}
QUICK: Final = PROTOCOLS["quick"]


@dataclass(frozen=True, slots=True)
class Held:
    """What a run holds, for a protocol to judge. `warm_up` is None where the run does not say."""

    seen: Survey
    model: Model
    measured: Mapping[str, Measured]
    warm_up: int | None


def protocol_verdicts(protocol: Protocol, held: Held) -> Iterator[Verdict]:
    """What one run lacks by a protocol."""
    cuts = held.seen.cuts
    n, least = len(cuts), protocol.windows
    if 0 < n < least:
        said = f"{n} window{'s' * (n > 1)}"
        yield _lacks(protocol, "few-windows", said, "capture more", value=n, limit=least, of=OF_WINDOWS)
    seconds, shortest = sum(it.seconds for it in field(cuts, "stretch")), protocol.seconds
    if cuts and seconds < shortest:
        said, advice = f"{seconds:.3g} s of windows", "measure for longer"
        yield _lacks(protocol, "short", said, advice, value=seconds, limit=shortest, of=OF_WINDOWS, unit="s")
    if protocol.captures > 1:
        yield captures_verdict(protocol, 1)
    warm_up, fewest = held.warm_up, protocol.warm_up
    if warm_up is not None and warm_up < fewest:
        said = f"{warm_up} batches of warm-up"
        yield _lacks(protocol, "warm-up", said, "give --warmup", value=warm_up, limit=fewest, of=OF_WINDOWS)
    yield from _of_idle(protocol, held.seen)
    if protocol.zero and held.model.zero is None and not held.model.offset_known:
        yield _lacks(protocol, "no-zero", "no zero", "zero the probe first", value=0, limit=1, of=OF_CURRENT)
    total = held.measured.get("power_total")
    if total is not None and total.value and total.U95 / abs(total.value) > protocol.uncertainty:
        relative = total.U95 / abs(total.value)
        yield Verdict(
            name="uncertainty",
            effect=Effect.REFUSE,
            text=f"U95 of total power is {relative:.1%} of it, where {protocol.name} rejects more than "
            f"{protocol.uncertainty:.0%}: `powerlab analyse --budget power_total` says what would help",
            quantities=OF_CURRENT,
            value=relative,
            limit=protocol.uncertainty,
        )


def captures_verdict(protocol: Protocol, captures: int) -> Verdict:
    """That so many captures are fewer than the protocol asks for."""
    advice = "capture again, each time anew, and analyse the files with --together"
    said = f"{captures} capture{'s' * (captures > 1)}"
    return _lacks(protocol, "few-captures", said, advice, value=captures, limit=protocol.captures, of=OF_WINDOWS)


def _of_idle(protocol: Protocol, seen: Survey) -> Iterator[Verdict]:
    active = [it.index for it in seen.outlines if it.kind is RecordKind.ACTIVE]
    sound = [it for it in seen.outlines if it.kind is RecordKind.IDLE and it.objection is None]
    sides, wanted = 0, protocol.idle_records
    if active:
        sides = any(it.index < active[0] for it in sound) + any(it.index > active[-1] for it in sound)
    if active and sides < wanted:
        said = "idle on one side of the windows only" if sides else "no idle record"
        advice = "record it before and after them" if wanted > 1 else "record it"
        yield _lacks(protocol, "few-idle-records", said, advice, value=sides, limit=wanted, of=IDLE)
    limit = protocol.idle_seconds
    shortest = min((it.seconds for it in sound), default=math.inf)
    if shortest < 0.99 * limit:  # a scope's spans come in steps
        said = f"an idle record of {prefixed(shortest, 's')}"
        yield _lacks(protocol, "short-idle", said, "give --idle", value=shortest, limit=limit, of=IDLE, unit="s")


def _lacks(
    protocol: Protocol,
    name: str,
    said: str,
    advice: str,
    *,
    value: float,
    limit: float,
    of: tuple[str, ...],
    unit: str = "",
) -> Verdict:
    asked = f"{limit:g}{f' {unit}' if unit else ''}"
    return Verdict(
        name=name,
        effect=Effect.FLAG,
        text=f"{said}, where {protocol.name} asks for at least {asked}: {advice}",
        quantities=of,
        value=value,
        limit=limit,
        unit=unit,
    )


def tightened(protocol: Protocol, verdict: Verdict) -> Verdict:
    """A verdict on the data as this protocol takes it: `paper` has no net power with an idle that drifts."""
    if verdict.name == "idle-drift" and protocol.idle_drift_refuses:
        return replace(
            verdict,
            effect=Effect.REFUSE,
            quantities=NET,
            text=f"{verdict.text}; {protocol.name} takes no net power then",
        )
    return verdict
