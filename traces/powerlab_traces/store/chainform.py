"""The current chain as it is written: JSON in the journal, attributes in the run file."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Final

import h5py
import numpy as np

from powerlab_traces.chain import CurrentChain, ScreenLine, ScreenZero
from powerlab_traces.store.columns import text

# Fields that hold one entry for each screen: in a run file, an attribute for each field of the entry.
TABLES: Final[Mapping[str, type[ScreenZero | ScreenLine]]] = {"zeros": ScreenZero, "lines": ScreenLine}


def chain_said(said: Mapping[str, Any]) -> CurrentChain:
    """The chain that the journal's JSON says."""
    tables = {name: tuple(kind(**row) for row in said.get(name, ())) for name, kind in TABLES.items()}
    return CurrentChain(**{**said, **tables})


def chain_attributes(said: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that the journal's JSON becomes; a table without rows has none."""
    found = {name: value for name, value in said.items() if name not in TABLES}
    for name, kind in TABLES.items():
        if rows := said.get(name):
            found |= {f"{name}_{it.name}": np.array([row[it.name] for row in rows]) for it in fields(kind)}
    return found


def chain_stored(group: h5py.Group) -> CurrentChain:
    """The chain of a run file's attributes."""
    tables: dict[str, Any] = {}
    for name, kind in TABLES.items():
        names = [it.name for it in fields(kind)]
        if f"{name}_{names[0]}" in group.attrs:
            columns = [group.attrs[f"{name}_{it}"].tolist() for it in names]
            tables[name] = tuple(kind(*row) for row in zip(*columns, strict=True))
    plain = limits_stored(CurrentChain, group, without=tuple(TABLES))
    return CurrentChain(**plain, **tables)


def limits_stored(kind: type, group: h5py.Group, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of `kind` that a group has as attributes; files of an earlier powerlab lack some with a default."""

    def value(name: str) -> Any:
        stored = group.attrs[name]
        return text(stored) if isinstance(stored, bytes | str) else stored.item()

    wanted = [it for it in fields(kind) if it.name not in without]
    return {it.name: value(it.name) for it in wanted if it.default is MISSING or it.name in group.attrs}
