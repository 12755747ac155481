"""A run as a picture: with `importfigure`, `spectrumfigure` and `study.figures`, the one door to matplotlib."""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from powerlab_traces.errors import PowerlabError
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Run
from powerlab_traces.store import StoredRecords, StoredRun

if TYPE_CHECKING:  # a run at a glance is drawn without analysing it, and sooner than the analysis is loaded
    from powerlab_analysis.result import Result

# Blue, orange and grey that stay apart for colour-blind readers (Okabe and Ito's palette).
CURRENT, MEAN, WINDOW, DROPPED = "#0072B2", "#D55E00", "#56B4E9", "#999999"
COLUMNS = 1500  # pixels a row is wide: more points than twice that cannot be seen
RECORDS_A_PAGE = 12
MOST_RECORDS = 60  # drawn one by one
MOST_WINDOWS = 300  # shaded at a glance: more could not be told apart
UNITS = (("h", 3600.0, 3 * 3600.0), ("min", 60.0, 300.0), ("s", 1.0, 0.0))  # of time: name, seconds, used from


def draw(run: Run, result: "Result", path: Path, title: str) -> list[Path]:
    """Draw every record of a run below each other, current against time, and save it; the files written.

    Each column of pixels shows the least and largest sample of its span, and the mean over it as a line; kept windows
    are shaded and numbered, dropped ones hatched. A run of more than twelve records goes on in NAME-2.png and so on.

    Raises
    ------
    PowerlabError
        The run has no record, or the picture cannot be written.
    """
    if not len(run.records):
        raise PowerlabError(f"{title} has no record to draw")
    pages = math.ceil(len(run.records) / RECORDS_A_PAGE)
    written = []
    records = iter(run.records)
    for page in range(pages):
        count = min(RECORDS_A_PAGE, len(run.records) - page * RECORDS_A_PAGE)
        target = path if page == 0 else path.with_stem(f"{path.stem}-{page + 1}")
        heading = _heading(run, title) + (f"  ({page + 1} of {pages})" if pages > 1 else "")
        _page(records, count, result, target, heading)
        written.append(target)
    return written


def draw_glance(run: StoredRun, path: Path, title: str) -> Path:
    """Draw the records of a run as one curve, however many they are: current against time since the start of the run.

    Each column of pixels shows the least and largest sample of its span, and the mean over it as a line; where nothing
    was recorded is a gap. Windows are shaded as the host timed them, unless they are too many to be told apart. Where a
    column holds whole records, so that idle and windows are in each, their mean has a row and a scale of its own below:
    how the run drifted.

    Raises
    ------
    PowerlabError
        There is no record, they have different units, or the picture cannot be written.
    """
    records = run.records
    if not len(records):
        raise PowerlabError(f"{title} has no record to draw")
    start, stop = float(records.starts[0]), float(records.stops[-1])
    unit, seconds, _ = next(it for it in UNITS if stop - start >= it[2])
    drifts = len(records) > COLUMNS
    figure, rows = _sheet(1 + drifts, _heading(run, title), height=5.0 if drifts else 4.0)
    axes = rows[0]
    figure.set_layout_engine(None)  # the one of `_sheet` takes as long as the drawing
    figure.subplots_adjust(left=0.06, right=0.99, bottom=0.08 if drifts else 0.095, top=0.9 if drifts else 0.885)
    seen = glance(records)
    _outline(axes, seen, seconds)
    if drifts:
        _drift(axes, rows[1], seen, seconds)
    index = records.column("index")
    said = [f"{len(records)} records, {index[0]} to {index[-1]}", f"{_shade_windows(axes, run, seconds)} windows"]
    everything = records.between(start, stop)
    if everything is not None:
        said.append(f"mean {everything.mean:.4g} A, {everything.least:.4g} to {everything.largest:.4g} A")
    recorded = float((records.stops - records.starts).sum())
    said.append(f"{recorded / (stop - start):.1%} of {(stop - start) / seconds:.3g} {unit} recorded")
    clipped = records.column("clipped")
    if clipped.any():
        said.append(f"{clipped.sum()} samples clipped")
        column = (stop - start) / COLUMNS
        edges = np.unique((records.starts[clipped > 0] - start) // column) * column + start
        whole: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": MEAN, "linewidth": 0.5}
        axes.vlines(edges / seconds, 0, 1, label="record that clipped", **whole)
    axes.set_title(", ".join(said), fontsize=8, loc="left", pad=2)
    for row in rows:
        row.set_xlim(start / seconds, stop / seconds)
        if unit != "s":
            row.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 3, 5, 10], integer=True))  # whole hours, minutes
    rows[-1].set_xlabel(f"time since the first record in {unit}", fontsize=8)
    _save(figure, rows, path)
    return path


def _drift(axes: Axes, below: Axes, seen: "Envelope", seconds: float) -> None:
    """The mean alone, at a scale that a few columns of zero or idle records do not spoil."""
    axes.set_position((0.06, 0.4, 0.93, 0.5))
    axes.tick_params(labelbottom=False)
    below.set_position((0.06, 0.08, 0.93, 0.28))
    below.plot(seen.times / seconds, seen.mean, color=CURRENT, linewidth=0.9)
    below.set_ylabel("mean in A", fontsize=8)
    low, high = np.nanquantile(seen.mean, (0.005, 0.995)).tolist()
    margin = max(0.15 * (high - low), 1e-4 * abs(high))
    if margin > 0:
        below.set_ylim(low - margin, high + margin)


def _heading(run: Run, title: str) -> str:
    return f"{'SIMULATED  ' if run.provenance.simulated else ''}{title}"


def _sheet(count: int, heading: str, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of `height` (in) with so many rows."""
    figure = Figure(figsize=(11, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(heading, fontsize=10, fontweight="bold")
    rows: list[Axes] = figure.subplots(count, 1, squeeze=False)[:, 0].tolist()
    for axes in rows:
        axes.set_ylabel("current in A", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.margins(x=0)
        axes.grid(alpha=0.25, linewidth=0.5)
    return figure, rows


def _save(figure: Figure, rows: Sequence[Axes], path: Path) -> None:
    handles = {label: handle for axes in rows for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    rows[0].legend(
        handles.values(),
        handles.keys(),
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderpad=0,
        fontsize=7,
        ncols=3,
        frameon=False,
    )
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PowerlabError(f"{path} cannot be written ({why}); give another name with -o, such as run.png") from error


def _outline(axes: Axes, envelope: "Envelope", seconds: float = 1.0) -> None:
    times, low, mean, high = envelope
    times = times / seconds
    axes.fill_between(times, low, high, step="mid", color=CURRENT, alpha=0.35, linewidth=0, label="least to largest")
    axes.plot(times, mean, color=CURRENT, linewidth=0.9, label="mean")


def _shade_windows(axes: Axes, run: StoredRun, seconds: float) -> int:
    """Shade the windows of the run's records, if they can be told apart; how many they are."""
    of = run.windows.column("record")
    here = np.isin(of, run.records.column("index"))
    if 0 < here.sum() <= MOST_WINDOWS:
        starts, stops = (
            run.records.seconds(of[here], run.windows.column(it)[here]) / seconds for it in ("start", "stop")
        )
        spans = list(zip(starts.tolist(), (stops - starts).tolist(), strict=True))
        whole: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": WINDOW, "alpha": 0.25}
        axes.broken_barh(spans, (0, 1), linewidth=0, label="window, as the host timed it", **whole)
    return int(here.sum())


def _page(records: Iterator[Record], count: int, result: "Result", path: Path, heading: str) -> None:
    figure, rows = _sheet(count, heading, height=0.8 + 1.7 * count)
    for axes, record in zip(rows, records, strict=False):
        _record(axes, record, result)
    rows[-1].set_xlabel("time after the trigger in s", fontsize=8)
    _save(figure, rows, path)


def _record(axes: Axes, record: Record, result: "Result") -> None:
    _outline(axes, envelope(record))
    kept = [it for it in result.kept if it.record == record.index]
    for number, it in enumerate(kept):
        axes.axvspan(
            it.window.start,
            it.window.stop,
            color=WINDOW,
            alpha=0.25,
            linewidth=0,
            label="window" if number == 0 else "_",
        )
        axes.text(
            (it.window.start + it.window.stop) / 2,
            0.04,
            f"{it.window.index}: {it.energy:.3g} J",
            transform=axes.get_xaxis_transform(),
            ha="center",
            fontsize=7,
        )
    if record.kind is RecordKind.ACTIVE and not kept:
        axes.text(0.5, 0.5, "no window kept", transform=axes.transAxes, ha="center", color=DROPPED)
    for edge in _clipped(record):
        axes.axvline(edge, color=MEAN, linewidth=0.5)
    axes.set_title(f"record {record.index}, {record.kind.value}", fontsize=8, loc="left", pad=2)


def _clipped(record: Record) -> NDArray[np.float64]:
    """Times of clipped samples, one for each column of pixels at most."""
    step = max(len(record.current) // COLUMNS, 1)
    columns = np.unique(record.clipped // step) * step
    return record.current.start + columns.astype(np.float64) * record.current.interval


class Envelope(NamedTuple):
    """Middle time (s), least, mean and largest current (A) of each column of pixels, each [columns]."""

    times: NDArray[np.float64]
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]


def envelope(record: Record) -> Envelope:
    """The record's current, column by column of pixels.

    Every sample is in one column: a picture that picked every n-th sample would miss peaks.
    """
    trace = record.current
    edges = np.linspace(0, len(trace), min(COLUMNS, len(trace)) + 1).astype(np.int64)
    starts, sizes = edges[:-1], np.diff(edges)

    def amperes(codes: NDArray[Any]) -> NDArray[np.float64]:
        return codes.astype(np.float64) * trace.scale + trace.offset

    return Envelope(
        times=trace.start + (edges[:-1] + edges[1:]).astype(np.float64) * (trace.interval / 2),
        low=amperes(np.minimum.reduceat(trace.codes, starts)),
        mean=amperes(np.add.reduceat(trace.codes, starts, dtype=np.float64) / sizes),
        high=amperes(np.maximum.reduceat(trace.codes, starts)),
    )


def glance(records: StoredRecords, columns: int = COLUMNS) -> Envelope:
    """The current of many records on one axis of time, column by column; NaN where nothing was recorded.

    A column has two points, its ends, so that one between two gaps is seen, too. Every sample is in one column. Where
    there are more records than columns, a record is in one column as a whole: then the sums in the table of records
    are all that is read.
    """
    edges = np.linspace(records.starts[0], records.stops[-1], columns + 1)
    if len(records) > columns:
        low, mean, high = _whole_records(records, np.searchsorted(records.starts, edges[:-1]))
    else:
        found = [records.between(start, stop) for start, stop in itertools.pairwise(edges.tolist())]
        low, mean, high = (
            np.array([math.nan if it is None else getattr(it, name) for it in found])
            for name in ("least", "mean", "largest")
        )
    return Envelope(np.repeat(edges, 2)[1:-1], *(np.repeat(it, 2) for it in (low, mean, high)))


def _whole_records(records: StoredRecords, firsts: NDArray[np.intp]) -> tuple[NDArray[np.float64], ...]:
    """Least, mean and largest of the records in each column, told by its first one; NaN where there is none."""
    filled = np.diff(firsts, append=len(records)) > 0
    firsts = firsts[filled]
    samples, mean = records.column("samples"), records.column("mean")
    values = (
        np.minimum.reduceat(records.column("least"), firsts),
        np.add.reduceat(mean * samples, firsts) / np.add.reduceat(samples, firsts),
        np.maximum.reduceat(records.column("largest"), firsts),
    )
    found = np.full((len(values), len(filled)), math.nan)
    found[:, filled] = values
    return tuple(found)
