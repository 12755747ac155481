"""Columns of numbers and text with their units: what is exported, and looked at in other libraries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.errors import TraceError

# What a trace in this unit is called; anything else is a value.
QUANTITIES = {"A": "current", "V": "voltage", "W": "power", "J": "energy"}


def quantity_of(unit: str) -> str:
    """What a trace in this unit is called.

    >>> quantity_of("A"), quantity_of("")
    ('current', 'value')
    """
    return QUANTITIES.get(unit, "value")


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column: its name, its unit (empty for counts and text), and what it means in a few words."""

    name: str
    unit: str
    meaning: str
    dtype: np.dtype[Any]

    @property
    def header(self) -> str:
        """Name and unit, for tools that keep no units.

        >>> Column("energy", "J", "", np.dtype(float)).header
        'energy_J'
        """
        return f"{self.name}_{self.unit}" if self.unit else self.name

    @property
    def is_text(self) -> bool:
        """Whether the column holds text."""
        return self.dtype.kind == "U"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of one length. `row` names what a row is, `about` says where the table comes from.

    `table["energy_J"]` is one column's values [rows].

    Raises
    ------
    TraceError
        A column has another length, or there is no values for it.
    """

    row: str
    columns: tuple[Column, ...]
    values: tuple[NDArray[Any], ...]
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.columns) != len(self.values) or len({len(it) for it in self.values}) > 1:
            lengths = ", ".join(str(len(it)) for it in self.values)
            raise TraceError(f"a table needs columns of one length, not {lengths} for {len(self.columns)} columns")

    @classmethod
    def of(
        cls, row: str, about: Mapping[str, str], columns: Mapping[tuple[str, str, str], Sequence[Any] | NDArray[Any]]
    ) -> Self:
        """A table of columns, each given by (name, unit, meaning) and its values."""
        values = tuple(np.asarray(it) for it in columns.values())
        heads = tuple(Column(*said, it.dtype) for said, it in zip(columns, values, strict=True))
        return cls(row, heads, values, about)

    def __len__(self) -> int:
        return len(self.values[0]) if self.values else 0

    def __getitem__(self, header: str) -> NDArray[Any]:
        for column, values in zip(self.columns, self.values, strict=True):
            if column.header == header:
                return values
        raise KeyError(header)

    def pieces(self, columns: Sequence[Column]) -> Iterator[tuple[NDArray[Any], ...]]:
        """The values of these columns, all in one piece."""
        yield tuple(self[column.header] for column in columns)
