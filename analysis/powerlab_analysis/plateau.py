"""From which batch on a network keeps the device busy: where time per image no longer falls."""

from collections.abc import Mapping
from typing import Final

from powerlab_analysis.measured import Measured

TOLERANCE: Final = 0.10  # of the least time, by which time per image may still vary on the plateau


def full_utilisation(times: Mapping[int, Measured], tolerance: float = TOLERANCE) -> int | None:
    """The smallest batch from which on time per image (s, by batch) is within `tolerance` of its least; None if unseen.

    One batch alone is no plateau: nobody knows whether the next would have been faster. A time counts as too long only
    where it is so beyond the U95 of the difference, in which errors in common cancel.
    """
    batches = sorted(times)
    least = min(times.values(), key=lambda it: it.value, default=None)
    if least is None:
        return None
    reached = None
    for batch in reversed(batches):
        over = times[batch] - least * (1 + tolerance)
        if over.value > over.U95:
            break
        reached = batch
    return None if reached is None or reached == batches[-1] else reached
