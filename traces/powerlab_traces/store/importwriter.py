"""Writing a capture of another program into a run file: its own numbers, and all that is known of them."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema
from powerlab_traces.errors import TraceError
from powerlab_traces.importers.energy import BLOCK
from powerlab_traces.importers.imported import ForeignRecord, ForeignTrace, Imported, Role
from powerlab_traces.importers.outline import as_power, main_trace, outline
from powerlab_traces.store.columns import TEXT, put, put_text, put_unit, texts, write_columns
from powerlab_traces.store.overview import MOST_POINTS
from powerlab_traces.store.packed import LEVEL
from powerlab_traces.store.sink import Sink
from powerlab_traces.table import quantity_of

CHUNK = 1 << 14  # samples; what a look at one of them must inflate
# An even trace longer than this has no axis of seconds in the file: `start_s` and `interval_s` say the same, and an
# axis of eight bytes a sample would be larger than the samples.
LONGEST_AXIS = 1 << 22
LONGEST_NAME = 200  # characters of what is written for viewers; the table of traces has all of it
NOT_KNOWN = -1  # images of a window
# A NUL would end a text in HDF5, and half of a surrogate pair is no UTF-8.
UNWRITABLE = dict.fromkeys([0, *range(0xD800, 0xE000)], "\N{REPLACEMENT CHARACTER}")

TRACE_TYPES: Final[Mapping[str, Any]] = {
    schema.RECORD: np.int64,
    schema.DATASET: TEXT,
    schema.NAME: TEXT,
    schema.ROLE: TEXT,
    schema.UNIT: TEXT,
    schema.SAMPLES: np.int64,
    schema.INTERVAL: np.float64,  # not a number where samples are uneven
    schema.START: np.float64,
    schema.SCALE: np.float64,
    schema.TIMES: TEXT,
    schema.DIGEST: TEXT,
}
WINDOW_TYPES: Final[Mapping[str, tuple[str, Any]]] = {
    "start": (schema.START, np.float64),
    "stop": (schema.STOP, np.float64),
    "index": (schema.INDEX, np.int64),
    "record": (schema.RECORD, np.int64),
    "images": (schema.IMAGES, np.int64),
    "label": (schema.LABEL, TEXT),
}
SOURCE_TYPES: Final[Mapping[str, tuple[str, Any]]] = {
    "name": (schema.NAME, TEXT),
    "size": (schema.SIZE, np.int64),
    "sha256": (schema.DIGEST, TEXT),
}
UNKNOWN_TYPES: Final[Mapping[str, tuple[str, Any]]] = {
    "lacking": (schema.LACKING, TEXT),
    "why": (schema.WHY, TEXT),
    "option": (schema.OPTION, TEXT),
}


def write_import(
    path: Path,
    imported: Imported,
    options: Mapping[str, Any] | None = None,
    *,
    imported_by: str = "",
    done: Callable[[float], None] = lambda _: None,
) -> None:
    """Write a capture into the HDF5 file `path`, block by block; `done` is told the share that is written, 0 to 1.

    `options` are those it was read with, by name.

    Raises
    ------
    TraceError
        A trace holds something else than real numbers, its source cannot be read, or records share a number.
    OSError
        The disk refuses.
    """
    with Sink(path, "w+") as sink:
        try:
            with h5py.File(sink, "w", libver=(schema.LIBRARY, schema.LIBRARY), track_order=True) as file:
                _write(file, imported, options or {}, imported_by, _Progress(imported, done, sink))
        finally:
            sink.check()


def _write(
    file: h5py.File, imported: Imported, options: Mapping[str, Any], imported_by: str, progress: "_Progress"
) -> None:
    file.attrs[schema.NX_CLASS] = "NXroot"
    file.attrs[schema.NX_DEFAULT] = schema.ENTRY
    put(file, {schema.FORMAT_NAME: schema.FORMAT, schema.FORMAT_VERSION: schema.VERSION})
    file.attrs[schema.SIMULATED] = imported.provenance.simulated
    entry = file.create_group(schema.ENTRY, track_order=True)
    entry.attrs[schema.NX_CLASS] = "NXentry"
    group = entry.create_group(schema.IMPORTED, track_order=True)
    group.attrs[schema.NX_CLASS] = "NXcollection"
    try:
        _describe(group, imported, options, imported_by)
    except OverflowError as error:
        raise TraceError(f"the windows or sources of this {imported.format} capture have absurd numbers") from error
    _write_traces(group, imported.records, progress)
    _write_overview(entry, imported.records)


class _Progress:
    """Tells how much is written, and stops when the disk has refused something."""

    def __init__(self, imported: Imported, done: Callable[[float], None], sink: Sink) -> None:
        self._total = sum(len(trace) for record in imported.records for trace in record.traces)
        self._done, self._sink, self._written = done, sink, 0

    def add(self, samples: int) -> None:
        """So many more samples are written.

        Raises
        ------
        OSError
            The disk refuses.
        """
        self._sink.check()
        self._written += samples
        self._done(self._written / self._total if self._total else 1.0)


def written(text: str) -> str:
    """A text as HDF5 can hold it."""
    return text.translate(UNWRITABLE)


def _describe(group: h5py.Group, imported: Imported, options: Mapping[str, Any], imported_by: str) -> None:
    """Everything but the samples."""
    said = {
        schema.SOURCE_FORMAT: imported.format,
        schema.RULE: imported.rule.value,
        schema.STATISTIC: imported.statistic.value,
        schema.CLOCK: imported.clock,
        schema.IMPORTED_BY: imported_by,
        schema.CREATED: datetime.now(UTC).isoformat(timespec="seconds"),
    }
    put(group, {name: written(value) for name, value in said.items()})
    if imported.origin is not None:
        put(group, {schema.ORIGIN: imported.origin.isoformat()})
    if imported.supply_voltage is not None:
        group.attrs[schema.SUPPLY_VOLTAGE] = imported.supply_voltage
    for name, value in ((schema.PROVENANCE, asdict(imported.provenance)), (schema.OPTIONS, dict(options))):
        put_text(group, name, json.dumps(value))
    _write_rows(group, schema.WINDOWS, WINDOW_TYPES, map(asdict, imported.windows))
    _write_rows(group, schema.SOURCES, SOURCE_TYPES, map(asdict, imported.sources))
    _write_rows(group, schema.UNKNOWN, UNKNOWN_TYPES, map(asdict, imported.unknown))
    notes, dtype = texts([written(note) for note in imported.notes])
    group.create_dataset(schema.NOTES, data=notes, dtype=dtype)
    group.create_dataset(schema.RECORDS, data=np.array([it.index for it in imported.records], np.int64))


def _write_rows(
    parent: h5py.Group, name: str, types: Mapping[str, tuple[str, Any]], rows: Iterable[Mapping[str, Any]]
) -> None:
    """A table of columns, from rows by the names of their fields."""
    found = list(rows)

    def value(row: Mapping[str, Any], of: str, dtype: Any) -> Any:
        if dtype is TEXT:
            return written(str(row[of]))
        return NOT_KNOWN if row[of] is None else row[of]

    columns = {column: (dtype, [value(row, of, dtype) for row in found]) for of, (column, dtype) in types.items()}
    write_columns(parent.create_group(name), columns)


def _write_traces(group: h5py.Group, records: Iterable[ForeignRecord], progress: _Progress) -> None:
    """All samples, and the table that says what they are."""
    rows: list[Mapping[str, Any]] = []
    for record in records:
        stored = _StoredRecord(group, record)
        for number, trace in enumerate(record.traces):
            stored.write(number, trace, progress)
        rows += stored.rows
    _write_rows(group, schema.TRACES, {name: (name, dtype) for name, dtype in TRACE_TYPES.items()}, rows)


class _StoredRecord:
    """The group of one record as it grows: its traces, and the axes of time that they share."""

    def __init__(self, parent: h5py.Group, record: ForeignRecord) -> None:
        name = schema.RECORD_GROUP.format(record.index)
        if name in parent:
            raise TraceError(f"two records of the capture have the number {record.index}")
        self.rows: list[Mapping[str, Any]] = []
        self._index = record.index
        self._group = parent.create_group(name, track_order=True)
        self._axes: list[tuple[ForeignTrace, h5py.Dataset]] = []
        self._names: list[str] = []
        for number, trace in enumerate(record.traces):
            plain = trace.role is not Role.OTHER and trace.role.value not in self._names
            self._names.append(trace.role.value if plain else f"trace_{number}")
        self._group.attrs[schema.NX_CLASS] = "NXdata"
        main = main_trace(record)
        if main is not None:
            self._group.attrs[schema.NX_SIGNAL] = self._names[record.traces.index(main)]
            axis = self._axis(main)  # the first axis is called `time`
            self._group.attrs[schema.NX_AXES] = ["." if axis is None else schema.TIME]

    def write(self, number: int, trace: ForeignTrace, progress: _Progress) -> None:
        """Write a trace, and its row of the table."""
        name, axis = self._names[number], self._axis(trace)
        digest = hashlib.sha256()
        data: h5py.Dataset | None = None
        for first in range(0, len(trace), BLOCK) or [0]:
            block = _numbers(trace, trace.raw[first : min(first + BLOCK, len(trace))])
            if data is None:
                data = _dataset(self._group, name, len(trace), block.dtype)
            if block.dtype != data.dtype or len(block) != min(BLOCK, len(trace) - first):
                raise TraceError(f"trace {trace.name!r} is cut short at sample {first}: read its source again")
            digest.update(block.data)
            data[first : first + len(block)] = block
            progress.add(len(block))
        assert data is not None
        data.attrs.update({"long_name": written(trace.name)[:LONGEST_NAME], schema.START: trace.start})
        put_unit(data, written(trace.unit)[:LONGEST_NAME])
        if trace.scale != 1:  # bits are no numbers: readers would make floats of them
            data.attrs[schema.SCALE] = trace.scale
        if trace.interval is not None:
            data.attrs[schema.INTERVAL] = trace.interval
        if axis is not None:
            data.dims[0].attach_scale(axis)
        self.rows.append(
            {
                schema.RECORD: self._index,
                schema.DATASET: name,
                schema.NAME: trace.name,
                schema.ROLE: trace.role.value,
                schema.UNIT: trace.unit,
                schema.SAMPLES: len(trace),
                schema.INTERVAL: np.nan if trace.interval is None else trace.interval,
                schema.START: trace.start,
                schema.SCALE: trace.scale,
                schema.TIMES: axis.name.rpartition("/")[2] if axis is not None and trace.times is not None else "",
                schema.DIGEST: digest.hexdigest(),
            }
        )

    def _axis(self, trace: ForeignTrace) -> h5py.Dataset | None:
        """The axis of time of a trace, written once for all that share it; None for a long even one."""
        for other, axis in self._axes:
            if _same_times(other, trace):
                return axis
        if trace.times is None and len(trace) > LONGEST_AXIS:
            return None
        with np.errstate(over="ignore"):
            times = _start_times(trace) if trace.times is None else trace.times
        name = f"{schema.TIME}_{len(self._axes)}" if self._axes else schema.TIME
        axis = _dataset(self._group, name, len(times), np.dtype(np.float64))
        axis[:] = times
        axis.attrs.update({schema.UNIT: "s", "long_name": "time on the record's clock"})
        axis.make_scale(name)
        self._axes.append((trace, axis))
        return axis


def _write_overview(entry: h5py.Group, records: Iterable[ForeignRecord]) -> None:
    """What a viewer opens first: the main trace of each record in SI units, one record after the other."""
    mains = [as_power(trace) for record in records if (trace := main_trace(record)) is not None and len(trace)]
    if not mains:
        return
    mains = [trace for trace in mains if trace.unit == mains[0].unit]
    points = max(MOST_POINTS // len(mains), 1)
    parts = []
    end = mains[0].begin
    for trace in mains:
        # Records whose clock starts anew follow each other; between two is one point that is no number.
        shift = max(end - trace.begin, 0.0)
        end = trace.stop + shift
        part = np.array(outline(trace, points))
        part[0] += shift
        parts += [part, np.array([[end], [np.nan], [np.nan], [np.nan]])]
    times, low, mean, high = np.concatenate(parts, axis=1)
    signal, unit = quantity_of(mains[0].unit), written(mains[0].unit)[:LONGEST_NAME]
    group = entry.create_group(schema.OVERVIEW)
    group.attrs[schema.NX_CLASS] = "NXdata"
    group.attrs[schema.NX_SIGNAL] = signal
    group.attrs[schema.NX_AXES] = [schema.TIME]
    group.attrs[schema.NX_AUXILIARY] = [schema.LEAST, schema.LARGEST]
    for name, values in ((schema.TIME, times), (signal, mean), (schema.LEAST, low), (schema.LARGEST, high)):
        data = _dataset(group, name, len(values), np.dtype(np.float64 if name == schema.TIME else np.float32))
        with np.errstate(over="ignore"):
            data[:] = values
        data.attrs[schema.UNIT] = "s" if name == schema.TIME else unit
        if name == schema.TIME:
            data.attrs["long_name"] = "time on the first record's clock, with the others after it"
            data.make_scale(name)
        else:
            data.dims[0].attach_scale(group[schema.TIME])
    entry.attrs[schema.NX_DEFAULT] = schema.OVERVIEW


def _numbers(trace: ForeignTrace, block: NDArray[Any]) -> NDArray[Any]:
    """Samples in their own type, little-endian; the levels of a line as bytes."""
    if block.dtype.kind == "b":
        block = block.astype(np.uint8)
    if block.dtype.kind not in "fiu" or block.ndim != 1:
        raise TraceError(f"trace {trace.name!r} holds {block.dtype} {block.shape}, which is no row of real numbers")
    return np.ascontiguousarray(block, block.dtype.newbyteorder("<"))


def _dataset(group: h5py.Group, name: str, length: int, dtype: np.dtype[Any]) -> h5py.Dataset:
    options: dict[str, Any] = {}
    if length > CHUNK // 4:
        chunks = (min(CHUNK, length),)
        options = {"chunks": chunks, "compression": "gzip", "compression_opts": LEVEL, "shuffle": True}
    return group.create_dataset(name, shape=(length,), dtype=dtype, **options)


def _start_times(trace: ForeignTrace) -> NDArray[np.float64]:
    assert trace.interval is not None
    return np.asarray(trace.start + np.arange(len(trace)) * trace.interval, np.float64)


def _same_times(one: ForeignTrace, other: ForeignTrace) -> bool:
    if one.times is not None and other.times is not None:
        return one.times is other.times or bool(np.array_equal(one.times, other.times))
    bases = [(it.times is None, it.interval, it.start, len(it)) for it in (one, other)]
    return bases[0] == bases[1]
