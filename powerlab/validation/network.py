"""A network that gives scores to images."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from powerlab.networks import LIBRARIES, Kind, Network
from powerlab.networks.weights import build_with_weights, is_out_of_memory
from powerlab.validation import AccuracyError
from powerlab.workload import DTYPES, Task
from powerlab.workload.device import find_device, memory_errors
from powerlab.workload.suitability import check_options, check_values

_TYPES = dict(zip(DTYPES, (torch.float32, torch.float16, torch.bfloat16), strict=True))


class Scorer:
    """A network on its device. `known` is how many of its outputs its weights have; None for all.

    Raises
    ------
    AccuracyError
        Its weights would be random, or it is of a kind that cannot be scored.
    NetworkError, WorkloadError, OutOfMemoryError
        As `powerlab.workload.inference.Inference`.
    """

    def __init__(self, network: Network, task: Task) -> None:
        check_values(task)
        check_options(task)
        if network.kind is Kind.ONNX:
            raise AccuracyError(f"model {network.name}: the accuracy of ONNX files is not told; give the torch model")
        if task.weights is None and network.kind in {Kind.TABLE, *LIBRARIES.values()}:
            raise AccuracyError(f"model {network.name} would have random weights: give its own with --weights")
        if task.threads is not None:
            torch.set_num_threads(task.threads)
        self._device = find_device(task)
        self._what = f"{network.name}, batch {task.batch}, on {self._device.name}"
        with memory_errors(self._what):
            built = build_with_weights(network, task.seed, task.weights)
            built.terms.check_batch(network.name, task.batch)
            self.shape = built.terms.image(network.name, task.input_shape)
            self.dtype = built.terms.computes_in(network.name, task.dtype)
            if self.dtype not in _TYPES:
                raise AccuracyError(f"model {network.name} takes {self.dtype}, and images here are {', '.join(_TYPES)}")
            self._fewest = built.terms.fewest
            self._module: Any = built.on(self._device.place, _TYPES[self.dtype])
        classes = getattr(built.module, "classes", None)
        self.known: int | None = classes if isinstance(classes, int) else None  # others keep their names there
        self.device = self._device.name
        self.threads = torch.get_num_threads()
        self.framework = f"torch {torch.__version__}"

    @torch.inference_mode()
    def scores(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores of images [n, 3, height, width], [n, outputs]: the network's first answer, if it has several.

        Raises
        ------
        AccuracyError
            It cannot run on such images, or answers something else.
        OutOfMemoryError
            They do not fit.
        """
        count = len(images)
        if count < self._fewest:  # where the batch is fixed in the model, the last one is filled up
            images = np.concatenate((images, np.zeros((self._fewest - count, *images.shape[1:]), np.float32)))
        with memory_errors(self._what):
            try:
                answer = self._module(torch.from_numpy(images).to(self._device.place, _TYPES[self.dtype]))
            except Exception as error:
                if isinstance(error, MemoryError) or is_out_of_memory(error):
                    raise
                first = str(error).strip().partition("\n")[0]
                shape = "x".join(map(str, images.shape[1:]))
                raise AccuracyError(
                    f"{self._what}: it cannot run on images of {shape} ({type(error).__name__}: {first}); "
                    "look at --input"
                ) from error
            while isinstance(answer, tuple | list) and answer:
                answer = answer[0]
            if not isinstance(answer, torch.Tensor) or answer.ndim != 2 or len(answer) != len(images):
                shown = f"of shape {tuple(answer.shape)}" if isinstance(answer, torch.Tensor) else type(answer).__name__
                raise AccuracyError(f"{self._what}: it answers {shown}, where [{len(images)}, classes] is needed")
            scores: NDArray[np.float32] = answer[:count].float().cpu().numpy()
            return scores
