"""The windows of a run as one table: when each ran, what it cost, and why it does not count."""

import os
from typing import Any

import numpy as np

from powerlab.origin import origin
from powerlab_analysis.analysis import analyse
from powerlab_traces.errors import TraceError
from powerlab_traces.run import Run
from powerlab_traces.store import open_run
from powerlab_traces.table import Table


def windows_table(run: Run | str | os.PathLike[str]) -> Table:
    """Every window of a run (or of a run file), kept or dropped, in the order of its number.

    Columns: `index`, `record`, `label`, `images`, `kept`, `reason` (empty where kept), `start_s` and `stop_s` on the
    record's clock, `duration_s` (of its samples), `energy_J`, `power_W`, and the host's `host_start_ns` and
    `host_stop_ns`. What a dropped window does not have is not a number (NaN). The energies are those of `analyse`.

    Raises
    ------
    TraceError
        The file cannot be read, a record's current is not in amperes, or windows share a number.
    """
    run = run if isinstance(run, Run) else open_run(run)
    result = analyse(run)
    kept = {it.window.index: it for it in result.kept}
    reasons = {it.index: it.reason for it in result.dropped}
    hosts = sorted(run.windows, key=lambda it: it.index)
    if [it.index for it in hosts] != sorted(
        [it.window.index for it in result.kept] + [it.index for it in result.dropped]
    ):
        raise TraceError("the run's windows are not those of its analysis; `powerlab check` says what is wrong")
    if len({it.index for it in hosts}) < len(hosts):
        raise TraceError("several windows of the run have the same number; `powerlab check` says which")
    found = [kept.get(it.index) for it in hosts]

    def numbers(name: str) -> list[float]:
        return [np.nan if it is None else float(getattr(it, name)) for it in found]

    columns: dict[tuple[str, str, str], Any] = {
        ("index", "", "number of the window"): np.array([it.index for it in hosts], np.int64),
        ("record", "", "record in which it ran"): np.array([it.record for it in hosts], np.int64),
        ("label", "", "what the workload called it"): np.array([it.label for it in hosts], np.str_),
        ("images", "", "images in its batch"): np.array([it.images for it in hosts], np.int64),
        ("kept", "", "whether it counts"): np.array([it is not None for it in found], np.bool_),
        ("reason", "", "why it was dropped"): np.array([reasons.get(it.index, "") for it in hosts], np.str_),
        ("start", "s", "start after the record's trigger"): [np.nan if it is None else it.window.start for it in found],
        ("stop", "s", "stop after the record's trigger"): [np.nan if it is None else it.window.stop for it in found],
        ("duration", "s", "length of its samples"): numbers("seconds"),
        ("energy", "J", "energy at the board's input"): numbers("energy"),
        ("power", "W", "mean power at the board's input"): numbers("power"),
        ("host_start", "ns", "start on the host's monotonic clock"): np.array([it.start for it in hosts], np.int64),
        ("host_stop", "ns", "stop on the host's monotonic clock"): np.array([it.stop for it in hosts], np.int64),
    }
    return Table.of("window", origin(run.provenance), columns)
