"""`powerlab show FILE`"""

from pathlib import Path

import click
from rich.table import Table

from powerlab.terminal import columns, pairs
from powerlab.terminal import show as print_table
from powerlab_traces.run import Run
from powerlab_traces.store import open_run


@click.command("show", epilog="Example: powerlab show vgg16.h5 --settings")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--settings", is_flag=True, help="Every setting of every instrument too.")
@click.option("--bench", is_flag=True, help="Print the run's bench.toml, and nothing else.")
def command(file: Path, settings: bool, bench: bool) -> None:
    """Say what is in a run file: what ran, on what, how it was set, and its records."""
    run = open_run(file)
    if bench:
        click.echo(run.provenance.bench, nl=False)
        return
    print_table(_about(run, file))
    click.echo()
    print_table(_records(run))
    if settings:
        for role, values in run.provenance.settings.items():
            click.echo()
            print_table(_named([(f"{role} {name}", value) for name, value in values.items()]))
    for note in run.notes:
        click.echo(f"note: {note}")


def _about(run: Run, file: Path) -> Table:
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


def _records(run: Run) -> Table:
    numbers = ("record", "samples", "rate", "windows", "mean", "voltage", "clipped")
    table = columns("record", "kind", *numbers[1:], right=numbers)
    for record in run.records:
        trace = record.current
        mean = float(trace.codes.mean()) * trace.scale + trace.offset
        table.add_row(
            str(record.index),
            record.kind.value,
            str(len(trace)),
            f"{trace.sample_rate:.6g} /s",
            str(sum(window.record == record.index for window in run.windows)),
            f"{mean:.4g} {trace.unit}",
            f"{(record.before.voltage + record.after.voltage) / 2:.5g} V",
            str(len(record.clipped)),
        )
    return table
