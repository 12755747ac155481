"""Workloads: the process of its own, its protocol, its ends; the pace; the synthetic one."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.marker import WireMarker, open_marker
from powerlab.workload import Loaded, OutOfMemoryError, Task, Timed, Workload, WorkloadEndedError, WorkloadError
from powerlab.workload.pace import Pace, settled, warm_up
from powerlab.workload.process import WorkloadProcess
from powerlab.workload.synthetic import SyntheticWorkload

NETS = """
import os, signal, sys, time
from torch import nn

print("a library says hello")
os.write(1, b"so does its C part, without a newline")

class Tiny(nn.Module):
    input_shape = (3, 16, 16)

    def __init__(self, act=lambda: None):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)
        self.act = act

    def forward(self, images):
        self.act()
        return self.layer(images)

def tiny():
    return Tiny()

def chatty():
    def talk():
        print("{}", flush=True)
        os.write(1, b"{}\\n")
        assert sys.stdin.read() == ""
    return Tiny(talk)

def slow():
    return Tiny(lambda: time.sleep(0.2))

def stuck():
    def stay():
        with open(os.environ.get("STUCK", os.devnull), "w"):
            pass
        time.sleep(60)
    return Tiny(stay)

def crashing():
    return Tiny(lambda: os.kill(os.getpid(), signal.SIGSEGV))

def wrong():
    def fail():
        raise ValueError("this network cannot count")
    return Tiny(fail)
"""


class VirtualClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += round(seconds * 1e9)


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Some networks in a folder with a space in its name, where only this process looks."""
    folder = tmp_path_factory.mktemp("my own nets")
    (folder / "workload_nets.py").write_text(NETS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture(scope="module")
def process(nets: Path) -> Iterator[WorkloadProcess]:
    """One process for all tests that leave it alive; each loads what it needs."""
    with WorkloadProcess() as process:
        yield process


class TestProcess:
    def test_says_what_it_loaded(self, process: WorkloadProcess):
        loaded = process.load(Task("workload_nets:tiny", 2, threads=1))
        assert loaded.input_shape == (2, 3, 16, 16)
        assert (loaded.parameters, loaded.threads) == (3 * 4 * 9 + 4, 1)
        assert loaded.framework.startswith("torch ")
        assert (loaded.model, loaded.batch) == ("workload_nets:tiny", 2)

    def test_computes_as_it_is_told(self, process: WorkloadProcess):
        task = Task(
            "workload_nets:tiny", 2, dtype="bf16", device="cpu", input_shape=(3, 8, 8), channels_last=True, copies=True
        )
        assert process.load(task).input_shape == (2, 3, 8, 8)
        timed = process.run(2, seconds=10.0)
        assert len(timed) == 2
        for it in timed:
            assert it.forward is not None
            assert 0 < it.forward < it.seconds
            assert (it.copy_in, it.copy_out, it.device) == (None, None, None)  # the processor has no memory of its own

    def test_warms_up(self, process: WorkloadProcess):
        process.load(Task("workload_nets:slow", 1))
        seconds = process.warm_up(2)
        assert len(seconds) == 2
        assert all(0.2 <= each < 5 for each in seconds)

    def test_times_windows_on_the_clock_of_this_process(self, process: WorkloadProcess):
        process.load(Task("workload_nets:tiny", 1))
        process.warm_up(2)
        before = time.perf_counter_ns()
        windows = process.run(5, seconds=10.0, gap=0.02)
        after = time.perf_counter_ns()
        assert len(windows) == 5
        edges = [before, *(edge for window in windows for edge in window[:2]), after]
        assert edges == sorted(set(edges))
        assert all(later[0] - earlier[1] >= 20e6 for earlier, later in pairwise(windows))

    def test_stops_when_the_next_window_would_not_fit(self, process: WorkloadProcess):
        process.load(Task("workload_nets:slow", 1))
        process.warm_up(2)
        started = time.perf_counter()
        windows = process.run(100, seconds=0.8)
        assert 1 <= len(windows) <= 3
        assert time.perf_counter() - started < 2
        assert process.run(100, seconds=0.1) == ()

    def test_prints_of_libraries_do_not_reach_the_protocol(self, process: WorkloadProcess):
        process.load(Task("workload_nets:chatty", 1))
        assert len(process.warm_up(3)) == 3
        assert len(process.run(2, seconds=10.0)) == 2

    def test_ignores_ctrl_c(self, process: WorkloadProcess):
        process.load(Task("workload_nets:slow", 1))
        threading.Timer(0.1, os.kill, (process.pid, signal.SIGINT)).start()
        assert len(process.run(2, seconds=10.0)) == 2

    def test_an_answer_nobody_waited_for_is_not_taken_for_the_next(self, process: WorkloadProcess):
        process.load(Task("workload_nets:slow", 1))
        main = threading.main_thread().ident
        assert main is not None
        interrupt = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the timer may be early
            interrupt.start()
            process.run(15, seconds=60.0)
        assert len(process.warm_up(1)) == 1

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"model": "vgg17", "batch": 1}, "did you mean vgg16"),
            ({"model": "workload_nets:absent", "batch": 1}, "workload_nets has no absent"),
            ({"model": "workload_nets:tiny", "batch": 0}, "batch 0: give 1 image or more"),
            ({"model": "workload_nets:tiny", "batch": 1, "seed": -1}, r"seed -1: give 0 to 2\*\*63 - 1"),
            ({"model": "workload_nets:tiny", "batch": 1, "threads": 0}, "threads 0: give 1 or more"),
            ({"model": "workload_nets:tiny", "batch": 1, "dtype": "int8"}, "dtype 'int8': give fp32, fp16, bf16"),
            ({"model": "workload_nets:tiny", "batch": 1, "device": "tpu"}, "device 'tpu': give auto, cpu"),
            ({"model": "workload_nets:tiny", "batch": 1, "device": "cuda:99"}, "there is no GPU cuda:99 here"),
            ({"model": "workload_nets:tiny", "batch": 1, "weights": Path("no where.pt")}, "no such file"),
        ],
    )
    def test_mistakes_are_one_line_and_can_be_put_right(
        self, process: WorkloadProcess, arguments: dict[str, object], message: str
    ):
        with pytest.raises(WorkloadError, match=message) as caught:
            process.load(Task(**arguments))
        assert "\n" not in str(caught.value)
        with pytest.raises(WorkloadError, match="no network is loaded"):
            process.run(1, seconds=1.0)
        process.load(Task("workload_nets:tiny", 1))

    def test_a_batch_too_large_for_the_memory_is_told_apart(self, process: WorkloadProcess):
        with pytest.raises(OutOfMemoryError, match=r"out of memory: .*batch 1000000000000, on .*smaller batch"):
            process.load(Task("workload_nets:tiny", 10**12))
        process.load(Task("workload_nets:tiny", 1))
        assert len(process.warm_up(1)) == 1


class TestEnds:
    def test_killed_while_it_runs(self, nets: Path):
        with WorkloadProcess() as process:
            process.load(Task("workload_nets:slow", 1))
            threading.Timer(0.3, os.kill, (process.pid, signal.SIGKILL)).start()
            with pytest.raises(WorkloadEndedError, match=r"ended during 'run': killed by SIGKILL .*memory"):
                process.run(100, seconds=60.0)
            with pytest.raises(WorkloadError, match="closed"):
                process.warm_up(1)

    def test_crashes(self, nets: Path):
        with WorkloadProcess() as process:
            process.load(Task("workload_nets:crashing", 1))
            with pytest.raises(WorkloadError, match="ended during 'warmup': killed by SIGSEGV"):
                process.warm_up(1)

    def test_fails_in_a_way_nobody_foresaw(self, nets: Path):
        with WorkloadProcess() as process:
            process.load(Task("workload_nets:wrong", 1))
            message = "exit status 1; its last line: ValueError: this network cannot count"
            with pytest.raises(WorkloadError, match=message):
                process.warm_up(1)

    def test_stays_silent(self, nets: Path):
        with WorkloadProcess(grace=0.2) as process:
            process.load(Task("workload_nets:stuck", 1))
            process._timeout = 0.2
            with pytest.raises(WorkloadEndedError, match=r"did not answer 'run' within 0.2 s"):
                process.run(1, seconds=0.1)
            assert process._process.returncode == -signal.SIGKILL

    def test_closing_ends_it_and_may_be_repeated(self, nets: Path):
        process = WorkloadProcess(grace=60.0)
        process.load(Task("workload_nets:tiny", 1))
        process.close()
        process.close()
        assert process._process.returncode == 0

    def test_closing_does_not_wait_for_ever(self, nets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("STUCK", str(tmp_path / "stuck"))
        process = WorkloadProcess(grace=0.2)
        process.load(Task("workload_nets:stuck", 1))
        process._requests.write(b'{"request": "warmup", "count": 1, "settle": 0}\n')
        process._requests.flush()
        while not (tmp_path / "stuck").exists():
            time.sleep(0.01)
        process.close()
        assert process._process.returncode == -signal.SIGKILL


class Child:
    """The process without its parent's side, spoken to by hand."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "powerlab.workload.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
        )

    def ask(self, **request: object) -> None:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, object]:
        return json.loads(self.process.stdout.readline())


class TestProtocol:
    def test_greets_answers_and_quits(self, nets: Path):
        child = Child()
        with child.process:
            child.ask(id="a", request="dance")
            child.ask(id=2, request="quit")
            assert child.hear() == {"protocol": "powerlab.workload/2"}
            answer = child.hear()
            assert (answer["id"], answer["kind"]) == ("a", "other")
            assert "unknown request 'dance'" in str(answer["error"])
            assert child.hear() == {"id": 2, "answer": None}
            assert child.process.wait(30) == 0

    @pytest.mark.parametrize(
        ("end", "status"),
        [
            (lambda process: process.stdin.close(), 0),
            (lambda process: process.terminate(), 128 + signal.SIGTERM),
        ],
        ids=["its parent goes", "it is terminated"],
    )
    def test_leaves_the_marker_low_when(self, nets: Path, end: Callable[[subprocess.Popen[str]], None], status: int):
        child = Child()
        with child.process, socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(30)
            child.hear()
            address = f"wire:127.0.0.1:{server.getsockname()[1]}"
            child.ask(request="load", task=Task("workload_nets:slow", 1, threads=1).said(), marker=address)
            with server.accept()[0] as wire, wire.makefile() as edges:
                child.hear()
                child.ask(request="run", windows=1000, seconds=600.0, gap=0.0)
                while (edge := edges.readline()).startswith("L "):  # loading tries the marker, low all the time
                    pass
                assert edge.startswith("H ")
                end(child.process)
                assert child.process.wait(30) == status
                heard = [line.split()[0] for line in edges]
            assert heard[0] == heard[-1] == "L"
            assert len(heard) < 10


class TestPace:
    @given(
        durations=st.lists(st.floats(0.001, 0.5), min_size=1, max_size=8),
        seconds=st.floats(0.0, 3.0),
        gap=st.floats(0.0, 0.1),
    )
    def test_windows_end_in_time_when_none_is_longer_than_the_warm_up(
        self, durations: list[float], seconds: float, gap: float
    ):
        clock, pace = VirtualClock(), Pace()
        pace.warmed_up([max(durations)])
        upcoming = iter(durations)

        def window() -> Timed:
            start = clock.now()
            clock.sleep(next(upcoming))
            return Timed(start, clock.now())

        timed = pace.run(window, clock, windows=len(durations), seconds=seconds, gap=gap)
        assert clock.now() * 1e-9 <= seconds + 1e-6
        assert all(later[0] - earlier[1] == round(gap * 1e9) for earlier, later in pairwise(timed))
        if seconds < max(durations):
            assert timed == []
        if len(timed) < len(durations):
            assert clock.now() * 1e-9 + gap + 1.1 * max(durations) > seconds

    def test_a_cold_first_pass_is_left_out(self):
        pace = Pace()
        pace.warmed_up([9.0, 0.1, 0.1])
        assert pace.expected == pytest.approx(0.11)

    def test_a_single_pass_is_all_there_is(self):
        pace = Pace()
        pace.warmed_up([9.0])
        assert pace.expected == pytest.approx(9.9)

    def test_a_warm_up_goes_on_until_it_has_settled(self):
        clock = VirtualClock()

        def one() -> float:
            before = clock.now()
            clock.sleep(next(upcoming))
            return (clock.now() - before) * 1e-9

        falling = [0.5, 0.3, 0.2, *[0.1] * 99]
        upcoming = iter(falling)
        found = warm_up(one, clock, count=2, settle=60.0)
        assert found == pytest.approx(falling[: 3 + 10])
        assert settled(found)
        upcoming = iter([0.1, 0.2] * 99)
        assert len(warm_up(one, clock, count=2, settle=3.0)) == 20  # never alike: as long as it may
        upcoming = iter([0.1] * 99)
        assert len(warm_up(one, clock, count=25, settle=60.0)) == 25
        assert warm_up(one, clock, count=0, settle=0.0) == []

    def test_stops_when_told(self):
        clock = VirtualClock()
        timed = Pace().run(
            lambda: Timed(0, 1), clock, windows=5, seconds=1.0, gap=0.1, goes_on=lambda: clock.now() < 3e8
        )
        assert len(timed) == 3


class TestSynthetic:
    def workload(self, **settings: float) -> tuple[SyntheticWorkload, VirtualClock]:
        clock = VirtualClock()
        return SyntheticWorkload(clock, open_marker("none", clock), 0.3, **settings), clock

    def test_is_a_workload_like_the_other(self):
        workload: Workload = self.workload()[0]
        loaded = workload.load(Task("anything", 4))
        assert isinstance(loaded, Loaded)
        assert loaded.batch == 4
        assert workload.warm_up(2) == pytest.approx((0.3, 0.3))
        workload.close()

    def test_fills_the_time_it_is_given(self):
        workload, clock = self.workload()
        workload.warm_up(1)
        begun = clock.now()
        windows = workload.run(100, seconds=2.0, gap=0.1)
        first = [(start - begun, stop - begun) for start, stop, *_ in windows[:2]]
        assert first == [(0, 300_000_000), (400_000_000, 700_000_000)]
        assert len(windows) == 5  # a sixth would begin at 2.0 s
        assert workload.run(1, seconds=0.2) == ()

    def test_the_marker_is_high_in_windows_only(self):
        class Wire:
            def __init__(self) -> None:
                self.edges: list[int] = []
                self.high = self.low = self.edges.append

            def close(self) -> None:
                pass

        clock, wire = VirtualClock(), Wire()
        workload = SyntheticWorkload(clock, WireMarker(wire, clock), 0.3)
        workload.warm_up(2)
        windows = workload.run(3, seconds=60.0)
        workload.close()
        assert wire.edges == [*(edge for window in windows for edge in window[:2]), clock.now()]

    def test_durations_vary_as_the_seed_says(self):
        def durations(seed: int) -> list[int]:
            workload, _ = self.workload(spread=0.1, seed=seed)
            return [stop - start for start, stop, *_ in workload.run(20, seconds=60.0)]

        assert durations(1) == durations(1) != durations(2)
        assert 0.27e9 <= min(durations(1)) < max(durations(1)) <= 0.33e9

    def test_a_batch_needs_an_image(self):
        with pytest.raises(WorkloadError, match="batch 0"):
            self.workload()[0].load(Task("anything", 0))

    def test_a_batch_takes_time(self):
        with pytest.raises(ValueError, match="takes no time"):
            SyntheticWorkload(VirtualClock(), open_marker("none"), 0.0)
