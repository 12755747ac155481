"""A file for HDF5 to write into, on a disk that may fill up."""

from io import FileIO
from typing import Any


class Sink(FileIO):
    """A file that takes everything once the disk has refused something, and says so when asked.

    HDF5 cannot give up a file that it cannot write: it keeps trying to flush, and in the end breaks the interpreter.
    """

    _refusal: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of the data, or note why that cannot be."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while len(rest) and self._refusal is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._refusal = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """Give the file this length, unless something was refused."""
        if self._refusal is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self._refusal = error
        return size or 0

    def check(self) -> None:
        """Say what was refused.

        Raises
        ------
        OSError
            The disk has refused something.
        """
        if self._refusal is not None:
            raise self._refusal
