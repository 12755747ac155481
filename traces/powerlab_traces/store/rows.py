"""Rows of a table in the run file as objects."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, overload

from numpy.typing import NDArray

from powerlab_traces.store.source import Source

Row = TypeVar("Row")


class StoredRows(Sequence[Row]):
    """The rows of a table, such as the windows, made as they are asked for: a day has some hundred thousand.

    `fields` are those of `kind`, each with the name of its column and its type.
    """

    def __init__(
        self, source: Source, group: str, count: int, kind: Callable[..., Row], fields: Mapping[str, tuple[str, Any]]
    ) -> None:
        self._source, self._group, self._count, self._kind, self._fields = source, group, count, kind, fields

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        if isinstance(index, slice):
            return tuple(self._made(index))
        number = range(self._count)[index]
        return next(self._made(slice(number, number + 1)))

    def __iter__(self) -> Iterator[Row]:
        return self._made(slice(None))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as a list has none: it compares by what is in it

    def column(self, field: str) -> NDArray[Any]:
        """One field of all rows; no row is made.

        Raises
        ------
        TraceError
            The file is damaged.
        """
        return self._source.column(self._group, self._fields[field][0])

    def _made(self, part: slice) -> Iterator[Row]:
        columns = [self.column(field)[part].tolist() for field in self._fields]
        return (self._kind(**dict(zip(self._fields, row, strict=True))) for row in zip(*columns, strict=True))
