"""`powerlab import SRC -o run.h5`"""

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from powerlab.importing import import_run
from powerlab.importoptions import given, import_options
from powerlab.importreport import asks
from powerlab.progress import ProgressBar, Silence
from powerlab.terminal import printable
from powerlab_traces.importers import ImportOptions


@click.command("import", epilog="Example: powerlab import results/energy -o kws.h5")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Run file to write. Never overwrites."
)
@import_options
def command(source: Path, output: Path, **values: Any) -> None:
    """Write the capture of another instrument or program as a run file, with its own numbers and all it says of them.

    SOURCE is a file, or a folder as the program left it: InfiniiVision .bin or .csv, MLPerf PTDaemon spl.txt,
    EnergyRunner, the tiny runner's results.json, Joulescope .jls, Nordic .ppk2, or any table with named columns. What
    it does not say is asked for on stderr, and may also be given to `powerlab analyse`. See docs/how-to/import.md.
    """
    options = ImportOptions(**given(values))
    with ProgressBar(Console(stderr=True)) if sys.stderr.isatty() else Silence() as progress:
        progress.step(f"reading {printable(source.name)}")
        capture = import_run(source, output, options, progress.done)
    for line in asks(capture):
        click.echo(line, err=True)
    traces = sum(len(record.traces) for record in capture.records)
    click.echo(
        f"wrote {printable(str(output))}: {capture.format}, {len(capture.records)} records, {traces} traces, "
        f"{len(capture.windows)} windows"
    )
    for note in capture.notes:
        click.echo(f"note: {printable(note)}")
