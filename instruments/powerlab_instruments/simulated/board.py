"""The physics of the board: what it draws from the supply while the marker is low or high."""

import bisect
import itertools
import math
import threading

import numpy as np
from numpy.typing import NDArray

from powerlab_instruments.simulated.marker import Marker
from powerlab_instruments.simulated.source import Source
from powerlab_traces.run import TrueWindow

IDLE_POWER = 1.30  # W, arXiv 1605.07678 (a Jetson TX1 without display)
ACTIVE_POWER = 11.8  # W above idle at full utilisation, the same paper
BATCH_DEVIATION = 0.005  # of the active power from batch to batch, relative
RAMP_UP, RAMP_DOWN = 3e-3, 4e-3  # s, time constants
DROOP, DROOP_TIME = 0.02, 0.4  # of the active power along a batch, relative, and its time constant in s
STEP, STEP_TIME = 0.015, 0.0173  # layers draw unlike power: a square shape, relative, and its half period in s
RIPPLE, RIPPLE_FREQUENCY = 0.3 / ACTIVE_POWER, 1.4e3  # relative (0.3 W peak), and in Hz
SURGE_POWER = 200.0  # W in a surge: more than any of these supplies gives
LOWEST_VOLTAGE = 5.5  # V; below it the board's own converter is off (UNCONFIRMED: recalled of the TX1 carrier)

_MEMORY = 100_000_000  # ns after which a ramp is over: 25 time constants
_TRUTH_INTERVAL = 20e-6  # s; the midpoint rule over the steps is good to about 1e-5
_TRUTH_CHUNK = 1_000_000
_MOST = 1.25  # times idle and active power: more than any batch level, step and ripple add up to
_LIMIT_INTERVAL, _LIMIT_CHUNK = 100_000, 100_000_000_000  # ns


class Board:
    """A board on its supply leads, and the marker line that says when it works.

    `lead_resistance` (ohm, both conductors) is what lies between the point the supply regulates and the board:
    0 with remote sense. `idle_power` and `active_power` (W, above idle) are what it draws, `ramp` (s) the time constant
    with which it takes the power up; it falls a third slower. All times are the bench's nanoseconds; arrays of times
    are seconds after an origin and in order.
    """

    def __init__(
        self,
        marker: Marker,
        levels: np.random.Generator,
        *,
        lead_resistance: float = 0.0,
        idle_power: float = IDLE_POWER,
        active_power: float = ACTIVE_POWER,
        ramp: float = RAMP_UP,
    ) -> None:
        self.marker = marker
        self.lead_resistance = lead_resistance
        self.idle_power, self.active_power = idle_power, active_power
        self._ramp_up, self._ramp_down = ramp, ramp * (RAMP_DOWN / RAMP_UP)
        self._random = levels
        self._levels: list[float] = []
        self._sources = [Source(0, 0.0, 0.0)]
        self._surges: list[tuple[int, int]] = []
        self._truth: list[TrueWindow] = []
        self._lock = threading.Lock()
        self._truth_lock = threading.Lock()

    def feed(self, source: Source) -> None:
        """From `source.since` on the supply offers something else; plans for later are dropped."""
        with self._lock:
            kept = bisect.bisect_left(self._sources, source.since, key=lambda known: known.since)
            self._sources[kept:] = [source]

    def source(self, at: int) -> Source:
        """What the supply offers at a time."""
        with self._lock:
            after = bisect.bisect_right(self._sources, at, key=lambda known: known.since)
            return self._sources[max(after - 1, 0)]

    def offered(self, at: int) -> float:
        """The volts at the regulated terminals at a time, as long as the limit allows them."""
        source = self.source(at)
        return float(source.settle(np.array([(at - source.since) * 1e-9]))[0][0])

    def surge(self, start: int, stop: int) -> None:
        """Want far more than usual from `start` to `stop` ns: something on the board is broken."""
        with self._lock:
            self._surges.append((start, stop))

    def demand(self, origin: int, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Power the board wants, in watts [n], as long as its voltage holds."""
        power = np.empty_like(seconds)
        start = origin + int(seconds[0] * 1e9) - _MEMORY
        stop = origin + int(seconds[-1] * 1e9) + 1
        pulses = self.marker.pulses(start, stop)
        rises = [*((pulse.start - origin) * 1e-9 for pulse in pulses), math.inf]
        places = [int(place) for place in np.searchsorted(seconds, rises)]
        power[: places[0]] = self.idle_power
        left = 0.0  # W above idle that the ramp of the pulse before has left at the rise
        for pulse, (rise, following), (first, after) in zip(
            pulses, itertools.pairwise(rises), itertools.pairwise(places), strict=True
        ):
            level = self._level(pulse.index)
            part = seconds[first:after] - rise
            if pulse.stop is None:
                power[first:after] = _active(part, level, left, self._ramp_up)
            else:
                length = (pulse.stop - pulse.start) * 1e-9
                fall = first + int(np.searchsorted(part, length))
                top = float(_active(np.array([length]), level, left, self._ramp_up)[0])
                power[first:fall] = _active(part[: fall - first], level, left, self._ramp_up)
                power[fall:after] = top * np.exp((length - part[fall - first :]) / self._ramp_down)
                left = top * math.exp((length - (following - rise)) / self._ramp_down)
            ripple = np.sin((2 * np.pi * RIPPLE_FREQUENCY) * part)
            ripple *= RIPPLE
            ripple += 1.0
            power[first:after] *= ripple
            power[first:after] += self.idle_power
        for surge in self._surges:
            first, after = np.searchsorted(seconds, [(end - origin) * 1e-9 for end in surge])
            power[first:after] += SURGE_POWER
        return power

    def draw(self, origin: int, seconds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
        """Current into the board (A) and voltage at its input (V) [n], and whether the supply limited anywhere.

        The board is a constant-power load: I = P / V, with V = V0 - I R behind a lead. When it wants more than
        the supply's limit, the supply keeps the current constant and the voltage falls as for a resistor.
        """
        current, limited = self.demand(origin, seconds), False
        voltage = np.empty_like(current)
        with self._lock:
            sources = list(self._sources)
        bounds = np.searchsorted(seconds, [(source.since - origin) * 1e-9 for source in sources])
        for source, first, last in zip(sources, [0, *bounds[1:]], [*bounds[1:], len(seconds)], strict=True):
            settled = min(max(int(np.searchsorted(seconds, (source.settled - origin) * 1e-9)), first), last)
            if settled > first:
                volts, charging = source.settle(seconds[first:settled] + (origin - source.since) * 1e-9)
                limited |= self._settling(current[first:settled], voltage[first:settled], source, volts, charging)
            if last > settled:
                limited |= self._steady(current[settled:last], voltage[settled:last], source)
        return current, voltage, limited

    def _settling(
        self,
        current: NDArray[np.float64],
        voltage: NDArray[np.float64],
        source: Source,
        volts: NDArray[np.float64],
        charging: NDArray[np.float64],
    ) -> bool:
        """Make watts wanted into amperes and volts while the terminals settle and the capacitors are charged."""
        root = np.sqrt(np.maximum(volts**2 - 4 * self.lead_resistance * current, 0.0))
        on = volts >= LOWEST_VOLTAGE
        current[:] = np.where(on, 2 * current / np.where(on, volts + root, 1.0), 0.0) + charging
        limited = bool((current >= source.current_limit).any()) and source.voltage > 0
        np.clip(current, 0.0, source.current_limit, out=current)
        voltage[:] = volts - self.lead_resistance * current
        return limited

    def _steady(self, current: NDArray[np.float64], voltage: NDArray[np.float64], source: Source) -> bool:
        """The same at a steady voltage."""
        if source.voltage < LOWEST_VOLTAGE:
            current[:], voltage[:] = 0.0, source.voltage
            return False
        if self.lead_resistance:
            root = np.sqrt(np.maximum(source.voltage**2 - 4 * self.lead_resistance * current, 0.0))
            current /= (source.voltage + root) / 2
            voltage[:] = source.voltage - self.lead_resistance * current
        else:
            current /= source.voltage
            voltage[:] = source.voltage
        if current.max() <= source.current_limit:
            return False
        fold = np.minimum(source.current_limit / current, 1.0)
        current *= fold
        voltage *= fold
        return True

    def limited(self, start: int, stop: int) -> bool:
        """Whether the supply was in constant current at some time from `start` to `stop` ns, both included."""
        with self._lock:
            ends = [*(source.since for source in self._sources[1:]), stop + 1]
            sources = [
                source
                for source, end in zip(self._sources, ends, strict=True)
                if source.since <= stop and end > start and source.voltage >= LOWEST_VOLTAGE
            ]
            surging = any(first <= stop and last > start for first, last in self._surges)
        if any(source.since <= stop and start < source.charged for source in sources):
            return True
        # Most supplies could feed more than the board can ever want, so that nothing needs to be looked at.
        most = _MOST * (self.idle_power + self.active_power)
        if not surging and all(source.voltage * source.current_limit > most for source in sources):
            return False
        for first in range(start, stop + 1, _LIMIT_CHUNK):
            last = min(first + _LIMIT_CHUNK, stop)
            count = 2 + (last - first) // _LIMIT_INTERVAL
            moments = np.arange(count, dtype=np.float64) * ((last - first) * 1e-9 / (count - 1))
            if self.draw(first, moments)[2]:
                return True
        return False

    def truth(self) -> tuple[TrueWindow, ...]:
        """What the board really drew in each completed pulse of the marker: energy at its input in joules."""
        with self._truth_lock:
            for pulse in self.marker.completed(len(self._truth)):
                assert pulse.stop is not None
                self._truth.append(TrueWindow(pulse.start, pulse.stop, self.energy(pulse.start, pulse.stop)))
            return tuple(self._truth)

    def energy(self, start: int, stop: int) -> float:
        """Energy into the board between two times, in joules: the midpoint rule in steps of 20 us or less."""
        duration = (stop - start) * 1e-9
        count = max(16, int(np.ceil(duration / _TRUTH_INTERVAL)))
        interval = duration / count
        total = 0.0
        for first in range(0, count, _TRUTH_CHUNK):
            middles = (np.arange(first, min(first + _TRUTH_CHUNK, count), dtype=np.float64) + 0.5) * interval
            current, voltage, _ = self.draw(start, middles)
            total += float(np.dot(current, voltage)) * interval
        return total

    def _level(self, index: int) -> float:
        """The active power of a batch, in watts: drawn once for each pulse, in order."""
        with self._lock:
            while len(self._levels) <= index:
                self._levels.append(self.active_power * (1 + BATCH_DEVIATION * self._random.standard_normal()))
            return self._levels[index]


def mean_share(length: float, ramp: float = RAMP_UP) -> float:
    """The mean power above idle over a batch of `length` seconds that found the board idle, by the active power.

    >>> round(mean_share(1.0), 3), round(mean_share(0.02), 3)
    (0.992, 0.852)
    """
    droop = 1 - DROOP + DROOP * DROOP_TIME / length * -math.expm1(-length / DROOP_TIME)
    whole, rest = divmod(length / STEP_TIME, 2.0)
    step = STEP * (whole + max(rest - 1.0, 0.0)) * STEP_TIME / length
    return droop + step + ramp / length * math.expm1(-length / ramp)


def _active(since: NDArray[np.float64], level: float, left: float, ramp: float) -> NDArray[np.float64]:
    """Power above idle `since` seconds after a rise of the marker, without ripple, in watts [n]."""
    shape = np.exp(since * (-1 / DROOP_TIME))
    shape *= DROOP
    shape += 1 - DROOP
    shape += STEP * ((since * (1 / STEP_TIME)).astype(np.int32) & 1)
    shape *= level
    shape += (left - level) * np.exp(since * (-1 / ramp))
    return shape
