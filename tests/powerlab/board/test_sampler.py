"""The process that watches: what it keeps of what it reads, and that it stays light."""

import os
import subprocess
import sys
import time

import pytest

from powerlab.board import sampler
from powerlab.board.memory import Proportional, Resident
from powerlab.board.nvidia import Gpus
from powerlab.board.sampler import COLUMNS, MemoryWatch, StateWatch
from powerlab.board.state import Source
from powerlab.board.watch import Watch
from powerlab_traces.log import Log


class Machine:
    """A machine, a process, its GPUs and a clock in one."""

    def __init__(self) -> None:
        self.time = 0
        self.in_use: int | None = 1000
        self.own: Resident | None = Resident(300, 100)
        self.shares = 0  # PSS readings
        self.took = 0.01  # s a PSS reading
        self.closed = False

    def perf_counter_ns(self) -> int:
        return self.time

    def used(self) -> int | None:
        return self.in_use

    def find(self) -> None:
        pass

    def resident(self) -> Resident | None:
        return self.own

    def proportional(self) -> Proportional:
        self.shares += 1
        self.time += int(self.took * 1e9)
        return Proportional(310, 210)

    def memory(self) -> int:
        return 77

    def close(self) -> None:
        self.closed = True

    def go_on(self, watch: MemoryWatch, seconds: float) -> None:
        for _ in range(round(seconds * 50)):
            self.time += 20_000_000
            watch.read()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(sampler, "time", machine)
    return machine


def rows(watch: MemoryWatch) -> list[dict[str, object]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in watch.taken()]


class TestMemoryWatch:
    def test_what_there_was_before_is_without_the_process(self, machine: Machine):
        [first] = rows(MemoryWatch(machine, machine, machine))
        assert (first["phase"], first["system"], first["rss"], first["device"]) == ("before", 1000 - 200, None, 77)

    def test_keeps_the_largest_of_each_quarter_of_a_second(self, machine: Machine):
        watch = MemoryWatch(machine, machine, machine)
        watch.enter("windows", None)
        machine.go_on(watch, 0.1)
        machine.in_use, machine.own = 5000, Resident(900, 100)
        machine.go_on(watch, 0.02)
        machine.in_use, machine.own = 1000, None
        machine.go_on(watch, 0.4)
        _, first, second, *_ = rows(watch)
        assert (first["system"], first["rss"], first["samples"]) == (5000, 900, 13)
        assert (second["system"], second["rss"], second["host_ns"]) == (
            1000,
            None,
            260_000_000,
        )
        assert rows(watch) == []

    def test_a_row_is_of_one_phase(self, machine: Machine):
        watch = MemoryWatch(machine, machine, machine)
        for phase in ("loading", "loaded", "warm-up"):
            watch.enter(phase, None)
            machine.go_on(watch, 0.04)
        found = rows(watch)
        assert [it["phase"] for it in found] == ["before", "loading", "loaded", "loaded", "warm-up"]
        assert [it["samples"] for it in found] == [1, 3, 0, 3, 3]

    def test_pss_is_read_when_nothing_is_timed_and_only_so_often(self, machine: Machine):
        watch = MemoryWatch(machine, machine, machine)
        watch.enter("loading", None)
        assert machine.shares == 0
        watch.enter("loaded", 500)
        assert machine.shares == 1
        watch.enter("windows", None)
        machine.go_on(watch, 0.5)
        watch.enter("between", 600)
        assert machine.shares == 1, "10 ms are 1 % of a second"
        machine.go_on(watch, 0.6)
        watch.enter("between", None)
        assert machine.shares == 2
        found = [(it["rss"], it["pss"], it["framework"]) for it in rows(watch) if it["samples"] == 0]
        assert found == [(310, 210, 500), (None, None, 600), (310, 210, None)]

    def test_another_process(self, machine: Machine):
        watch, other = MemoryWatch(machine, machine, machine), Machine()
        other.own = Resident(5, 1)
        watch.follow(other)
        watch.read()
        assert machine.closed
        assert rows(watch)[-1]["rss"] == 5

    def test_what_nobody_says_is_not_known(self, machine: Machine, monkeypatch: pytest.MonkeyPatch):
        machine.in_use, machine.own = None, None
        monkeypatch.setattr(machine, "memory", lambda: None)
        watch = MemoryWatch(machine, machine, machine)
        watch.read()
        assert [(it["system"], it["rss"], it["device"]) for it in rows(watch)] == [(None, None, None)] * 2


def test_the_state_is_read_once_more_when_it_is_taken(machine: Machine):
    watch = StateWatch((Source("cpu0_clock", "Hz", lambda: machine.time), Source("governor", "", lambda: "schedutil")))
    watch.read()
    machine.time = 5
    assert watch.taken() == [[0, 0, "schedutil"], [5, 5, "schedutil"]]
    machine.time = 9
    assert watch.taken() == [[9, 9, "schedutil"]]
    assert StateWatch(()).taken() == [], "a machine that says nothing has no rows"


class TestWatch:
    def test_watches_this_process(self):
        with Watch() as watch:
            watch.phase("loading")
            watch.phase("loaded", framework=12)
            time.sleep(0.1)
            watch.phase("windows")
            time.sleep(0.1)
            log = next(Log(**it) for it in watch.noted() if it["name"] == "memory")
            assert set(log.columns["phase"]) == {"before", "loading", "loaded", "windows"}
            assert list(log.columns["host_ns"]) == sorted(log.columns["host_ns"])
            assert max(it for it in log.columns["rss"] if it is not None) > 1e6
            assert [it for it in log.columns["framework"] if it is not None] == [12]
            time.sleep(0.1)
            again = next(Log(**it) for it in watch.noted() if it["name"] == "memory")
            assert min(again.columns["host_ns"]) > max(log.columns["host_ns"])
            pid = watch.pid
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    def test_follows_another_process(self):
        with Watch() as watch, subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
            watch.follow(other.pid)
            watch.phase("windows")
            log = next(Log(**it) for it in watch.noted() if it["name"] == "memory")
            assert other.stdin is not None
            other.stdin.close()
        assert log.columns["rss"][-1] is not None

    def test_one_that_ends_is_said_once_and_stops_nothing(self):
        with Watch() as watch:
            os.kill(watch.pid, 9)
            watch.phase("loaded")
            watch.follow(1)
            [ended] = [Log(**it) for it in watch.noted()]
            assert ended.name == "watch_ended"
            assert "ended, status -9" in str(ended.columns["why"][0])
            watch.phase("windows")
            assert watch.noted() == []

    def test_ends_with_the_process_that_it_watches(self):
        code = "from powerlab.board.watch import Watch; import os; print(Watch().pid, flush=True); os._exit(1)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        pid = int(done.stdout)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.02)
        else:
            pytest.fail("it goes on")
        assert done.stderr == ""

    def test_loads_nothing_heavy(self):
        heavy = "{'torch', 'numpy', 'h5py', 'click', 'pydantic'}"
        code = f"import sys, powerlab.board.sampler; print(*{heavy} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ""


def test_a_machine_without_gpus_has_no_device_memory(tmp_path):
    assert Gpus(tmp_path).memory() is None
