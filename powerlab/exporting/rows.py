"""What every format is given to write: rows in pieces."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from powerlab_traces.table import Column


class Rows(Protocol):
    """Rows of columns, read in pieces of bounded size, as often as a format needs.

    A `Table` is rows in one piece.
    """

    @property
    def row(self) -> str:
        """What a row is: `sample`, `window`."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The heads of all columns."""

    @property
    def about(self) -> Mapping[str, str]:
        """Where the rows come from; at least `source`."""

    def __len__(self) -> int: ...

    def pieces(self, columns: Sequence[Column], /) -> Iterator[tuple[NDArray[Any], ...]]:
        """The values of some of the columns, piece after piece; only what these need is read."""
