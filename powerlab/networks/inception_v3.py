"""Inception-v3 (Szegedy et al., arXiv 1512.00567), as the ports of its TensorFlow graph have it."""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from powerlab.networks.layers import ConvNorm, Mixed, Size

_OUTPUTS = 1008  # of the graph: 1000 classes and some that are never right
_NEVER = -1e4  # score of an output that the weights do not know; in the range of half precision

Step = dict[str, nn.Module]


class InceptionV3(nn.Sequential):
    """Eleven Inception modules of five kinds, without the head for training; 23 850 960 parameters.

    Takes [batch, 3, 299, 299], gives [batch, 1008] scores without softmax. The layers carry the names of
    torchvision's and timm's. Their state dicts, of 1000 classes, fill the first 1000 outputs.
    """

    classes = _OUTPUTS  # how many outputs, from the first on, the weights know

    def __init__(self) -> None:
        super().__init__(
            OrderedDict(
                Conv2d_1a_3x3=ConvNorm(3, 32, 3, stride=2),
                Conv2d_2a_3x3=ConvNorm(32, 32, 3, padding=0),
                Conv2d_2b_3x3=ConvNorm(32, 64, 3),
                maxpool1=nn.MaxPool2d(3, stride=2),
                Conv2d_3b_1x1=ConvNorm(64, 80, 1),
                Conv2d_4a_3x3=ConvNorm(80, 192, 3, padding=0),
                maxpool2=nn.MaxPool2d(3, stride=2),
                Mixed_5b=_at_35(192, projected=32),
                Mixed_5c=_at_35(256, projected=64),
                Mixed_5d=_at_35(288, projected=64),
                Mixed_6a=_to_17(288),
                Mixed_6b=_at_17(inner=128),
                Mixed_6c=_at_17(inner=160),
                Mixed_6d=_at_17(inner=160),
                Mixed_6e=_at_17(inner=192),
                Mixed_7a=_to_8(768),
                Mixed_7b=_at_8(1280),
                Mixed_7c=_at_8(2048),
                avgpool=nn.AdaptiveAvgPool2d(1),
                dropout=nn.Dropout(),
                flatten=nn.Flatten(),
                fc=nn.Linear(2048, _OUTPUTS),
            )
        )

    def translated(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Without the head for training, and with fewer classes filled up by outputs that never win."""
        kept = {key: value for key, value in state.items() if not key.startswith("AuxLogits.")}
        lacking = _OUTPUTS - len(kept.get("fc.bias", torch.empty(_OUTPUTS)))
        self.classes = _OUTPUTS - max(lacking, 0)
        if lacking > 0 and "fc.weight" in kept:
            kept["fc.weight"] = torch.cat((kept["fc.weight"], kept["fc.weight"].new_zeros(lacking, 2048)))
            kept["fc.bias"] = torch.cat((kept["fc.bias"], kept["fc.bias"].new_full((lacking,), _NEVER)))
        return kept


def _row(name: str, channels: int, *convolutions: tuple[int, Size] | tuple[int, Size, int]) -> list[Step]:
    """Convolutions one after the other, of these width, kernel and stride, numbered in their names."""
    steps: list[Step] = []
    for number, (width, kernel, *stride) in enumerate(convolutions, 1):
        steps.append({f"{name}_{number}": ConvNorm(channels, width, kernel, *stride)})
        channels = width
    return steps


def _fork(name: str, channels: int, width: int) -> Step:
    """A 1x3 beside a 3x1 convolution."""
    return {f"{name}a": ConvNorm(channels, width, (1, 3)), f"{name}b": ConvNorm(channels, width, (3, 1))}


def _pooled(channels: int, width: int) -> list[Step]:
    return [{"pool": nn.AvgPool2d(3, stride=1, padding=1)}, {"branch_pool": ConvNorm(channels, width, 1)}]


def _at_35(channels: int, *, projected: int) -> Mixed:
    """On maps of 35x35, with a true 5x5."""
    return Mixed(
        [{"branch1x1": ConvNorm(channels, 64, 1)}],
        _row("branch5x5", channels, (48, 1), (64, 5)),
        _row("branch3x3dbl", channels, (64, 1), (96, 3), (96, 3)),
        _pooled(channels, projected),
    )


def _to_17(channels: int) -> Mixed:
    """From 35x35 to 17x17."""
    return Mixed(
        [{"branch3x3": ConvNorm(channels, 384, 3, stride=2)}],
        _row("branch3x3dbl", channels, (64, 1), (96, 3), (96, 3, 2)),
        [{"pool": nn.MaxPool2d(3, stride=2)}],
    )


def _at_17(*, inner: int) -> Mixed:
    """On maps of 17x17: 7x7 taken apart into 1x7 and 7x1."""
    across, down = (1, 7), (7, 1)
    return Mixed(
        [{"branch1x1": ConvNorm(768, 192, 1)}],
        _row("branch7x7", 768, (inner, 1), (inner, across), (192, down)),
        _row("branch7x7dbl", 768, (inner, 1), (inner, down), (inner, across), (inner, down), (192, across)),
        _pooled(768, 192),
    )


def _to_8(channels: int) -> Mixed:
    """From 17x17 to 8x8."""
    return Mixed(
        _row("branch3x3", channels, (192, 1), (320, 3, 2)),
        _row("branch7x7x3", channels, (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)),
        [{"pool": nn.MaxPool2d(3, stride=2)}],
    )


def _at_8(channels: int) -> Mixed:
    """On maps of 8x8: branches that end in a fork."""
    return Mixed(
        [{"branch1x1": ConvNorm(channels, 320, 1)}],
        [*_row("branch3x3", channels, (384, 1)), _fork("branch3x3_2", 384, 384)],
        [*_row("branch3x3dbl", channels, (448, 1), (384, 3)), _fork("branch3x3dbl_3", 384, 384)],
        _pooled(channels, 192),
    )


def inception_v3() -> InceptionV3:
    """1008 outputs, 23 850 960 parameters."""
    return InceptionV3()
