"""From a journal to a run file: at the end of a capture, or after what ended it early."""

import os
import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from powerlab_traces import schema
from powerlab_traces.errors import TraceError
from powerlab_traces.log import Log
from powerlab_traces.pyramid import BLOCK, Blocks
from powerlab_traces.run import Outcome
from powerlab_traces.store.chainform import chain_attributes
from powerlab_traces.store.columns import TEXT, Columns, put, put_text, texts
from powerlab_traces.store.journal import Entry, Frame, is_being_written, read_journal
from powerlab_traces.store.logs import joined, write_logs
from powerlab_traces.store.overview import write_overview
from powerlab_traces.store.packed import Packed
from powerlab_traces.store.sink import Sink
from powerlab_traces.store.stack import Stack

RECORD_TYPES: Mapping[str, Any] = {
    schema.INDEX: np.int64,
    schema.KIND: TEXT,
    schema.SEGMENT: np.int64,
    schema.STACK_NUMBER: np.int64,
    schema.ROW: np.int64,
    schema.ARMED: np.int64,
    schema.FETCHED: np.int64,
    schema.TRIGGER: np.int64,
    schema.START: np.float64,
    schema.MARKER_START: np.float64,
    schema.DIGEST: TEXT,
    schema.MARKER_DIGEST: TEXT,
    schema.SUM: np.int64,
    schema.LEAST: np.int64,
    schema.LARGEST: np.int64,
    schema.CLIPPED_COUNT: np.int64,
}
READING_TYPES: Mapping[str, tuple[str, Any]] = {
    "time": (schema.READ, np.int64),
    "voltage": (schema.VOLTAGE, np.float64),
    "current": (schema.AMPERES, np.float64),
    "regulation": (schema.REGULATION, TEXT),
    "limited": (schema.LIMITED, np.bool_),
}
_READING_COLUMNS: Mapping[str, Any] = {
    form.format(column): kind for column, kind in READING_TYPES.values() for form in (schema.BEFORE, schema.AFTER)
}
WINDOW_TYPES: Mapping[str, tuple[str, Any]] = {
    "index": (schema.INDEX, np.int64),
    "record": (schema.RECORD, np.int64),
    "start": (schema.START_NS, np.int64),
    "stop": (schema.STOP_NS, np.int64),
    "images": (schema.IMAGES, np.int64),
    "label": (schema.LABEL, TEXT),
}
TRUTH_TYPES: Mapping[str, tuple[str, Any]] = {
    "start": (schema.START_NS, np.int64),
    "stop": (schema.STOP_NS, np.int64),
    "energy": (schema.ENERGY, np.float64),
}


@dataclass(frozen=True, slots=True)
class Recovered:
    """What came back of a capture that did not end: the run file, and how much is in it."""

    path: Path
    records: int
    windows: int


def journal_of(path: Path) -> Path:
    """Where a run is written while it is captured."""
    return path.with_name(path.name + schema.JOURNAL)


def part_of(path: Path) -> Path:
    """Where a run file is assembled."""
    return path.with_name(path.name + schema.UNFINISHED)


def recover(path: Path, output: Path | None = None) -> Recovered:
    """Make a run file of what a capture had recorded when it was cut off.

    `path` is the run's name or its journal's. The journal goes when the run file is whole.

    Raises
    ------
    TraceError
        There is nothing to recover, the capture is still running, or the run file cannot be written.
    """
    run = path.with_name(path.name.removesuffix(schema.JOURNAL))
    journal = journal_of(run)
    if not journal.is_file():
        also = f"; {run} is finished" if run.is_file() else ""
        raise TraceError(f"there is no {journal.name} in {journal.parent.absolute()} to recover{also}")
    if is_being_written(journal):
        raise TraceError(f"{run} is being captured right now; end the capture first")
    target = output or run
    # The journal of a run that was taken up again holds all that the run's file holds, and more.
    replaces = target == run and any(it.entry is Entry.RESUMED and it.said["replaces"] for it in read_journal(journal))
    if target.exists() and not replaces:
        raise TraceError(f"{target} exists and is never overwritten; give another name with --output")
    note = "the capture was cut off; this file was recovered from its journal"
    records, windows = assemble(journal, target, notes=[note], replaces=replaces)
    return Recovered(target, records, windows)


def assemble(journal: Path, path: Path, notes: Sequence[str] = (), *, replaces: bool = False) -> tuple[int, int]:
    """Write the run file `path` from a journal, and remove the journal; how many records and windows are in it.

    The file appears under its name when it is whole and on the disk. It never takes the place of another file, unless
    it `replaces` the shorter one that the journal was made of.

    Raises
    ------
    TraceError
        The journal holds no record, the name is taken, or the disk refuses; the journal is kept.
    """
    part = part_of(path)
    try:
        with Sink(part, "w+") as sink:
            counts = _write(sink, journal, notes)
        _sync(part)
        if replaces:
            part.replace(path)
        else:
            _move_without_overwriting(part, path)
        _sync(path.parent)
        journal.unlink()
    except (OSError, RuntimeError) as error:  # h5py raises either
        part.unlink(missing_ok=True)
        raise TraceError(
            f"{path} could not be finished ({reason(error)}); everything recorded is in {journal}: make room, then "
            f"`powerlab recover {journal}`, with --output if the name is taken"
        ) from error
    except TraceError:
        part.unlink(missing_ok=True)
        raise
    return counts


def _write(sink: Sink, journal: Path, notes: Sequence[str]) -> tuple[int, int]:
    try:
        with h5py.File(sink, "w", libver=(schema.LIBRARY, schema.LIBRARY), track_order=True) as file:
            builder = _Builder(file)
            for frame in read_journal(journal):
                builder.take(frame)
                sink.check()
            return builder.finish(notes)
    finally:
        sink.check()


class _Builder:
    """The run file as it grows, frame by frame."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        file.attrs[schema.NX_CLASS] = "NXroot"
        file.attrs[schema.NX_DEFAULT] = schema.ENTRY
        put(file, {schema.FORMAT_NAME: schema.FORMAT, schema.FORMAT_VERSION: schema.VERSION})
        self._entry = file.create_group(schema.ENTRY, track_order=True)
        self._entry.attrs[schema.NX_CLASS] = "NXentry"
        self._description: dict[str, Any] | None = None
        self._stacks: dict[tuple[object, ...], tuple[Stack, Packed, Packed | None]] = {}
        self._records = Columns({**RECORD_TYPES, **_READING_COLUMNS})
        self._clipped = array("q")
        self._windows = Columns(dict(WINDOW_TYPES.values()))
        self._notes: list[str] = []
        self._outcome: str = Outcome.CUT_OFF.value  # until the journal says how it ended
        self._logs: dict[str, Log] = {}
        self._truth: Columns | None = None
        self._segment = 0

    def take(self, frame: Frame) -> None:
        said = frame.said
        match frame.entry:
            case Entry.DESCRIPTION:
                self._description = dict(said)
            case Entry.CHAIN if self._description:
                self._description["chain"] = said
            case Entry.SETTINGS if self._description:
                self._description["provenance"]["settings"] |= said
            case Entry.RECORD:
                self._record(said, frame.data)
            case Entry.WINDOWS:
                self._add_windows(said["windows"])
            case Entry.NOTES:
                self._notes += said["notes"]
                self._outcome = said["outcome"]
            case Entry.TRUTH:
                self._add_truth(said["windows"])
            case Entry.LOG:
                joined(self._logs, said)
            case Entry.RESUMED:
                self._segment += 1
                self._outcome = Outcome.CUT_OFF.value

    def _record(self, said: Mapping[str, Any], data: memoryview) -> None:
        current, data = Packed.heard(said["current"], data)
        marker = None
        if said["marker"] is not None:
            marker, data = Packed.heard(said["marker"], data)
        blocks, clipped = _blocks(current, data, said["clipped"])
        key = (_shape(current), None if marker is None else _shape(marker))
        if key not in self._stacks:
            number = len(self._stacks)
            group = self._entry.create_group(schema.STACK.format(number), track_order=True)
            self._stacks[key] = (Stack(group, number, current, marker), current, marker)
        stack = self._stacks[key][0]
        row = stack.add(said["index"], current, marker, blocks)
        columns = {
            schema.INDEX: said["index"],
            schema.KIND: said["kind"],
            schema.SEGMENT: self._segment,
            schema.STACK_NUMBER: stack.number,
            schema.ROW: row,
            schema.ARMED: said["armed"],
            schema.FETCHED: said["fetched"],
            schema.TRIGGER: min((it["start"] for it in said["windows"]), default=said["armed"]),
            schema.START: current.start,
            schema.MARKER_START: np.nan if marker is None else marker.start,
            schema.DIGEST: current.digest,
            schema.MARKER_DIGEST: "" if marker is None else marker.digest,
            schema.SUM: int(blocks.total.sum()),
            schema.LEAST: int(blocks.least.min()),
            schema.LARGEST: int(blocks.largest.max()),
            schema.CLIPPED_COUNT: len(clipped),
        }
        for form, reading in ((schema.BEFORE, said["before"]), (schema.AFTER, said["after"])):
            columns |= {form.format(column): reading[name] for name, (column, _) in READING_TYPES.items()}
        self._records.add(columns)
        self._clipped.extend(clipped.tolist())
        self._add_windows(said["windows"])

    def _add_windows(self, windows: Sequence[Mapping[str, Any]]) -> None:
        for it in windows:
            self._windows.add({column: it[name] for name, (column, _) in WINDOW_TYPES.items()})

    def _add_truth(self, windows: Sequence[Mapping[str, Any]]) -> None:
        if self._truth is None:
            self._truth = Columns(dict(TRUTH_TYPES.values()))
        for it in windows:
            self._truth.add({column: it[name] for name, (column, _) in TRUTH_TYPES.items()})

    def finish(self, notes: Sequence[str]) -> tuple[int, int]:
        """Write everything but the codes; how many records and windows there are."""
        if self._description is None:
            raise TraceError("there is nothing in the journal but its name: no record was taken; remove it")
        for stack, current, marker in self._stacks.values():
            stack.finish(current, marker)
        self._write_records()
        self._windows.write(self._entry.create_group(schema.WINDOWS))
        if self._truth is not None:
            self._truth.write(self._entry.create_group(schema.TRUTH))
        put(self._entry, {schema.OUTCOME: self._outcome})
        write_logs(self._entry, self._logs)
        said, dtype = texts([*self._notes, *notes])
        self._entry.create_dataset(schema.NOTES, data=said, dtype=dtype)
        put(self._entry.create_group(schema.CHAIN), chain_attributes(self._description["chain"]))
        put(self._entry.create_group(schema.SUPPLY), self._description["supply"])
        self._write_provenance(self._description["provenance"])
        write_overview(self._entry)
        return len(self._records), len(self._windows)

    def _write_records(self) -> None:
        group = self._entry.create_group(schema.RECORDS)
        self._records.write(group)
        clipped = np.array(self._clipped, np.int64)
        options = {"compression": "gzip", "shuffle": True} if len(clipped) else {}
        group.create_dataset(schema.CLIPPED, data=clipped, **options)

    def _write_provenance(self, said: Mapping[str, Any]) -> None:
        self._file.attrs[schema.SIMULATED] = said["simulated"]
        group = self._entry.create_group(schema.PROVENANCE)
        put(group, {schema.CREATED: said["created"], schema.MODEL: said["model"]})
        for name, value in ((schema.BATCH, said["batch"]), (schema.MARKER_BIT, said["marker_bit"])):
            if value is not None:
                group.attrs[name] = value
        put_text(group, schema.BENCH, said["bench"])
        for name in (schema.INSTRUMENTS, schema.WORKLOAD, schema.SOFTWARE, schema.HOST):
            put(group.create_group(name), said[name])
        settings = group.create_group(schema.SETTINGS)
        for role, values in said["settings"].items():
            put(settings.create_group(role), values)


def _shape(packed: Packed) -> tuple[object, ...]:
    """What records of one stack have in common."""
    return packed.dtype, packed.samples, packed.chunk, packed.interval, packed.unit, packed.scale, packed.offset


def _blocks(current: Packed, data: memoryview, clipped: int) -> tuple[Blocks, np.ndarray[Any, np.dtype[np.int64]]]:
    """The block sums and clipped samples behind a record's chunks."""
    count = -(-current.samples // BLOCK)
    found = []
    for dtype, length in ((current.dtype, count), (current.dtype, count), ("<i8", count), ("<i8", clipped)):
        size = np.dtype(dtype).itemsize * length
        found.append(np.frombuffer(data[:size], dtype))
        data = data[size:]
    return Blocks(BLOCK, found[0], found[1], found[2]), found[3]


def _sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk, where the system lets us."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except PermissionError:  # Windows syncs no file that is open for reading only
        return
    finally:
        os.close(descriptor)


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


def reason(error: Exception) -> str:
    """The operating system's short word, or the first line of HDF5's."""
    said = str(error)
    system = re.search(r"error message = '([^']+)'", said)  # in the middle of HDF5's paragraph
    if system:
        return system[1]
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return said.strip("'\"").splitlines()[0] if said else type(error).__name__
