"""`powerlab show FILE`"""

from collections import Counter, defaultdict
from pathlib import Path

import click
from rich.table import Table

from powerlab.terminal import columns, pairs
from powerlab.terminal import show as print_table
from powerlab_traces.record import RecordSummary
from powerlab_traces.store import StoredRun, open_run
from powerlab_traces.store.kind import Kind, kind_of

MOST_ROWS = 60  # records listed one by one


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
    summaries = run.records.summaries
    if records or len(summaries) <= MOST_ROWS:
        print_table(_records(run, summaries))
    else:
        print_table(_kinds(run, summaries))
        click.echo(f"{len(summaries)} records; --records lists each")
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
        *((f"workload {name}", value) for name, value in it.workload.items()),
        *it.instruments.items(),
        ("probe set", f"{run.chain.sensitivity:g} V/A, turns {run.chain.turns}"),
        *((name, version) for name, version in it.software.items()),
        *((f"host {name}", value) for name, value in it.host.items()),
    ]
    return _named(rows)


def _named(rows: list[tuple[str, str]]) -> Table:
    table = pairs()
    for name, value in rows:
        table.add_row(name, value)
    return table


def _records(run: StoredRun, summaries: list[RecordSummary]) -> Table:
    numbers = ("record", "samples", "rate", "windows", "mean", "voltage", "clipped")
    table = columns("record", "kind", *numbers[1:], right=numbers)
    windows = Counter(run.windows.column("record").tolist())
    for record in summaries:
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


def _kinds(run: StoredRun, summaries: list[RecordSummary]) -> Table:
    """Records of the same kind, length and rate in one row."""
    windows = Counter(run.windows.column("record").tolist())
    alike: defaultdict[tuple[str, int, float, str], list[RecordSummary]] = defaultdict(list)
    for record in summaries:
        alike[record.kind.value, record.samples, record.interval, record.unit].append(record)
    numbers = ("records", "samples", "rate", "windows", "mean", "least", "largest", "voltage", "clipped", "dead time")
    table = columns("kind", *numbers, right=numbers)
    for (kind, samples, interval, unit), found in alike.items():
        table.add_row(
            kind,
            str(len(found)),
            str(samples),
            f"{1 / interval:.6g} /s",
            str(sum(windows[record.index] for record in found)),
            f"{sum(record.mean for record in found) / len(found):.4g} {unit}",
            f"{min(record.least for record in found):.4g} {unit}",
            f"{max(record.largest for record in found):.4g} {unit}",
            f"{sum(record.before.voltage + record.after.voltage for record in found) / 2 / len(found):.5g} V",
            str(sum(record.clipped for record in found)),
            _dead(found),
        )
    return table


def _dead(records: list[RecordSummary]) -> str:
    """The share of the time between the first and the last of these records in which none of them was recorded."""
    span = (records[-1].fetched - records[0].armed) * 1e-9
    recorded = sum(record.samples * record.interval for record in records)
    return f"{1 - recorded / span:.1%}" if span > recorded > 0 and len(records) > 1 else ""
