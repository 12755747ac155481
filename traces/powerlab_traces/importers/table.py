"""Tables of numbers in text: delimiter, header, units, and the columns as arrays."""

import csv
import itertools
import math
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.importers.source import encoding_of, lines_of, reading, refused
from powerlab_traces.importers.units import parse_unit, split_unit

DELIMITERS = ("\t", ";", ",", "|")  # tried in this order: a comma may be decimal where a semicolon separates
MOST_COLUMNS = 4096
COMMENT = "#"
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its number from 0, name, SI unit (None where the file does not say) and the factor to it."""

    number: int
    name: str
    unit: str | None
    factor: float

    @property
    def label(self) -> str:
        """How to name it to a user."""
        return f"column {self.name!r}"


@dataclass(frozen=True, slots=True)
class Table:
    """Where the numbers of a text file are: `first` is the line, from 1, that holds the first row of them."""

    path: Path
    columns: tuple[Column, ...]
    first: int
    delimiter: str | None  # None: white space
    decimal_comma: bool

    def column(self, name: str, option: str) -> Column:
        """The column that a user means with `NAME` or `NAME:UNIT`; a number counts columns from 1.

        Raises
        ------
        ForeignFileError
            There is no such column, there are several, or the unit is unknown.
        """
        unit: tuple[str, float] | None = None
        found = self._named(name)
        if not found and ":" in name:
            name, _, text = name.rpartition(":")
            found = self._named(name)
            unit = parse_unit(text)
            if unit is None:
                raise refused(self.path, f"{option}: {text!r} is no unit; give A, V, W or s, with a prefix like mA")
        if len(found) != 1:
            names = ", ".join(repr(column.name) for column in self.columns[:12])
            many = "no column" if not found else f"{len(found)} columns"
            raise refused(self.path, f"{option} {name!r} names {many}; the columns are {names}")
        column = found[0]
        return column if unit is None else Column(column.number, column.name, *unit)

    def _named(self, name: str) -> list[Column]:
        wanted = name.strip().casefold()
        exact = [column for column in self.columns if column.name.casefold() == wanted]
        if not exact and wanted.isdecimal() and len(wanted) < 6 and 0 < int(wanted) <= len(self.columns):
            return [self.columns[int(wanted) - 1]]
        return exact


def parse_table(path: Path, *, skip: int = 0) -> Table:
    """Find delimiter, header and units of a table, after `skip` lines.

    The header is the first row that is no comment; where that is a row of numbers, the comment before it, if it has as
    many cells. A row of units may follow the header.

    Raises
    ------
    ForeignFileError
        The file holds no table.
    """
    rows = _rows(path, skip)
    opening = next(rows, None)
    if opening is None:
        raise refused(path, "holds no table: it is empty" + (f" after line {skip}" if skip else ""))
    first, text, comment = opening
    delimiter = _delimiter(text)
    cells = split(text, delimiter)
    if len(cells) > MOST_COLUMNS:
        raise refused(path, f"line {first} has {len(cells)} cells, more than a table here may have ({MOST_COLUMNS})")
    names, units = cells, [""] * len(cells)
    below = next(rows, None)
    if below is not None and _are_units(split(below[1], delimiter), len(cells)):
        units, below = split(below[1], delimiter), next(rows, None)
    if any(units) or (below is not None and _is_header(cells, split(below[1], delimiter))):
        if below is None:
            raise refused(path, f"holds no numbers below its header in line {first}")
        first, text = below[0], below[1]
    else:
        header = split(comment, delimiter) if comment else []
        names = header if len(header) == len(cells) else [str(k + 1) for k in range(len(cells))]
    return Table(
        path=path,
        columns=tuple(_column(k, name, unit) for k, (name, unit) in enumerate(zip(names, units, strict=True))),
        first=first,
        delimiter=delimiter,
        decimal_comma=delimiter != "," and any("," in cell and is_number(cell) for cell in split(text, delimiter)),
    )


def read_columns(table: Table, columns: Sequence[Column]) -> list[NDArray[np.float64]]:
    """The named columns as numbers in SI [rows]; an empty cell is NaN.

    Raises
    ------
    ForeignFileError
        A cell is no number, or a row is too short; the message names the line.
    """
    numbers = [column.number for column in columns]
    found = _read_fast(table, numbers)
    if found is None:
        found = _read_exact(table, numbers)
    return [
        values * column.factor if column.factor != 1 else values for values, column in zip(found, columns, strict=True)
    ]


def read_times(table: Table, column: Column) -> list[datetime]:
    """A column of ISO 8601 times [rows].

    Raises
    ------
    ForeignFileError
        A cell is no time; the message names the line.
    """
    times: list[datetime] = []
    for number, cells in _data(table):
        text = cells[column.number] if column.number < len(cells) else ""
        time = parse_time(text)
        if time is None:
            raise refused(table.path, f"line {number}: {text[:40]!r} in {column.label} is no ISO 8601 time")
        if times and (time.tzinfo is None) != (times[0].tzinfo is None):
            raise refused(table.path, f"line {number}: {column.label} has times with and without an offset from UTC")
        times.append(time)
    return times


def first_row(table: Table) -> list[str]:
    """The cells of the first row of data; empty without one."""
    return next((cells for _, cells in _data(table)), [])


def read_text(table: Table, column: Column) -> list[str]:
    """A column as text [rows]."""
    return [cells[column.number] if column.number < len(cells) else "" for _, cells in _data(table)]


def split(line: str, delimiter: str | None) -> list[str]:
    """The cells of a row, trimmed; quotes as in CSV."""
    if delimiter is None:
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return [cell.strip() for cell in line.split(delimiter)]


def is_number(text: str) -> bool:
    """Whether a cell is a number, with a point or a comma."""
    return NUMBER.fullmatch(text.strip()) is not None


def parse_time(text: str) -> datetime | None:
    """A cell as an ISO 8601 date and time; None if it is none.

    >>> parse_time("2026-01-02T03:04:05.250Z").microsecond, parse_time("2026")
    (250000, None)
    """
    text = text.strip()
    if not re.match(r"\d{4}-?\d\d-?\d\d[T ]\d", text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _rows(path: Path, skip: int) -> Iterator[tuple[int, str, str]]:
    """Lines that are neither blank nor comment: number, text, and the last comment before it."""
    comment = ""
    for number, line in itertools.islice(lines_of(path), skip, None):
        text = line.strip()
        if text.startswith(COMMENT):
            comment = text.lstrip(COMMENT).strip()
        elif text.strip(",;\t "):
            yield number, line, comment


def _data(table: Table) -> Iterator[tuple[int, list[str]]]:
    for number, line, _ in _rows(table.path, table.first - 1):
        yield number, split(line, table.delimiter)


def _are_units(cells: Sequence[str], count: int) -> bool:
    """Whether a row holds units and nothing else."""
    return len(cells) == count and any(cells) and all(not cell or parse_unit(cell) is not None for cell in cells)


def _is_header(cells: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a row names the columns: it has words where the row below has numbers."""
    return any(cell and not _is_value(cell) and _is_value(under) for cell, under in zip(cells, below, strict=False))


def _is_value(cell: str) -> bool:
    return is_number(cell) or parse_time(cell) is not None


def _delimiter(line: str) -> str | None:
    return next((mark for mark in DELIMITERS if mark in line), None)


def _column(number: int, name: str, unit_cell: str) -> Column:
    text, unit = split_unit(name)
    unit = parse_unit(unit_cell) or unit
    return Column(number, text or str(number + 1), *(unit or (None, 1.0)))


def _read_fast(table: Table, numbers: Sequence[int]) -> list[NDArray[np.float64]] | None:
    """All rows at numpy's speed; None if a cell needs a closer look."""
    if table.decimal_comma or not numbers:
        return None
    with reading(table.path), table.path.open(encoding=encoding_of(table.path), errors="replace") as file:
        for _ in range(table.first - 1):
            file.readline()
        try:
            rows = np.loadtxt(
                file,
                np.float64,
                comments=COMMENT,
                delimiter=table.delimiter,
                usecols=tuple(numbers),
                ndmin=2,
                quotechar='"',
            )
        except (ValueError, IndexError, UserWarning):
            return None
    return [np.ascontiguousarray(rows[:, k]) for k in range(len(numbers))] if rows.size else None


def _read_exact(table: Table, numbers: Sequence[int]) -> list[NDArray[np.float64]]:
    """All rows one by one, so that an error has a line; empty cells are NaN."""
    found = [array("d") for _ in numbers]
    for line, cells in _data(table):
        for values, number in zip(found, numbers, strict=True):
            values.append(_number(table, line, cells, number))
    return [np.frombuffer(values, np.float64) if values else np.zeros(0) for values in found]


def _number(table: Table, line: int, cells: Sequence[str], number: int) -> float:
    if number >= len(cells):
        raise refused(table.path, f"line {line} has {len(cells)} cells where the header has {len(table.columns)}")
    text = cells[number]
    if not text:
        return math.nan
    try:
        return float(text.replace(",", ".") if table.decimal_comma else text)
    except ValueError:
        raise refused(table.path, f"line {line}: {text[:40]!r} in {table.columns[number].label} is no number") from None
