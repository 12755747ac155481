"""Windows of foreign captures: from a table, or from a line that is high while one runs; and what is still unknown."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from powerlab_traces.importers import loadgen
from powerlab_traces.importers.imported import (
    ForeignRecord,
    ForeignTrace,
    ForeignWindow,
    Imported,
    Lacking,
    Role,
    Unknown,
)
from powerlab_traces.importers.options import ImportOptions
from powerlab_traces.importers.source import beside, identified, refused
from powerlab_traces.importers.table import (
    Column,
    Table,
    first_row,
    parse_table,
    parse_time,
    read_columns,
    read_text,
    read_times,
)

STARTS = ("start", "begin", "from")
STOPS = ("stop", "end", "to")
DURATIONS = ("duration", "length")
COUNTS = ("images", "inferences", "batch", "count")
LABELS = ("label", "name", "window", "mark")
RECORDS = ("record",)
MOST_WINDOWS = 1_000_000


def completed(imported: Imported, options: ImportOptions, path: Path) -> Imported:
    """The capture of file `path` with the user's windows and images, and with what is unknown after that.

    Windows come from --windows, else from --marker, else from the capture's own companions, else from a table of
    windows that lies beside it (`<base>-windows.csv`, `<base>_windows.csv` or `windows.csv`); --images holds for all
    windows whose images nobody else said.

    Raises
    ------
    ForeignFileError
        The windows cannot be read.
    """
    windows, sources, notes = imported.windows, imported.sources, imported.notes
    table = options.windows
    if table is None and options.marker is None and not windows:
        table = beside(path, f"{path.stem}-windows.csv", f"{path.stem}_windows.csv", "windows.csv")
    if table is not None:
        windows = read_windows(table, imported.origin)
        sources = (*sources, identified(table))
        notes = (*notes, f"the windows are those of {table.name}")
    elif options.marker is not None:
        found = [window for record in imported.records for window in marked_windows(record, options.marker)]
        windows = tuple(replace(window, index=k) for k, window in enumerate(found))
    if options.clock_offset:
        notes = (*notes, f"the windows were moved by {options.clock_offset:+g} s (--clock-offset)")
    windows = tuple(
        replace(
            window,
            start=window.start + options.clock_offset,
            stop=window.stop + options.clock_offset,
            images=window.images or options.images,
        )
        for window in windows
    )
    return replace(
        imported,
        windows=windows,
        sources=sources,
        notes=notes,
        unknown=_still_unknown(path, imported.unknown, windows, None if table else options.marker),
        supply_voltage=options.supply_voltage,
    )


def _still_unknown(
    path: Path, known: tuple[Unknown, ...], windows: tuple[ForeignWindow, ...], marker: str | None
) -> tuple[Unknown, ...]:
    """What is unknown once these are the windows."""
    if windows:
        unknown = tuple(each for each in known if each.lacking is not Lacking.WINDOWS)
        if all(window.images is not None for window in windows):
            return unknown
        why = f"{path}: nothing says how many images a window held"
        return (*unknown, Unknown(Lacking.IMAGES, why, "--images N"))
    if any(each.lacking is Lacking.WINDOWS for each in known):
        return known
    why = (
        "nothing says when the windows were" if marker is None else f"{marker!r} has no pulse from low to high and back"
    )
    return (*known, Unknown(Lacking.WINDOWS, f"{path}: {why}", "--windows FILE or --marker LINE"))


def read_windows(path: Path, origin: datetime | None) -> tuple[ForeignWindow, ...]:
    """The windows of a table: columns start and stop (or duration), and where there are any images, label and record.

    Times are seconds (or the unit in the header) on the capture's clock, or ISO 8601 times, which need a capture that
    knows its `origin`. A LoadGen detail log is read as well.

    Raises
    ------
    ForeignFileError
        The file is no such table, a window ends before it starts, or the times cannot be compared.
    """
    if loadgen.is_log(path):
        return (loadgen.window_of(path, loadgen.read_log(path), origin),)
    table = parse_table(path)
    start = _one_of(table, STARTS)
    stop, duration = _one_of(table, STOPS), _one_of(table, DURATIONS)
    if start is None or (stop is None and duration is None):
        names = ", ".join(repr(column.name) for column in table.columns[:12])
        raise refused(path, f"a table of windows needs columns start and stop (or duration) with units; it has {names}")
    starts = _times(table, start, origin)
    if stop is not None:
        stops = _times(table, stop, origin)
    else:
        assert duration is not None
        stops = starts + _times(table, duration, None)
    if len(starts) > MOST_WINDOWS:
        raise refused(path, f"holds {len(starts)} windows, more than the {MOST_WINDOWS} that make sense")
    images = _counts(table, COUNTS)
    records = _counts(table, RECORDS)
    label = _one_of(table, LABELS)
    labels = read_text(table, label) if label is not None else [""] * len(starts)
    windows = []
    for k, (begin, end) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
        if not begin < end:
            raise refused(path, f"window {k} stops at {end:g} s, which is not after its start at {begin:g} s")
        windows.append(
            ForeignWindow(
                begin, end, k, (records[k] if records else None) or 0, images[k] if images else None, labels[k]
            )
        )
    return tuple(windows)


def marked_windows(record: ForeignRecord, name: str) -> tuple[ForeignWindow, ...]:
    """The spans in which a line is high: at or above the middle between its lowest and highest value.

    A pulse that the record cuts off at either end is no window.

    Raises
    ------
    ForeignFileError
        The record has no such line.
    """
    trace = next((each for each in record.traces if each.name == name and each.role is Role.MARKER), None)
    if trace is None:
        return ()
    high = _high(trace)
    steps = np.flatnonzero(np.diff(high.astype(np.int8)))
    rises = [int(k) + 1 for k in steps if not high[k]]
    falls = [int(k) + 1 for k in steps if high[k]]
    if falls and rises and falls[0] < rises[0]:
        falls = falls[1:]
    return tuple(
        ForeignWindow(_start_of(trace, rise), _start_of(trace, fall), k, record.index)
        for k, (rise, fall) in enumerate(zip(rises, falls, strict=False))
    )


def is_window_table(table: Table) -> bool:
    """Whether a table is one of windows and not of samples."""
    return _one_of(table, STARTS) is not None and _one_of(table, (*STOPS, *DURATIONS)) is not None


def seconds_since(path: Path, origin: datetime | None, times: Sequence[datetime]) -> np.ndarray:
    """Wall-clock times as seconds after the capture's origin, exact to the microsecond.

    Raises
    ------
    ForeignFileError
        The capture's clock has no date, or only one of the two says its time zone.
    """
    if origin is None:
        raise refused(path, "times of day cannot be placed: the capture does not say when it started; give seconds")
    if times and (times[0].tzinfo is None) != (origin.tzinfo is None):
        raise refused(path, "only one of the capture and the windows says its offset from UTC; give both or neither")
    return np.array([(time - origin).total_seconds() for time in times])


def _high(trace: ForeignTrace) -> np.ndarray:
    values = trace.values
    finite = values[np.isfinite(values)]
    if not len(finite) or finite.min() == finite.max():
        return np.zeros(len(values), dtype=bool)
    threshold = (float(finite.min()) + float(finite.max())) / 2
    return np.asarray(values >= threshold)


def _start_of(trace: ForeignTrace, number: int) -> float:
    if trace.times is not None:
        return float(trace.times[number])
    assert trace.interval is not None
    return trace.start + number * trace.interval


def _one_of(table: Table, names: Sequence[str]) -> Column | None:
    found = [
        column for column in table.columns if column.name.casefold().replace(" ", "_").removesuffix("_time") in names
    ]
    return found[0] if found else None


def _times(table: Table, column: Column, origin: datetime | None) -> np.ndarray:
    row = first_row(table)
    if column.number < len(row) and parse_time(row[column.number]) is not None:
        return seconds_since(table.path, origin, read_times(table, column))
    if column.unit != "s":
        raise refused(table.path, f"{column.label} has no unit of time; name it like {column.name}_s")
    values = read_columns(table, [column])[0]
    if not np.isfinite(values).all():
        raise refused(table.path, f"{column.label} has rows without a time")
    return values


def _counts(table: Table, names: Sequence[str]) -> list[int | None] | None:
    column = _one_of(table, names)
    if column is None:
        return None
    counts: list[int | None] = []
    for k, value in enumerate(read_columns(table, [column])[0].tolist()):
        if value != value:  # noqa: PLR0124 - an empty cell is NaN
            counts.append(None)
        elif value < 0 or value > 1e15 or value != int(value):
            raise refused(table.path, f"window {k}: {value:g} in {column.label} is no count")
        else:
            counts.append(int(value))
    return counts
