"""Parquet: the columns of the CSV, with where they come from and their units as metadata."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.exporting.rows import Rows
from powerlab.origin import SOURCE
from powerlab_traces.extras import library
from powerlab_traces.views import EXTRA

GROUP = 1 << 18  # rows of a row group: what a reader takes at once


def write(path: Path, rows: Rows) -> None:
    """Write rows in groups of about `GROUP`; what is not a number is null.

    Raises
    ------
    Missing
        pyarrow is not installed.
    """
    pa, parquet = library("pyarrow", EXTRA), library("pyarrow.parquet", EXTRA)
    fields = [
        pa.field(
            column.header,
            pa.string() if column.is_text else pa.from_numpy_dtype(column.dtype),
            metadata={"units": column.unit, "long_name": column.meaning},
        )
        for column in rows.columns
    ]
    schema = pa.schema([*fields, pa.field(SOURCE, pa.string())], metadata=dict(rows.about))
    with parquet.ParquetWriter(path, schema) as writer:
        for group in _groups(rows):
            arrays = [pa.array(it, field.type, from_pandas=True) for it, field in zip(group, fields, strict=True)]
            source = pa.repeat(pa.scalar(rows.about[SOURCE], pa.string()), len(group[0]))
            writer.write_table(pa.Table.from_arrays([*arrays, source], schema=schema))


def _groups(rows: Rows) -> Iterator[list[NDArray[Any]]]:
    """The pieces, put together until they make a row group."""
    waiting: list[tuple[NDArray[Any], ...]] = []
    count = 0
    for piece in rows.pieces(rows.columns):
        waiting.append(piece)
        count += len(piece[0])
        if count >= GROUP:
            yield [np.concatenate(parts) for parts in zip(*waiting, strict=True)]
            waiting, count = [], 0
    if waiting:
        yield [np.concatenate(parts) for parts in zip(*waiting, strict=True)]
