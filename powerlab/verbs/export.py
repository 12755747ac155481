"""`powerlab export RUN -o FILE`"""

import math
import sys
from pathlib import Path

import click
from rich.console import Console

from powerlab.exporting import TraceRows, check_target, export
from powerlab.exporting.rows import Rows
from powerlab.progress import ProgressBar, Silence
from powerlab.windowtable import windows_table
from powerlab_traces.store import open_run


@click.command("export", epilog="Example: powerlab export vgg16.h5 -o vgg16.csv --rate 1000")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write; its ending says the format: .csv, .parquet, .npz or .nc (netCDF). Never overwrites.",
)
@click.option("--rate", type=float, help="Rows per second, exact means of blocks of samples. Default: every sample.")
@click.option("--record", "records", type=int, multiple=True, help="Only this record; may be given more than once.")
@click.option("--marker", is_flag=True, help="Add the share of each row in which the marker was high.")
@click.option("--windows", is_flag=True, help="The windows instead: when each ran, its energy, or why it was dropped.")
def command(
    *, run: Path, output: Path, rate: float | None, records: tuple[int, ...], marker: bool, windows: bool
) -> None:
    """Write the current of a run, or the table of its windows, as a file for other programs.

    The current has columns record, time_s, current_A and source (SIMULATED or measured); docs/how-to/export.md has the
    rest. Parquet and netCDF need the extra powerlab[export].
    """
    if windows and (rate is not None or records or marker):
        raise click.UsageError("--windows is a table of windows; --rate, --record and --marker are of the current")
    if rate is not None and not (rate > 0 and math.isfinite(rate)):
        raise click.BadParameter("give a number of rows per second above 0", param_hint="--rate")
    check_target(output)
    source = open_run(run)
    rows: Rows = windows_table(source) if windows else TraceRows(source, records or None, rate=rate, marker=marker)
    with ProgressBar(Console(stderr=True)) if sys.stderr.isatty() else Silence() as progress:
        progress.step(f"writing {output.name}")
        export(rows, output, progress.done)
    if source.provenance.simulated:
        click.echo("SIMULATED: the current of this run is computed, not measured", err=True)
    for remark in rows.remarks if isinstance(rows, TraceRows) else ():
        click.echo(remark, err=True)
    click.echo(f"wrote {output}: {len(rows)} {rows.row}s")
