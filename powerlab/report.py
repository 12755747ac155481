"""A result as people and programs read it: a table on the terminal, one JSON object."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from powerlab.terminal import columns, pairs, show
from powerlab_analysis.advice import advice
from powerlab_analysis.protocols import QUICK
from powerlab_analysis.quantity import Quantity, prefixed
from powerlab_analysis.result import BudgetTerm, Result
from powerlab_analysis.statistics import Summary
from powerlab_analysis.verdict import Verdict
from powerlab_traces.run import Outcome
from powerlab_traces.window import DroppedWindow

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


class Report(NamedTuple):
    """A result for programs and for people; `has_windows` if any window was kept and no verdict refuses its energy."""

    has_windows: bool
    content: Callable[[], dict[str, Any]]  # one JSON object, made when it is asked for
    show: Callable[[], None]  # prints it


def report(result: Result, path: Path, budget: str | None = None) -> Report:
    """The report of a run of powerlab, with the table of one quantity's uncertainty if `budget` names it."""

    def show_all() -> None:
        print_result(result, path)
        if budget is not None:
            print_budget(result.budgets.get(budget, ()), result.quantity(budget), budget)

    return Report(result.energy_per_image is not None, lambda: result_object(result, path), show_all)


def result_object(result: Result, path: Path) -> dict[str, Any]:
    """The result as one JSON object, schema "powerlab.result/1" (docs/json.md)."""
    found = {
        "schema": SCHEMA,
        "file": str(path),
        "imported": False,
        "simulated": result.simulated,
        "model": result.model,
        "batch": result.batch,
        "sample_rate": result.sample_rate,
        "protocol": result.protocol,
        "outcome": result.outcome.value,
        "windows": {
            "kept": len(result.kept),
            "alignment": result.alignment,
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
            "statistics": {name: summary_object(it) for name, it in result.windows.items()},
        },
        **{name: quantity_object(result.quantity(name), bool(result.lower_bound(name))) for name in QUANTITIES},
        "budget": _budget_object(result.budget),
        "budgets": budgets_object(result.budgets),
        "verdicts": verdicts_object(result.verdicts),
        "notes": list(result.notes),
        "memory": None if result.memory is None else asdict(result.memory),
    }
    if result.truth is not None:
        found["truth"] = {
            "energy_per_image": result.truth.energy_per_image,
            "power_total": result.truth.power,
        }
    return found


def print_result(result: Result, path: Path) -> None:
    """Print the result's table, then what is wrong, worst first, what was dropped and why, and the notes."""
    table = pairs()
    if result.simulated:
        table.add_row("SIMULATED", "the current of this run is computed, not measured", style="bold")
    table.add_row("model", result.model)
    table.add_row("batch", "images vary" if result.batch is None else str(result.batch))
    if result.outcome is not Outcome.COMPLETE:
        table.add_row("outcome", result.outcome.value, style="bold")
    table.add_row("windows", f"{len(result.kept)} kept, {len(result.dropped)} dropped")
    for name, heading in QUANTITIES.items():
        table.add_row(heading, _said(result, name))
    if len(result.kept) > 1:
        each = result.windows["energy_per_image"]
        median, deviation = (prefixed(it, "J") for it in (each.median, each.deviation))
        table.add_row("window by window", f"median {median} per image, standard deviation {deviation}")
    if result.truth is not None:
        table.add_row("true energy per image", _truth(result))
    if result.budget:
        terms = [f"{it.name} {it.share:.0%}" for it in result.budget[:LARGEST_TERMS]]
        table.add_row("variance from", ", ".join(terms))
    if result.protocol != QUICK.name:
        table.add_row("protocol", result.protocol)
    table.add_row("file", str(path))
    show(table)
    print_verdicts(result.verdicts)
    print_remarks(
        (it for it in result.dropped if not any(it.reason in verdict.text for verdict in result.verdicts)), result.notes
    )


def print_verdicts(verdicts: Iterable[Verdict]) -> None:
    """Print verdicts, a line each."""
    for verdict in verdicts:
        click.echo(f"{verdict.effect.upper()} {verdict.name}: {verdict.text}")


def print_budget(budget: Sequence[BudgetTerm], quantity: Quantity | None, name: str) -> None:
    """Print where a quantity's uncertainty comes from, largest first, and what would make it smaller."""
    click.echo()
    if quantity is None:
        click.echo(f"uncertainty of {QUANTITIES[name]}: there is no value")
        return
    unit = quantity.unit
    table = columns(f"uncertainty of {QUANTITIES[name]}", "kind", "known by", "u", "share", right=("u", "share"))
    for it in budget:
        scatter = "scatter" if math.isinf(it.dof) else f"scatter, {it.dof:.3g} degrees of freedom"
        known = scatter if it.limit is None else f"limit +-{prefixed(it.limit, unit, 3)}"
        table.add_row(
            it.name,
            it.kind.value,
            known,
            prefixed(it.uncertainty, unit, 3),
            "<0.1%" if it.share < 1e-3 else f"{it.share:.1%}",
        )
    u = math.hypot(*(it.uncertainty for it in budget))
    if u:
        together = f"U95 {prefixed(quantity.U95, unit, 3)} = {quantity.U95 / u:.2f} u"
        table.add_row("together", "", together, prefixed(u, unit, 3), "100.0%")
    show(table)
    for line in advice(budget):
        click.echo(f"advice: {line}")


def print_remarks(dropped: Iterable[DroppedWindow], notes: Iterable[str]) -> None:
    """Print what was dropped and why, and the notes, a line each."""
    reasons: dict[str, list[str]] = {}
    for window in dropped:
        reasons.setdefault(window.reason, []).append(str(window.index))
    for reason, indices in reasons.items():
        click.echo(f"dropped {', '.join(indices)}: {reason}")
    for note in notes:
        click.echo(f"note: {note}")


def quantity_object(quantity: Quantity | None, lower_bound: bool = False) -> dict[str, Any] | None:
    """A quantity for JSON; null where it is not known."""
    if quantity is None:
        return None
    return {"value": quantity.value, "U95": quantity.U95, "unit": quantity.unit, "lower_bound": lower_bound}


def verdicts_object(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Verdicts for JSON."""
    return [
        {
            "name": it.name,
            "effect": it.effect,
            "text": it.text,
            "quantities": list(it.quantities),
            "value": None if it.value is None or not math.isfinite(it.value) else it.value,
            "limit": it.limit,
            "unit": it.unit,
            "windows": list(it.windows),
            "records": list(it.records),
        }
        for it in verdicts
    ]


def summary_object(values: Summary) -> dict[str, Any]:
    """How repeated values scatter, for JSON."""
    return {
        "n": values.n,
        "mean": values.mean,
        "median": values.median,
        "deviation": values.deviation,
        "least": values.least,
        "largest": values.largest,
        "median_interval": None if values.interval is None else list(values.interval),
    }


def budgets_object(budgets: Mapping[str, Sequence[BudgetTerm]]) -> dict[str, Any]:
    """The budgets of several quantities for JSON."""
    return {name: _budget_object(it) for name, it in budgets.items()}


def _budget_object(budget: Sequence[BudgetTerm]) -> list[dict[str, Any]]:
    return [
        {
            "term": it.name,
            "kind": it.kind,
            "uncertainty": it.uncertainty,
            "share": it.share,
            "limit": it.limit,
            "dof": None if math.isinf(it.dof) else it.dof,
        }
        for it in budget
    ]


def _said(result: Result, name: str) -> str:
    """A quantity on the terminal, or why there is none."""
    quantity = result.quantity(name)
    if quantity is None:
        refusal = result.refusal(name)
        return "not known" if refusal is None else f"refused: {refusal.name}"
    return f"at least {quantity}" if result.lower_bound(name) else str(quantity)


def _truth(result: Result) -> str:
    assert result.truth is not None
    true = result.truth.energy_per_image
    if result.energy_per_image is None:
        return f"{true:.4g} J"
    measured = result.energy_per_image
    inside = abs(measured.value - true) <= measured.U95
    return f"{true:.4g} J (simulated board; the measured value is {'' if inside else 'NOT '}within its U95 of it)"
