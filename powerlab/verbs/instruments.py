"""`powerlab instruments`"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from powerlab.asking import Entry, State
from powerlab.benchfile import BenchFile
from powerlab.discovery import Wanted, discover
from powerlab_instruments.catalogue import problems
from powerlab_instruments.search import missing_packages

DEFAULT = Path("bench.toml")
SCHEMA = "powerlab.instruments/1"


@click.command("instruments", epilog="Example: powerlab instruments --host 192.168.1.20 --host 192.168.1.21")
@click.option(
    "--bench",
    "bench_file",
    type=click.Path(path_type=Path),
    help="Ask what this bench.toml names, too. Default: ./bench.toml, if there is one.",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Try this machine, too: raw SCPI on port 5025, VXI-11, HiSLIP, and a Prologix adapter on port 1234 with all "
    "its GPIB addresses. May be given several times.",
)
@click.option("--probe-serial", is_flag=True, help="Ask on free serial ports, too: opening one can reset a device.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="Seconds for an instrument's answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *, bench_file: Path | None, hosts: tuple[str, ...], probe_serial: bool, timeout: float, as_json: bool
) -> int:
    """List the instruments that can be reached, the driver for each, and who holds those that do not answer.

    Searches USB, GPIB cards, the network and serial ports. Sends nothing but *IDN?. The marker's port of a bench.toml
    is never opened. Exits with 1 if no instrument answered.
    """
    bench = None
    if bench_file is not None or DEFAULT.exists():
        bench, _ = BenchFile.load(bench_file or DEFAULT)
    library = bench.visa_library if bench else "@py"
    found = discover(Wanted(bench, hosts, probe_serial=probe_serial, timeout=timeout, library=library))
    missing = missing_packages() if library == "@py" else {}
    for package, adds in missing.items():
        click.echo(f"powerlab: without {package} no {adds}; `python -m pip install {package}` adds that", err=True)
    for failure in (*found.failures, *problems()):
        click.echo(f"powerlab: {failure}", err=True)
    if as_json:
        entries = [entry_object(it) for it in found.entries]
        click.echo(
            json.dumps({"schema": SCHEMA, "instruments": entries, "missing": missing, "failures": found.failures})
        )
    else:
        for entry in _news(found.entries):
            _show(entry)
        if not found.entries:
            click.echo("nothing was found; try --host ADDRESS, or --bench with what you know")
    return 0 if any(it.state is State.ANSWERS for it in found.entries) else 1


def entry_object(entry: Entry) -> dict[str, object]:
    """One place in JSON; the keys are documented in docs/json.md."""
    identity = entry.identity
    return {
        "resource": entry.place.resource,
        "adapter": entry.place.adapter,
        "named_by": list(entry.place.origins),
        "state": entry.state.value,
        "identity": None
        if identity is None
        else {name: getattr(identity, name) for name in ("maker", "model", "serial", "firmware")},
        "answer": entry.answer or None,
        "driver": entry.driver,
        "simulated": entry.simulated,
        "why": entry.why or None,
        "do": entry.do or None,
        "holders": [{"pid": it.pid, "name": it.name} for it in entry.holders],
    }


def _news(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    """All entries but what a host refuses that is an instrument by another way, or of one that refuses all, one."""
    heard = {it.place.origins for it in entries if it.state is State.ANSWERS}
    for entry in entries:
        if entry.state is not State.REFUSED or not entry.place.origins[0].startswith("--host"):
            yield entry
        elif entry.place.origins not in heard:
            heard.add(entry.place.origins)
            yield replace(entry, why=f"{entry.why}, nor for any other of the ways")


def _show(entry: Entry) -> None:
    """A resource at the margin, to be copied or grepped, and what is known of it below."""
    place, identity = entry.place, entry.identity
    click.echo(place.resource + (f"  adapter {place.adapter}" if place.adapter else ""))
    if identity is not None:
        click.echo(f"    {identity}" + ("  SIMULATED" if entry.simulated else ""))
        click.echo(f"    {f'driver {entry.driver}' if entry.driver else 'no driver'}; {', '.join(place.origins)}")
    else:
        click.echo(f"    {', '.join(place.origins)}")
        click.echo(f"    {entry.state.value}: {entry.why}" + (f" ({entry.answer!r})" if entry.answer else ""))
    for holder in entry.holders:
        click.echo(f"    held by {holder}")
    if entry.do:
        click.echo(f"    {entry.do}")
