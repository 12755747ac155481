"""Any table of numbers with named columns: time, and current, voltage or power, with their units.

The exported CSV of Nordic's Power Profiler (`Timestamp(ms),Current(uA),D0-D7,...`) is one of these.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.importers.grid import on_grid
from powerlab_traces.importers.imported import ForeignRecord, ForeignTrace, Imported, Lacking, Role, Unknown
from powerlab_traces.importers.options import ImportOptions
from powerlab_traces.importers.registry import Importer
from powerlab_traces.importers.source import ForeignFileError, NotKnown, Source, identified, refused
from powerlab_traces.importers.table import (
    Column,
    Table,
    first_row,
    is_number,
    parse_table,
    parse_time,
    read_columns,
    read_text,
    read_times,
)
from powerlab_traces.importers.units import NAMES
from powerlab_traces.importers.windows import completed, is_window_table, seconds_since
from powerlab_traces.run import Provenance

UNITS = {Role.CURRENT: "A", Role.VOLTAGE: "V", Role.POWER: "W"}
X_AXIS = "x-axis"
PPK2_HEADER = ("timestamp", "current")


def recognises(source: Source) -> bool:
    """Whether a file is text with a table of two or more columns of numbers, and not one of windows."""
    text = source.text
    if not text or not any(mark in text for mark in ",;\t| "):
        return False
    try:
        table = parse_table(source.path)
        row = first_row(table)
    except ForeignFileError:
        return False
    numbers = sum(is_number(cell) or parse_time(cell) is not None for cell in row)
    return numbers >= 2 and not is_window_table(table)


def read(path: Path, options: ImportOptions) -> Imported:
    """Read a table; a column is taken by the user's word, else if it is the only one of its unit.

    Raises
    ------
    ForeignFileError
        A cell is no number, times do not rise, or an option names a column that is not there.
    NotKnown
        No column is the time, or a column has no unit.
    """
    table = parse_table(path)
    time = _time_column(table, options)
    chosen = {
        role: column
        for role, name in (
            (Role.CURRENT, options.current),
            (Role.VOLTAGE, options.voltage),
            (Role.POWER, options.power),
        )
        if (column := _quantity(table, role, name, time, options)) is not None
    }
    roles, columns = list(chosen), list(chosen.values())
    times, values, origin = _numbers(table, time, columns)
    base = on_grid(path, times, table.first)
    traces = [
        _scaled(path, replace(base, name=column.name, role=role, unit=column.unit or "", raw=row), options)
        for role, column, row in zip(roles, columns, values, strict=True)
    ]
    if options.marker is not None:
        marker = table.column(options.marker, "--marker")
        levels = np.array([_level(cell) for cell in read_text(table, marker)])
        # The user named it; from here on it goes by the option's word.
        traces.append(replace(base, name=options.marker, role=Role.MARKER, raw=levels))
    return completed(
        Imported(
            format="table",
            records=(ForeignRecord(0, tuple(traces)),),
            windows=(),
            provenance=Provenance(
                created=origin.isoformat() if origin else "",
                simulated=False,
                model=path.stem,
                batch=None,
                marker_bit=None,
                instruments={"meter": "Nordic Power Profiler Kit"} if _is_ppk2(table) else {},
                settings={"columns": {column.name: column.unit or "" for column in table.columns[:100]}},
            ),
            sources=(identified(path),),
            clock="that of the table's time column",
            origin=origin,
            unknown=_unknown(table, roles, options),
        ),
        options,
        path,
    )


def _time_column(table: Table, options: ImportOptions) -> Column:
    row = first_row(table)
    if options.time is not None:
        column = table.column(options.time, "--time")
    else:
        dated = [it for it in table.columns if it.number < len(row) and parse_time(row[it.number])]
        found = dated or [it for it in table.columns if it.unit == "s"]
        found = found or [it for it in table.columns if NAMES["s"].search(it.name) or it.name.casefold() == X_AXIS]
        if len(found) != 1:
            names = ", ".join(repr(it.name) for it in (found or table.columns)[:12])
            which = "which of them is the time" if found else "no column is the time by name or unit"
            raise NotKnown(f"{table.path}: {which} ({names}): give --time NAME:UNIT")
        column = found[0]
    is_dated = column.number < len(row) and parse_time(row[column.number]) is not None
    if not is_dated and column.unit != "s":
        raise NotKnown(f"{table.path}: {column.label} has no unit of time: give --time '{column.name}:s' (or :ms, :us)")
    return column


def _quantity(table: Table, role: Role, name: str | None, time: Column, options: ImportOptions) -> Column | None:
    """The column of a role; None if there is none, or if there are several and nobody said which."""
    unit = UNITS[role]
    if name is None:
        found = [it for it in table.columns if it.unit == unit and it.number != time.number]
        return found[0] if len(found) == 1 else None
    column = table.column(name, f"--{role.value}")
    if column.number == time.number:
        raise refused(table.path, f"--{role.value} {name!r} names the column of the time")
    if column.unit is None:
        raise NotKnown(
            f"{table.path}: {column.label} has no unit: give --{role.value} '{column.name}:{unit}' (or m{unit})"
        )
    saved_in_volts = role is Role.CURRENT and column.unit == "V" and options.sensitivity is not None
    if column.unit != unit and not saved_in_volts:
        hint = ", with the probe's --sensitivity V/A" if role is Role.CURRENT and column.unit == "V" else ""
        raise refused(table.path, f"{column.label} is in {column.unit}, not in {unit}{hint}")
    return column


def _numbers(
    table: Table, time: Column, columns: Sequence[Column]
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]], datetime | None]:
    """Times in seconds, the columns in SI, and the wall-clock time of second 0 where the table has dates."""
    row = first_row(table)
    if time.number < len(row) and parse_time(row[time.number]) is not None:
        dates = read_times(table, time)
        return seconds_since(table.path, dates[0], dates), read_columns(table, columns), dates[0]
    times, *values = read_columns(table, [time, *columns])
    return times, values, None


def _scaled(path: Path, trace: ForeignTrace, options: ImportOptions) -> ForeignTrace:
    trace = replace(trace, scale=trace.scale * options.factor.get(trace.name, 1.0))
    if trace.role is not Role.CURRENT or options.sensitivity is None:
        return trace
    if trace.unit != "V":
        raise refused(path, f"column {trace.name!r} is in {trace.unit}: leave --sensitivity out")
    return replace(trace, unit="A", scale=trace.scale / options.sensitivity)


def _unknown(table: Table, roles: Sequence[Role], options: ImportOptions) -> tuple[Unknown, ...]:
    if Role.POWER in roles or (Role.CURRENT in roles and (Role.VOLTAGE in roles or options.supply_voltage)):
        return ()
    if Role.CURRENT in roles:
        several = [it.name for it in table.columns if it.unit == "V"]
        which = f"several columns are in volts ({', '.join(several[:8])})" if several else "it holds no voltage"
        return (Unknown(Lacking.POWER, f"{table.path}: {which}", "--voltage COLUMN or --supply-voltage V"),)
    names = ", ".join(f"{it.name!r} in {it.unit or 'no unit'}" for it in table.columns[:12])
    why = f"{table.path}: no single column is in watts or amperes ({names})"
    return (Unknown(Lacking.POWER, why, "--power NAME:UNIT or --current NAME:UNIT"),)


def _level(cell: str) -> float:
    """A digital level; whatever is neither low nor high (`-`, `X`) is not known."""
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _is_ppk2(table: Table) -> bool:
    return tuple(it.name.casefold() for it in table.columns[:2]) == PPK2_HEADER


IMPORTER = Importer("delimited", "table with named columns and units (CSV)", recognises, read)
