"""`powerlab show FILE`"""

from collections import Counter, defaultdict
from pathlib import Path

import click
import numpy as np
from rich.table import Table

from powerlab.terminal import columns, pairs
from powerlab.terminal import show as print_table
from powerlab_analysis.memory import Use, memory_of
from powerlab_traces.log import Log
from powerlab_traces.store import StoredRun, open_run
from powerlab_traces.store.kind import Kind, kind_of

MOST_ROWS = 60  # records listed one by one
ALIKE = ("kind", "samples", "interval", "unit")  # what records in one row of a table have in common


@click.command("show", epilog="Example: powerlab show vgg16.h5 --settings")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--records", is_flag=True, help=f"Every record, also of a run of more than {MOST_ROWS}.")
@click.option("--settings", is_flag=True, help="Every setting of every instrument too.")
@click.option("--bench", is_flag=True, help="Print the run's bench.toml, and nothing else.")
def command(file: Path, records: bool, settings: bool, bench: bool) -> None:
    """Say what is in a run file: what ran, on what, how it was set, and its records.

    FILE may also be what another instrument or program left, imported or not: a file or a folder.
    """
    if kind_of(file) is not Kind.RUN:
        from powerlab.importing import open_import  # noqa: PLC0415 - a run of powerlab needs no importers
        from powerlab.importreport import print_capture  # noqa: PLC0415

        print_capture(open_import(file), file)
        return
    run = open_run(file)
    if bench:
        click.echo(run.provenance.bench, nl=False)
        return
    print_table(_about(run, file))
    click.echo()
    if records or len(run.records) <= MOST_ROWS:
        print_table(_records(run))
    else:
        print_table(_kinds(run))
        click.echo(f"{len(run.records)} records; --records lists each")
    if settings:
        for role, values in run.provenance.settings.items():
            click.echo()
            print_table(_named([(f"{role} {name}", value) for name, value in values.items()]))
    for note in run.notes:
        click.echo(f"note: {note}")


def _about(run: StoredRun, file: Path) -> Table:
    it = run.provenance
    rows = [("file", str(file))]
    if it.simulated:
        rows.append(("SIMULATED", "the current of this run is computed, not measured"))
    rows += [
        ("captured", it.created),
        ("model", it.model),
        ("batch", "varies" if it.batch is None else str(it.batch)),
        ("windows", str(len(run.windows))),
        ("outcome", run.outcome.value),
        *((f"workload {name}", value) for name, value in it.workload.items()),
        *it.instruments.items(),
        ("probe set", f"{run.chain.sensitivity:g} V/A, turns {run.chain.turns}"),
        *((name, version) for name, version in it.software.items()),
        *((f"host {name}", value) for name, value in it.host.items()),
        *_memory(run),
        *_board(run.logs.get("board_state")),
        *((f"log {log.name}", f"{log.rows} rows of {', '.join(log.columns)}") for log in run.logs.values()),
    ]
    return _named(rows)


def _memory(run: StoredRun) -> list[tuple[str, str]]:
    """What the workload used, by each account that there is."""
    found = memory_of(run.logs, run.provenance.batch)
    if found is None:
        return []
    accounts = {
        "memory of the system": found.system,
        "memory of the process": found.process,
        "memory of the framework": found.framework,
        "memory of the GPU": found.device,
    }
    rate = "" if found.rate is None else f" ({found.rate:.0f} readings/s)"
    return [(name, _used(use) + rate) for name, use in accounts.items() if use is not None]


def _used(use: Use) -> str:
    parts = {"static": use.static, "per image": use.per_image, "peak": use.peak}
    return ", ".join(f"{name} {value / 1e6:.4g} MB" for name, value in parts.items() if value is not None)


def _board(log: Log | None) -> list[tuple[str, str]]:
    """The range of each column of the board's state."""
    if log is None:
        return []
    rows = []
    for name, values in log.columns.items():
        if name == "host_ns":
            continue
        known = [it for it in values if it not in {None, ""}]
        numbers = [it for it in known if not isinstance(it, str)]
        unit = log.units.get(name, "")
        scale, unit = (1e-6, "MHz") if unit == "Hz" else (1.0, unit)
        ends = [f"{it * scale:.4g}" for it in dict.fromkeys((min(numbers), max(numbers)))] if numbers else []
        said = ", ".join(sorted({str(it) for it in known})) if not numbers else f"{' to '.join(ends)} {unit}".strip()
        rows.append((f"board {name.replace('_', ' ')}", said or "not known"))
    return rows


def _named(rows: list[tuple[str, str]]) -> Table:
    table = pairs()
    for name, value in rows:
        table.add_row(name, value)
    return table


def _records(run: StoredRun) -> Table:
    numbers = ("record", "samples", "rate", "windows", "mean", "voltage", "clipped")
    table = columns("record", "kind", *numbers[1:], right=numbers)
    windows = Counter(run.windows.column("record").tolist())
    for record in run.records.summaries:
        table.add_row(
            str(record.index),
            record.kind.value,
            str(record.samples),
            f"{1 / record.interval:.6g} /s",
            str(windows[record.index]),
            f"{record.mean:.4g} {record.unit}",
            f"{(record.before.voltage + record.after.voltage) / 2:.5g} V",
            str(record.clipped),
        )
    return table


def _kinds(run: StoredRun) -> Table:
    """Records of the same kind, length and rate in one row."""
    records = run.records
    alike: defaultdict[tuple[str, int, float, str], list[int]] = defaultdict(list)
    for place, it in enumerate(zip(*(records.column(name) for name in ALIKE), strict=True)):
        alike[it].append(place)
    numbers = ("records", "samples", "rate", "windows", "mean", "least", "largest", "voltage", "clipped", "dead time")
    table = columns("kind", *numbers, right=numbers)
    in_windows, index = run.windows.column("record"), records.column("index")
    mean, least, largest, clipped = (records.column(it) for it in ("mean", "least", "largest", "clipped"))
    voltage = (records.column("before.voltage") + records.column("after.voltage")) / 2
    for (kind, samples, interval, unit), places in alike.items():
        table.add_row(
            kind,
            str(len(places)),
            str(samples),
            f"{1 / interval:.6g} /s",
            str(np.isin(in_windows, index[places]).sum()),
            f"{mean[places].mean():.4g} {unit}",
            f"{least[places].min():.4g} {unit}",
            f"{largest[places].max():.4g} {unit}",
            f"{voltage[places].mean():.5g} V",
            str(clipped[places].sum()),
            _dead(run, places, samples * interval),
        )
    return table


def _dead(run: StoredRun, places: list[int], length: float) -> str:
    """The share of time that records of this `length` (s) leave out, from one that follows another to the next."""
    following = np.array(places)[np.flatnonzero(np.diff(places) == 1)]
    segment, armed = run.records.column("segment"), run.records.column("armed")
    following = following[segment[following] == segment[following + 1]]
    span = float((armed[following + 1] - armed[following]).sum()) * 1e-9
    recorded = len(following) * length
    return f"{1 - recorded / span:.1%}" if span > recorded > 0 else ""
