"""Models in files of torch's own formats: TorchScript, and programs of `torch.export`.

Neither file brings Python code that is run here. A TorchScript file holds a program in a language of its own, which
torch's interpreter runs; its data are read by torch's reader of the format, which makes tensors and plain values only.
A program of `torch.export` is a list of operators. Its format may carry pickled objects and compiled libraries besides,
which torch would load without asking: tensors among them are read by torch's restricted reader, and a file with
anything else is refused.
"""

import logging
import os
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.export import ExportedProgram

from powerlab.networks import NetworkError
from powerlab.networks.terms import Terms, file_details

TYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "uint8": torch.uint8}
DTYPES: Final = {dtype: name for name, dtype in TYPES.items()}
# What in an exported file would run code when it is loaded: pickled objects, compiled libraries.
_RUNS_CODE: Final = ("/data/constants/opaque_obj_", "/data/aotinductor/")
# What torch was seen to raise at damaged files.
_UNREADABLE: Final = (
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    EOFError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def load_torchscript(path: Path) -> tuple[nn.Module, Terms]:
    """The module in a file by `torch.jit.save`, and what is known of what it takes.

    Raises
    ------
    NetworkError
        The file cannot be read, or holds no TorchScript.
    """
    names = _names(path)
    if not any("/code/" in name for name in names):
        raise NetworkError(
            f"model {path} holds no TorchScript, as torch.jit.save writes it; a state dict goes to --weights, beside "
            "the --model that it fits"
        )
    with _quiet():
        try:
            module: nn.Module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
        except _UNREADABLE as error:
            raise _unreadable(path, error) from error
    shape = getattr(module, "input_shape", None)
    floats = (it.dtype for it in module.parameters() if it.is_floating_point())
    return module, Terms(
        input_shape=None if shape is None else tuple(shape),
        dtype=DTYPES.get(next(floats, torch.float32), "fp32"),
        details=file_details(path),
    )


def load_exported(path: Path) -> tuple[ExportedProgram, Terms]:
    """The program in a file by `torch.export.save`, and what it takes.

    Raises
    ------
    NetworkError
        The file cannot be read, is no such program, holds what would run code, or takes anything but one tensor with
        a batch of images.
    """
    names = _names(path)
    if (code := next((name for name in names if any(part in f"/{name}" for part in _RUNS_CODE)), None)) is not None:
        raise NetworkError(f"model {path} holds {code}, which would run code when it is loaded; export it without")
    with _quiet(), _restricted():
        try:
            program: ExportedProgram = torch.export.load(path)
        except _UNREADABLE as error:
            raise _unreadable(path, error) from error
    return program, _terms(path, program)


def on_device(program: ExportedProgram, place: torch.device) -> nn.Module:
    """The program as a module on a device, which operators that make tensors have to know, too."""
    if place.type == "cpu":
        return program.module()
    from torch.export.passes import move_to_device_pass  # noqa: PLC0415 - torch 2.4 has none

    return move_to_device_pass(program, place).module()


def _terms(path: Path, program: ExportedProgram) -> Terms:
    inputs = program.graph_signature.user_inputs
    values = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in inputs]
    if len(inputs) != 1 or not isinstance(values[0], torch.Tensor) or values[0].dim() < 1:
        raise NetworkError(f"model {path} takes {len(inputs)} inputs, not one tensor with a batch of images: {_OWN}")
    images = values[0]
    if images.dtype not in DTYPES:
        raise NetworkError(f"model {path} takes {str(images.dtype).removeprefix('torch.')} numbers, no images: {_OWN}")
    fewest, most = _range(program, images.shape[0])
    return Terms(
        input_shape=tuple(size if isinstance(size, int) else None for size in images.shape[1:]),
        fewest=fewest,
        most=most,
        dtype=DTYPES[images.dtype],
        exact=True,
        details=file_details(path),
    )


_OWN: Final = "wrap it in a function of your own, --model package.module:factory"


def _range(program: ExportedProgram, size: Any) -> tuple[int, int | None]:
    """The smallest and the largest size that a dimension may have, None for any.

    A range that begins at 2 is no limit: torch notes it so where it took two or more to tell a batch from one image,
    and its own guard lets one image pass.
    """
    if isinstance(size, int):
        return size, size
    limits = program.range_constraints.get(size.node.expr)
    if limits is None:
        return 1, None
    lower, upper = limits.lower, limits.upper
    fewest = int(lower) if lower > 2 else 1
    return fewest, int(upper) if upper.is_finite and upper < 1 << 62 else None


def _names(path: Path) -> list[str]:
    """What is in the archive that both formats are."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except OSError as error:
        raise NetworkError(f"model {path} cannot be read: {error.strerror}; is the path right?") from error
    except zipfile.BadZipFile as error:
        raise NetworkError(f"model {path} is no archive as torch writes it ({error})") from error


@contextmanager
def _restricted() -> Iterator[None]:
    """Have torch read pickled tensors with its restricted reader, also where it would not by itself."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's advice on formats, and without its log of an error that is raised, too."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _unreadable(path: Path, error: Exception) -> NetworkError:
    first = str(error).strip().partition("\n")[0][:160]
    return NetworkError(f"model {path} cannot be read by torch {torch.__version__}: {first or type(error).__name__}")
