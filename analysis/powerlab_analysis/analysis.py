"""The whole way from a run to its result."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis import notes
from powerlab_analysis.alignment import LATENCY
from powerlab_analysis.clocks import compare
from powerlab_analysis.measured import Measured, Source, rectangular
from powerlab_analysis.model import Model, spread, zero_of
from powerlab_analysis.noise import Noise, pooled
from powerlab_analysis.result import Result, Truth, WindowEnergy, budget_of
from powerlab_analysis.survey import Cut, Level, Survey, survey
from powerlab_traces.run import Run, TrueWindow

IDLE_DRIFT = Source("idle drift")


def analyse(run: Run) -> Result:
    """Power, time and energy of the run's windows, each with its uncertainty.

    Each record is read once and let go. Quantities are those of all kept windows together: mean power is the
    sum of energies over the sum of times, energy per image that over the sum of images.

    Raises
    ------
    TraceError
        A record's current is not in amperes.
    """
    seen = survey(run)
    zeros, unzeroed = _zeros(seen)
    model = Model(run.chain, run.supply, zero_of(zeros, run.chain))
    idle_noise = pooled([level.noise for level in seen.idles])
    # A zero record holds the noise of probe and scope alone; an idle record the board's as well.
    noise = pooled([level.noise for level in zeros]) or idle_noise
    idle, idle_current, change = _idle(model, seen.idles, idle_noise)
    kept = _window_energies(model, seen.cuts)
    clock = compare([alignment.tie for alignment in seen.alignments if alignment.kept])
    result = Result(
        simulated=run.provenance.simulated,
        model=run.provenance.model,
        batch=run.provenance.batch,
        sample_rate=seen.sample_rate,
        kept=kept,
        dropped=seen.dropped,
        power_idle=idle.quantity("W") if idle else None,
        clock=clock,
        truth=_truth(run.truth, seen.cuts),
        notes=(
            *run.notes,
            *seen.notes,
            *unzeroed,
            *notes.zero_notes(model),
            *notes.idle_notes(model, seen.idles, idle_current, change),
            *notes.window_notes([window.seconds for window in kept]),
            *notes.marker_notes(
                sum(cut.aligned.host.duration for cut in seen.cuts),
                sum(cut.aligned.window.duration for cut in seen.cuts),
            ),
            *notes.clock_notes(clock),
        ),
    )
    return _with_quantities(result, model, seen.cuts, noise, idle) if kept else result


def _zeros(seen: Survey) -> tuple[tuple[Level, ...], tuple[str, ...]]:
    """The zero records of the screens that idle and windows were recorded on, none if one of these has none; notes.

    A capture that chooses its screen takes zeros on several before it knows which.
    """
    used = {cut.stretch.screen for cut in seen.cuts} | {level.stretch.screen for level in seen.idles}
    zeros = tuple(level for level in seen.zeros if level.stretch.screen in used) if used else seen.zeros
    if seen.zeros and used - {level.stretch.screen for level in zeros}:
        return (), (
            "the zero records are not of every setting of the scope's channel that was used: none was subtracted",
        )
    return zeros, ()


def _with_quantities(
    result: Result, model: Model, cuts: Sequence[Cut], noise: Noise | None, idle: Measured | None
) -> Result:
    """The result with all that its kept windows say."""
    stretches = [cut.stretch for cut in cuts]
    energies = model.energies(stretches)
    times = np.array([stretch.seconds for stretch in stretches])
    images = np.array([cut.aligned.host.images for cut in cuts], dtype=np.float64)
    ones = np.ones(len(cuts))
    energy = model.energy(stretches, noise)
    seconds = model.seconds(stretches)
    power = energy / seconds
    time_per_image = seconds / float(images.sum())
    energy_per_image = _with_spread(energy / float(images.sum()), energies, images)
    result = replace(
        result,
        time_per_batch=_with_spread(seconds / len(cuts), times, ones).quantity("s"),
        time_per_image=_with_spread(time_per_image, times, images).quantity("s"),
        power_total=_with_spread(power, energies, times).quantity("W"),
        energy_per_batch=_with_spread(energy / len(cuts), energies, ones).quantity("J"),
        energy_per_image=energy_per_image.quantity("J"),
        budget=budget_of(energy_per_image),
    )
    if idle is None:
        return result
    voltage = sum(stretch.voltage for stretch in stretches) / len(stretches)
    net = model.net_power(power, idle, voltage)
    net_energies = energies - idle.value * times
    return replace(
        result,
        power_net=_with_spread(net, net_energies, times).quantity("W"),
        energy_per_image_net=_with_spread(net * time_per_image, net_energies, images).quantity("J"),
    )


def _with_spread(ratio: Measured, numerators: NDArray[np.float64], denominators: NDArray[np.float64]) -> Measured:
    """A ratio of sums over windows, with how the windows scatter as one more part."""
    found = spread(numerators, denominators)
    return ratio if found is None else ratio + Measured(0.0, dict([found]))


def _idle(model: Model, levels: Sequence[Level], noise: Noise | None) -> tuple[Measured | None, Measured | None, float]:
    """Idle power (W), idle current (A) and the largest relative difference in power between idle records.

    Half that difference is the limit of a drift term: the windows ran somewhere between the records.
    """
    if not levels:
        return None, None, 0.0
    stretches = [level.stretch for level in levels]
    powers = model.energies(stretches) / np.array([stretch.seconds for stretch in stretches])
    difference = float(powers.max() - powers.min())
    seconds = model.seconds(stretches)
    power = model.energy(stretches, noise, " (idle)") / seconds
    current = model.charge(stretches, noise, " (idle)") / seconds.value
    change = difference / abs(power.value) if power.value else 0.0
    return power + Measured(0.0, {IDLE_DRIFT: rectangular(difference / 2)}), current, change


def _window_energies(model: Model, cuts: Sequence[Cut]) -> tuple[WindowEnergy, ...]:
    energies = model.energies([cut.stretch for cut in cuts]).tolist()
    return tuple(
        WindowEnergy(
            window=cut.aligned.window,
            record=cut.aligned.host.record,
            energy=energy,
            power=energy / cut.stretch.seconds,
            seconds=cut.stretch.seconds,
        )
        for cut, energy in zip(cuts, energies, strict=True)
    )


def _truth(windows: Sequence[TrueWindow] | None, cuts: Sequence[Cut]) -> Truth | None:
    """What the board really drew in the kept windows; None if that is not known of every one of them.

    A true window is the one whose start lies nearest on the host's clock, within the marker's latency.
    """
    if not windows or not cuts:
        return None
    ordered = sorted(windows, key=lambda window: window.start)
    starts = np.array([window.start for window in ordered], dtype=np.int64)
    hosts = np.array([cut.aligned.host.start for cut in cuts], dtype=np.int64)
    after = np.searchsorted(starts, hosts).clip(0, len(starts) - 1)
    before = (after - 1).clip(0)
    nearest = np.where(np.abs(starts[after] - hosts) <= np.abs(starts[before] - hosts), after, before)
    if (np.abs(starts[nearest] - hosts) > LATENCY * 1e9).any():
        return None
    true = [ordered[k] for k in nearest.tolist()]
    energy = sum(window.energy for window in true)
    return Truth(
        energy_per_image=energy / sum(cut.aligned.host.images for cut in cuts),
        power=energy / (sum(window.stop - window.start for window in true) * 1e-9),
    )
