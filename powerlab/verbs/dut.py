"""`powerlab dut check`"""

import json
from pathlib import Path
from typing import Any

import click

from powerlab.benchfile import BenchFile, BenchFileError
from powerlab.verbs.instruments import DEFAULT
from powerlab.workload import PROTOCOL, WorkloadEndedError, WorkloadError
from powerlab.workload.remote import RemoteWorkload
from powerlab.workload.ssh import ADDRESS, Board
from powerlab_traces.clock import HostClock
from powerlab_traces.clocktie import Interval

SCHEMA = "powerlab.dut/1"
WATCH = 2.0  # s between the two ties that say how the clock drifts


@click.group("dut", epilog="Example: powerlab dut check ssh://user@board")
def command() -> None:
    """Try the board's own computer, where `powerlab capture --dut` runs networks."""


@command.command("check", epilog="Example: powerlab dut check ssh://user@board --bench bench.toml")
@click.argument("address", required=False)
@click.option(
    "--bench",
    "bench_file",
    type=click.Path(path_type=Path),
    help="Bench file with the board's [dut] and [marker]. Default: ./bench.toml, if there is one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(*, address: str | None, bench_file: Path | None, as_json: bool) -> int:
    """Reach the board and say what is there: versions, devices, how its clock stands and drifts, the marker.

    With a bench file, the marker is opened there and left low. Exits with 1 if the board cannot be measured with as it
    is, with 2 if it cannot be reached.
    """
    path = bench_file or (DEFAULT if DEFAULT.exists() else None)
    bench = BenchFile.load(path)[0].at(address) if path else None
    if bench is None and address is None:
        raise click.UsageError(f"give the board's address, {ADDRESS}, or --bench", click.get_current_context())
    if bench is not None and bench.dut is None:
        raise BenchFileError(f"{path} has no [dut] table: give the board's address, {ADDRESS}")
    board = Board(address or "") if bench is None or bench.dut is None else bench.dut.board
    marker = "none" if bench is None else bench.raised
    found = look_at(board, marker)
    if as_json:
        click.echo(json.dumps(found))
    else:
        for name, text in _lines(found):
            click.echo(f"{name:9}{text}")
    return 1 if found["wrong"] else 0


def look_at(board: Board, marker: str) -> dict[str, Any]:
    """What there is to know of a board, as the JSON object has it; `wrong` says what stands in the way, a line each.

    Raises
    ------
    WorkloadError
        It cannot be reached, or powerlab does not start there.
    """
    clock = HostClock()
    wrong: list[str] = []
    with RemoteWorkload(board, clock=clock, marker=marker) as workload:
        said = workload.process.about(devices=True)
        if said["torch"] is None:
            wrong.append("torch is not installed there: install it, or measure a program of your own with --command")
        try:
            seconds = workload.process.try_marker() if marker != "none" else None
        except WorkloadEndedError:
            raise
        except WorkloadError as error:
            seconds = None
            wrong.append(str(error))
        workload.tie()
        clock.sleep(WATCH)
        interval = workload.tie()
    if interval.doubt:
        wrong.append(interval.doubt)
    return {
        "schema": SCHEMA,
        "address": board.address,
        "protocol": PROTOCOL,
        **said,
        "round_trip": interval.after.round_trip,
        "clock": _clock(interval),
        "marker": None if marker == "none" else {"output": marker, "seconds": seconds},
        "wrong": wrong,
    }


def _clock(interval: Interval) -> dict[str, float]:
    """The board's clock less this machine's, in s, and how fast it runs against it; with limits."""
    return {
        "offset": interval.after.offset * 1e-9,
        "offset_limit": interval.after.limit,
        "drift": interval.drift,
        "drift_limit": interval.drift_limit,
    }


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The object for people."""
    clock, marker = found["clock"], found["marker"]
    stands = f"{clock['offset']:+.6f} s against this machine's, +- {clock['offset_limit'] * 1e3:.2g} ms"
    drifts = f"drift {clock['drift'] * 1e6:+.3g} ppm, +- {clock['drift_limit'] * 1e6:.2g} ppm"
    lines = [
        ("board", f"{found['host']} at {found['address']}: {found['system']}, {found['cores']} cores"),
        ("python", found["python"]),
        ("powerlab", f"{found['powerlab']}, {found['protocol']}"),
        ("torch", found["torch"] or "not installed"),
        ("devices", ", ".join(found["devices"] or ("none",))),
        ("link", f"round trip {found['round_trip'] * 1e3:.3g} ms"),
        ("clock", f"{stands}; {drifts}"),
    ]
    if marker is not None and marker["seconds"] is not None:
        lines.append(("marker", f"{marker['output']} opens; driving it takes {marker['seconds'] * 1e6:.3g} us"))
    return lines + [("wrong", text) for text in found["wrong"]]
