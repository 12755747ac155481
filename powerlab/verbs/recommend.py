"""`powerlab recommend FOLDER --max-latency 50ms`"""

import json
import math
import sys
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from powerlab.amounts import Amount
from powerlab.progress import ProgressBar, Silence
from powerlab.report import quantity_object
from powerlab.study.points import Study, read_study
from powerlab.study.recommending import LIMITS, Candidate, Held, Meets, recommend, those
from powerlab.terminal import columns, show
from powerlab_analysis.quantity import prefixed

SCHEMA: Final = "powerlab.recommendation/1"


@click.command(
    "recommend", epilog="Example: powerlab recommend tx1-study --max-latency 50ms --min-top1 70 --max-energy 1J"
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--max-latency", type=Amount("s"), metavar="50ms", help="A whole batch must be done within this.")
@click.option("--min-top1", type=click.FloatRange(0, 100), metavar="70", help="Top-1 accuracy in percent.")
@click.option("--max-energy", type=Amount("J"), metavar="1J", help="Of one image, at the board's input.")
@click.option("--max-memory", type=Amount("B"), metavar="500MB", help="The most memory over what was in use before.")
@click.option(
    "--accuracy",
    type=click.Path(path_type=Path),
    help="CSV file with columns model and top1_percent: accuracies that take the place of published ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, folder: Path, accuracy: Path | None, as_json: bool, **asked: float | None) -> int:
    """Which networks and batches of a study meet a need, the one of least energy per image first.

    A point qualifies only if the whole interval of each value, +- U95, keeps the limit; where a limit lies within an
    interval the point is undecided. Margins are in U95: 1 is just enough.

    Exits with 1 if nothing qualifies.
    """
    limits = {key: value for key, value in asked.items() if value is not None}
    if not limits:
        options = ", ".join(f"--{key.replace('_', '-')}" for key in LIMITS)
        raise click.UsageError(f"nothing is asked for: give one or more of {options}")
    with ProgressBar(Console(stderr=True)) if sys.stderr.isatty() else Silence() as progress:
        progress.step("analysing runs")
        study = read_study(folder, accuracy, progress.done)
    found = recommend(study.points, limits)
    if as_json:
        click.echo(json.dumps(_object(folder, study, limits, found), allow_nan=False))
    else:
        _print(study, found)
    return 0 if those(found, Meets.QUALIFIES) else 1


def _object(folder: Path, study: Study, limits: dict[str, float], found: tuple[Candidate, ...]) -> dict[str, Any]:
    """The answer as one JSON object, schema "powerlab.recommendation/1" (docs/json.md)."""
    return {
        "schema": SCHEMA,
        "folder": str(folder),
        "simulated": study.simulated,
        "limits": limits,
        "candidates": [
            {
                "model": it.point.model,
                "label": it.point.label,
                "batch": it.point.batch,
                "meets": it.meets.value,
                "closest": it.closest,
                "top1_source": None if it.point.top1 is None else it.point.top1_source,
                "held": {key: _held(key, held) for key, held in it.held.items()},
            }
            for it in found
        ],
        "missing": [{"model": it.model, "batch": it.batch, "why": it.missing} for it in study.points if it.missing],
    }


def _held(key: str, held: Held) -> dict[str, Any]:
    """The margin is null where the value is not known, or has no uncertainty; `meets` holds all the same."""
    finite = held.margin is not None and math.isfinite(held.margin)
    value = None if held.value is None else quantity_object(held.value.quantity(LIMITS[key].unit))
    return {"value": value, "margin_U95": held.margin if finite else None, "meets": held.meets.value}


def _print(study: Study, found: tuple[Candidate, ...]) -> None:
    if study.simulated:
        click.echo("SIMULATED: what was measured is computed by a simulated bench")
    for meets in (Meets.QUALIFIES, Meets.UNDECIDED):
        chosen = those(found, meets)
        if not chosen:
            click.echo(f"{meets.value}: none")
            continue
        click.echo(f"{meets.value}: {len(chosen)}")
        heads = ("network", "batch", "energy per image", "time per batch", "top-1", "least margin")
        table = columns(*heads, right=("batch",))
        for it in chosen:
            energy, time = it.point.of("energy_per_image"), it.point.of("time_per_batch")
            table.add_row(
                it.point.label,
                str(it.point.batch),
                "not known" if energy is None else str(energy.quantity("J")),
                "not known" if time is None else str(time.quantity("s")),
                "not known" if it.point.top1 is None else f"{it.point.top1:.2f} % {it.point.top1_source}",
                _margin(it),
            )
        show(table)
    fails = those(found, Meets.FAILS)
    missing = sum(bool(it.missing) for it in study.points)
    click.echo(f"fails: {len(fails)}; not measured: {missing}")
    if not those(found, Meets.QUALIFIES) and fails:
        nearest = max(fails, key=lambda it: it.held[it.closest].margin or 0.0)
        click.echo(f"nearest: {nearest.point.label} with batch {nearest.point.batch}, {_margin(nearest)}")


def _margin(it: Candidate) -> str:
    """How far it is from the limit that is closest, in U95."""
    held, limit = it.held[it.closest], LIMITS[it.closest]
    if held.margin is None:
        return f"{limit.name} is not known"
    said = prefixed(held.limit, limit.unit) if limit.unit != "B" else f"{held.limit / 1e6:.4g} MB"
    sign = ">=" if limit.least else "<="
    far = f"{held.margin:+.3g} U95" if math.isfinite(held.margin) else "exact"
    return f"{far} ({limit.name} {sign} {said})"
