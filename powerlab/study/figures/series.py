"""Figures 3, 4 and 5: time per image, net power and memory against the batch, a line for each network."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from matplotlib.axes import Axes

from powerlab.study.figures.frame import Picture, batch_axis, log_axis, network_legend, new_figure, span
from powerlab.study.looks import DARK, Look, looks_of
from powerlab.study.points import Point
from powerlab.study.selection import by_batch, measured_points, models_of
from powerlab.study.sheets import Column, Sheet, measured_or_simulated

DODGE: Final = 0.16  # octaves, to either side: how far markers are moved apart where many lie on each other
OUTLINE: Final = 2.4  # points, of the dark line behind a light one


def time_figure(points: Sequence[Point]) -> Picture:
    """Figure 3: forward time per image against the batch, both logarithmic."""
    return _series(
        points,
        number=3,
        quantity="time_per_image",
        heading=("time per image", "s"),
        axis="time per image, ms",
        scale=1e3,
        logarithmic=True,
    )


def power_figure(points: Sequence[Point]) -> Picture:
    """Figure 4: net power against the batch."""
    return _series(
        points,
        number=4,
        quantity="power_net",
        heading=("net power", "W"),
        axis="net power, W",
        scale=1.0,
        logarithmic=False,
        dodge=DODGE,
    )


def memory_figure(points: Sequence[Point]) -> Picture:
    """Figure 5: the most memory in use, over what was in use before, against the batch; both logarithmic."""
    return _series(
        points,
        number=5,
        quantity="memory_peak",
        heading=("maximum net memory", "B"),
        axis="maximum net memory utilisation, MB",
        scale=1e-6,
        logarithmic=True,
    )


def _series(
    points: Sequence[Point],
    *,
    number: int,
    quantity: str,
    heading: tuple[str, str],
    axis: str,
    scale: float,
    logarithmic: bool,
    dodge: float = 0.0,
) -> Picture:
    simulated = any(point.simulated for point in points)
    figure, (axes,) = new_figure(1, height=4.4, simulated=simulated, legend=True)
    models = models_of(points)
    labels = {point.model: point.label for point in points}
    looks = looks_of([labels[model] for model in models])
    batches = sorted({point.batch for point in points})
    shifts = _shifts(len(models), dodge)
    for model, shift in zip(models, shifts, strict=True):
        _line(
            axes,
            by_batch(points, model, quantity),
            batches,
            looks[labels[model]],
            quantity=quantity,
            scale=scale,
            shift=shift,
        )
    batch_axis(axes, batches)
    axes.set_ylabel(axis)
    values = [
        (it.value * scale, it.U95 * scale)
        for point in measured_points(points, quantity)
        if (it := point.of(quantity)) is not None
    ]
    if not values:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=DARK)
    elif logarithmic:
        log_axis(axes, min(max(y - u, y / 3) for y, u in values), max(y + u for y, u in values))
    else:
        axes.set_ylim(*span([y - u for y, u in values], [y + u for y, u in values]))
    network_legend(figure, looks, lines=True)
    name, unit = heading
    column = Column(name, unit, measured_or_simulated(simulated=simulated))
    rows = tuple((point.label, point.batch, point.of(quantity), point.repeats, point.missing) for point in points)
    columns = (Column("network"), Column("batch"), column, Column("repeats"), Column("missing"))
    return Picture(
        number=number,
        name=f"figure-{number:02}-{name.replace(' ', '-')}",
        title=f"{name.capitalize()} against batch size",
        caption="".join(_caption(points, quantity, name, dodged=dodge > 0)),
        figure=figure,
        sheet=Sheet(f"figure-{number:02}-{name.replace(' ', '-')}", f"{name.capitalize()}", columns, rows),
    )


def _line(
    axes: Axes,
    having: dict[int, Point],
    batches: Sequence[int],
    look: Look,
    *,
    quantity: str,
    scale: float,
    shift: float,
) -> None:
    """One network: gaps where there is no measurement, markers with U95 where there is one."""
    found = {batch: point.of(quantity) for batch, point in having.items()}
    x = [batch * 2**shift for batch in batches]
    y = [value.value * scale if (value := found.get(batch)) is not None else math.nan for batch in batches]
    style: dict[str, Any] = {"solid_capstyle": "round", "label": "_"}
    axes.plot(x, y, color=DARK, linewidth=OUTLINE, alpha=0.55, zorder=2, **style)
    axes.plot(x, y, color=look.colour, linewidth=1.5, zorder=2.1, **style)
    known = [batch for batch in batches if found.get(batch) is not None]
    axes.errorbar(
        [batch * 2**shift for batch in known],
        [value.value * scale for batch in known if (value := found[batch]) is not None],
        yerr=[value.U95 * scale for batch in known if (value := found[batch]) is not None],
        linestyle="none",
        marker=look.marker,
        markersize=5.2,
        markerfacecolor=look.colour,
        markeredgecolor=DARK,
        markeredgewidth=0.5,
        ecolor=DARK,
        elinewidth=0.7,
        capsize=1.6,
        zorder=3,
        label=next(iter(having.values())).label if having else "_",
    )


def _shifts(count: int, dodge: float) -> list[float]:
    """By how many octaves each of so many lines is moved."""
    return [dodge * (2 * k / (count - 1) - 1) if count > 1 else 0.0 for k in range(count)]


def _caption(points: Sequence[Point], quantity: str, name: str, *, dodged: bool) -> Iterator[str]:
    yield f"{name.capitalize()} against batch size; error bars are U95, with what all points have in common."
    if dodged:
        yield " Markers of one batch are moved apart sideways."
    lacking = [point for point in points if point.of(quantity) is None]
    if lacking:
        for reason, of in itertools.groupby(sorted(lacking, key=_why), key=_why):
            yield f" Missing ({reason}): {', '.join(f'{it.label} at {it.batch}' for it in of)}."


def _why(point: Point) -> str:
    """Why a point is missing, in a word or two."""
    return point.missing.split(":")[0] or "not known"
