"""Tables of columns in HDF5: one dataset a column, all of one length, as every reader can take them."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema

TEXT = h5py.string_dtype("utf-8")
CODES = {"i": "q", "f": "d", "b": "b"}  # numpy's kinds of numbers, and the types of Python's arrays that hold them
CHUNK = 4096  # rows
MOST_BYTES = 1 << 24  # of a column of texts that each take the room of the longest


class Columns:
    """A table that grows row by row, in little more memory than its numbers: a day has some hundred thousand rows."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = types
        self._columns: dict[str, Any] = {
            name: [] if kind is TEXT else array(CODES[np.dtype(kind).kind]) for name, kind in types.items()
        }

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row, which has a value for each column."""
        for name, column in self._columns.items():
            value = row[name]
            # What repeats is kept once.
            column.append(column[-1] if self._types[name] is TEXT and column and column[-1] == value else value)

    def write(self, group: h5py.Group) -> None:
        """Write the table, as `write_columns` does."""
        write_columns(group, {name: (self._types[name], column) for name, column in self._columns.items()})


def write_columns(group: h5py.Group, columns: Mapping[str, tuple[Any, Sequence[Any]]]) -> None:
    """Write columns, each given by its type and values; the first is the axis of the others.

    All are packed, however short: deflate's check sum then tells a reader of a flipped bit.
    """
    axis = None
    for name, (kind, values) in columns.items():
        data, dtype = texts(values) if kind is TEXT else (np.array(values, dtype=kind), kind)
        options = {"chunks": (min(CHUNK, len(data)),), "compression": "gzip", "shuffle": True} if len(data) else {}
        column = group.create_dataset(name, data=data, dtype=dtype, **options)
        if axis is None:
            axis = column
            axis.make_scale(name)
        else:
            column.dims[0].attach_scale(axis)


def texts(values: Sequence[str]) -> tuple[NDArray[Any], Any]:
    """Texts and their type: of one length, filled up with NULs, unless that took too much room.

    Those are read many times faster than texts of any length, which HDF5 keeps in a heap. And where that heap is
    damaged, HDF5 may go round in it for ever.
    """
    encoded = [it.encode() for it in values]
    longest = max(map(len, encoded), default=0)
    if longest * len(encoded) > MOST_BYTES:
        return np.array(values, dtype=object), TEXT
    dtype = h5py.string_dtype("utf-8", max(longest, 1))
    return np.array(encoded, dtype=dtype), dtype


def put(where: h5py.Group, values: Mapping[str, Any]) -> None:
    """Write attributes that powerlab reads back; texts are of fixed length (see `texts`).

    What other programs look for, NeXus's names and CF's `units`, is as they expect it: of any length.
    """
    for name, value in values.items():
        if isinstance(value, str):
            encoded = value.encode()
            where.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", max(len(encoded), 1)))
        else:
            where.attrs[name] = value


def put_text(group: h5py.Group, name: str, value: str) -> None:
    """Write one text as a dataset, of fixed length."""
    encoded = value.encode()
    group.create_dataset(name, data=encoded, dtype=h5py.string_dtype("utf-8", max(len(encoded), 1)))


def put_unit(data: h5py.Dataset, unit: str) -> None:
    """Write the unit of a dataset, for CF's readers and for `unit_of`."""
    data.attrs[schema.UNIT] = unit
    put(data, {schema.OWN_UNIT: unit})


def unit_of(data: h5py.Dataset) -> str:
    """The unit of a dataset, empty where it has none."""
    return text(data.attrs[schema.OWN_UNIT] if schema.OWN_UNIT in data.attrs else data.attrs.get(schema.UNIT, ""))


def read_columns(group: h5py.Group) -> dict[str, NDArray[Any]]:
    """Every column of a table; text as Python strings."""
    return {name: read_column(column) for name, column in group.items()}


def read_column(column: h5py.Dataset) -> NDArray[Any]:
    """One column; text as Python strings."""
    kind = h5py.check_string_dtype(column.dtype)
    found: NDArray[Any] = column.asstr()[:] if kind and kind.length is None else column[:]
    if found.dtype.kind != "S":
        return found
    # Of a day's texts most repeat: each is decoded, and kept, once.
    known, places = np.unique(found, return_inverse=True)
    return np.char.decode(known, "utf-8").astype(object)[places]


def scale_of(data: h5py.Dataset) -> tuple[float, float]:
    """CF's `scale_factor` and `add_offset` of codes; 1 and 0 for those that have none, such as a marker's bits."""
    return float(data.attrs.get(schema.SCALE, 1.0)), float(data.attrs.get(schema.OFFSET, 0.0))


def text(value: object) -> str:
    """An attribute, or a dataset of one text."""
    return value.decode() if isinstance(value, bytes) else str(value)
