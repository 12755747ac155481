"""A capture of another program, read back from its run file."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema
from powerlab_traces.errors import TraceError
from powerlab_traces.importers.energy import BLOCK
from powerlab_traces.importers.imported import (
    ForeignRecord,
    ForeignTrace,
    ForeignWindow,
    Imported,
    Lacking,
    Role,
    Rule,
    SourceFile,
    Statistic,
    Unknown,
)
from powerlab_traces.run import Provenance
from powerlab_traces.store.columns import read_column, read_columns, text, unit_of
from powerlab_traces.store.importwriter import (
    LONGEST_NAME,
    NOT_KNOWN,
    SOURCE_TYPES,
    TRACE_TYPES,
    UNKNOWN_TYPES,
    WINDOW_TYPES,
    write_import,
)
from powerlab_traces.store.source import damage, open_file

__all__ = ["StoredImport", "check_import", "read_import", "write_import"]


@dataclass(frozen=True, slots=True, eq=False)
class StoredImport(Imported):
    """An imported capture in a file, its samples read as they are asked for.

    `options` are those it was read with, by name; `imported_by` is the program that did, `imported` when (ISO 8601).
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    imported_by: str = ""
    imported: str = ""


class _Samples:
    """The numbers of one trace in the file, read by slices; the file is open while anybody holds this."""

    def __init__(self, file: h5py.File, path: Path, name: str, length: int) -> None:
        self._file, self._path, self._name, self._length = file, path, name, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, span: slice) -> NDArray[Any]:
        with damage(self._path):
            data = self._file[self._name]
            if data.shape != (self._length,) or data.dtype.kind not in "fiu":
                raise ValueError(f"{self._name} is {data.dtype} {data.shape}, not {self._length} numbers")
            found: NDArray[Any] = data[span]
        return found


def read_import(path: Path) -> StoredImport:
    """Read an imported capture from its run file: all but its samples, which are read as they are asked for.

    Raises
    ------
    TraceError
        There is no such file, it holds no imported capture, or it is damaged.
    """
    file = open_file(path)
    try:
        with damage(path):
            entry = file[schema.ENTRY]
            if schema.IMPORTED in entry:
                return _read(file, path, entry[schema.IMPORTED])
    except BaseException:
        file.close()
        raise
    file.close()
    raise TraceError(f"{path} holds a run of powerlab, no imported capture: pl.open_run({str(path)!r}) opens it")


def check_import(path: Path) -> Iterator[str]:
    """Read all of an imported capture; a line for each thing that is wrong, saying where. Nothing for a sound file.

    Raises
    ------
    TraceError
        It cannot be opened as an imported capture at all.
    """
    imported = read_import(path)
    with open_file(path) as file, damage(path):
        group = file[schema.ENTRY][schema.IMPORTED]
        for row in _rows(group[schema.TRACES], tuple(TRACE_TYPES)):
            trace = dict(zip(TRACE_TYPES, row, strict=True))
            where = f"{schema.RECORD_GROUP.format(trace[schema.RECORD])}/{trace[schema.DATASET]}"
            try:
                with damage(path):
                    yield from _check_samples(group[where], trace, where)
            except TraceError as error:
                yield f"{where}: {error}"
    numbers = {record.index for record in imported.records}
    for place, window in enumerate(imported.windows):
        if window.index != place:
            yield f"window {window.index} stands where window {place} should"
        if window.record not in numbers:
            yield f"window {window.index}: there is no record {window.record} for it"


def _check_samples(data: h5py.Dataset, trace: Mapping[str, Any], where: str) -> Iterator[str]:
    """A trace's numbers and attributes against its row of the table."""
    if data.shape != (trace[schema.SAMPLES],):
        yield f"{where}: its shape is {data.shape}, where the table of traces has {trace[schema.SAMPLES]} samples"
        return
    digest = hashlib.sha256()
    for first in range(0, len(data), BLOCK):
        digest.update(np.ascontiguousarray(data[first : first + BLOCK]).data)
    if digest.hexdigest() != trace[schema.DIGEST]:
        yield f"{where}: its samples are not those that were imported: the SHA-256 differs"
    pairs: dict[str, tuple[Any, Any]] = {
        schema.UNIT: (unit_of(data), trace[schema.UNIT][:LONGEST_NAME]),
        schema.SCALE: (float(data.attrs.get(schema.SCALE, 1.0)), trace[schema.SCALE]),
        schema.START: (float(data.attrs[schema.START]), trace[schema.START]),
    }
    if not trace[schema.TIMES]:
        pairs[schema.INTERVAL] = float(data.attrs[schema.INTERVAL]), trace[schema.INTERVAL]
    for name, (found, said) in pairs.items():
        if found != said:
            yield f"{where}: its attribute {name} is {found}, where the table of traces has {said}"


def _read(file: h5py.File, path: Path, group: h5py.Group) -> StoredImport:
    said = group.attrs
    voltage = said.get(schema.SUPPLY_VOLTAGE)
    try:
        return StoredImport(
            format=text(said[schema.SOURCE_FORMAT]),
            records=tuple(_records(file, path, group)),
            windows=tuple(
                ForeignWindow(**it | {"images": None if it["images"] == NOT_KNOWN else it["images"]})
                for it in _fields(group[schema.WINDOWS], WINDOW_TYPES)
            ),
            provenance=Provenance(**json.loads(text(group[schema.PROVENANCE][()]))),
            sources=tuple(SourceFile(**it) for it in _fields(group[schema.SOURCES], SOURCE_TYPES)),
            clock=text(said[schema.CLOCK]),
            origin=datetime.fromisoformat(text(said[schema.ORIGIN])) if schema.ORIGIN in said else None,
            rule=Rule(text(said[schema.RULE])),
            statistic=Statistic(text(said[schema.STATISTIC])),
            supply_voltage=None if voltage is None else float(voltage),
            unknown=tuple(
                Unknown(**it | {"lacking": Lacking(it["lacking"])})
                for it in _fields(group[schema.UNKNOWN], UNKNOWN_TYPES)
            ),
            notes=tuple(read_column(group[schema.NOTES]).tolist()),
            options=json.loads(text(group[schema.OPTIONS][()])),
            imported_by=text(said[schema.IMPORTED_BY]),
            imported=text(said[schema.CREATED]),
        )
    except TraceError as error:  # a window or a trace that cannot be
        raise ValueError(str(error)) from error


def _records(file: h5py.File, path: Path, group: h5py.Group) -> Iterator[ForeignRecord]:
    traces: dict[int, list[ForeignTrace]] = {int(index): [] for index in group[schema.RECORDS][:]}
    times: dict[str, NDArray[np.float64]] = {}
    for row in _rows(group[schema.TRACES], tuple(TRACE_TYPES)):
        trace = dict(zip(TRACE_TYPES, row, strict=True))
        where = schema.RECORD_GROUP.format(trace[schema.RECORD])
        axis = f"{where}/{trace[schema.TIMES]}" if trace[schema.TIMES] else ""
        if axis and axis not in times:
            times[axis] = group[axis][:]
        name = f"{schema.ENTRY}/{schema.IMPORTED}/{where}/{trace[schema.DATASET]}"
        traces[trace[schema.RECORD]].append(
            ForeignTrace(
                name=trace[schema.NAME],
                role=Role(trace[schema.ROLE]),
                unit=trace[schema.UNIT],
                raw=_Samples(file, path, name, trace[schema.SAMPLES]),
                interval=None if axis else trace[schema.INTERVAL],
                start=trace[schema.START],
                times=times.get(axis),
                scale=trace[schema.SCALE],
            )
        )
    return (ForeignRecord(index, tuple(found)) for index, found in traces.items())


def _fields(group: h5py.Group, types: Mapping[str, tuple[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table, by the names of fields."""
    rows = _rows(group, tuple(column for column, _ in types.values()))
    return [dict(zip(types, row, strict=True)) for row in rows]


def _rows(group: h5py.Group, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    columns = read_columns(group)
    return list(zip(*(columns[name].tolist() for name in names), strict=True))
