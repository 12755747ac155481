"""`powerlab zero`"""

import json
from pathlib import Path

import click

from powerlab.bench import open_bench
from powerlab.calibration import CalibrationFile, Drift, ZeroEntry, age_of, calibration_path
from powerlab.doctor.patient import stopped_by_signals
from powerlab.durations import Duration
from powerlab.terminal import columns, show, wait_for_user
from powerlab.verbs.instruments import DEFAULT
from powerlab.zeroing import LENGTH, measure_zero
from powerlab_analysis.calibration import ZERO_LIFETIME
from powerlab_analysis.quantity import prefixed

SCHEMA = "powerlab.zero/1"


@click.command("zero", epilog="Example: powerlab zero --bench bench.toml")
@click.option(
    "--bench",
    "bench_file",
    type=click.Path(path_type=Path),
    default=DEFAULT,
    show_default=True,
    help="The bench to zero.",
)
@click.option(
    "--power",
    is_flag=True,
    help='Switch a board that is on off for it, and on again, if bench.toml says output = "on". It reboots.',
)
@click.option("--length", type=Duration(), default=LENGTH, show_default="1s", help="Length of each record.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(*, bench_file: Path, power: bool, length: float, as_json: bool) -> int:
    """Measure what each screen of the scope shows without current, before and after a session.

    With the board off it just measures; with the board on it asks you to open the clamp. The zero is stored beside the
    bench file. Captures on a board that is on already use it for an hour; what two zeros of a session differ by is
    what the offset is taken to drift.
    """
    if not length > 0:
        raise click.BadParameter("give a time above 0", param_hint="--length")
    path = calibration_path(bench_file)
    with stopped_by_signals(), open_bench(bench_file) as bench:
        entry = measure_zero(bench, wait_for_user, power=power, seconds=length)
        before, simulated = bench.calibration, bench.simulated
        bench.calibration = before.with_zero(entry)
        bench.calibration.save(path)
        drift = bench.known().drift
    if as_json:
        click.echo(json.dumps(_object(entry, drift, path, simulated=simulated), allow_nan=False))
    else:
        _print(entry, before, drift, path, simulated=simulated)
    return 0


def _object(entry: ZeroEntry, drift: Drift | None, path: Path, *, simulated: bool) -> dict[str, object]:
    """The zero as a JSON object; its keys are documented in docs/json.md."""
    return {
        "schema": SCHEMA,
        "file": str(path),
        "simulated": simulated,
        "zero": entry.model_dump(mode="json"),
        "drift": {"limit": drift.limit, "seconds": drift.seconds} if drift else None,
    }


def _print(entry: ZeroEntry, before: CalibrationFile, drift: Drift | None, path: Path, *, simulated: bool) -> None:
    if simulated:
        click.echo("SIMULATED  this bench is computed, not measured")
    last = next((it for it in reversed(before.zeros) if it.conditions == entry.conditions), None)
    former = {it.screen: it.current for _, it in last.screens} if last else {}
    numbers = ("zero", "u", "moved by")
    table = columns("screen", *numbers, right=numbers)
    for screen, zero in entry.screens:
        moved = prefixed(zero.current - former[zero.screen], "A", 3) if zero.screen in former else ""
        table.add_row(str(screen), prefixed(zero.current, "A"), prefixed(zero.u, "A", 3), moved)
    show(table)
    if drift is not None:
        moved = f"drift +-{prefixed(drift.limit, 'A', 3)} over {age_of(drift.seconds)}"
        click.echo(f"{moved}: counts where the probe's limit is less")
    click.echo(f"stored in {path}; it holds for {age_of(ZERO_LIFETIME)}. Zero again after the session.")
