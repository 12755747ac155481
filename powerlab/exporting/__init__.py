"""Run files as other programs' files: traces or the windows table as CSV, Parquet, npz and netCDF.

`tracerows` cuts the records of a run into pieces of rows; each format writes the pieces as they come, so that a day
needs no more memory than one record. `export` puts the file in its place when it is whole.
"""

from powerlab.exporting.export import check_target, export
from powerlab.exporting.tracerows import TraceRows

__all__ = ["TraceRows", "check_target", "export"]
