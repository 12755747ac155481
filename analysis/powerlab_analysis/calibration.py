"""The line between what the supply reads and what the scope shows, fitted through steady loads.

`seen = gain * current + offset` holds for one screen of the scope's channel. What the supply's readings themselves may
be off by is the same at every load: it is not in the fit's uncertainties, and the calibrated chain inherits it as it
is (docs/decisions/0010-calibration.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.quantity import prefixed
from powerlab_traces.chain import CurrentChain, SupplyLimits
from powerlab_traces.errors import PowerlabError

# A zero is of one session: the drift limit of probe and scope is for that long, and clamps are zeroed "just before
# use". The offset of a calibration is one more zero, and expires with it.
ZERO_LIFETIME: Final = 3600.0  # s
# The supply's own readings move by some mA in eight hours (stability, E3631A guide), and rooms and clamps from day to
# day. From then on a calibration is still applied, and said to be old.
CALIBRATION_LIFETIME: Final = 24 * 3600.0  # s

# A load is steady when neither the supply's readings nor the scope's tenths of a record differ by more than this: 1 %
# is what a board with fixed clocks keeps to, and 3 mA three steps of the supply's readback.
STEADY_SHARE: Final = 0.01
STEADY_CURRENT: Final = 0.003  # A
PARTS: Final = 10  # of a record, whose means are compared
LEAST_STEP: Final = 0.05  # A between the lowest and the highest load: closer ones say little of the gain
SIGNIFICANT: Final = 3.0  # standard uncertainties that are not put down to chance


class CalibrationRefused(PowerlabError):
    """What was measured is no calibration: a load was unsteady, or the points do not lie as they must."""


@dataclass(frozen=True, slots=True)
class Point:
    """One steady load: the current as the supply read it and as the scope showed it, in A in the lead.

    `supply_u` and `seen_u` are standard uncertainties from scatter, noise and rounding: what is not the same at every
    load.
    """

    load: str
    supply: float
    supply_u: float
    seen: float
    seen_u: float

    @property
    def scatter(self) -> float:
        """How far the point may lie off the line by chance: a standard uncertainty in A."""
        return math.hypot(self.seen_u, self.supply_u)


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through points: `seen = gain * current + offset`, with its standard uncertainties.

    `residuals` (A) are by how much each point's `seen` lies above it.
    """

    gain: float
    offset: float  # A
    gain_u: float
    offset_u: float  # A
    correlation: float
    residuals: tuple[float, ...]


def unsteadiness(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """How far readings (A) of one load differ, and how far they may: both in A."""
    found = np.asarray(values, dtype=np.float64)
    return float(found.max() - found.min()), max(STEADY_SHARE * abs(float(found.mean())), STEADY_CURRENT)


def parts_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The means of the tenths of a record [10]."""
    return np.array([part.mean() for part in np.array_split(values, PARTS)])


def mean_of(readings: Sequence[float], resolution: float) -> tuple[float, float]:
    """Mean of a supply's readings of a steady load (A) and its standard uncertainty.

    A steady current is rounded to the same step each time: however many readings there are, a share of that step
    (resolution / sqrt(12), JCGM 100, F.2.2.1) stays, and is another at each load.
    """
    found = np.asarray(readings, dtype=np.float64)
    scatter = float(found.std(ddof=1)) / math.sqrt(len(found)) if len(found) > 1 else 0.0
    return float(found.mean()), math.hypot(scatter, resolution / math.sqrt(12))


def fitted(points: Sequence[Point]) -> Line:
    """The line through points by weighted least squares.

    Both coordinates are uncertain: a point's weight is that of `seen_u` and of `supply_u` seen through the gain
    (effective variance), and the gain is 1 to a few per cent. The uncertainties follow from those of the points, not
    from the residuals: with two points there are none.

    Raises
    ------
    CalibrationRefused
        Fewer than two loads, or all of them too close together.
    """
    supply = np.array([point.supply for point in points])
    if len(points) < 2 or float(supply.max() - supply.min()) < LEAST_STEP:
        spans = f"{prefixed(float(supply.min()), 'A')} to {prefixed(float(supply.max()), 'A')}" if points else "none"
        raise CalibrationRefused(
            f"the loads are too close together for a calibration ({spans}, at least {prefixed(LEAST_STEP, 'A')} "
            "apart): add one that draws more, such as a resistor (--resistor)"
        )
    seen = np.array([point.seen for point in points])
    weights = 1 / np.array([point.scatter**2 for point in points])
    total = float(weights.sum())
    middle, level = float(weights @ supply) / total, float(weights @ seen) / total
    square = float(weights @ (supply - middle) ** 2)
    gain = float(weights @ ((supply - middle) * (seen - level))) / square
    gain_u, level_u = 1 / math.sqrt(square), 1 / math.sqrt(total)
    offset = level - gain * middle
    offset_u = math.hypot(level_u, middle * gain_u)
    return Line(
        gain=gain,
        offset=offset,
        gain_u=gain_u,
        offset_u=offset_u,
        correlation=-middle * gain_u / offset_u,
        residuals=tuple((seen - gain * supply - offset).tolist()),
    )


def judge(line: Line, points: Sequence[Point], chain: CurrentChain, supply: SupplyLimits, zero: float | None) -> None:
    """Raise unless the line is one that this chain can have.

    `zero` (A) is what the screen showed without current, where that is known: the line must meet it within what the
    supply's readings may be off by.

    Raises
    ------
    CalibrationRefused
        A point lies off the line, the gain or the offset is beyond the limits of probe and scope, or the line misses
        the zero. The message holds the numbers.
    """
    residual, point = max(zip(line.residuals, points, strict=True), key=lambda it: abs(it[0]) / it[1].scatter)
    if abs(residual) > SIGNIFICANT * point.scatter:
        raise CalibrationRefused(
            f"load {point.load!r} ({prefixed(point.supply, 'A')}) lies {prefixed(residual, 'A', 3)} off the line "
            f"through the loads, and its scatter explains {prefixed(SIGNIFICANT * point.scatter, 'A', 3)}: was it "
            "steady, was the clamp moved? calibrate again"
        )
    scope_gain = chain.scope_gain_limit / chain.full_scale if chain.full_scale else 0.0
    limit = (1 + chain.gain_limit) * (1 + scope_gain) - 1 + supply.current_gain_limit + SIGNIFICANT * line.gain_u
    if abs(line.gain - 1) > limit:
        raise CalibrationRefused(
            f"the scope shows {line.gain:.4g} times the current that the supply reads (1 +- {limit:.2g} with probe and "
            "scope in order): compare the probe's switch and turns with bench.toml; `powerlab doctor` looks for why"
        )
    if zero is None:
        return
    missed = (line.offset - zero) / line.gain
    allowed = supply.current_offset_limit + chain.drift_limit + SIGNIFICANT * line.offset_u
    if abs(missed) > allowed:
        raise CalibrationRefused(
            f"the line through the loads meets zero current {prefixed(missed, 'A')} from what the scope shows without "
            f"current, and supply and drift explain {prefixed(allowed, 'A')}: zero again, and see that nothing else "
            "feeds the board"
        )
