"""An ONNX file as the workload, run by onnxruntime; loads no torch."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from powerlab.marker import Marker
from powerlab.networks import Kind
from powerlab.networks.onnxfile import EXTRA, onnx_parameters, onnx_terms, open_session
from powerlab.networks.terms import shown
from powerlab.workload import Loaded, OutOfMemoryError, Task, Timed, WorkloadError
from powerlab.workload.suitability import check_options, check_values
from powerlab_traces.extras import library

_TYPES: Final = {"fp32": np.float32, "fp16": np.float16, "uint8": np.uint8}
# What onnxruntime's allocators and C++'s were seen to say.
_NO_MEMORY: Final = ("Failed to allocate memory", "std::bad_alloc", "out of memory", "Unable to allocate")


class OnnxInference:
    """One ONNX file, one batch of random images drawn once, and the pass from the one through the other.

    onnxruntime's threads stop with each pass: by its own default they would spin for a while after it, and the board
    would not be idle between windows.

    Raises
    ------
    WorkloadError
        A batch or a number of threads below 1, a seed out of range, an option that makes no sense for a file, a device
        that is not there.
    OutOfMemoryError
        Network and batch do not fit.
    NetworkError
        The file cannot be read, or takes anything but one tensor with a batch of images.
    Missing
        onnxruntime is not installed.
    """

    def __init__(self, task: Task) -> None:
        check_values(task)
        check_options(task)
        path, (self._device, number) = Path(task.model), _device(task.device)
        runtime = library("onnxruntime", EXTRA)
        self._copies = task.copies
        self.name = self._device if self._device == "cpu" else f"{self._device}:{number}"
        self._what = f"{task.model}, batch {task.batch}, on {self.name}"
        with self._memory_errors():
            self._session = open_session(
                path,
                threads=task.threads,
                cuda=number if self._device == "cuda" else None,
                autotune=task.autotune,
                tf32=task.tf32,
            )
            terms = onnx_terms(path, self._session)
            terms.check_batch(task.model, task.batch)
            dtype = terms.computes_in(task.model, task.dtype)
            shape = (task.batch, *terms.image(task.model, task.input_shape))
            self._host = _images(shape, dtype, task.seed + 1)
            self._binding: Any = self._session.io_binding()
            self._images = runtime.OrtValue.ortvalue_from_numpy(self._host, self._device, number)
            self._binding.bind_ortvalue_input(self._session.get_inputs()[0].name, self._images)
            for output in self._session.get_outputs():
                self._binding.bind_output(output.name, self._device, number)
        self.loaded = Loaded(
            model=task.model,
            batch=task.batch,
            parameters=onnx_parameters(path),
            input_shape=shape,
            framework=f"onnxruntime {runtime.__version__}",
            device=self.name,
            threads=task.threads or 0,
            details={
                "kind": Kind.ONNX.value,
                "dtype": dtype,
                **({} if task.threads else {"threads": "onnxruntime's choice"}),
                "providers": ", ".join(self._session.get_providers()),
                "spinning": "threads stop with each pass",
                **terms.details,
            },
        )

    def running(self) -> AbstractContextManager[None]:
        """Nothing runs but windows."""
        return nullcontext()

    def window(self, marker: Marker) -> Timed:
        """One pass with the marker high. onnxruntime returns when the device is done."""
        run, binding = self._session.run_with_iobinding, self._binding
        copy_out = None
        with self._memory_errors():
            copy_in = None if self._copies else self._copy_in()
            start = marker.high()
            try:
                if self._copies:
                    copy_in = self._copy_in()
                began = perf_counter()
                run(binding)
                ended = perf_counter()
                if self._copies:
                    copy_out = self._copy_out()
            finally:
                stop = marker.low()
            if not self._copies:
                copy_out = self._copy_out()
        return Timed(start, stop, ended - began, copy_in, copy_out)

    def memory_peak(self) -> int | None:
        """Not known: onnxruntime does not say."""
        return None

    def _copy_in(self) -> float | None:
        """Bring the images to the device; the seconds that took."""
        if self._device == "cpu":
            return None
        began = perf_counter()
        self._images.update_inplace(self._host)
        return perf_counter() - began

    def _copy_out(self) -> float | None:
        """Bring the scores back; the seconds that took."""
        if self._device == "cpu":
            return None
        began = perf_counter()
        self._binding.copy_outputs_to_cpu()
        return perf_counter() - began

    @contextmanager
    def _memory_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not isinstance(error, MemoryError) and not any(it in str(error) for it in _NO_MEMORY):
                raise
            first = str(error).partition("\n")[0][:160]
            raise OutOfMemoryError(f"out of memory: {self._what} ({first}); take a smaller batch") from error


def _device(asked: str) -> tuple[str, int]:
    """The name and number of a device as onnxruntime has them: the processor, unless told otherwise."""
    kind, _, number = asked.partition(":")
    if asked in {"auto", "cpu"}:
        return "cpu", 0
    if kind == "cuda" and (not number or number.isdecimal()):
        return "cuda", int(number or 0)
    raise WorkloadError(f"device {asked!r}: an ONNX file runs on cpu, or cuda, cuda:1 and so on")


def _images(shape: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    """Images to compute on: noise of mean 0 and spread 1, or bytes."""
    if dtype not in _TYPES:
        raise WorkloadError(f"the model takes {dtype} images of {shown(shape[1:])}, which numpy cannot make")
    random = np.random.default_rng(seed)
    if dtype == "uint8":
        return random.integers(0, 256, shape, np.uint8)
    return random.standard_normal(shape, np.float32).astype(_TYPES[dtype], copy=False)
