"""The journal of a capture: an append-only file of frames, each whole or not there.

A frame is a header (kind, length of its JSON, length of its bytes, CRC-32 of everything else in it), the JSON and the
bytes. What `append` has returned from is on the disk; a frame that a crash cut short fails its CRC, and there the
reading ends.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from powerlab_traces.errors import TraceError

try:
    import fcntl
except ImportError:  # Windows: there the open file itself keeps others from renaming it
    fcntl = None  # type: ignore[assignment]

MAGIC = b"powerlab journal 2\n"
HEADER = struct.Struct("<4sIQI")


class Entry(StrEnum):
    """What a frame says; four letters."""

    DESCRIPTION = "DESC"  # provenance, chain and limits
    CHAIN = "CHAI"
    SETTINGS = "SETT"
    RECORD = "RECO"  # a record with its windows
    WINDOWS = "WIND"  # windows of a record that was lost
    NOTES = "NOTE"
    TRUTH = "TRUE"
    LOG = "LOGS"  # rows of a log, behind those of the same name
    RESUMED = "RESU"  # a later capture goes on here


@dataclass(frozen=True, slots=True)
class Frame:
    """One entry of the journal: what it says, and its bytes."""

    entry: Entry
    said: Mapping[str, Any]
    data: memoryview


class Journal:
    """A journal open for appending; nobody else may append to it meanwhile.

    With `resume` an existing one is taken up behind its last whole frame, otherwise it must not exist.

    Raises
    ------
    OSError
        It cannot be created, or another program is writing it (`BlockingIOError`).
    TraceError
        The file is no journal.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        self._file: BinaryIO = path.open("r+b" if resume else "xb", buffering=0)
        try:
            _lock(self._file)
            if resume:
                self._end = sum(length for _, length in _frames(self._file, path)) + len(MAGIC)
                self._file.truncate(self._end)
                self._file.seek(self._end)
            else:
                self._write(MAGIC)
                self._sync()
                _sync_folder(path.parent)
                self._end = len(MAGIC)
        except BaseException:
            self._file.close()
            if not resume:
                path.unlink()  # it has nothing but a part of its first line
            raise

    def append(self, entry: Entry, said: Mapping[str, Any], *data: bytes) -> None:
        """Add a frame and return when it is on the disk.

        Raises
        ------
        OSError
            The disk refuses. The frame is taken back; what was appended before stays.
        """
        text = json.dumps(said, allow_nan=False).encode()
        length = sum(map(len, data))
        start = HEADER.pack(entry.encode(), len(text), length, 0)[:-4]
        crc = zlib.crc32(text, zlib.crc32(start))
        for part in data:
            crc = zlib.crc32(part, crc)
        try:
            self._write(b"".join((start, struct.pack("<I", crc), text, *data)))
            self._sync()
        except OSError:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            raise
        self._end += HEADER.size + len(text) + length

    def close(self) -> None:
        """Close the file, which lets others take it up."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:  # a full disk takes a part of it first
            rest = rest[self._file.write(rest) :]

    def _sync(self) -> None:
        os.fsync(self._file.fileno())


def read_journal(path: Path) -> Iterator[Frame]:
    """The whole frames of a journal, one at a time, up to the first that is not.

    Raises
    ------
    TraceError
        There is no such journal, it cannot be read, or is none.
    """
    try:
        with path.open("rb") as file:
            for frame, _ in _frames(file, path):
                yield frame
    except OSError as error:
        raise TraceError(f"{path} cannot be read ({error.strerror})") from error


def is_being_written(path: Path) -> bool:
    """Whether another program holds this journal open for appending, as far as the system tells."""
    with path.open("r+b") as file:
        try:
            _lock(file)
        except BlockingIOError:
            return True
    return False


def _frames(file: BinaryIO, path: Path) -> Iterator[tuple[Frame, int]]:
    """Frames with their lengths in bytes."""
    if file.read(len(MAGIC)) != MAGIC:
        raise TraceError(f"{path} is no journal of this version of powerlab; look what it is before you remove it")
    left = os.fstat(file.fileno()).st_size - len(MAGIC)
    while left >= HEADER.size:
        header = file.read(HEADER.size)
        if len(header) < HEADER.size:
            return
        entry, text_length, data_length, crc = HEADER.unpack(header)
        length = text_length + data_length
        if length > left - HEADER.size:  # also what a torn header might say: nothing larger than the file is read
            return
        body = _read(file, length)
        if len(body) < length or zlib.crc32(body, zlib.crc32(header[:-4])) != crc:
            return
        view = memoryview(body)
        yield Frame(Entry(entry.decode()), json.loads(body[:text_length]), view[text_length:]), HEADER.size + length
        left -= HEADER.size + length


def _read(file: BinaryIO, length: int) -> bytes:
    parts = []
    while length and (part := file.read(length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _lock(file: BinaryIO) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(folder: Path) -> None:
    """Bring a new name to the disk; not every system can open a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
