"""Foreign files as they lie on the disk: their first bytes, size, digest and text; and how they are refused."""

import codecs
import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from powerlab_traces.errors import TraceError
from powerlab_traces.importers.imported import SourceFile

HEAD = 1 << 16  # bytes that an importer may look at to recognise a file
# A text line longer than this is no line of any table or log here; refusing it bounds what one line costs.
LONGEST_LINE = 1 << 20


class ForeignFileError(TraceError):
    """A foreign file is damaged, cut short, or not what its first bytes promise."""


class NotKnown(ForeignFileError):
    """A foreign file does not say what is needed; the message names the option that does."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be recognised: its path, size in bytes, and first bytes."""

    path: Path
    size: int
    head: bytes

    @classmethod
    def at(cls, path: Path) -> Self:
        """Look at a file.

        Raises
        ------
        ForeignFileError
            It cannot be read.
        """
        with reading(path), path.open("rb") as file:
            return cls(path, path.stat().st_size, file.read(HEAD))

    @property
    def text(self) -> str:
        """The first bytes as text; empty if they are none."""
        if b"\0" in self.head and not self.head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return ""
        return self.head.decode(_encoding(self.head), errors="replace").removeprefix("\ufeff")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the operating system says against reading `path` into one line."""
    try:
        yield
    except OSError as error:
        raise ForeignFileError(f"{path} cannot be read: {error.strerror or error}") from error


def refused(path: Path, what: str) -> ForeignFileError:
    """The error for a file that is not what it should be: which file, what is wrong and where."""
    return ForeignFileError(f"{path}: {what}")


def identified(path: Path) -> SourceFile:
    """Name, size and digest of a file, read once from front to back."""
    with reading(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SourceFile(path.name, path.stat().st_size, digest)


def beside(path: Path, *names: str) -> Path | None:
    """The first of these files that lies in the folder of `path`."""
    for name in names:
        # A name made of a long one can be longer than any file's: then there is none.
        with contextlib.suppress(OSError):
            if path.with_name(name).is_file():
                return path.with_name(name)
    return None


def mapped(path: Path, dtype: DTypeLike, offset: int, count: int) -> NDArray[Any]:
    """`count` numbers of a file from byte `offset` on, mapped and not loaded.

    Raises
    ------
    ForeignFileError
        The file holds fewer.
    """
    size, kind = path.stat().st_size, np.dtype(dtype)
    if count < 0 or offset + count * kind.itemsize > size:
        raise refused(
            path, f"cut short: {count} samples from byte {offset} on need more than its {size} bytes; copy it again"
        )
    if count == 0:
        return np.zeros(0, kind)
    with reading(path):
        return np.memmap(path, kind, "r", offset, (count,))


def encoding_of(path: Path) -> str:
    """The text encoding of a file: by its byte-order mark, UTF-8 if its first bytes are that, else Latin-1."""
    return _encoding(Source.at(path).head)


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    r"""The lines of a text file with their numbers from 1, without line ends (`\n` or `\r\n`).

    Raises
    ------
    ForeignFileError
        A line is too long to be one.
    """
    with reading(path), path.open(encoding=encoding_of(path), errors="replace", newline="\n") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise refused(path, f"line {number} is longer than {LONGEST_LINE} characters: this is no text table")
            yield number, line.removeprefix("\ufeff").rstrip("\r\n")


def _encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        # A character may be cut in two where the head ends.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"
