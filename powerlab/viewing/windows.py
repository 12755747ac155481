"""The windows of a capture in columns, as the page lists and shades them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNJUDGED, KEPT, DROPPED = "", "kept", "dropped"


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """All windows of a capture in the order of their starts, each column [windows].

    `start` and `stop` are on the page's axis of time (s), `energy` (J) and `power` (W) no numbers where not known,
    `fate` is `kept`, `dropped` for a `reason`, or nothing as long as nobody has judged.
    """

    index: NDArray[np.int64]
    record: NDArray[np.int64]
    start: NDArray[np.float64]
    stop: NDArray[np.float64]
    images: NDArray[np.int64]  # -1 where nobody said
    energy: NDArray[np.float64]
    power: NDArray[np.float64]
    label: NDArray[np.object_]
    fate: NDArray[np.object_]
    reason: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.index)

    def between(self, start: float, stop: float) -> slice:
        """Which of them lie, at least in part, from `start` to `stop`."""
        latest = np.maximum.accumulate(self.stop)  # windows of other programs may overlap
        return slice(int(np.searchsorted(latest, start, "right")), int(np.searchsorted(self.start, stop)))

    def place(self, index: int) -> int | None:
        """Where the window of this number is; None without it."""
        found = np.flatnonzero(self.index == index)
        return int(found[0]) if len(found) else None

    def near(self, time: float) -> int | None:
        """Which of them holds a time, or lies nearest to it; None without any."""
        if not len(self):
            return None
        return int(np.argmin(np.maximum(self.start - time, time - self.stop)))


def ordered(**columns: NDArray[np.generic]) -> Windows:
    """Windows in the order of their starts."""
    order = np.lexsort((columns["index"], columns["start"]))
    found: Windows = Windows(**{name: values[order] for name, values in columns.items()})  # type: ignore[arg-type]
    return found
