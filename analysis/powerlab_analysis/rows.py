"""Many objects of one kind in little memory."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import is_dataclass
from typing import Any, Self, TypeVar, get_type_hints, overload

import numpy as np
from numpy.typing import NDArray

Row = TypeVar("Row")

CODES = {int: "q", float: "d"}  # types of fields, and those of Python's arrays that hold them


class Rows(Sequence[Row]):
    """Frozen dataclasses, kept as columns: each is made again when it is asked for.

    Their fields are numbers, texts, or such dataclasses themselves. A day has some hundred thousand windows; as objects
    each would take two kilobytes.
    """

    def __init__(self, kind: type[Row]) -> None:
        self._kind = kind
        self._columns = {name: _column(of) for name, of in get_type_hints(kind).items()}

    @classmethod
    def of(cls, kind: type[Row], rows: Iterable[Row]) -> Self:
        """All of these."""
        found = cls(kind)
        for row in rows:
            found.append(row)
        return found

    def append(self, row: Row) -> None:
        """Add one behind the others."""
        for name, column in self._columns.items():
            column.append(getattr(row, name))

    def column(self, name: str) -> Any:
        """One field of all rows: a sequence."""
        return self._columns[name]

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return _Part(self, range(len(self))[index])
        return self._kind(*(column[index] for column in self._columns.values()))

    def __iter__(self) -> Iterator[Row]:
        return map(self._kind, *self._columns.values())


def field(rows: Sequence[Any], name: str) -> Sequence[Any]:
    """One field of all rows; of `Rows`, which have it as a column, no row is made."""
    return rows.column(name) if isinstance(rows, Rows) else [getattr(row, name) for row in rows]


def numbers(rows: Sequence[Any], *names: str) -> NDArray[np.float64]:
    """A number of each row [n], by the names of fields from the outermost to the innermost."""
    found = rows
    for name in names:
        found = field(found, name)
    return np.array(found, dtype=np.float64)


class _Part(Sequence[Row]):
    """Some of the rows."""

    __slots__ = ("_numbers", "_rows")

    def __init__(self, rows: Rows[Row], numbers: range) -> None:
        self._rows, self._numbers = rows, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        numbers = self._numbers[index]
        return _Part(self._rows, numbers) if isinstance(numbers, range) else self._rows[numbers]


class _Texts(list[str]):
    """A column of texts; one that repeats is kept once."""

    def append(self, text: str, /) -> None:
        super().append(self[-1] if self and self[-1] == text else text)


def _column(of: type) -> Any:
    if is_dataclass(of):
        return Rows(of)
    return array(CODES[of]) if of in CODES else _Texts()
