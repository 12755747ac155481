"""`powerlab study FOLDER -o REPORT`"""

import json
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from powerlab.progress import ProgressBar, Silence
from powerlab.study.claims import MARGIN, Answer, Claim, claims
from powerlab.study.points import read_study
from powerlab.study.reporting import PAGE, check_folder, study_object, write_report
from powerlab.terminal import columns, show

READING: Final = 0.7  # of the time: analysing runs, the rest is drawing


class Percent(click.ParamType[float]):
    """A share in percent, between 0 and 100, as a number between 0 and 1."""

    name = "PERCENT"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The share; a number given as the default passes through."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*", value)
        share = float(match[1]) / 100 if match else 0.0
        if not 0 < share < 1:
            self.fail(f"{value!r} is no margin; write it like 5%", param, ctx)
        return share


@click.command("study", epilog="Example: powerlab study tx1-study -o tx1-report")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder for the report. Default: FOLDER with -report."
)
@click.option(
    "--accuracy",
    type=click.Path(path_type=Path),
    help="CSV file with columns model and top1_percent: accuracies that take the place of published ones.",
)
@click.option(
    "--margin",
    type=Percent(),
    default=MARGIN,
    metavar="5%",
    help="By how much power may change over all batches and still be called independent of them. Default: 5%.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="No progress and no table.")
def command(
    *, folder: Path, output: Path | None, accuracy: Path | None, margin: float, as_json: bool, quiet: bool
) -> int:
    """Analyse a study again, draw the paper's ten figures, and hold the paper's claims against it.

    FOLDER is what `powerlab sweep` made; neither instruments nor torch are needed. The report is a page for a browser
    and a PDF, with figures as PNG, SVG and PDF and the tables behind them as CSV. See docs/how-to/study.md.

    Exits with 1 if no point of the study has a measurement.
    """
    target = output or folder.resolve().with_name(f"{folder.resolve().name}-report")
    check_folder(target)
    with ProgressBar(Console(stderr=True)) if sys.stderr.isatty() and not quiet else Silence() as progress:
        progress.step("analysing runs")
        study = read_study(folder, accuracy, lambda share: progress.done(READING * share))
        progress.step("holding claims against them")
        found = claims(study.points, margin)
        progress.step("drawing")
        asked = _asked(folder, target, accuracy, margin)
        written = write_report(study, found, target, asked, lambda share: progress.done(READING + 0.3 * share))
    if as_json:
        click.echo(json.dumps(study_object(study, written), allow_nan=False))
    elif not quiet:
        _print(found, written.content.summary, simulated=study.simulated)
        click.echo(f"wrote {target / PAGE}, and {len(written.files) - 1} more files there")
    return 0 if any(not it.missing for it in study.points) else 1


def _asked(folder: Path, target: Path, accuracy: Path | None, margin: float) -> str:
    said = ["powerlab", "study", str(folder), "-o", str(target)]
    if accuracy is not None:
        said += ["--accuracy", str(accuracy)]
    if margin != MARGIN:
        said += ["--margin", f"{100 * margin:g}%"]
    return shlex.join(said)


def _print(found: tuple[Claim, ...], summary: tuple[str, ...], *, simulated: bool) -> None:
    if simulated:
        click.echo("SIMULATED: what was measured is computed by a simulated bench")
    for line in summary[:3]:
        click.echo(line)
    click.echo()
    table = columns("claim", "answer", "this study", "the paper (published)")
    for it in found:
        table.add_row(it.name, it.answer.value, it.ours, it.paper)
    show(table)
    counts = Counter(it.answer for it in found)
    click.echo(", ".join(f"{answer.value}: {counts[answer]}" for answer in Answer))
