"""The host's clock against the scope's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# How far a start stamped by the host scatters around the marker's rise on a machine that is not real-time
# (UNCONFIRMED: depends on the host and its kernel). It decides only from where on a slope is taken for real.
HOST_JITTER = 1e-4  # s, one standard deviation
# How far two sound crystals run apart at most: a scope's 30 ppm, and a computer's as much again or more.
RATE_LIMIT = 100e-6


@dataclass(frozen=True, slots=True)
class ClockComparison:
    """How the scope's clock runs against the host's, from window starts seen by both.

    `slope` is scope time over host time, less one: 1e-6 is one ppm, positive when the scope counts more
    seconds. `slope_uncertainty` is its standard uncertainty. `residual` is the largest distance, in seconds, of
    a start from the straight line.
    """

    slope: float
    slope_uncertainty: float
    residual: float


def straight_line(host: NDArray[np.float64], scope: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Slope and residuals [n] of the least-squares line of scope times over host times, both in seconds [n].

    The slope is NaN when the host's times do not differ, for instance when there is only one.
    """
    x, y = host - host.mean(), scope - scope.mean()
    square = float(x @ x)
    slope = float(x @ y) / square if square > 0 else math.nan
    return slope, y - slope * x


def compare(
    ties: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], interval: float = 0.0, host_u: float = 0.0
) -> ClockComparison | None:
    """One slope for all records, each with an origin of its own.

    Each tie is one record's (host times [n], scope times [n]) of the same instants, in seconds, those of the scope
    rounded to samples every `interval`; `host_u` is the standard uncertainty of the host's, where they were those of
    another machine's clock. Records with fewer than two instants say nothing; None when all are such.
    """
    centred = [(host - host.mean(), scope - scope.mean()) for host, scope in ties if len(host) > 1]
    if not centred:
        return None
    x = np.concatenate([host for host, _ in centred])
    y = np.concatenate([scope for _, scope in centred])
    square = float(x @ x)
    if square == 0:
        return None
    # The slope less one is fitted directly: a difference of ppm would drown in the rounding of the slope.
    slope = float(x @ (y - x)) / square
    residuals = (y - x) - slope * x
    freedom = len(x) - len(centred) - 1
    scatter = math.sqrt(float(residuals @ residuals) / freedom) if freedom > 0 else 0.0
    return ClockComparison(
        slope=slope,
        slope_uncertainty=max(scatter, math.hypot(max(HOST_JITTER, host_u), interval / math.sqrt(12)))
        / math.sqrt(square),
        residual=float(np.abs(residuals).max()),
    )
