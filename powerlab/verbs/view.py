"""`powerlab view RUN...`"""

from pathlib import Path

import click

from powerlab_traces.extras import library

PORT = click.IntRange(0, 65535)


@click.command("view", epilog="Example: powerlab view vgg16.h5 alexnet.h5")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--port", type=PORT, default=0, help="TCP port of the page on this machine. Default: any free.")
@click.option("--no-browser", is_flag=True, help="Open no browser, only say the address.")
def command(files: tuple[Path, ...], port: int, no_browser: bool) -> None:
    """Look at runs in the browser until Ctrl-C: zoom to single samples, energy between two cursors, windows, spectrum.

    Several runs are drawn over each other, their first windows aligned. RUN may also be what another instrument or
    program left. The page is for this machine's user alone: its address holds a secret, and nothing can be changed
    through it.
    """
    library("bokeh", "view")
    from powerlab.viewing.viewer import view  # noqa: PLC0415 - Bokeh is an extra

    view(files, port=port, browser=not no_browser, say=click.echo)
