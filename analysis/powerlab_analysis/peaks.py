"""Which peaks of a spectrum are lines, and which are what noise leaves.

A bin is a line if its density stands so far above that of its neighbours that noise would do as much in one spectrum of
a hundred, anywhere in it, and if it is no wider than a sinusoid that lasts. The neighbours say themselves how much they
scatter: a mean of a hundred windows whose layers draw the same power each time is no smoother than one window, and its
wiggles are no lines.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from powerlab_analysis.density import Density

FALSE_ALARM: Final = 0.01  # the share of spectra of noise alone in which any line is found
NEIGHBOURS: Final = 32  # bins on either side that make the local floor
GUARD: Final = 3  # bins: nearer ones hold a part of the line itself
FEWEST_NEIGHBOURS: Final = 8
LOWEST: Final = 2 * GUARD + FEWEST_NEIGHBOURS  # bin: below it lie the mean, the slope, and no neighbours
SKIRT: Final = 3  # bins beyond the guard in which a sinusoid has next to nothing
WIDEST: Final = 0.1  # of a line's power that may lie there: more is a hump, or a ringing that dies away
CERTAIN: Final = 2.0  # standard deviations of the skirt's noise that are no sign of a hump
LEAST_RATIO: Final = 4.0  # 6 dB: two steps in each window make wiggles of 3 dB
# What m neighbouring bins of a Hann-tapered periodogram are worth: the bins share (2/3)^2 and (1/6)^2 with the next
# two, and a median of exponential values scatters twice as much as their mean.
WORTH: Final = 1 / (2 * (1 + 2 * (4 / 9 + 1 / 36)))
NORMAL_QUARTILES: Final = 1.349  # from the lower to the upper, in standard deviations
# Quartiles of so few neighbours are themselves only known to a fifth or so: this is their upper end.
SPREAD_MARGIN: Final = 1.4


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """What lies under the lines: `level` in unit^2/Hz, and `threshold`, above which noise rises in no more than
    `FALSE_ALARM` of spectra; `scatter` is the standard deviation of a bin of noise, relative. All [bins]; not a number
    where no line is looked for, at either end of the spectrum.
    """

    level: NDArray[np.float64]
    threshold: NDArray[np.float64]
    scatter: NDArray[np.float64]


def floor_of(density: Density) -> Floor:
    """The local floor of each bin: the larger of the medians of the 32 bins on either side of it.

    The threshold follows from Fisher's F of the bin against its floor. The degrees of freedom of a bin are those of the
    averages, or as few as the neighbours' quartiles show; the false alarm is shared out over all bins (Bonferroni).
    """
    values = density.values
    level, threshold, scatter = (np.full(len(values), np.nan) for _ in range(3))
    bins = np.arange(LOWEST, len(values) - GUARD - FEWEST_NEIGHBOURS)
    if not len(bins):
        return Floor(level, threshold, scatter)
    away = np.arange(GUARD, GUARD + NEIGHBOURS)
    left, right = bins[:, None] - away, bins[:, None] + away
    # The mean and slope at the lower end, and the bin without a twin at the upper, are no neighbours.
    sides = [_sorted(values, it, (it >= GUARD) & (it < len(values) - 1)) for it in (left, right)]
    medians = np.stack([_quantile(*it, 0.5) for it in sides])
    larger = medians.argmax(axis=0)
    both = _sorted(values, np.hstack([left, right]), np.hstack([left >= GUARD, right < len(values) - 1]))
    spread = (_quantile(*both, 0.75) - _quantile(*both, 0.25)) / NORMAL_QUARTILES
    middle = medians.max(axis=0)
    # 2 / (relative scatter)^2 degrees of freedom: 2 for one periodogram, and no more than the averages give.
    known = middle > 0
    relative = np.where(known, SPREAD_MARGIN * spread / np.where(known, middle, 1.0), np.inf)
    freedom = np.clip(2 / np.square(np.maximum(relative, 1e-9)), 2.0, 2 * density.averages)
    neighbours = np.stack([number for _, number in sides])[larger, np.arange(len(bins))]
    # The median of a chi-square lies below its mean (Wilson and Hilferty).
    mean = middle / (1 - 2 / (9 * freedom)) ** 3
    ratio = _exceeded(FALSE_ALARM / len(bins), freedom, freedom * neighbours * WORTH)
    level[bins] = mean
    threshold[bins] = mean * np.maximum(ratio, LEAST_RATIO)
    scatter[bins] = np.sqrt(2 / freedom)
    return Floor(level, threshold, scatter)


def peaks(density: Density, floor: Floor, most: int) -> list[int]:
    """The bins that are lines, the strongest first, `most` at most; of neighbours only the highest."""
    values = density.values
    with np.errstate(invalid="ignore"):
        above = np.flatnonzero(values > floor.threshold)
    found: list[int] = []
    for k in above[np.argsort(values[above])[::-1]].tolist():
        highest = values[k] >= values[k - GUARD : k + GUARD + 1].max()
        if highest and all(abs(k - other) > GUARD for other in found) and _is_narrow(values, floor, k):
            found.append(k)
        if len(found) == most:
            break
    return found


def _is_narrow(values: NDArray[np.float64], floor: Floor, k: int) -> bool:
    """Whether a peak is no wider than Hann's window makes a sinusoid.

    Its skirt is taken as falling on both sides: what rises again is another line's.
    """
    level = float(floor.level[k])
    inside = float(values[k - GUARD + 1 : k + GUARD].sum()) - (2 * GUARD - 1) * level
    reach = GUARD + SKIRT
    sides = (values[k - reach + 1 : k + 1][::-1], values[k : k + reach])
    outside = sum(float(np.minimum.accumulate(it)[GUARD:].sum()) for it in sides) - 2 * SKIRT * level
    noise = level * float(floor.scatter[k]) * math.sqrt(2 * SKIRT / (2 * WORTH))
    return outside <= WIDEST * inside + CERTAIN * noise


def _sorted(
    values: NDArray[np.float64], places: NDArray[np.int64], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The values at the valid places in order, row by row, and how many they are."""
    taken = np.where(valid, values[places.clip(0, len(values) - 1)], np.inf)
    taken.sort(axis=1)
    return taken, valid.sum(axis=1)


def _quantile(rows: NDArray[np.float64], numbers: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """Of the first `numbers` values of each row, which are in order."""
    place = share * (numbers - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, numbers - 1)
    row = np.arange(len(rows))
    below, above = rows[row, low], rows[row, high]
    quantile: NDArray[np.float64] = below + (place - low) * (above - below)
    return quantile


def _exceeded(share: float, upper: NDArray[np.float64], lower: NDArray[np.float64]) -> NDArray[np.float64]:
    """What Fisher's F with these degrees of freedom exceeds in so small a share of cases."""
    beta = betaincinv(lower / 2, upper / 2, share)
    ratio: NDArray[np.float64] = lower * (1 - beta) / (upper * np.maximum(beta, math.ulp(0.0)))
    return ratio
