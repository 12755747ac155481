"""A run file open for reading, shared by all that reads from it."""

import os
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from powerlab_traces import schema
from powerlab_traces.errors import TraceError
from powerlab_traces.store.assembly import journal_of, reason
from powerlab_traces.store.columns import read_column, text


class Source:
    """One run file and what was read of it. It is opened when something is asked for, and stays open until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: h5py.File | None = None
        self.handle: int | None = None  # the system's, where it reads at a place without another's position in between
        self._datasets: dict[str, h5py.Dataset] = {}
        self._columns: dict[str, NDArray[Any]] = {}
        self._damage = damage(path)

    def reading(self) -> "damage":
        """Have the file open; whatever HDF5 stumbles over in the body becomes one line."""
        if self._file is None:
            self._file = open_file(self.path)
            self.handle = self._file.id.get_vfd_handle() if hasattr(os, "pread") else None
        return self._damage

    def dataset(self, name: str) -> h5py.Dataset:
        """A dataset by its path in the entry; while `reading`."""
        if name not in self._datasets:
            assert self._file is not None
            self._datasets[name] = self._file[schema.ENTRY][name]
        return self._datasets[name]

    def holds(self, name: str) -> bool:
        """Whether the entry has this; while `reading`."""
        assert self._file is not None
        return f"{schema.ENTRY}/{name}" in self._file

    def column(self, group: str, name: str) -> NDArray[Any]:
        """A whole column of a table, text as Python strings; read once.

        Raises
        ------
        TraceError
            The file is damaged.
        """
        where = f"{group}/{name}"
        if where not in self._columns:
            with self.reading():
                self._columns[where] = read_column(self.dataset(where))
        return self._columns[where]

    def close(self) -> None:
        """Close the file; it opens again when something is asked for."""
        self._datasets.clear()
        if self._file is not None:
            self._file.close()
            self._file = self.handle = None


def open_file(path: Path) -> h5py.File:
    """Open a run file for reading.

    Raises
    ------
    TraceError
        There is no such file, its capture was cut off, it is no run file, or it is of another version.
    """
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
        with damage(path):
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


# What h5py raises where a file is not what it says: it has no kind of error of its own.
_FOUND_DAMAGED = (OSError, RuntimeError, LookupError, ValueError, AttributeError)


class damage:  # noqa: N801 - used like a function
    """Turn whatever HDF5 stumbles over in the body into one line.

    A class: sums over short spans take 50 us, of which a generator's detour would be a tenth.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _FOUND_DAMAGED):
            raise TraceError(
                f"{self._path} is damaged: {reason(error)}; `powerlab check {self._path}` says where"
            ) from error
