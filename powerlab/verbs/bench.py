"""`powerlab bench init` and `powerlab bench check`"""

from pathlib import Path

import click

from powerlab.bench import open_bench
from powerlab.benchfile import TEMPLATE
from powerlab.calibration import age_of
from powerlab_traces.errors import PowerlabError


@click.group("bench")
def command() -> None:
    """Write a bench.toml to start from, or try one."""


@command.command("init", epilog="Example: powerlab bench init lab2.toml")
@click.argument("file", type=click.Path(path_type=Path), default="bench.toml")
def init(file: Path) -> None:
    """Write a commented bench.toml; an existing file is not touched."""
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(TEMPLATE)
    except OSError as error:
        raise PowerlabError(f"{file} cannot be written ({error.strerror}); give another name") from error
    click.echo(f"wrote {file}; edit its resources, then: powerlab bench check {file}")


@command.command("check", epilog="Example: powerlab bench check bench.toml")
@click.argument("file", type=click.Path(path_type=Path), default="bench.toml")
def check(file: Path) -> None:
    """Ask every instrument of a bench who it is and how the supply stands. Sets and switches nothing."""
    with open_bench(file) as bench:
        click.echo(f"scope    {bench.scope.identity}" + ("  SIMULATED" if bench.simulated else ""))
        click.echo(f"supply   {bench.supply.identity}")
        click.echo(
            f"output   {'on' if bench.powered else 'off'}, set to {bench.supply.voltage:g} V and "
            f"{bench.supply.current_limit:g} A; it reads {bench.supply.measured_voltage:.4g} V, "
            f"{bench.supply.measured_current:.4g} A"
        )
        known = bench.known()
        zero = f"{age_of(known.zero_age)} old" if known.zero else "; ".join(known.zero_notes) or "none stored"
        line = f"{age_of(known.calibration_age)} old" if known.calibration else "none stored"
        click.echo(f"zero     {zero}")
        click.echo(f"calibr.  {'; '.join(known.calibration_notes) or line}")
        for note in bench.notes:
            click.echo(f"note     {note}")
