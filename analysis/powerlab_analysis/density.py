"""The power spectral density of a current, averaged over many stretches of it.

After P. D. Welch (IEEE Trans. Audio Electroacoust. 15, 1967): segments that overlap by half, each freed from its mean
and slope and tapered with Hann's window, and the mean of their periodograms. The density is one-sided: its sum over the
frequencies times their spacing is the variance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

LONGEST = 1.0  # s: a finer resolution than 1.5 Hz shows how a ripple wanders, not where it is
ENOUGH = 8  # segments that are aimed at; shorter ones are taken rather than fewer
FEWEST = 256  # samples of a segment: with fewer, there are no neighbours to tell a line from
WHOLE = 0.5  # of the median length: a stretch shorter than this is left out, not all segments made as short
BATCH = 1 << 20  # samples that are transformed at a time
NOISE_BANDWIDTH = 1.5  # of Hann's window, in bins
OVERLAP = 1 + 2 * (1 / 6) ** 2  # neighbouring segments that overlap by half share so much (Welch's paper, for Hann)


def segment_length(lengths: Sequence[int], interval: float) -> int:
    """How many samples a segment of stretches of these lengths should have; 0 if they are too short for a spectrum.

    As many as the stretches hold, up to a second, but fewer where that would leave less than eight segments.
    """
    if not lengths:
        return 0
    least = WHOLE * float(np.median(lengths))
    length = _rounded(min(*(it for it in lengths if it >= least), round(LONGEST / interval)))
    while length >= FEWEST and count(lengths, length) < ENOUGH and (shorter := _rounded(length * 3 // 4)) >= FEWEST:
        length = shorter
    return length if length >= FEWEST else 0


def count(lengths: Sequence[int], length: int) -> int:
    """How many segments of `length` samples the stretches hold."""
    return sum((it - length) // (length // 2) + 1 for it in lengths if it >= length)


def _rounded(length: int) -> int:
    """Down to five binary digits and zeros: quick to transform, and even."""
    zeros = max(length.bit_length() - 5, 1)
    return length >> zeros << zeros


def hann(length: int) -> NDArray[np.float64]:
    """Hann's window [length], periodic."""
    window: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2 * np.pi / length * np.arange(length))
    return window


def segments(values: NDArray[np.float64], length: int) -> Iterator[NDArray[np.float64]]:
    """The segments of a stretch [n], without their means and slopes, some at a time [m, length]."""
    if len(values) < length:
        return
    all_of_them = np.lib.stride_tricks.sliding_window_view(values, length)[:: length // 2]
    slope = np.arange(length) - (length - 1) / 2
    slope /= np.sqrt(np.square(slope).sum())
    step = max(BATCH // length, 1)
    for first in range(0, len(all_of_them), step):
        part = all_of_them[first : first + step]
        part = part - part.mean(axis=1, keepdims=True)
        # No BLAS: its threads take milliseconds to wake, for what takes microseconds.
        part -= (part * slope).sum(axis=1, keepdims=True) * slope
        yield part


@dataclass(slots=True, eq=False)
class Averager:
    """Adds up periodograms of segments of `length` samples, `interval` (s) apart."""

    length: int
    interval: float
    segments: int = 0
    largest: float = 0.0  # amount of all values
    _sum: NDArray[np.float64] = field(init=False)
    _taper: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self._taper = hann(self.length)
        self._sum = np.zeros(self.length // 2 + 1)

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in a stretch [n]; one that is shorter than a segment adds nothing."""
        if len(values):
            self.largest = max(self.largest, float(np.abs(values).max()))
        for part in segments(values, self.length):
            self._sum += np.square(np.abs(np.fft.rfft(part * self._taper))).sum(axis=0)
            self.segments += len(part)

    def density(self) -> "Density":
        """The mean of what was taken in: one segment or more."""
        mean = self._sum / (self.segments * float(np.square(self._taper).sum()) / self.interval)
        mean[1:-1] *= 2  # the negative frequencies; 0 Hz and half the sample rate have no twin
        return Density(mean, self.length, self.interval, self.segments)


@dataclass(frozen=True, eq=False)
class Density:
    """A one-sided power spectral density: `values` [bins] in unit^2/Hz, the first of them at 0 Hz.

    It is the mean over `segments` of `length` samples that are `interval` (s) apart.
    """

    values: NDArray[np.float64]
    length: int
    interval: float
    segments: int

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """Of each bin, in Hz."""
        return np.arange(len(self.values), dtype=np.float64) * self.spacing

    @property
    def seconds(self) -> float:
        """How long a segment is."""
        return self.length * self.interval

    @property
    def spacing(self) -> float:
        """Between bins, in Hz."""
        return 1 / self.seconds

    @property
    def averages(self) -> float:
        """How many independent periodograms the mean is worth."""
        return max(self.segments / OVERLAP, 1.0)

    @property
    def rms(self) -> float:
        """Of all that varies, in the unit."""
        return float(np.sqrt(self.values.sum() * self.spacing))
