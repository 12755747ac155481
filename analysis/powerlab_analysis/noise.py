"""Noise of a steady record, and how fast it averages away."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.trace import Trace


@dataclass(frozen=True, slots=True)
class Noise:
    """How samples scatter around a steady level.

    `rms` is the standard deviation of a sample in the trace's unit; `correlation` how many seconds of trace are
    worth one independent sample; `independent` how many such there were; `step` one stored code of that trace, 0 where
    it is as that of the trace it is applied to.
    """

    rms: float
    correlation: float
    independent: float
    step: float = 0.0

    @property
    def dof(self) -> float:
        """Degrees of freedom of `rms`."""
        return max(self.independent - 1, 1.0)

    def of_mean(self, seconds: float) -> float:
        """Standard uncertainty of a mean over `seconds` of trace: rms / sqrt(N_eff) (JCGM 100, 4.2.3)."""
        return self.rms * math.sqrt(min(1.0, self.correlation / seconds))


def noise_of(trace: Trace) -> Noise:
    """Noise of a trace around its mean, in its unit.

    N_eff = N / (1 + 2 sum of autocorrelations), the sum taken to the first lag that is five times the bracket
    (the window of A. D. Sokal, "Monte Carlo Methods in Statistical Mechanics", 1996). Anti-correlation is not
    credited: the bracket is at least 1. A slow drift counts as long correlation, and so as few samples.
    """
    codes = trace.codes.astype(np.float64)
    codes -= codes.mean()
    variance = float(codes @ codes) / max(len(codes) - 1, 1)
    bracket = correlation_bracket(codes) if variance > 0 else 1.0
    return Noise(
        rms=math.sqrt(variance) * abs(trace.scale),
        correlation=bracket * trace.interval,
        independent=len(codes) / bracket,
        step=abs(trace.scale),
    )


def pooled(noises: list[Noise]) -> Noise | None:
    """One noise for several records of the same chain: mean square, longest correlation. None for none.

    Its step is such that raw codes have the mean square that they have in the records, whatever was summed in each.
    """
    if not noises:
        return None
    square = sum(noise.rms**2 for noise in noises) / len(noises)
    for_each = sum(noise.rms**2 / noise.step for noise in noises if noise.step) / len(noises)
    return Noise(
        rms=math.sqrt(square),
        correlation=max(noise.correlation for noise in noises),
        independent=sum(noise.independent for noise in noises),
        step=square / for_each if for_each > 0 else noises[0].step,
    )


def dithers(noise: Noise, resolution: float, step: float) -> bool:
    """Whether the noise spreads a steady level over enough raw codes for their mean to resolve less than one.

    `resolution` is one raw code and `step` one stored code (a sum of resolution / step raw ones), in the unit of
    the noise; the noise's own step goes first, for records of unlike length sum unlike many. At least 0.5 of a raw
    code rms is asked for; with the code's own 1 / sqrt(12) that is seen as 1 / sqrt(3), which a quiet level that flips
    between two codes cannot reach. The raw codes in a sum are taken as independent.
    """
    return noise.rms**2 * raw_codes(resolution, noise.step or step) >= resolution**2 / 3


def raw_codes(resolution: float, step: float) -> int:
    """How many raw codes were summed into one stored code."""
    return max(1, round(resolution / step))


def correlation_bracket(centred: NDArray[np.floating[Any]]) -> float:
    """1 + 2 sum of autocorrelations of centred samples [n], in samples."""
    n = len(centred)
    # Padded to twice the length, so that the end does not correlate with the beginning.
    spectrum = np.fft.rfft(centred, 1 << (2 * n - 1).bit_length())
    products = np.fft.irfft(np.square(np.abs(spectrum)))[:n]
    brackets = 2 * np.cumsum(products / products[0]) - 1
    enough = np.arange(n) >= 5 * brackets
    last = int(np.argmax(enough)) if enough.any() else n - 1
    return max(1.0, float(brackets[last]))
