"""`powerlab capture --model vgg16 --batch 2`"""

import datetime as dt
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource
from rich.console import Console

from powerlab.analysing import analyse
from powerlab.bench import Bench, open_bench
from powerlab.capture import DEFAULT_WINDOWS, Plan, capture, default_path, stop_on_interrupt
from powerlab.durations import Duration, Moment
from powerlab.networks import find
from powerlab.progress import ProgressBar, Silence
from powerlab.protocoloption import protocol_option
from powerlab.report import print_result, result_object
from powerlab.simulation import simulated_bench
from powerlab.taskoptions import Batches, task_of, task_options
from powerlab.workload.process import WorkloadProcess
from powerlab.workload.remote import RemoteWorkload
from powerlab.workload.ssh import ADDRESS, Board
from powerlab.workload.suitability import check_options
from powerlab_analysis.protocols import PROTOCOLS
from powerlab_traces.run import Outcome
from powerlab_traces.store import check_writable

PLACE = "{batch}"
SPARE = 1.02  # of a protocol's duration, so that a window that does not count costs nothing


@click.command(
    "capture",
    epilog="Example: powerlab capture --model vgg16 --batch 2 --windows 20 --bench bench.toml -o vgg16.h5",
)
@click.option(
    "--model",
    help="Network (`powerlab models` lists them), package.module:factory, torchvision:NAME, timm:NAME, or a file: "
    "TorchScript (.pt, .ts), torch.export (.pt2) or ONNX (.onnx).",
)
@click.option(
    "--command",
    "own_command",
    help="A program of your own in place of a model: runs batch after batch, prints a line start before and a line "
    "stop after each; {batch} in it is the number of images.",
)
@click.option(
    "--windows-by",
    type=click.Choice(["lines", "marker"]),
    default="lines",
    show_default=True,
    help="What says where the windows of --command are: the lines it prints, or the marker, which it raises itself.",
)
@click.option(
    "--batch",
    "batches",
    type=Batches(),
    default="1",
    show_default=True,
    help="Images in one window; several, as 1,2,4, are captured one after the other into a file each.",
)
@click.option(
    "--bench",
    "bench_file",
    type=click.Path(path_type=Path),
    help="Bench file of the hardware. Without it a simulated bench is started.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Run file; of several batches {batch} in it stands for each. Default: a dated name in this folder.",
)
@click.option(
    "--windows",
    type=click.IntRange(min=1),
    help=f"How many windows to time. Default: {DEFAULT_WINDOWS}, unless --duration or --until is given.",
)
@click.option("--duration", type=Duration(), help="Time windows until they sum up to this, e.g. 10s.")
@click.option("--until", type=Moment(), help="Stop at this time, e.g. 06:30 or 2026-01-03T06:30.")
@click.option("--resume", is_flag=True, help="Go on with the run file -o, which was cut off or stopped early.")
@click.option(
    "--warmup", type=click.IntRange(min=0), default=3, show_default=True, help="Batches before the first window."
)
@click.option(
    "--settle",
    type=Duration(),
    default=10.0,
    show_default="10s",
    help="Go on warming up until ten batches differ by less than 1 %, but no longer than this.",
)
@click.option("--idle", type=Duration(), default=1.0, show_default="1s", help="Length of the idle records; 0 for none.")
@task_options
@click.option(
    "--dut",
    metavar="ADDRESS",
    callback=lambda _context, _option, it: None if it is None else Board(it).address,
    help=f"Run it on the board's own computer, {ADDRESS}. Default: that of [dut] in the bench file, else this machine.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of weights, input and simulated bench."
)
@protocol_option("Capture as much as this asks for where you do not say it, and judge the run by it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress and no table; the file's name only.")
def command(
    *,
    model: str | None,
    own_command: str | None,
    windows_by: str,
    batches: tuple[int, ...],
    bench_file: Path | None,
    output: Path | None,
    windows: int | None,
    duration: float | None,
    until: dt.datetime | None,
    resume: bool,
    warmup: int,
    settle: float,
    idle: float,
    dut: str | None,
    seed: int,
    protocol: str,
    as_json: bool,
    quiet: bool,
    **task: Any,
) -> int:
    """Run a network in timed windows on the bench, store the run, and print what it costs.

    Without --bench everything runs on a simulated bench: the network is real, its current is not. The first Ctrl-C
    ends the capture after the record in flight and keeps what was recorded. A network that does not fit the memory, or
    a workload that crashes, is an outcome: it is stored, and the exit status is 1.
    """
    name = _name(model, own_command)
    if duration is not None and duration <= 0:
        raise click.BadParameter("give a time above 0", param_hint="--duration")
    if resume and output is None:
        raise click.UsageError("--resume needs the name of the run file, with -o", click.get_current_context())
    asked = PROTOCOLS[protocol]
    least = 0
    if windows is None and duration is None and until is None and asked.seconds:
        duration, least = SPARE * asked.seconds, asked.windows
    if own_command is None and windows_by != "lines":
        raise click.UsageError("--windows-by is for --command", click.get_current_context())
    how = task_of(task, model=name, batch=1, seed=seed, command=own_command, windows_by=windows_by)
    check_options(how)
    plan = Plan(
        name,
        batches[0],
        windows,
        duration,
        max(warmup, asked.warm_up) if _by_default("warmup") else warmup,
        max(idle, asked.idle_seconds) if _by_default("idle") else idle,
        seed,
        how.weights,
        how.threads,
        until,
        resume,
        least,
        settle,
        how,
    )
    paths = _paths(name, batches, output)
    if not resume:
        for path in paths.values():
            check_writable(path)
    status, said = 0, _Said(as_json, quiet)
    for batch, path in paths.items():
        status = max(status, _capture(replace(plan, batch=batch), path, _Where(bench_file, dut), protocol, said))
    return status


def _name(model: str | None, own_command: str | None) -> str:
    """What the run is called: the network's name, or the program's.

    Raises
    ------
    click.UsageError
        Both are given, or none.
    """
    if (model is None) == (own_command is None):
        raise click.UsageError("give --model NAME, or --command 'PROGRAM ...'", click.get_current_context())
    if model is not None:
        find(model)
        return model
    return Path((own_command or "").split(" ")[0]).name or "command"


class _Where(NamedTuple):
    """The bench, None for a simulated one, and its board's address, None for the bench file's."""

    bench_file: Path | None
    dut: str | None


class _Said(NamedTuple):
    """How much is said, and to whom."""

    as_json: bool
    quiet: bool


def _paths(model: str, batches: tuple[int, ...], output: Path | None) -> dict[int, Path]:
    """The run file of each batch.

    Raises
    ------
    click.UsageError
        One name for several.
    """
    if output is None:
        return {batch: default_path(model, batch) for batch in batches}
    if len(batches) > 1 and PLACE not in output.name:
        raise click.UsageError(f"several batches need a file each: write {PLACE} in the name -o, as in run-b{PLACE}.h5")
    return {batch: output.with_name(output.name.replace(PLACE, str(batch))) for batch in batches}


def _capture(plan: Plan, path: Path, where: _Where, protocol: str, said: _Said) -> int:
    """Capture one run and print its result."""
    progress = Silence() if said.quiet or not sys.stderr.isatty() else ProgressBar(Console(stderr=True))
    with progress, stop_on_interrupt(progress.say) as stop:
        progress.step("opening the bench")
        bench = open_bench(where.bench_file) if where.bench_file else simulated_bench(seed=plan.seed)
        bench.file = bench.file.at(where.dut)
        with bench, _workload(bench) as workload:
            capture(bench, workload, plan, path, progress=progress, stop=stop)
    result = analyse(path, protocol)
    if said.as_json:
        click.echo(json.dumps(result_object(result, path), allow_nan=False))
    elif said.quiet:
        click.echo(path)
    else:
        print_result(result, path)
    if stop.asked:
        raise KeyboardInterrupt
    return 0 if result.energy_per_image is not None and result.outcome is Outcome.COMPLETE else 1


def _workload(bench: Bench) -> WorkloadProcess | RemoteWorkload:
    """The workload's process, where the bench file says it runs."""
    if bench.file.dut is None:
        return WorkloadProcess(marker=bench.file.raised)
    return RemoteWorkload(bench.file.dut.board, marker=bench.file.raised, clock=bench.clock)


def _by_default(name: str) -> bool:
    """Whether an option has the value that nobody gave."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.DEFAULT
