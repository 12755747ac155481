"""`powerlab sweep --models all --batches 1,2,4,8,16,32,64 --out study`"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from powerlab.capture import DEFAULT_WINDOWS, stop_on_interrupt
from powerlab.durations import Duration
from powerlab.progress import ProgressBar, Silence
from powerlab.protocoloption import protocol_option
from powerlab.study.devicemodel import BOARDS
from powerlab.study.folder import existing_plan, opened
from powerlab.study.plan import StudyPlan
from powerlab.study.planning import HOW, REPEATS, check_same, new_plan
from powerlab.study.sweep import sweep
from powerlab.study.sweepreport import plan_object, print_plan, print_sweep, sweep_object, unfinished
from powerlab.study.table import StudyError
from powerlab.taskoptions import Batches, task_options
from powerlab.workload.ssh import ADDRESS, Board
from powerlab_traces.errors import PowerlabError

JOBS = min(8, os.cpu_count() or 1)


@click.command(
    "sweep",
    epilog="Example: powerlab sweep --models all --batches 1,2,4,8,16,32,64 --board tx1 --out study",
)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the study. One that holds a plan is gone on with; nothing in it is measured twice.",
)
@click.option(
    "--models",
    help="Networks with commas between, as `powerlab capture --model` takes them, all: the paper's 14, or "
    "v2: the 11 of its second version.",
)
@click.option("--batches", type=Batches(), help="Images in one window, each of these for each network: 1,2,4.")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    help=f"Runs of each point, each a start of its process. Default: {REPEATS}.",
)
@click.option(
    "--bench",
    type=click.Path(path_type=Path),
    help="Bench file of the hardware. Without it, and without --board, the networks run here and the current is "
    "simulated.",
)
@click.option(
    "--board", type=click.Choice([*BOARDS]), help="A simulated board in virtual time: nothing is computed or measured."
)
@click.option(
    "--dut",
    metavar="ADDRESS",
    callback=lambda _context, _option, it: None if it is None else Board(it).address,
    help=f"Run the networks on the board's own computer, {ADDRESS}. Default: that of [dut] in the bench file.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), help="Of the order, weights, input and simulated bench. Default: 0."
)
@click.option(
    "--windows",
    type=click.IntRange(min=1),
    help=f"How many windows to time in each run. Default: {DEFAULT_WINDOWS}, unless --duration is given.",
)
@click.option("--duration", type=Duration(), help="Time windows until they sum up to this in each run, e.g. 10s.")
@click.option("--warmup", type=click.IntRange(min=0), help="Batches before the first window. Default: 3.")
@click.option(
    "--settle", type=Duration(), help="Warm up until ten batches differ by less than 1 %, but no longer. Default: 10s."
)
@click.option("--idle", type=Duration(), help="Length of the idle records; 0 for none. Default: 1s.")
@click.option(
    "--cooldown",
    type=Duration(),
    help="Pause before each run, and on until the board's temperature is back or steady, five minutes at most; 0 for "
    "none. Default: 10s with --bench, else none.",
)
@task_options
@protocol_option("Measure in each run as much as this asks for where you do not say it, and judge the runs by it.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=JOBS,
    show_default="one a processor",
    help="Runs at a time, with --board only.",
)
@click.option("--retry", is_flag=True, help="Measure runs again that failed, or ran out of memory.")
@click.option("--dry-run", is_flag=True, help="Print the plan, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress and no table.")
def command(*, folder: Path, jobs: int, retry: bool, dry_run: bool, as_json: bool, quiet: bool, **asked: Any) -> int:
    """Measure many networks by many batches into one folder: the study that `powerlab study` draws and judges.

    The plan is written first. A sweep that was stopped, killed or cut off goes on with the same command, or with --out
    alone. A run that fails or does not fit the memory is recorded with its reason, and the sweep goes on. The first
    Ctrl-C ends it after the record in flight. Exit status: 0 when every run was measured or found not to fit the
    memory, 1 when runs are missing.
    """
    given = {name: it for name, it in asked.items() if _is_given(name)}
    plan = existing_plan(folder)
    if plan is None:
        if not {"models", "batches"} <= set(given):
            raise StudyError(f"{folder} holds no plan yet: give --models and --batches")
        plan = new_plan(given, task={name: it for name, it in asked.items() if name in HOW})
    else:
        check_same(plan, given, folder)
    if dry_run:
        if as_json:
            click.echo(json.dumps(plan_object(plan), allow_nan=False))
        else:
            print_plan(plan, folder)
        return 0
    return _sweep(plan, folder, jobs, retry=retry, as_json=as_json, quiet=quiet)


def _sweep(plan: StudyPlan, folder: Path, jobs: int, *, retry: bool, as_json: bool, quiet: bool) -> int:
    progress = Silence() if quiet or not sys.stderr.isatty() else ProgressBar(Console(stderr=True))
    with opened(folder, plan) as study:
        if not quiet and not as_json:
            print_plan(plan, folder)
        if study.said and not quiet:
            progress.say(study.said)
        with progress, stop_on_interrupt(progress.say) as stop:
            try:
                sweep(study, jobs=jobs, retry=retry, progress=progress, stop=stop)
            except (PowerlabError, KeyboardInterrupt) as error:
                error.add_note(_goes_on(study.measured, len(plan.runs)))
                raise
        if stop.asked:
            stopped = KeyboardInterrupt()
            stopped.add_note(_goes_on(study.measured, len(plan.runs)))
            raise stopped
        rows = [study.rows[run.order] for run in plan.runs]
    if as_json:
        click.echo(json.dumps(sweep_object(plan, rows, folder), allow_nan=False))
    elif not quiet:
        print_sweep(rows, folder)
    return 1 if any(map(unfinished, rows)) else 0


def _goes_on(measured: int, runs: int) -> str:
    return f"{measured} of {runs} runs are there, and the same command goes on"


def _is_given(name: str) -> bool:
    """Whether somebody wrote this option."""
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT
