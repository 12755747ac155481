"""From rows to a file of the format that its ending names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from powerlab.exporting.newfile import check_new, new_file
from powerlab.exporting.rows import Rows
from powerlab_traces.errors import PowerlabError
from powerlab_traces.extras import library
from powerlab_traces.table import Column
from powerlab_traces.views import EXTRA


class Format(NamedTuple):
    """The module whose `write` makes it, and the library that it needs."""

    module: str
    library: str | None = None


FORMATS: Final[Mapping[str, Format]] = {
    ".csv": Format("powerlab.exporting.csvfile"),
    ".parquet": Format("powerlab.exporting.parquetfile", "pyarrow"),
    ".npz": Format("powerlab.exporting.npzfile"),
    ".nc": Format("powerlab.exporting.netcdffile", "h5netcdf"),
}


def check_target(path: Path) -> None:
    """Find out, before long work, whether a file of this name can be written here.

    Raises
    ------
    PowerlabError
        Its ending names no format, the name is taken, or there is no such folder.
    Missing
        The format needs a library that is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        said = f"ends in {path.suffix}" if path.suffix else "has no ending"
        raise PowerlabError(f"{path} {said}; the ending says the format: {', '.join(FORMATS)}")
    check_new(path)
    needed = FORMATS[path.suffix.lower()].library
    if needed:
        library(needed, EXTRA)


def export(rows: Rows, path: Path, done: Callable[[float], None] = lambda _: None) -> None:
    """Write rows as `path`; the file appears when it is whole. `done` is told the share that is written, 0 to 1.

    Raises
    ------
    PowerlabError
        `check_target` objects, there is no row, or the disk refuses. Nothing is left of the file.
    TraceError
        The run is damaged.
    """
    check_target(path)
    if not len(rows):
        raise PowerlabError(f"there is no {rows.row} to export")
    write = import_module(FORMATS[path.suffix.lower()].module).write
    with new_file(path) as part:
        write(part, _Watched(rows, done))


class _Watched:
    """Rows that tell how much of them has been read: a format may go through them more than once."""

    def __init__(self, rows: Rows, done: Callable[[float], None]) -> None:
        self._rows, self._done = rows, done
        self._read = 0
        self.row, self.columns, self.about = rows.row, rows.columns, rows.about

    def __len__(self) -> int:
        return len(self._rows)

    def pieces(self, columns: Sequence[Column]) -> Iterator[tuple[NDArray[Any], ...]]:
        for piece in self._rows.pieces(columns):
            yield piece
            self._read += len(piece) * len(piece[0])
            self._done(self._read / (len(self._rows) * len(self.columns)))
