"""`powerlab check FILE`"""

from collections.abc import Iterator
from pathlib import Path

import click

from powerlab_traces.store import check_run
from powerlab_traces.store.kind import Kind, kind_of


@click.command("check", epilog="Example: powerlab check runs/*.h5")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
def command(files: tuple[Path, ...]) -> int:
    """Read all of a run file and say what is wrong with it, and where: structure, digests, clocks, gaps, windows.

    Exits with 1 if anything is.
    """
    wrong = 0
    for file in files:
        findings = list(_check(file))
        for finding in findings:
            click.echo(f"{file}: {finding}")
        if not findings:
            click.echo(f"{file}: sound")
        wrong += len(findings)
    return 1 if wrong else 0


def _check(file: Path) -> Iterator[str]:
    if kind_of(file) is not Kind.IMPORT:
        return check_run(file)
    from powerlab_traces.store.imported import check_import  # noqa: PLC0415 - a run of powerlab needs no importers

    return check_import(file)
