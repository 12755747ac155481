"""The rows of a study's table: from its plan, and from its run files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from powerlab.analysing import analyse
from powerlab.networks import Network, find
from powerlab.networks.published import published
from powerlab.study.plan import PlannedRun, StudyPlan
from powerlab.study.table import Row, Status
from powerlab_analysis.memory import Use
from powerlab_analysis.protocols import PROTOCOLS
from powerlab_analysis.result import UNITS, Result
from powerlab_traces.run import Outcome, Run
from powerlab_traces.store import open_run

SIMULATED_BENCH: Final = "this machine, on a simulated bench"
FEW_CAPTURES: Final = "few-captures"  # the verdict that a single run lacks repeats; a study has them in other rows
STATUS: Final = {
    Outcome.COMPLETE: Status.DONE,
    Outcome.OUT_OF_MEMORY: Status.OUT_OF_MEMORY,
    Outcome.WORKLOAD_ENDED: Status.ENDED,
    Outcome.LINK_LOST: Status.LINK_LOST,
}


def planned_row(plan: StudyPlan, run: PlannedRun) -> Row:
    """What is known of a run before it is measured."""
    network = find(run.model)
    count, paper = network.count, published().get(run.model)
    return Row(
        order=run.order,
        model=run.model,
        batch=run.batch,
        repeat=run.repeat,
        simulated=plan.simulated,
        board=_board(plan),
        parameters=network.parameters,
        macs=None if count is None else float(count.macs),
        flops=None if count is None else float(count.flops),
        flops_legacy=None if count is None else float(count.flops_legacy),
        input=_input(plan, network),
        top1_published_percent=None if paper is None else paper.top1_percent,
    )


def row_of(plan: StudyPlan, run: PlannedRun, folder: Path) -> Row:
    """What the file of a run says.

    Raises
    ------
    TraceError
        There is none, or it is damaged.
    """
    stored, result = open_run(folder / run.file), analyse(folder / run.file, plan.asked.protocol)
    row = planned_row(plan, run)
    memory = result.memory
    system, process = (None, None) if memory is None else (memory.system, memory.process)
    workload = stored.provenance.workload
    count = workload.get("parameters")
    return replace(
        row,
        status=STATUS.get(result.outcome, Status.FAILED),
        reason=_reason(result, stored.notes),
        run=run.file,
        started=stored.provenance.created,
        simulated=result.simulated,
        windows=len(result.kept),
        dropped=len(result.dropped),
        verdicts=";".join(dict.fromkeys(it.name for it in result.verdicts if _counts(plan, it.name))),
        values={name: it for name in UNITS if (it := result.quantity(name)) is not None},
        memory_peak_bytes=_peak(system),
        memory_static_bytes=None if system is None else system.static,
        process_peak_bytes=_peak(process),
        parameters=row.parameters if count is None else int(count),
        input=row.input or _of_one_image(stored),
    )


def _counts(plan: StudyPlan, verdict: str) -> bool:
    """Whether a verdict on one run says something of the study."""
    return verdict != FEW_CAPTURES or plan.asked.repeats < PROTOCOLS[plan.asked.protocol].captures


def _reason(result: Result, notes: Sequence[str]) -> str:
    """Why there is no result, or no energy; what ended a capture is the last of the notes that it took."""
    if result.outcome is not Outcome.COMPLETE:
        return " ".join((notes[-1] if notes else result.outcome.value).split())
    refusal = result.refusal("energy_per_image")
    if refusal is not None:
        return f"{refusal.name}: {refusal.text}"
    return "" if result.energy_per_image is not None else "no window was kept"


def _peak(use: Use | None) -> float | None:
    return None if use is None else use.peak


def _board(plan: StudyPlan) -> str:
    asked = plan.asked
    if asked.board is not None:
        return f"{asked.board}, SIMULATED"
    if asked.bench is None and asked.dut is None:
        return SIMULATED_BENCH
    return asked.dut or asked.bench or ""


def _input(plan: StudyPlan, network: Network) -> str:
    shape = plan.asked.task.get("input_shape") or network.input_shape
    return "" if shape is None else "x".join(map(str, shape))


def _of_one_image(run: Run) -> str:
    """The shape of one image, as the workload said that of its batch."""
    return run.provenance.workload.get("input", "").partition("x")[2]
