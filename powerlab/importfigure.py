"""A capture of another program as a picture."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from powerlab.figure import COLUMNS, CURRENT, DROPPED, RECORDS_A_PAGE, WINDOW
from powerlab.terminal import printable
from powerlab_analysis.quantity import prefixed
from powerlab_traces.errors import PowerlabError
from powerlab_traces.importers import EnergyOfWindow, ForeignRecord, Imported, NotKnown, energies
from powerlab_traces.importers.outline import as_power, main_trace, outline
from powerlab_traces.table import quantity_of

LONGEST_TITLE = 80  # characters
MOST_WINDOWS = 500  # of one record that are shaded: more could not be told apart


def draw_import(capture: Imported, path: Path, title: str) -> list[Path]:
    """Draw the power of every record, or what comes closest to it, against time, and save it; the files written.

    Windows are shaded, with their energy where it is known. More than twelve records go on in NAME-2.png and so on.

    Raises
    ------
    PowerlabError
        There is nothing to draw, or the picture cannot be written.
    """
    records = [it for it in capture.records if (trace := main_trace(it)) is not None and len(trace)]
    if not records:
        raise PowerlabError(f"{title} has no samples to draw")
    kept = _kept(capture)
    written = []
    for page in range(math.ceil(len(records) / RECORDS_A_PAGE)):
        rows = records[page * RECORDS_A_PAGE : (page + 1) * RECORDS_A_PAGE]
        figure = Figure(figsize=(11, 0.8 + 1.7 * len(rows)), layout="constrained")
        FigureCanvasAgg(figure)
        # A dollar sign in a foreign name is no formula.
        figure.suptitle(f"{printable(title, LONGEST_TITLE)}, imported".replace("$", r"\$"), fontsize=10)
        for axes, record in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
            _record(axes, record, capture, kept)
        target = path if page == 0 else path.with_stem(f"{path.stem}-{page + 1}")
        try:
            figure.savefig(target, dpi=150)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise PowerlabError(
                f"{target} cannot be written ({why}); give another name with -o, such as run.png"
            ) from error
        written.append(target)
    return written


def _kept(capture: Imported) -> dict[int, EnergyOfWindow]:
    """The windows that have an energy, by their numbers; none where the power or the windows are not known."""
    try:
        return {it.window.index: it for it in energies(capture).kept}
    except NotKnown:
        return {}


def _record(axes: Axes, record: ForeignRecord, capture: Imported, kept: dict[int, EnergyOfWindow]) -> None:
    main = main_trace(record)
    assert main is not None
    trace = as_power(main)
    times, low, mean, high = outline(trace, COLUMNS)
    axes.fill_between(times, low, high, step="mid", color=CURRENT, alpha=0.35, linewidth=0)
    axes.plot(times, mean, color=CURRENT, linewidth=0.9)
    windows = [window for window in capture.windows if window.record == record.index]
    for window in windows[:MOST_WINDOWS]:
        found = kept.get(window.index)
        axes.axvspan(window.start, window.stop, color=WINDOW if found else DROPPED, alpha=0.25, linewidth=0)
        axes.text(
            (window.start + window.stop) / 2,
            0.04,
            f"{window.index}: {prefixed(found.energy, 'J')}" if found else f"{window.index}",
            transform=axes.get_xaxis_transform(),
            ha="center",
            fontsize=7,
            clip_on=True,
        )
    name = printable(main.name, LONGEST_TITLE).replace("$", r"\$")
    axes.set_title(f"record {record.index}, {name}", fontsize=8, loc="left", pad=2)
    axes.set_ylabel(f"{quantity_of(trace.unit)} in {printable(trace.unit, 8) or '1'}", fontsize=8)
    axes.set_xlabel("time in s", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25, linewidth=0.5)
