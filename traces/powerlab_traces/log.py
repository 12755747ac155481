"""Logs: tables of what was noted beside the records, such as the seconds of each pass or the board's temperatures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from powerlab_traces.errors import TraceError

Value = float | int | str | None  # None: not known then


@dataclass(frozen=True, slots=True)
class Log:
    """One table, a column a quantity, all of one length. `units` says those of its columns that have one.

    Times are nanoseconds on the host's monotonic clock, as those of windows are, in columns that end in `_ns`.

    >>> Log("passes", {"seconds": [0.41, 0.40]}, {"seconds": "s"}).rows
    2

    Raises
    ------
    TraceError
        Columns of different lengths, or a unit of a column that is not there.
    """

    name: str
    columns: Mapping[str, Sequence[Value]]
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len({len(values) for values in self.columns.values()}) != 1:
            raise TraceError(f"the columns of the log {self.name} have different lengths, or there are none")
        if unknown := set(self.units) - set(self.columns):
            raise TraceError(f"the log {self.name} has units of {', '.join(sorted(unknown))}, which is no column of it")

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(next(iter(self.columns.values())))

    def at(self, other: Callable[[int], int]) -> "Log":
        """Give the same log with its times as those of another clock, which `other` makes of them."""
        columns = {
            name: [it if it is None else other(int(it)) for it in values] if name.endswith("_ns") else values
            for name, values in self.columns.items()
        }
        return Log(self.name, columns, self.units)

    def then(self, more: "Log") -> "Log":
        """Join this log and the rows of another with the same columns behind it."""
        if (more.name, more.units, set(more.columns)) != (self.name, self.units, set(self.columns)):
            raise TraceError(f"the log {self.name} cannot go on with other columns or units")
        return Log(self.name, {it: [*values, *more.columns[it]] for it, values in self.columns.items()}, self.units)
