"""Several captures of the same work as people and programs read them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from powerlab.analysing import analyse
from powerlab.report import (
    QUANTITIES,
    Report,
    budgets_object,
    print_budget,
    print_verdicts,
    quantity_object,
    result_object,
    summary_object,
    verdicts_object,
)
from powerlab.terminal import columns, pairs, show
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.repeats import Repeats, together

SCHEMA: Final = "powerlab.repeats/1"


def repeats_report(paths: Sequence[Path], protocol: str, budget: str | None) -> Report:
    """The report of several captures together.

    Raises
    ------
    PowerlabError
        A file cannot be read, or the captures are not of the same work.
    """
    found = together([analyse(path, protocol) for path in paths])

    def show_all() -> None:
        _print(found, paths)
        if budget is not None:
            print_budget(found.budgets.get(budget, ()), found.quantities.get(budget), budget)

    return Report("energy_per_image" in found.quantities, lambda: _object(found, paths), show_all)


def _object(found: Repeats, paths: Sequence[Path]) -> dict[str, Any]:
    """The captures as one JSON object, schema "powerlab.repeats/1" (docs/json.md)."""
    first = found.results[0]
    return {
        "schema": SCHEMA,
        "simulated": any(it.simulated for it in found.results),
        "model": first.model,
        "batch": first.batch,
        "protocol": first.protocol,
        "captures": [result_object(result, path) for result, path in zip(found.results, paths, strict=True)],
        **{name: quantity_object(found.quantities.get(name), found.lower_bound(name)) for name in QUANTITIES},
        "budgets": budgets_object(found.budgets),
        "statistics": {name: summary_object(it) for name, it in found.captures.items()},
        "differing": list(found.differing),
        "verdicts": verdicts_object(found.verdicts),
    }


def _print(found: Repeats, paths: Sequence[Path]) -> None:
    first = found.results[0]
    table = columns("capture", "windows", "energy per image", "net power", "time per image", right=("windows",))
    for result, path in zip(found.results, paths, strict=True):
        each = (result.energy_per_image, result.power_net, result.time_per_image)
        table.add_row(str(path), str(len(result.kept)), *("not known" if it is None else str(it) for it in each))
    show(table)
    click.echo()
    summed = pairs()
    if any(it.simulated for it in found.results):
        summed.add_row("SIMULATED", "the current of these runs is computed, not measured", style="bold")
    summed.add_row("model", first.model)
    summed.add_row("captures", str(len(found.results)))
    for name, heading in QUANTITIES.items():
        quantity = found.quantities.get(name)
        said = "not known" if quantity is None else str(quantity)
        summed.add_row(heading, f"at least {said}" if quantity and found.lower_bound(name) else said)
    energy = found.captures.get("energy_per_image")
    if energy is not None and math.isfinite(energy.median):
        median, deviation = (prefixed(it, "J") for it in (energy.median, energy.deviation))
        summed.add_row("capture by capture", f"median {median} per image, standard deviation {deviation}")
    if found.differing:
        summed.add_row("not the same", ", ".join(found.differing))
    show(summed)
    print_verdicts(found.verdicts)
