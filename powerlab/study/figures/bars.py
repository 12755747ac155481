"""Figures 1 and 10: accuracy and information density, a bar for each network, published values beside."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from powerlab.networks.published import published
from powerlab.spectrumfigure import plain
from powerlab.study.figures.frame import SMALL, Picture, new_figure
from powerlab.study.fits import densities
from powerlab.study.looks import DARK, looks_of
from powerlab.study.points import PUBLISHED, Point
from powerlab.study.selection import networks_of
from powerlab.study.sheets import Column, Origin, Sheet

IMAGES: Final = 50_000  # of ImageNet's validation set, whose binomial interval bars show
NORMAL_95: Final = 1.96
ARROWS: Final = ("ResNet-18", "BN-NIN", "GoogLeNet", "ENet")  # that the paper points out
DOT: Final[dict[str, Any]] = {
    "marker": "o",
    "markersize": 4.6,
    "markerfacecolor": "white",
    "markeredgecolor": DARK,
    "markeredgewidth": 1.1,
    "linestyle": "none",
}
UNEXPLAINED: Final = ("Inception-v4",)  # whose published size fits no known definition


def accuracy_figure(points: Sequence[Point]) -> Picture:
    """Figure 1: top-1 accuracy of each network, in ascending order."""
    networks = sorted((it for it in networks_of(points) if it.top1 is not None), key=lambda it: it.top1 or 0.0)
    paper = published()
    figure, (axes,) = new_figure(1, height=3.9, simulated=False)
    looks = looks_of([it.label for it in networks])
    own = [it.top1_source != PUBLISHED for it in networks]
    for k, network in enumerate(networks):
        top1 = network.top1 or 0.0
        _bar(axes, k, top1, looks[network.label].colour, hatched=not own[k])
        half = NORMAL_95 * math.sqrt(top1 * (100 - top1) / IMAGES)
        axes.errorbar(k, top1, yerr=half, color=DARK, elinewidth=0.8, capsize=2, linestyle="none")
        axes.text(k, top1 + 1.3, f"{top1:.2f}", ha="center", va="bottom", fontsize=SMALL - 0.5)
        if own[k] and network.model in paper:
            _dot(axes, k, paper[network.model].top1_percent)
    _names(axes, [it.label for it in networks])
    axes.set_ylabel("top-1 accuracy, %")
    axes.set_ylim(0, 94)
    handles: list[Any] = []
    if any(own):
        handles.append(Patch(facecolor="#888888", edgecolor=DARK, label="given with --accuracy"))
        handles.append(Line2D([], [], label="published", **DOT))
    if not all(own):
        handles.append(Patch(facecolor="#cccccc", edgecolor=DARK, hatch="//", label="published"))
    handles.append(Line2D([], [], color=DARK, marker="|", linestyle="none", label="95 %, binomial, of 50 000 images"))
    axes.legend(handles=_once(handles), loc="upper left", ncols=3, frameon=False, fontsize=SMALL)
    rows = tuple(
        (
            it.label,
            it.top1 if it.top1_source != PUBLISHED else None,
            paper[it.model].top1_percent if it.model in paper else None,
            paper[it.model].accuracy_source if it.model in paper else it.top1_source,
        )
        for it in networks
    )
    columns = (
        Column("network"),
        Column("top-1", "percent", Origin.GIVEN),
        Column("top-1", "percent", Origin.PUBLISHED),
        Column("source"),
    )
    return Picture(
        number=1,
        name="figure-01-top-1",
        title="Top-1 accuracy, one central crop",
        caption=(
            "Top-1 accuracy with one central crop, in ascending order. Hatched bars are published values, not "
            "measured here. Error bars are the binomial interval of 95 % that 50 000 images allow."
        ),
        figure=figure,
        sheet=Sheet("figure-01-top-1", "Top-1 accuracy", columns, rows),
    )


def density_figure(points: Sequence[Point]) -> Picture:
    """Figure 10: accuracy per million parameters, in ascending order."""
    found = densities(points)
    networks = {it.model: it for it in networks_of(points)}
    paper = {model: it.top1_percent / it.parameters_millions for model, it in published().items()}
    labels = {model: networks[model].label for model in found}
    figure, (axes,) = new_figure(1, height=3.9, simulated=False)
    looks = looks_of(list(labels.values()))
    for k, (model, density) in enumerate(found.items()):
        label = labels[model]
        _bar(axes, k, density, looks[label].colour, hatched=False)
        highest = max(density, paper.get(model, 0.0))
        apart = highest - density > 0.4  # the published value hangs above the bar: the number goes into it
        y = density - 0.75 if apart else highest + 0.22
        axes.text(k, y, f"{density:.2f}", ha="center", va="bottom", fontsize=SMALL - 0.5)
        if model in paper:
            _dot(axes, k, paper[model])
        if label in ARROWS:
            start, stop = highest + 2.2, highest + 0.95
            arrow = {"arrowstyle": "-|>", "color": "#777777", "linewidth": 1.6}
            axes.annotate("", (k, stop), xytext=(k, start), arrowprops=arrow)
        if label in UNEXPLAINED and model in paper:
            axes.annotate(
                "published size\nunexplained",
                (k, paper[model]),
                xytext=(0, 16),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL - 1,
                color=DARK,
                arrowprops={"arrowstyle": "-", "color": DARK, "linewidth": 0.5, "shrinkB": 4},
            )
    _names(axes, list(labels.values()))
    axes.set_ylabel("top-1 density, % per million parameters")
    tallest = max([*found.values(), *(paper[it] for it in found if it in paper), 1.0])
    axes.set_ylim(0, max(12.5, tallest) * 1.18)
    axes.legend(
        handles=[
            Patch(facecolor="#888888", edgecolor=DARK, label="computed: accuracy over the parameters counted here"),
            Line2D([], [], label="published", **DOT),
        ],
        loc="upper left",
        frameon=False,
        fontsize=SMALL,
    )
    rows = tuple((labels[model], density, paper.get(model), _ratio(found, model)) for model, density in found.items())
    columns = (
        Column("network"),
        Column("density", "percent_per_million", Origin.COMPUTED),
        Column("density", "percent_per_million", Origin.PUBLISHED),
        Column("times the least", "", Origin.COMPUTED),
    )
    return Picture(
        number=10,
        name="figure-10-density",
        title="Top-1 accuracy per million parameters",
        caption=(
            "Information density: top-1 accuracy over parameters, in ascending order. Open circles are the published "
            "values. Arrows mark the networks that the paper points out. The published size of Inception-v4 fits no "
            "known definition, and that of BN-NIN leaves out its normalisations."
        ),
        figure=figure,
        sheet=Sheet("figure-10-density", "Information density", columns, rows),
    )


def _bar(axes: Axes, place: int, height: float, colour: str, *, hatched: bool) -> None:
    axes.bar(
        place,
        height,
        width=0.74,
        color=colour,
        edgecolor="#ffffff" if hatched and colour == "#000000" else DARK,
        linewidth=0.6,
        hatch="//" if hatched else None,
        hatch_linewidth=0.5,
    )


def _dot(axes: Axes, place: int, height: float) -> None:
    """What is published, as an open circle."""
    axes.plot([place], [height], zorder=4, **DOT)


def _names(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_xticks(range(len(labels)), [plain(it) for it in labels], rotation=40, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, max(len(labels), 1) - 0.4)
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)


def _ratio(found: Mapping[str, float], model: str) -> float:
    return found[model] / min(found.values())


def _once(handles: Sequence[Any]) -> list[Any]:
    """Handles without those of a label that is there already."""
    return list({handle.get_label(): handle for handle in reversed(handles)}.values())[::-1]
