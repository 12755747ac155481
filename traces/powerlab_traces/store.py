"""Run files: the one door to h5py.

A run is written to `NAME.h5.part`, record by record, and becomes `NAME.h5` when it is finished; a file that exists is
never overwritten.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, overload

import h5py
import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema
from powerlab_traces.chain import CurrentChain, SupplyLimits, SupplyReading
from powerlab_traces.errors import TraceError
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Provenance, Run, TrueWindow
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

# Plain deflate after a byte shuffle: every HDF5 reader has both. Level 1 is a sixth larger than 9 on noisy codes, and
# several times faster.
COMPRESSION: Mapping[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
CHUNK = 1 << 16  # samples

TEXT = h5py.string_dtype("utf-8")
Limits = TypeVar("Limits", CurrentChain, SupplyLimits)
WINDOW_COLUMNS: Mapping[str, Any] = {
    schema.INDEX: np.int64,
    schema.RECORD: np.int64,
    schema.START_NS: np.int64,
    schema.STOP_NS: np.int64,
    schema.IMAGES: np.int64,
    schema.LABEL: TEXT,
}


class RunWriter:
    """Writes one run while it is captured. Every record is on disk when `append` returns.

    Raises
    ------
    TraceError
        The file exists, or cannot be written. Nothing was touched.
    """

    def __init__(self, path: Path) -> None:
        check_writable(path)
        self.path = path
        self.part = _part_of(path)
        try:
            self._file = h5py.File(self.part, "x", track_order=True)
        except OSError as error:
            raise TraceError(
                f"{self.path} cannot be written ({_reason(error)}); give a name in a folder that can, with --output"
            ) from error
        root = self._file
        root.attrs[schema.NX_CLASS] = "NXroot"
        root.attrs[schema.NX_DEFAULT] = schema.ENTRY
        root.attrs[schema.FORMAT_NAME] = schema.FORMAT
        root.attrs[schema.FORMAT_VERSION] = schema.VERSION
        self._entry = root.create_group(schema.ENTRY)
        self._entry.attrs[schema.NX_CLASS] = "NXentry"
        self._records = self._entry.create_group(schema.RECORDS, track_order=True)
        windows = self._entry.create_group(schema.WINDOWS)
        for name, dtype in WINDOW_COLUMNS.items():
            windows.create_dataset(name, shape=(0,), maxshape=(None,), chunks=(256,), dtype=dtype)

    def describe(self, provenance: Provenance, chain: CurrentChain, supply: SupplyLimits) -> None:
        """Write where the run comes from; once, before the first record."""
        self._file.attrs[schema.SIMULATED] = provenance.simulated
        group = self._entry.create_group(schema.PROVENANCE)
        group.attrs[schema.CREATED] = provenance.created
        group.attrs[schema.MODEL] = provenance.model
        if provenance.batch is not None:
            group.attrs[schema.BATCH] = provenance.batch
        if provenance.marker_bit is not None:
            group.attrs[schema.MARKER_BIT] = provenance.marker_bit
        group.create_dataset(schema.BENCH, data=provenance.bench, dtype=TEXT)
        for name, mapping in (
            (schema.INSTRUMENTS, provenance.instruments),
            (schema.WORKLOAD, provenance.workload),
            (schema.SOFTWARE, provenance.software),
            (schema.HOST, provenance.host),
        ):
            group.create_group(name).attrs.update(mapping)
        group.create_group(schema.SETTINGS)
        self.describe_settings(provenance.settings)
        _write_fields(self._entry.create_group(schema.SUPPLY), supply)
        self.describe_chain(chain)

    def describe_chain(self, chain: CurrentChain) -> None:
        """Write how the current was digitised, in place of what was written before."""
        _write_fields(self._entry.require_group(schema.CHAIN), chain)
        self._file.flush()

    def describe_settings(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        """Write how the instruments are set, in place of what was written before."""
        group = self._entry[schema.PROVENANCE][schema.SETTINGS]
        for role, values in settings.items():
            group.require_group(role).attrs.update(values)
        self._file.flush()

    def append(self, record: Record, windows: Sequence[HostWindow]) -> None:
        """Add a record and the windows that ran in it, and bring them to the disk.

        Raises
        ------
        TraceError
            The disk refuses; what was appended before is kept in the unfinished file.
        """
        try:
            self._append(record, windows)
        except OSError as error:
            raise TraceError(
                f"record {record.index} could not be written to {self.part} ({_reason(error)}); "
                "the records before it are kept there"
            ) from error

    def _append(self, record: Record, windows: Sequence[HostWindow]) -> None:
        name = f"{record.index:06d}"
        group = self._records.create_group(name)
        group.attrs[schema.NX_CLASS] = "NXdata"
        group.attrs[schema.NX_SIGNAL] = schema.CURRENT
        group.attrs[schema.KIND] = record.kind.value
        group.attrs[schema.INDEX] = record.index
        group.attrs[schema.ARMED] = record.armed
        group.attrs[schema.FETCHED] = record.fetched
        _write_trace(group, schema.CURRENT, record.current)
        if record.marker is not None:
            _write_trace(group, schema.MARKER, record.marker)
        group.create_dataset(schema.CLIPPED, data=record.clipped)
        readings = group.create_group(schema.READINGS)
        pair = (record.before, record.after)
        readings[schema.TIME] = np.array([it.time for it in pair], np.int64)
        readings[schema.VOLTAGE] = np.array([it.voltage for it in pair])
        readings[schema.AMPERES] = np.array([it.current for it in pair])
        readings[schema.LIMITED] = np.array([it.limited for it in pair])
        readings.create_dataset(schema.REGULATION, data=[it.regulation for it in pair], dtype=TEXT)
        # The viewers' first picture is the first record in which windows ran.
        if record.kind is RecordKind.ACTIVE and schema.NX_DEFAULT not in self._entry.attrs:
            self._entry.attrs[schema.NX_DEFAULT] = f"{schema.RECORDS}/{name}"
        self.add_windows(windows)
        self._file.flush()

    def add_windows(self, windows: Sequence[HostWindow]) -> None:
        """Add windows alone, such as those of a record that could not be fetched."""
        rows: Mapping[str, list[Any]] = {
            schema.INDEX: [it.index for it in windows],
            schema.RECORD: [it.record for it in windows],
            schema.START_NS: [it.start for it in windows],
            schema.STOP_NS: [it.stop for it in windows],
            schema.IMAGES: [it.images for it in windows],
            schema.LABEL: [it.label for it in windows],
        }
        for name, values in rows.items():
            column = self._entry[schema.WINDOWS][name]
            known = len(column)
            column.resize((known + len(values),))
            column[known:] = values

    def finish(self, *, notes: Sequence[str] = (), truth: Sequence[TrueWindow] | None = None) -> Path:
        """Complete the file and give it its name; returns the path.

        Raises
        ------
        TraceError
            Something else has taken the name meanwhile, or the disk refuses; the unfinished file is kept.
        """
        try:
            self._entry.create_dataset(schema.NOTES, data=list(notes), dtype=TEXT)
            if truth is not None:
                group = self._entry.create_group(schema.TRUTH)
                group[schema.START_NS] = np.array([it.start for it in truth], np.int64)
                group[schema.STOP_NS] = np.array([it.stop for it in truth], np.int64)
                group[schema.ENERGY] = np.array([it.energy for it in truth])
            self._file.close()
            _move_without_overwriting(self.part, self.path)
        except OSError as error:
            raise TraceError(
                f"{self.path} could not be finished ({_reason(error)}); what was recorded is in {self.part}"
            ) from error
        return self.path

    def abandon(self) -> None:
        """Close without a result: an unfinished file with records in it stays, an empty one is removed."""
        if not self._file:
            return
        empty = len(self._records) == 0
        self._file.close()
        if empty:
            self.part.unlink()


def check_writable(path: Path) -> None:
    """Find out, before a long capture, whether a run can be written under this name.

    Raises
    ------
    TraceError
        The name is taken, also by an unfinished run, or its folder is missing or read-only.
    """
    for taken in (path, _part_of(path)):
        if taken.exists():
            raise TraceError(f"{taken} exists and is never overwritten; give another name with --output")
    if not path.parent.is_dir():
        raise TraceError(f"{path} cannot be written (no folder {path.parent}); give another name with --output")
    if not os.access(path.parent, os.W_OK):
        raise TraceError(f"{path} cannot be written (no permission in {path.parent.absolute()}); choose another folder")


class StoredRecords(Sequence[Record]):
    """The records of a run file, each read when it is asked for."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path, self._names = path, tuple(names)

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return StoredRecords(self._path, self._names[index])
        with _reading(self._path) as file:
            return _read_record(file[schema.ENTRY][schema.RECORDS][self._names[index]])

    def __iter__(self) -> Iterator[Record]:
        with _reading(self._path) as file:
            for name in self._names:
                yield _read_record(file[schema.ENTRY][schema.RECORDS][name])


def open_run(path: str | os.PathLike[str]) -> Run:
    """Read a run file: everything but the records' samples, which are read as they are asked for.

    Raises
    ------
    TraceError
        There is no such file, it is no run file, it is of a newer version, or it is damaged.
    """
    where = Path(path)
    with _reading(where) as file:
        entry = file[schema.ENTRY]
        truth = entry.get(schema.TRUTH)
        return Run(
            provenance=_read_provenance(file, entry[schema.PROVENANCE]),
            chain=_read_fields(CurrentChain, entry[schema.CHAIN]),
            supply=_read_fields(SupplyLimits, entry[schema.SUPPLY]),
            records=StoredRecords(where, sorted(entry[schema.RECORDS])),
            windows=_read_windows(entry[schema.WINDOWS]),
            notes=tuple(entry[schema.NOTES].asstr()) if schema.NOTES in entry else (),
            truth=None if truth is None else _read_truth(truth),
        )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[h5py.File]:
    """Open a run file for reading, and turn whatever is wrong with it into one line."""
    if not path.is_file():
        unfinished = _part_of(path)
        also = f"; there is an unfinished {unfinished.name} beside it" if unfinished.is_file() else ""
        raise TraceError(f"there is no file {path}{also}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise TraceError(f"{path} is no run file: HDF5 cannot open it ({_reason(error)})") from error
    with file:
        if _text(file.attrs.get(schema.FORMAT_NAME)) != schema.FORMAT:
            raise TraceError(f"{path} is an HDF5 file but no powerlab run; give a file that `powerlab capture` wrote")
        version = int(file.attrs.get(schema.FORMAT_VERSION, 0))
        if version > schema.VERSION:
            raise TraceError(
                f"{path} has format version {version}; this powerlab reads up to {schema.VERSION}: upgrade powerlab"
            )
        try:
            yield file
        except (KeyError, OSError) as error:
            raise TraceError(f"{path} is damaged: {_reason(error)}") from error


def _part_of(path: Path) -> Path:
    """Where a run is written until it is finished."""
    return path.with_name(path.name + schema.UNFINISHED)


def _write_trace(group: h5py.Group, name: str, trace: Trace) -> None:
    options = {"chunks": (min(CHUNK, len(trace)),), **COMPRESSION} if len(trace) else {}
    data = group.create_dataset(name, data=trace.codes, **options)
    data.attrs[schema.SCALE] = trace.scale
    data.attrs[schema.OFFSET] = trace.offset
    data.attrs[schema.UNIT] = trace.unit
    data.attrs[schema.INTERVAL] = trace.interval
    data.attrs[schema.START] = trace.start


def _read_trace(data: h5py.Dataset) -> Trace:
    return Trace(
        codes=data[:],
        interval=float(data.attrs[schema.INTERVAL]),
        unit=_text(data.attrs[schema.UNIT]),
        start=float(data.attrs[schema.START]),
        scale=float(data.attrs[schema.SCALE]),
        offset=float(data.attrs[schema.OFFSET]),
    )


def _read_record(group: h5py.Group) -> Record:
    readings = group[schema.READINGS]
    before, after = (
        SupplyReading(int(time), float(voltage), float(current), regulation, bool(limited))
        for time, voltage, current, regulation, limited in zip(
            readings[schema.TIME],
            readings[schema.VOLTAGE],
            readings[schema.AMPERES],
            readings[schema.REGULATION].asstr(),
            readings[schema.LIMITED],
            strict=True,
        )
    )
    return Record(
        index=int(group.attrs[schema.INDEX]),
        kind=RecordKind(_text(group.attrs[schema.KIND])),
        current=_read_trace(group[schema.CURRENT]),
        marker=_read_trace(group[schema.MARKER]) if schema.MARKER in group else None,
        clipped=group[schema.CLIPPED][:],
        armed=int(group.attrs[schema.ARMED]),
        fetched=int(group.attrs[schema.FETCHED]),
        before=before,
        after=after,
    )


def _read_windows(group: h5py.Group) -> tuple[HostWindow, ...]:
    columns: dict[str, NDArray[Any]] = {name: group[name][:] for name in WINDOW_COLUMNS if name != schema.LABEL}
    labels = group[schema.LABEL].asstr()[:]
    return tuple(
        HostWindow(
            start=int(columns[schema.START_NS][i]),
            stop=int(columns[schema.STOP_NS][i]),
            index=int(columns[schema.INDEX][i]),
            record=int(columns[schema.RECORD][i]),
            images=int(columns[schema.IMAGES][i]),
            label=labels[i],
        )
        for i in range(len(labels))
    )


def _read_truth(group: h5py.Group) -> tuple[TrueWindow, ...]:
    return tuple(
        TrueWindow(int(start), int(stop), float(energy))
        for start, stop, energy in zip(group[schema.START_NS], group[schema.STOP_NS], group[schema.ENERGY], strict=True)
    )


def _read_provenance(file: h5py.File, group: h5py.Group) -> Provenance:
    def mapping(name: str) -> dict[str, str]:
        return {key: _text(value) for key, value in group[name].attrs.items()}

    return Provenance(
        created=_text(group.attrs[schema.CREATED]),
        simulated=bool(file.attrs[schema.SIMULATED]),
        model=_text(group.attrs[schema.MODEL]),
        batch=int(group.attrs[schema.BATCH]) if schema.BATCH in group.attrs else None,
        marker_bit=int(group.attrs[schema.MARKER_BIT]) if schema.MARKER_BIT in group.attrs else None,
        instruments=mapping(schema.INSTRUMENTS),
        settings={role: mapping(f"{schema.SETTINGS}/{role}") for role in group[schema.SETTINGS]},
        bench=group[schema.BENCH].asstr()[()],
        workload=mapping(schema.WORKLOAD),
        software=mapping(schema.SOFTWARE),
        host=mapping(schema.HOST),
    )


def _write_fields(group: h5py.Group, values: CurrentChain | SupplyLimits) -> None:
    for field in fields(values):
        group.attrs[field.name] = getattr(values, field.name)


def _read_fields(kind: type[Limits], group: h5py.Group) -> Limits:
    def value(name: str) -> Any:
        stored = group.attrs[name]
        return stored.item() if isinstance(stored, np.generic) else _text(stored)

    return kind(**{field.name: value(field.name) for field in fields(kind)})


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _move_without_overwriting(source: Path, target: Path) -> None:
    """Rename in one step; a plain rename would silently replace an existing target on POSIX."""
    try:
        os.link(source, target)
    except (PermissionError, NotImplementedError):  # a file system without hard links
        if target.exists():
            raise FileExistsError(f"{target} exists") from None
        source.rename(target)
    else:
        source.unlink()


def _reason(error: Exception) -> str:
    """The operating system's short word, or the first line of HDF5's."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error).strip("'\"").splitlines()[0]
