"""How several networks' values lie: their mean, and how much they differ apart from errors of measurement."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri

from powerlab_analysis.carried import SCATTER, alone, carried, numbers
from powerlab_analysis.measured import Kind, Measured, Source


@dataclass(frozen=True, slots=True)
class Spread:
    """`n` values: their mean, and the standard deviation between them with its interval of 95 %.

    The deviation is that of the networks themselves: what each value's own uncertainty adds, in quadrature `measured`,
    is taken off.
    """

    n: int
    mean: Measured
    deviation: float
    interval: tuple[float, float]
    measured: float


def spread(values: Sequence[Measured]) -> Spread | None:
    """The spread of two values or more; None of fewer. Normal scatter is supposed for the deviation's interval."""
    n = len(values)
    if n < 2:
        return None
    x = numbers(values)
    variance = float(x.var(ddof=1))
    own = float(np.mean([it.u**2 for it in alone(values)]))
    # chdtri is the inverse of the upper tail.
    low, high = (variance * (n - 1) / float(chdtri(n - 1, tail)) for tail in (0.025, 0.975))
    scatter = {Source(SCATTER, Kind.RANDOM, n - 1): math.sqrt(variance / n)}
    return Spread(
        n=n,
        mean=Measured(float(x.mean()), scatter | carried(lambda of: float(of.mean()), values)),
        deviation=_root(variance - own),
        interval=(_root(low - own), _root(high - own)),
        measured=math.sqrt(own),
    )


def _root(variance: float) -> float:
    return math.sqrt(max(variance, 0.0))
