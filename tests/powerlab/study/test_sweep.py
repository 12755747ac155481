"""Sweeps over simulated boards: every run once, whatever becomes of the sweep in between."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from powerlab.analysing import analyse
from powerlab.bench import Bench
from powerlab.capture import Stop, capture
from powerlab.cli import run
from powerlab.progress import Silence
from powerlab.study.devicemodel import TX1
from powerlab.study.folder import StudyFolder, existing_plan, opened
from powerlab.study.places import place_of
from powerlab.study.plan import PlannedRun, StudyPlan
from powerlab.study.planning import new_plan
from powerlab.study.sweep import sweep
from powerlab.study.table import Row, Status, StudyError, read_rows
from powerlab.workload import WorkloadError
from powerlab_analysis.quantity import Quantity
from powerlab_instruments.errors import NoAnswer
from powerlab_traces.errors import PowerlabError, TraceError

SMALL = ("--models", "alexnet,enet", "--batches", "1,16", "--repeats", "1", "--board", "tx1", "--windows", "3")


def small_plan(**given: object) -> StudyPlan:
    asked = {"models": "alexnet,enet", "batches": (1, 2), "repeats": 1, "board": "tx1", "windows": 2} | given
    return new_plan(asked, task={})


def done(folder: Path) -> set[tuple[str, int, int]]:
    return {(it.model, it.batch, it.repeat) for it in read_rows(folder) if it.status is Status.DONE}


def test_a_small_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "study"
    assert run(["sweep", *SMALL, "--out", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "SIMULATED" in said
    assert "4 done; the table is" in said
    rows = read_rows(folder)
    assert [it.order for it in rows] == [1, 2, 3, 4]
    assert all(it.simulated and it.board == "tx1, SIMULATED" for it in rows)
    for row in rows:
        truth, device = analyse(folder / row.run).truth, TX1.batch(row.model, row.batch)
        assert truth is not None
        assert row.windows == 3
        for name, true in {
            "time_per_batch": device.seconds,
            "power_net": device.watts,
            "power_idle": TX1.idle_power,
            "power_total": truth.power,
            "energy_per_image": truth.energy_per_image,
        }.items():
            # What batches scatter by of themselves is in the mean of three of them, too.
            value = row.values[name]
            assert abs(value.value - true) < value.U95 + 0.004 * true, (row, name)
        assert truth.power - TX1.idle_power == pytest.approx(device.watts, rel=0.01)
        assert row.memory_static_bytes == pytest.approx(device.static)
        assert row.memory_peak_bytes == pytest.approx(device.memory)
    assert run(["sweep", "--out", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == {"done": 4}
    assert found["simulated"] is True


def test_runs_come_out_the_same_whenever_they_are_measured(tmp_path: Path) -> None:
    values = []
    plan = small_plan(batches=(1,))
    for jobs in (1, 2):
        with opened(tmp_path / str(jobs), plan) as study:
            sweep(study, jobs=jobs, retry=False, progress=Silence(), stop=Stop())
        values.append([row.values for row in read_rows(tmp_path / str(jobs))])
    assert values[0] == values[1]


def test_the_plan_knows_how_long_a_run_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    took: list[float] = []

    def timed(bench: Bench, *arguments: object, **options: object) -> Path:
        began = bench.clock.now()
        path = capture(bench, *arguments, **options)
        took.append((bench.clock.now() - began) * 1e-9)
        return path

    monkeypatch.setattr("powerlab.study.places.capture", timed)
    plan = small_plan(models="vgg16", batches=(16,))
    place_of(plan).measure(plan.runs[0], tmp_path / "run.h5", progress=Silence(), stop=Stop())
    assert plan.seconds == pytest.approx(took[0], rel=0.03)


def test_repeats_differ(tmp_path: Path) -> None:
    plan = small_plan(models="alexnet", batches=(1,), repeats=2)
    one, two = (row.values["energy_per_image"].value for row in measure(plan, tmp_path).values())
    assert one != two
    assert one == pytest.approx(two, rel=0.03)


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "study"
    assert run(["sweep", *SMALL, "--out", str(folder), "--dry-run"]) == 0
    assert "4: 2 networks x 2 batches x 1 repeats, in random order (seed 0)" in capsys.readouterr().out
    assert run(["sweep", *SMALL, "--out", str(folder), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "powerlab.plan/1"
    assert not folder.exists()


def test_another_plan_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(tmp_path, small_plan()):
        pass
    assert run(["sweep", "--out", str(tmp_path), "--models", "enet"]) == 2
    assert run(["sweep", "--out", str(tmp_path / "empty")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "--models was alexnet,enet and is enet; go on with it by --out" in first
    assert "give --models and --batches" in second
    assert not (tmp_path / "empty").exists()


def test_one_sweep_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path, small_plan()), pytest.raises(StudyError, match="another sweep works on"):
        StudyFolder(tmp_path, small_plan())


def test_out_of_memory_is_recorded_and_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--models", "vgg19,enet", "--batches", "64", "--repeats", "1", "--board", "tx1", "--windows", "2"]
    assert run(["sweep", *asked, "--out", str(tmp_path)]) == 0
    assert "vgg19" in capsys.readouterr().out
    rows = {it.model: it for it in read_rows(tmp_path)}
    assert rows["enet"].status is Status.DONE
    assert rows["vgg19"].status is Status.OUT_OF_MEMORY
    assert "needs 8237 MB, and the simulated board tx1 has 3200 MB left" in rows["vgg19"].reason
    assert not rows["vgg19"].values


def measure(plan: StudyPlan, folder: Path, *, retry: bool = False) -> Mapping[int, Row]:
    with opened(folder, plan) as study:
        sweep(study, jobs=2, retry=retry, progress=Silence(), stop=Stop())
        return dict(study.rows)


def test_planted_power_is_what_is_measured(tmp_path: Path) -> None:
    device = replace(TX1, full_power=15.0, power_spread=0.0, power_per_doubling=0.05, waiting_share=1.0)
    plan = new_plan(
        {"models": "enet", "batches": (1, 16), "repeats": 1, "board": "tx1", "windows": 2}, task={}, device=device
    )
    rows = {it.batch: it for it in measure(plan, tmp_path).values()}
    for batch, watts in ((1, 15.0), (16, 18.0)):
        measured = rows[batch].values["power_net"]
        assert abs(measured.value - watts) < measured.U95
        assert "clip" not in rows[batch].verdicts


class Stage:
    """A place where runs do as a test says: what it says of a run is raised, else the run leaves an empty file."""

    def __init__(self, fails: Callable[[PlannedRun], PowerlabError | None]) -> None:
        self.fails = fails
        self.tried: list[PlannedRun] = []
        self.closed = False

    def ready(self) -> None:
        """Nothing."""

    def measure(self, run: PlannedRun, path: Path, **_: object) -> None:
        self.tried.append(run)
        if (error := self.fails(run)) is not None:
            raise error
        path.touch()

    def close(self) -> None:
        self.closed = True


def row_of_an_empty_file(_plan: StudyPlan, run: PlannedRun, _folder: Path) -> Row:
    values = {"energy_per_image": Quantity(1.0, 0.1, "J")}
    return Row(run.order, run.model, run.batch, run.repeat, Status.DONE, run=run.file, values=values)


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Stage, Mapping[int, Row]]]:
    """Sweep over a stage."""
    plan = new_plan({"models": "alexnet,enet", "batches": (1, 2, 4), "repeats": 1}, task={})
    monkeypatch.setattr("powerlab.study.sweep.row_of", row_of_an_empty_file)
    monkeypatch.setattr(StudyFolder, "finished", lambda study, run: study.file(run).exists())

    def go(
        fails: Callable[[PlannedRun], PowerlabError | None], *, retry: bool = False
    ) -> tuple[Stage, Mapping[int, Row]]:
        stage = Stage(fails)
        monkeypatch.setattr("powerlab.study.sweep.place_of", lambda _: stage)
        with opened(tmp_path, plan) as study:
            sweep(study, jobs=1, retry=retry, progress=Silence(), stop=Stop())
            return stage, dict(study.rows)

    return go


def test_a_point_that_fails_is_recorded_and_the_sweep_goes_on(staged, tmp_path: Path) -> None:
    stage, rows = staged(lambda run: WorkloadError(f"{run}: no") if run.batch == 2 else None)
    assert len(stage.tried) == 6
    assert stage.closed
    failed = [row for row in rows.values() if row.status is Status.FAILED]
    assert {(row.model, row.batch) for row in failed} == {("alexnet", 2), ("enet", 2)}
    assert all(row.reason == f"{row.model} batch 2, repeat 1: no" for row in failed)
    assert read_rows(tmp_path) == tuple(rows.values())


def test_an_instrument_that_fails_once_ends_nothing(staged) -> None:
    stage, rows = staged(lambda run: NoAnswer("SUPPLY", "*IDN?", "gone") if run.order == 3 else None)
    assert len(stage.tried) == 6
    assert [row.status for row in rows.values()].count(Status.FAILED) == 1


@pytest.mark.parametrize(
    "error",
    [
        NoAnswer("SUPPLY", "*IDN?", "gone"),
        WorkloadError("device cuda: there is none"),
        TraceError("the disk is full"),
    ],
)
def test_what_hits_every_run_ends_the_sweep_and_leaves_the_runs_to_be_measured(
    staged, tmp_path: Path, error: PowerlabError
) -> None:
    with pytest.raises(type(error)):
        staged(lambda _: error)
    rows = read_rows(tmp_path)
    recorded = [row for row in rows if row.status is not Status.PLANNED]
    # The same error of one network may be that network's: what was recorded of it before another had it, too, stays.
    assert len({row.model for row in recorded}) <= 1
    assert len(recorded) <= 2
    stage, rows = staged(lambda _: None, retry=True)
    assert stage.closed
    assert all(row.status is Status.DONE for row in rows.values())


def test_retry_measures_what_failed_and_nothing_else(staged) -> None:
    staged(lambda run: WorkloadError(f"{run}: no") if run.batch == 2 else None)
    nothing, _ = staged(lambda _: None)
    assert nothing.tried == []
    again, rows = staged(lambda _: None, retry=True)
    assert {run.batch for run in again.tried} == {2}
    assert all(row.status is Status.DONE for row in rows.values())


def test_a_stop_ends_it_after_the_run_in_flight(tmp_path: Path) -> None:
    stop = Stop()

    class Watching(Silence):
        def done(self, share: float) -> None:
            stop.asked |= share > 0

    plan = small_plan()
    with opened(tmp_path, plan) as study:
        sweep(study, jobs=1, retry=False, progress=Watching(), stop=stop)
    assert 0 < len(done(tmp_path)) < 4
    measure(plan, tmp_path)
    assert len(done(tmp_path)) == 4


COMMAND = [sys.executable, "-m", "powerlab", "sweep"]


def seen(folder: Path) -> frozenset[str]:
    return frozenset(it.name for it in folder.rglob("*"))


def kill_after(changes: int, pause: float, sweeping: subprocess.Popen[str], folder: Path) -> None:
    """Kill it when files have come or gone so many times, or let it end before."""
    before = seen(folder)
    while changes and sweeping.poll() is None:
        time.sleep(0.01)
        if (now := seen(folder)) != before:
            before, changes = now, changes - 1
    time.sleep(pause)
    sweeping.kill()


def test_killed_at_any_time_it_goes_on_and_measures_nothing_twice(tmp_path: Path) -> None:
    folder, draw = tmp_path / "study", random.Random(3)
    stamps: dict[str, int] = {}
    for kill in (True, True, True, False):
        sweeping = subprocess.Popen([*COMMAND, *SMALL, "--out", folder, "--quiet"], stderr=subprocess.PIPE, text=True)
        if kill:
            kill_after(draw.randint(3, 8), draw.uniform(0.0, 0.2), sweeping, folder)
        said = sweeping.communicate()[1]
        assert said == ""
        for row in read_rows(folder) if (folder / "results.csv").exists() else ():
            if row.status is Status.DONE:
                written = (folder / row.run).stat().st_mtime_ns
                assert stamps.setdefault(row.run, written) == written
    assert sweeping.returncode == 0
    assert done(folder) == {(model, batch, 1) for model in ("alexnet", "enet") for batch in (1, 16)}
    assert all(analyse(folder / row.run).energy_per_image for row in read_rows(folder))


def test_a_run_that_was_cut_off_is_set_aside_and_measured_anew(tmp_path: Path) -> None:
    plan = small_plan(models="alexnet", batches=(64,), windows=40)
    with opened(tmp_path, plan):
        pass
    path = tmp_path / plan.runs[0].file
    worker = subprocess.Popen(
        [sys.executable, "-m", "powerlab.study.worker", tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    worker.stdin.write(b"1\n")
    worker.stdin.flush()
    journal = path.with_name(path.name + ".journal")
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.stat().st_size > 500_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    assert journal.exists()
    rows = measure(plan, tmp_path)
    assert rows[1].status is Status.DONE
    assert rows[1].windows == 40
    aside = [*(tmp_path / "runs/set-aside").iterdir()]
    assert [it.name for it in aside] == [path.name]
    assert analyse(aside[0]).outcome.value == "cut off"


def test_a_row_that_was_not_written_is_made_of_the_run_file(tmp_path: Path) -> None:
    plan = small_plan(batches=(1,))
    measure(plan, tmp_path)
    before = (tmp_path / "results.csv").read_bytes()
    (tmp_path / "results.csv").unlink()
    files = {it: it.stat().st_mtime_ns for it in (tmp_path / "runs").iterdir()}
    measure(existing_plan(tmp_path), tmp_path)
    assert (tmp_path / "results.csv").read_bytes() == before
    assert {it: it.stat().st_mtime_ns for it in (tmp_path / "runs").iterdir()} == files
