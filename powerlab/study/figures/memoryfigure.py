"""Figure 6: memory against parameters, with the floor and the slope."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.lines import Line2D

from powerlab.study.figures.frame import SMALL, Picture, network_legend, new_figure
from powerlab.study.fits import MB, memory_hinge, parameter_megabytes
from powerlab.study.looks import DARK, looks_of
from powerlab.study.points import Point
from powerlab.study.selection import at_batch, panel_batches
from powerlab.study.sheets import Column, Origin, Sheet, measured_or_simulated

PUBLISHED_FLOOR: Final = 200.0  # MB
PUBLISHED_SLOPE: Final = 1.30


def memory_parameters_figure(points: Sequence[Point]) -> Picture:
    """Figure 6: the most memory in use against the parameters' size, at the smallest batch of all networks."""
    batch = next(iter(panel_batches(points, "memory_peak")), 1)
    simulated = any(it.simulated for it in points)
    known = [it for it in at_batch(points, batch, "memory_peak") if it.parameters]
    looks = looks_of([it.label for it in known])
    figure, (axes,) = new_figure(1, height=4.2, simulated=simulated, legend=True)
    places = []
    for it in known:
        assert it.memory_peak is not None
        x, y, half = parameter_megabytes(it), it.memory_peak.value / MB, it.memory_peak.U95 / MB
        look = looks[it.label]
        axes.errorbar(
            [x], [y], yerr=half, marker=look.marker, markersize=7, markerfacecolor=look.colour, markeredgecolor=DARK,
            markeredgewidth=0.6, ecolor=DARK, elinewidth=0.7, capsize=1.5, linestyle="none", zorder=3,
        )  # fmt: skip
        places.append((x, y))
    right = 1.1 * max((x for x, _ in places), default=1.0)
    axes.set_xlim(0, right)
    axes.set_ylim(0, 1.15 * max([*(y for _, y in places), PUBLISHED_SLOPE * right * 0.9], default=1.0))
    across = np.linspace(0, right, 200)
    theirs = np.maximum(PUBLISHED_FLOOR, PUBLISHED_SLOPE * across)
    axes.plot(across, theirs, color=DARK, linewidth=1.0, linestyle=":", zorder=1)
    extra = [Line2D([], [], color=DARK, linewidth=1.0, linestyle=":", label="published: max(200 MB, 1.30 x)")]
    found = memory_hinge(points, batch)
    if found is not None:
        floor, slope = found.floor, found.slope
        middle = np.maximum(floor.value, slope.value * across)
        low = np.maximum(floor.value - floor.U95, (slope.value - slope.U95) * across)
        high = np.maximum(floor.value + floor.U95, (slope.value + slope.U95) * across)
        axes.plot(across, middle, color=DARK, linewidth=1.1, zorder=2)
        axes.fill_between(across, low, high, color="#bbbbbb", alpha=0.35, linewidth=0, zorder=0.5)
        said = f"fit, with its 95 %: max({floor.value:.0f} MB, {slope.value:.2f} x)"
        extra.insert(0, Line2D([], [], color=DARK, linewidth=1.1, label=said))
    axes.set_xlabel("parameters as FP32, MB")
    axes.set_ylabel("maximum net memory utilisation, MB")
    if not known:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=DARK)
    axes.legend(handles=extra, loc="upper left", frameon=False, fontsize=SMALL)
    network_legend(figure, looks, lines=False)
    columns = (
        Column("network"),
        Column("batch"),
        Column("parameters as FP32", "MB", Origin.COMPUTED),
        Column("maximum net memory", "B", measured_or_simulated(simulated=simulated)),
    )
    rows = tuple((it.label, it.batch, parameter_megabytes(it), it.memory_peak) for it in known)
    return Picture(
        number=6,
        name="figure-06-memory-parameters",
        title="Memory against parameters",
        caption=(
            f"Maximum net memory against the size of the parameters at batch {batch} (MB are 1e6 bytes). The line is "
            "the floor, and slope through the origin, of least relative deviation; dotted are the floor and slope that "
            "the paper states, in whose text no value of a single network is given."
        ),
        figure=figure,
        sheet=Sheet("figure-06-memory-parameters", "Memory and parameters", columns, rows),
    )
