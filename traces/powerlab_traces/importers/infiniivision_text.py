"""InfiniiVision CSV (a file for all channels) and ASCII XY (a file a channel, `<base>_<channel>.csv`).

Both: a row `x-axis,<channel>,...`, a row of units `second,Volt,...`, then rows of numbers, with or without a line end
after the last. CSV of all segments has one row more on top, the points of a segment; its segments are stacked, with
times since the trigger of the first. Leading rows may have empty channel cells.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.importers.channels import assigned
from powerlab_traces.importers.grid import on_grid
from powerlab_traces.importers.imported import ForeignRecord, ForeignTrace, Imported
from powerlab_traces.importers.options import ALL, ImportOptions
from powerlab_traces.importers.registry import Importer
from powerlab_traces.importers.setup_print import find_setup, mistrusted, read_setup
from powerlab_traces.importers.source import Source, identified, refused
from powerlab_traces.importers.table import Table, parse_table, read_columns
from powerlab_traces.importers.windows import completed
from powerlab_traces.run import Provenance

X_AXIS = "x-axis"
SECOND = "second"
MOST_SEGMENTS = 100_000


@dataclass(frozen=True, slots=True)
class _Opening:
    """The header: which line starts it (from 0), and the points of a segment where there are segments."""

    line: int
    points: int | None


def recognises(source: Source) -> bool:
    """Whether a file starts with the scope's header rows."""
    return _opening(source.text) is not None


def same(one: Path, other: Path) -> bool:
    """Whether two files are channels of one ASCII XY save."""
    return _base(one) is not None and _base(one) == _base(other)


def read(path: Path, options: ImportOptions) -> Imported:
    """Read a CSV save, or an ASCII XY save with the other channels that lie beside it.

    Raises
    ------
    ForeignFileError
        A cell is no number, or channels that belong together have different times.
    """
    found, rows = _channels(path)
    files = [path]
    if len(found[0]) == 1:
        for sibling in _siblings(path):
            more, lines = _channels(sibling)
            if lines == rows and len(more) == len(found) and _share_times(found[0][0], more[0][0]):
                found = [[*traces, *extra] for traces, extra in zip(found, more, strict=True)]
                files.append(sibling)
    records = tuple(ForeignRecord(k, tuple(traces)) for k, traces in enumerate(found))
    print_path = find_setup(path)
    setup = read_setup(print_path) if print_path else {}
    doubtful = mistrusted(records[0].traces, setup)
    records, unknown = assigned(path, records, options, doubtful)
    return completed(
        Imported(
            format="InfiniiVision text",
            records=records,
            windows=(),
            provenance=Provenance("", simulated=False, model=path.stem, batch=None, marker_bit=None, settings=setup),
            sources=tuple(identified(each) for each in (*files, *([print_path] if print_path else []))),
            clock="the scope's: seconds from the trigger of the first segment",
            unknown=unknown,
            notes=tuple(doubtful.values()),
        ),
        options,
        path,
    )


def _opening(text: str) -> _Opening | None:
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()[:8]]
    for line, cells in enumerate(rows[:-1]):
        if cells == [""]:
            continue
        below = rows[line + 1]
        if cells[0].casefold() == X_AXIS and below[0].casefold().rstrip("s") == SECOND:
            return _Opening(line, None)
        if cells[0].isdecimal() and not any(cells[1:]) and below[0].casefold() == X_AXIS and line + 2 < len(rows):
            return (
                _Opening(line + 1, int(cells[0][:12])) if rows[line + 2][0].casefold().rstrip("s") == SECOND else None
            )
        return None
    return None


def _channels(path: Path) -> tuple[list[list[ForeignTrace]], int]:
    """The channels of each segment, and how many rows the file has."""
    opening = _opening(Source.at(path).text)
    if opening is None:
        raise refused(path, "no InfiniiVision save: its first rows are not `x-axis` and `second`")
    table = parse_table(path, skip=opening.line)
    columns = read_columns(table, table.columns)
    times, rows = columns[0], len(columns[0])
    points = opening.points or rows
    if points < 1 or rows % points or rows // points > MOST_SEGMENTS:
        raise refused(path, f"{rows} rows are no whole number of segments of {points} points; the file is cut short")
    return [
        _traces(table, times[first : first + points], [values[first : first + points] for values in columns[1:]])
        for first in range(0, rows, points)
    ], rows


def _traces(table: Table, times: NDArray[np.float64], values: list[NDArray[np.float64]]) -> list[ForeignTrace]:
    base = on_grid(table.path, times, table.first)
    return [
        replace(base, name=column.name, unit=column.unit or "", raw=row)
        for column, row in zip(table.columns[1:], values, strict=True)
    ]


def _base(path: Path) -> str | None:
    match = re.fullmatch(r"(.+)_([^_]+)", path.stem)
    return match[1] if match else None


def _siblings(path: Path) -> list[Path]:
    """The other channels of an ASCII XY save: the same base name, another channel, one channel each."""
    return [
        other
        for other in sorted(path.parent.glob(f"*{path.suffix}"))[:200]
        if other != path and same(path, other) and recognises(Source.at(other)) and _is_single(other)
    ]


def _is_single(path: Path) -> bool:
    """Whether a save holds the one channel that its name says: `scope_7_1.csv` holds channel 1."""
    opening = _opening(Source.at(path).text)
    if opening is None:
        return False
    columns = parse_table(path, skip=opening.line).columns
    return len(columns) == 2 and path.stem.endswith(f"_{columns[1].name}")


def _share_times(one: ForeignTrace, other: ForeignTrace) -> bool:
    return len(one) == len(other) and one.interval == other.interval and one.start == other.start


IMPORTER = Importer("infiniivision-text", "InfiniiVision CSV or ASCII XY", recognises, read, same, ALL - {"time"})
