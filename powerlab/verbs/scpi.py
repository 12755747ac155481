"""`powerlab scpi RESOURCE 'QUERY?'`"""

import click

from powerlab_instruments.instrument import read_errors
from powerlab_instruments.link import Visa

DEEPEST_QUEUE = 30  # entries in the error queue of any instrument of the bench


@click.command("scpi", epilog="Example: powerlab scpi TCPIP0::192.168.1.20::5025::SOCKET ':ACQuire:SRATe?'")
@click.argument("resource")
@click.argument("message")
@click.option("--adapter", help="Prologix adapter in front of it, such as PRLGX-TCPIP0::192.168.1.21::1234::INTFC.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Seconds for the answer."
)
@click.option("--visa-library", default="@py", show_default=True, help="As in bench.toml.")
def command(resource: str, message: str, *, adapter: str | None, timeout: float, visa_library: str) -> int:
    """Send one SCPI message to an instrument, print its answer, and then its error queue.

    A message with a question mark is a query. Exits with 1 if the error queue holds anything afterwards.
    Whatever the message does to a powered board is yours to know.
    """
    with Visa(visa_library) as visa:
        link = visa.open(resource, timeout=timeout, adapter=adapter)
        if "?" in message:
            click.echo(link.query(message))
        else:
            link.write(message)
        found = read_errors(link, DEEPEST_QUEUE)
    for entry in found:
        click.echo(f"powerlab: {resource} reports {entry}", err=True)
    return 1 if found else 0
