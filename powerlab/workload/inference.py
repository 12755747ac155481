"""A network with its input on a device, ready to be timed."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter
from typing import Any

import torch

from powerlab import networks
from powerlab.marker import Marker
from powerlab.workload import DTYPES, Loaded, OutOfMemoryError, Task, Timed, WorkloadError
from powerlab.workload.device import find_device

_TYPES = dict(zip(DTYPES, (torch.float32, torch.float16, torch.bfloat16), strict=True))


class Inference:
    """One network, one batch of random images drawn once, and the forward pass from the one through the other.

    Raises
    ------
    WorkloadError
        A batch or a number of threads below 1, a seed out of range, a type or a device that is not there.
    OutOfMemoryError
        Network and batch do not fit.
    NetworkError
        As `powerlab.networks.find` and `build`.
    """

    def __init__(self, task: Task) -> None:
        _check(task)
        if task.threads is not None:
            torch.set_num_threads(task.threads)
        network = networks.find(task.model)
        self._device = find_device(task)
        self._copies = task.copies
        self._what = f"{task.model}, batch {task.batch}, on {self._device.name}"
        layout = torch.channels_last if task.channels_last else torch.contiguous_format
        with self._memory_errors():
            module = networks.build(network, seed=task.seed, weights=task.weights)
            own: tuple[int, ...] = getattr(module, "input_shape", network.input_shape)
            shape = (task.batch, *(task.input_shape or own))
            if task.channels_last and len(shape) != 4:
                raise WorkloadError(f"--channels-last is for images, and the input here is {shape}")
            # Another stream than the weights', which began at `seed`.
            images = torch.randn(shape, generator=torch.Generator().manual_seed(task.seed + 1))
            parameters = sum(parameter.numel() for parameter in module.parameters())
            module = module.to(self._device.place, _TYPES[task.dtype])
            if task.channels_last:
                module = module.to(memory_format=layout)  # type: ignore[call-overload]  # which torch leaves out
            images = images.to(_TYPES[task.dtype], memory_format=layout)
            self._host = images.pin_memory() if self._device.place.type == "cuda" else images
            self._images = images.to(self._device.place)
            self._module: Any = torch.compile(module) if task.compile else module
        self.loaded = Loaded(
            model=task.model,
            batch=task.batch,
            parameters=parameters,
            input_shape=shape,
            framework=f"torch {torch.__version__}",
            device=self._device.name,
            threads=torch.get_num_threads(),
        )

    def running(self) -> AbstractContextManager[None]:
        """Nothing runs but windows."""
        return nullcontext()

    @torch.inference_mode()
    def window(self, marker: Marker) -> Timed:
        """One forward pass with the marker high.

        Between the waits for the device lies the pass, nothing else; the scores are freed later.
        """
        device, module, images = self._device, self._module, self._images
        synchronise, begin, end = device.synchronise, device.begin, device.end
        copy_out = None
        with self._memory_errors():
            copy_in = None if self._copies else self._copy_in()
            start = marker.high()
            try:
                if self._copies:
                    copy_in = self._copy_in()
                synchronise()
                began = perf_counter()
                begin()
                scores = module(images)
                end()
                synchronise()
                ended = perf_counter()
                if self._copies:
                    copy_out = self._copy_out(scores)
            finally:
                stop = marker.low()
            if not self._copies:
                copy_out = self._copy_out(scores)
        del scores
        return Timed(start, stop, ended - began, copy_in, copy_out, device.elapsed())

    def _copy_in(self) -> float | None:
        """Bring the images to the device; the seconds that took."""
        if not self._device.is_apart:
            return None
        self._device.synchronise()
        began = perf_counter()
        self._images.copy_(self._host, non_blocking=True)
        self._device.synchronise()
        return perf_counter() - began

    def _copy_out(self, scores: object) -> float | None:
        """Bring the scores back; the seconds that took."""
        if not self._device.is_apart:
            return None
        began = perf_counter()
        _to_host(scores)
        return perf_counter() - began

    @contextmanager
    def _memory_errors(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            first = str(error).partition("\n")[0]
            raise OutOfMemoryError(f"out of memory: {self._what} ({first}); take a smaller batch") from error


def _check(task: Task) -> None:
    if task.batch < 1:
        raise WorkloadError(f"batch {task.batch}: give 1 image or more")
    if not 0 <= task.seed < 1 << 63:
        raise WorkloadError(f"seed {task.seed}: give 0 to 2**63 - 1")
    if task.threads is not None and task.threads < 1:
        raise WorkloadError(f"threads {task.threads}: give 1 or more")
    if task.dtype not in _TYPES:
        raise WorkloadError(f"dtype {task.dtype!r}: give {', '.join(DTYPES)}")


def _to_host(scores: object) -> None:
    """Copy every tensor among a network's answers to the host."""
    if isinstance(scores, torch.Tensor):
        scores.cpu()
    elif isinstance(scores, Mapping):
        _to_host(list(scores.values()))
    elif isinstance(scores, list | tuple):
        for it in scores:
            _to_host(it)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether torch failed for want of memory; its CPU allocator says so in words only."""
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)
