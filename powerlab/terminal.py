"""What verbs print for people: tables that fit the terminal, and plain text where there is none."""

import sys

import click
from rich.console import Console
from rich.table import Table

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


def show(table: Table) -> None:
    """Print a table on stdout, without the blanks that would pad its last column."""
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    with console.capture() as captured:
        console.print(table, highlight=False, markup=False)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
