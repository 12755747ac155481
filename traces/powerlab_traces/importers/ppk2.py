"""Nordic Power Profiler Kit II: `.ppk2` saves of the nRF Connect Power Profiler.

A zip archive: `metadata.json` with `formatVersion`, `metadata.samplesPerSecond` and `metadata.startSystemTime` (ms
since 1970, not in all versions); `session.raw` with 6 bytes a sample, the current in microamperes (float32,
little-endian, NaN for a lost sample) and two bits for each of D0 to D7 (big-endian: 01 low, 10 high); `minimap.raw`, an
overview. Read from the published source of the app; no real file was at hand, so the layout is UNCONFIRMED on files.
"""

import json
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.importers.imported import ForeignRecord, ForeignTrace, Imported, Lacking, Role, Unknown
from powerlab_traces.importers.options import OF_ANY, ImportOptions
from powerlab_traces.importers.registry import Importer
from powerlab_traces.importers.source import Source, identified, reading, refused
from powerlab_traces.importers.windows import completed
from powerlab_traces.run import Provenance

MAGIC = b"PK\x03\x04"
SAMPLES, METADATA = "session.raw", "metadata.json"
FRAME = np.dtype([("current", "<f4"), ("digital", ">u2")])  # UNCONFIRMED on a real file
FORMAT_VERSION = 2  # the only one whose source was read
MICRO = 1e-6
LINES = 8
# A recording is noise, which hardly shrinks; an archive that unpacks to more than this many times its size is no
# recording, and is not unpacked.
MOST_RATIO = 100
LARGEST_METADATA = 1 << 20  # bytes
FASTEST = 1e6  # samples per second


def recognises(source: Source) -> bool:
    """Whether a file is an archive with a session in it."""
    if not source.head.startswith(MAGIC):
        return False
    try:
        with zipfile.ZipFile(source.path) as archive:
            return SAMPLES in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        # The table of contents is at the end: an archive that was cut short has none, but its name is known.
        return source.path.suffix.lower() == ".ppk2"


def read(path: Path, options: ImportOptions) -> Imported:
    """Read a saved session.

    Raises
    ------
    ForeignFileError
        The archive is cut short or damaged, or of another version.
    """
    try:
        with reading(path), zipfile.ZipFile(path) as archive:
            metadata = _metadata(path, archive)
            frames = _frames(path, archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, KeyError) as error:
        raise refused(path, f"the archive is cut short or damaged ({error}); copy it again") from error
    rate, origin = _rate(path, metadata), _origin(metadata)
    unknown: tuple[Unknown, ...] = ()
    if options.supply_voltage is None:
        unknown = (Unknown(Lacking.POWER, f"{path}: it holds current only", "--supply-voltage V"),)
    lost = int(np.count_nonzero(np.isnan(frames["current"])))
    traces = [
        ForeignTrace("current", Role.CURRENT, "A", frames["current"], interval=1 / rate, scale=MICRO),
        *_lines(frames["digital"], rate),
    ]
    return completed(
        Imported(
            format="Nordic PPK2",
            records=(ForeignRecord(0, tuple(traces)),),
            windows=(),
            provenance=Provenance(
                created=origin.isoformat() if origin else "",
                simulated=False,
                model=path.stem,
                batch=None,
                marker_bit=None,
                instruments={"meter": "Nordic Power Profiler Kit II"},
                settings={"meter": {"sample rate": f"{rate:g} Hz"}},
            ),
            sources=(identified(path),),
            clock="the app's: seconds from the first sample",
            origin=origin,
            unknown=unknown,
            notes=(f"{lost} samples were lost while recording",) if lost else (),
        ),
        options,
        path,
    )


def _metadata(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    info = archive.getinfo(METADATA)
    if info.file_size > LARGEST_METADATA:
        raise refused(path, f"{METADATA} in it is {info.file_size} bytes long, which is no metadata")
    try:
        found = json.loads(_unpacked(archive, info))
    except RecursionError as error:
        raise refused(path, f"{METADATA} in it is no metadata") from error
    version = found.get("formatVersion") if isinstance(found, dict) else None
    if version != FORMAT_VERSION:
        raise refused(
            path, f"its format version is {str(version)[:20]}, and {FORMAT_VERSION} is read here: save it anew"
        )
    inner = found.get("metadata")
    if not isinstance(inner, dict):
        raise refused(path, f"{METADATA} in it has no `metadata`")
    return inner


def _frames(path: Path, archive: zipfile.ZipFile) -> NDArray[Any]:
    info = archive.getinfo(SAMPLES)
    if info.file_size > MOST_RATIO * max(path.stat().st_size, 1):
        raise refused(
            path,
            f"{SAMPLES} in it would unpack to {info.file_size} bytes, over {MOST_RATIO} times the file: no recording",
        )
    if info.file_size % FRAME.itemsize:
        raise refused(
            path, f"{SAMPLES} in it has {info.file_size} bytes, no whole number of {FRAME.itemsize}-byte samples"
        )
    return np.frombuffer(_unpacked(archive, info), FRAME)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of a member, and not more than it says it has."""
    with archive.open(info) as member:
        raw = member.read(info.file_size)
        if len(raw) != info.file_size or member.read(1):
            raise zipfile.BadZipFile(f"{info.filename} is not as long as it says")
    return raw


def _rate(path: Path, metadata: dict[str, Any]) -> float:
    rate = metadata.get("samplesPerSecond")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= FASTEST:
        raise refused(path, f"{METADATA} in it says {str(rate)[:40]} samples per second")
    return float(rate)


def _origin(metadata: dict[str, Any]) -> datetime | None:
    start = metadata.get("startSystemTime")
    if isinstance(start, bool) or not isinstance(start, int | float) or not 0 < start < 1e14:
        return None
    try:
        return datetime.fromtimestamp(start / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _lines(bits: NDArray[np.uint16], rate: float) -> list[ForeignTrace]:
    """The digital lines D0 to D7 that were ever high."""
    ever = int(np.bitwise_or.reduce(bits)) if len(bits) else 0
    return [
        ForeignTrace(f"D{line}", Role.MARKER, "", ((bits >> (2 * line + 1)) & 1).astype(np.uint8), interval=1 / rate)
        for line in range(LINES)
        if ever >> (2 * line + 1) & 1
    ]


IMPORTER = Importer("ppk2", "Nordic PPK2 save (.ppk2)", recognises, read, takes=OF_ANY)
