"""Memory against parameters: a floor that nothing falls below, and above it a line through the origin."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.carried import SCATTER, carried, numbers
from powerlab_analysis.measured import Kind, Measured, Source

FEWEST_A_SIDE: Final = 2  # points: one has no scatter


@dataclass(frozen=True, slots=True)
class Hinge:
    """y = max(floor, slope x) times a scatter, through `n` points, of which `rising` lie on the slope.

    `deviation` is the relative standard deviation of y around it.
    """

    n: int
    rising: int
    floor: Measured
    slope: Measured
    deviation: float

    @property
    def knee(self) -> Measured:
        """The x from which on y rises."""
        return self.floor / self.slope


def hinge(x: Sequence[float], y: Sequence[Measured]) -> Hinge | None:
    """The hinge with the least relative deviations; None where either side has fewer than two points.

    x and y are positive. A network that needs twice the memory deviates by twice as much, so logarithms are fitted: of
    each way to share the points out by their x, the best floor and slope are geometric means, and the best way that
    keeps the floor's points below the knee is taken. Student's t with n - 2 degrees of freedom.
    """
    order = np.argsort(np.asarray(x, dtype=np.float64), kind="stable")
    at, values = np.asarray(x, dtype=np.float64)[order], [y[k] for k in order.tolist()]
    n = len(at)
    if n < 2 * FEWEST_A_SIDE or at[0] <= 0 or min(it.value for it in values) <= 0:
        return None
    logs = np.log(at)
    first = _break(logs, np.log(numbers(values)))
    if first is None:
        return None
    rising = n - first

    def floor_of(of: NDArray[np.float64]) -> float:
        return math.exp(float(np.log(of[:first]).mean()))

    def slope_of(of: NDArray[np.float64]) -> float:
        return math.exp(float((np.log(of[first:]) - logs[first:]).mean()))

    centre = numbers(values)
    floor, slope = floor_of(centre), slope_of(centre)
    residuals = np.log(centre) - np.log(np.maximum(floor, slope * at))
    deviation = math.sqrt(float((residuals**2).sum()) / (n - 2))
    scatter = {
        "floor": {Source(f"{SCATTER} on the floor", Kind.RANDOM, n - 2): floor * deviation / math.sqrt(first)},
        "slope": {Source(f"{SCATTER} on the slope", Kind.RANDOM, n - 2): slope * deviation / math.sqrt(rising)},
    }
    return Hinge(
        n=n,
        rising=rising,
        floor=Measured(floor, scatter["floor"] | carried(floor_of, values)),
        slope=Measured(slope, scatter["slope"] | carried(slope_of, values)),
        deviation=deviation,
    )


def _break(x: NDArray[np.float64], y: NDArray[np.float64]) -> int | None:
    """How many points are on the floor, by logarithms in the order of x; None where no way is consistent."""
    best, least = None, math.inf
    for first in range(FEWEST_A_SIDE, len(x) - FEWEST_A_SIDE + 1):
        floor, slope = y[:first].mean(), (y[first:] - x[first:]).mean()
        if not x[first - 1] <= floor - slope <= x[first]:
            # The knee lies beyond a neighbour: that point is on the other side, unless it scatters.
            floor_side, slope_side = slope + x[first - 1] > floor, slope + x[first] < floor
            if floor_side or slope_side:
                continue
        squares = float(((y[:first] - floor) ** 2).sum() + ((y[first:] - slope - x[first:]) ** 2).sum())
        if squares < least:
            best, least = first, squares
    return best
