"""Network in network (Lin et al., arXiv 1312.4400) with batch normalisation."""

from collections import OrderedDict
from collections.abc import Iterator

from torch import nn


def bn_nin() -> nn.Sequential:
    """Four blocks of one large and two 1x1 convolutions, 8 655 336 parameters; no dropout.

    Takes [batch, 3, 224, 224], gives [batch, 1000] scores without softmax.
    """
    return nn.Sequential(
        OrderedDict(
            block1=nn.Sequential(*_block(3, 96, kernel=11, stride=4)),
            pool1=nn.MaxPool2d(3, stride=2, padding=1),
            block2=nn.Sequential(*_block(96, 256, kernel=5)),
            pool2=nn.MaxPool2d(3, stride=2, padding=1),
            block3=nn.Sequential(*_block(256, 384, kernel=3)),
            pool3=nn.MaxPool2d(3, stride=2, padding=1),
            block4=nn.Sequential(*_block(384, 1024, kernel=3)),
            pool4=nn.AvgPool2d(7),
            flatten=nn.Flatten(),
            fc=nn.Linear(1024, 1000),
        )
    )


def _block(channels: int, width: int, *, kernel: int, stride: int = 1) -> Iterator[nn.Module]:
    """Three convolutions with bias, each normalised."""
    yield nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2)
    for last in (False, False, True):
        yield nn.BatchNorm2d(width, eps=1e-3)
        yield nn.ReLU(inplace=True)
        if not last:
            yield nn.Conv2d(width, width, 1)
