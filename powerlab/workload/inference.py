"""A network with its input on a device, ready to be timed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from powerlab import networks
from powerlab.marker import Marker
from powerlab.workload import Loaded, OutOfMemoryError, WorkloadError
from powerlab.workload.device import find_device


class Inference:
    """One network, one batch of random images drawn once, and the forward pass from the one through the other.

    Raises
    ------
    WorkloadError
        A batch or a number of threads below 1, a seed out of range.
    OutOfMemoryError
        Network and batch do not fit.
    NetworkError
        As `powerlab.networks.find` and `build`.
    """

    def __init__(self, model: str, batch: int, *, seed: int, weights: Path | None, threads: int | None) -> None:
        if batch < 1:
            raise WorkloadError(f"batch {batch}: give 1 image or more")
        if not 0 <= seed < 1 << 63:
            raise WorkloadError(f"seed {seed}: give 0 to 2**63 - 1")
        if threads is not None:
            if threads < 1:
                raise WorkloadError(f"threads {threads}: give 1 or more")
            torch.set_num_threads(threads)
        network = networks.find(model)
        self._device = find_device()
        self._what = f"{model}, batch {batch}, on {self._device.name}"
        with self._memory_errors():
            module = networks.build(network, seed=seed, weights=weights)
            shape = (batch, *getattr(module, "input_shape", network.input_shape))
            # Another stream than the weights', which began at `seed`.
            images = torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1))
            self._module = module.to(self._device.place)
            self._images = images.to(self._device.place)
        self.loaded = Loaded(
            model=model,
            batch=batch,
            parameters=sum(parameter.numel() for parameter in module.parameters()),
            input_shape=shape,
            framework=f"torch {torch.__version__}",
            device=self._device.name,
            threads=torch.get_num_threads(),
        )

    @torch.inference_mode()
    def window(self, marker: Marker) -> tuple[int, int]:
        """One forward pass with the marker high: the stamps of its edges, in nanoseconds.

        Between the edges lie the pass and the waits for the device, nothing else; the scores are freed later.
        """
        synchronise, module, images = self._device.synchronise, self._module, self._images
        with self._memory_errors():
            start = marker.high()
            try:
                synchronise()
                scores = module(images)
                synchronise()
            finally:
                stop = marker.low()
        del scores
        return start, stop

    @contextmanager
    def _memory_errors(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            first = str(error).partition("\n")[0]
            raise OutOfMemoryError(f"out of memory: {self._what} ({first}); take a smaller batch") from error


def _is_out_of_memory(error: Exception) -> bool:
    """Whether torch failed for want of memory; its CPU allocator says so in words only."""
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)
