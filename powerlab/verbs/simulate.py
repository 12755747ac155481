"""`powerlab simulate`"""

import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from powerlab.simulation import bench_text
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.portmapper import WELL_KNOWN_PORT
from powerlab_traces.errors import PowerlabError

PORT = click.IntRange(0, 65535)
SECONDS = click.FloatRange(min=0, min_open=True)


@click.command("simulate", epilog="Example: powerlab simulate --vxi11 --write-bench sim.toml")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws every instrument error.")
@click.option("--model", default="MSO-X 2024A", show_default=True, help="The scope: any InfiniiVision 2000 or 3000 X.")
@click.option("--supply-model", default="E3645A", show_default=True, help="The supply: any E3640A to E3645A.")
@click.option(
    "--memory",
    type=click.Choice(["1000000", "100000"]),
    default="1000000",
    show_default=True,
    help="The scope's depth in points.",
)
@click.option("--segmented", is_flag=True, help="Give the scope the licence for segmented memory.")
@click.option("--vxi11", is_flag=True, help="Put the scope on VXI-11, too.")
@click.option("--serial", is_flag=True, help="Put the supply on RS-232 instead of GPIB (not on Windows).")
@click.option("--first-answer", type=SECONDS, help="The scope lets a new connection wait so many seconds (seen: 10).")
@click.option("--wedge-every", type=SECONDS, help="The scope's network port goes dead so often, in s (seen: 600).")
@click.option("--short-preamble", is_flag=True, help="The scope answers the first question about a record with +0.")
@click.option("--scope-port", type=PORT, default=0, help="TCP port of the scope. Default: any free.")
@click.option("--adapter-port", type=PORT, default=0, help="TCP port of the supply's GPIB adapter.")
@click.option("--wire-port", type=PORT, default=0, help="TCP port of the marker's wire.")
@click.option(
    "--portmapper-port",
    type=PORT,
    default=WELL_KNOWN_PORT,
    help=f"Port where VXI-11 clients ask for the scope's. Default: {WELL_KNOWN_PORT} if you may, else any free.",
)
@click.option(
    "--write-bench", type=click.Path(path_type=Path), help="Write a bench.toml that leads to it; never overwrites."
)
def command(*, memory: str, first_answer: float | None, write_bench: Path | None, **options: Any) -> int:
    """Serve a simulated bench on this machine until Ctrl-C, for any VISA program.

    Prints the resource strings. Behind the adapter, open its INTFC resource first and keep it open. What --write-bench
    writes uses VXI-11 and RS-232 where the bench has them.
    """
    with SimulatedBench(memory=int(memory), first_answer=first_answer or 0.0, **options) as bench:
        resources = asdict(bench.resources) | {"scope_vxi11": bench.scope_vxi11}
        if write_bench is not None:
            try:
                with write_bench.open("x", encoding="utf-8") as file:
                    file.write(bench_text(**resources))
            except OSError as error:
                raise PowerlabError(f"{write_bench} cannot be written ({error.strerror}); give another name") from error
        click.echo(f"SIMULATED bench, seed {options['seed']}")
        for role in ("scope", "scope_vxi11", "adapter", "supply", "wire"):
            if resources[role]:
                click.echo(f"  {role.split('_')[0]:8}{resources[role]}")
        if "," in bench.scope_vxi11 and options["portmapper_port"] == WELL_KNOWN_PORT:
            click.echo(f"  port {WELL_KNOWN_PORT} is not to be had here: VXI-11 needs the port in the name, as above")
        click.echo("serving until Ctrl-C" + (f"; try: powerlab bench check {write_bench}" if write_bench else ""))
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()
    click.echo("stopped")
    return 0
