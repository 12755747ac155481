"""The VGG family (Simonyan and Zisserman, arXiv 1409.1556)."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

_WIDTHS = (64, 128, 256, 512, 512)  # output channels of the five stages
_HIDDEN = 4096
_TIMM = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}


class VGG(nn.Module):
    """Five stages of 3x3 convolutions, each closed by a max-pooling, and three fully connected layers.

    `depths` is the number of convolutions in each stage. Convolutions pad by 1 and have a bias; there is no
    batch normalisation. Takes [batch, 3, 224, 224], gives [batch, 1000] scores without softmax. The layers
    carry the names of torchvision's, so its state dicts fit.
    """

    def __init__(self, depths: tuple[int, ...]) -> None:
        super().__init__()
        self.features = nn.Sequential(*_stages(depths))
        self.classifier = nn.Sequential(
            nn.Linear(_WIDTHS[-1] * 7 * 7, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(_HIDDEN, 1000),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the 1000 classes for each image."""
        scores: Tensor = self.classifier(torch.flatten(self.features(images), start_dim=1))
        return scores

    def translated(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of timm's files: it names the fully connected layers otherwise, and writes the first two as convolutions."""
        renamed = {}
        for key, value in state.items():
            layer, _, part = key.rpartition(".")
            renamed[f"{_TIMM[layer]}.{part}" if layer in _TIMM else key] = (
                value.flatten(start_dim=1) if layer in _TIMM and part == "weight" else value
            )
        return renamed


def _stages(depths: tuple[int, ...]) -> Iterator[nn.Module]:
    channels = 3
    for depth, width in zip(depths, _WIDTHS, strict=True):
        for _ in range(depth):
            yield nn.Conv2d(channels, width, kernel_size=3, padding=1)
            yield nn.ReLU(inplace=True)
            channels = width
        yield nn.MaxPool2d(kernel_size=2, stride=2)


def vgg16() -> VGG:
    """Configuration D: 13 convolutions, 138 357 544 parameters."""
    return VGG((2, 2, 3, 3, 3))


def vgg19() -> VGG:
    """Configuration E: 16 convolutions, 143 667 240 parameters."""
    return VGG((2, 2, 4, 4, 4))
