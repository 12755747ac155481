"""`powerlab models`"""

import json

import click

from powerlab.networks import NETWORKS
from powerlab.terminal import columns, show


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
    table = columns("name", "parameters", "input", "", right=("parameters",))
    for it in NETWORKS.values():
        table.add_row(
            it.name,
            "" if it.parameters is None else f"{it.parameters:,}".replace(",", " "),
            "x".join(str(size) for size in it.input_shape),
            it.doc,
        )
    show(table)
