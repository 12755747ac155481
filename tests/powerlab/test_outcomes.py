"""A network that does not fit, or a workload that dies, is how a capture came out, and no failure of the tool."""

from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.analysing import analyse
from powerlab.capture import Plan, Stop, capture
from powerlab.marker import WireMarker
from powerlab.progress import Silence
from powerlab.workload import Loaded, OutOfMemoryError, Task, Timed, WorkloadEndedError, WorkloadError
from powerlab.workload.synthetic import SyntheticWorkload
from powerlab_traces.record import RecordKind
from powerlab_traces.run import Outcome, Run
from powerlab_traces.store import open_run


class Doomed(SyntheticWorkload):
    """Fails at the given step; at `run` in its third record, with the marker high as a crash leaves it."""

    def __init__(self, step: str, error: WorkloadError, *arguments: object) -> None:
        super().__init__(*arguments)
        self._step, self._error, self._runs = step, error, 0

    def load(self, task: Task) -> Loaded:
        self._meet("load")
        return super().load(task)

    def warm_up(self, count: int, settle: float = 0.0) -> tuple[float, ...]:
        self._meet("warm_up")
        return super().warm_up(count, settle)

    def run(self, windows: int, seconds: float, gap: float = 0.005) -> tuple[Timed, ...]:
        self._runs += 1
        if self._runs == 3:
            self._marker.high()
            self._meet("run")
        return super().run(windows, seconds, gap)

    def _meet(self, step: str) -> None:
        if step == self._step:
            raise self._error


@pytest.fixture
def captured(open_virtual: Callable, tmp_path: Path) -> Callable[[str, WorkloadError], Run]:
    def captured(step: str, error: WorkloadError) -> Run:
        found = open_virtual(memory=40_000)
        with found.bench as bench:
            work = Doomed(step, error, bench.clock, WireMarker(found.wire, bench.clock), 0.5)
            plan = Plan("synthetic", 2, windows=20, idle=0.2)
            capture(bench, work, plan, tmp_path / "r.h5", progress=Silence(), stop=Stop())
            assert not found.simulator.supply.output or step != "load"
        return open_run(tmp_path / "r.h5")

    return captured


ENDINGS = [
    (OutOfMemoryError("out of memory: take a smaller batch"), Outcome.OUT_OF_MEMORY),
    (WorkloadEndedError("the workload's process ended: killed by SIGSEGV"), Outcome.WORKLOAD_ENDED),
]


@pytest.mark.parametrize(("error", "outcome"), ENDINGS)
@pytest.mark.parametrize("step", ["load", "warm_up", "run"])
def test_is_in_the_file_with_all_that_was_recorded(
    captured: Callable[[str, WorkloadError], Run], step: str, error: WorkloadError, outcome: Outcome, tmp_path: Path
) -> None:
    run = captured(step, error)
    result = analyse(tmp_path / "r.h5")
    assert run.outcome is result.outcome is outcome
    assert str(error) in run.notes
    kinds = [it.kind for it in run.records]
    if step == "load":
        assert kinds == []
    else:
        assert kinds[0] is RecordKind.ZERO
        assert kinds[-1] is RecordKind.IDLE
    if step == "run":
        assert result.energy_per_image is not None
        assert result.power_idle is not None
        assert result.power_idle.value == pytest.approx(1.3, abs=0.6)  # the marker did not stay high
        assert run.logs["passes"].rows == len(run.windows)
    else:
        assert result.energy_per_image is None


def test_what_the_user_got_wrong_is_no_outcome(captured: Callable[[str, WorkloadError], Run], tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="batch 0"):
        captured("load", WorkloadError("batch 0: give 1 image or more"))
    assert not list(tmp_path.iterdir())
