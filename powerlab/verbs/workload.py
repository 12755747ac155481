"""`powerlab workload`"""

import click

from powerlab.workload.child import main


@click.command("workload", epilog="Example: powerlab workload")
def command() -> None:
    """Run networks for another powerlab, on a board: requests come in on stdin, answers go out on stdout.

    `powerlab capture --dut ssh://user@board` starts this over ssh; there is nothing in it for people.
    """
    main()
