"""The scope's front end: probe on channel 1, marker on a digital input, the errors of its channels and time base."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerlab_instruments.simulated.board import Board
from powerlab_instruments.simulated.probe import SETTLING, Probe, smoothed

# Of full scale, at 10 mV/div and above and below it; UNCONFIRMED: recalled from the data sheet.
GAIN_LIMIT, GAIN_LIMIT_SMALL, SMALL_SCALE = 0.03, 0.04, 0.010
OFFSET_DIVISIONS, OFFSET_VOLTS = 0.1, 2e-3  # div + V at the BNC; UNCONFIRMED: recalled from the data sheet
OFFSET_OF_SETTING = 0.01  # of the offset as set; UNCONFIRMED: recalled from the data sheet
TIME_LIMIT = 30e-6  # relative, of one a year old: 25 ppm + 5 ppm a year; UNCONFIRMED: recalled from the data sheet
CODES = 199  # steps in the 8 divisions; real files of the sibling 1000 X-Series show it, UNCONFIRMED for this one
# Codes rms of the input amplifier and the converter, white; UNCONFIRMED: with such scopes a still trace is two or three
# codes thick.
FLOOR = 0.5
HOLE, LOW, CENTRE, HIGH = 0, 1, 128, 255  # never acquired, clipped low, mid-screen, clipped high (Programmer's Guide)
EARLY, EARLY_JITTER = 65e-9, 2e-9  # s by which real records start before the screen's left edge
LOGIC_HIGH = 3.3  # V of the marker line
MOST_BITS = 12  # of high resolution and averages (Programmer's Guide, :WAVeform:FORMat)
PEAK_SPAN = 10 * 500e-6  # s on the screen from which on peak detect finds more than the sample itself (the same guide)
PEAK_SAMPLES = 4  # looked at for a pair of extremes; the converter takes many more, which show little else of 100 kHz
_TRIGGER_GRID = 20e-6  # s; how finely a level crossing of the slow current is looked for


@dataclass(frozen=True, slots=True)
class Vertical:
    """How one analog channel was set: full scale and centre in the channel's unit, and what scales it to volts."""

    range: float
    offset: float
    probe: float  # channel units per volt at the BNC
    inverted: bool
    ac: bool


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything an acquisition is armed with; a change of a setting afterwards is another acquisition's."""

    span: float  # s on the screen
    left: float  # s, of the screen's left edge from the trigger
    points: int
    kind: str  # of the acquisition: NORM, PEAK, HRES, AVER
    averages: int  # acquisitions in a record
    summed: int  # samples of the converter in a point that is finer than eight bits
    channels: Mapping[int, Vertical]
    digital: Mapping[int, float]  # threshold of each displayed digital input, V
    threshold: float  # of a digital trigger source, displayed or not, or of the external one, V
    source: str  # of the trigger; nothing for a kind of trigger that finds no event
    slope: str
    level: float  # V at the BNC, of an analog source
    automatic: bool

    @property
    def logic(self) -> bool:
        """Whether it triggers on the marker, edges of which may come late by the wire."""
        return self.source.startswith("DIG") or self.source == "EXT"

    @property
    def interval(self) -> float:
        """Seconds between samples."""
        return self.span / self.points


class Digitiser:
    """What stands between the BNCs and the acquisition memory. Times in ns are the bench's.

    The marker is wired to the digital input `marker_input` and to the external trigger input; the other digital ones
    and channels 2 to 4 lie at 0 V. Another `session` has other noise.
    """

    def __init__(
        self,
        board: Board,
        probe: Probe,
        random: np.random.Generator,
        power_up: int,
        marker_input: int = 0,
        *,
        session: int = 0,
    ) -> None:
        self.board, self.probe, self.power_up, self.marker_input = board, probe, power_up, marker_input
        self.gains = GAIN_LIMIT * random.uniform(-1, 1, 4)
        self.offsets = random.uniform(-1, 1, 4)
        self.time_error = TIME_LIMIT * float(random.uniform(-1, 1))
        self._noise_seed = int(random.integers(2**32)) + session

    def start(self, setup: Setup, number: int) -> float:
        """When the first sample of an acquisition is taken, in seconds from the trigger on the scope's clock."""
        jitter = np.random.default_rng((self._noise_seed, number, 1)).uniform(-EARLY_JITTER, EARLY_JITTER)
        return setup.left - EARLY + float(jitter)

    def host(self, seconds: float) -> int:
        """Nanoseconds that pass while the scope's own clock counts `seconds`."""
        return round(seconds / (1 + self.time_error) * 1e9)

    def edges(self, setup: Setup, start: int, stop: int) -> list[int]:
        """Times in `[start, stop)` at which the trigger source does what its slope asks, in ns, in order."""
        if start >= stop:
            return []
        wanted = {"POS": (True,), "NEG": (False,)}.get(setup.slope, (True, False))
        if setup.source in {f"DIG{self.marker_input}", "EXT"}:
            if not 0.0 < setup.threshold < LOGIC_HIGH:
                return []
            return [at for at, high in self.board.marker.edges(start, stop) if high in wanted]
        if setup.source == "CHAN1":
            count = max(2, int((stop - start) * 1e-9 / _TRIGGER_GRID) + 1)
            seconds = np.arange(count, dtype=np.float64) * ((stop - start) * 1e-9 / count)
            above = self._bnc(1, start, seconds) >= setup.level
            changes = np.flatnonzero(above[1:] != above[:-1]) + 1
            return [start + round(seconds[i] * 1e9) for i in changes if bool(above[i]) in wanted]
        return []  # nothing is connected to the other inputs

    def analog(
        self, channel: int, setup: Setup, trigger: int, first: float, number: int, *, fine: bool = False
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Codes of one channel, a byte a sample [points], in peak detect pairs of low and high [2 points].

        With `fine` the samples are sums of several, in words shifted left as far as they go. `first` is the first
        sample's time from the trigger on the scope's clock.
        """
        detected = setup.kind == "PEAK" and setup.span >= PEAK_SPAN
        parts = PEAK_SAMPLES if detected else 1
        levels = self._levels(channel, setup, trigger, first, number, parts=parts, summed=setup.summed if fine else 1)
        if fine:
            bits = min(MOST_BITS, 8 + int(math.log2(setup.summed) / 2))
            levels *= 2 ** (bits - 8)
            words = np.rint(levels, out=levels).clip(LOW << bits - 8, HIGH << bits - 8)
            return words.astype(np.uint16) << np.uint16(16 - bits)
        np.rint(levels, out=levels)
        codes = np.clip(levels, LOW, HIGH, out=levels).astype(np.uint8)
        if setup.kind != "PEAK":
            return codes
        groups = codes.reshape(setup.points, parts)
        return np.stack((groups.min(axis=1), groups.max(axis=1)), axis=1).ravel()

    def _levels(
        self, channel: int, setup: Setup, trigger: int, first: float, number: int, *, parts: int, summed: int
    ) -> NDArray[np.float64]:
        """What the converter sees, in codes without rounding, `parts` times a point [points * parts]."""
        vertical = setup.channels[channel]
        count, interval = setup.points * parts, setup.interval / parts
        seconds = np.arange(count, dtype=np.float64) * (interval / (1 + self.time_error))
        seconds += first / (1 + self.time_error)
        volts = self._bnc(channel, trigger, seconds)
        random = np.random.default_rng((self._noise_seed, number, 0 if channel == 1 else channel))
        if channel == 1:
            noise = self.probe.noise(random, count, interval)
            if summed > 1:
                noise *= np.float32(smoothed(interval) if setup.kind == "HRES" else setup.averages**-0.5)
            volts += noise
        if vertical.ac:
            volts -= volts.mean()
        if vertical.inverted:
            volts *= -1
        # The input amplifier, whose gain is wrong, sees the signal after the offset has been taken off.
        full_scale = vertical.range / vertical.probe
        step = full_scale / CODES
        setting = abs(vertical.offset) / vertical.probe
        limit = OFFSET_DIVISIONS * full_scale / 8 + OFFSET_VOLTS + OFFSET_OF_SETTING * setting
        error = self.offsets[channel - 1] * limit
        small = full_scale / 8 < SMALL_SCALE * (1 - 1e-6)
        wrong = self.gains[channel - 1] * (GAIN_LIMIT_SMALL / GAIN_LIMIT if small else 1.0)
        gain = (1 + wrong) / step
        volts *= gain
        volts += error / step - vertical.offset / vertical.probe * gain + CENTRE
        volts += random.standard_normal(count, dtype=np.float32) * np.float32(FLOOR * summed**-0.5)
        return volts

    def pod(self, pod: int, setup: Setup, trigger: int, first: float) -> NDArray[np.uint8]:
        """The eight inputs of a pod, one bit each [points]; inputs that are not displayed read 0.

        In peak detect each comes twice [2 points].
        """
        origin, step = self.host(first), 1e9 * setup.interval / (1 + self.time_error)
        start, stop = trigger + origin, trigger + origin + int(step * setup.points) + 1
        line = np.full(setup.points, bool(self.board.marker.pulses(start, start)))
        for at, high in self.board.marker.edges(start, stop):
            line[max(0, int(np.ceil((at - start) / step))) :] = high
        pins = np.zeros(setup.points, np.uint8)
        for number, threshold in setup.digital.items():
            bit = number - 8 * (pod - 1)
            if not 0 <= bit < 8:
                continue
            low, high = threshold < 0.0, threshold < LOGIC_HIGH
            if number == self.marker_input:
                pins |= np.where(line, high, low).astype(np.uint8) << bit
            elif low:
                pins |= np.uint8(1 << bit)
        return pins.repeat(2) if setup.kind == "PEAK" else pins

    def extremes(self, channel: int, until: int, seconds: float) -> tuple[float, float]:
        """Lowest and highest noise-free volts at a channel's input in the seconds up to `until` ns."""
        moments = np.linspace(0.0, seconds, max(2, int(seconds / _TRIGGER_GRID)))
        volts = self._bnc(channel, until - round(seconds * 1e9), moments)
        return float(volts.min()), float(volts.max())

    def _bnc(self, channel: int, origin: int, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Noise-free volts at a channel's input [n]; only channel 1 has something connected."""
        if channel != 1:
            return np.zeros_like(seconds)
        # At the frequencies of a board the probe's pole is a delay.
        current, _, _ = self.board.draw(origin - round(SETTLING * 1e9), seconds)
        since = (origin - self.power_up) * 1e-9
        return self.probe.output(current, (since + float(seconds[0]), since + float(seconds[-1])))
