"""What errors in common do to an estimate made of several values.

Values of a study share instruments, and so errors. Such an error moves all of them together: it is no scatter between
networks, no fit's residuals show it, and no number of networks makes it smaller. So an estimate's scatter is found from
the values as they are, and the errors in common are carried through the estimate itself, one at a time.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.measured import Kind, Measured, Source

Estimate = Callable[[NDArray[np.float64]], float]
SCATTER: Final = "scatter between networks"


def numbers(values: Sequence[Measured]) -> NDArray[np.float64]:
    """The values without their uncertainties."""
    return np.array([it.value for it in values], dtype=np.float64)


def in_common(values: Sequence[Measured]) -> tuple[Source, ...]:
    """The systematic sources that more than one of the values has."""
    counts: dict[Source, int] = {}
    for value in values:
        for source, part in value.parts.items():
            if part and source.kind is Kind.SYSTEMATIC:
                counts[source] = counts.get(source, 0) + 1
    return tuple(source for source, count in counts.items() if count > 1)


def alone(values: Sequence[Measured]) -> tuple[Measured, ...]:
    """The values with nothing but the uncertainty that each has for itself."""
    shared = set(in_common(values))
    return tuple(
        Measured(it.value, {source: part for source, part in it.parts.items() if source not in shared}) for it in values
    )


def carried(estimate: Estimate, values: Sequence[Measured]) -> dict[Source, float]:
    """By source in common, what one standard uncertainty of it adds to the estimate, to first order."""
    centre = numbers(values)
    found = {}
    for source in in_common(values):
        parts = np.array([it.parts.get(source, 0.0) for it in values])
        found[source] = (estimate(centre + parts) - estimate(centre - parts)) / 2
    return found
