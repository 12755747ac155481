"""What a reader should know besides the numbers."""

import math
from collections.abc import Iterator, Sequence

from powerlab_analysis.clocks import ClockComparison
from powerlab_analysis.measured import Measured
from powerlab_analysis.model import Model
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.survey import Level

# MLPerf Power measures each point for at least a minute ("MLPerf Power: Benchmarking the Energy Efficiency of
# Machine Learning Systems from Microwatts to Megawatts for Sustainable AI").
SHORTEST = 60.0  # s
IDLE_DRIFT = 0.02  # of idle power, from which on a net power says little
MARKER_SHARE = 0.01  # of a window, that may lie between its marker and the host's times
CLOCK_SLOPE = 200e-6  # two sound crystals stay within half of this
CLOCK_RESIDUAL = 0.5e-3  # s


def zero_notes(model: Model) -> Iterator[str]:
    """On the zero: missing, beyond what probe and scope may be off by, or moving more than it may."""
    chain, zero = model.chain, model.zero
    limit = chain.offset_limit + chain.scope_offset_limit
    if zero is None:
        yield f"no zero record: the offset limits of probe and scope, {prefixed(limit, 'A')}, count in full"
        return
    farthest = max(zero.currents.values(), key=abs)
    if abs(farthest) > limit + 2 * zero.u:
        yield (
            f"the zero is {prefixed(farthest, 'A')}, beyond the {prefixed(limit, 'A')} that probe and scope "
            "may be off by: set the probe's zero and check its battery"
        )
    if zero.half_range > chain.drift_limit:
        yield (
            f"the zeros differ by {prefixed(2 * zero.half_range, 'A')}, more than the drift limit of "
            f"+-{prefixed(chain.drift_limit, 'A')} allows: the larger is in the budget"
        )


def idle_notes(model: Model, idles: Sequence[Level], probe: Measured | None, change: float) -> Iterator[str]:
    """On the idle level: missing, seen once, moving, or not what the supply itself read.

    `probe` is the idle current by the probe; `change` how far the idle records' powers differ, relative.
    """
    if probe is None:
        yield "no idle record: net power and net energy are not known"
        return
    if len(idles) == 1:
        yield "idle was recorded once only: its drift is not known and not in the uncertainty"
    if change > IDLE_DRIFT:
        yield f"idle power differs by {change:.1%} between idle records (limit {IDLE_DRIFT:.0%}): let the board settle"
    supply = model.supply_current([level.stretch for level in idles])
    by_probe, by_supply = probe.quantity("A"), supply.quantity("A")
    if abs(probe.value - supply.value) > math.hypot(by_probe.U95, by_supply.U95):
        yield (
            f"the idle current is {by_probe} by the probe but {by_supply} by the supply: "
            "check the probe's zero, sensitivity and turns"
        )


def window_notes(seconds: Sequence[float]) -> Iterator[str]:
    """On the kept windows, of these lengths (s): too few or too short."""
    if len(seconds) == 1:
        yield "one window only: the repeatability is not known and not in the uncertainty"
    if seconds and sum(seconds) < SHORTEST:
        yield f"short: {sum(seconds):.3g} s of windows, where MLPerf Power asks for {SHORTEST:g} s"


def marker_notes(host: float, marker: float) -> Iterator[str]:
    """On a marker that bounds less or more than what the host timed: seconds of all kept windows, by each."""
    if host and abs(marker / host - 1) > MARKER_SHARE:
        yield (
            f"the marker was high for {marker / host:.1%} of the time that the host gives the same windows "
            f"(limit 100 % +- {MARKER_SHARE:.0%}): energies are those of the marker; raise it closer to the work"
        )


def clock_notes(clock: ClockComparison | None) -> Iterator[str]:
    """On a scope and a host that do not agree on time, beyond what the host's jitter explains."""
    if clock is None:
        return
    if abs(clock.slope) > CLOCK_SLOPE and abs(clock.slope) > 3 * clock.slope_uncertainty:
        yield (
            f"scope and host clocks differ by {clock.slope * 1e6:+.0f} ppm "
            f"(u = {clock.slope_uncertainty * 1e6:.0f} ppm, limit {CLOCK_SLOPE * 1e6:.0f} ppm)"
        )
    if clock.residual > CLOCK_RESIDUAL:
        yield (
            f"a window's start differs by {clock.residual * 1e3:.2f} ms between scope and host "
            f"(limit {CLOCK_RESIDUAL * 1e3:g} ms): the workload's timing was disturbed"
        )
