"""CSV: one header line, then rows, in a form that pandas and spreadsheets open as it is.

Numbers have as many digits as make the same double again. The last column, `source`, says in every row whether the
numbers were measured: a comment line would trip most readers.
"""

import csv
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.exporting.rows import Rows
from powerlab.origin import SOURCE


def write(path: Path, rows: Rows) -> None:
    """Write rows as UTF-8 with line feeds; what is not a number stays empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(column.header for column in rows.columns), SOURCE])
        for piece in rows.pieces(rows.columns):
            writer.writerows(zip(*map(_cells, piece), repeat(rows.about[SOURCE]), strict=False))


def _cells(values: NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "f" and np.isnan(values).any():
        return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - NaN alone differs
    found: list[Any] = values.tolist()
    return found
