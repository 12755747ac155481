"""Joulescope `.jls` files, version 2: the one door to pyjls.

Each signal has a name, unit, rate and first sample; where the file ties samples to the clock, the capture knows when it
started. A file that was not closed has length 0 in its header, and the library would repair it in place: such a file is
refused, because a source is never changed.
"""

import struct
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.importers.imported import ForeignRecord, ForeignTrace, Imported, Lacking, Role, Unknown
from powerlab_traces.importers.options import CHANNELS, OF_ANY, ImportOptions
from powerlab_traces.importers.registry import Importer
from powerlab_traces.importers.source import ForeignFileError, Source, identified, reading, refused
from powerlab_traces.importers.windows import completed
from powerlab_traces.run import Provenance

MAGIC = b"jlsfmt\r\n \n \x1a  \xb2\x1c"
LENGTH = struct.Struct("<Q")  # of the whole file, after the magic
FIXED_RATE = 0  # signal type
ROLES = {"A": Role.CURRENT, "V": Role.VOLTAGE, "W": Role.POWER}
CHOICES = {Role.CURRENT: "current", Role.VOLTAGE: "voltage", Role.POWER: "power"}
FLOAT = 0x04  # low nibble of a data type: floating point
INSTALL = 'pip install "powerlab[jls]"'
MOST_SIGNALS = 4096


class _Signal:
    """The samples of one signal, read by slices from the open file."""

    def __init__(self, reader: Any, path: Path, number: int, length: int) -> None:
        self._reader, self._path, self._number, self._length = reader, path, number, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, span: slice) -> NDArray[Any]:
        start, stop, _ = span.indices(self._length)
        if stop <= start:
            return np.zeros(0, np.float32)
        try:
            return np.asarray(self._reader.fsr(self._number, start, stop - start))
        except (RuntimeError, ValueError, MemoryError) as error:
            raise refused(self._path, f"samples {start} to {stop} cannot be read ({error}); it is damaged") from error


def recognises(source: Source) -> bool:
    """Whether a file starts like a JLS file."""
    return source.head.startswith(MAGIC)


def read(path: Path, options: ImportOptions) -> Imported:
    """Read the signals of a file; their samples stay there until they are asked for.

    Raises
    ------
    ForeignFileError
        pyjls is not installed, the file was not closed, is cut short or damaged, or leaves open which signal is meant.
    """
    _check_closed(path)
    pyjls = _pyjls()
    try:
        reader = pyjls.Reader(str(path))
        signals, sources = dict(reader.signals), dict(reader.sources)
        kept = [
            it
            for it in signals.values()
            if it.signal_type == FIXED_RATE and it.length > 0 and it.data_type & 15 == FLOAT
        ]
        origin = _origin(pyjls, reader, kept)
    except (RuntimeError, ValueError, KeyError, UnicodeDecodeError, MemoryError) as error:
        raise refused(path, f"damaged: {error}; copy it again") from error
    if not kept:
        raise refused(path, "holds no signal of current, voltage or power")
    first = min(it.sample_id_offset / it.sample_rate for it in kept if it.sample_rate)
    traces = tuple(_trace(path, reader, it, first) for it in kept[:MOST_SIGNALS])
    chosen, unknown = _chosen(path, traces, options)
    left_out = [it.name for it in signals.values() if it not in kept and it.length > 0]
    return completed(
        Imported(
            format="Joulescope JLS",
            records=(ForeignRecord(0, chosen),),
            windows=(),
            provenance=Provenance(
                created=origin.isoformat() if origin else "",
                simulated=False,
                model=path.stem,
                batch=None,
                marker_bit=None,
                instruments={
                    it.name: f"{it.vendor} {it.model}, {it.serial_number}, {it.version}"
                    for number, it in sources.items()
                    if number
                },
            ),
            sources=(identified(path),),
            clock="the meter's: seconds from its first sample",
            origin=origin,
            unknown=unknown,
            notes=(f"not read: {', '.join(left_out[:20])}",) if left_out else (),
        ),
        options,
        path,
    )


def _check_closed(path: Path) -> None:
    size = path.stat().st_size
    with reading(path), path.open("rb") as file:
        head = file.read(len(MAGIC) + LENGTH.size)
    if len(head) < len(MAGIC) + LENGTH.size:
        raise refused(path, "cut short in its header; copy it again")
    (length,) = LENGTH.unpack_from(head, len(MAGIC))
    if length == 0:
        raise refused(path, "was not closed by the program that wrote it: open and save it there first")
    if length != size:
        raise refused(path, f"cut short: its header says {length} bytes, and there are {size}; copy it again")


def _pyjls() -> ModuleType:
    try:
        return import_module("pyjls")
    except ImportError as error:
        raise ForeignFileError(f"reading Joulescope files needs pyjls, which is not installed: {INSTALL}") from error


def _trace(path: Path, reader: Any, signal: Any, first: float) -> ForeignTrace:
    if not signal.sample_rate > 0:
        raise refused(path, f"signal {signal.name!r} says {signal.sample_rate} samples per second")
    return ForeignTrace(
        name=signal.name,
        role=Role.OTHER,
        unit=signal.units,
        raw=_Signal(reader, path, signal.signal_id, signal.length),
        interval=1 / signal.sample_rate,
        start=signal.sample_id_offset / signal.sample_rate - first,
    )


def _chosen(
    path: Path, traces: tuple[ForeignTrace, ...], options: ImportOptions
) -> tuple[tuple[ForeignTrace, ...], tuple[Unknown, ...]]:
    """The traces with their roles: by name where the user says, else the only one in A, V or W."""
    roles: dict[int, Role] = {}
    unknown: list[Unknown] = []
    for unit, role in ROLES.items():
        name = getattr(options, CHOICES[role])
        fit = [k for k, trace in enumerate(traces) if (trace.unit == unit if name is None else trace.name == name)]
        if name is not None and (len(fit) != 1 or traces[fit[0]].unit != unit):
            names = ", ".join(f"{trace.name!r} in {trace.unit}" for trace in traces[:12])
            raise refused(path, f"--{CHOICES[role]} {name!r} names no single signal in {unit}; it has {names}")
        if len(fit) == 1:
            roles[fit[0]] = role
        elif fit:
            why = f"{path}: {len(fit)} signals are in {unit} ({', '.join(traces[k].name for k in fit[:8])})"
            unknown.append(Unknown(Lacking.POWER, why, f"--{CHOICES[role]} SIGNAL"))
    found = set(roles.values())
    if not unknown and found == {Role.CURRENT} and options.supply_voltage is None:
        unknown.append(Unknown(Lacking.POWER, f"{path}: it holds current only", "--supply-voltage V"))
    if not unknown and found <= {Role.VOLTAGE}:
        unknown.append(Unknown(Lacking.POWER, f"{path}: it holds no current and no power", "--current SIGNAL"))
    changed = tuple(
        ForeignTrace(it.name, roles.get(k, Role.OTHER), it.unit, it.raw, it.interval, it.start)
        for k, it in enumerate(traces)
    )
    return changed, tuple(unknown)


def _origin(pyjls: ModuleType, reader: Any, kept: list[Any]) -> datetime | None:
    """The wall-clock time of the first sample, from the first signal that is tied to the clock."""
    for signal in kept:
        if reader.time_map_length(signal.signal_id):
            time = pyjls.jls_to_utc(reader.sample_id_to_timestamp(signal.signal_id, 0))
            earliest = min(it.sample_id_offset / it.sample_rate for it in kept if it.sample_rate)
            return datetime.fromtimestamp(time - (signal.sample_id_offset / signal.sample_rate - earliest), UTC)
    return None


IMPORTER = Importer("joulescope", "Joulescope JLS (.jls)", recognises, read, takes=OF_ANY | CHANNELS)
