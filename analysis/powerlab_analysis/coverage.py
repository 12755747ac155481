"""The half-width of the 95 % interval of a sum of errors whose distributions are known.

A fixed factor of two is wrong where one rectangular term dominates (1.65 is enough: the value cannot lie outside the
limits) and where the scatter of a few windows does (Student's t asks for more). So the distribution itself is taken:
the propagation of distributions of JCGM 101, by convolution instead of by drawing.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr

PROBABILITY = 0.95
POINTS, FEWEST_POINTS = 401, 161  # of the grid over all that the rectangular terms can add up to
IN_SCATTER = 16  # points of it in what scatters, as far as the grid has so many
DIGITS = 9  # of terms, relative to the combined uncertainty
KEPT = 1024  # widths
SHAPELESS = 0.03  # of the combined uncertainty: the shape of a smaller term cannot be seen
TOLERANCE = 1e-5  # of the width, and of the probability left outside it
LEAST = 1.6  # standard uncertainties that any U95 has: that of a single rectangle has 1.65
MOST_BOXES = 6  # the sum of more has no corners left


def half_width(limits: Sequence[float], scatters: Sequence[tuple[float, float]]) -> float:
    """The half-width that holds 95 % of a sum of independent errors around 0.

    `limits` are the half-widths of rectangular terms; `scatters` are pairs of standard uncertainty and degrees of
    freedom (infinite for a normal term). Scattering terms together are taken as one Student's t with the effective
    degrees of freedom of Welch and Satterthwaite (JCGM 100, G.4.1), scaled by their combined uncertainty.

    >>> [round(half_width(*terms), 3) for terms in (([1.0], []), ([], [(1.0, math.inf)]), ([], [(1.0, 4)]))]
    [0.95, 1.96, 2.776]
    """
    combined = math.hypot(*(limit / math.sqrt(3) for limit in limits), *(u for u, _ in scatters))
    if not (combined > 0 and math.isfinite(combined)):
        return combined
    boxes: list[float] = []
    scatter = [(u / combined, dof) for u, dof in scatters]
    for limit in sorted((abs(limit) / combined for limit in limits), reverse=True):
        if limit / math.sqrt(3) > SHAPELESS and len(boxes) < MOST_BOXES:
            boxes.append(limit)
        else:
            scatter.append((limit / math.sqrt(3), math.inf))
    scale = math.hypot(*(u for u, _ in scatter))
    weight = sum((u / scale) ** 4 / dof for u, dof in scatter) if scale else 0.0
    dof = 1 / weight if weight else math.inf
    # One run has many figures that are uncertain in the same way, but for their last digits.
    return combined * _width(tuple(round(box, DIGITS) for box in boxes), round(scale, DIGITS), round(dof, DIGITS))


@lru_cache(KEPT)
def _width(boxes: tuple[float, ...], scale: float, dof: float) -> float:
    """The half-width for rectangular terms of these half-widths and one that scatters, together of uncertainty 1."""
    if scale == 0:
        return _quantile(*_sum_of_boxes(boxes, POINTS))
    points = 2 * math.ceil(sum(boxes) / scale * IN_SCATTER) + 1
    places, weights = _sum_of_boxes(boxes, min(max(points, FEWEST_POINTS), POINTS))
    if len(places) > 1:
        scale = max(scale, (places[1] - places[0]) / 2)  # the grid's own steps must not show

    def lacking(width: float) -> float:
        """What half that width, either side, holds too little; the distribution is symmetric."""
        beyond = (places - width) / scale
        return PROBABILITY - 1 + 2 * float(weights @ (ndtr(beyond) if math.isinf(dof) else stdtr(dof, beyond)))

    return _root(lacking)


def _root(lacking: Callable[[float], float]) -> float:
    """Where a falling function of a width is 0, from `LEAST` on: regula falsi, after Illinois.

    To import an optimiser takes longer than this does.
    """
    low, high = LEAST, 2.0
    of_low, of_high = lacking(low), lacking(high)
    while of_high > 0:
        low, of_low, high = high, of_high, 2 * high
        of_high = lacking(high)
    while high - low > TOLERANCE * high:
        width = (low * of_high - high * of_low) / (of_high - of_low)
        found = lacking(width)
        if abs(found) < TOLERANCE * (1 - PROBABILITY):
            return width
        if found > 0:
            low, of_low, of_high = width, found, of_high / 2
        else:
            high, of_high, of_low = width, found, of_low / 2
    return high


def _sum_of_boxes(boxes: Sequence[float], points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the sum of rectangular terms of these half-widths lies, and how much of it there: both [points]."""
    if not boxes:
        return np.zeros(1), np.ones(1)
    edges = np.linspace(-sum(boxes), sum(boxes), points)
    below = np.clip((edges + boxes[0]) / (2 * boxes[0]), 0, 1)  # the first one's distribution function
    step = edges[1] - edges[0]
    for box in boxes[1:]:
        # Convolving with a box is the mean of the distribution function over its width: a difference of its integral.
        integral = np.concatenate([[0.0], np.cumsum((below[1:] + below[:-1]) / 2 * step)])
        upper = np.interp(edges + box, edges, integral) + np.clip(edges + box - edges[-1], 0, None)
        lower = np.interp(edges - box, edges, integral)
        below = (upper - lower) / (2 * box)
    return (edges[1:] + edges[:-1]) / 2, np.diff(below) / (below[-1] - below[0])


def _quantile(places: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The half-width that holds 95 % of a symmetric sum of rectangular terms alone."""
    step = places[1] - places[0]
    edges = np.append(places - step / 2, places[-1] + step / 2)
    below = np.concatenate([[0.0], np.cumsum(weights)])
    return float(np.interp((1 + PROBABILITY) / 2, below, edges))
