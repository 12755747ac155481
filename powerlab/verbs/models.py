"""`powerlab models [NAME]`"""

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from powerlab.networks import NETWORKS, Count, Network, find
from powerlab.networks.published import FIGURE, PAPER, Published, published
from powerlab.terminal import columns, pairs, show

if TYPE_CHECKING:
    from powerlab.networks.operations import Operations

SCHEMA = "powerlab.model/1"


@click.command("models", epilog="Examples: powerlab models --json; powerlab models vgg16; powerlab models my.nets:make")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an array of objects, or with NAME one object.")
def command(name: str | None, as_json: bool) -> None:
    """List the networks that can be captured by name, or with NAME what one computes, layer by layer.

    NAME may also be a package.module:factory. Operations are those of one image; values called "published" are the
    paper's and were not measured here.
    """
    if name is None:
        networks = list(NETWORKS.values())
        if as_json:
            click.echo(json.dumps([_summary(it) for it in networks]))
        else:
            _print_list(networks)
        return
    network, counted = _counted(find(name))
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA} | _summary(network) | _detail(counted)))
    else:
        _print_network(network, counted)


def _counted(network: Network) -> tuple[Network, "Operations"]:
    """Build the network and count its operations; what a user's own factory makes is put into the answer."""
    from powerlab.networks.operations import count_operations  # noqa: PLC0415 - the list must not load torch
    from powerlab.networks.weights import outline  # noqa: PLC0415 - as above

    sys.path.append(str(Path.cwd()))  # where a workload finds a user's factory, too
    with redirect_stdout(sys.stderr):  # that factory may print
        module = outline(network)
        shape = tuple(getattr(module, "input_shape", network.input_shape))
        counted = count_operations(module, shape)
    names = tuple(dict.fromkeys(it.operator for it in counted.unsupported))
    own = Network(
        network.name,
        network.module,
        network.factory,
        shape,
        counted.parameters,
        network.doc,
        counted.total,
        names,
    )
    return own, counted


def _summary(network: Network) -> dict[str, Any]:
    count = network.count
    assert count is not None
    paper = published().get(network.name)
    return {
        "name": network.name,
        "parameters": network.parameters,
        **asdict(count),
        "input": list(network.input_shape),
        "unsupported": list(network.unsupported),
        "doc": network.doc,
        "published": None if paper is None else _published(paper),
    }


def _published(paper: Published) -> dict[str, Any]:
    values = {key: value for key, value in asdict(paper).items() if key != "network"}
    return {"status": "published", "paper": PAPER, "figure": FIGURE} | values


def _detail(counted: "Operations") -> dict[str, Any]:
    """What the object of one network holds beyond that of the list."""
    return {
        "fully_connected": dict(counted.fully_connected),
        "unsupported_calls": [asdict(it) for it in counted.unsupported],
        "layers": [
            {
                "name": it.name,
                "kind": it.kind,
                "output": None if it.output is None else list(it.output),
                "parameters": it.parameters,
                **asdict(it.count),
            }
            for it in counted.layers
        ],
    }


def _print_list(networks: list[Network]) -> None:
    numbers = ("parameters", "GMAC", "GFLOP", "legacy", "top-1 %", "M params", "GFLOP ")
    table = columns("", *numbers[:4], "input", "published:", *numbers[4:], right=numbers)
    for it in networks:
        paper, count = published().get(it.name), it.count or Count()
        values = ("", "", "") if paper is None else _published_numbers(paper)
        table.add_row(
            it.name,
            _spaced(it.parameters or 0),
            *(f"{value / 1e9:.4f}" for value in (count.macs, count.flops, count.flops_legacy)),
            _shape(it.input_shape),
            "",
            *values,
        )
    show(table)
    for operator in dict.fromkeys(name for it in networks for name in it.unsupported):
        where = ", ".join(it.name for it in networks if operator in it.unsupported)
        click.echo(f"not counted: {operator} of {where}")


def _published_numbers(paper: Published) -> tuple[str, str, str]:
    return f"{paper.top1_percent:.2f}", f"{paper.parameters_millions:.2f}", f"{paper.operations_giga:.2f}"


def _print_network(network: Network, counted: "Operations") -> None:
    total, dense = counted.total, counted.fully_connected
    facts = pairs()
    facts.add_row("model", network.name)
    facts.add_row("", network.doc)
    facts.add_row("input", _shape(network.input_shape))
    facts.add_row("parameters", f"{_spaced(counted.parameters)}, {dense['parameters']:.1%} fully connected")
    facts.add_row("MAC", f"{_spaced(total.macs)}, {dense['macs']:.1%} fully connected")
    facts.add_row("FLOP", f"{_spaced(total.flops)}, {dense['flops']:.1%} fully connected")
    facts.add_row("FLOP, legacy rules", _spaced(total.flops_legacy))
    if (paper := published().get(network.name)) is not None:
        top1, parameters, operations = _published_numbers(paper)
        facts.add_row("published", f"top-1 {top1} %, {parameters} M parameters, {operations} G operations ({PAPER})")
        if paper.notes:
            facts.add_row("", paper.notes)
    for it in counted.unsupported:
        facts.add_row("not counted", f"{it.operator} in {it.layer or 'the network itself'}, {it.calls} x")
    show(facts)
    click.echo()
    table = columns("layer", "kind", "output", *(numbers := ("parameters", "MAC", "FLOP", "legacy")), right=numbers)
    for layer in counted.layers:
        output = "" if layer.output is None else _shape(layer.output[1:])
        values = (layer.parameters, layer.count.macs, layer.count.flops, layer.count.flops_legacy)
        table.add_row(layer.name, layer.kind, output, *map(_spaced, values))
    show(table)


def _shape(sizes: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in sizes)


def _spaced(number: int) -> str:
    """A whole number in groups of three; a dash for nothing.

    >>> _spaced(138357544)
    '138 357 544'
    """
    return f"{number:,}".replace(",", " ") if number else "-"
