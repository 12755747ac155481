"""The whole way from a run to its result."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.alignment import Tie
from powerlab_analysis.boardstate import board_notes, board_verdicts
from powerlab_analysis.chainverdicts import idle_change
from powerlab_analysis.clocks import compare
from powerlab_analysis.measured import Measured, Source, rectangular
from powerlab_analysis.memory import memory_of
from powerlab_analysis.model import Model, seconds_of, spread
from powerlab_analysis.noise import Noise, pooled
from powerlab_analysis.pairing import LATENCY
from powerlab_analysis.protocols import QUICK, Held, Protocol, protocol_verdicts, tightened
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.reference import reference_of
from powerlab_analysis.result import UNITS, Result, Setup, Truth, WindowEnergy, budget_of
from powerlab_analysis.rows import Rows, field, numbers
from powerlab_analysis.statistics import Summary, summary
from powerlab_analysis.survey import Cut, Level, Survey, survey
from powerlab_analysis.verdict import Effect, worst_first
from powerlab_analysis.verdicts import Evidence, verdicts_of
from powerlab_traces.clocktie import host_uncertainty
from powerlab_traces.record import RecordKind
from powerlab_traces.run import Run, TrueWindow

IDLE_DRIFT = Source("idle drift")


@dataclass(frozen=True, slots=True)
class Basis:
    """What any stretch of a run is counted by, as its windows are: the model and the noise (None: not known)."""

    model: Model
    noise: Noise | None


def analyse(run: Run, protocol: Protocol = QUICK) -> Result:
    """Power, time and energy of the run's windows, each with its uncertainty, and the verdicts on its data.

    Each record is read once and let go. Quantities are those of all kept windows together: mean power is the
    sum of energies over the sum of times, energy per image that over the sum of images. `protocol` says what the run
    must hold besides.

    Raises
    ------
    TraceError
        A record's current is not in amperes.
    """
    return analyse_with_basis(run, protocol)[0]


def analyse_with_basis(run: Run, protocol: Protocol = QUICK) -> tuple[Result, Basis]:
    """What `analyse` finds, and what it counted by: `model.energy([stretch], noise)` is that of any other stretch.

    Raises
    ------
    TraceError
        A record's current is not in amperes.
    """
    seen = survey(run)
    reference = reference_of(run, seen)
    model = without_drift = reference.model
    apart = _apart(seen)
    if (moved := idle_change(seen.idles, model)) is not None and moved.of_zero:
        apart = math.inf  # it moves faster than a temperature does
        drift = max(model.chain.drift_limit, abs(moved.probe - moved.supply))
        model = replace(model, chain=replace(model.chain, drift_limit=drift))
    idle_noise = pooled([level.noise for level in seen.idles])
    # A zero record holds the noise of probe and scope alone; an idle record the board's as well.
    noise = reference.noise or idle_noise
    idle, idle_current = _idle(model, seen.idles, idle_noise)
    kept = _window_energies(model, seen.cuts)
    interval = 1 / seen.sample_rate if seen.sample_rate else 0.0
    tied = [alignment for alignment in seen.alignments if alignment.kept]
    host_u = host_uncertainty(run.logs)
    worst = max((host_u(alignment.kept[0].host.start) for alignment in tied), default=0.0)
    clock = compare([alignment.tie for alignment in tied], interval, worst)
    measured = {"power_idle": idle} if idle else {}
    if kept:
        measured |= _measured(model, seen.cuts, noise, idle, apart)
    board = tuple(board_verdicts(run.logs, run.windows, run.provenance.workload.get("device", "cpu")))
    said = {it.name for it in board}  # by the board itself: what its current looks like adds nothing
    seen_verdicts = verdicts_of(Evidence(seen, without_drift, measured, idle_current, clock))
    found = (*(it for it in seen_verdicts if it.name not in said), *reference.verdicts, *board)
    lacking = protocol_verdicts(protocol, Held(seen, model, measured, _warm_up(run)))
    verdicts = worst_first([*(tightened(protocol, it) for it in found), *lacking])
    refused = {name for it in verdicts if it.effect is Effect.REFUSE for name in it.quantities}
    measured = {name: measured[name] for name in UNITS if name in measured and name not in refused}
    result = Result(
        simulated=run.provenance.simulated,
        model=run.provenance.model,
        batch=run.provenance.batch,
        sample_rate=seen.sample_rate,
        kept=kept,
        dropped=seen.dropped,
        setup=_setup(run, model, seen, idle_current),
        **{name: it.quantity(UNITS[name]) for name, it in measured.items()},
        measured=measured,
        budgets={name: budget_of(it) for name, it in measured.items()},
        windows=_summaries(kept) if kept else {},
        clock=clock,
        alignment=seen.tie.value if kept else None,
        truth=_truth(run.truth, seen.cuts),
        protocol=protocol.name,
        verdicts=verdicts,
        notes=(*run.notes, *reference.notes, *board_notes(run.logs), *_remarks(seen, model)),
        outcome=run.outcome,
        memory=memory_of(run.logs, run.provenance.batch),
    )
    return result, Basis(model, noise)


def _remarks(seen: Survey, model: Model) -> Iterator[str]:
    """What the run does not hold, and what that costs."""
    if seen.tie is Tie.TRIGGER and seen.cuts:
        yield "the marker only triggered the scope: the first window of a record is its, the host's clock says the rest"
    if seen.tie is Tie.PATTERN and seen.cuts:
        yield "no marker was recorded: the windows were found by the current's own steps"
    used = {it.screen for it in seen.outlines if it.kind is not RecordKind.ZERO}
    for it in seen.outlines:
        # A capture that chooses its screen takes zeros on some that are too small for them.
        if it.kind is RecordKind.ZERO and it.objection is not None and (it.screen in used or not used):
            yield f"zero record {it.index} was not used: {it.objection}"
    if model.zero is None and not model.offset_known:
        limit = model.chain.offset_limit + model.chain.scope_offset_limit
        yield f"no zero record: the offset limits of probe and scope, {prefixed(limit, 'A')}, count in full"
    if not seen.idles:
        yield "no idle record: net power and net energy are not known"
    if len(seen.idles) == 1:
        yield "idle was recorded once only: its drift is not known and not in the uncertainty"
    if len(seen.cuts) == 1:
        yield "one window only: the repeatability is not known and not in the uncertainty"


def _warm_up(run: Run) -> int | None:
    """How many passes there were before the first window; None where nobody says."""
    log = run.logs.get("warm_up")
    return None if log is None else log.rows


def _setup(run: Run, model: Model, seen: Survey, idle_current: Measured | None) -> Setup:
    """What the run was measured with."""
    stretches = field(seen.cuts, "stretch")
    currents = {"windows": float(model.currents(stretches).mean())} if stretches else {}
    return Setup(
        instruments=run.provenance.instruments,
        chain=run.chain,
        supply=run.supply,
        screens=frozenset([*field(stretches, "screen"), *(level.stretch.screen for level in seen.idles)]),
        zeros=model.zero.currents if model.zero else {},
        currents=currents | ({"idle": idle_current.value} if idle_current else {}),
    )


def _summaries(kept: Sequence[WindowEnergy]) -> Mapping[str, Summary]:
    """How the windows scatter, window by window."""
    return {
        "power_total": summary(numbers(kept, "power")),
        "time_per_image": summary(numbers(kept, "seconds") / numbers(kept, "window", "images")),
        "energy_per_image": summary(numbers(kept, "energy") / numbers(kept, "window", "images")),
    }


def _apart(seen: Survey) -> float:
    """How far windows and idle are apart in time, in s: the mean over their records."""
    armed = {it.index: it.armed for it in seen.outlines}
    records = field(field(field(seen.cuts, "aligned"), "host"), "record")
    windows = np.array([armed[record] for record in records], dtype=np.float64)
    idle = np.array([armed[level.record] for level in seen.idles], dtype=np.float64)
    return float(np.abs(windows[:, None] - idle).mean()) * 1e-9 if len(windows) and len(idle) else math.inf


def _measured(
    model: Model, cuts: Sequence[Cut], noise: Noise | None, idle: Measured | None, apart: float
) -> dict[str, Measured]:
    """All that the kept windows say, by name; `apart` (s) is how far idle was from them."""
    stretches = field(cuts, "stretch")
    energies = model.energies(stretches)
    times = seconds_of(stretches)
    images = numbers(cuts, "aligned", "host", "images")
    ones = np.ones(len(cuts))
    energy = model.energy(stretches, noise)
    seconds = model.seconds(stretches)
    power = energy / seconds
    time_per_image = seconds / float(images.sum())
    found = {
        "time_per_batch": _with_spread(seconds / len(cuts), times, ones),
        "time_per_image": _with_spread(time_per_image, times, images),
        "power_total": _with_spread(power, energies, times),
        "energy_per_batch": _with_spread(energy / len(cuts), energies, ones),
        "energy_per_image": _with_spread(energy / float(images.sum()), energies, images),
    }
    if idle is None:
        return found
    voltage = sum(numbers(stretches, "voltage").tolist()) / len(stretches)
    net = model.net_power(power, idle, voltage, apart)
    net_energies = energies - idle.value * times
    return found | {
        "power_net": _with_spread(net, net_energies, times),
        "energy_per_image_net": _with_spread(net * time_per_image, net_energies, images),
    }


def _with_spread(ratio: Measured, numerators: NDArray[np.float64], denominators: NDArray[np.float64]) -> Measured:
    """A ratio of sums over windows, with how the windows scatter as one more part."""
    found = spread(numerators, denominators)
    return ratio if found is None else ratio + Measured(0.0, dict([found]))


def _idle(model: Model, levels: Sequence[Level], noise: Noise | None) -> tuple[Measured | None, Measured | None]:
    """Idle power (W) and idle current (A).

    Half of what the idle records' powers differ by is the limit of a drift term: the windows ran somewhere between.
    """
    if not levels:
        return None, None
    stretches = [level.stretch for level in levels]
    powers = model.energies(stretches) / np.array([stretch.seconds for stretch in stretches])
    difference = float(powers.max() - powers.min())
    seconds = model.seconds(stretches)
    power = model.energy(stretches, noise, " (idle)") / seconds
    current = model.charge(stretches, noise, " (idle)") / seconds.value
    return power + Measured(0.0, {IDLE_DRIFT: rectangular(difference / 2)}), current


def _window_energies(model: Model, cuts: Sequence[Cut]) -> Sequence[WindowEnergy]:
    energies = model.energies(field(cuts, "stretch")).tolist()
    found = (
        WindowEnergy(
            window=cut.aligned.window,
            record=cut.aligned.host.record,
            energy=energy,
            power=energy / cut.stretch.seconds,
            seconds=cut.stretch.seconds,
        )
        for cut, energy in zip(cuts, energies, strict=True)
    )
    return Rows.of(WindowEnergy, found) if isinstance(cuts, Rows) else tuple(found)


def _truth(windows: Sequence[TrueWindow] | None, cuts: Sequence[Cut]) -> Truth | None:
    """What the board really drew in the kept windows; None if that is not known of every one of them.

    A true window is the one whose start lies nearest on the host's clock, within the marker's latency.
    """
    if not windows or not cuts:
        return None
    ordered = sorted(windows, key=lambda window: window.start)
    starts = np.array([window.start for window in ordered], dtype=np.int64)
    hosts = np.array(field(field(field(cuts, "aligned"), "host"), "start"), dtype=np.int64)
    after = np.searchsorted(starts, hosts).clip(0, len(starts) - 1)
    before = (after - 1).clip(0)
    nearest = np.where(np.abs(starts[after] - hosts) <= np.abs(starts[before] - hosts), after, before)
    if (np.abs(starts[nearest] - hosts) > LATENCY * 1e9).any():
        return None
    true = [ordered[k] for k in nearest.tolist()]
    energy = sum(window.energy for window in true)
    return Truth(
        energy_per_image=energy / float(numbers(cuts, "aligned", "host", "images").sum()),
        power=energy / (sum(window.stop - window.start for window in true) * 1e-9),
    )
