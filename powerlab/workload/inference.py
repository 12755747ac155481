"""A network with its input on a device, ready to be timed."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import Any

import torch

from powerlab import networks
from powerlab.marker import Marker
from powerlab.networks.files import TYPES
from powerlab.networks.weights import build_with_weights
from powerlab.workload import Loaded, Task, Timed, WorkloadError
from powerlab.workload.device import find_device, memory_errors
from powerlab.workload.suitability import check_options, check_values


class Inference:
    """One network, one batch of random images drawn once, and the forward pass from the one through the other.

    Raises
    ------
    WorkloadError
        A batch or a number of threads below 1, a seed out of range, a type or a device that is not there, an option
        that makes no sense for this kind of model.
    OutOfMemoryError
        Network and batch do not fit.
    NetworkError
        As `powerlab.networks.find` and `build`; or the model takes no such input.
    """

    def __init__(self, task: Task) -> None:
        check_values(task)
        check_options(task)
        if task.threads is not None:
            torch.set_num_threads(task.threads)
        network = networks.find(task.model)
        self._device = find_device(task)
        if self._device.place.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device.place)
        self._copies = task.copies
        self._what = f"{task.model}, batch {task.batch}, on {self._device.name}"
        layout = torch.channels_last if task.channels_last else torch.contiguous_format
        with memory_errors(self._what):
            built = build_with_weights(network, task.seed, task.weights)
            built.terms.check_batch(task.model, task.batch)
            dtype = built.terms.computes_in(task.model, task.dtype)
            shape = (task.batch, *built.terms.image(task.model, task.input_shape))
            if task.channels_last and len(shape) != 4:
                raise WorkloadError(f"--channels-last is for images, and the input here is {shape}")
            images = _images(shape, dtype, task.seed + 1)  # another stream than the weights', which began at `seed`
            parameters = built.parameters
            module = built.on(self._device.place, TYPES[dtype])
            if task.channels_last:
                module = module.to(memory_format=layout)  # type: ignore[call-overload]  # which torch leaves out
            images = images.to(memory_format=layout)
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
            details={"kind": network.kind.value, "dtype": dtype, **built.terms.details},
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
        with memory_errors(self._what):
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

    def memory_peak(self) -> int | None:
        """The most bytes that tensors on a GPU have taken since loading; None where torch does not count them."""
        place = self._device.place
        return torch.cuda.max_memory_allocated(place) if place.type == "cuda" else None

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


def _images(shape: tuple[int, ...], dtype: str, seed: int) -> torch.Tensor:
    """Images to compute on: noise of mean 0 and spread 1, or bytes."""
    generator = torch.Generator().manual_seed(seed)
    if dtype == "uint8":
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return torch.randn(shape, generator=generator).to(TYPES[dtype])


def _to_host(scores: object) -> None:
    """Copy every tensor among a network's answers to the host."""
    if isinstance(scores, torch.Tensor):
        scores.cpu()
    elif isinstance(scores, Mapping):
        _to_host(list(scores.values()))
    elif isinstance(scores, list | tuple):
        for it in scores:
            _to_host(it)
