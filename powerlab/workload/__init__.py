"""What is measured: a network's forward passes, one timed window each.

A capture knows a `Workload` only. `powerlab.workload.process` runs a network in a process of its own, so that
polling and decoding do not disturb it; `powerlab.workload.synthetic` computes nothing and keeps to a clock,
for tests and dry runs. Nothing here loads torch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from powerlab_traces.errors import PowerlabError

PROTOCOL: Final = "powerlab.workload/1"  # between a workload's process and its parent
GAP: Final = 0.005  # s of idle between windows: 250 samples of a 50 kSa/s record see the marker low


class WorkloadError(PowerlabError):
    """The workload cannot do what it was asked, or its process has ended."""


class OutOfMemoryError(WorkloadError):
    """Network and batch do not fit the memory; the workload is still there for a smaller batch."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a workload holds ready. `input_shape` is [batch, ...] of one window."""

    model: str
    batch: int
    parameters: int
    input_shape: tuple[int, ...]
    framework: str  # name and version
    device: str
    threads: int


class Workload(Protocol):
    """Something that runs timed windows and raises the marker during each."""

    def load(
        self,
        model: str,
        batch: int,
        *,
        seed: int = 0,
        weights: Path | None = None,
        threads: int | None = None,
    ) -> Loaded:
        """Make a network and its input ready, in place of the one before.

        `model` and `weights` are those of `powerlab.networks.find` and `build`; `seed` also draws the input.
        `threads` is how many the processor computes with, None for the framework's choice.
        """
        ...

    def warm_up(self, count: int) -> tuple[float, ...]:
        """Run passes without marker; the seconds each took [count]."""
        ...

    def run(self, windows: int, seconds: float, gap: float = GAP) -> tuple[tuple[int, int], ...]:
        """Run up to `windows` windows, `gap` seconds of idle between them, as far as they fit in `seconds`.

        Start and stop of each, in nanoseconds of the host's clock. A window is not started when it is not
        expected to end in time; empty when not even one fits.
        """
        ...

    def close(self) -> None:
        """Leave the marker low and let go of everything; closing twice does nothing."""
        ...
