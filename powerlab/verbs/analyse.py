"""`powerlab analyse FILE...`"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from powerlab.analysing import analyse
from powerlab.importoptions import given, import_options, option_names
from powerlab.protocoloption import protocol_option
from powerlab.report import QUANTITIES, Report, report
from powerlab_analysis.protocols import QUICK
from powerlab_traces.store.kind import Kind, kind_of

BUDGET: Final = "energy_per_image"


class _Analyse(click.Command):
    """`--budget` alone is that of energy per image, wherever it stands: it must not take FILE for its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give a `--budget` without a quantity its default."""
        followed = zip(args, [*args[1:], ""], strict=True)
        alone = [f"{it}={BUDGET}" if it == "--budget" and after not in QUANTITIES else it for it, after in followed]
        return super().parse_args(ctx, alone)


@click.command("analyse", cls=_Analyse, epilog="Example: powerlab analyse vgg16-b2-20260102-030405.h5 --json")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (for several files, an array of them).")
@click.option(
    "--budget",
    type=click.Choice(list(QUANTITIES)),
    metavar="[QUANTITY]",
    help=f"Print where the uncertainty comes from, and what would make it smaller. Default: of {BUDGET}.",
)
@click.option("--together", is_flag=True, help="The files are captures of the same work: their mean and scatter, too.")
@protocol_option("Judge the run by what this asks for.")
@import_options
def command(
    files: tuple[Path, ...], as_json: bool, budget: str | None, together: bool, protocol: str, **values: Any
) -> int:
    """Analyse run files again: power, energy and their uncertainty, from the file alone.

    FILE may also be what another instrument or program left, a file or a folder: its energies follow from its own
    rule, without uncertainty, and the options other than --json say what it leaves open (docs/how-to/import.md).

    Exits with 1 if a file has no window that could be kept, or if a verdict refuses its energy.
    """
    options = given(values)
    if together:
        from powerlab.repeatsreport import repeats_report  # noqa: PLC0415 - only several captures need it

        _refuse(options, "--together")
        reports = [repeats_report(files, protocol, budget)]
    else:
        reports = [_report(path, options, protocol, budget) for path in files]
    if as_json:
        objects = [it.content() for it in reports]
        click.echo(json.dumps(objects[0] if len(objects) == 1 else objects, allow_nan=False))
    else:
        for it in reports:
            it.show()
    return 0 if all(it.has_windows for it in reports) else 1


def _report(path: Path, options: Mapping[str, Any], protocol: str, budget: str | None) -> Report:
    if kind_of(path) is not Kind.RUN:
        from powerlab.importreport import foreign_report  # noqa: PLC0415 - a run of powerlab needs no importers

        if budget is not None or protocol != QUICK.name:
            raise click.UsageError(f"{path} is another program's: it has no uncertainty, nor a protocol to judge it by")
        return foreign_report(path, options)
    result = analyse(path, protocol)
    _refuse(options, f"{path} is a run of powerlab")
    return report(result, path, budget)


def _refuse(options: Mapping[str, Any], why: str) -> None:
    if options:
        raise click.UsageError(f"{why}, and {option_names(options)} is for other programs' files")
