"""What a run says: quantities, where they come from, what is wrong with it, and what does not count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from powerlab_analysis.clocks import ClockComparison
from powerlab_analysis.measured import Kind, Measured
from powerlab_analysis.memory import Memory
from powerlab_analysis.quantity import Quantity
from powerlab_analysis.statistics import Summary
from powerlab_analysis.verdict import Effect, Verdict
from powerlab_traces.chain import CurrentChain, SupplyLimits
from powerlab_traces.run import Outcome
from powerlab_traces.window import DroppedWindow, Window

# The quantities of a result, in the order people read them, with their units.
UNITS: Mapping[str, str] = {
    "time_per_batch": "s",
    "time_per_image": "s",
    "power_total": "W",
    "power_idle": "W",
    "power_net": "W",
    "energy_per_batch": "J",
    "energy_per_image": "J",
    "energy_per_image_net": "J",
}

CANCELLED = 1e-20  # of the variance


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
    """One source of uncertainty: its standard uncertainty in the quantity's unit and its share of the variance, 0 to 1.

    `limit` is the half-width of what is known by a limit; None for what scatters, with `dof` degrees of freedom.
    """

    name: str
    kind: Kind
    uncertainty: float
    share: float
    limit: float | None
    dof: float


@dataclass(frozen=True, slots=True)
class Truth:
    """What a simulated board really drew in the kept windows: J per image, and mean W."""

    energy_per_image: float
    power: float


@dataclass(frozen=True, slots=True)
class Setup:
    """What a run was measured with: two that share it share its errors.

    `instruments` are their answers to `*IDN?` by role, `screens` the scope's (see `Stretch.screen`), `zeros` the zeros
    that were subtracted, in A by screen (empty for none), `currents` the mean current in A in windows and in idle
    records, by "windows" and "idle".
    """

    instruments: Mapping[str, str]
    chain: CurrentChain
    supply: SupplyLimits
    screens: frozenset[float]
    zeros: Mapping[float, float]
    currents: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Result:
    """Power, time and energy of a run's work, measured at the board's input.

    Each window is in `kept` or in `dropped`. A quantity is None where the run does not hold what it needs (net
    quantities need an idle record, all but idle power a kept window) or where a verdict refuses it; `refusal` says
    which. `sample_rate` is in samples per second. `measured` holds the same quantities with their sources of
    uncertainty, `budgets` those sources as tables, largest term first; `windows` are the summaries of the kept
    windows' power (W), and time (s) and energy (J) per image. `clock` compares the scope's time with the host's,
    `alignment` says what tied them (a value of `alignment.Tie`).
    `verdicts` are what is wrong with the data, worst first; `notes` what was odd besides. `truth` exists for simulated
    runs only.
    """

    simulated: bool
    model: str
    batch: int | None
    sample_rate: float | None
    kept: Sequence[WindowEnergy]
    dropped: tuple[DroppedWindow, ...]
    setup: Setup
    time_per_batch: Quantity | None = None
    time_per_image: Quantity | None = None
    power_total: Quantity | None = None
    power_idle: Quantity | None = None
    power_net: Quantity | None = None
    energy_per_batch: Quantity | None = None
    energy_per_image: Quantity | None = None
    energy_per_image_net: Quantity | None = None
    measured: Mapping[str, Measured] = field(default_factory=dict)
    budgets: Mapping[str, tuple[BudgetTerm, ...]] = field(default_factory=dict)
    windows: Mapping[str, Summary] = field(default_factory=dict)
    clock: ClockComparison | None = None
    alignment: str | None = None
    truth: Truth | None = None
    protocol: str = "quick"
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    outcome: Outcome = Outcome.COMPLETE  # of the capture
    memory: Memory | None = None  # that the workload used

    @property
    def budget(self) -> tuple[BudgetTerm, ...]:
        """The budget of energy per image."""
        return self.budgets.get("energy_per_image", ())

    def quantity(self, name: str) -> Quantity | None:
        """The quantity of this name, one of `UNITS`."""
        found = getattr(self, name)
        assert found is None or isinstance(found, Quantity)
        return found

    def refusal(self, name: str) -> Verdict | None:
        """The verdict that refuses this quantity."""
        return self._first(name, Effect.REFUSE)

    def lower_bound(self, name: str) -> Verdict | None:
        """The verdict that makes this quantity the least that it can be."""
        return self._first(name, Effect.LOWER_BOUND)

    def _first(self, name: str, effect: Effect) -> Verdict | None:
        return next((it for it in self.verdicts if it.effect is effect and name in it.quantities), None)


def budget_of(value: Measured) -> tuple[BudgetTerm, ...]:
    """The terms of a value's uncertainty, largest first, without those that cancel (but for rounding)."""
    variance = value.u**2
    terms = [
        BudgetTerm(
            name=source.name,
            kind=source.kind,
            uncertainty=abs(part),
            share=part**2 / variance,
            limit=3**0.5 * abs(part) if source.is_limit else None,
            dof=source.dof,
        )
        for source, part in value.parts.items()
        if part**2 > CANCELLED * variance
    ]
    return tuple(sorted(terms, key=lambda term: term.uncertainty, reverse=True))
