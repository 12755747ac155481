"""The sheet of paper that all figures of a study share: fonts, sizes, how panels, legends and files are made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from powerlab.spectrumfigure import plain
from powerlab.study.looks import DARK, Look
from powerlab.study.sheets import Sheet
from powerlab_traces.errors import PowerlabError

WIDTH: Final = 7.2  # in: two columns of a journal
FONTS: Final = Path(mpl.get_data_path()) / "fonts" / "ttf"  # of the letters in figures
FORMATS: Final = ("png", "svg", "pdf")
DOTS: Final = 200  # an inch, of PNG
SMALL: Final = 7.5  # points, of ticks and legends
TEXT: Final = 8.5
LEGEND: Final = 0.18  # of the width
STYLE: Final[Any] = {
    "font.size": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "pdf.fonttype": 42,  # letters that can be searched and edited
    "svg.hashsalt": "powerlab",  # the same figure is the same file
    "svg.fonttype": "path",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of the study: its number in the paper, a name for files, what it shows, and the table behind it."""

    number: int
    name: str
    title: str
    caption: str
    figure: Figure
    sheet: Sheet


def new_figure(panels: int, *, height: float, simulated: bool, legend: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of `height` (in) with panels side by side that share the y axis.

    `legend` leaves room for one at the right. A figure of simulated numbers says so.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes: list[Axes] = figure.subplots(1, panels, squeeze=False, sharey=True)[0].tolist()
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0.0, 0.0, 1.0 - (LEGEND if legend else 0.0), 0.955 if simulated else 1.0), w_pad=0.06, h_pad=0.05)
    if simulated:
        figure.text(0.995, 0.99, "SIMULATED", ha="right", va="top", fontsize=TEXT, fontweight="bold", color="#a00000")
    for panel in axes:
        panel.grid(color="#dddddd", linewidth=0.5)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    return figure, axes


def batch_axis(axes: Axes, batches: Sequence[int]) -> None:
    """A logarithmic axis of batch sizes, with a tick at each that there is."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(list(batches)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("batch size, images")
    if batches:
        axes.set_xlim(min(batches) / 1.25, max(batches) * 1.25)


def log_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic y axis from below `low` to above `high`, with ticks at 1, 2 and 5 written out."""
    axes.set_yscale("log")
    bottom, top = low / 1.25, high * 1.25
    decades = range(math.floor(math.log10(bottom)), math.ceil(math.log10(top)) + 1)
    steps = (1, 2, 5) if top / bottom < 2000 else (1,)
    axes.yaxis.set_major_locator(FixedLocator([step * 10.0**decade for decade in decades for step in steps]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom, top)


def span(lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float]:
    """The limits of a linear axis: from 0 where the values fill half of that, else so that they fill two thirds."""
    low, high = min(lows), max(highs)
    margin = 0.4 * (high - low)
    return (0.0, 1.12 * high) if low < 0.5 * high else (low - margin, high + 0.6 * margin)


def name_panels(axes: Sequence[Axes], names: Sequence[str]) -> None:
    """Write a letter and what a panel shows above it; nothing where there is only one without a name."""
    for letter, panel, name in zip("abcdefgh", axes, names, strict=False):
        said = f"({letter}) {name}" if len(names) > 1 else name
        panel.set_title(said, loc="left", fontsize=TEXT, pad=4)


def network_legend(
    figure: Figure,
    looks: Mapping[str, Look],
    *,
    lines: bool,
    extra: Sequence[Any] = (),
    areas: Sequence[Any] = (),
    area: str = "",
) -> None:
    """Name the networks at the right of the figure, by colour and marker, then what `extra` handles say.

    `areas` are blobs of known areas, which stand for what `area` names.
    """
    handles = [
        Line2D(
            [],
            [],
            color=look.colour if lines else "none",
            marker=look.marker,
            markerfacecolor=look.colour,
            markeredgecolor=DARK,
            markeredgewidth=0.5,
            markersize=5.5,
            linewidth=1.4,
            label=plain(label),
        )
        for label, look in looks.items()
    ]
    style: dict[str, Any] = {"frameon": False, "fontsize": SMALL, "alignment": "left"}
    figure.legend(
        handles=[*handles, *extra],
        loc="upper left" if areas else "center left",
        bbox_to_anchor=(1 - LEGEND, 0.95 if areas else 0.5),
        handlelength=1.8,
        labelspacing=0.55,
        **style,
    )
    if areas:
        figure.legend(
            handles=areas,
            loc="lower left",
            title=area,
            title_fontsize=SMALL,
            bbox_to_anchor=(1 - LEGEND, 0.01),
            handlelength=2.6,
            handleheight=2.6,
            handletextpad=1.0,
            labelspacing=0.9,
            **style,
        )


def save(picture: Picture, folder: Path) -> list[Path]:
    """Write a picture in each format; the files.

    Raises
    ------
    PowerlabError
        A file cannot be written.
    """
    written = []
    metadata: Mapping[str, dict[str, Any]] = {
        "svg": {"Date": None, "Title": picture.title},
        "pdf": {"CreationDate": None, "ModDate": None, "Title": picture.title},
        "png": {"Title": picture.title},
    }
    with mpl.rc_context(STYLE):
        for ending in FORMATS:
            path = folder / f"{picture.name}.{ending}"
            try:
                picture.figure.savefig(path, dpi=DOTS, metadata=metadata[ending])
            except OSError as error:
                why = error.strerror or str(error)
                raise PowerlabError(f"{path} cannot be written ({why}); give another folder with -o") from error
            written.append(path)
    return written
