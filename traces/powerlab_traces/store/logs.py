"""Logs in the run file: a group of columns each."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import h5py
import numpy as np

from powerlab_traces import schema
from powerlab_traces.log import Log, Value
from powerlab_traces.store.columns import TEXT, put_unit, unit_of, write_columns

if TYPE_CHECKING:
    from powerlab_traces.store.source import Source


def write_logs(entry: h5py.Group, logs: Mapping[str, Log]) -> None:
    """Write each log; a number that is not known becomes NaN, a text that is not an empty one."""
    group = entry.create_group(schema.LOGS, track_order=True)
    for log in logs.values():
        table = group.create_group(log.name, track_order=True)
        write_columns(table, {name: _typed(values) for name, values in log.columns.items()})
        for name, unit in log.units.items():
            put_unit(table[name], unit)


def _typed(values: Any) -> tuple[Any, list[Any]]:
    kinds = {type(it) for it in values} - {type(None)}
    if str in kinds:
        return TEXT, ["" if it is None else str(it) for it in values]
    if kinds <= {int, bool} and None not in values:
        return np.int64, list(values)
    return np.float64, [np.nan if it is None else it for it in values]


class StoredLogs(Mapping[str, Log]):
    """The logs of a run file by name, each read when it is asked for."""

    def __init__(self, source: "Source", units: Mapping[str, Mapping[str, str]]) -> None:
        self._source, self._units = source, units

    def __getitem__(self, name: str) -> Log:
        units = self._units[name]
        columns = {it: self._column(name, it) for it in units}
        return Log(name, columns, {it: unit for it, unit in units.items() if unit})

    def _column(self, log: str, name: str) -> list[Value]:
        found: list[Value] = self._source.column(f"{schema.LOGS}/{log}", name).tolist()
        return [None if it != it else it for it in found]  # noqa: PLR0124 - NaN: what was not known

    def __iter__(self) -> Iterator[str]:
        return iter(self._units)

    def __len__(self) -> int:
        return len(self._units)


def units_of(entry: h5py.Group) -> dict[str, dict[str, str]]:
    """The columns of each log with their units, empty where they have none."""
    if schema.LOGS not in entry:
        return {}
    return {name: {it: unit_of(column) for it, column in table.items()} for name, table in entry[schema.LOGS].items()}


def joined(logs: dict[str, Log], said: Mapping[str, Any]) -> None:
    """Take a log, as the journal says it, up among those there are, whose columns are lists and grow in place.

    A run that was resumed may know other columns then, as of a machine's sensors: what a part lacks was not known.
    """
    more = Log(**said)
    known = logs.get(more.name, Log(more.name, {it: [] for it in more.columns}, more.units))
    rows = known.rows
    columns: dict[str, list[Value]] = {name: cast("list[Value]", values) for name, values in known.columns.items()}
    for name in more.columns:
        columns.setdefault(name, [None] * rows)
    for name, column in columns.items():
        column.extend(more.columns.get(name, [None] * more.rows))
    logs[more.name] = Log(more.name, columns, {**more.units, **known.units})
