"""`powerlab scpi RESOURCE 'QUERY?'`"""

from typing import cast, get_args

import click

from powerlab_instruments.instrument import read_errors
from powerlab_instruments.link import Visa
from powerlab_instruments.rs232 import Baud, Flow, Parity, Rs232

DEEPEST_QUEUE = 30  # entries in the error queue of any instrument of the bench


@click.command("scpi", epilog="Example: powerlab scpi TCPIP0::192.168.1.20::5025::SOCKET ':ACQuire:SRATe?'")
@click.argument("resource")
@click.argument("message")
@click.option("--adapter", help="Prologix adapter in front of it, such as PRLGX-TCPIP0::192.168.1.21::1234::INTFC.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Seconds for the answer."
)
@click.option("--baud", type=int, default=9600, show_default=True, help="Speed of an ASRL resource; 2 stop bits.")
@click.option(
    "--parity", type=click.Choice(get_args(Parity)), default="none", show_default=True, help="With none 8 bits, else 7."
)
@click.option(
    "--flow",
    type=click.Choice(get_args(Flow)),
    default="none",
    show_default=True,
    help="Handshake of an ASRL resource.",
)
@click.option("--visa-library", default="@py", show_default=True, help="As in bench.toml.")
def command(
    resource: str,
    message: str,
    *,
    adapter: str | None,
    timeout: float,
    baud: int,
    parity: Parity,
    flow: Flow,
    visa_library: str,
) -> int:
    """Send one SCPI message to an instrument, print its answer, and then its error queue.

    A message with a question mark is a query. Exits with 1 if the error queue holds anything afterwards.
    Whatever the message does to a powered board is yours to know. A supply on RS-232 obeys only after SYSTem:REMote.
    """
    with Visa(visa_library) as visa:
        link = visa.open(resource, timeout=timeout, adapter=adapter, rs232=Rs232(cast("Baud", baud), parity, flow))
        if "?" in message:
            click.echo(link.query(message))
        else:
            link.write(message)
        found = read_errors(link, DEEPEST_QUEUE)
    for entry in found:
        click.echo(f"powerlab: {resource} reports {entry}", err=True)
    return 1 if found else 0
