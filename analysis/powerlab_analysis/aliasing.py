"""Whether the mean of a current depends on how fast it was sampled."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pairs:
    """Neighbouring samples in pairs: how many, and the sum and the sum of squares of second less first (A, A^2).

    The mean at half the rate, of the first of each pair, is less than the mean of both by half of the mean difference.
    """

    count: int
    total: float
    squares: float

    @property
    def change(self) -> float:
        """Mean at half the rate less mean at the full rate, in A."""
        return -self.total / (2 * self.count) if self.count else 0.0

    @property
    def scatter(self) -> float:
        """Standard uncertainty of `change` from noise alone, in A."""
        return math.sqrt(self.squares) / (2 * self.count) if self.count else math.inf


def pairs_of(codes: NDArray[np.integer[Any]], scale: float) -> Pairs:
    """The pairs of samples [n] of one window; `scale` (A) is one code."""
    count = len(codes) // 2
    difference = np.subtract(codes[1 : 2 * count : 2], codes[: 2 * count : 2], dtype=np.float32)
    squares = float(np.dot(difference, difference)) * scale**2
    return Pairs(count, float(difference.sum(dtype=np.float64)) * scale, squares)


def together(found: Iterable[Pairs]) -> Pairs:
    """All pairs of several windows."""
    each = list(found)
    return Pairs(sum(it.count for it in each), sum(it.total for it in each), sum(it.squares for it in each))
