"""Where a network computes, and how to wait for it there."""

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Device:
    """A processor that runs networks. `synchronise` returns when all work given to it is done."""

    name: str
    place: torch.device
    synchronise: Callable[[], None]


def find_device() -> Device:
    """The first GPU that torch can use, else the CPU.

    On a GPU convolutions compute in full single precision: torch would let newer ones round to TF32, and what
    was measured would depend on the GPU's age.
    """
    if torch.cuda.is_available():
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        return Device(torch.cuda.get_device_name(), torch.device("cuda"), torch.cuda.synchronize)
    return Device("cpu", torch.device("cpu"), lambda: None)
