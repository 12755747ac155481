"""A sweep on the bench of a bench file: one bench for all runs, one zero, the supply left as it was found."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from powerlab.cli import run
from powerlab.marker import WireMarker
from powerlab.study.table import Row, Status, read_rows
from powerlab.workload import Loaded, Task, WorkloadEndedError
from powerlab.workload.synthetic import SyntheticWorkload
from powerlab_traces.store import open_run


class Crashing(SyntheticWorkload):
    """Ends with one of the networks."""

    def load(self, task: Task) -> Loaded:
        if task.model == "enet" and task.batch == 2:
            raise WorkloadEndedError("the workload's process ended during 'load': killed by SIGKILL")
        return super().load(task)


@pytest.fixture
def swept(
    desk: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[object, tuple[Row, ...]]]:
    """Sweep over a desk's bench, whose windows take no time."""

    def go(
        *options: str, status: int = 0, prepare: Callable[[object], None] = lambda _: None
    ) -> tuple[object, tuple[Row, ...]]:
        it = desk()
        prepare(it)

        @contextmanager
        def workload(**_: object) -> Iterator[SyntheticWorkload]:
            wire = it.clock._wire
            yield Crashing(it.clock, WireMarker(wire, it.clock), 0.3, spread=0.02)

        monkeypatch.setattr("powerlab.study.places.WorkloadProcess", workload)
        asked = ["--models", "alexnet,enet", "--batches", "1,2", "--repeats", "1", "--bench", "bench.toml"]
        assert run(["sweep", *asked, "--out", "study", "--quiet", "--cooldown", "0", *options]) == status
        return it, read_rows(Path("study"))

    return go


def test_one_zero_serves_all_runs_and_the_board_is_off_again(swept) -> None:
    desk, rows = swept("--windows", "3", status=1)
    assert not desk.simulator.supply.output
    good = [row for row in rows if row.status is Status.DONE]
    assert len(good) == 3
    for row in good:
        assert open_run(Path("study") / row.run).chain.zeros or row.order == min(it.order for it in good)
        energy = row.values["energy_per_image"]
        assert energy.U95 / energy.value < 0.07  # without a zero it is twice that
        assert "no-zero" not in row.verdicts
    [ended] = [row for row in rows if row.status is Status.ENDED]
    assert (ended.model, ended.batch) == ("enet", 2)
    assert "killed by SIGKILL" in ended.reason


def test_a_bench_that_cannot_be_reached_is_one_line_and_no_failed_runs(
    swept, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows = swept(status=2, prepare=lambda it: it.edit("PRLGX-TCPIP500::127.0.0.1", "PRLGX-TCPIP500::127.0.0.9"))
    assert all(row.status is Status.PLANNED for row in rows)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("powerlab: ")
    assert "0 of 4 runs are there, and the same command goes on" in line


def test_a_board_that_is_on_stays_on(swept) -> None:
    desk, rows = swept("--windows", "2", status=1, prepare=lambda it: it.switch_on())
    assert desk.simulator.supply.output
    assert [row.status for row in rows].count(Status.DONE) == 3
