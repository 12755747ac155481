"""Which of torchvision's and timm's networks are the same as one of powerlab's, and their state dicts as text."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


@dataclass(frozen=True, slots=True)
class Twin:
    """A network of another library, and the name it has here."""

    library: str
    foreign: str
    own: str

    def make(self) -> nn.Module:
        """The other library's network, in evaluation mode, without weights of theirs."""
        if self.library == "timm":
            module = importlib.import_module("timm").create_model(self.foreign)
        else:
            options = {"init_weights": False} if self.foreign.startswith(("inception", "vgg")) else {}
            module = importlib.import_module("torchvision.models").get_model(self.foreign, **options)
        assert isinstance(module, nn.Module)
        return module.eval()

    def on_meta(self) -> nn.Module:
        """As `make`, without numbers."""
        with torch.device("meta"):
            return self.make()

    @property
    def keys_file(self) -> str:
        """Where its state dict is recorded."""
        return f"{self.library}-{self.foreign}.txt"


TWINS = (
    *(Twin(library, name, name) for library in ("torchvision", "timm") for name in ("vgg16", "vgg19", *RESNETS)),
    Twin("torchvision", "inception_v3", "inception-v3"),
    Twin("timm", "inception_v3", "inception-v3"),
    Twin("timm", "inception_v4", "inception-v4"),
)


def written(shapes: Mapping[str, Iterable[int]]) -> str:
    """A state dict's keys and shapes: a line a layer, `layer part=2x3 part=`."""
    lines: dict[str, list[str]] = {}
    for key, shape in shapes.items():
        layer, _, part = key.rpartition(".")
        lines.setdefault(layer, []).append(f"{part}={'x'.join(map(str, shape))}")
    return "".join(f"{layer} {' '.join(parts)}\n" for layer, parts in lines.items())


def read(text: str) -> dict[str, tuple[int, ...]]:
    """What `written` wrote."""
    shapes = {}
    for line in text.splitlines():
        layer, *parts = line.split()
        for part in parts:
            name, _, sizes = part.partition("=")
            shapes[f"{layer}.{name}"] = tuple(int(size) for size in sizes.split("x") if size)
    return shapes


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of a module's state dict."""
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}
