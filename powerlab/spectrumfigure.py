"""The spectra of a run, and how slow a meter would do, as a picture."""

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from powerlab.figure import CURRENT, DROPPED, MEAN
from powerlab.terminal import printable
from powerlab_analysis.passages import Part
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.slowmeter import Sampling
from powerlab_analysis.spectra import Spectra, Spectrum
from powerlab_traces.errors import PowerlabError

COLUMNS: Final = 2000  # over the width: finer bins are merged, from the least to the largest
MOST_NAMED: Final = 6  # lines whose frequency is written beside them
LABEL_WIDTH: Final = 0.2  # of these words, in decades of frequency
COLOURS: Final = {Part.WINDOWS: CURRENT, Part.IDLE: DROPPED, Part.RECORDS: CURRENT}
NAMES: Final = {Part.WINDOWS: "in windows", Part.IDLE: "idle", Part.RECORDS: "whole records"}


def draw_spectra(found: Spectra, path: Path, title: str) -> Path:
    """Draw the densities with their lines, and below them the errors of slower meters, and save it; the file written.

    Where bins are finer than the picture, their least, largest and mean are drawn.

    Raises
    ------
    PowerlabError
        The picture cannot be written.
    """
    rows = 1 if found.sampling is None else 2
    figure = Figure(figsize=(11, 4.6 + 2.8 * (rows - 1)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(plain(title), fontsize=10, fontweight="bold")
    shape = {"height_ratios": [1.65, 1]} if rows == 2 else None
    axes: list[Axes] = figure.subplots(rows, 1, squeeze=False, gridspec_kw=shape)[:, 0].tolist()
    _densities(axes[0], found)
    if found.sampling is not None:
        _meters(axes[1], found.sampling)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PowerlabError(f"{path} cannot be written ({why}); give another name with -o, such as run.png") from error
    return path


def _densities(axes: Axes, found: Spectra) -> None:
    _frame(axes, "frequency", f"density in {plain(found.unit)}$^2$/Hz")
    for it in sorted(found.parts.values(), key=lambda it: it is found.main):  # the main one on top
        _density(axes, it)
    _lines(axes, found.main, found.unit)
    axes.set_xlim(min(it.density.spacing for it in found.parts.values()), found.main.density.frequencies[-1])
    _legend(axes)


def _density(axes: Axes, spectrum: Spectrum) -> None:
    density = spectrum.density
    colour, name = COLOURS[spectrum.part], NAMES[spectrum.part]
    x, low, mean, high = _columns(density.frequencies, density.values)
    axes.fill_between(x, low, high, color=colour, alpha=0.3, linewidth=0)
    axes.plot(x, mean, color=colour, linewidth=0.9, label=f"{name}, mean of {density.segments} segments")
    x, _, mean, _ = _columns(density.frequencies, spectrum.floor.threshold)
    label = "a line stands above this" if spectrum.part is not Part.IDLE else "_"
    axes.plot(x, mean, color=colour, linewidth=0.6, linestyle=(0, (4, 3)), alpha=0.8, label=label)


def _lines(axes: Axes, spectrum: Spectrum, unit: str) -> None:
    density = spectrum.density
    if not spectrum.lines:
        return
    places = [round(it.frequency.value / density.spacing) for it in spectrum.lines]
    x = [it.frequency.value for it in spectrum.lines]
    y = [float(density.values[max(k - 1, 0) : k + 2].max()) for k in places]
    axes.plot(x, y, "v", color=MEAN, markersize=4.5, label="line")
    named: list[float] = []
    for line, top in zip(spectrum.lines, y, strict=True):
        place = math.log10(line.frequency.value)
        if len(named) == MOST_NAMED or any(abs(place - other) < LABEL_WIDTH for other in named):
            continue
        named.append(place)
        said = f"{prefixed(line.frequency.value, 'Hz', 5)}\n{prefixed(line.amplitude.value, unit, 3)} rms"
        axes.annotate(
            said,
            (line.frequency.value, top),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=6.5,
            color=MEAN,
        )
    bottom, highest = axes.get_ylim()
    axes.set_ylim(bottom, max(highest, 20 * max(y)))


def _meters(axes: Axes, sampling: Sampling) -> None:
    _frame(axes, "readings of a meter per second", "error of a window's mean, %")
    rates = np.array([it.rate for it in sampling.meters])
    for errors, colour, name, marker in (
        ([it.point.quantile for it in sampling.meters], CURRENT, "samples", "o"),
        ([it.boxcar.quantile for it in sampling.meters], MEAN, "means over the time between", "s"),
    ):
        known = np.where(np.isfinite(errors), errors, np.nan) * 100
        axes.plot(rates, known, marker=marker, markersize=3.5, linewidth=0.9, color=colour, label=f"{name}, 95 %")
    in_step = np.array([it.on_line for it in sampling.meters]) * 100
    if in_step.any():
        style: dict[str, Any] = {"color": CURRENT, "linewidth": 0.9, "linestyle": ":"}
        axes.plot(rates, np.where(in_step > 0, in_step, np.nan), label="samples in step with a line, at worst", **style)
    label = f"wanted: {sampling.wanted * 100:g} %"
    axes.axhline(sampling.wanted * 100, color="black", linewidth=0.8, linestyle="--", label=label)
    axes.set_xlim(rates.min() / 1.15, sampling.recorded)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    _legend(axes)


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0, fontsize=7, ncols=4, frameon=False)


def plain(text: str) -> str:
    """A foreign name for a picture: a dollar sign in it is no formula."""
    return printable(text).replace("$", r"\$")


def _frame(axes: Axes, x: str, y: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: prefixed(value, "Hz")))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25, linewidth=0.5)


def _columns(frequencies: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Frequency (Hz), least, mean and largest of each column of the picture, without 0 Hz and what is not known."""
    known = np.flatnonzero((frequencies > 0) & (values > 0))
    if not len(known):
        return (np.empty(0),) * 4
    frequencies, values = frequencies[known], values[known]
    edges = np.geomspace(frequencies[0], frequencies[-1], COLUMNS)
    starts = np.unique(np.searchsorted(frequencies, edges))
    sizes = np.diff(np.append(starts, len(values)))
    middles = np.add.reduceat(frequencies, starts) / sizes
    mean = np.add.reduceat(values, starts) / sizes
    return middles, np.minimum.reduceat(values, starts), mean, np.maximum.reduceat(values, starts)
