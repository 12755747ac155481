"""Where a network computes, how to wait for it there, how its own clock times it, and when its memory is too small."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from powerlab.networks.weights import is_out_of_memory
from powerlab.workload import OutOfMemoryError, Task, WorkloadError


@dataclass(frozen=True, slots=True)
class Device:
    """A processor that runs networks. `synchronise` returns when all work given to it is done.

    `begin` and `end` mark a stretch of its work, `elapsed` are the seconds between the two by its own clock, once it
    is synchronised; None where it has none.
    """

    name: str
    place: torch.device
    synchronise: Callable[[], None]
    begin: Callable[[], None]
    end: Callable[[], None]
    elapsed: Callable[[], float | None]

    @property
    def is_apart(self) -> bool:
        """Whether it has a memory of its own, so that input and scores are copied."""
        return self.place.type != "cpu"


def find_device(task: Task) -> Device:
    """The device that the task names, set up as it says.

    Unless it says otherwise, convolutions and products of matrices compute in full single precision: torch would let
    newer GPUs round to TF32, and what was measured would depend on the GPU's age.

    Raises
    ------
    WorkloadError
        There is no such device on this machine, or it cannot compute as the task says.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = task.tf32
    torch.backends.cudnn.benchmark = task.autotune
    kind, _, number = task.device.partition(":")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if kind != "cuda" and (asked := [f"--{it}" for it in ("tf32", "autotune") if getattr(task, it)]):
        raise WorkloadError(f"{' and '.join(asked)}: only for NVIDIA GPUs, and the network would run on {kind} here")
    match kind:
        case "cpu" if not number:
            return Device("cpu", torch.device("cpu"), _nothing, _nothing, _nothing, _nothing)
        case "cuda" if not number or number.isdecimal():
            return _cuda(int(number or 0))
        case "mps" if not number:
            if not torch.backends.mps.is_available():
                raise WorkloadError("there is no Apple GPU that torch can use here; give another --device")
            return Device("mps", torch.device("mps"), torch.mps.synchronize, _nothing, _nothing, _nothing)
    raise WorkloadError(f"device {task.device!r}: give auto, cpu, cuda, cuda:1 and so on, or mps")


@contextmanager
def memory_errors(what: str) -> Iterator[None]:
    """Turn an error for want of memory in the body into `OutOfMemoryError`, which names what did not fit."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        first = str(error).partition("\n")[0]
        raise OutOfMemoryError(f"out of memory: {what} ({first}); take a smaller batch") from error


def _nothing() -> None:
    """Nothing to do, or nothing known."""


def _cuda(number: int) -> Device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= count:
        there = f"there are {count}, cuda:0 to cuda:{count - 1}" if count else "there is none that torch can use"
        raise WorkloadError(f"there is no GPU cuda:{number} here, {there}; give another --device")
    place = torch.device("cuda", number)
    torch.cuda.set_device(place)
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    return Device(
        torch.cuda.get_device_name(place),
        place,
        torch.cuda.synchronize,
        first.record,
        last.record,
        lambda: first.elapsed_time(last) * 1e-3,
    )
