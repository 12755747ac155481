"""The networks a workload can run: one table, one file a family.

Reading the table loads no torch; `build` does. A new network is one entry here and a factory in its family's
file. A model may also be given as `package.module:factory`, a user's own function that takes nothing and
returns a `torch.nn.Module`; as `torchvision:NAME` or `timm:NAME`; or as a file (`Kind`).
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from powerlab_traces.errors import PowerlabError

if TYPE_CHECKING:
    from torch import nn

INPUT_SHAPE: Final = (3, 224, 224)  # of an ImageNet image: channels, height, width
BIG_INPUT_SHAPE: Final = (3, 299, 299)  # that of the later Inceptions


LIBRARY_WEIGHTS: Final = Path("default")  # the weights that torchvision or timm has for its network


class NetworkError(PowerlabError):
    """A network that does not exist, or weights that do not fit it."""


class Kind(Enum):
    """What a model is given as; the value says it in words."""

    TABLE = "network of powerlab"
    FACTORY = "function of the user's"
    TORCHVISION = "network of torchvision"
    TIMM = "network of timm"
    TORCHSCRIPT = "TorchScript file"
    EXPORTED = "program of torch.export"
    ONNX = "ONNX file"


FILES: Final[Mapping[str, Kind]] = MappingProxyType(
    {".pt": Kind.TORCHSCRIPT, ".ts": Kind.TORCHSCRIPT, ".pt2": Kind.EXPORTED, ".onnx": Kind.ONNX}
)
LIBRARIES: Final[Mapping[str, Kind]] = MappingProxyType({"torchvision": Kind.TORCHVISION, "timm": Kind.TIMM})


@dataclass(frozen=True, slots=True)
class Count:
    """Operations of one image.

    `macs` are the multiplications with additions of convolutions and matrix products, one each, and nothing else.
    `flops` counts a multiplication and an addition as two, one for each output that a bias is added to, the area of
    the window for each output of a pooling, one for each element of an activation, as many as there are inputs for
    each element of an element-wise sum or product, and three for each element of a softmax; batch normalisation,
    dropout and moving data cost nothing. `flops_legacy` has the errors of the tool that the paper's figures were
    made with: groups of convolutions are overlooked, every convolution is charged a bias, and a pooling is charged
    for one channel.
    """

    macs: int = 0
    flops: int = 0
    flops_legacy: int = 0

    def __add__(self, other: "Count") -> "Count":
        """Both together."""
        return Count(self.macs + other.macs, self.flops + other.flops, self.flops_legacy + other.flops_legacy)


@dataclass(frozen=True, slots=True)
class Network:
    """A network by name, and where its factory lies.

    `input_shape` is that of one image, and None where only the model itself can say. `parameters` counts every trained
    number; it is None for all that is not in the table. A user's own factory makes a module with its weights, which may
    say its input's shape in an attribute `input_shape`. A file's name is its path; it has no factory. `count` is
    what `powerlab.networks.operations` counts, kept here so that nobody needs to build the network to know it, and
    `unsupported` names what it has no rule for.
    """

    name: str
    module: str
    factory: str
    input_shape: tuple[int, ...] | None
    parameters: int | None
    doc: str
    count: Count | None = None
    unsupported: tuple[str, ...] = ()
    kind: Kind = Kind.TABLE


def _network(
    name: str,
    family: str,
    parameters: int,
    count: Count,
    doc: str,
    *,
    input_shape: tuple[int, ...] = INPUT_SHAPE,
    unsupported: tuple[str, ...] = (),
) -> Network:
    module, factory = f"powerlab.networks.{family}", name.replace("-", "_")
    return Network(name, module, factory, input_shape, parameters, doc, count, unsupported)


NETWORKS: Final[Mapping[str, Network]] = MappingProxyType(
    {
        network.name: network
        for network in (
            _network(
                "alexnet",
                "alexnet",
                60_965_224,
                Count(720_608_384, 1_443_569_768, 2_264_219_873),
                "AlexNet of BVLC: grouped convolutions, local response normalisation.",
                unsupported=("LocalResponseNorm",),
            ),
            _network(
                "bn-alexnet",
                "alexnet",
                60_541_992,
                Count(649_646_624, 1_301_712_968, 1_300_627_604),
                "AlexNet in two branches, with batch normalisation.",
            ),
            _network(
                "bn-nin",
                "nin",
                8_655_336,
                Count(1_259_939_840, 2_524_992_360, 2_523_653_190),
                "Network in network with batch normalisation.",
            ),
            _network(
                "enet",
                "enet",
                5_861_508,
                Count(779_341_568, 1_568_317_928, 1_570_002_989),
                "ENet for ImageNet, version 12.",
            ),
            _network(
                "googlenet",
                "googlenet",
                6_998_552,
                Count(1_582_671_872, 3_184_231_528, 3_171_856_558),
                "GoogLeNet of BVLC, the first Inception.",
                unsupported=("LocalResponseNorm",),
            ),
            _network(
                "googlenet-factorised",
                "googlenet",
                6_991_880,
                Count(1_498_677_248, 3_016_844_392, 3_004_469_422),
                "GoogLeNet whose first layer sees each colour alone, as the paper counts it.",
            ),
            _network(
                "vgg16",
                "vgg",
                138_357_544,
                Count(15_470_264_320, 30_973_762_536, 30_967_707_900),
                "VGG-16, configuration D: 13 convolutions of 3x3 and 3 fully connected layers.",
            ),
            _network(
                "vgg19",
                "vgg",
                143_667_240,
                Count(19_632_062_464, 39_299_967_976, 39_293_913_340),
                "VGG-19, configuration E: 16 convolutions of 3x3 and 3 fully connected layers.",
            ),
            _network(
                "resnet18",
                "resnet",
                11_689_512,
                Count(1_814_073_344, 3_633_792_488, 3_634_473_049),
                "ResNet-18: 8 blocks of two 3x3 convolutions.",
            ),
            _network(
                "resnet34",
                "resnet",
                21_797_672,
                Count(3_663_761_408, 7_335_677_416, 7_337_612_377),
                "ResNet-34: 16 blocks of two 3x3 convolutions.",
            ),
            _network(
                "resnet50",
                "resnet",
                25_557_032,
                Count(4_089_184_256, 8_200_923_624, 8_210_159_193),
                "ResNet-50: 16 bottlenecks, the size halved in their 3x3.",
            ),
            _network(
                "resnet101",
                "resnet",
                44_601_832,
                Count(7_801_405_440, 15_653_539_816, 15_651_661_401),
                "ResNet-101: 33 bottlenecks; convolutions have a bias, as the released file's do.",
            ),
            _network(
                "resnet152",
                "resnet",
                60_268_520,
                Count(11_513_626_624, 23_099_056_104, 23_097_177_689),
                "ResNet-152: 50 bottlenecks; convolutions have a bias, as the released file's do.",
            ),
            _network(
                "inception-v3",
                "inception_v3",
                23_850_960,
                Count(5_713_232_480, 11_459_963_888, 11_444_507_802),
                "Inception-v3 with the 1008 outputs of its TensorFlow graph.",
                input_shape=BIG_INPUT_SHAPE,
            ),
            _network(
                "inception-v4",
                "inception_v4",
                42_679_816,
                Count(12_253_974_624, 24_568_145_224, 24_538_254_878),
                "Inception-v4 as published; the paper plots another size.",
                input_shape=BIG_INPUT_SHAPE,
            ),
        )
    }
)


def find(model: str) -> Network:
    """The network of that name, the file at that path, or the one that a library or a function makes.

    Nothing is imported or opened here, so that a caller can check a name without paying for torch, and name what is
    on another machine.

    Raises
    ------
    NetworkError
        Neither a name in `NETWORKS`, nor a file of a known kind, nor written like `package.module:factory`.

    >>> find("vgg16").parameters
    138357544
    >>> find("nets/mine.onnx").kind.value
    'ONNX file'
    """
    if (file := FILES.get(Path(model).suffix.lower())) is not None:
        return Network(model, "", "", None, None, file.value, kind=file)
    if ":" in model:
        return _made(model)
    if model in NETWORKS:
        return NETWORKS[model]
    close = difflib.get_close_matches(model.lower(), NETWORKS, n=2)
    hint = f"did you mean {' or '.join(sorted(close))}? " if close else ""
    raise NetworkError(
        f"there is no network {model!r}: {hint}Known: {', '.join(NETWORKS)}; or give your own as "
        f"package.module:factory, a file {', '.join(FILES)}, torchvision:NAME, or timm:NAME"
    )


def _made(model: str) -> Network:
    """The network that a library's name or a function stands for."""
    library, _, name = model.partition(":")
    if library in LIBRARIES:
        if not re.fullmatch(r"[\w.-]+", name):
            raise NetworkError(f"model {model!r} names no network of {library}: write it like {library}:resnet50")
        return Network(model, library, name, None, None, f"{name} of {library}", kind=LIBRARIES[library])
    match = re.fullmatch(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)", model)
    if match is None:
        raise NetworkError(f"model {model!r} names no factory: write it like mypackage.module:factory")
    doc = f"{match[2]}() of {match[1]}"
    return Network(model, match[1], match[2], INPUT_SHAPE, None, doc, kind=Kind.FACTORY)


def build(network: Network, *, seed: int, weights: Path | None = None) -> "nn.Module":
    """The network on the CPU, in evaluation mode and without gradients; loads torch.

    Without `weights` they are random: the same seed gives the same numbers, and torch's global random state is
    as it was before. `weights` is a state dict as written by `torch.save`, with torchvision's key names; it is
    read without running any code it might hold. `LIBRARY_WEIGHTS` are those that torchvision or timm has for its
    network, which it may download. A file brings its own.

    Raises
    ------
    NetworkError
        The user's factory cannot be found, fails, or makes no module; the library has no such network; the file is
        not what it is called; the weights' file cannot be read, or its keys or shapes are not the network's.
    Missing
        The library is not installed.
    """
    from powerlab.networks.weights import build_with_weights  # noqa: PLC0415 - the table must not load torch

    return build_with_weights(network, seed, weights).module
