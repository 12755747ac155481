"""ONNX files: what they take, how many parameters they hold, and of which operators they consist."""

from collections import Counter
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, Final

from powerlab.networks import NetworkError
from powerlab.networks.terms import Terms, file_details
from powerlab_traces.extras import Missing, library

EXTRA: Final = "onnx"
DTYPES: Final = {
    "tensor(float)": "fp32",
    "tensor(float16)": "fp16",
    "tensor(bfloat16)": "bf16",
    "tensor(uint8)": "uint8",
}
_CUDA: Final = "CUDAExecutionProvider"
_CPU: Final = "CPUExecutionProvider"


def open_session(
    path: Path, *, threads: int | None = None, cuda: int | None = None, autotune: bool = False, tf32: bool = False
) -> Any:
    """A session of onnxruntime for the file: on the processor, or on the GPU with number `cuda`.

    Raises
    ------
    Missing
        onnxruntime is not installed.
    NetworkError
        The file cannot be read, or onnxruntime here cannot use that GPU.
    """
    runtime = library("onnxruntime", EXTRA)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.force_spinning_stop", "1")
    providers: list[Any] = [_CPU]
    if cuda is not None:
        if _CUDA not in runtime.get_available_providers():
            raise NetworkError(
                f"model {path}: onnxruntime {runtime.__version__} here has no CUDA; install onnxruntime-gpu in its "
                "place, or give --device cpu"
            )
        search = "EXHAUSTIVE" if autotune else "HEURISTIC"
        setup = {"device_id": str(cuda), "cudnn_conv_algo_search": search, "use_tf32": str(int(tf32))}
        providers.insert(0, (_CUDA, setup))
    _check_readable(path)
    try:
        session = runtime.InferenceSession(str(path), options, providers)
    except MemoryError:
        raise
    except Exception as error:  # its own errors have no base but this
        first = str(error).strip().partition("\n")[0][:200]
        raise NetworkError(f"model {path}: onnxruntime {runtime.__version__} cannot load it ({first})") from error
    if cuda is not None and session.get_providers()[0] != _CUDA:  # it falls back on the processor, and goes on
        raise NetworkError(f"model {path}: onnxruntime found no GPU cuda:{cuda} that it can use; give another --device")
    return session


def onnx_terms(path: Path, session: Any) -> Terms:
    """What the file takes.

    Raises
    ------
    NetworkError
        Anything but one tensor with a batch of images.
    """
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(it.name for it in inputs)
        raise NetworkError(f"model {path} takes {len(inputs)} inputs ({names}), not one tensor: {_OWN}")
    only = inputs[0]
    if only.type not in DTYPES or not only.shape:
        raise NetworkError(f"model {path} takes {only.name}, a {only.type} of {only.shape}, no batch of images: {_OWN}")
    batch, *image = (size if isinstance(size, int) else None for size in only.shape)
    outputs = ", ".join(it.name for it in session.get_outputs())
    return Terms(
        input_shape=tuple(image),
        fewest=batch or 1,
        most=batch,
        dtype=DTYPES[only.type],
        exact=True,
        details={"names": f"{only.name} to {outputs}", **file_details(path)},
    )


def onnx_parameters(path: Path) -> int | None:
    """How many numbers the file's initialisers hold, without those of integers that say shapes and places.

    None where the package onnx, which reads them, is not installed.
    """
    try:
        onnx = library("onnx", EXTRA)
    except Missing:
        return None
    kinds = onnx.TensorProto
    aside = {kinds.INT64, kinds.BOOL, kinds.STRING}
    held = (it for graph in _graphs(_read(path)) for it in graph.initializer if it.data_type not in aside)
    return sum(prod(map(int, it.dims)) for it in held)


def onnx_operators(path: Path) -> dict[str, int]:
    """How often the file uses each operator, in the order they first come.

    Raises
    ------
    Missing
        The package onnx is not installed.
    NetworkError
        It is no ONNX file.
    """
    names = (
        f"{node.domain}.{node.op_type}" if node.domain else str(node.op_type)
        for graph in _graphs(_read(path))
        for node in graph.node
    )
    return dict(Counter(names))


_OWN: Final = "run it by a program of your own, --command"


def _read(path: Path) -> Any:
    """The model in the file, without numbers that lie in files beside it."""
    onnx = library("onnx", EXTRA)
    _check_readable(path)
    try:
        return onnx.load(path, load_external_data=False).graph
    except Exception as error:  # protobuf's errors differ between its versions
        raise NetworkError(f"model {path} is no ONNX file ({str(error).partition(chr(10))[0][:160]})") from error


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph, and those within it, which branches and loops have."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise NetworkError(f"model {path} cannot be read: {error.strerror}; is the path right?") from error
