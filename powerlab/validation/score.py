"""How many answers are right, and what that says."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from powerlab.networks.published import Published
from powerlab.validation.preprocessing import Preprocessing

_Z: Final = 1.959964  # a normal deviate lies within so many standard deviations in 95 % of cases


@dataclass(frozen=True, slots=True)
class Share:
    """So many right of so many.

    >>> f"{Share(38_000, 50_000):.2%}"
    '76.00 % (75.62 to 76.37)'
    """

    right: int
    images: int

    @property
    def value(self) -> float:
        """Between 0 and 1; nan of no image at all."""
        return self.right / self.images if self.images else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share of all such images lies with 95 % confidence (Wilson's interval for a binomial share)."""
        if not self.images:
            return 0.0, 1.0
        n, p = self.images, self.value
        spread = _Z * math.sqrt(p * (1 - p) / n + (_Z / (2 * n)) ** 2)
        low, high = ((p + _Z**2 / (2 * n) + it) / (1 + _Z**2 / n) for it in (-spread, spread))
        return max(0.0, low), min(1.0, high)

    def agrees(self, percent: float) -> bool:
        """Whether another's value lies in the interval."""
        low, high = self.interval
        return low <= percent / 100 <= high

    def __format__(self, spec: str) -> str:
        low, high = (format(it, spec).rstrip("%") for it in self.interval)
        return f"{format(self.value, spec).rstrip('%')} % ({low} to {high})"


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: the output that stands for it, and how often it was found."""

    name: str
    output: int
    top1: Share
    top5: Share | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be scored, and why."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often a network was right. `top1` and `top5` are of the images that were scored.

    These are all that were `asked` for but the `unreadable` ones, and with `partial` fewer, for it was stopped.
    `listed` is how many the folder has, `absent` how many more its truth file knows of. `top5` is None where the
    network has no more than five outputs.
    """

    model: str
    weights: Path | None
    data: Path
    layout: str
    outputs: int
    listed: int
    absent: int
    asked: int
    top1: Share
    top5: Share | None
    classes: tuple[ClassScore, ...]
    unreadable: tuple[Unreadable, ...]
    partial: bool
    crops: int
    preprocessing: Preprocessing
    batch: int
    device: str
    threads: int
    dtype: str
    framework: str
    seconds: float
    published: Published | None

    @property
    def comparable(self) -> bool:
        """Whether the published values are of the same kind: one central crop, a thousand classes."""
        return self.published is not None and self.crops == 1 and len(self.classes) == 1000
