"""Layers that several families are made of."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

Size = int | tuple[int, int]


class ConvNorm(nn.Sequential):
    """A convolution without bias, a batch normalisation (eps 1e-3) and a ReLU: the brick of the later Inceptions.

    Without `padding` the output is as large as the input at stride 1, and nothing is padded at a larger stride.
    """

    def __init__(self, channels: int, width: int, kernel: Size, stride: int = 1, padding: Size | None = None) -> None:
        super().__init__()
        if padding is None:
            high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
            padding = (high // 2, wide // 2) if stride == 1 else 0
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=1e-3)
        self.relu = nn.ReLU(inplace=True)


class Mixed(nn.ModuleDict):
    """Branches that see the same input, their outputs joined along the channels.

    A branch is a row of steps; a step is one layer by its name, or several whose outputs are joined as well.
    """

    def __init__(self, *branches: Sequence[Mapping[str, nn.Module]]) -> None:
        super().__init__({name: layer for branch in branches for step in branch for name, layer in step.items()})
        self._branches = [[list(step) for step in branch] for branch in branches]

    def forward(self, images: Tensor) -> Tensor:
        """The joined outputs of all branches."""
        return torch.cat([self._along(branch, images) for branch in self._branches], dim=1)

    def _along(self, branch: list[list[str]], images: Tensor) -> Tensor:
        for names in branch:
            outputs = [self[name](images) for name in names]
            images = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
        return images
