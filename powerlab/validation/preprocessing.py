"""What is done to an image before a network sees it: part of what its weights were trained with.

The paper's values are those of szagoruyko/imagenet-validation.torch (main.lua, donkey.lua, models/*.sh), which scored
most of its networks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from powerlab.networks import Network
from powerlab.validation import AccuracyError

Colours = tuple[float, float, float]

AREA: Final = "area"  # the mean of the pixels that a new one covers, as Torch's image.scale; linear where it enlarges
BILINEAR: Final = "bilinear"  # weighted by a triangle as wide as the scale asks for, as Pillow and torchvision do


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes a network's input.

    The shorter side is scaled to `resize` pixels by `filter`, and a square of `crop` pixels is cut out. Its channels
    are put in `order` (RGB or BGR), scaled so that a full one is `white`, and become (value - mean) / deviation, the
    two in the same order.
    """

    name: str
    mean: Colours
    deviation: Colours = (1.0, 1.0, 1.0)
    order: str = "RGB"
    white: float = 1.0
    filter: str = AREA
    resize: int = 256
    crop: int = 224

    def __str__(self) -> str:
        def numbers(colours: Colours) -> str:
            return " ".join(f"{it:.6g}" for it in colours)

        scaled = "" if self.deviation == (1.0, 1.0, 1.0) else f" / {numbers(self.deviation)}"
        return (
            f"{self.name}: shorter side to {self.resize} ({self.filter}), crop {self.crop}, {self.order} up to "
            f"{self.white:g}, - {numbers(self.mean)}{scaled}"
        )


RECIPES: Final[Mapping[str, Preprocessing]] = MappingProxyType(
    {
        it.name: it
        for it in (
            Preprocessing("torch", (0.484622, 0.456240, 0.405884), (0.228895, 0.224467, 0.224955)),
            Preprocessing("torchvision", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), filter=BILINEAR),
            # The mean colour of BVLC's mean image; the paper's evaluation subtracted the image itself.
            Preprocessing("caffe", (104.00699, 116.66877, 122.67892), order="BGR", white=255.0),
            Preprocessing("vgg", (103.939, 116.779, 123.68), order="BGR", white=255.0),
            # Of the TensorFlow graph: (level - 128) / 128.
            Preprocessing("inception", (128.0, 128.0, 128.0), (128.0, 128.0, 128.0), white=255.0),
        )
    }
)


def _for(recipe: str, crop: int = 224) -> Preprocessing:
    return replace(RECIPES[recipe], crop=crop, resize=resize_for(crop))


def resize_for(crop: int) -> int:
    """The shorter side of an image that a crop is taken from: 256 for 224 and 227, in the ratio of 256 to 224 else.

    >>> resize_for(299)
    342
    """
    return 256 if crop in {224, 227} else round(crop * 8 / 7)


# What the networks of the table are scored with. enet, googlenet-factorised and bn-nin: UNCONFIRMED, as Torch's others;
# inception-v3 and v4: UNCONFIRMED, as their own ports do, not known of the paper's evaluation.
BY_NETWORK: Final[Mapping[str, Preprocessing]] = MappingProxyType(
    {
        "alexnet": _for("caffe", 227),
        "bn-alexnet": _for("torch", 227),
        "bn-nin": _for("torch"),
        "enet": _for("torch"),
        "googlenet": _for("caffe"),
        "googlenet-factorised": _for("torch"),
        "vgg16": _for("vgg"),
        "vgg19": _for("vgg"),
        **{f"resnet{depth}": _for("torch") for depth in (18, 34, 50, 101, 152)},
        "inception-v3": _for("inception", 299),
        "inception-v4": _for("inception", 299),
    }
)


# Those whose weights are about in two kinds, and a state dict does not show which it is.
EITHER: Final = ("vgg16", "vgg19")


def preprocessing_for(
    network: Network, shape: Sequence[int], recipe: str | None = None, resize: int | None = None
) -> Preprocessing:
    """That of the network, or the recipe of that name, for images of `shape`; torchvision's where nobody says anything.

    Raises
    ------
    AccuracyError
        There is no such recipe; none is given where it cannot be told; `shape` is no square of three colours; `resize`
        is smaller than it.
    """
    if recipe is not None and recipe not in RECIPES:
        raise AccuracyError(f"there is no preprocessing {recipe!r}: give one of {', '.join(RECIPES)}")
    if recipe is None and network.name in EITHER:
        raise AccuracyError(
            f"weights of {network.name} come in two kinds: give --preprocessing vgg for those that were Caffe's, as "
            "the paper's, and torchvision for torchvision's and timm's"
        )
    if len(shape) != 3 or shape[0] != 3 or shape[1] != shape[2]:
        shown = "x".join(map(str, shape))
        raise AccuracyError(f"model {network.name} takes {shown}, and only squares of three colours can be cut out")
    crop = shape[1]
    if resize is not None and resize < crop:
        raise AccuracyError(f"--resize {resize} is less than the {crop} pixels that are cut out: give {crop} or more")
    own = BY_NETWORK.get(network.name, RECIPES["torchvision"])
    return replace(RECIPES[recipe] if recipe else own, crop=crop, resize=resize or resize_for(crop))
