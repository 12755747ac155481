"""`powerlab models [NAME]`"""

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from powerlab.networks import NETWORKS, Count, Kind, Network, find
from powerlab.networks.onnxfile import onnx_operators, onnx_parameters, onnx_terms, open_session
from powerlab.networks.published import FIGURE, PAPER, Published, published
from powerlab.networks.terms import shown
from powerlab.taskoptions import Shape
from powerlab.terminal import columns, pairs, show

if TYPE_CHECKING:
    from powerlab.networks.operations import Operations

SCHEMA = "powerlab.model/1"


@click.command("models", epilog="Example: powerlab models vgg16, or powerlab models my.nets:make")
@click.argument("name", required=False)
@click.option("--input", "input_shape", type=Shape(), help="Shape of one image, where the model does not say it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an array of objects, or with NAME one object.")
def command(name: str | None, input_shape: tuple[int, ...] | None, as_json: bool) -> None:
    """List the networks that can be captured by name, or with NAME what one computes, layer by layer.

    NAME may be whatever `powerlab capture --model` takes: also a package.module:factory, torchvision:NAME, timm:NAME,
    or a file. Operations are those of one image; values called "published" are the paper's and were not measured here.
    """
    if name is None:
        if input_shape is not None:
            raise click.UsageError("--input is for one network, given as NAME", click.get_current_context())
        networks = list(NETWORKS.values())
        if as_json:
            click.echo(json.dumps([_summary(it) for it in networks]))
        else:
            _print_list(networks)
        return
    network = find(name)
    if network.kind is Kind.ONNX:
        _onnx(network, input_shape, as_json=as_json)
        return
    network, counted = _counted(network, input_shape)
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA} | _summary(network) | _detail(counted)))
    else:
        _print_network(network, counted)


def _counted(network: Network, asked: tuple[int, ...] | None) -> tuple[Network, "Operations"]:
    """Build the network and count its operations; what it says of itself is put into the answer."""
    from powerlab.networks.operations import count_built  # noqa: PLC0415 - the list must not load torch
    from powerlab.networks.weights import outlined  # noqa: PLC0415 - as above

    sys.path.append(str(Path.cwd()))  # where a workload finds a user's factory, too
    with redirect_stdout(sys.stderr):  # that factory may print
        built = outlined(network)
        shape = built.terms.image(network.name, asked)
        counted = count_built(built, shape)
    names = tuple(dict.fromkeys(it.operator for it in counted.unsupported))
    own = replace(network, input_shape=shape, parameters=counted.parameters, count=counted.total, unsupported=names)
    return own, counted


def _onnx(network: Network, asked: tuple[int, ...] | None, *, as_json: bool) -> None:
    """Print what an ONNX file says of itself. Of its operators none is counted, and all are named."""
    path = Path(network.name)
    operators, parameters = onnx_operators(path), onnx_parameters(path)
    terms = onnx_terms(path, open_session(path, threads=1))
    shape = terms.input_shape if asked is None else terms.image(network.name, asked)
    if as_json:
        own = replace(network, parameters=parameters, unsupported=tuple(operators))
        detail = {
            "input": shape,
            "fully_connected": None,
            "unsupported_calls": [{"operator": name, "layer": "", "calls": it} for name, it in operators.items()],
            "layers": [],
        }
        click.echo(json.dumps({"schema": SCHEMA} | _summary(own) | detail))
        return
    facts = pairs()
    facts.add_row("model", network.name)
    facts.add_row("", network.doc)
    facts.add_row("input", f"{shown(shape or ())}, {terms.dtype}")
    facts.add_row("parameters", f"{_spaced(parameters or 0)}, the numbers in its initialisers")
    facts.add_row("MAC, FLOP", "not counted in an ONNX file")
    for operator, calls in operators.items():
        facts.add_row("not counted", f"{operator}, {calls} x")
    show(facts)


def _summary(network: Network) -> dict[str, Any]:
    count = dict.fromkeys(asdict(Count())) if network.count is None else asdict(network.count)
    paper = published().get(network.name)
    return {
        "name": network.name,
        "parameters": network.parameters,
        **count,
        "input": list(network.input_shape or ()),
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
        "fully_connected": None if counted.fully_connected is None else dict(counted.fully_connected),
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
            shown(it.input_shape or ()),
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
    facts.add_row("input", shown(network.input_shape or ()))
    share = {key: f", {value:.1%} fully connected" for key, value in (dense or {}).items()}
    parameters = "not known: they are constants" if counted.parameters is None else _spaced(counted.parameters)
    facts.add_row("parameters", parameters + share.get("parameters", ""))
    facts.add_row("MAC", _spaced(total.macs) + share.get("macs", ""))
    facts.add_row("FLOP", _spaced(total.flops) + share.get("flops", ""))
    facts.add_row("FLOP, legacy rules", _spaced(total.flops_legacy))
    if (paper := published().get(network.name)) is not None:
        top1, millions, operations = _published_numbers(paper)
        facts.add_row("published", f"top-1 {top1} %, {millions} M parameters, {operations} G operations ({PAPER})")
        if paper.notes:
            facts.add_row("", paper.notes)
    if not counted.layered:
        facts.add_row("not known", "which layer costs what: TorchScript does not say which one is running")
    for it in counted.unsupported:
        facts.add_row("not counted", f"{it.operator} in {it.layer or 'the network itself'}, {it.calls} x")
    show(facts)
    if not counted.layered:
        return
    click.echo()
    table = columns("layer", "kind", "output", *(numbers := ("parameters", "MAC", "FLOP", "legacy")), right=numbers)
    for layer in counted.layers:
        output = "" if layer.output is None else shown(layer.output[1:])
        values = (layer.parameters, layer.count.macs, layer.count.flops, layer.count.flops_legacy)
        table.add_row(layer.name, layer.kind, output, *map(_spaced, values))
    show(table)


def _spaced(number: int) -> str:
    """A whole number in groups of three; a dash for nothing.

    >>> _spaced(138357544)
    '138 357 544'
    """
    return f"{number:,}".replace(",", " ") if number else "-"
