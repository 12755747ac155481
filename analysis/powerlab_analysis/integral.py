"""The running integral of a trace, by which means over any spans of time cost no pass over the samples."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.trace import Trace


@dataclass(frozen=True, slots=True, eq=False)
class Integral:
    """Sums of samples up to each, and the samples themselves, on the record's clock.

    `sums` [n + 1] are of `values` [n], in the trace's codes or in any other unit that is linear in it: where a level
    changes does not depend on the unit. Between samples the integral is a straight line, for a sample stands for its
    whole interval.
    """

    sums: NDArray[np.number[Any]]
    values: NDArray[np.number[Any]]
    interval: float
    start: float

    @classmethod
    def of(cls, trace: Trace) -> Self:
        """That of a trace, in codes; exact."""
        return cls.over(trace.codes, trace.interval, trace.start)

    @classmethod
    def over(cls, values: NDArray[np.number[Any]], interval: float, start: float = 0.0) -> Self:
        """That of evenly spaced samples [n], `interval` and `start` in s."""
        kind = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float64
        sums = np.zeros(len(values) + 1, dtype=kind)
        np.cumsum(values, dtype=kind, out=sums[1:])
        return cls(sums, values, interval, start)

    @property
    def stop(self) -> float:
        """The end of the last sample's span in s."""
        return self.start + len(self.values) * self.interval

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The integral from the trace's start to `times` (s, any shape), in the values' unit times s.

        Times outside the trace count as its ends.
        """
        place = np.clip((times - self.start) / self.interval, 0.0, len(self.values))
        sample = np.minimum(place.astype(np.int64), len(self.values) - 1)
        result: NDArray[np.float64] = (self.sums[sample] + (place - sample) * self.values[sample]) * self.interval
        return result

    def means(self, bounds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Means between neighbouring bounds (s) along the last axis [..., m + 1] -> [..., m]."""
        found: NDArray[np.float64] = np.diff(self.at(bounds)) / np.diff(bounds)
        return found
