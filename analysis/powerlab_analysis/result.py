"""What a run says: quantities, where they come from, and what does not count."""

from dataclasses import dataclass

from powerlab_analysis.clocks import ClockComparison
from powerlab_analysis.measured import Kind, Measured
from powerlab_analysis.quantity import Quantity
from powerlab_traces.window import DroppedWindow, Window


@dataclass(frozen=True, slots=True)
class WindowEnergy:
    """Energy (J) and mean power (W) at the board's input in one kept window of record `record`.

    `seconds` is the length of its samples; `energy` is `power * seconds`.
    """

    window: Window
    record: int
    energy: float
    power: float
    seconds: float


@dataclass(frozen=True, slots=True)
class BudgetTerm:
    """One source of uncertainty: its standard uncertainty in J and its share of the variance, 0 to 1."""

    name: str
    kind: Kind
    uncertainty: float
    share: float


@dataclass(frozen=True, slots=True)
class Truth:
    """What a simulated board really drew in the kept windows: J per image, and mean W."""

    energy_per_image: float
    power: float


@dataclass(frozen=True, slots=True)
class Result:
    """Power, time and energy of a run's work, measured at the board's input.

    Each window is in `kept` or in `dropped`. A quantity is None where the run does not hold what it needs:
    net quantities need an idle record, all but idle power a kept window. `sample_rate` is in samples per
    second. `budget` is that of `energy_per_image`, largest term first. `clock` compares the scope's time with
    the host's. `truth` exists for simulated runs only.
    """

    simulated: bool
    model: str
    batch: int | None
    sample_rate: float | None
    kept: tuple[WindowEnergy, ...]
    dropped: tuple[DroppedWindow, ...]
    time_per_batch: Quantity | None = None
    time_per_image: Quantity | None = None
    power_total: Quantity | None = None
    power_idle: Quantity | None = None
    power_net: Quantity | None = None
    energy_per_batch: Quantity | None = None
    energy_per_image: Quantity | None = None
    energy_per_image_net: Quantity | None = None
    budget: tuple[BudgetTerm, ...] = ()
    clock: ClockComparison | None = None
    truth: Truth | None = None
    notes: tuple[str, ...] = ()


def budget_of(energy: Measured) -> tuple[BudgetTerm, ...]:
    """The terms of an energy's uncertainty that are not 0, largest first."""
    variance = energy.u**2
    terms = [
        BudgetTerm(source.name, source.kind, abs(part), part**2 / variance)
        for source, part in energy.parts.items()
        if part != 0
    ]
    return tuple(sorted(terms, key=lambda term: term.uncertainty, reverse=True))
