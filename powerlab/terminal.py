"""What verbs print for people: tables that fit the terminal, and plain text where there is none."""

import sys

import click
from rich.console import Console
from rich.table import Table

from powerlab_traces.errors import PowerlabError

MOST_TEXT = 300  # characters of a foreign name that are shown
PIPED_WIDTH = 120  # columns, where nobody has a terminal whose width counts


def columns(*headings: str, right: tuple[str, ...] = ()) -> Table:
    """A table with headings and no lines; `right` names the columns of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left")
    return table


def pairs() -> Table:
    """A table of names and values; the name's column never wraps."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    return table


def printable(text: str, longest: int | None = MOST_TEXT) -> str:
    r"""Words of a foreign file in one line: without control characters, and cut off where nobody reads on.

    >>> printable("a\x1b[31m\nb")
    'a?[31m b'
    """
    cut = text[:longest]
    words = "".join(it if it.isprintable() else " " if it.isspace() else "?" for it in cut).split()
    return " ".join(words) + ("..." if len(cut) < len(text) else "")


def wait_for_user(text: str) -> None:
    """Ask the user to do something, and wait for Enter.

    Raises
    ------
    PowerlabError
        Nobody is there: the input has ended.
    """
    click.echo(f"{text}, then press Enter ", nl=False, err=True)
    if not sys.stdin.readline():
        click.echo(err=True)
        raise PowerlabError(f"nobody is there to do this: {text}; run it at a terminal")


def show(table: Table) -> None:
    """Print a table on stdout, without the blanks that would pad its last column."""
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    with console.capture() as captured:
        console.print(table, highlight=False, markup=False)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
