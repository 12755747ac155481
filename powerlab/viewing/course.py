"""A trace as it is drawn: bins of samples, about one for each pixel."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A trace in bins: each one's span (s on the page's axis), and the least, mean and largest value in it, all [bins].

    Every sample in the bins' spans is in one of them. Where one bin's `right` is not the next one's `left`, nothing was
    recorded in between. `size` is how many samples a bin holds at most, 1 where each is shown. `excess` is by how much
    the drawn means may be too high at most: a power's, where only the mean current of a bin is known.
    """

    left: Floats
    right: Floats
    low: Floats
    mean: Floats
    high: Floats
    size: int = 1
    excess: float = 0.0

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Several one after the other."""
        if not parts:
            nothing = np.empty(0)
            return cls(nothing, nothing, nothing, nothing, nothing)
        return cls(
            left=np.concatenate([it.left for it in parts]),
            right=np.concatenate([it.right for it in parts]),
            low=np.concatenate([it.low for it in parts]),
            mean=np.concatenate([it.mean for it in parts]),
            high=np.concatenate([it.high for it in parts]),
            size=max(it.size for it in parts),
            excess=max(it.excess for it in parts),
        )

    def extremes(self, start: float, stop: float) -> tuple[float, float] | None:
        """Least and largest value from `start` to `stop`; None where there is none."""
        inside = (self.right > start) & (self.left < stop) & np.isfinite(self.low) & np.isfinite(self.high)
        if not inside.any():
            return None
        return float(self.low[inside].min()), float(self.high[inside].max())

    def points(self) -> dict[str, Floats]:
        """Corners of its steps: `x`, `low`, `mean` and `high`, each [points].

        Over a gap the band has no height, and the mean is no number.
        """
        x = np.column_stack((self.left, self.right)).ravel()
        low, mean, high = (np.repeat(it, 2) for it in (self.low, self.mean, self.high))
        # Bins that follow each other may be apart by the rounding of seconds.
        apart = self.left[1:] - self.right[:-1] > 1e-6 * (self.right - self.left)[:-1]
        before = 2 * np.flatnonzero(apart) + 1
        edges = np.column_stack((before, before + 1)).ravel()
        at = np.repeat(before + 1, 2)
        return {
            "x": np.insert(x, at, x[edges]),
            "low": np.insert(low, at, mean[edges]),
            "mean": np.insert(mean, at, np.nan),
            "high": np.insert(high, at, mean[edges]),
        }


def bin_size(samples: int, bins: int) -> int:
    """How many samples go into a bin so that there are at most so many: a power of two, so that bins stay in place.

    >>> bin_size(1000, 1000), bin_size(1001, 1000), bin_size(100_000, 1000)
    (1, 2, 128)
    """
    return 1 << max(-(-samples // bins) - 1, 0).bit_length()


def shifted(course: Course, by: float) -> Course:
    """The same, so many seconds later."""
    return Course(course.left + by, course.right + by, course.low, course.mean, course.high, course.size, course.excess)
