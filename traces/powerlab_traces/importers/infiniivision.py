"""InfiniiVision binary saves: AG10, AG01 and AG03.

Little-endian. File header: `AG`, two digits, file size (int32; AG03: int64), number of waveforms (int32). A waveform:
its header of at least 140 bytes, then for each of its buffers a data header of at least 12 bytes and the data, in volts
or amperes (float32) or as logic levels (one byte). User's Guide 2000 X-Series, "Binary data"; five real files.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from powerlab_traces.importers.channels import assigned
from powerlab_traces.importers.imported import ForeignRecord, ForeignTrace, Imported, Role
from powerlab_traces.importers.options import ALL, ImportOptions
from powerlab_traces.importers.registry import Importer
from powerlab_traces.importers.setup_print import find_setup, mistrusted, read_setup
from powerlab_traces.importers.source import Source, identified, mapped, reading, refused
from powerlab_traces.importers.windows import completed
from powerlab_traces.run import Provenance

COOKIE = b"AG"
FILE_HEADERS = {b"10": struct.Struct("<ii"), b"01": struct.Struct("<ii"), b"03": struct.Struct("<qi")}
WAVEFORM = struct.Struct("<5if3d2i16s16s24s16sdI")
DATA_HEADERS = {b"10": struct.Struct("<ihhi"), b"01": struct.Struct("<ihhi"), b"03": struct.Struct("<ihhQ")}
UNITS = {1: "V", 2: "s", 4: "A", 5: "dB", 6: "Hz"}  # 0 unknown, 3 constant
SECONDS = 2
# Buffer types: which numbers they hold, and what sets a second buffer of a waveform apart.
BUFFERS = {1: ("<f4", ""), 2: ("<f4", " max"), 3: ("<f4", " min"), 6: ("u1", "")}
LOGIC = 6
MOST_WAVEFORMS = 100_000
MOST_HEADER = 1 << 16  # bytes; a header longer than this is damage


@dataclass(frozen=True, slots=True)
class _Waveform:
    """One waveform of the file."""

    points: int
    interval: float
    origin: float
    unit: str
    frame: str
    label: str
    when: str
    tag: float
    segment: int
    buffers: tuple[tuple[int, int], ...]  # buffer type, byte offset of its data


def recognises(source: Source) -> bool:
    """Whether a file starts like a binary save."""
    return source.head[:2] == COOKIE and source.head[2:4] in FILE_HEADERS


def read(path: Path, options: ImportOptions) -> Imported:
    """Read a binary save; its samples stay in the file until they are asked for.

    Raises
    ------
    ForeignFileError
        The file is cut short or damaged, or an option names a channel that is not there.
    """
    with reading(path):
        waveforms = list(_waveforms(path))
    records = tuple(
        ForeignRecord(index, tuple(trace for wave in group for trace in _traces(path, wave)))
        for index, group in enumerate(_segments(waveforms))
    )
    print_path = find_setup(path)
    setup = read_setup(print_path) if print_path else {}
    doubtful = mistrusted(records[0].traces, setup) if records else {}
    records, unknown = assigned(path, records, options, doubtful)
    frames = dict.fromkeys(wave.frame for wave in waveforms if wave.frame)
    notes = list(doubtful.values())
    if any(len(wave.buffers) > 1 for wave in waveforms):
        notes.append("peak detection: a channel is its maxima and minima, and neither has the mean of the current")
    times = {f"saved {wave.label}": wave.when for wave in waveforms if wave.when}
    return completed(
        Imported(
            format="InfiniiVision binary",
            records=records,
            windows=(),
            provenance=Provenance(
                created="",
                simulated=False,
                model=path.stem,
                batch=None,
                marker_bit=None,
                instruments={"scope": ", ".join(frames)} if frames else {},
                settings={**setup, **({"file": times} if times else {})},
            ),
            sources=tuple(identified(each) for each in (path, print_path) if each),
            clock="the scope's: seconds from the trigger of the first segment",
            unknown=unknown,
            notes=tuple(notes),
        ),
        options,
        path,
    )


def _waveforms(path: Path) -> Iterator[_Waveform]:
    size = path.stat().st_size
    with path.open("rb") as file:
        version = file.read(4)[2:]
        header = FILE_HEADERS[version]
        said, count = header.unpack(_exactly(path, file.read(header.size), header.size, "file header"))
        if said > size:
            raise refused(path, f"cut short: its header says {said} bytes, and there are {size}; copy it again")
        if not 0 < count <= MOST_WAVEFORMS or count * WAVEFORM.size > size:
            raise refused(path, f"its header says {count} waveforms, which {size} bytes cannot hold; it is damaged")
        place = 4 + header.size
        for number in range(1, count + 1):
            name = f"waveform {number} of {count} at byte {place}"
            file.seek(place)
            fields = WAVEFORM.unpack(_exactly(path, file.read(WAVEFORM.size), WAVEFORM.size, name))
            length, buffers, points = fields[0], fields[2], fields[3]
            interval, origin = fields[7], fields[8]
            if not WAVEFORM.size <= length <= MOST_HEADER:
                raise refused(path, f"{name}: a header of {length} bytes, where {WAVEFORM.size} or more are due")
            if not 0 < buffers <= 16 or points < 0:
                raise refused(path, f"{name}: {buffers} buffers of {points} points; it is damaged")
            if fields[9] not in {0, SECONDS}:
                raise refused(
                    path, f"{name}: its x axis is not in seconds (code {fields[9]}), so it is no trace in time"
                )
            if not (interval > 0 and np.isfinite(interval) and np.isfinite(origin) and np.isfinite(fields[15])):
                raise refused(path, f"{name}: {interval:g} s between samples from {origin:g} s on; it is damaged")
            place += length
            found = []
            for _ in range(buffers):
                file.seek(place)
                header = DATA_HEADERS[version]
                raw = header.unpack(_exactly(path, file.read(header.size), header.size, name))
                found.append(_buffer(path, name, points, place, raw))
                place = found[-1][1] + raw[3]
            yield _Waveform(
                points=points,
                interval=interval,
                origin=origin,
                unit=UNITS.get(fields[10], ""),
                frame=_text(fields[13]),
                label=_text(fields[14]),
                when=f"{_text(fields[11])} {_text(fields[12])}".strip(),
                tag=fields[15],
                segment=fields[16],
                buffers=tuple(found),
            )


def _buffer(path: Path, name: str, points: int, place: int, fields: tuple[int, ...]) -> tuple[int, int]:
    """Type of the buffer whose data header, at byte `place`, holds these fields; and the offset of its data."""
    length, kind, width, count = fields
    if not DATA_HEADERS[b"10"].size <= length <= MOST_HEADER:
        raise refused(path, f"{name}: a data header of {length} bytes; it is damaged")
    if kind not in BUFFERS:
        raise refused(path, f"{name}: a buffer of type {kind}, which holds no samples (1, 2, 3 and 6 do)")
    if width != np.dtype(BUFFERS[kind][0]).itemsize or count != width * points:
        raise refused(path, f"{name}: {count} bytes of {width}-byte samples are not its {points} points; it is damaged")
    end, size = place + length + count, path.stat().st_size
    if end > size:
        raise refused(path, f"cut short: {name} ends at byte {end}, and there are {size}; copy it again")
    return kind, place + length


def _segments(waveforms: list[_Waveform]) -> list[list[_Waveform]]:
    """Waveforms by segment; without segments all belong to one record."""
    segments: dict[int, list[_Waveform]] = {}
    for wave in waveforms:
        segments.setdefault(wave.segment, []).append(wave)
    return [segments[index] for index in sorted(segments)]


def _traces(path: Path, wave: _Waveform) -> Iterator[ForeignTrace]:
    for kind, offset in wave.buffers:
        dtype, suffix = BUFFERS[kind]
        yield ForeignTrace(
            name=wave.label + suffix,
            role=Role.OTHER,
            unit="" if kind == LOGIC else wave.unit,
            raw=mapped(path, dtype, offset, wave.points),
            interval=wave.interval,
            start=wave.tag + wave.origin,
        )


def _exactly(path: Path, raw: bytes, size: int, name: str) -> bytes:
    if len(raw) != size:
        raise refused(path, f"cut short in {name}; copy it again")
    return raw


def _text(raw: bytes) -> str:
    text = raw.split(b"\0")[0].decode("latin-1").strip()
    return text if text.isprintable() else ""


IMPORTER = Importer(
    "infiniivision", "InfiniiVision binary save (AG10, AG01, AG03)", recognises, read, takes=ALL - {"time"}
)
