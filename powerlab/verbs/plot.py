"""`powerlab plot FILE -o PNG`"""

from pathlib import Path

import click

from powerlab.figure import draw
from powerlab_analysis.analysis import analyse
from powerlab_traces.store import open_run


@click.command("plot", epilog="Example: powerlab plot vgg16.h5 -o vgg16.png")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Picture to write; its ending says the format (png, svg, pdf). Default: FILE with .png.",
)
def command(file: Path, output: Path | None) -> None:
    """Draw a run, record by record: current against time, windows shaded and numbered with their energy."""
    run = open_run(file)
    for path in draw(run, analyse(run), output or file.with_suffix(".png"), file.name):
        click.echo(f"wrote {path}")
