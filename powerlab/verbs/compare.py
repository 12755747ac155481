"""`powerlab compare A B`"""

import json
from pathlib import Path
from typing import Any, Final

import click

from powerlab.analysing import analyse
from powerlab.protocoloption import protocol_option
from powerlab.report import QUANTITIES, print_verdicts, quantity_object, verdicts_object
from powerlab.terminal import columns, show
from powerlab_analysis.compare import Comparison, Difference, compare
from powerlab_analysis.result import Result

SCHEMA: Final = "powerlab.comparison/1"


@click.command("compare", epilog="Example: powerlab compare alexnet.h5 vgg16.h5")
@click.argument("first", type=click.Path(path_type=Path), metavar="A")
@click.argument("second", type=click.Path(path_type=Path), metavar="B")
@protocol_option("Judge both runs by what this asks for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(first: Path, second: Path, protocol: str, as_json: bool) -> int:
    """What run B costs more than run A, with its uncertainty, and whether that is significant.

    What both runs were measured with is wrong in both by the same: such errors cancel as far as they can.

    Exits with 1 if there is nothing to compare.
    """
    results = (analyse(first, protocol), analyse(second, protocol))
    found = compare(*results)
    if as_json:
        click.echo(json.dumps(_object(found, results, (first, second)), allow_nan=False))
    else:
        _print(found, results, (first, second))
    return 0 if found.differences else 1


def _object(found: Comparison, results: tuple[Result, Result], paths: tuple[Path, Path]) -> dict[str, Any]:
    """The comparison as one JSON object, schema "powerlab.comparison/1" (docs/json.md)."""
    return {
        "schema": SCHEMA,
        "files": [str(it) for it in paths],
        "simulated": any(it.simulated for it in results),
        "models": [it.model for it in results],
        "batches": [it.batch for it in results],
        **dict.fromkeys(QUANTITIES),
        **{it.name: _difference(it, results) for it in found.differences},
        "unknown": dict(found.unknown),
        "differing": list(found.differing),
        "verdicts": [verdicts_object(it.verdicts) for it in results],
    }


def _difference(it: Difference, results: tuple[Result, Result]) -> dict[str, Any]:
    bounds = [bool(result.lower_bound(it.name)) for result in results]
    return {
        "first": quantity_object(it.first, bounds[0]),
        "second": quantity_object(it.second, bounds[1]),
        "difference": quantity_object(it.difference),
        "ratio": quantity_object(it.ratio),
        "significant": it.significant,
        "U95_without_common": it.apart,
        "common": list(it.common),
        "budget": [{"term": term.name, "uncertainty": term.uncertainty, "share": term.share} for term in it.budget],
    }


def _print(found: Comparison, results: tuple[Result, Result], paths: tuple[Path, Path]) -> None:
    for which, result, path in zip("AB", results, paths, strict=True):
        batch = "batches vary" if result.batch is None else f"batch {result.batch}"
        click.echo(f"{which}  {path}: {result.model}, {batch}, {len(result.kept)} windows{_simulated(result)}")
    click.echo()
    table = columns("", "A", "B", "B - A", "B / A", "significant")
    for it in found.differences:
        ratio = "" if it.ratio is None else " ".join(str(it.ratio).split())  # it has no unit
        significant = {True: "yes", False: "no", None: "undecided"}[it.significant]
        shown = (str(it.first), str(it.second), str(it.difference), ratio)
        table.add_row(QUANTITIES[it.name], *shown, significant)
    show(table)
    for name, why in found.unknown.items():
        click.echo(f"{QUANTITIES[name]}: {why}")
    _print_common(found)
    for which, result in zip("AB", results, strict=True):
        if result.verdicts:
            click.echo(f"of {which}:")
            print_verdicts(result.verdicts)


def _print_common(found: Comparison) -> None:
    """What cancels, by the example of energy per image."""
    energy = next((it for it in found.differences if it.name == "energy_per_image"), None)
    if energy is not None:
        common = ", ".join(energy.common) or "nothing"
        click.echo(f"the same error in both, so that it cancels as far as it can: {common}")
        if energy.budget:
            left = ", ".join(f"{it.name} {it.share:.0%}" for it in energy.budget[:3])
            click.echo(f"left in the difference of energy per image: {left}")
    if found.differing:
        click.echo(f"not the same in both runs: {', '.join(found.differing)}")


def _simulated(result: Result) -> str:
    return ", SIMULATED" if result.simulated else ""
