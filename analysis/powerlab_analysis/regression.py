"""A straight line through networks: how well one number predicts another, and what it predicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.carried import SCATTER, carried, numbers
from powerlab_analysis.measured import Kind, Measured, Source

FEWEST: Final = 5  # points, below which a line's scatter says next to nothing
NORMAL_95: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Regression:
    """y = intercept + slope x, by least squares through `n` points.

    `intercept` and `slope` share sources of uncertainty, so that what is computed from both is right. `explained` is
    the share of the variance of y that the line explains (R squared), with its interval of 95 %; `deviation` is the
    standard deviation of y around the line, in the unit of y.
    """

    n: int
    intercept: Measured
    slope: Measured
    explained: float
    explained_interval: tuple[float, float]
    deviation: float

    def at(self, x: float) -> Measured:
        """The line's y at x."""
        return self.intercept + self.slope * x

    def x_for(self, y: float) -> Measured:
        """The x at which the line reaches y. The slope must not be 0."""
        return (y - self.intercept) / self.slope


def regression(x: Sequence[float], y: Sequence[Measured]) -> Regression | None:
    """The line through the points; None for fewer than `FEWEST`, or where x does not vary.

    Each point's own uncertainty is in its distance from the line already; errors in common are carried through.
    Large networks scatter more than small ones, and stand further out: the covariance is that of HC3 (J. G. MacKinnon
    and H. White, Journal of Econometrics 29, 1985), which supposes no equal scatter, with Student's t.
    """
    at, values = np.asarray(x, dtype=np.float64), numbers(y)
    n = len(at)
    if n < FEWEST or not np.ptp(at) > 0:
        return None
    design = np.column_stack([np.ones(n), at])
    solve = np.linalg.pinv(design)
    line = solve @ values
    residuals = values - design @ line
    scaled = residuals / np.clip(1 - np.einsum("ij,ji->i", design, solve), 1e-9, None)  # less each point's own pull
    root = np.linalg.svd(solve * scaled, full_matrices=False)
    axes = root.U * root.S  # two independent errors of the line, whose squares add up to the covariance
    scatter = [Source(f"{SCATTER}, part {k + 1} of the line", Kind.RANDOM, n - 2) for k in range(2)]
    parts = [dict(zip(scatter, axes[row].tolist(), strict=True)) for row in range(2)]
    coefficients = []
    for row in range(2):
        common = carried(lambda moved, row=row: float(solve[row] @ moved), y)  # type: ignore[misc]
        coefficients.append(Measured(float(line[row]), parts[row] | common))
    total = float(((values - values.mean()) ** 2).sum())
    explained = 1 - float((residuals**2).sum()) / total if total > 0 else 0.0
    return Regression(
        n=n,
        intercept=coefficients[0],
        slope=coefficients[1],
        explained=explained,
        explained_interval=_interval(explained, n),
        deviation=math.sqrt(float((residuals**2).sum()) / (n - 2)),
    )


def _interval(explained: float, n: int) -> tuple[float, float]:
    """The interval of R squared: of the correlation, by Fisher's z, which is nearly normal with 1 / (n - 3)."""
    z = math.atanh(min(math.sqrt(max(explained, 0.0)), 1 - 1e-12))
    half = NORMAL_95 / math.sqrt(n - 3)
    return math.tanh(max(z - half, 0.0)) ** 2, math.tanh(z + half) ** 2


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Spearman's correlation of ranks, with its interval of 95 % (after D. G. Bonett and T. A. Wright, 2000)."""
    ranks = [_ranks(np.asarray(it, dtype=np.float64)) for it in (x, y)]
    centred = [it - it.mean() for it in ranks]
    norm = math.sqrt(float((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    rho = float(centred[0] @ centred[1]) / norm if norm else 0.0
    z = math.atanh(max(min(rho, 1 - 1e-12), -1 + 1e-12))
    half = NORMAL_95 * math.sqrt((1 + rho * rho / 2) / (len(x) - 3)) if len(x) > 3 else math.inf
    return rho, math.tanh(z - half), math.tanh(z + half)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1 on; equal values share the middle of theirs."""
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    ranks: NDArray[np.float64] = below + (equal + 1) / 2
    return ranks
