"""The Hall probe on the supply lead: what its BNC shows of the current, with its errors."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BANDWIDTH = 100e3  # Hz, -3 dB (1146B User's Guide, performance verification)
SETTLING = 1 / (2 * math.pi * BANDWIDTH)  # s, of that single pole
GAIN_LIMIT = {0.1: 0.03, 0.01: 0.04}  # by sensitivity in V/A, relative (the same guide)
OFFSET_LIMIT = 0.050  # A; UNCONFIRMED: recalled from the data sheet
PEAK_CURRENT = {0.1: 10.0, 0.01: 100.0}  # A through the jaw; UNCONFIRMED: recalled from the data sheet
NOISE = {0.1: 0.010, 0.01: 0.016}  # A rms in 100 kHz; UNCONFIRMED: the 30 mA one remembers is pessimistic
DRIFT_LIMIT = 0.005  # A between any two moments; UNCONFIRMED: assumed
# s from warm to warm, as of a room whose heating goes on and off; UNCONFIRMED. With the shortest the offset takes five
# minutes for its limit at the least.
DRIFT_PERIODS = 1300.0, 5200.0


def smoothed(interval: float) -> float:
    """What is left of the rms noise of the single pole when it is averaged over `interval` seconds.

    >>> smoothed(1e-9) > 0.999, round(smoothed(1.0) * (1.0 / SETTLING / 2) ** 0.5, 3)
    (True, 1.0)
    """
    ratio = interval / SETTLING
    return math.sqrt(2 * (ratio + math.expm1(-ratio))) / ratio if ratio > 1e-4 else 1.0


def _swing(angle: float) -> float:
    """A smooth wave between -0.5 and 0.5 that stays longer at its ends than a sine does."""
    return math.tanh(math.sin(angle)) / math.tanh(1) / 2


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe as it happens to be: its errors are fixed, amperes are those through the jaw.

    Its offset follows the temperature, which goes up and down: slowly, and never by more than `drift`. What a zero is
    worth later thus depends on when: half an hour later the offset may have moved by any amount up to the limit, each
    about as likely.
    """

    sensitivity: float  # V/A
    turns: int
    gain_error: float  # relative
    offset: float  # A, at power-up
    drift: float  # A, from the lowest to the highest
    period: float = DRIFT_PERIODS[0]  # s
    phase: float = 0.0  # of the drift at power-up, radians

    @classmethod
    def drawn(cls, random: np.random.Generator, *, sensitivity: float, turns: int) -> "Probe":
        """A probe somewhere inside the data sheet's limits."""
        gain, offset, phase = random.uniform(-1, 1, 3)
        shortest, longest = DRIFT_PERIODS
        return cls(
            sensitivity,
            turns,
            GAIN_LIMIT[sensitivity] * gain,
            OFFSET_LIMIT * offset,
            DRIFT_LIMIT,
            shortest * (longest / shortest) ** random.spawn(1)[0].random(),
            math.pi * phase,
        )

    def drifted(self, since_power_up: float) -> float:
        """By how much the offset has moved, in A, so many seconds after power-up."""
        now, then = (_swing(2 * math.pi * at / self.period + self.phase) for at in (since_power_up, 0.0))
        return self.drift * (now - then)

    def output(self, current: NDArray[np.float64], since_power_up: tuple[float, float]) -> NDArray[np.float64]:
        """Noise-free volts at the BNC [n] for amperes in the lead; the drift goes evenly over the samples.

        `since_power_up` are the seconds at the first and the last sample.
        """
        first, last = (self.offset + self.drifted(at) for at in since_power_up)
        volts = current * (self.turns * (1 + self.gain_error))
        volts += np.linspace(first, last, len(current)) if first != last else first
        peak = PEAK_CURRENT[self.sensitivity]
        if len(volts) and (volts.max() > peak or volts.min() < -peak):
            np.clip(volts, -peak, peak, out=volts)
        volts *= self.sensitivity
        return volts

    def noise(self, random: np.random.Generator, count: int, interval: float) -> NDArray[np.float32]:
        """Noise at the BNC in volts [count], sampled every `interval` seconds from the probe's single pole.

        White noise shaped in the frequency domain to the spectrum of a first-order autoregression: its rms
        does not depend on the sample rate, neighbours are correlated as 100 kHz asks.
        """
        rms = NOISE[self.sensitivity] * self.sensitivity
        memory = math.exp(-2 * math.pi * BANDWIDTH * interval)
        white = random.standard_normal(count, dtype=np.float32)
        if memory < 1e-3:
            return white * np.float32(rms)
        bins = np.fft.rfft(white)
        turn = np.cos(np.linspace(0, np.pi, len(bins), dtype=np.float32))
        bins *= np.float32(rms * math.sqrt(1 - memory**2)) / np.sqrt(1 + memory**2 - 2 * memory * turn)
        return np.fft.irfft(bins, count).astype(np.float32, copy=False)
