"""`powerlab show FILE`"""

from collections import Counter, defaultdict
from pathlib import Path

import click
import numpy as np
from rich.table import Table

from powerlab.terminal import columns, pairs
from powerlab.terminal import show as print_table
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
        *((f"log {log.name}", f"{log.rows} rows of {', '.join(log.columns)}") for log in run.logs.values()),
    ]
    return _named(rows)


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
            _dead(run, places, len(places) * samples * interval),
        )
    return table


def _dead(run: StoredRun, places: list[int], recorded: float) -> str:
    """The share of the time between the first and the last of these records in which none of them was recorded."""
    armed, fetched = run.records.column("armed"), run.records.column("fetched")
    span = (fetched[places[-1]] - armed[places[0]]) * 1e-9
    return f"{1 - recorded / span:.1%}" if span > recorded > 0 and len(places) > 1 else ""
