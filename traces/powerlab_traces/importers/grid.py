"""From times as a file lists them to even samples, where they are even but for rounding."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.importers.imported import ForeignTrace, Role
from powerlab_traces.importers.source import refused

# Times that stay this close to an even grid (in samples) are even: what a file rounds off, and no lost sample.
EVEN = 0.5
LEAST_SAMPLES = 2  # that have an interval


def on_grid(path: Path, times: NDArray[np.float64], first_line: int) -> ForeignTrace:
    """A trace without values at these times (s): even if they lie on a grid, else with a time a sample.

    Raises
    ------
    ForeignFileError
        There are fewer than two, one is missing, or one is not after the one before.
    """
    if len(times) < LEAST_SAMPLES:
        raise refused(path, f"{len(times)} row of samples makes no trace; two or more are needed")
    if not np.isfinite(times).all():
        row = int(np.flatnonzero(~np.isfinite(times))[0])
        raise refused(path, f"row {row + 1} of the samples (about line {first_line + row}) has no time")
    steps = np.diff(times)
    if not (steps > 0).all():
        row = int(np.flatnonzero(steps <= 0)[0]) + 1
        # Times that were rounded to fewer digits than the interval has repeat, but as a whole they go on.
        if times[-1] <= times[0] or steps.min() < 0 or not _is_even(times):
            raise refused(
                path,
                f"row {row + 1} of the samples (about line {first_line + row}) is at {times[row]:.9g} s, "
                f"not after the row before at {times[row - 1]:.9g} s",
            )
    if _is_even(times):
        interval = float(times[-1] - times[0]) / (len(times) - 1)
        return ForeignTrace("", Role.OTHER, "", times, interval=interval, start=float(times[0]))
    return ForeignTrace("", Role.OTHER, "", times, times=times)


def _is_even(times: NDArray[np.float64]) -> bool:
    count = len(times)
    interval = (times[-1] - times[0]) / (count - 1)
    return bool(np.isfinite(interval) and interval > 0) and bool(
        (np.abs(times - (times[0] + np.arange(count) * interval)) <= EVEN * interval).all()
    )
