"""`powerlab models`"""

import json

import click
from rich.console import Console
from rich.table import Table

from powerlab.networks import NETWORKS


@click.command("models", epilog="Example: powerlab models --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
def command(as_json: bool) -> None:
    """List the networks that can be captured by name. Any other: --model package.module:factory."""
    if as_json:
        click.echo(
            json.dumps(
                [
                    {"name": it.name, "parameters": it.parameters, "input": list(it.input_shape), "doc": it.doc}
                    for it in NETWORKS.values()
                ]
            )
        )
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "parameters", "input", ""):
        table.add_column(heading, justify="right" if heading == "parameters" else "left")
    for it in NETWORKS.values():
        table.add_row(
            it.name,
            "" if it.parameters is None else f"{it.parameters:,}".replace(",", " "),
            "x".join(str(size) for size in it.input_shape),
            it.doc,
        )
    Console().print(table)
