"""Making a plan of what somebody asks for, and holding what is asked for against a plan that exists."""

import hashlib
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from powerlab.benchfile import BenchFile
from powerlab.provenance import now
from powerlab.study.devicemodel import BOARDS, DeviceModel
from powerlab.study.duration import START, batch_seconds, run_seconds
from powerlab.study.plan import Asked, PlannedRun, StudyPlan, differences, models_of, order_of, task_of_plan
from powerlab.study.table import StudyError
from powerlab.taskoptions import NAMES
from powerlab.workload import Task
from powerlab.workload.suitability import check_options
from powerlab_analysis.protocols import PROTOCOLS

# The fields of `Task` that options of a sweep set; the rest is the run's.
HOW: Final = NAMES - {"model", "batch", "seed", "command", "windows_by"}
REPEATS: Final = 3  # independent starts of the process behind each plotted point: the project's own rule
COOLDOWN: Final = 10.0  # s, on hardware
ABOUT_DEVICE: Final = "in the simulated bench's time, by the model of its board; here a run takes about a second"
ABOUT_BENCH: Final = "by operations, as if this machine were a usual one; it is corrected while runs are measured"


def new_plan(given: Mapping[str, Any], *, task: Mapping[str, Any], device: DeviceModel | None = None) -> StudyPlan:
    """A plan of options as somebody gave them, by their names on the command line; `task` are those of the workload.

    `device` stands in for the model of the simulated board that is named.

    Raises
    ------
    PowerlabError
        Options that do not go together, an unknown network, a bench file that cannot be read.
    """
    asked = _asked(given, task)
    board = None if asked.board is None else device or BOARDS[asked.board]
    if board is not None:
        _check_simulated(given, asked, board)
    order = order_of(asked.models, asked.batches, asked.repeats, asked.seed)
    plan = StudyPlan(
        schema="powerlab.plan/1",
        created=now(),
        powerlab=importlib.metadata.version("powerlab"),
        simulated=True if asked.bench is None else None,
        asked=asked,
        device=None if board is None else _said(board),
        digest=None if asked.bench is None else _digest(asked.bench),
        order=order,
        seconds=0.0,
        about=ABOUT_BENCH if board is None else ABOUT_DEVICE,
    )
    for model in asked.models:
        check_options(task_of_plan(asked, PlannedRun(1, model, asked.batches[0], 1, "")))
    return plan.model_copy(update={"seconds": _seconds(plan)})


def check_same(plan: StudyPlan, given: Mapping[str, Any], folder: Path) -> None:
    """Make sure that what is asked for is what the plan in a folder has; what nobody gave is the plan's.

    Raises
    ------
    StudyError
        It is not; with the first difference.
    """
    asked: dict[str, Any] = {name: it for name, it in given.items() if name not in HOW}
    if "models" in asked:
        asked["models"] = models_of(asked["models"])
    if "bench" in asked:
        asked["bench"] = str(Path(asked["bench"]).absolute())
    found = [*differences(plan, {name: it for name, it in asked.items() if name in Asked.model_fields})]
    planned = Task.heard({"model": "", "batch": 1} | plan.asked.task)
    heard = Task.heard({"model": "", "batch": 1} | {name: it for name, it in given.items() if name in HOW})
    found += [
        f"--{name.removesuffix('_shape').replace('_', '-')} is another"
        for name in given
        if name in HOW and getattr(planned, name) != getattr(heard, name)
    ]
    if not found and plan.digest is not None and plan.asked.bench and _digest(plan.asked.bench) != plan.digest:
        found.append(f"{plan.asked.bench} has changed")
    if found:
        raise StudyError(
            f"{folder} holds the plan of another study: {found[0]}; go on with it by --out {folder} alone, or give "
            "another folder"
        )


def _asked(given: Mapping[str, Any], task: Mapping[str, Any]) -> Asked:
    fields = {name: it for name, it in given.items() if name in Asked.model_fields}
    protocol = PROTOCOLS[fields.get("protocol", "quick")]
    defaults: dict[str, Any] = {"repeats": max(REPEATS, protocol.captures)}
    if "bench" in fields:
        fields["bench"] = str(Path(fields["bench"]).absolute())
        defaults["cooldown"] = COOLDOWN
    least = {"warmup": protocol.warm_up, "idle": protocol.idle_seconds}
    defaults |= {name: it for name, it in least.items() if it > Asked.model_fields[name].default}
    said = Task(model="", batch=1, **task).said()
    how = {name: it for name, it in said.items() if name in task}
    try:
        return Asked(**defaults | fields | {"models": models_of(fields["models"]), "task": how})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise StudyError(f"--{first['loc'][0]}: {first['msg'][0].lower()}{first['msg'][1:]}") from error


def _check_simulated(given: Mapping[str, Any], asked: Asked, board: DeviceModel) -> None:
    """Make sure that nothing is asked of a simulated board that it cannot do."""
    senseless = [name for name in ("bench", "dut", "cooldown", *sorted(HOW)) if given.get(name)]
    if senseless:
        flag = senseless[0].removesuffix("_shape").replace("_", "-")
        raise StudyError(
            f"--{flag} makes no sense with --board {asked.board}, on which nothing is computed; leave it out"
        )
    for model in asked.models:
        board.batch(model, 1)


def _said(board: DeviceModel) -> dict[str, Any]:
    return {name: getattr(board, name) for name in DeviceModel.__dataclass_fields__}


def _seconds(plan: StudyPlan) -> float:
    """About how long all runs take on the bench."""
    device, bench = plan.model_of_device, None
    if plan.asked.bench is not None:
        bench = BenchFile.load(Path(plan.asked.bench))[0]
    total = 0.0
    for run in plan.runs:
        batch = batch_seconds(run.model, run.batch, device)
        extra = {} if bench is None else {"record": bench.scope.record, "boot": 0.0}
        start = 0.0 if device is not None else START
        total += run_seconds(batch, plan.capture(run), start=start, **extra) + plan.asked.cooldown
    return total


def _digest(bench: str) -> str:
    return hashlib.sha256(BenchFile.load(Path(bench))[1].encode()).hexdigest()
