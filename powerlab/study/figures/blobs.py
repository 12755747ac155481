"""Figures 2, 7, 8 and 9: networks as blobs whose area is what they are made of, in two panels by batch."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MultipleLocator

from powerlab.networks.published import published
from powerlab.study.figures.frame import SMALL, Picture, name_panels, network_legend, new_figure, span
from powerlab.study.figures.labels import Blob, name_blobs
from powerlab.study.fits import accuracy_bound, giga, time_line
from powerlab.study.looks import DARK, PALE, Look, looks_of
from powerlab.study.points import PUBLISHED, Point
from powerlab.study.selection import at_batch, networks_of, panel_batches
from powerlab.study.sheets import Column, Origin, Sheet, measured_or_simulated
from powerlab_analysis.carried import numbers
from powerlab_analysis.measured import Measured

LEGEND_AREAS: Final = (5, 35, 65, 95, 125, 155)  # millions of parameters, as the paper's legend has them
PANEL_AREAS: Final = (5, 65, 125)
OPERATION_AREAS: Final = (1, 10, 40)  # 1e9
FLAGGED: Final = {"alexnet": "published count overlooks groups", "inception-v4": "published size unexplained"}


@dataclass(frozen=True, slots=True)
class Area:
    """What a blob's area stands for: points squared of radius squared for each unit of it."""

    of: Callable[[Point], float]
    scale: float
    unit: str
    examples: tuple[int, ...]
    name: str = "parameters"

    def radius(self, value: float) -> float:
        """In points."""
        return math.sqrt(self.scale * value)


PARAMETERS: Final = Area(lambda it: (it.parameters or 0) / 1e6, 1.3, "M", PANEL_AREAS)
OPERATIONS: Final = Area(giga, 4.5, "G", OPERATION_AREAS, "operations")
LARGE: Final = Area(PARAMETERS.of, 3.6, "M", LEGEND_AREAS)


def operations_figure(points: Sequence[Point]) -> Picture:
    """Figure 2: top-1 against operations, blobs of parameters; what is published as outlines."""
    known = [it for it in networks_of(points) if it.top1 is not None and it.flops and it.parameters]
    looks = looks_of([it.label for it in known])
    paper = published()
    figure, (axes,) = new_figure(1, height=4.9, simulated=False)
    blobs = []
    for it in sorted(known, key=lambda it: -(it.parameters or 0)):
        radius = LARGE.radius(LARGE.of(it))
        _blob(axes, giga(it), it.top1 or 0.0, radius, looks[it.label])
        blobs.append(Blob(giga(it), it.top1 or 0.0, radius, it.label))
    outlines = [paper[it.model] for it in known if it.model in paper]
    for other in outlines:
        at = (other.operations_giga, other.top1_percent)
        _outline(axes, *at, LARGE.radius(other.parameters_millions))
    flagged = [it for it in known if it.model in FLAGGED]
    for it in flagged:
        other = paper[it.model]
        line = {"arrowstyle": "->", "color": DARK, "linewidth": 0.7, "linestyle": "--"}
        axes.annotate(
            "", (giga(it), it.top1 or 0.0), xytext=(other.operations_giga, other.top1_percent), arrowprops=line
        )
    axes.set_xlabel("operations of one image, 1e9 (multiplications and additions apart)")
    axes.set_ylabel("top-1 accuracy, %")
    _limits(axes, known)
    _area_legend(axes)
    axes.legend(
        handles=[
            Line2D([], [], marker="o", markersize=8, linestyle="none", markerfacecolor=PALE, color=DARK,
                   markeredgewidth=0.6, label="computed: operations and parameters counted here"),
            Line2D([], [], marker="o", markersize=8, linestyle="none", markerfacecolor="none", color=DARK,
                   markeredgewidth=0.9, label="published: operations and parameters (dashed outline)"),
            *(
                Line2D([], [], linestyle="--", color=DARK, linewidth=0.7, label=f"{it.label}: {FLAGGED[it.model]}")
                for it in flagged
            ),
        ],
        loc="lower right",
        bbox_to_anchor=(1.0, 0.27),
        frameon=False,
        fontsize=SMALL,
    )  # fmt: skip
    figure.draw_without_rendering()
    hollow = [
        Blob(it.operations_giga, it.top1_percent, LARGE.radius(it.parameters_millions), it.label) for it in outlines
    ]
    name_blobs(axes, blobs, hollow)
    columns = (
        Column("network"),
        Column("operations", "giga", Origin.COMPUTED),
        Column("operations by the paper's rules", "giga", Origin.COMPUTED),
        Column("operations", "giga", Origin.PUBLISHED),
        Column("parameters", "millions", Origin.COMPUTED),
        Column("parameters", "millions", Origin.PUBLISHED),
        Column("top-1", "percent", Origin.GIVEN),
        Column("top-1", "percent", Origin.PUBLISHED),
        Column("flag"),
    )
    rows = tuple(
        (
            it.label,
            giga(it),
            None if it.flops_legacy is None else it.flops_legacy / 1e9,
            paper[it.model].operations_giga if it.model in paper else None,
            PARAMETERS.of(it),
            paper[it.model].parameters_millions if it.model in paper else None,
            it.top1 if it.top1_source != PUBLISHED else None,
            paper[it.model].top1_percent if it.model in paper else None,
            FLAGGED.get(it.model, ""),
        )
        for it in known
    )
    return Picture(
        number=2,
        name="figure-02-accuracy-operations",
        title="Top-1 accuracy against operations",
        caption=(
            "Top-1 accuracy against operations of one image; a blob's area is its number of parameters. Filled blobs: "
            "operations and parameters counted here; dashed outlines: as published. Accuracies are "
            f"{_whose(known)}. Dashed arrows lead from published counts that are not reproduced to ours."
        ),
        figure=figure,
        sheet=Sheet("figure-02-accuracy-operations", "Accuracy, operations and parameters", columns, rows),
    )


def time_operations_figure(points: Sequence[Point]) -> Picture:
    """Figure 7: time per image against operations, with the line through them."""

    def line(axes: Axes, of: Sequence[Point], batch: int) -> str:
        found = time_line(of, batch)
        if found is None:
            return "too few networks for a line"
        x = np.linspace(0, axes.get_xlim()[1], 60)
        _band(axes, x, [found.at(float(it)) * 1e3 for it in x], DARK)
        slope = (found.slope * 1e3).quantity("")
        return f"{_plain(slope.value, slope.U95)} ms per G, R$^2$ = {found.explained:.3f}"

    return _panels(
        points,
        number=7,
        name="time-operations",
        title="Time per image against operations",
        quantity="time_per_image",
        heading=("time per image", "s"),
        axis="time per image, ms",
        scale=1e3,
        drawn=line,
        caption=(
            "Time per image against operations of one image; a blob's area is its number of parameters. Lines are "
            "least squares with the interval of 95 %."
        ),
    )


def power_operations_figure(points: Sequence[Point]) -> Picture:
    """Figure 8: net power against operations, with the mean over networks."""

    def line(axes: Axes, of: Sequence[Point], batch: int) -> str:
        powers = [it.measured["power_net"] for it in at_batch(of, batch, "power_net")]
        if len(powers) < 2:
            return ""
        mean, deviation = float(numbers(powers).mean()), float(numbers(powers).std(ddof=1))
        axes.axhspan(mean - deviation, mean + deviation, color=PALE, alpha=0.35, linewidth=0, zorder=0)
        axes.axhline(mean, color=DARK, linewidth=0.9, zorder=1)
        return f"mean {mean:.2f} W, standard deviation {deviation:.2f} W"

    return _panels(
        points,
        number=8,
        name="power-operations",
        title="Net power against operations",
        quantity="power_net",
        heading=("net power", "W"),
        axis="net power, W",
        scale=1.0,
        drawn=line,
        caption=(
            "Net power against operations of one image; a blob's area is its number of parameters. Lines and bands are "
            "mean and standard deviation over the networks of a panel; error bars hold what all points have in common."
        ),
    )


def throughput_figure(points: Sequence[Point]) -> Picture:
    """Figure 9: top-1 against images per second, with the linear upper bound."""
    simulated = any(it.simulated for it in points)
    batches = panel_batches(points)
    figure, panels = new_figure(max(len(batches), 1), height=4.6, simulated=simulated, legend=True)
    known = {batch: [it for it in at_batch(points, batch, "throughput") if it.top1 is not None] for batch in batches}
    looks = looks_of([it.label for it in networks_of(points)])
    everything = [it for of in known.values() for it in of]
    tops = [it.top1 for it in everything if it.top1 is not None] or [50.0, 80.0]
    texts = []
    for axes, batch in zip(panels, batches, strict=False):
        rates = [rate for it in known[batch] if (rate := it.throughput) is not None]
        axes.set_xlim(0, 1.1 * max((it.value + it.U95 for it in rates), default=1.0))
        axes.set_ylim(min(tops) - 4, max(tops) + 6)
        for it in sorted(known[batch], key=lambda it: -giga(it)):
            rate = it.throughput
            assert rate is not None
            radius = OPERATIONS.radius(OPERATIONS.of(it))
            _blob(axes, rate.value, it.top1 or 0.0, radius, looks[it.label], x_bar=rate.U95)
        bound = accuracy_bound(known[batch], batch)
        if bound is not None:
            x = np.linspace(*axes.get_xlim(), 60)
            values = [bound.at(float(it)) for it in x]
            axes.fill_between(x, numbers(values), axes.get_ylim()[1], color=PALE, alpha=0.35, linewidth=0, zorder=0)
            _band(axes, x, values, DARK, fill=False)
            sign = "-" if bound.slope.value < 0 else "+"
            texts.append(f"bound: {bound.intercept.value:.1f} % {sign} {abs(bound.slope.value):.3f} % x rate")
        else:
            texts.append("too few networks for a bound")
        axes.set_xlabel("images per second")
    for axes in panels[:1]:
        axes.set_ylabel("top-1 accuracy, %")
    _finish(figure, panels, batches, texts, looks=looks, area=OPERATIONS, extra=[
        Line2D([], [], color=DARK, linewidth=1.1, label="upper bound"),
        Line2D([], [], color=DARK, linewidth=0.7, linestyle=":", label="its 95 %"),
        Patch(color=PALE, alpha=0.5, label="exceptional"),
    ])  # fmt: skip
    columns = (
        Column("network"),
        Column("batch"),
        Column("images per second", "Hz", measured_or_simulated(simulated=simulated)),
        Column("top-1", "percent", Origin.GIVEN),
        Column("top-1", "percent", Origin.PUBLISHED),
        Column("operations", "giga", Origin.COMPUTED),
    )
    rows = tuple((it.label, it.batch, it.throughput, *_top1(it), giga(it)) for it in everything)
    return Picture(
        number=9,
        name="figure-09-accuracy-throughput",
        title="Top-1 accuracy against images per second",
        caption=(
            "Top-1 accuracy against images per second; a blob's area is its operations. The line is the linear upper "
            "bound (quantile regression, 0.95) with its interval of 95 %; above it, shaded, lies what is exceptional. "
            f"Accuracies are {_whose(everything)}."
        ),
        figure=figure,
        sheet=Sheet("figure-09-accuracy-throughput", "Accuracy and images per second", columns, rows),
    )


def _panels(
    points: Sequence[Point],
    *,
    number: int,
    name: str,
    title: str,
    quantity: str,
    heading: tuple[str, str],
    axis: str,
    scale: float,
    drawn: Callable[[Axes, Sequence[Point], int], str],
    caption: str,
) -> Picture:
    """A figure of a quantity against operations; `drawn` adds what is fitted to a panel, and says it in a few words."""
    simulated = any(it.simulated for it in points)
    batches = panel_batches(points, quantity)
    figure, panels = new_figure(max(len(batches), 1), height=4.6, simulated=simulated, legend=True)
    known = {batch: [it for it in at_batch(points, batch, quantity) if it.flops] for batch in batches}
    looks = looks_of([it.label for it in networks_of(points)])
    everything = [it for of in known.values() for it in of]
    values = [value * scale for it in everything if (value := it.of(quantity)) is not None]
    texts = []
    for axes, batch in zip(panels, batches, strict=False):
        axes.set_xlim(0, 1.12 * max((giga(it) for it in everything), default=1.0))
        highs = [it.value + it.U95 for it in values] or [1.0]
        axes.set_ylim(*span([it.value - it.U95 for it in values] or [0.0], highs))
        for it in sorted(known[batch], key=lambda it: -(it.parameters or 0)):
            value = it.of(quantity)
            assert value is not None
            radius = PARAMETERS.radius(PARAMETERS.of(it))
            shown = value * scale
            _blob(axes, giga(it), shown.value, radius, looks[it.label], y_bar=shown.U95)
        texts.append(drawn(axes, known[batch], batch))
        axes.set_xlabel("operations of one image, 1e9")
    panels[0].set_ylabel(axis)
    _finish(figure, panels, batches, texts, looks=looks, area=PARAMETERS)
    columns = (
        Column("network"),
        Column("batch"),
        Column("operations", "giga", Origin.COMPUTED),
        Column(*heading, measured_or_simulated(simulated=simulated)),
        Column("parameters", "millions", Origin.COMPUTED),
    )
    rows = tuple((it.label, it.batch, giga(it), it.of(quantity), PARAMETERS.of(it)) for it in everything)
    file = f"figure-{number:02}-{name}"
    return Picture(number, file, title, caption, figure, Sheet(file, title, columns, rows))


def _finish(
    figure: Figure,
    panels: Sequence[Axes],
    batches: Sequence[int],
    texts: Sequence[str],
    *,
    looks: Mapping[str, Look],
    area: Area,
    extra: Sequence[Any] = (),
) -> None:
    """Name panels and networks, and say what blobs and lines are."""
    for axes, text in zip(panels, texts, strict=False):
        axes.text(0.03, 0.985, text, transform=axes.transAxes, va="top", fontsize=SMALL, color=DARK, zorder=7)
    if not batches:
        panels[0].text(0.5, 0.5, "not measured", transform=panels[0].transAxes, ha="center", color=DARK)
    name_panels(panels, [f"batch {batch}" for batch in batches])
    circles = [
        Line2D([], [], marker="o", linestyle="none", markersize=2 * area.radius(it), markerfacecolor=PALE,
               markeredgecolor=DARK, markeredgewidth=0.5, alpha=0.8, label=f"{it} {area.unit}")
        for it in area.examples
    ]  # fmt: skip
    network_legend(figure, looks, lines=False, extra=extra, areas=circles, area=area.name)


def _blob(
    axes: Axes, x: float, y: float, radius: float, look: Look, *, x_bar: float | None = None, y_bar: float | None = None
) -> None:
    """A blob with the network's marker at its centre, and its error bars."""
    axes.scatter(
        [x], [y], s=(2 * radius) ** 2, color=look.colour, alpha=0.75, edgecolors=DARK, linewidths=0.6, zorder=3
    )
    axes.errorbar([x], [y], xerr=x_bar, yerr=y_bar, color=DARK, elinewidth=0.8, capsize=2, linestyle="none", zorder=4)
    axes.scatter([x], [y], s=13, marker=look.marker, color=look.colour, edgecolors="white" if look.colour == "#000000"
                 else DARK, linewidths=0.5, zorder=5)  # fmt: skip


def _outline(axes: Axes, x: float, y: float, radius: float) -> None:
    axes.scatter(
        [x], [y], s=(2 * radius) ** 2, facecolors="none", edgecolors=DARK, linewidths=0.9, linestyles="--", zorder=4.5
    )


def _band(axes: Axes, x: Any, values: Sequence[Measured], colour: str, *, fill: bool = True) -> None:
    """A line with its interval of 95 %."""
    middle, half = numbers(values), np.array([it.U95 for it in values])
    axes.plot(x, middle, color=colour, linewidth=1.1, zorder=2)
    if fill:
        axes.fill_between(x, middle - half, middle + half, color=PALE, alpha=0.35, linewidth=0, zorder=0.5)
    else:
        for edge in (middle - half, middle + half):
            axes.plot(x, edge, color=colour, linewidth=0.7, linestyle=":", zorder=2)


def _limits(axes: Axes, known: Sequence[Point]) -> None:
    """Those of the paper, or as much more as the networks need."""
    tops = [it.top1 or 0.0 for it in known] or [60.0]
    axes.set_xlim(-1.5, max(44.0, 1.1 * max((giga(it) for it in known), default=0.0)))
    axes.set_ylim(min(50.0, min(tops) - 4), max(84.0, max(tops) + 3))
    axes.xaxis.set_major_locator(MultipleLocator(5))
    axes.yaxis.set_major_locator(MultipleLocator(5))


def _area_legend(axes: Axes) -> None:
    """Grey blobs of known sizes in a row at the lower right, as the paper has them."""
    low, high = axes.get_xlim()
    places = low + (high - low) * np.linspace(0.44, 0.93, len(LEGEND_AREAS))
    bottom, top = axes.get_ylim()
    y = bottom + 0.135 * (top - bottom)
    for x, millions in zip(places.tolist(), LEGEND_AREAS, strict=True):
        radius = LARGE.radius(millions)
        axes.scatter([x], [y], s=(2 * radius) ** 2, color=PALE, edgecolors=DARK, linewidths=0.5, zorder=1)
        axes.annotate(f"{millions} M", (x, y), xytext=(0, -34), textcoords="offset points", ha="center", fontsize=SMALL)


def _top1(point: Point) -> tuple[float | None, float | None]:
    """Given and published, apart."""
    return (None, point.top1) if point.top1_source == PUBLISHED else (point.top1, None)


def _whose(points: Sequence[Point]) -> str:
    sources = {it.top1_source for it in points}
    if sources <= {PUBLISHED}:
        return "published"
    return f"from {', '.join(sorted(sources - {PUBLISHED}))}" + (", else published" if PUBLISHED in sources else "")


def _plain(value: float, u95: float) -> str:
    """A number +- its U95 to three digits, for a picture."""
    return f"{value:.3g} $\\pm$ {u95:.2g}"
