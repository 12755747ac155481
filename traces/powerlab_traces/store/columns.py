"""Tables of columns in HDF5: one dataset a column, all of one length, as every reader can take them."""

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema

TEXT = h5py.string_dtype("utf-8")
CHUNK = 4096  # rows


def write_columns(group: h5py.Group, columns: Mapping[str, tuple[Any, Sequence[Any]]]) -> None:
    """Write columns, each given by its type and values; the first is the axis of the others."""
    axis = None
    for name, (dtype, values) in columns.items():
        data = np.array(values, dtype=object if dtype is TEXT else dtype)
        options = (
            {"chunks": (min(CHUNK, len(data)),), "compression": "gzip", "shuffle": True} if len(data) > CHUNK else {}
        )
        column = group.create_dataset(name, data=data, dtype=dtype, **options)
        if axis is None:
            axis = column
            axis.make_scale(name)
        else:
            column.dims[0].attach_scale(axis)


def read_columns(group: h5py.Group) -> dict[str, NDArray[Any]]:
    """Every column of a table; text as Python strings."""
    return {
        name: column.asstr()[:] if h5py.check_string_dtype(column.dtype) else column[:]
        for name, column in group.items()
    }


def scale_of(data: h5py.Dataset) -> tuple[float, float]:
    """CF's `scale_factor` and `add_offset` of codes; 1 and 0 for those that have none, such as a marker's bits."""
    return float(data.attrs.get(schema.SCALE, 1.0)), float(data.attrs.get(schema.OFFSET, 0.0))


def text(value: object) -> str:
    """An attribute that holds text."""
    return value.decode() if isinstance(value, bytes) else str(value)
