"""Whether something is nothing, within a margin that is stated: a test of equivalence.

That a trend cannot be seen says that there is none only if it would have been seen.
"""

from enum import StrEnum

from powerlab_analysis.measured import Measured


class Within(StrEnum):
    """Where a value's interval lies against a margin around 0."""

    INSIDE = "inside"  # all of it: equivalent
    OUTSIDE = "outside"  # all of it: not equivalent
    UNDECIDED = "undecided"


def within(value: Measured, margin: float) -> Within:
    """Hold value +- U95 against +-`margin`, both in the value's unit.

    Two one-sided tests at 2.5 % each (D. J. Schuirmann, 1987): stricter than the usual 5 %, so that one interval serves
    for everything that is said of the value.
    """
    return interval_within(value.value - value.U95, value.value + value.U95, margin)


def interval_within(low: float, high: float, margin: float) -> Within:
    """Hold an interval of 95 % against +-`margin`."""
    if -margin <= low and high <= margin:
        return Within.INSIDE
    if low > margin or high < -margin:
        return Within.OUTSIDE
    return Within.UNDECIDED
