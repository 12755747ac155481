"""`powerlab recover RUN`"""

from pathlib import Path

import click

from powerlab_traces.store import recover


@click.command("recover", epilog="Example: powerlab recover vgg16-b2-20260102-030405.h5")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Another name for the run file.")
def command(run: Path, output: Path | None) -> None:
    """Make a run file of what a capture had recorded when it was cut off: killed, without power, on a full disk.

    RUN is the run's name, or that of the journal beside it. Every record that the capture had finished comes back.
    """
    found = recover(run, output)
    click.echo(f"wrote {found.path}: {found.records} records, {found.windows} windows")
