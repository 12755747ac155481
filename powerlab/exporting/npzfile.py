"""npz: one array a column, named as in the CSV, and a text for each thing that is known of where they come from.

An archive is written array after array, so the run is read once for each column that needs its samples.
"""

import zipfile
from pathlib import Path

import numpy as np

from powerlab.exporting.rows import Rows


def write(path: Path, rows: Rows) -> None:
    """Write rows so that `numpy.load(path, allow_pickle=False)` reads them."""
    with zipfile.ZipFile(path, "w") as archive:
        for column in rows.columns:
            with archive.open(f"{column.header}.npy", "w", force_zip64=True) as member:
                head = {"descr": column.dtype.str, "fortran_order": False, "shape": (len(rows),)}
                np.lib.format.write_array_header_1_0(member, head)
                for (values,) in rows.pieces([column]):
                    member.write(np.ascontiguousarray(values, column.dtype).tobytes())
        for name, text in rows.about.items():
            with archive.open(f"{name.replace(' ', '_')}.npy", "w") as member:
                np.lib.format.write_array(member, np.array(text), allow_pickle=False)
