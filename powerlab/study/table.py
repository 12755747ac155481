"""The table of a study: a row for each run that is planned, with its result, as CSV and as Parquet.

Columns of quantities are named `NAME_UNIT` and `NAME_U95_UNIT`; both files hold the same columns and rows.
"""

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from powerlab.origin import MEASURED, SIMULATED, SOURCE
from powerlab_analysis.quantity import Quantity
from powerlab_analysis.result import UNITS
from powerlab_traces.errors import PowerlabError
from powerlab_traces.extras import Missing, library
from powerlab_traces.outcome import Outcome
from powerlab_traces.views import EXTRA

CSV: Final = "results.csv"
PARQUET: Final = "results.parquet"


class StudyError(PowerlabError):
    """A study's folder is not what it should be, or not what was asked for."""


class Status(StrEnum):
    """What has become of a run; all but `PLANNED` say that it was tried."""

    PLANNED = "planned"  # not yet
    DONE = "done"
    OUT_OF_MEMORY = Outcome.OUT_OF_MEMORY.value  # the network with this batch does not fit
    ENDED = Outcome.WORKLOAD_ENDED.value  # it crashed or was killed
    LINK_LOST = Outcome.LINK_LOST.value  # to the machine where it ran
    FAILED = Outcome.FAILED.value  # for the reason that the row gives


@dataclass(frozen=True, slots=True)
class Row:
    """One run of a study: the `repeat`-th, from 1, of a network with a batch, `order`-th in the plan, from 1.

    `reason` says in one line why there is no result, or no energy; `run` is its file's path in the folder, "" while
    there is none; `started` is a time in ISO 8601, "" for not yet. `board` is what the run was measured on. `windows`
    and `dropped` count the windows that count and those that do not, `verdicts` are the names of what is wrong, joined
    by ";". `values` holds those quantities of `powerlab_analysis.result.UNITS` that there are. Memory is in bytes: the
    machine's at its peak and with the network loaded, and the processes' at their peak, each over what was in use
    before. Operations are of one image, by the rules of `powerlab.networks.Count`; `input` is its shape. The accuracy,
    in percent, is a published one, never one that was found here. `cooldown_s` is how many seconds were waited before
    the run, and `temperature_degC` how hot the board's hottest sensor was then, in degrees Celsius.
    """

    order: int
    model: str
    batch: int
    repeat: int
    status: Status = Status.PLANNED
    reason: str = ""
    run: str = ""
    started: str = ""
    simulated: bool | None = None
    board: str = ""
    windows: int | None = None
    dropped: int | None = None
    verdicts: str = ""
    values: Mapping[str, Quantity] = field(default_factory=lambda: MappingProxyType({}))
    memory_peak_bytes: float | None = None
    memory_static_bytes: float | None = None
    process_peak_bytes: float | None = None
    parameters: int | None = None
    macs: float | None = None
    flops: float | None = None
    flops_legacy: float | None = None
    input: str = ""
    top1_published_percent: float | None = None
    cooldown_s: float | None = None
    temperature_degC: float | None = None  # noqa: N815 - the unit's own letters


class _Column(NamedTuple):
    """A column of the files: its name, its type, how it comes from a row, and its unit."""

    name: str
    type: type[str] | type[int] | type[float]
    of: Callable[[Row], str | int | float | None]
    unit: str = ""


def _plain(name: str, kind: type[str] | type[int] | type[float], unit: str = "") -> _Column:
    """The column of a field of `Row`."""
    return _Column(name, kind, lambda row: getattr(row, name), unit)


def _value(name: str, unit: str) -> tuple[_Column, _Column]:
    """The columns of a quantity and of its U95."""

    def value(row: Row) -> float | None:
        return row.values[name].value if name in row.values else None

    def expanded(row: Row) -> float | None:
        return row.values[name].U95 if name in row.values else None

    return _Column(f"{name}_{unit}", float, value, unit), _Column(f"{name}_U95_{unit}", float, expanded, unit)


def _source(row: Row) -> str:
    return "" if row.simulated is None else SIMULATED if row.simulated else MEASURED


TEXTS: Final = ("status", "reason", "run", "started", "board")
COLUMNS: Final = (
    _plain("order", int),
    _plain("model", str),
    _plain("batch", int),
    _plain("repeat", int),
    *(_plain(name, str) for name in TEXTS),
    _plain("windows", int),
    _plain("dropped", int),
    _plain("verdicts", str),
    *(column for name, unit in UNITS.items() for column in _value(name, unit)),
    *(_plain(f"{name}_bytes", float, "B") for name in ("memory_peak", "memory_static", "process_peak")),
    _plain("parameters", int),
    *(_plain(name, float) for name in ("macs", "flops", "flops_legacy")),
    _plain("input", str),
    _plain("top1_published_percent", float, "%"),
    _plain("cooldown_s", float, "s"),
    _plain("temperature_degC", float, "degC"),
    _Column(SOURCE, str, _source),
)


def write_rows(folder: Path, rows: Sequence[Row]) -> str:
    """Write the table, each file in one step; what to tell the user where Parquet could not be written, else "".

    Raises
    ------
    StudyError
        The disk refuses.
    """
    try:
        with _replaced(folder / CSV) as path, path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([column.name for column in COLUMNS])
            writer.writerows([_cell(column.of(row)) for column in COLUMNS] for row in rows)
            file.flush()
            os.fsync(file.fileno())
        try:
            pa, parquet = library("pyarrow", EXTRA), library("pyarrow.parquet", EXTRA)
        except Missing as missing:
            (folder / PARQUET).unlink(missing_ok=True)  # one from before would be out of date
            return f"no {PARQUET} is written: {missing}"
        with _replaced(folder / PARQUET) as path:
            parquet.write_table(_table(pa, rows), path)
    except OSError as error:
        raise StudyError(f"{folder}: the table cannot be written ({error.strerror}); make room and go on") from error
    return ""


def read_rows(folder: Path) -> tuple[Row, ...]:
    """The table of a study, as its CSV file has it.

    Raises
    ------
    StudyError
        There is none, or it is not a study's.
    """
    path = folder / CSV
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if lacking := {column.name for column in COLUMNS} - set(reader.fieldnames or ()):
                raise StudyError(f"{path} is no table of a study: it has no column {min(lacking)}")
            return tuple(_row(cells) for cells in reader)
    except FileNotFoundError:
        raise StudyError(f"{folder} holds no {CSV}; `powerlab sweep --out {folder}` makes one") from None
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} cannot be read as a table of a study: {error}") from error


def _cell(value: str | float | None) -> str | float | None:
    """What the csv module writes so that it reads as the same number; StrEnum members as their text."""
    return str(value) if isinstance(value, str) else value


def _row(cells: Mapping[str, str]) -> Row:
    found: dict[str, Any] = {}
    for column in COLUMNS:
        text = cells[column.name]
        found[column.name] = text if column.type is str else column.type(text) if text else None
    values = {
        name: Quantity(found.pop(f"{name}_{unit}"), found.pop(f"{name}_U95_{unit}"), unit)
        for name, unit in UNITS.items()
        if cells[f"{name}_{unit}"]
    }
    fields = {name: value for name, value in found.items() if name in Row.__dataclass_fields__}
    fields["status"] = Status(fields["status"])
    source = found[SOURCE]
    return Row(**fields, simulated=None if not source else source == SIMULATED, values=values)


def _table(pa: Any, rows: Sequence[Row]) -> Any:
    """The rows as a table of pyarrow (`pa`), with the units as metadata."""
    types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema(
        [
            pa.field(column.name, types[column.type], metadata={"units": column.unit} if column.unit else None)
            for column in COLUMNS
        ]
    )
    columns = [
        pa.array([_cell(column.of(row)) for row in rows], field.type)
        for column, field in zip(COLUMNS, schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Where to write what shall take the place of `path` in one step: a reader finds the old file or the new one."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
