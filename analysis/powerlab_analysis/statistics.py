"""What repeated values say: their median, which of them stand apart, and whether they hold still.

Intervals of means are Student's t, through the degrees of freedom of `measured.Source`: exact for normal scatter and
with as few as two values, where a bootstrap draws the same few values again and comes out too narrow. The interval of
a median is that of order statistics, which supposes no distribution at all. Nothing here is drawn at random, so that
the same run gives the same answer twice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtrit

# How often a test below may accuse windows that only scatter: one healthy run in two thousand, each.
FALSE_ALARM = 0.0005
FEWEST_FOR_OUTLIERS = 5
FEWEST_FOR_CHANGE = 6
MOST_OUTLIERS = 20  # if there are more, they are no exceptions
PROBABILITY = 0.95


@dataclass(frozen=True, slots=True)
class Summary:
    """`n` values: mean, median, standard deviation (0 of one value), least and largest.

    `interval` holds the median of what they are drawn from in at least 95 % of cases; None for fewer than six
    values, of which even least and largest do not.
    """

    n: int
    mean: float
    median: float
    deviation: float
    least: float
    largest: float
    interval: tuple[float, float] | None


def summary(values: Sequence[float] | NDArray[np.float64]) -> Summary:
    """The summary of one value or more."""
    x = np.sort(np.asarray(values, dtype=np.float64))
    return Summary(
        n=len(x),
        mean=float(x.mean()),
        median=float(np.median(x)),
        deviation=float(x.std(ddof=1)) if len(x) > 1 else 0.0,
        least=float(x[0]),
        largest=float(x[-1]),
        interval=_median_interval(x),
    )


def _median_interval(ordered: NDArray[np.float64]) -> tuple[float, float] | None:
    """From the k-th smallest to the k-th largest of n values, with the largest k that leaves 95 %.

    The median lies below the k-th smallest with the binomial probability of fewer than k of n (the sign test).
    """
    n = len(ordered)
    k = 0
    while 2 * bdtr(k, n, 0.5) <= 1 - PROBABILITY:
        k += 1
    return None if k == 0 else (float(ordered[k - 1]), float(ordered[n - k]))


def outliers(values: Sequence[float] | NDArray[Any]) -> tuple[int, ...]:
    """Which values stand further from the others than scatter explains, the furthest first.

    The generalised extreme studentised deviate (B. Rosner, Technometrics 25, 1983): the value furthest from the mean
    is taken out, again and again, up to a quarter of them; each time its distance in standard deviations is held
    against Student's t. Unlike a multiple of the median deviation its false alarms are known for few values too: five
    scaled median deviations accuse one healthy set of ten values in 27.
    """
    x = np.asarray(values, dtype=np.float64)
    left = np.arange(len(x))
    taken: list[int] = []
    apart = 0
    most = min(len(x) // 4, MOST_OUTLIERS) if len(x) >= FEWEST_FOR_OUTLIERS else 0
    for _ in range(most):
        m, rest = len(left), x[left]
        deviation = float(rest.std(ddof=1))
        if deviation <= 1e-12 * abs(float(rest.mean())):
            break
        distances = np.abs(rest - rest.mean()) / deviation
        furthest = int(np.argmax(distances))
        t = float(stdtrit(m - 2, 1 - FALSE_ALARM / (2 * m)))
        taken.append(int(left[furthest]))
        if distances[furthest] > (m - 1) * t / math.sqrt(m * (m - 2 + t * t)):
            apart = len(taken)
        left = np.delete(left, furthest)
    return tuple(taken[:apart])


@dataclass(frozen=True, slots=True)
class Change:
    """A level that is another from value `at` on: the means `before` and `after` it."""

    at: int
    before: float
    after: float

    @property
    def relative(self) -> float:
        """After over before, less one."""
        return self.after / self.before - 1 if self.before else math.inf


def change(values: Sequence[float] | NDArray[Any]) -> Change | None:
    """Where the values' level changes, if they do more than scatter around one.

    Each place with at least two values on either side is tried, by the two-sample t test of the means before and
    after it; the best is held against the level that all those tests together exceed by chance in one of two thousand
    (Bonferroni, which errs to silence). A warm-up, a drift and a step all leave such a place.
    """
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    if n < FEWEST_FOR_CHANGE:
        return None
    before = np.arange(2, n - 1)
    sums, squares = np.cumsum(x - x[0]), np.cumsum((x - x[0]) ** 2)
    first = sums[before - 1] / before
    second = (sums[-1] - sums[before - 1]) / (n - before)
    within = np.clip(squares[-1] - before * first**2 - (n - before) * second**2, 0, None)
    floor = (1e-12 * abs(float(x[0]))) ** 2 * n  # the rounding of equal values is no scatter
    scatter = np.sqrt((within + floor) / (n - 2) * (1 / before + 1 / (n - before)))
    distances = np.abs(second - first) / np.where(scatter > 0, scatter, 1.0)
    best = int(np.argmax(distances))
    if distances[best] <= float(stdtrit(n - 2, 1 - FALSE_ALARM / (2 * len(before)))):
        return None
    return Change(int(before[best]), float(first[best] + x[0]), float(second[best] + x[0]))
