"""The host's clock, behind a protocol so that tests and studies can run in virtual time."""

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock that can also wait."""

    def now(self) -> int:
        """Nanoseconds since an arbitrary start; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return when at least `seconds` have passed on this clock."""
        ...


class HostClock:
    """The machine's monotonic clock.

    `time.perf_counter_ns` is one clock for all processes of a machine, so that times taken by the
    workload's process compare with times taken by the capture.
    """

    def now(self) -> int:
        """Nanoseconds of the machine's monotonic clock."""
        return time.perf_counter_ns()

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`; zero or less returns at once."""
        if seconds > 0:
            time.sleep(seconds)
