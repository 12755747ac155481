"""GoogLeNet, the first Inception (Szegedy et al., arXiv 1409.4842), without its heads for training."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from powerlab.networks.layers import Mixed

# Output channels: 1x1 | 3x3 reduced, 3x3 | 5x5 reduced, 5x5 | projected after pooling. None is a pooling.
_MODULES = {
    "inception_3a": (64, 96, 128, 16, 32, 32),
    "inception_3b": (128, 128, 192, 32, 96, 64),
    "pool3": None,
    "inception_4a": (192, 96, 208, 16, 48, 64),
    "inception_4b": (160, 112, 224, 24, 64, 64),
    "inception_4c": (128, 128, 256, 24, 64, 64),
    "inception_4d": (112, 144, 288, 32, 64, 64),
    "inception_4e": (256, 160, 320, 32, 128, 128),
    "pool4": None,
    "inception_5a": (256, 160, 320, 32, 128, 128),
    "inception_5b": (384, 192, 384, 48, 128, 128),
}


def googlenet() -> nn.Sequential:
    """BVLC GoogLeNet, 6 998 552 parameters: true 5x5 convolutions, local response normalisation, no batch's.

    Takes [batch, 3, 224, 224], gives [batch, 1000] scores without softmax. torchvision's network of this name
    is another one.
    """
    first = OrderedDict[str, nn.Module](conv1=nn.Conv2d(3, 64, 7, stride=2, padding=3), relu1=nn.ReLU(inplace=True))
    return _googlenet(first, local_norm=True)


def googlenet_factorised() -> nn.Sequential:
    """The variant whose operations the paper plots, 6 991 880 parameters; without local response normalisation."""
    first = OrderedDict[str, nn.Module](
        conv1=ByColour(),
        relu1=nn.ReLU(inplace=True),
        conv1_join=nn.Conv2d(24, 64, 1),
        relu1_join=nn.ReLU(inplace=True),
    )
    return _googlenet(first, local_norm=False)


class ByColour(nn.Module):
    """A first layer that sees each colour alone: 8 channels of 7x7 from each, half the size, joined to 24."""

    def __init__(self) -> None:
        super().__init__()
        self.red, self.green, self.blue = (nn.Conv2d(1, 8, 7, stride=2, padding=3) for _ in range(3))

    def forward(self, images: Tensor) -> Tensor:
        """[batch, 3, h, w] to [batch, 24, h / 2, w / 2]."""
        layers = (self.red, self.green, self.blue)
        return torch.cat([layer(images[:, colour : colour + 1]) for colour, layer in enumerate(layers)], dim=1)


def _googlenet(first: OrderedDict[str, nn.Module], *, local_norm: bool) -> nn.Sequential:
    """The network behind its `first` layers, of 64 channels."""
    layers = first.copy()
    layers["pool1"] = _pool()
    if local_norm:
        layers["norm1"] = nn.LocalResponseNorm(5)
    layers["conv2_reduce"] = nn.Conv2d(64, 64, 1)
    layers["relu2_reduce"] = nn.ReLU(inplace=True)
    layers["conv2"] = nn.Conv2d(64, 192, 3, padding=1)
    layers["relu2"] = nn.ReLU(inplace=True)
    if local_norm:
        layers["norm2"] = nn.LocalResponseNorm(5)
    layers["pool2"] = _pool()
    channels = 192
    for name, widths in _MODULES.items():
        if widths is None:
            layers[name] = _pool()
        else:
            layers[name] = _inception(channels, widths)
            one, _, three, _, five, projected = widths
            channels = one + three + five + projected
    layers["pool5"] = nn.AvgPool2d(7)
    layers["flatten"] = nn.Flatten()
    layers["dropout"] = nn.Dropout(0.4)
    layers["classifier"] = nn.Linear(channels, 1000)
    return nn.Sequential(layers)


def _inception(channels: int, widths: tuple[int, int, int, int, int, int]) -> Mixed:
    """One Inception module; a ReLU follows each convolution. The layers carry Caffe's names."""
    one, reduce3, three, reduce5, five, projected = widths
    return Mixed(
        [{"1x1": _conv(channels, one, 1)}],
        [{"3x3_reduce": _conv(channels, reduce3, 1)}, {"3x3": _conv(reduce3, three, 3)}],
        [{"5x5_reduce": _conv(channels, reduce5, 1)}, {"5x5": _conv(reduce5, five, 5)}],
        [{"pool": nn.MaxPool2d(3, stride=1, padding=1)}, {"pool_proj": _conv(channels, projected, 1)}],
    )


def _conv(channels: int, width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(channels, width, kernel, padding=kernel // 2), relu=nn.ReLU(inplace=True))
    )


def _pool() -> nn.MaxPool2d:
    """Caffe rounds a pooling's output up."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)
