"""The paper's ten figures of a study. With `powerlab.figure` and its neighbours, the one door to matplotlib."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from powerlab.study.figures.bars import accuracy_figure, density_figure
from powerlab.study.figures.blobs import (
    operations_figure,
    power_operations_figure,
    throughput_figure,
    time_operations_figure,
)
from powerlab.study.figures.frame import Picture, save
from powerlab.study.figures.memoryfigure import memory_parameters_figure
from powerlab.study.figures.series import memory_figure, power_figure, time_figure
from powerlab.study.points import Point

__all__ = ["FIGURES", "Picture", "figures", "save"]

# In the order of the paper's numbers.
FIGURES: Final[tuple[Callable[[Sequence[Point]], Picture], ...]] = (
    accuracy_figure,
    operations_figure,
    time_figure,
    power_figure,
    memory_figure,
    memory_parameters_figure,
    time_operations_figure,
    power_operations_figure,
    throughput_figure,
    density_figure,
)


def figures(points: Sequence[Point]) -> Iterator[Picture]:
    """Draw the ten figures, one after the other."""
    for draw in FIGURES:
        yield draw(points)
