"""`powerlab simulate`"""

import signal
import threading
from pathlib import Path

import click

from powerlab.simulation import bench_text
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_traces.errors import PowerlabError


@click.command("simulate", epilog="Example: powerlab simulate --write-bench sim.toml")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws every instrument error.")
@click.option(
    "--memory",
    type=click.Choice(["1000000", "100000"]),
    default="1000000",
    show_default=True,
    help="The scope's depth in points.",
)
@click.option(
    "--scope-port", type=click.IntRange(0, 65535), default=0, help="TCP port of the scope. Default: any free."
)
@click.option("--adapter-port", type=click.IntRange(0, 65535), default=0, help="TCP port of the supply's GPIB adapter.")
@click.option("--wire-port", type=click.IntRange(0, 65535), default=0, help="TCP port of the marker's wire.")
@click.option(
    "--write-bench", type=click.Path(path_type=Path), help="Write a bench.toml that leads to it; never overwrites."
)
def command(
    *, seed: int, memory: str, scope_port: int, adapter_port: int, wire_port: int, write_bench: Path | None
) -> int:
    """Serve a simulated bench on this machine until Ctrl-C, for any VISA program.

    Prints the resource strings. Behind the adapter, open its INTFC resource first and keep it open.
    """
    with SimulatedBench(
        seed=seed, memory=int(memory), scope_port=scope_port, adapter_port=adapter_port, wire_port=wire_port
    ) as bench:
        where = bench.resources
        text = bench_text(scope=where.scope, adapter=where.adapter, supply=where.supply, wire=where.wire)
        if write_bench is not None:
            try:
                with write_bench.open("x", encoding="utf-8") as file:
                    file.write(text)
            except OSError as error:
                raise PowerlabError(f"{write_bench} cannot be written ({error.strerror}); give another name") from error
        click.echo("SIMULATED bench, seed " + str(seed))
        for role in ("scope", "adapter", "supply", "wire"):
            click.echo(f"  {role:8}{getattr(where, role)}")
        click.echo("serving until Ctrl-C" + (f"; try: powerlab bench check {write_bench}" if write_bench else ""))
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()
    click.echo("stopped")
    return 0
