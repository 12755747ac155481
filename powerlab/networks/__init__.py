"""The networks a workload can run: one table, one file a family.

Reading the table loads no torch; `build` does. A new network is one entry here and a factory in its family's
file. A model may also be given as `package.module:factory`, a user's own function that takes nothing and
returns a `torch.nn.Module`.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from powerlab_traces.errors import PowerlabError

if TYPE_CHECKING:
    from torch import nn

INPUT_SHAPE: Final = (3, 224, 224)  # of an ImageNet image: channels, height, width


class NetworkError(PowerlabError):
    """A network that does not exist, or weights that do not fit it."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network by name, and where its factory lies.

    `input_shape` is that of one image. `parameters` counts every trained number; it is None for a user's own
    factory, whose module brings its weights and may say its input's shape in an attribute `input_shape`.
    """

    name: str
    module: str
    factory: str
    input_shape: tuple[int, ...]
    parameters: int | None
    doc: str


NETWORKS: Final[Mapping[str, Network]] = MappingProxyType(
    {
        network.name: network
        for network in (
            Network(
                name="vgg16",
                module="powerlab.networks.vgg",
                factory="vgg16",
                input_shape=INPUT_SHAPE,
                parameters=138_357_544,
                doc="VGG-16, configuration D: 13 convolutions of 3x3 and 3 fully connected layers.",
            ),
        )
    }
)


def find(model: str) -> Network:
    """The network of that name, or the one a `package.module:factory` makes.

    The user's package is not imported here, so that a caller can check a name without paying for torch.

    Raises
    ------
    NetworkError
        Neither a name in `NETWORKS` nor written like `package.module:factory`.

    >>> find("vgg16").parameters
    138357544
    """
    if ":" in model:
        match = re.fullmatch(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)", model)
        if match is None:
            raise NetworkError(f"model {model!r} names no factory: write it like mypackage.module:factory")
        return Network(model, match[1], match[2], INPUT_SHAPE, None, f"{match[2]}() of {match[1]}")
    if model in NETWORKS:
        return NETWORKS[model]
    close = difflib.get_close_matches(model.lower(), NETWORKS, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    raise NetworkError(
        f"there is no network {model!r}: {hint}Known: {', '.join(NETWORKS)}; or give your own as package.module:factory"
    )


def build(network: Network, *, seed: int, weights: Path | None = None) -> "nn.Module":
    """The network on the CPU, in evaluation mode and without gradients; loads torch.

    Without `weights` they are random: the same seed gives the same numbers, and torch's global random state is
    as it was before. `weights` is a state dict as written by `torch.save`, with torchvision's key names; it is
    read without running any code it might hold.

    Raises
    ------
    NetworkError
        The user's factory cannot be found or makes no module; the weights' file cannot be read, or its keys
        or shapes are not the network's.
    """
    from powerlab.networks.weights import build_with_weights  # noqa: PLC0415 - the table must not load torch

    return build_with_weights(network, seed, weights)
