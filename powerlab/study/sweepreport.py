"""A plan and what became of it, as people and programs read it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from powerlab.study.duration import in_words
from powerlab.study.plan import StudyPlan
from powerlab.study.table import CSV, Row, Status
from powerlab.terminal import columns, pairs, show

SCHEMA: Final = "powerlab.sweep/1"
SHOWN: Final = 5  # runs of the plan's beginning
NO_MISS: Final = frozenset({Status.DONE, Status.OUT_OF_MEMORY})  # a point that does not fit has been found out, too


def unfinished(row: Row) -> bool:
    """Whether a run is missing: it failed, or was never measured."""
    return row.status not in NO_MISS


def plan_object(plan: StudyPlan) -> dict[str, Any]:
    """The plan as one JSON object, schema "powerlab.plan/1" (docs/json.md)."""
    found: dict[str, Any] = plan.model_dump(mode="json", by_alias=True)
    return found


def sweep_object(plan: StudyPlan, rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    """What became of a plan as one JSON object, schema "powerlab.sweep/1" (docs/json.md)."""
    return {
        "schema": SCHEMA,
        "folder": str(folder),
        "table": str(folder / CSV),
        "simulated": next((row.simulated for row in rows if row.simulated is not None), plan.simulated),
        "runs": len(rows),
        "status": dict(Counter(row.status.value for row in rows)),
        "missing": [
            {
                "model": row.model,
                "batch": row.batch,
                "repeat": row.repeat,
                "status": row.status.value,
                "reason": row.reason,
            }
            for row in rows
            if row.status is not Status.DONE
        ],
    }


def print_plan(plan: StudyPlan, folder: Path) -> None:
    """Print what is to be measured, and about how long it takes."""
    asked = plan.asked
    table = pairs()
    if plan.simulated:
        what = "the current is computed, not measured"
        table.add_row(
            "SIMULATED", what if asked.board is None else f"{what}, and so are times and memory", style="bold"
        )
    table.add_row("folder", str(folder))
    count = f"{len(asked.models)} networks x {len(asked.batches)} batches x {asked.repeats} repeats"
    table.add_row("runs", f"{len(plan.order)}: {count}, in random order (seed {asked.seed})")
    table.add_row("networks", ", ".join(asked.models))
    table.add_row("batches", ", ".join(map(str, asked.batches)))
    table.add_row("measured on", _where(plan))
    table.add_row("takes about", f"{in_words(plan.seconds)}, {plan.about}")
    first = "; ".join(map(str, plan.runs[:SHOWN]))
    table.add_row("begins with", first + (" ..." if len(plan.order) > SHOWN else ""))
    show(table)


def print_sweep(rows: Sequence[Row], folder: Path) -> None:
    """Print how many runs came out how, and the points that have no result."""
    counts = Counter(row.status for row in rows)
    click.echo(", ".join(f"{counts[it]} {it.value}" for it in Status if counts[it]) + f"; the table is {folder / CSV}")
    missing = [row for row in rows if row.status is not Status.DONE]
    if not missing:
        return
    table = columns("network", "batch", "repeats", "", "why", right=("batch",))
    for (model, batch, status), of_point in _by_point(missing):
        repeats = ",".join(str(row.repeat) for row in sorted(of_point, key=lambda row: row.repeat))
        table.add_row(model, str(batch), repeats, status.value, of_point[0].reason)
    show(table)


def _by_point(rows: Iterable[Row]) -> list[tuple[tuple[str, int, Status], list[Row]]]:
    found: dict[tuple[str, int, Status], list[Row]] = {}
    for row in rows:
        found.setdefault((row.model, row.batch, row.status), []).append(row)
    return sorted(found.items())


def _where(plan: StudyPlan) -> str:
    asked = plan.asked
    if asked.board is not None:
        return f"the simulated board {asked.board}, a model"
    runs = f"networks run on {asked.dut}" if asked.dut else "networks run on this machine"
    return f"the bench of {asked.bench}" if asked.bench else f"{runs}, on a simulated bench"
