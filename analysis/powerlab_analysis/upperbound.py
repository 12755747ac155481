"""A straight line that next to nothing lies above: quantile regression, with an interval by bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.carried import SCATTER
from powerlab_analysis.measured import Kind, Measured, Source

QUANTILE: Final = 0.95
FEWEST: Final = 8  # points
DRAWS: Final = 2000
AT_ONCE: Final = 500  # draws, for the memory
SEED: Final = 20160524  # the same points give the same interval twice


@dataclass(frozen=True, slots=True)
class UpperBound:
    """y <= intercept + slope x for 95 % of what the `n` points are drawn from.

    Intercept and slope share sources of uncertainty, so that what is computed from both is right.
    """

    n: int
    intercept: Measured
    slope: Measured

    def at(self, x: Measured | float) -> Measured:
        """The bound at x."""
        return self.intercept + self.slope * x

    def x_for(self, y: float) -> Measured:
        """The x at which the bound is y. The slope must not be 0."""
        return (y - self.intercept) / self.slope


def upper_bound(x: Sequence[float], y: Sequence[float]) -> UpperBound | None:
    """The line below which 95 % lie; None for fewer than `FEWEST` points, or where x does not vary.

    The line with the least check loss goes through two of the points (R. Koenker and G. Bassett, Econometrica 46,
    1978), so all pairs are tried: exact, and the same for each bootstrap sample of points by one product of matrices.
    Percentiles of the draws are far too narrow at the edge of few points (they held the planted bound in half of
    the cases); the draws' standard deviation with Student's t held it in 95 to 98 %.
    """
    at, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    n = len(at)
    if n < FEWEST or not np.ptp(at) > 0:
        return None
    pairs = _Pairs(at, values)
    rng = np.random.default_rng(SEED)
    weights = rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(np.float64)
    draws = np.concatenate([pairs.best(weights[k : k + AT_ONCE]) for k in range(0, DRAWS, AT_ONCE)])
    draws = draws[np.isfinite(draws).all(axis=1)]
    intercept, slope = pairs.best(np.ones((1, n)))[0].tolist()
    root = np.linalg.svd((draws - draws.mean(axis=0)).T / np.sqrt(len(draws) - 1), full_matrices=False)
    axes = root.U * root.S
    sources = [Source(f"{SCATTER}, part {k + 1} of the bound", Kind.RANDOM, n - 2) for k in range(2)]
    parts = [dict(zip(sources, axes[row].tolist(), strict=True)) for row in range(2)]
    return UpperBound(n, Measured(intercept, parts[0]), Measured(slope, parts[1]))


class _Pairs:
    """The lines through all pairs of points, and what each costs each point."""

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        first, second = np.triu_indices(len(x), 1)
        apart = x[first] != x[second]
        self.first, self.second = first[apart], second[apart]
        slopes = (y[self.second] - y[self.first]) / (x[self.second] - x[self.first])
        self.lines = np.column_stack([y[self.first] - slopes * x[self.first], slopes])
        above = y[:, None] - self.lines[:, 0] - self.lines[:, 1] * x[:, None]
        self.losses = np.where(above > 0, QUANTILE * above, (QUANTILE - 1) * above)

    def best(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The line [draws, 2] with the least loss for each row of weights [draws, n]; NaN where all x are the same."""
        loss = weights @ self.losses
        loss[(weights[:, self.first] == 0) | (weights[:, self.second] == 0)] = np.inf
        lines = self.lines[loss.argmin(axis=1)]
        return np.where(np.isfinite(loss.min(axis=1))[:, None], lines, np.nan)
