"""Inception-v4 (Szegedy et al., arXiv 1602.07261)."""

from collections import OrderedDict

from torch import nn

from powerlab.networks.layers import ConvNorm, Mixed, Size

_ACROSS, _DOWN = (1, 7), (7, 1)


def inception_v4() -> nn.Sequential:
    """A stem, 4 modules at 35x35, 7 at 17x17, 3 at 8x8, and reductions between them; 42 679 816 parameters.

    Takes [batch, 3, 299, 299], gives [batch, 1000] scores without softmax. The layers carry timm's names, so its
    state dicts fit.
    """
    return nn.Sequential(
        OrderedDict(
            features=nn.Sequential(
                *_stem(),
                *(_at_35() for _ in range(4)),
                _to_17(),
                *(_at_17() for _ in range(7)),
                _to_8(),
                *(_at_8() for _ in range(3)),
            ),
            global_pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head_drop=nn.Dropout(0.2),
            last_linear=nn.Linear(1536, 1000),
        )
    )


def _row(channels: int, *convolutions: tuple[int, Size] | tuple[int, Size, int]) -> nn.Sequential:
    """Convolutions one after the other, of these width, kernel and stride."""
    row = nn.Sequential()
    for width, kernel, *stride in convolutions:
        row.append(ConvNorm(channels, width, kernel, *stride))
        channels = width
    return row


def _halving() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2)


def _pooled(channels: int, width: int) -> nn.Sequential:
    """Averages of 3x3 that leave the padding out, and a 1x1 convolution."""
    return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), ConvNorm(channels, width, 1))


def _stem() -> tuple[nn.Module, ...]:
    """From 299x299 to 35x35 with 384 channels."""
    short, long = _row(160, (64, 1)), _row(160, (64, 1), (64, _ACROSS), (64, _DOWN))
    for row in (short, long):
        row.append(ConvNorm(64, 96, 3, padding=0))
    return (
        ConvNorm(3, 32, 3, stride=2),
        ConvNorm(32, 32, 3, padding=0),
        ConvNorm(32, 64, 3),
        Mixed([{"pool": _halving()}], [{"conv": ConvNorm(64, 96, 3, stride=2)}]),
        Mixed([{"branch0": short}], [{"branch1": long}]),
        Mixed([{"conv": ConvNorm(192, 192, 3, stride=2)}], [{"pool": _halving()}]),
    )


def _at_35() -> Mixed:
    return Mixed(
        [{"branch0": ConvNorm(384, 96, 1)}],
        [{"branch1": _row(384, (64, 1), (96, 3))}],
        [{"branch2": _row(384, (64, 1), (96, 3), (96, 3))}],
        [{"branch3": _pooled(384, 96)}],
    )


def _to_17() -> Mixed:
    return Mixed(
        [{"branch0": ConvNorm(384, 384, 3, stride=2)}],
        [{"branch1": _row(384, (192, 1), (224, 3), (256, 3, 2))}],
        [{"branch2": _halving()}],
    )


def _at_17() -> Mixed:
    return Mixed(
        [{"branch0": ConvNorm(1024, 384, 1)}],
        [{"branch1": _row(1024, (192, 1), (224, _ACROSS), (256, _DOWN))}],
        [{"branch2": _row(1024, (192, 1), (192, _DOWN), (224, _ACROSS), (224, _DOWN), (256, _ACROSS))}],
        [{"branch3": _pooled(1024, 128)}],
    )


def _to_8() -> Mixed:
    return Mixed(
        [{"branch0": _row(1024, (192, 1), (192, 3, 2))}],
        [{"branch1": _row(1024, (256, 1), (256, _ACROSS), (320, _DOWN), (320, 3, 2))}],
        [{"branch2": _halving()}],
    )


def _at_8() -> Mixed:
    """Two of its branches end in a 1x3 beside a 3x1 convolution."""
    across, down = (1, 3), (3, 1)
    return Mixed(
        [{"branch0": ConvNorm(1536, 256, 1)}],
        [
            {"branch1_0": ConvNorm(1536, 384, 1)},
            {"branch1_1a": ConvNorm(384, 256, across), "branch1_1b": ConvNorm(384, 256, down)},
        ],
        [
            {"branch2_0": ConvNorm(1536, 384, 1)},
            {"branch2_1": ConvNorm(384, 448, down)},
            {"branch2_2": ConvNorm(448, 512, across)},
            {"branch2_3a": ConvNorm(512, 256, across), "branch2_3b": ConvNorm(512, 256, down)},
        ],
        [{"branch3": _pooled(1536, 256)}],
    )
