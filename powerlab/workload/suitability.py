"""Which options make sense for what is to be run. None that does not is passed over in silence."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Final

from powerlab.networks import Kind, find
from powerlab.workload import DTYPES, Task, WorkloadError

_WEIGHTS: Final = "it brings its own weights"
_ONNXRUNTIME: Final = "onnxruntime decides that"
_PROGRAM: Final = "the program itself decides that"

# Fields of `Task` that each kind of model has no use for, and why.
REFUSED: Final[Mapping[Kind, Mapping[str, str]]] = MappingProxyType(
    {
        Kind.TORCHSCRIPT: {"weights": _WEIGHTS, "compile": "torch.compile passes TorchScript over"},
        Kind.EXPORTED: {"weights": _WEIGHTS, "channels_last": "its layout is fixed in it"},
        Kind.ONNX: {"weights": _WEIGHTS, "compile": _ONNXRUNTIME, "channels_last": _ONNXRUNTIME},
    }
)
_OF_A_COMMAND: Final = (
    *("weights", "threads", "device", "dtype", "input_shape", "channels_last", "compile", "autotune", "tf32", "copies"),
)
_FLAGS: Final = {"input_shape": "input"}
_DEFAULTS: Final = {it.name: it.default for it in fields(Task)}


def check_options(task: Task) -> None:
    """Raise `WorkloadError` in one line when an option makes no sense for the task's kind of model, or for a command.

    Nothing is imported or opened for it.
    """
    if task.command is not None:
        what, refused = "--command", dict.fromkeys(_OF_A_COMMAND, _PROGRAM)
    else:
        kind = find(task.model).kind
        what, refused = kind.value, dict(REFUSED.get(kind, {}))
        if kind is Kind.ONNX and task.device in {"auto", "cpu"}:
            refused |= dict.fromkeys(("autotune", "tf32"), "it is for --device cuda, and this runs on the processor")
    for name, why in refused.items():
        if getattr(task, name) != _DEFAULTS[name]:
            flag = _FLAGS.get(name, name).replace("_", "-")
            raise WorkloadError(f"--{flag} makes no sense here ({what}: {why}); leave it out")


def check_values(task: Task) -> None:
    """Raise `WorkloadError` in one line when a batch, a seed, a number of threads or a type is none."""
    if task.batch < 1:
        raise WorkloadError(f"batch {task.batch}: give 1 image or more")
    if not 0 <= task.seed < 1 << 63:
        raise WorkloadError(f"seed {task.seed}: give 0 to 2**63 - 1")
    if task.threads is not None and task.threads < 1:
        raise WorkloadError(f"threads {task.threads}: give 1 or more")
    if task.dtype is not None and task.dtype not in DTYPES:
        raise WorkloadError(f"dtype {task.dtype!r}: give {', '.join(DTYPES)}")
