"""Spans of time: a window on the record's clock, and the same as the host timed it."""

from dataclasses import dataclass

from powerlab_traces.errors import TraceError


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, `start` included and `stop` not, in seconds on the record's clock.

    `index` numbers the windows of a run in the order they were timed, from 0; `images` is how many images the
    batch in this window held.

    >>> Window(0.1, 0.4, index=3, images=2).duration
    0.30000000000000004
    """

    start: float
    stop: float
    index: int = 0
    images: int = 1
    label: str = ""

    def __post_init__(self) -> None:
        if not self.start < self.stop:
            raise TraceError(f"window {self.index} stops at {self.stop:g} s, which is not after {self.start:g} s")

    @property
    def duration(self) -> float:
        """Length of the window in seconds."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class HostWindow:
    """One timed batch as the host saw it: nanoseconds on the host's monotonic clock.

    This is what the workload declares. Where the window lies on the record's clock is for the alignment to
    find, from the marker. `record` is the index of the record that was armed at the time.
    """

    start: int
    stop: int
    index: int
    record: int
    images: int
    label: str = ""

    def __post_init__(self) -> None:
        if not self.start < self.stop:
            raise TraceError(f"window {self.index} stops before it starts on the host's clock")
        if self.images < 1:
            raise TraceError(f"window {self.index} holds {self.images} images; give 1 or more")

    @property
    def duration(self) -> float:
        """Length of the window in seconds of the host's clock."""
        return (self.stop - self.start) * 1e-9


@dataclass(frozen=True, slots=True)
class DroppedWindow:
    """A window that takes no part in the result, and why."""

    index: int
    reason: str
