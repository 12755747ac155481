"""Reading a run file: what is small at once, the samples as they are asked for."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py

from powerlab_traces import schema
from powerlab_traces.chain import SupplyLimits
from powerlab_traces.errors import TraceError
from powerlab_traces.run import Outcome, Provenance, Run, TrueWindow
from powerlab_traces.store.assembly import TRUTH_TYPES, WINDOW_TYPES
from powerlab_traces.store.chainform import chain_stored, limits_stored
from powerlab_traces.store.columns import read_column, text
from powerlab_traces.store.logs import StoredLogs, units_of
from powerlab_traces.store.records import StoredRecords
from powerlab_traces.store.rows import StoredRows
from powerlab_traces.store.source import Source, damage, open_file
from powerlab_traces.window import HostWindow

Row = TypeVar("Row", HostWindow, TrueWindow)


@dataclass(frozen=True, slots=True, eq=False)
class StoredRun(Run):
    """A run in a file, its records read as they are asked for."""

    records: StoredRecords
    windows: StoredRows[HostWindow]
    truth: StoredRows[TrueWindow] | None = None


def open_run(path: str | os.PathLike[str]) -> StoredRun:
    """Read a run file: everything but the records' samples, which are read as they are asked for.

    Raises
    ------
    TraceError
        There is no such file, its capture was cut off, it is no run file, it is of another version, or it is damaged.
    """
    where = Path(path)
    with open_file(where) as file, damage(where):
        entry = file[schema.ENTRY]
        if schema.IMPORTED in entry:
            raise TraceError(
                f"{where} holds a capture of another program, no run of powerlab: `powerlab analyse {where}` gives its "
                f"energies, and pl.open_import({str(where)!r}) opens it"
            )
        source = Source(where)
        return StoredRun(
            provenance=_provenance(file, entry[schema.PROVENANCE]),
            chain=chain_stored(entry[schema.CHAIN]),
            supply=SupplyLimits(**limits_stored(SupplyLimits, entry[schema.SUPPLY])),
            records=StoredRecords(source, range(_length(entry[schema.RECORDS]))),
            windows=_rows(source, entry, schema.WINDOWS, HostWindow, WINDOW_TYPES),
            notes=tuple(read_column(entry[schema.NOTES]).tolist()) if schema.NOTES in entry else (),
            truth=_rows(source, entry, schema.TRUTH, TrueWindow, TRUTH_TYPES) if schema.TRUTH in entry else None,
            logs=StoredLogs(source, units_of(entry)),
            outcome=Outcome(text(entry.attrs.get(schema.OUTCOME, Outcome.COMPLETE))),
        )


def _length(group: h5py.Group) -> int:
    """How many rows a table has."""
    shapes = {getattr(column, "shape", None) for name, column in group.items() if name != schema.CLIPPED}
    shape = shapes.pop() if len(shapes) == 1 else None
    if shape is None or len(shape) != 1:
        raise ValueError(f"the columns of its {group.name.rpartition('/')[2]} have different lengths")
    return int(shape[0])


def _rows(
    source: Source, entry: h5py.Group, name: str, kind: type[Row], types: Mapping[str, tuple[str, Any]]
) -> StoredRows[Row]:
    return StoredRows(source, name, _length(entry[name]), kind, types)


def _provenance(file: h5py.File, group: h5py.Group) -> Provenance:
    def mapping(name: str) -> dict[str, str]:
        return {key: text(value) for key, value in group[name].attrs.items()}

    return Provenance(
        created=text(group.attrs[schema.CREATED]),
        simulated=bool(file.attrs[schema.SIMULATED]),
        model=text(group.attrs[schema.MODEL]),
        batch=int(group.attrs[schema.BATCH]) if schema.BATCH in group.attrs else None,
        marker_bit=int(group.attrs[schema.MARKER_BIT]) if schema.MARKER_BIT in group.attrs else None,
        instruments=mapping(schema.INSTRUMENTS),
        settings={role: mapping(f"{schema.SETTINGS}/{role}") for role in group[schema.SETTINGS]},
        bench=text(group[schema.BENCH][()]),
        workload=mapping(schema.WORKLOAD),
        software=mapping(schema.SOFTWARE),
        host=mapping(schema.HOST),
    )
