"""The lines of a spectrum: their frequencies and amplitudes, and how well these are known.

A second pass over the stretches looks at each line in each segment. The phase that a line gains from the first half of
a segment to the second says how far its frequency lies from the bin; the products of the halves are added up before
the phase is taken, for the noise of two halves that do not overlap has none in common (the pulse-pair estimator of
weather radars).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from powerlab_analysis.density import NOISE_BANDWIDTH, OVERLAP, Density, hann, segments
from powerlab_analysis.measured import Kind, Measured, Source, rectangular
from powerlab_analysis.model import TIME_BASE
from powerlab_analysis.peaks import Floor

LINE_NOISE: Final = "noise and wander of the line"
REACH: Final = 2  # bins on either side of a line that hold its power: all but 0.1 % of it, with Hann's window
# Of the power of a line, by the noise within those bins: 4 and 2 times sum(w^4) / sum(w^2)^2 for Hann's window.
CROSS_NOISE, OWN_NOISE = 3.89, 9.7


@dataclass(frozen=True, slots=True)
class Line:
    """A sinusoid in the current: frequency (Hz) and amplitude (rms, in the spectrum's unit).

    `ratio` is the density at its bin over that of the local floor. `harmonic` is the number of the harmonic of the rate
    at which the work in a window repeats itself, 0 where it is none, or that cannot be told.
    """

    frequency: Measured
    amplitude: Measured
    ratio: float
    harmonic: int = 0

    @property
    def decibels(self) -> float:
        """`ratio` in dB."""
        return 10 * math.log10(self.ratio)


def lines_of(
    density: Density,
    floor: Floor,
    found: Sequence[int],
    stretches: Iterable[NDArray[np.float64]],
    time_limit: float,
) -> list[Line]:
    """The lines at these bins, from the stretches [n] that the density was taken of, the strongest first.

    `time_limit` is how far the scope's time base may be off, relative. A bin whose line turns out to lie more than a
    bin away holds no steady line and is left out.
    """
    if not found:
        return []
    centres = np.array([_interpolated(density, floor, k) for k in found])
    halves, whole = _products(density, centres, stretches)
    lines = []
    for place, k in enumerate(found):
        frequency = _frequency(density, floor, k, float(centres[place]), halves[:, place])
        if abs(frequency.value - k * density.spacing) > density.spacing:
            continue
        amplitude = _amplitude(density, floor, k, whole[:, place])
        clock = {TIME_BASE: frequency.value * rectangular(time_limit)}
        ratio = float(density.values[k] / floor.level[k])
        lines.append(Line(frequency + Measured(0.0, clock), amplitude, ratio))
    return sorted(lines, key=lambda it: it.amplitude.value, reverse=True)


def _interpolated(density: Density, floor: Floor, k: int) -> float:
    """Where a line lies, by its bin and the higher of the two beside it; Hz."""
    around = np.sqrt(np.maximum(density.values[k - 1 : k + 2] - floor.level[k], 0.0))
    side = 1 if around[2] >= around[0] else -1
    ratio = float(around[1 + side] / around[1])
    # Hann's window falls off so that this ratio r of amplitudes lies (2 r - 1) / (r + 1) bins away.
    return (k + side * min(max((2 * ratio - 1) / (ratio + 1), 0.0), 0.5)) * density.spacing


def _products(
    density: Density, centres: NDArray[np.float64], stretches: Iterable[NDArray[np.float64]]
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """For each segment and line, second half times first half conjugated, and the power of the whole.

    Both [segments, lines].
    """
    half, count = density.length // 2, len(centres)
    turns = np.exp(-2j * np.pi * density.interval * np.outer(np.arange(density.length), centres))
    first, second = hann(half)[:, None] * turns[:half], hann(half)[:, None] * turns[half:]
    taper = hann(density.length)
    whole = taper[:, None] * turns * (math.sqrt(2) / float(taper.sum()))
    # Real matrices, for the samples are real: a complex product would copy them first.
    kernels = [np.hstack([it.real, it.imag]) for it in (first, second, whole)]

    def seen(part: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.complex128]:
        both = part @ kernel
        value: NDArray[np.complex128] = both[:, :count] + 1j * both[:, count:]
        return value

    products, powers = [], []
    for part in _all_segments(stretches, density.length):
        a, b = seen(part[:, :half], kernels[0]), seen(part[:, half:], kernels[1])
        products.append(b * a.conj())
        powers.append(np.square(np.abs(seen(part, kernels[2]))))
    return np.concatenate(products), np.concatenate(powers)


def _all_segments(stretches: Iterable[NDArray[np.float64]], length: int) -> Iterator[NDArray[np.float64]]:
    for stretch in stretches:
        yield from segments(stretch, length)


def _frequency(density: Density, floor: Floor, k: int, centre: float, products: NDArray[np.complex128]) -> Measured:
    """The frequency of a line by the phase it gains from half to half, in Hz."""
    total = complex(products.sum())
    phase = float(np.angle(total))
    lag = density.seconds / 2
    noise = _noise_ratio(density, floor, k) * 2  # a half's bins are twice as wide
    by_noise = math.sqrt((noise + noise**2 / 2) / density.averages)
    turned = (products * np.exp(-1j * phase)).imag
    by_scatter = math.sqrt(OVERLAP * float(turned @ turned)) / abs(total)
    part = _larger(by_noise, by_scatter, len(products))
    per_radian = 1 / (2 * math.pi * lag)
    return Measured(centre + phase * per_radian, {source: u * per_radian for source, u in part.items()})


def _amplitude(density: Density, floor: Floor, k: int, powers: NDArray[np.float64]) -> Measured:
    """The amplitude of a line by the power of its bins above the floor, rms."""
    inside = density.values[k - REACH : k + REACH + 1] - floor.level[k]
    power = max(float(inside.sum()) * density.spacing, 0.0)
    under = float(floor.level[k]) * density.spacing
    by_noise = math.sqrt((CROSS_NOISE * power * under + OWN_NOISE * under**2) / density.averages)
    n = len(powers)
    scatter = float(powers.std(ddof=1) / powers.mean()) if n > 1 else 0.0
    part = _larger(by_noise, power * scatter / math.sqrt(density.averages), n)
    amplitude = math.sqrt(power)
    return Measured(amplitude, {source: u / (2 * amplitude) for source, u in part.items()})


def _noise_ratio(density: Density, floor: Floor, k: int) -> float:
    """The noise in a segment's bin over the power of the line."""
    power = float((density.values[k - REACH : k + REACH + 1] - floor.level[k]).sum())
    return NOISE_BANDWIDTH * float(floor.level[k]) / power


def _larger(by_noise: float, by_scatter: float, n: int) -> dict[Source, float]:
    """The larger of what the floor's noise makes of a value and of how `n` segments scatter.

    Where a line wanders the segments scatter more; of few segments the scatter is hardly known, as Student's t says.
    """
    dof = n / OVERLAP - 1
    wide = float(stdtrit(dof, 0.975)) * by_scatter if n > 1 else 0.0
    if wide > 1.96 * by_noise:
        return {Source(LINE_NOISE, Kind.RANDOM, dof): by_scatter}
    return {Source(LINE_NOISE, Kind.RANDOM): by_noise}
