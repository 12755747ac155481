"""Reading a run file: what is small at once, the samples as they are asked for."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, overload

import h5py
import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema
from powerlab_traces.chain import CurrentChain, SupplyLimits, SupplyReading
from powerlab_traces.errors import TraceError
from powerlab_traces.pyramid import BLOCK, Blocks, exact_sum
from powerlab_traces.record import Record, RecordKind, RecordSummary
from powerlab_traces.run import Provenance, Run, TrueWindow
from powerlab_traces.store.assembly import READING_TYPES, WINDOW_TYPES, journal_of, reason
from powerlab_traces.store.columns import read_columns, scale_of, text
from powerlab_traces.store.packed import digest_of
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow, Window

Limits = TypeVar("Limits", CurrentChain, SupplyLimits)


@dataclass(frozen=True, slots=True)
class _Scale:
    """What the currents of one stack have in common."""

    samples: int
    interval: float
    unit: str
    scale: float
    offset: float


class StoredRecords(Sequence[Record]):
    """The records of a run file, each read when it is asked for; parts of one, and sums, without the rest of it.

    The file is opened with the first record and stays open until `close`, or until nobody holds this any more.
    """

    def __init__(self, path: Path, columns: dict[str, NDArray[Any]], numbers: range | None = None) -> None:
        self._path, self._columns = path, columns
        self._numbers = range(len(columns[schema.INDEX])) if numbers is None else numbers
        self._file: h5py.File | None = None
        self._data: dict[str, h5py.Dataset] = {}
        self._scales: dict[str, _Scale] = {}
        counts = columns[schema.CLIPPED_COUNT]
        self._clipped_from = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return StoredRecords(self._path, self._columns, self._numbers[index])
        number = self._numbers[index]
        marker = None
        with self._reading():
            if self._columns[schema.MARKER_DIGEST][number]:
                marker = self._trace(number, schema.MARKER, self._columns[schema.MARKER_START][number], slice(None))
            span = slice(self._clipped_from[number], self._clipped_from[number + 1])
            clipped = self._dataset(f"{schema.RECORDS}/{schema.CLIPPED}")[span] if span.start < span.stop else []
        column = self._columns
        return Record(
            index=int(column[schema.INDEX][number]),
            kind=RecordKind(column[schema.KIND][number]),
            current=self.current(index),
            marker=marker,
            clipped=np.asarray(clipped, np.int64),
            armed=int(column[schema.ARMED][number]),
            fetched=int(column[schema.FETCHED][number]),
            before=self._reading_of(number, schema.BEFORE),
            after=self._reading_of(number, schema.AFTER),
        )

    def current(self, index: int, window: Window | None = None) -> Trace:
        """The current of one record, or the part of it inside a window; only the chunks of that part are read.

        Raises
        ------
        TraceError
            The window reaches beyond the record, or holds no sample; or the file is damaged.
        """
        number = self._numbers[index]
        start = float(self._columns[schema.START][number])
        with self._reading():
            return self._trace(number, schema.CURRENT, start, self._span(number, window))

    def total(self, index: int, window: Window | None = None) -> int:
        """The exact sum of a record's codes, or of those inside a window, most of it from sums of blocks.

        Times `scale` plus `offset` times the number of samples, of `current`, it is the sum in amperes.
        """
        number = self._numbers[index]
        if window is None:
            return int(self._columns[schema.SUM][number])
        stack, row = self._place(number)
        with self._reading():
            codes = self._dataset(f"{stack}/{schema.CURRENT}")
            totals = self._dataset(f"{stack}/{schema.BLOCKS.format(BLOCK)}/{schema.SUM}")
            span = self._span(number, window)
            return exact_sum(span, lambda part: codes[row, part], lambda part: totals[row, part])

    def blocks(self, index: int, size: int = BLOCK) -> Blocks:
        """Least, largest and sum of each block of `size` samples (256 or 4096) of a record."""
        stack, row = self._place(self._numbers[index])
        with self._reading():
            names = (schema.LEAST, schema.LARGEST, schema.SUM)
            least, largest, total = (
                self._dataset(f"{stack}/{schema.BLOCKS.format(size)}/{name}")[row] for name in names
            )
        return Blocks(size, least, largest, total)

    @property
    def summaries(self) -> list[RecordSummary]:
        """What is known of each record without reading a sample."""
        return [self._summary(number) for number in self._numbers]

    def digest_holds(self, index: int) -> bool:
        """Whether the record's codes still have the digests they were stored with."""
        number = self._numbers[index]
        record = self[index]
        marker = record.marker
        return digest_of(record.current.codes) == self._columns[schema.DIGEST][number] and (
            marker is None or digest_of(marker.codes) == self._columns[schema.MARKER_DIGEST][number]
        )

    def close(self) -> None:
        """Close the file; it opens again when a record is asked for."""
        self._data.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _summary(self, number: int) -> RecordSummary:
        stack, _ = self._place(number)
        column = self._columns
        with self._reading():
            scale = self._scale(stack, schema.CURRENT)

        def value(codes: float) -> float:
            return codes * scale.scale + scale.offset

        return RecordSummary(
            index=int(column[schema.INDEX][number]),
            kind=RecordKind(column[schema.KIND][number]),
            segment=int(column[schema.SEGMENT][number]),
            samples=scale.samples,
            interval=scale.interval,
            unit=scale.unit,
            start=float(column[schema.START][number]),
            mean=value(int(column[schema.SUM][number]) / scale.samples),
            least=value(int(column[schema.LEAST][number])),
            largest=value(int(column[schema.LARGEST][number])),
            clipped=int(column[schema.CLIPPED_COUNT][number]),
            armed=int(column[schema.ARMED][number]),
            fetched=int(column[schema.FETCHED][number]),
            before=self._reading_of(number, schema.BEFORE),
            after=self._reading_of(number, schema.AFTER),
        )

    def _place(self, number: int) -> tuple[str, int]:
        """The stack and the row that hold a record."""
        return (
            schema.STACK.format(int(self._columns[schema.STACK_NUMBER][number])),
            int(self._columns[schema.ROW][number]),
        )

    def _span(self, number: int, window: Window | None) -> slice:
        if window is None:
            return slice(None)
        scale = self._scale(self._place(number)[0], schema.CURRENT)
        no_codes = np.broadcast_to(np.uint8(0), (scale.samples,))  # the times alone: no sample is read
        return Trace(no_codes, scale.interval, "", float(self._columns[schema.START][number])).span_of(window)

    def _trace(self, number: int, name: str, start: float, span: slice) -> Trace:
        stack, row = self._place(number)
        scale = self._scale(stack, name)
        return Trace(
            codes=self._dataset(f"{stack}/{name}")[row, span],
            interval=scale.interval,
            unit=scale.unit,
            start=float(start) + (span.start or 0) * scale.interval,
            scale=scale.scale,
            offset=scale.offset,
        )

    def _scale(self, stack: str, name: str) -> _Scale:
        where = f"{stack}/{name}"
        if where not in self._scales:
            data = self._dataset(where)
            factor, offset = scale_of(data)
            self._scales[where] = _Scale(
                samples=int(data.shape[1]),
                interval=float(data.attrs[schema.INTERVAL]),
                unit=text(data.attrs[schema.UNIT]),
                scale=factor,
                offset=offset,
            )
        return self._scales[where]

    def _reading_of(self, number: int, form: str) -> SupplyReading:
        time, voltage, current, regulation, limited = (
            self._columns[form.format(column)][number] for column, _ in READING_TYPES.values()
        )
        return SupplyReading(int(time), float(voltage), float(current), str(regulation), bool(limited))

    def _dataset(self, name: str) -> h5py.Dataset:
        if name not in self._data:
            assert self._file is not None
            self._data[name] = self._file[schema.ENTRY][name]
        return self._data[name]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        if self._file is None:
            self._file = _open(self._path)
        with _damage(self._path):
            yield


@dataclass(frozen=True, slots=True, eq=False)
class StoredRun(Run):
    """A run in a file, its records read as they are asked for."""

    records: StoredRecords


def open_run(path: str | os.PathLike[str]) -> StoredRun:
    """Read a run file: everything but the records' samples, which are read as they are asked for.

    Raises
    ------
    TraceError
        There is no such file, its capture was cut off, it is no run file, it is of another version, or it is damaged.
    """
    where = Path(path)
    with _open(where) as file, _damage(where):
        entry = file[schema.ENTRY]
        truth = entry.get(schema.TRUTH)
        return StoredRun(
            provenance=_provenance(file, entry[schema.PROVENANCE]),
            chain=_fields(CurrentChain, entry[schema.CHAIN]),
            supply=_fields(SupplyLimits, entry[schema.SUPPLY]),
            records=StoredRecords(where, _record_columns(entry[schema.RECORDS])),
            windows=_windows(entry[schema.WINDOWS]),
            notes=tuple(entry[schema.NOTES].asstr()) if schema.NOTES in entry else (),
            truth=None if truth is None else _truth(truth),
        )


def _open(path: Path) -> h5py.File:
    """Open a run file for reading, or say in one line what is wrong with it."""
    if not path.is_file():
        also = ""
        if journal_of(path).is_file():
            also = f", but a capture of that name was cut off or still runs: `powerlab recover {path}` makes the file"
        raise TraceError(f"there is no file {path}{also}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise TraceError(f"{path} is no run file: HDF5 cannot open it ({reason(error)})") from error
    try:
        _check_version(file, path)
    except BaseException:
        file.close()
        raise
    return file


def _check_version(file: h5py.File, path: Path) -> None:
    if text(file.attrs.get(schema.FORMAT_NAME)) != schema.FORMAT:
        raise TraceError(f"{path} is an HDF5 file but no powerlab run; give a file that `powerlab capture` wrote")
    version = int(file.attrs.get(schema.FORMAT_VERSION, 0))
    if version != schema.VERSION:
        other = "a newer powerlab: upgrade" if version > schema.VERSION else "a pre-release: capture it again"
        raise TraceError(f"{path} has format version {version}, this powerlab reads {schema.VERSION}; it is of {other}")


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn whatever HDF5 stumbles over into one line."""
    try:
        yield
    except (KeyError, OSError, IndexError, ValueError, AttributeError) as error:
        raise TraceError(f"{path} is damaged: {reason(error)}; `powerlab check {path}` says where") from error


def _record_columns(group: h5py.Group) -> dict[str, NDArray[Any]]:
    columns = read_columns(group)
    del columns[schema.CLIPPED]
    if len({len(it) for it in columns.values()}) > 1:
        raise ValueError("the columns of its records have different lengths")
    return columns


def _windows(group: h5py.Group) -> tuple[HostWindow, ...]:
    columns = read_columns(group)
    values = [columns[column].tolist() for column, _ in WINDOW_TYPES.values()]
    return tuple(HostWindow(**dict(zip(WINDOW_TYPES, row, strict=True))) for row in zip(*values, strict=True))


def _truth(group: h5py.Group) -> tuple[TrueWindow, ...]:
    columns = read_columns(group)
    names = (schema.START_NS, schema.STOP_NS, schema.ENERGY)
    return tuple(TrueWindow(*row) for row in zip(*(columns[name].tolist() for name in names), strict=True))


def _provenance(file: h5py.File, group: h5py.Group) -> Provenance:
    def mapping(name: str) -> dict[str, str]:
        return {key: text(value) for key, value in group[name].attrs.items()}

    return Provenance(
        created=text(group.attrs[schema.CREATED]),
        simulated=bool(file.attrs[schema.SIMULATED]),
        model=text(group.attrs[schema.MODEL]),
        batch=int(group.attrs[schema.BATCH]) if schema.BATCH in group.attrs else None,
        marker_bit=int(group.attrs[schema.MARKER_BIT]) if schema.MARKER_BIT in group.attrs else None,
        instruments=mapping(schema.INSTRUMENTS),
        settings={role: mapping(f"{schema.SETTINGS}/{role}") for role in group[schema.SETTINGS]},
        bench=group[schema.BENCH].asstr()[()],
        workload=mapping(schema.WORKLOAD),
        software=mapping(schema.SOFTWARE),
        host=mapping(schema.HOST),
    )


def _fields(kind: type[Limits], group: h5py.Group) -> Limits:
    def value(name: str) -> Any:
        stored = group.attrs[name]
        return stored.item() if isinstance(stored, np.generic) else text(stored)

    return kind(**{field.name: value(field.name) for field in fields(kind)})
