"""Memory and board's state of a run: from the workload's process into the file, the result and `powerlab show`."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import powerlab as pl
from powerlab.capture import Plan, Stop, capture
from powerlab.cli import run
from powerlab.marker import WireMarker
from powerlab.progress import Silence
from powerlab.workload import OutOfMemoryError, Task
from powerlab.workload.process import WorkloadProcess
from powerlab.workload.remote import RemoteWorkload
from powerlab.workload.synthetic import SyntheticWorkload
from powerlab_analysis.memory import Use, memory_of
from powerlab_traces.log import Log

NETS = """
import time
import torch
from torch import nn

class Greedy(nn.Module):
    '''32 MB of weights; each image takes 16 MB while it is looked at.'''
    input_shape = (4,)

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.ones(8 << 20))

    def forward(self, images):
        held = torch.ones(len(images), 4 << 20)
        time.sleep(0.05)  # some readings fall into it, however busy the machine is
        return held.sum() + images

def greedy():
    return Greedy()
"""
MEGA = 1_000_000


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkloadProcess:
    (tmp_path / "watched_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return WorkloadProcess()


def joined(parts: list[tuple[Log, ...]]) -> dict[str, Log]:
    found: dict[str, Log] = {}
    for log in (log for part in parts for log in part):
        found[log.name] = found[log.name].then(log) if log.name in found else log
    return found


def test_static_and_per_image_are_told_apart(process: WorkloadProcess):
    with process:
        process.load(Task("watched_nets:greedy", 8, device="cpu", input_shape=(4,)))
        parts = [process.noted()]
        process.warm_up(1)
        process.run(20, seconds=20.0, gap=0.02)  # at 60 readings a second some are taken while a pass has its memory
        parts.append(process.noted())
    logs = joined(parts)
    assert set(logs["memory"].columns["phase"]) == {"before", "loading", "loaded", "warm-up", "windows", "between"}
    found = memory_of(logs, 8)
    assert found is not None
    assert found.framework is None, "torch does not count on a processor"
    use = found.process
    assert use is not None
    assert use.static is not None
    assert use.per_image is not None
    assert use.static > 32 * MEGA
    assert 8 * MEGA < use.per_image < 24 * MEGA


def test_of_a_program_its_own_memory_counts(process: WorkloadProcess, tmp_path: Path):
    (tmp_path / "program.py").write_text(
        "import time\nheld = bytearray(64 << 20)\n"
        "while True:\n    print('start', flush=True)\n    time.sleep(0.05)\n    print('stop', flush=True)\n"
    )
    with process:
        process.load(
            Task("mine", 1, command=f"{shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / 'program.py'))}")
        )
        process.warm_up(1)
        process.run(3, seconds=20.0)
        found = memory_of(joined([process.noted()]), 1)
    assert found is not None
    assert found.process is not None
    assert found.process.peak == pytest.approx(64 << 20, abs=30 * MEGA)
    assert (found.process.static, found.process.per_image) == (None, None), "nobody knows when it has loaded"


def test_what_was_seen_before_the_memory_ran_out_is_kept(process: WorkloadProcess):
    with process:
        with pytest.raises(OutOfMemoryError):
            process.load(Task("watched_nets:greedy", 10**14, device="cpu", input_shape=(4,)))
        logs = joined([process.noted()])
    assert logs["memory"].columns["phase"][-1] == "between"


class Watched(SyntheticWorkload):
    """Notes at each question what a board might have said since."""

    asked = 0

    def noted(self) -> tuple[Log, ...]:
        now, phase = self._clock.now(), "windows" if self.asked else "loaded"
        self.asked += 1
        rows = [] if self.asked > 1 else [(now - 2, "before", 1, 1e9, None, None)]
        rows.append((now - 1, "loaded", 0, None, 300 * MEGA, 250 * MEGA))
        rows.append(
            (now, phase, 15, 1.5e9 + (phase == "windows") * 4e7, 300 * MEGA + (phase == "windows") * 6 * MEGA, None)
        )
        columns = dict(
            zip(
                ("host_ns", "phase", "samples", "system", "rss", "pss"), map(list, zip(*rows, strict=True)), strict=True
            )
        )
        memory = columns | dict.fromkeys(("framework", "device"), [None] * len(rows))
        units = {"host_ns": "ns", **dict.fromkeys(("system", "rss", "pss", "framework", "device"), "B")}
        state = {"host_ns": [now], "cpu0_clock": [1.5e9], "governor": ["schedutil"], "gpu_temperature": [None]}
        return Log("memory", memory, units), Log("board_state", state, {"host_ns": "ns", "cpu0_clock": "Hz"})


def test_in_file_result_and_show(open_virtual: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    here, path = open_virtual(), tmp_path / "run.h5"
    workload = Watched(here.bench.clock, WireMarker(here.wire, here.bench.clock), 0.3)
    capture(here.bench, workload, Plan("synthetic", 2, windows=6), path, progress=Silence(), stop=Stop())
    memory = pl.analyse(path).memory
    assert memory is not None
    assert memory.system == Use(1e9, 5e8, 5.4e8, 2e7)
    assert memory.process == Use(0, 250 * MEGA, 256 * MEGA, 3 * MEGA)
    assert (memory.framework, memory.device) == (None, None)
    assert run(["show", str(path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "memory of the process static 250 MB, per image 3 MB, peak 256 MB" in shown
    assert "memory of the framework" not in shown
    assert "board cpu0 clock 1500 MHz" in shown
    assert "board governor schedutil" in shown
    assert "board gpu temperature not known" in shown
    assert run(["analyse", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["memory"]
    assert said["process"] == {"baseline": 0, "static": 250e6, "peak": 256e6, "per_image": 3e6}
    assert said["framework"] is None


def test_a_run_that_nobody_watched(open_virtual: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = open_virtual().capture(tmp_path / "run.h5", windows=3)
    assert pl.analyse(path).memory is None
    assert run(["analyse", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["memory"] is None


class Process:
    """A process on a board whose clock is 10 s behind this machine's and runs 100 ppm fast."""

    def __init__(self) -> None:
        self.time = 0  # of this machine

    def now(self) -> int:
        self.time += 1_000
        return self.shown(self.time)

    def noted(self) -> tuple[Log, ...]:
        return (Log("memory", {"host_ns": [self.shown(5_000_000_000)], "rss": [7]}),)

    @staticmethod
    def shown(time: int) -> int:
        return time + time // 10_000 - 10_000_000_000


class Board(RemoteWorkload):
    def __init__(self, process: Process) -> None:
        self.process, self._clock = process, Here(process)
        self._ties, self._noted, self._steady, self._tells_times = [], 0, None, False


class Here:
    """This machine's clock."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def now(self) -> int:
        self.process.time += 1_000
        return self.process.time

    def sleep(self, seconds: float) -> None:
        self.process.time += round(seconds * 1e9)


def test_times_of_a_board_become_times_of_this_machine():
    process = Process()
    board = Board(process)
    for _ in range(3):
        board._clock.sleep(2.0)
        board.tie()
    memory, _ties = board.noted()
    assert memory.columns["rss"] == [7]
    assert memory.columns["host_ns"][0] == pytest.approx(5e9, abs=5e3)
