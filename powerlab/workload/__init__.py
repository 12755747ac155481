"""What is measured: a network's forward passes, one timed window each.

A capture knows a `Workload` only. `powerlab.workload.process` runs a network in a process of its own, so that
polling and decoding do not disturb it; `powerlab.workload.synthetic` computes nothing and keeps to a clock,
for tests and dry runs. Nothing here loads torch.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Protocol, Self

from powerlab_traces.errors import PowerlabError
from powerlab_traces.log import Log
from powerlab_traces.outcome import Outcome

PROTOCOL: Final = "powerlab.workload/2"  # between a workload's process and its parent
GAP: Final = 0.005  # s of idle between windows: 250 samples of a 50 kSa/s record see the marker low

DTYPES: Final = ("fp32", "fp16", "bf16")


class WorkloadError(PowerlabError):
    """The workload cannot do what it was asked."""


class WorkloadEndedError(WorkloadError):
    """The workload's process is no more, or silent. What was recorded with it counts."""

    outcome: ClassVar[Outcome] = Outcome.WORKLOAD_ENDED


class LinkLostError(WorkloadEndedError):
    """The board can no longer be heard. What was recorded with it counts."""

    outcome: ClassVar[Outcome] = Outcome.LINK_LOST


class OutOfMemoryError(WorkloadError):
    """Network and batch do not fit the memory; the workload is still there for a smaller batch."""

    outcome: ClassVar[Outcome] = Outcome.OUT_OF_MEMORY


@dataclass(frozen=True, slots=True)
class Task:
    """What a workload makes ready: a network, its input, and how it computes; or a program that runs batches itself.

    `model` and `weights` are those of `powerlab.networks.find` and `build`; `seed` also draws the input. With a
    `command` (`powerlab.workload.command`) `model` is but a name, and of the rest only the batch counts.
    """

    model: str
    batch: int  # images in one window
    seed: int = 0
    weights: Path | None = None
    threads: int | None = None  # of the processor; None for the framework's choice
    device: str = "auto"  # auto, cpu, cuda, cuda:N or mps; auto takes the first GPU there is
    dtype: str | None = None  # one of DTYPES, of weights and input; None for fp32, or a file's own
    input_shape: tuple[int, ...] | None = None  # of one image; None for the network's own
    channels_last: bool = False
    compile: bool = False  # by torch.compile
    autotune: bool = False  # whether cuDNN tries its algorithms out
    tf32: bool = False  # whether a GPU may round single precision to TF32
    copies: bool = False  # whether a window holds the copies to and from the device, too
    command: str | None = None
    windows_by: str = "lines"  # that the command prints; or marker, which it raises itself

    def said(self) -> dict[str, Any]:
        """The task as JSON has it."""
        return asdict(self) | {"weights": None if self.weights is None else self.weights.as_posix()}

    @classmethod
    def heard(cls, said: Mapping[str, Any]) -> Self:
        """The task that was said so."""
        task = cls(**said)
        return replace(
            task,
            weights=None if task.weights is None else Path(task.weights),
            input_shape=None if task.input_shape is None else tuple(task.input_shape),
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a workload holds ready. `input_shape` is [batch, ...] of one window."""

    model: str
    batch: int
    parameters: int | None  # None where nobody can count them
    input_shape: tuple[int, ...]
    framework: str  # name and version
    device: str
    threads: int
    marker_seconds: float = 0.0  # s that driving the marker takes, the median
    details: Mapping[str, str] = field(default_factory=dict)  # what else whoever reads the run should know


class Timed(NamedTuple):
    """One window. `start` and `stop` are the stamps of its marker edges, in nanoseconds of the host's clock.

    The rest is in seconds, each with the device synchronised before and after; None where there is no such thing.
    """

    start: int
    stop: int
    forward: float | None = None  # s of the pass alone
    copy_in: float | None = None  # s to bring the input to the device
    copy_out: float | None = None  # s to bring the scores back
    device: float | None = None  # s of the pass by the device's own events
    doubt: str = ""  # why the stamps cannot be trusted, where they cannot

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return (self.stop - self.start) * 1e-9


class Workload(Protocol):
    """Something that runs timed windows and raises the marker during each."""

    def load(self, task: Task) -> Loaded:
        """Make a network and its input ready, in place of the one before."""
        ...

    def warm_up(self, count: int, settle: float = 0.0) -> tuple[float, ...]:
        """Run passes without marker; the seconds each took.

        At least `count`, and more until they have settled (`powerlab.workload.pace.settled`), but no longer than
        `settle` seconds in all.
        """
        ...

    def run(self, windows: int, seconds: float, gap: float = GAP) -> tuple[Timed, ...]:
        """Run up to `windows` windows, `gap` seconds of idle between them, as far as they fit in `seconds`.

        A window is not started when it is not expected to end in time; empty when not even one fits.
        """
        ...

    def noted(self) -> tuple[Log, ...]:
        """What was noted since this was asked last, for whoever stores what the windows are part of."""
        ...

    def close(self) -> None:
        """Leave the marker low and let go of everything; closing twice does nothing."""
        ...
