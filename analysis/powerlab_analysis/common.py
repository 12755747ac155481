"""Which errors several runs share, because they were measured with the same things.

A part of the uncertainty of one source is fully correlated between runs where the source is the same, and not at all
where it is not. What scatters is never the same; of limits it depends on the bench.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from powerlab_analysis import model
from powerlab_analysis.measured import Measured, Source
from powerlab_analysis.result import Result, Setup


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that runs must have in common: what it is called, and how a setup shows it."""

    name: str
    key: Callable[[Setup], object]


def _screen(setup: Setup) -> object:
    """Never the same where the full scale is not known: the model's gain error is absolute then, and would cancel."""
    return (setup.screens, setup.chain.turns, setup.chain.full_scale or object())


def _supply(setup: Setup) -> object:
    """One that tells no serial number but 0, as the E3645A, is known by the scope that it stands beside."""
    scope, supply = (setup.instruments.get(role, "") for role in ("scope", "supply"))
    nameless = supply.split(",")[2:3] in ([], ["0"])
    return (supply, scope if nameless else None)


SCOPE: Final = Condition("scope", lambda it: it.instruments.get("scope"))
SUPPLY: Final = Condition("supply", _supply)
# A probe has no serial number to ask for: its model, and the scope and supply it is used with, must do.
PROBE: Final = Condition("probe", lambda it: (it.chain.probe, it.chain.sensitivity, it.chain.gain_limit))
SCREEN: Final = Condition("screen", _screen)
TURNS: Final = Condition("turns", lambda it: it.chain.turns)
LEAD: Final = Condition("lead", lambda it: (it.supply.lead_resistance, it.supply.lead_resistance_limit))
ZERO: Final = Condition("zeroing", lambda it: bool(it.zeros))
CALIBRATION: Final = Condition("calibration", lambda it: (it.chain.calibrated, it.chain.lines))
# Only for the offset: runs with zeros of their own differ in it, and nothing is wrong with that.
ORIGIN: Final = Condition("zero", lambda it: (it.chain.zeroed if it.zeros else it.chain.calibrated) or object())
ALL: Final = (SCOPE, SUPPLY, PROBE, SCREEN, TURNS, LEAD, ZERO, CALIBRATION)

# What each source needs to be the same error in several runs. Noise, spread, edges, quantisation
# and what lies between idle and windows are not among them: they are another error in each run.
SHARED: Final[Mapping[str, tuple[Condition, ...]]] = {
    model.PROBE_GAIN.name: (SCOPE, PROBE),
    # Offsets, and their drift since one and the same zero, are those of the first run: `_moved` adds what they may have
    # moved by since then.
    model.PROBE_OFFSET.name: (SCOPE, PROBE, TURNS),
    model.OFFSET_DRIFT.name: (SCOPE, PROBE, TURNS, ORIGIN),
    model.ZERO_NOISE: (SCOPE, SCREEN, TURNS, ORIGIN),
    model.SCOPE_GAIN.name: (SCOPE, SCREEN),
    model.SCOPE_OFFSET.name: (SCOPE, SCREEN),
    # What the supply reads of current is off by the same in every calibration; its offset is in it without a zero only.
    model.CALIBRATION.name: (SUPPLY, ZERO),
    model.CALIBRATION_FIT: (CALIBRATION,),
    model.TIME_BASE.name: (SCOPE,),
    model.VOLTAGE.name: (SUPPLY,),
    model.LEAD_RESISTANCE.name: (SUPPLY, LEAD),
}
MOVED: Final = "offset drift between the runs"


def differing(setups: Sequence[Setup]) -> tuple[str, ...]:
    """The names of what the runs do not have in common."""
    return tuple(it.name for it in ALL if _differs(it, setups))


def _differs(condition: Condition, setups: Sequence[Setup]) -> bool:
    return len({condition.key(setup) for setup in setups}) > 1


def aligned(results: Sequence[Result], name: str, labels: Sequence[str]) -> tuple[Measured, ...]:
    """One quantity of several runs, with the sources that they do not share told apart by each run's label.

    Where no zero was subtracted, or the same zero from all, the offset is the same error in all but for what it moves
    between the runs: each but the first gets a part of its own for that.
    """
    setups = [it.setup for it in results]
    apart = {it.name for it in (*ALL, ORIGIN) if _differs(it, setups)}
    values = [result.measured[name] for result in results]
    moved = [values[0], *(_moved(it, setup, apart) for it, setup in zip(values[1:], setups[1:], strict=True))]
    return tuple(_told_apart(it, apart, label) for it, label in zip(moved, labels, strict=True))


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


def _moved(value: Measured, setup: Setup, apart: set[str]) -> Measured:
    """The value of a run the offset of which is shared, with what that has moved by since the first run."""
    offset, drift = value.parts.get(model.PROBE_OFFSET), value.parts.get(model.OFFSET_DRIFT)
    if offset is not None and setup.chain.offset_limit:
        part = offset * setup.chain.drift_limit / setup.chain.offset_limit
    elif drift is not None and _is_shared(model.OFFSET_DRIFT, apart):
        part = drift
    else:
        return value
    return value + Measured(0.0, {Source(MOVED): part})
