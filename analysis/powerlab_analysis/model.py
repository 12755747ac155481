"""The measurement model: from digitised current and the supply's voltage to energy, and what is not known of it."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.measured import Kind, Measured, Source, rectangular
from powerlab_analysis.noise import Noise, dithers, raw_codes
from powerlab_analysis.rows import numbers
from powerlab_analysis.stretch import Stretch
from powerlab_analysis.survey import Level
from powerlab_traces.chain import CurrentChain, ScreenLine, SupplyLimits

PROBE_GAIN = Source("probe gain")
PROBE_OFFSET = Source("probe offset")
SCOPE_GAIN = Source("scope gain")
SCOPE_OFFSET = Source("scope offset")
OFFSET_DRIFT = Source("offset drift")
# What the supply's readings may be off by: of each one limit, a share of the reading and an absolute amount added up.
# A calibrated chain inherits that of the current. Volts and amperes have been adjusted each for themselves (r = 0).
CALIBRATION = Source("calibration (supply readback)")
VOLTAGE = Source("voltage readback")
ZERO_NOISE = "noise of the zero"  # the name; its degrees of freedom are those of the zero
CALIBRATION_FIT = "calibration fit"  # how the names of its sources begin: gain and level of each screen's line
LEAD_RESISTANCE = Source("lead resistance")
TIME_BASE = Source("time base")
SUPPLY_CURRENT = Source("current readback")
WINDOW_EDGES = Source("window edges", Kind.RANDOM)
WINDOW_SHIFT = Source("window shift", fitted=True)
# Net power only: what does not cancel between idle and windows.
SCOPE_GAIN_BETWEEN = Source("scope gain between idle and windows")
DRIFT_BETWEEN = Source("offset drift between idle and windows")
# s in which the offset may move by its whole limit while the clamp stays shut and the board on, so that only the
# clamp's temperature moves it. UNCONFIRMED: no figure is known, but so much plastic and iron takes minutes. A zero is
# taken with another current in the clamp, or with open jaws, and is charged with the limit however fresh it is.
DRIFT_TIME: Final = 300.0


@dataclass(frozen=True, slots=True)
class Zero:
    """The reading without current, in A, as the mean of the zero records of each screen.

    A screen is one scale and offset of the scope's channel, known by the value of its code 0 (`Stretch.screen`); the
    scope's own offset is another on each. `u` is the standard uncertainty from noise and quantisation, with `dof`
    degrees of freedom; `half_range` is half of what the zero records of one screen differ by. Of several screens the
    worst.
    """

    currents: Mapping[float, float]
    u: float
    dof: float
    half_range: float


def zero_of(levels: Sequence[Level], chain: CurrentChain) -> Zero | None:
    """The zero that the zero records give; None without any."""
    screens: defaultdict[float, list[Level]] = defaultdict(list)
    for level in levels:
        screens[level.stretch.screen].append(level)
    if not screens:
        return None
    currents = {screen: [level.stretch.current for level in found] for screen, found in screens.items()}
    variances = [
        sum(
            level.noise.of_mean(level.stretch.seconds) ** 2
            + quantisation_of_mean(level.stretch.seconds, level.stretch, level.noise, chain.resolution) ** 2
            for level in found
        )
        / len(found) ** 2
        for found in screens.values()
    ]
    return Zero(
        currents={screen: sum(values) / len(values) for screen, values in currents.items()},
        u=math.sqrt(max(variances)),
        dof=min(level.noise.dof for level in levels),
        half_range=max((max(values) - min(values)) / 2 for values in currents.values()),
    )


@dataclass(frozen=True, slots=True)
class Model:
    """P = V I - R i^2 and E = P T, with the limits of what measured V, I and T (after JCGM 100, 4.1 and 5.1).

    Of N samples spaced dt: I = (mean(s) - zero) / gain, E = dt sum(V i - R i^2), V the mean of the supply's readings
    before and after the record, R the lead's resistance. Currents are in A in the lead.

    `lines` is the calibration of each screen, by its code 0; without any the gain is 1, and its limits count. The zero
    is the measured one, else, with `offset_known`, that of the calibration.
    """

    chain: CurrentChain
    supply: SupplyLimits
    zero: Zero | None
    lines: Mapping[float, ScreenLine] = field(default_factory=dict)
    offset_known: bool = False

    @property
    def drift(self) -> float:
        """Half-width (A) of how far the offset moves in a run: the limit, or what the zeros moved by if more."""
        return max(self.chain.drift_limit, self.zero.half_range if self.zero else 0.0)

    def currents(self, stretches: Sequence[Stretch]) -> NDArray[np.float64]:
        """Mean currents in A, the zero subtracted and the calibration applied [n]."""
        zeros = _of_screens(stretches, self._zero)
        return (numbers(stretches, "current") - zeros) / self._gains(stretches)

    def energies(self, stretches: Sequence[Stretch]) -> NDArray[np.float64]:
        """Energies at the board's input in J [n]."""
        current = self.currents(stretches)
        voltage = numbers(stretches, "voltage")
        variance = self._variances(stretches)
        power = voltage * current - self.supply.lead_resistance * (current**2 + variance)
        energy: NDArray[np.float64] = power * seconds_of(stretches)
        return energy

    def seconds(self, stretches: Sequence[Stretch]) -> Measured:
        """How long the stretches last together, in s."""
        total = float(sum(seconds_of(stretches).tolist()))
        return total * self._clock + Measured(0.0, {WINDOW_EDGES: _edges(stretches)})

    def charge(self, stretches: Sequence[Stretch], noise: Noise | None, of: str = "") -> Measured:
        """The charge through the lead in all stretches together, in C.

        `of` is appended to the names of noise and quantisation, which no other value shares.
        """
        seconds = seconds_of(stretches)
        duration = float(seconds.sum())
        charge = float(seconds @ self.currents(stretches))
        parts = self._gain_parts(stretches, charge, duration) | self._offset_parts(duration)
        resolution = self.chain.resolution
        quantised = [quantisation_of_mean(s.seconds, s, noise, resolution) * s.seconds for s in stretches]
        if noise is not None and dithers(noise, resolution, stretches[0].step):
            parts[Source(f"quantisation{of}", Kind.RANDOM)] = math.hypot(*quantised)
        else:
            parts[Source(f"quantisation{of}")] = sum(quantised)
        if noise is not None:
            scatter = [noise.of_mean(it) * it for it in seconds.tolist()]
            parts[Source(f"noise{of}", Kind.RANDOM, noise.dof)] = math.hypot(*scatter)
        return Measured(charge, parts)

    def energy(self, stretches: Sequence[Stretch], noise: Noise | None, of: str = "") -> Measured:
        """The energy at the board's input in all stretches together, in J; its value is the sum of `energies`.

        The errors of voltage and current are taken as uncorrelated. The voltage is that of two readings around the
        record; how far they differ is one more, rectangular, doubt. An edge of a window that is off by a sample adds
        as much time as it adds energy: mean power hardly moves, and what it moves shows in the spread over windows.
        """
        seconds = seconds_of(stretches)
        voltages = numbers(stretches, "voltage")
        current = self.currents(stretches)
        duration = float(seconds.sum())
        mean_voltage = float(seconds @ voltages) / duration
        change = float(seconds @ numbers(stretches, "voltage_change")) / duration
        lead = Measured(
            self.supply.lead_resistance,
            {LEAD_RESISTANCE: rectangular(self.supply.lead_resistance_limit)},
        )
        charge = self.charge(stretches, noise, of)
        readback = mean_voltage * self.supply.voltage_gain_limit + self.supply.voltage_offset_limit
        voltage = Measured(
            mean_voltage,
            {VOLTAGE: rectangular(readback), Source(f"voltage change{of}"): rectangular(change / 2)},
        )
        covariance = float(seconds @ ((voltages - mean_voltage) * current))
        variance = self._variances(stretches)
        ripple = float(seconds @ (current**2 + variance)) - charge.value**2 / duration
        square = charge * charge / duration + ripple
        energy = (voltage * charge + covariance - lead * square) * self._clock
        parts = {WINDOW_EDGES: energy.value / duration * _edges(stretches)}
        # A shift that all windows share takes in at their stops what it leaves out at their starts.
        if shifted := sum(s.edges.shift * s.climb * s.voltage for s in stretches):
            parts[WINDOW_SHIFT] = shifted
        return energy + Measured(0.0, parts)

    def net_power(self, total: Measured, idle: Measured, voltage: float, apart: float = math.inf) -> Measured:
        """Total less idle power, in W, at `voltage` (V).

        Probe gain, offset and voltage readback are the same error in both and cancel as far as they can. What the
        plain difference would lose is added: offset drift, because windows and idle are recorded `apart` seconds (on
        average), zeroed or not; and, where the full scale is not known, scope gain, which as an absolute amount
        cancels whole.
        """
        between = {DRIFT_BETWEEN: voltage * rectangular(self.drift) * min(1.0, apart / DRIFT_TIME)}
        if not self.chain.full_scale and not self.lines:
            between[SCOPE_GAIN_BETWEEN] = voltage * rectangular(self.chain.scope_gain_limit)
        return total - idle + Measured(0.0, between)

    def supply_current(self, stretches: Sequence[Stretch]) -> Measured:
        """The mean current that the supply itself read around the stretches, in A."""
        current = sum(numbers(stretches, "supply_current").tolist()) / len(stretches)
        limit = abs(current) * self.supply.current_gain_limit + self.supply.current_offset_limit
        return Measured(current, {SUPPLY_CURRENT: rectangular(limit)})

    def _zero(self, screen: float) -> float:
        """What the screen shows without current, in A as digitised, as far as that is known."""
        if self.zero is not None:
            return self.zero.currents.get(screen, 0.0)
        return self.lines[screen].offset if self.offset_known else 0.0

    def _gains(self, stretches: Sequence[Stretch]) -> NDArray[np.float64]:
        return _of_screens(stretches, lambda screen: self.lines[screen].gain if self.lines else 1.0)

    def _variances(self, stretches: Sequence[Stretch]) -> NDArray[np.float64]:
        """Variances of the current in A^2 [n]."""
        variance: NDArray[np.float64] = numbers(stretches, "variance") / self._gains(stretches) ** 2
        return variance

    def _by_line(self, stretches: Sequence[Stretch]) -> Iterator[tuple[ScreenLine, list[Stretch]]]:
        """The stretches of each calibrated screen."""
        for screen in {stretch.screen: None for stretch in stretches}:
            yield self.lines[screen], [stretch for stretch in stretches if stretch.screen == screen]

    def _gain_parts(self, stretches: Sequence[Stretch], charge: float, duration: float) -> dict[Source, float]:
        """What gain and calibration add to a charge, in C."""
        if not self.lines:
            scope = duration * rectangular(self.chain.scope_gain_limit) * self._deflection(charge / duration)
            return {PROBE_GAIN: charge * rectangular(self.chain.gain_limit), SCOPE_GAIN: scope}
        # A measured zero is better than what the supply reads of no current, and leaves its gain alone.
        by_line = self.zero is None and self.offset_known
        offset = duration * rectangular(self.supply.current_offset_limit) if by_line else 0.0
        parts = {CALIBRATION: charge * rectangular(self.supply.current_gain_limit) + offset}
        for line, found in self._by_line(stretches):
            seconds = seconds_of(found)
            # Of a line its gain and the level at its middle are independent: there the gain's error is none.
            middle = -line.correlation * line.offset_u / line.gain_u if by_line and line.gain_u else 0.0
            above = float(seconds @ (self.currents(found) - middle))
            parts[_of_fit("gain", line)] = -above * line.gain_u / line.gain
            if by_line:
                level_u = line.offset_u * math.sqrt(1 - line.correlation**2)
                parts[_of_fit("level", line)] = -float(seconds.sum()) * level_u / line.gain
        return parts

    def _offset_parts(self, duration: float) -> dict[Source, float]:
        """What the offset adds to a charge, in C, but for that of a calibration."""
        if self.zero is None and not self.offset_known:
            parts = {
                PROBE_OFFSET: duration * rectangular(self.chain.offset_limit),
                SCOPE_OFFSET: duration * rectangular(self.chain.scope_offset_limit),
            }
            if self.lines:  # they hold the slope; where no current lies is off by the gain as well
                parts[SCOPE_GAIN] = duration * rectangular(self.chain.scope_gain_limit) * self._deflection(0.0)
            return parts
        parts = {OFFSET_DRIFT: duration * rectangular(self.drift)}
        if self.zero is not None:
            parts[Source(ZERO_NOISE, Kind.RANDOM, self.zero.dof)] = -duration * self.zero.u
        return parts

    def _deflection(self, current: float) -> float:
        """Which share of the scope's gain limit a mean current (A) is charged with, signed.

        The limit is a share of full scale, and a gain error grows with the deflection: from the zero level where a zero
        was subtracted, else from the middle of the screen, around which the amplifier's gain acts. Where the full scale
        is not known the limit is taken as an absolute amount.
        """
        if not self.chain.full_scale:
            return 1.0
        return (current - (0.0 if self.zero else self.chain.centre)) / self.chain.full_scale

    @property
    def _clock(self) -> Measured:
        return Measured(1.0, {TIME_BASE: rectangular(self.chain.time_limit)})


def _of_fit(what: str, line: ScreenLine) -> Source:
    """The source of what is not known of a fitted line; another for each screen."""
    return Source(f"{CALIBRATION_FIT}, {what} ({line.full_scale:.3g} A screen)", fitted=True)


def seconds_of(stretches: Sequence[Stretch]) -> NDArray[np.float64]:
    """How long each lasts, in s [n]."""
    return numbers(stretches, "samples") * numbers(stretches, "interval")


def _of_screens(stretches: Sequence[Stretch], value: Callable[[float], float]) -> NDArray[np.float64]:
    """What each has by its screen [n]; there are only a few of them."""
    screens = numbers(stretches, "screen")
    known, places = np.unique(screens, return_inverse=True)
    return np.array([value(screen) for screen in known.tolist()], np.float64)[places]


def spread(numerators: NDArray[Any], denominators: NDArray[Any]) -> tuple[Source, float] | None:
    """Standard uncertainty of sum(numerators) / sum(denominators) from how the windows scatter around it.

    For equal denominators this is s / sqrt(n), with n - 1 degrees of freedom (JCGM 100, 4.2.3); otherwise that
    of the ratio estimator. None for a single window. Noise and edges act on each window, so a part of them is in
    the spread as well: they are listed beside it all the same, which errs to the large side by very little.
    """
    n = len(numerators)
    if n < 2:
        return None
    residuals = numerators - numerators.sum() / denominators.sum() * denominators
    deviation = math.sqrt(n / (n - 1) * float(residuals @ residuals))
    return Source("spread over windows", Kind.RANDOM, n - 1), deviation / float(denominators.sum())


def _edges(stretches: Sequence[Stretch]) -> float:
    """Standard uncertainty (s) of the summed length of windows: each edge is wrong for itself."""
    return math.hypot(*numbers(stretches, "edges", "start").tolist(), *numbers(stretches, "edges", "stop").tolist())


def quantisation_of_mean(seconds: float, stretch: Stretch, noise: Noise | None, resolution: float) -> float:
    """Standard uncertainty (A) that rounding to codes leaves in a mean over `seconds`.

    q / sqrt(12) for one raw code (JCGM 100, F.2.2.1), less by the square root of their number if they are
    dithered by noise.
    """
    u = resolution / math.sqrt(12)
    if noise is None or not dithers(noise, resolution, stretch.step):
        return u
    return u / math.sqrt(seconds / stretch.interval * raw_codes(resolution, stretch.step))
