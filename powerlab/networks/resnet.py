"""The ResNet family (He et al., arXiv 1512.03385), halving the size in the 3x3 convolutions as fb.resnet.torch does."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

_STAGES = (64, 128, 256, 512)  # output channels of the basic blocks; bottlenecks end in four times as many
_EXPANSION = 4


class ResNet(nn.Module):
    """A first convolution, four stages of residual blocks, and one fully connected layer.

    `depths` is the number of blocks in each stage. Blocks are two 3x3 convolutions, or `bottleneck` ones of 1x1,
    3x3 and 1x1; where size or width change, the way past a block is a 1x1 convolution. `bias` gives each convolution
    a bias, which the normalisation behind it makes superfluous: the released files of the deepest two have them.
    Takes [batch, 3, 224, 224], gives [batch, 1000] scores without softmax. The layers carry the names of
    torchvision's and timm's, so their state dicts fit.
    """

    def __init__(self, depths: tuple[int, ...], *, bottleneck: bool = False, bias: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=bias)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = _stages(depths, bottleneck=bottleneck, bias=bias)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(_STAGES[-1] * (_EXPANSION if bottleneck else 1), 1000)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the 1000 classes for each image."""
        images = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            images = stage(images)
        scores: Tensor = self.fc(torch.flatten(self.avgpool(images), start_dim=1))
        return scores

    def translated(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A network with biases takes the state dict of one without: they are zeros."""
        lacking = {
            f"{name}.bias": torch.zeros(layer.out_channels)
            for name, layer in self.named_modules()
            if isinstance(layer, nn.Conv2d) and layer.bias is not None and f"{name}.weight" in state
        }
        return lacking | dict(state)


def _stages(depths: tuple[int, ...], *, bottleneck: bool, bias: bool) -> Iterator[nn.Sequential]:
    """The blocks, stage by stage; the first of each stage but the first halves the size."""
    channels = 64
    for depth, inner in zip(depths, _STAGES, strict=True):
        stage = nn.Sequential()
        for index in range(depth):
            stride = 2 if index == 0 and inner > _STAGES[0] else 1
            if bottleneck:
                stage.append(Bottleneck(channels, inner, stride=stride, bias=bias))
            else:
                stage.append(Basic(channels, inner, stride=stride, bias=bias))
            channels = inner * _EXPANSION if bottleneck else inner
        yield stage


class Basic(nn.Module):
    """A residual block of two 3x3 convolutions, the first with the stride."""

    def __init__(self, channels: int, width: int, *, stride: int, bias: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=bias)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.bn2 = ClosingNorm(width)
        self.downsample = _past(channels, width, stride=stride, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        """[batch, channels, h, w] to [batch, width, h / stride, w / stride]."""
        past = images if self.downsample is None else self.downsample(images)
        images = self.relu(self.bn1(self.conv1(images)))
        return self.relu(self.bn2(self.conv2(images)) + past)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """A residual block of 1x1, 3x3 and 1x1 convolutions, the 3x3 with the stride."""

    def __init__(self, channels: int, inner: int, *, stride: int, bias: bool) -> None:
        super().__init__()
        width = inner * _EXPANSION
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=bias)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, bias=bias)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, width, 1, bias=bias)
        self.bn3 = ClosingNorm(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _past(channels, width, stride=stride, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        """[batch, channels, h, w] to [batch, width, h / stride, w / stride]."""
        past = images if self.downsample is None else self.downsample(images)
        images = self.relu(self.bn1(self.conv1(images)))
        images = self.relu(self.bn2(self.conv2(images)))
        return self.relu(self.bn3(self.conv3(images)) + past)  # type: ignore[no-any-return]


def _past(channels: int, width: int, *, stride: int, bias: bool) -> nn.Sequential | None:
    """The way past a block where size or width change; None where they do not."""
    if stride == 1 and channels == width:
        return None
    return nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=bias), nn.BatchNorm2d(width))


class ClosingNorm(nn.BatchNorm2d):
    """The normalisation that ends a block; it starts at a quarter.

    With random weights each of fifty blocks would else double the variance of what passes through, out of the
    range of half precision.
    """

    def reset_parameters(self) -> None:
        """A quarter in place of 1; the rest as in any batch normalisation."""
        super().reset_parameters()
        nn.init.constant_(self.weight, 0.25)


def resnet18() -> ResNet:
    """11 689 512 parameters."""
    return ResNet((2, 2, 2, 2))


def resnet34() -> ResNet:
    """21 797 672 parameters."""
    return ResNet((3, 4, 6, 3))


def resnet50() -> ResNet:
    """25 557 032 parameters."""
    return ResNet((3, 4, 6, 3), bottleneck=True)


def resnet101() -> ResNet:
    """44 601 832 parameters, 52 672 of them biases of convolutions."""
    return ResNet((3, 4, 23, 3), bottleneck=True, bias=True)


def resnet152() -> ResNet:
    """60 268 520 parameters, 75 712 of them biases of convolutions."""
    return ResNet((3, 8, 36, 3), bottleneck=True, bias=True)
