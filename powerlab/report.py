"""A result as people and programs read it: a table on the terminal, one JSON object."""

from pathlib import Path
from typing import Any, Final

import click

from powerlab.terminal import pairs, show
from powerlab_analysis.quantity import Quantity
from powerlab_analysis.result import Result

SCHEMA: Final = "powerlab.result/1"

# The quantities of a result, in the order people read them, with what the table calls them.
QUANTITIES: Final = {
    "time_per_batch": "time per batch",
    "time_per_image": "time per image",
    "power_total": "total power",
    "power_idle": "idle power",
    "power_net": "net power",
    "energy_per_batch": "energy per batch",
    "energy_per_image": "energy per image",
    "energy_per_image_net": "energy per image, net",
}

LARGEST_TERMS = 3  # of the budget, on the terminal


def result_object(result: Result, path: Path) -> dict[str, Any]:
    """The result as one JSON object, schema "powerlab.result/1" (docs/json.md)."""
    quantities = {name: _quantity(getattr(result, name)) for name in QUANTITIES}
    found = {
        "schema": SCHEMA,
        "file": str(path),
        "simulated": result.simulated,
        "model": result.model,
        "batch": result.batch,
        "sample_rate": result.sample_rate,
        "windows": {
            "kept": len(result.kept),
            "dropped": [{"index": it.index, "reason": it.reason} for it in result.dropped],
            "each": [
                {
                    "index": it.window.index,
                    "label": it.window.label,
                    "record": it.record,
                    "start": it.window.start,
                    "stop": it.window.stop,
                    "energy": it.energy,
                    "images": it.window.images,
                }
                for it in result.kept
            ],
        },
        **quantities,
        "budget": [
            {"term": it.name, "kind": it.kind, "uncertainty": it.uncertainty, "share": it.share} for it in result.budget
        ],
        "notes": list(result.notes),
    }
    if result.truth is not None:
        found["truth"] = {
            "energy_per_image": result.truth.energy_per_image,
            "power_total": result.truth.power,
        }
    return found


def print_result(result: Result, path: Path) -> None:
    """Print the result's table, what was dropped and why, and the notes."""
    table = pairs()
    if result.simulated:
        table.add_row("SIMULATED", "the current of this run is computed, not measured", style="bold")
    table.add_row("model", result.model)
    table.add_row("batch", "images vary" if result.batch is None else str(result.batch))
    table.add_row("windows", f"{len(result.kept)} kept, {len(result.dropped)} dropped")
    for name, heading in QUANTITIES.items():
        quantity = getattr(result, name)
        table.add_row(heading, "not known" if quantity is None else str(quantity))
    if result.truth is not None:
        table.add_row("true energy per image", _truth(result))
    if result.budget:
        terms = [f"{it.name} {it.share:.0%}" for it in result.budget[:LARGEST_TERMS]]
        table.add_row("variance from", ", ".join(terms))
    table.add_row("file", str(path))
    show(table)
    for reason, indices in _by_reason(result).items():
        click.echo(f"dropped {indices}: {reason}")
    for note in result.notes:
        click.echo(f"note: {note}")


def _truth(result: Result) -> str:
    assert result.truth is not None
    true = result.truth.energy_per_image
    if result.energy_per_image is None:
        return f"{true:.4g} J"
    measured = result.energy_per_image
    inside = abs(measured.value - true) <= measured.U95
    return f"{true:.4g} J (simulated board; the measured value is {'' if inside else 'NOT '}within its U95 of it)"


def _by_reason(result: Result) -> dict[str, str]:
    reasons: dict[str, list[str]] = {}
    for window in result.dropped:
        reasons.setdefault(window.reason, []).append(str(window.index))
    return {reason: ", ".join(indices) for reason, indices in reasons.items()}


def _quantity(quantity: Quantity | None) -> dict[str, Any] | None:
    if quantity is None:
        return None
    return {"value": quantity.value, "U95": quantity.U95, "unit": quantity.unit}
