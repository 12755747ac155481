"""Verdicts on probe, scope and supply: whether the current they show can be what the board drew."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from powerlab_analysis.aliasing import together
from powerlab_analysis.measured import Measured
from powerlab_analysis.model import Model
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.rows import field
from powerlab_analysis.survey import Cut, Level, Survey
from powerlab_analysis.verdict import ACTIVE, IDLE, OF_CURRENT, Effect, Verdict

# "Rules" are those that this project measures by: the paper's method with its gaps closed (docs/verdicts.md).
IDLE_DRIFT: Final = 0.02  # of idle power: the rules' limit, from which on a net power says little
ALIASING: Final = 0.005  # of mean power between full and half rate: the rules' limit
# Ratio of probe to supply from which on no limit explains it: a wrong number of turns or a switch in the wrong place.
# Two turns for one give 2, two for three 1.5; the limits themselves add up to a few per cent.
WRONG_FACTOR: Final = 1.4
SIGNIFICANT: Final = 4.0  # standard uncertainties: chance exceeds them in 1 of 16 000 normal values


def chain_verdicts(seen: Survey, model: Model, idle_current: Measured | None) -> Iterator[Verdict]:
    """On the current; `idle_current` (A) is that of the idle records by the probe."""
    yield from _over_range(seen, model)
    of_zero = list(_zero(model))
    yield from of_zero
    found = idle_change(seen.idles, model)
    # A drift that the zeros show needs no second verdict for showing in the idle records as well.
    if found is not None and not (found.of_zero and any(it.name == "zero-drift" for it in of_zero)):
        yield _idle(found, model)
    if idle_current is not None:
        yield from _probe(seen, model, idle_current)
    yield from _aliasing(seen.cuts, model)


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
    limit = chain.offset_limit + chain.scope_offset_limit + chain.drift_limit
    if chain.full_scale:  # the channel's gain acts around the middle of the screen, and no current lies so far from it
        limit += chain.scope_gain_limit * abs(chain.centre) / chain.full_scale
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


@dataclass(frozen=True, slots=True)
class IdleChange:
    """How the idle records of least and most power differ: in power (W, and relative) and in current (A).

    `supply` is what the supply itself saw of the current's change, `margin` what the probe's zero and noise explain.
    """

    records: tuple[int, int]
    relative: float
    probe: float
    supply: float
    margin: float

    @property
    def of_zero(self) -> bool:
        """Whether the probe's zero moved and not the board's current."""
        return abs(self.supply) < abs(self.probe) / 2 and abs(self.probe - self.supply) > self.margin


def idle_change(idles: Sequence[Level], model: Model) -> IdleChange | None:
    """The change of idle, if it is more than 2 % and more than the probe's zero may have moved."""
    if len(idles) < 2:
        return None
    stretches = [level.stretch for level in idles]
    currents = model.currents(stretches)
    powers = model.energies(stretches) / [stretch.seconds for stretch in stretches]
    low, high = int(powers.argmin()), int(powers.argmax())
    moved, mean = float(powers[high] - powers[low]), abs(float(powers.mean()))
    noise = math.hypot(*(idles[k].noise.of_mean(stretches[k].seconds) for k in (low, high)))
    margin = model.chain.drift_limit + SIGNIFICANT * noise
    if moved <= max(IDLE_DRIFT * mean, stretches[high].voltage * margin):
        return None
    first, last = sorted((idles[low].record, idles[high].record))
    return IdleChange(
        records=(first, last),
        relative=moved / mean if mean else math.inf,
        probe=float(currents[high] - currents[low]),
        supply=stretches[high].supply_current - stretches[low].supply_current,
        margin=margin,
    )


def _idle(found: IdleChange, model: Model) -> Verdict:
    """On idle that changed; the supply's own readings tell whether it was the board's current or the probe's zero."""
    if found.of_zero:
        limit = model.chain.drift_limit
        return Verdict(
            name="zero-drift",
            effect=Effect.FLAG,
            text=f"idle current moved by {prefixed(found.probe, 'A')} from record to record by the probe, but by "
            f"{prefixed(found.supply, 'A')} by the supply: the probe's zero drifts by more than its limit of "
            f"{prefixed(limit, 'A')}, and the larger is in the budget; let it warm up and zero it again",
            quantities=OF_CURRENT,
            value=abs(found.probe - found.supply),
            limit=limit,
            unit="A",
            records=found.records,
        )
    return Verdict(
        name="idle-drift",
        effect=Effect.FLAG,
        text=f"idle power differs by {found.relative:.1%} between idle records {found.records[0]} and "
        f"{found.records[1]} (limit {IDLE_DRIFT:.0%}): let the board settle",
        quantities=IDLE,
        value=found.relative,
        limit=IDLE_DRIFT,
        records=found.records,
    )


def _probe(seen: Survey, model: Model, probe: Measured) -> Iterator[Verdict]:
    """On a probe that disagrees with what the supply itself read while idle, beyond all limits of both added up."""
    supply = model.supply_current([level.stretch for level in seen.idles])
    by_probe, by_supply = probe.quantity("A"), supply.quantity("A")
    limit = _farthest(probe) + _farthest(supply)
    if abs(probe.value - supply.value) <= limit:
        return
    ratio = probe.value / supply.value if supply.value else math.inf
    grave = supply.value <= by_supply.U95 or ratio > WRONG_FACTOR or ratio < 1 / WRONG_FACTOR
    slight = "zero the probe, or calibrate it against the supply"
    advice = _factor_advice(ratio, model.chain.turns) if grave else slight
    yield Verdict(
        name="probe-factor" if grave else "probe-supply",
        effect=Effect.REFUSE if grave else Effect.FLAG,
        text=f"the idle current is {by_probe} by the probe but {by_supply} by the supply, {ratio:.3g} times: {advice}",
        quantities=OF_CURRENT,
        value=abs(probe.value - supply.value),
        limit=limit,
        unit="A",
        records=tuple(level.record for level in seen.idles),
    )


def _farthest(value: Measured) -> float:
    """How far a value may be off if every limit is used up in the same direction, and its scatter is at its worst."""
    limits = sum(math.sqrt(3) * abs(part) for source, part in value.parts.items() if source.is_limit)
    return limits + SIGNIFICANT * math.hypot(*(part for source, part in value.parts.items() if not source.is_limit))


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
    pairs = together(field(cuts, "pairs"))
    if not pairs.count:
        return
    current = float(model.currents(field(cuts, "stretch")).mean())
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
