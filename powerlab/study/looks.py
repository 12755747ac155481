"""How networks look in figures: one colour for each, one hue for a family, and a marker that tells them apart in grey.

Colours are those of the paper's figures; networks that it does not have take colours of Okabe and Ito's palette.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Label: colour and marker (in matplotlib's letters).
PAPER: Final = {
    "AlexNet": ("#fd8d3c", "o"),
    "BN-AlexNet": ("#fecc5c", "s"),
    "BN-NIN": ("#de2d26", "D"),
    "ENet": ("#000000", "*"),
    "GoogLeNet": ("#08519c", "P"),
    "Inception-v3": ("#6baed6", "^"),
    "Inception-v4": ("#c6dbef", "v"),
    "VGG-16": ("#006d2c", "X"),
    "VGG-19": ("#74c476", "p"),
    "ResNet-18": ("#7a0177", "<"),
    "ResNet-34": ("#c51b8a", ">"),
    "ResNet-50": ("#f768a1", "h"),
    "ResNet-101": ("#fa9fb5", "d"),
    "ResNet-152": ("#fcc5c0", "8"),
}
OTHERS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#F0E442", "#999999")
OTHER_MARKERS: Final = ("o", "s", "D", "^", "v", "<", ">", "P")
DARK: Final = "#333333"  # edges, so that light colours stand out on white
PALE: Final = "#bbbbbb"  # what is published, and areas for comparison


@dataclass(frozen=True, slots=True)
class Look:
    """Colour and marker of a network."""

    colour: str
    marker: str


def looks_of(labels: Sequence[str]) -> dict[str, Look]:
    """The look of each label; that of one of the paper's does not depend on the others.

    >>> looks_of(["VGG-16", "mine"])["mine"].colour
    '#0072B2'
    """
    others = [it for it in dict.fromkeys(labels) if it not in PAPER]
    found = {}
    for label in labels:
        if label in PAPER:
            found[label] = Look(*PAPER[label])
        else:
            k = others.index(label)
            found[label] = Look(OTHERS[k % len(OTHERS)], OTHER_MARKERS[(k + k // len(OTHERS)) % len(OTHER_MARKERS)])
    return found
