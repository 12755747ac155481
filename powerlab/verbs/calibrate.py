"""`powerlab calibrate`"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import click

from powerlab.bench import Bench, open_bench
from powerlab.calibrating import LENGTH, Load, calibrate
from powerlab.calibration import CalibrationEntry, calibration_path
from powerlab.doctor.patient import stopped_by_signals
from powerlab.durations import Duration
from powerlab.load import busy
from powerlab.progress import Lines
from powerlab.terminal import columns, show, wait_for_user
from powerlab.verbs.instruments import DEFAULT
from powerlab_analysis.quantity import prefixed

SCHEMA = "powerlab.calibrate/1"
LOADS = ("idle", "busy")
CONNECT = "connect the resistor to the supply, its lead through the clamp as well"
DISCONNECT = "take the resistor off again"


class Loads(click.ParamType[list[str]]):
    """Names of loads with commas between them."""

    name = "loads"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """The names; fails for one that is none."""
        names = [it.strip() for it in value.split(",")] if isinstance(value, str) else list(LOADS)
        for name in names:
            if name not in LOADS:
                self.fail(f"{name!r} is no load; give some of {', '.join(LOADS)}", param, ctx)
        return names


@click.command("calibrate", epilog="Example: powerlab calibrate --bench bench.toml --power")
@click.option(
    "--bench",
    "bench_file",
    type=click.Path(path_type=Path),
    default=DEFAULT,
    show_default=True,
    help="The bench to calibrate.",
)
@click.option(
    "--power",
    is_flag=True,
    help='Switch a board that is off on, after its zero, and off again, if bench.toml says output = "on".',
)
@click.option(
    "--load",
    "names",
    type=Loads(),
    metavar="NAMES",
    help="Loads of the board, from: idle, busy (all cores of this machine, marker high). Default: idle,busy.",
)
@click.option("--resistor", is_flag=True, help="Idle, and a resistor that you connect when asked.")
@click.option("--points", type=click.IntRange(min=2), help="So many steady loads, each of which you set when asked.")
@click.option("--length", type=Duration(), default=LENGTH, show_default="2s", help="Length of each record.")
@click.option("--temperature", type=float, help="Of the room, in degrees Celsius: stored with the calibration.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(
    *,
    bench_file: Path,
    power: bool,
    names: list[str] | None,
    resistor: bool,
    points: int | None,
    length: float,
    temperature: float | None,
    as_json: bool,
) -> int:
    """Fit what the scope shows to what the supply reads at two or more steady loads.

    The calibration is stored beside the bench file, and captures with the same probe range, turns and screen use it.
    Loads that are not steady are refused. What this machine's cores draw counts only where it is the board itself.
    """
    if sum((names is not None, resistor, points is not None)) > 1:
        raise click.UsageError("give one of --load, --resistor and --points", click.get_current_context())
    if not length > 0:
        raise click.BadParameter("give a time above 0", param_hint="--length")
    path = calibration_path(bench_file)
    with stopped_by_signals(), open_bench(bench_file) as bench:
        loads = _asked(points) if points else _loads(bench, names or list(LOADS), resistor=resistor)
        entry, _ = calibrate(bench, loads, Lines(), power=power, seconds=length, temperature=temperature)
        bench.calibration.save(path)
        simulated = bench.simulated
    if as_json:
        found = {"schema": SCHEMA, "file": str(path), "simulated": simulated}
        click.echo(json.dumps(found | {"calibration": entry.model_dump(mode="json")}, allow_nan=False))
    else:
        _print(entry, path, simulated=simulated)
    return 0


def _loads(bench: Bench, names: list[str], *, resistor: bool) -> list[Load]:
    kinds: dict[str, Load] = {
        "idle": Load("idle", nullcontext),
        "busy": Load("busy", lambda: busy(bench.marker)),
    }
    return [kinds["idle"], Load("resistor", _connected)] if resistor else [kinds[name] for name in names]


@contextmanager
def _connected() -> Iterator[None]:
    wait_for_user(CONNECT)
    yield
    wait_for_user(DISCONNECT)


def _asked(points: int) -> list[Load]:
    def ask(text: str) -> AbstractContextManager[None]:
        wait_for_user(text)
        return nullcontext()

    return [Load(f"{k} of {points}", partial(ask, f"set load {k} of {points}")) for k in range(1, points + 1)]


def _print(entry: CalibrationEntry, path: Path, *, simulated: bool) -> None:
    if simulated:
        click.echo("SIMULATED  this bench is computed, not measured")
    numbers = ("supply", "scope", "off the line")
    table = columns("screen", "load", *numbers, right=numbers)
    for (screen, _), points, residuals in zip(entry.screens, entry.points, entry.residuals, strict=True):
        for number, (point, residual) in enumerate(zip(points, residuals, strict=True)):
            table.add_row(
                "" if number else str(screen),
                point.load,
                prefixed(point.supply, "A"),
                prefixed(point.seen, "A"),
                prefixed(round(residual, 7), "A", 3),
            )
    show(table)
    click.echo()
    fitted = ("gain", "u of gain", "offset", "u of offset")
    table = columns("screen", *fitted, right=fitted)
    for screen, line in entry.screens:
        offset, offset_u = prefixed(line.offset, "A"), prefixed(line.offset_u, "A", 3)
        table.add_row(str(screen), f"{line.gain:.5f}", f"{line.gain_u:.2%}", offset, offset_u)
    show(table)
    click.echo(f"stored in {path}; captures with this probe range, these turns and screens use it")
