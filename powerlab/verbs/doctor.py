"""`powerlab doctor`"""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import click

from powerlab.benchfile import BenchFile
from powerlab.doctor.checks import Finding, Outcome, examine
from powerlab.doctor.machine import Machine, machine_checks
from powerlab.doctor.order import bench_checks
from powerlab.doctor.patient import Patient, stopped_by_signals
from powerlab.verbs.instruments import DEFAULT

SCHEMA = "powerlab.doctor/1"
NAME_WIDTH, OUTCOME_WIDTH = 21, 9
COLOURS = {Outcome.OK: "green", Outcome.ADVICE: "yellow", Outcome.WRONG: "red", Outcome.SKIPPED: None}


@click.command("doctor", epilog="Example: powerlab doctor --bench bench.toml --power")
@click.option(
    "--bench",
    "bench_file",
    type=click.Path(path_type=Path),
    help="The bench to check. Default: ./bench.toml, if there is one; else this machine alone.",
)
@click.option(
    "--power", is_flag=True, help='Switch a board on that is off, if bench.toml says output = "on", and off again.'
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; the findings go to stderr.")
def command(*, bench_file: Path | None, power: bool, as_json: bool) -> int:
    """Check this machine and a bench: instruments, supply, scope, probe, marker wire and trigger.

    Says which one is wrong and what to do. Changes scope settings, raises the marker, and keeps all cores busy for a
    moment, so that the board draws more current. Leaves the supply as it was found; without --power nothing is
    switched on. Exits with 1 if anything is wrong.
    """
    path = bench_file or (DEFAULT if DEFAULT.exists() else None)
    file = BenchFile.load(path)[0] if path else None
    findings: list[Finding] = []
    simulated = False
    with stopped_by_signals():
        page = Page(err=as_json)
        machine = Machine(visa_library=file.visa_library if file else "@py")
        looks: Iterable[Finding] = examine(machine_checks(), machine, page.begin)
        if file is None:
            findings += page.tell(looks)
        else:
            with Patient(file, name=str(path), power=power) as patient:
                findings += page.tell(chain(looks, examine(bench_checks(), patient, page.begin)))
                simulated = patient.simulated
    wrong = [it.name for it in findings if it.verdict.outcome is Outcome.WRONG]
    if as_json:
        click.echo(json.dumps(_report(findings, path, simulated=simulated)))
    click.echo(_summary(wrong, path, simulated=simulated), err=as_json)
    return 1 if wrong else 0


def _report(findings: list[Finding], path: Path | None, *, simulated: bool) -> dict[str, object]:
    """The findings as a JSON object; its keys are documented in docs/json.md."""
    checks = [
        {"name": it.name, "outcome": it.verdict.outcome, "found": it.verdict.found, "do": it.verdict.do or None}
        for it in findings
    ]
    wrong = sum(it.verdict.outcome is Outcome.WRONG for it in findings)
    return {
        "schema": SCHEMA,
        "bench": str(path) if path else None,
        "simulated": simulated,
        "wrong": wrong,
        "checks": checks,
    }


def _summary(wrong: list[str], path: Path | None, *, simulated: bool) -> str:
    where = "this machine" if path is None else f"{path}" + (", SIMULATED" if simulated else "")
    text = f"{where}: " + (f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong")
    return text if path else f"{text}. A bench is checked with: powerlab doctor --bench bench.toml"


class Page:
    """Where findings are printed, each when it is there; a terminal shows what is being looked at, too."""

    def __init__(self, *, err: bool) -> None:
        self._err = err
        stream = sys.stderr if err else sys.stdout
        self._width = shutil.get_terminal_size().columns if stream.isatty() else None

    def begin(self, name: str) -> None:
        """Say what is being looked at, until the finding takes its place."""
        if self._width is not None:
            click.echo(f"{'...':{OUTCOME_WIDTH}}{name}\r", nl=False, err=self._err)

    def tell(self, looks: Iterable[Finding]) -> list[Finding]:
        """Print each finding; all of them."""
        findings = []
        for finding in looks:
            findings.append(finding)
            verdict = finding.verdict
            outcome = click.style(f"{verdict.outcome:{OUTCOME_WIDTH}}", fg=COLOURS[verdict.outcome])
            self._paragraph(f"{outcome}{finding.name:{NAME_WIDTH}}", verdict.found)
            if verdict.do:
                self._paragraph(" " * (OUTCOME_WIDTH + NAME_WIDTH - 4) + "do: ", verdict.do)
        return findings

    def _paragraph(self, head: str, text: str) -> None:
        """A head and a text that hangs beside it: wrapped on a terminal, one line where a program reads."""
        indent = " " * (OUTCOME_WIDTH + NAME_WIDTH)
        lines = [text]
        if self._width is not None:
            lines = textwrap.wrap(text, max(30, self._width - len(indent)), break_on_hyphens=False)
        click.echo(head + f"\n{indent}".join(lines), err=self._err)
