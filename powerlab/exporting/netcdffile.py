"""netCDF 4 with CF's attributes: variables along one dimension, in SI units that say what they are."""

from pathlib import Path
from typing import Any

import numpy as np

from powerlab.exporting.rows import Rows
from powerlab_traces.extras import library
from powerlab_traces.store.columns import TEXT
from powerlab_traces.store.sink import Sink
from powerlab_traces.views import EXTRA

CONVENTIONS = "CF-1.11"
CHUNK = 1 << 16  # rows
PACKING = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
COORDINATES = ("record", "time")  # of samples


def write(path: Path, rows: Rows) -> None:
    """Write rows as variables along the dimension `rows.row`; record and time are coordinates of the other variables.

    Raises
    ------
    Missing
        h5netcdf is not installed.
    """
    h5netcdf = library("h5netcdf", EXTRA)
    with Sink(path, "w+") as sink:
        with h5netcdf.File(sink, "w") as file:
            _fill(file, rows, sink)
        sink.check()


def _fill(file: Any, rows: Rows, sink: Sink) -> None:
    file.attrs["Conventions"] = CONVENTIONS
    for name, text in rows.about.items():
        file.attrs[name.replace(" ", "_")] = text
    file.dimensions = {rows.row: len(rows)}
    chunks = (min(len(rows), CHUNK),)
    timed = any(column.name == "time" for column in rows.columns)
    variables = []
    for column in rows.columns:
        dtype = TEXT if column.is_text else np.dtype(np.int8) if column.dtype.kind == "b" else column.dtype
        variable = file.create_variable(column.name, (rows.row,), dtype, chunks=chunks, **PACKING)
        variable.attrs["long_name"] = column.meaning
        if column.unit:
            variable.attrs["units"] = column.unit
        if timed and column.name not in COORDINATES:
            variable.attrs["coordinates"] = " ".join(COORDINATES)
        if column.dtype.kind == "b":
            variable.attrs["dtype"] = "bool"  # netCDF has none; xarray makes one of this
        variables.append(variable)
    first = 0
    for piece in rows.pieces(rows.columns):
        last = first + len(piece[0])
        for variable, values in zip(variables, piece, strict=True):
            variable[first:last] = values.astype(object) if values.dtype.kind == "U" else values
        sink.check()
        first = last
