"""ENet for ImageNet (after the segmentation network of Paszke et al., arXiv 1606.02147), version 12."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-3  # of every normalisation


def enet() -> nn.Sequential:
    """Twelve bottlenecks in four stages, 5 861 508 parameters; the last of stages 2 to 4 dilates by 2, 4 and 8.

    Takes [batch, 3, 224, 224], gives [batch, 1000] scores without softmax. Not the network for segmentation of
    that name, which has 0.36 million parameters.
    """
    return nn.Sequential(
        OrderedDict(
            initial=Initial(),
            stage1=nn.Sequential(
                Bottleneck(16, 64, inner=64, down=True), Bottleneck(64, 128, inner=32), Bottleneck(128, 128, inner=32)
            ),
            stage2=_stage(128, 256, dilation=2),
            stage3=_stage(256, 512, dilation=4),
            stage4=_stage(512, 1024, dilation=8),
            pool=nn.AvgPool2d(7),
            flatten=nn.Flatten(),
            fc=nn.Linear(1024, 1000),
        )
    )


def _stage(channels: int, width: int, *, dilation: int) -> nn.Sequential:
    inner = width // 4
    return nn.Sequential(
        Bottleneck(channels, width, inner=inner, down=True, dropout=0.1),
        Bottleneck(width, width, inner=inner, dropout=0.1),
        Bottleneck(width, width, inner=inner, dropout=0.1, dilation=dilation),
    )


class Initial(nn.Module):
    """13 channels by convolution and the image's own 3 by pooling, at half the size: 412 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 13, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.bn = nn.BatchNorm2d(16, eps=_EPS)
        self.prelu = nn.PReLU(16)

    def forward(self, images: Tensor) -> Tensor:
        """[batch, 3, h, w] to [batch, 16, h / 2, w / 2]."""
        return self.prelu(self.bn(torch.cat((self.conv(images), self.pool(images)), dim=1)))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """Three convolutions of `inner` channels beside a way past them that has no weights.

    With `down` both halve the size; where the output has more channels than the input, the way past is filled up
    with zeros.
    """

    def __init__(
        self, channels: int, width: int, *, inner: int, down: bool = False, dropout: float = 0.01, dilation: int = 1
    ) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, inner, 2, stride=2, bias=False) if down else nn.Conv2d(channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner, eps=_EPS),
            nn.PReLU(inner),
            nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm2d(inner, eps=_EPS),
            nn.PReLU(inner),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width, eps=_EPS),
            nn.Dropout2d(dropout),
        )
        self.past = nn.MaxPool2d(2) if down else nn.Identity()
        self.added = width - channels
        self.prelu = nn.PReLU(width)

    def forward(self, images: Tensor) -> Tensor:
        """[batch, channels, h, w] to [batch, width, h, w], or half of h and w."""
        past = self.past(images)
        if self.added:
            past = F.pad(past, (0, 0, 0, 0, 0, self.added))
        return self.prelu(self.main(images) + past)  # type: ignore[no-any-return]
