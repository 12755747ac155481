"""The screen of a scope's channel: what its eight divisions show, and which one suits a current.

The scope's gain error is a share of full scale, so the smallest screen on which nothing clips measures best.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from powerlab_instruments.channel import DIVISIONS, SMALL_SCALE
from powerlab_instruments.probe import CurrentProbe1146B

# The steps of V/div at the input, for screens that come out the same from run to run: a calibration holds for one
# screen. The scope takes any value in between (vernier), and steps of 1-2-5 would waste up to half of its screen.
STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
BELOW = 0.5  # divisions kept free below the zero level
ABOVE = 0.5  # divisions kept free above the highest peak
FINER = 10  # how much finer than the widest screen the finest one tried is


@dataclass(frozen=True, slots=True)
class Screen:
    """Full scale (eight divisions) and the value at the centre, both in A in the lead."""

    full_scale: float
    centre: float

    @property
    def low(self) -> float:
        """The lower edge in A."""
        return self.centre - self.full_scale / 2

    @property
    def high(self) -> float:
        """The upper edge in A."""
        return self.centre + self.full_scale / 2

    def holds(self, lowest: float, highest: float) -> bool:
        """Whether currents from `lowest` to `highest` (A) are on the screen with a margin on both sides."""
        division = self.full_scale / DIVISIONS
        return self.low + BELOW * division / 2 <= lowest and highest <= self.high - ABOVE * division

    def __str__(self) -> str:
        return f"{self.low:.4g} A to {self.high:.4g} A"


def screens(probe: CurrentProbe1146B, largest: float, zero: float = 0.0) -> tuple[Screen, ...]:
    """The screens to choose from for currents from `zero` up to `largest` (A in the lead), widest first.

    `zero` is what the probe shows without current; it lies half a division above the lower edge. No screen reaches
    beyond what the probe can carry, so that a current which overloads it clips and is found out; steps are those of
    V/div at the scope's input, none below 10 mV/div, where its gain is less sure.
    """
    found = [it for step in _steps() if (it := _at(zero, step * probe.ratio)).high <= probe.peak_current]
    widest = next((it for it in found if it.holds(zero, largest)), found[-1]).full_scale
    return tuple(it for it in reversed(found) if widest / FINER <= it.full_scale <= widest)


def smallest(candidates: Sequence[Screen], lowest: float, highest: float) -> Screen | None:
    """The smallest screen that holds currents from `lowest` to `highest` (A); None if none does."""
    fitting = [it for it in candidates if it.holds(lowest, highest)]
    return min(fitting, key=lambda it: it.full_scale, default=None)


def _at(zero: float, scale: float) -> Screen:
    """The screen of `scale` A/div with the zero half a division above its lower edge, to a twentieth of a division."""
    grid = scale / 20
    return Screen(DIVISIONS * scale, round((zero + (DIVISIONS / 2 - BELOW) * scale) / grid) * grid)


def _steps() -> list[float]:
    """V/div at the input, 10 mV to 5 V, rising."""
    decades = range(math.floor(math.log10(SMALL_SCALE)), 1)
    return [step * 10.0**decade for decade, step in itertools.product(decades, STEPS) if step * 10.0**decade <= 5.0]
