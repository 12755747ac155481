"""Which errors several runs share, because they were measured with the same things.

A part of the uncertainty of one source is fully correlated between runs where the source is the same, and not at all
where it is not. What scatters is never the same; of limits it depends on the bench.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from powerlab_analysis import model
from powerlab_analysis.measured import Measured, Source, rectangular
from powerlab_analysis.result import Result, Setup


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that runs must have in common: what it is called, and how a setup shows it."""

    name: str
    key: Callable[[Setup], object]


def _screen(setup: Setup) -> object:
    """Never the same where the full scale is not known: the model's gain error is absolute then, and would cancel."""
    return (setup.screens, setup.chain.turns, setup.chain.full_scale or object())


SCOPE: Final = Condition("scope", lambda it: (it.instruments.get("scope"), it.seed))
SUPPLY: Final = Condition("supply", lambda it: (it.instruments.get("supply"), it.seed))
# A probe has no serial number to ask for: its model, and the scope and supply it is used with, must do.
PROBE: Final = Condition("probe", lambda it: (it.chain.probe, it.chain.sensitivity, it.chain.gain_limit))
SCREEN: Final = Condition("screen", _screen)
TURNS: Final = Condition("turns", lambda it: it.chain.turns)
LEAD: Final = Condition("lead", lambda it: (it.supply.lead_resistance, it.supply.lead_resistance_limit))
ZERO: Final = Condition("zeroing", lambda it: bool(it.zeros))
CALIBRATION: Final = Condition("calibration", lambda it: (it.chain.calibrated, it.chain.lines))
ALL: Final = (SCOPE, SUPPLY, PROBE, SCREEN, TURNS, LEAD, ZERO, CALIBRATION)

# What each source needs to be the same error in several runs. Noise, spread, edges, quantisation,
# drift since the zero and what lies between idle and windows are not among them: they are another error in each run.
SHARED: Final[Mapping[str, tuple[Condition, ...]]] = {
    model.PROBE_GAIN.name: (SCOPE, PROBE),
    # Where the thumbwheel stands is not all of the offset: what may have moved since is added by `_moved`.
    model.PROBE_OFFSET.name: (SCOPE, PROBE, TURNS),
    model.SCOPE_GAIN.name: (SCOPE, SCREEN),
    model.SCOPE_OFFSET.name: (SCOPE, SCREEN),
    # What the supply reads of current is off by the same in every calibration; its offset is in it without a zero only.
    model.CALIBRATION.name: (SUPPLY, ZERO),
    model.CALIBRATION_FIT: (CALIBRATION,),
    model.TIME_BASE.name: (SCOPE,),
    model.VOLTAGE_GAIN.name: (SUPPLY,),
    model.VOLTAGE_OFFSET.name: (SUPPLY,),
    model.LEAD_RESISTANCE.name: (SUPPLY, LEAD),
}
MOVED: Final = "offset drift between the runs"


def differing(setups: Sequence[Setup]) -> tuple[str, ...]:
    """The names of what the runs do not have in common."""
    return tuple(it.name for it in ALL if len({it.key(setup) for setup in setups}) > 1)


def aligned(results: Sequence[Result], name: str, labels: Sequence[str]) -> tuple[Measured, ...]:
    """One quantity of several runs, with the sources that they do not share told apart by each run's label.

    Where no zero was subtracted, the offset is the same error in all but for what it moves between the runs: each gets
    a part of its own for that.
    """
    setups = [it.setup for it in results]
    apart = set(differing(setups))
    return tuple(
        _told_apart(_moved(result.measured[name], result.setup), apart, label)
        for result, label in zip(results, labels, strict=True)
    )


def common_sources(values: Sequence[Measured]) -> tuple[str, ...]:
    """The names of the sources that all of these values have, in the order of their size in the first."""
    first, *others = values
    shared = [source for source in first.parts if all(source in it.parts for it in others)]
    shared = [source for source in shared if any(it.parts[source] for it in values)]
    return tuple(source.name for source in sorted(shared, key=lambda it: -abs(first.parts[it])))


def _told_apart(value: Measured, apart: set[str], label: str) -> Measured:
    return Measured(
        value.value,
        {
            source if _is_shared(source, apart) else replace(source, name=f"{source.name} ({label})"): part
            for source, part in value.parts.items()
        },
    )


def _is_shared(source: Source, apart: set[str]) -> bool:
    name = model.CALIBRATION_FIT if source.name.startswith(model.CALIBRATION_FIT) else source.name
    return name in SHARED and not apart & {it.name for it in SHARED[name]}


def _moved(value: Measured, setup: Setup) -> Measured:
    """The value of a run without a zero, with what its offset moves by from run to run."""
    limit = setup.chain.offset_limit
    part = value.parts.get(model.PROBE_OFFSET)
    if part is None or not limit:
        return value
    each_ampere = part / rectangular(limit)
    return value + Measured(0.0, {Source(MOVED): each_ampere * rectangular(setup.chain.drift_limit)})
