"""A program of somebody's own as the workload, in the workload's process."""

import json
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from powerlab.cli import run
from powerlab.marker import NoMarker
from powerlab.workload import Task, WorkloadEndedError, WorkloadError, command
from powerlab.workload.process import WorkloadProcess
from powerlab_traces.clock import HostClock
from powerlab_traces.run import Outcome
from powerlab_traces.store import open_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes and signals")

PROGRAM = """
import os, sys, time
batch, count = int(sys.argv[1]), int(sys.argv[2])
assert os.environ["POWERLAB_BATCH"] == str(batch)
print("hello", flush=True)
for _ in range(count):
    print("start", flush=True)
    print("working", flush=True)
    time.sleep(0.02 * batch)
    print("stop", flush=True)
    time.sleep(0.01)
"""
LATE = """
import time
late = False
while True:
    late = not late
    print("start", time.perf_counter_ns() - late * 5_000_000, flush=True)
    time.sleep(0.005 if late else 0.02)
    print("stop", time.perf_counter_ns(), flush=True)
    time.sleep(0.01)
"""
SELF_MARKING = """
import os, time
from powerlab.marker import open_marker
marker = open_marker(os.environ["POWERLAB_MARKER"])
while True:
    marker.high()
    time.sleep(0.05)
    marker.low()
    time.sleep(0.01)
"""


def is_alive(number: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[[str], WorkloadProcess]]:
    """Load a program with two images a batch; `{program}` stands for the one above."""
    (tmp_path / "my program.py").write_text(PROGRAM)
    with WorkloadProcess() as process:

        def load(command: str) -> WorkloadProcess:
            line = command.format(
                program=f"{shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / 'my program.py'))}"
            )
            process.load(Task("mine", 2, command=line))
            return process

        yield load


def test_its_batches_are_windows(load: Callable[[str], WorkloadProcess]) -> None:
    process = load("{program} {{batch}} 1000000")
    assert median(process.warm_up(5)) > 0.03
    windows = process.run(5, seconds=10.0)
    assert len(windows) == 5
    assert median(it.seconds for it in windows) > 0.03  # a busy machine hears of some too late
    assert all(later.start > earlier.stop for earlier, later in pairwise(windows))


def test_it_stands_still_while_nothing_is_measured(load: Callable[[str], WorkloadProcess]) -> None:
    process = load("{program} {{batch}} 16")
    assert len(process.warm_up(3)) == 3
    time.sleep(1.0)  # all sixteen would be over by then
    assert len(process.run(5, seconds=10.0)) == 5
    time.sleep(0.3)
    rest = process.run(100, seconds=10.0)  # it ends, and what it did until then counts
    assert 1 <= len(rest) <= 8
    with pytest.raises(WorkloadEndedError, match=r"the command .*my program.py.* 2 16. ended: exit status 0"):
        process.run(1, seconds=1.0)


def test_it_ends_with_its_watcher_however_that_ends(load: Callable[[str], WorkloadProcess], tmp_path: Path) -> None:
    """Stopped for good, it would hold its memory for ever."""
    noted = tmp_path / "its number"
    (tmp_path / "noting.py").write_text(f"open({str(noted)!r}, 'w').write(str(__import__('os').getpid())){PROGRAM}")
    process = load(f"{shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / 'noting.py'))} {{{{batch}}}} 1000000")
    process.warm_up(2)
    os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and is_alive(int(noted.read_text())):
        time.sleep(0.02)
    assert not is_alive(int(noted.read_text()))


def test_a_batch_that_is_heard_of_too_late_is_no_window(load: Callable[[str], WorkloadProcess], tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(LATE)
    process = load(f"{shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / 'late.py'))}")
    windows = process.run(3, seconds=10.0)
    assert len(windows) == 3
    assert all(it.seconds > 0.015 for it in windows)  # of 5 and 20 ms in turn, those of 5 ms claim to be older


def test_windows_that_do_not_fit_are_not_begun(load: Callable[[str], WorkloadProcess]) -> None:
    process = load("{program} {{batch}} 1000000")
    process.warm_up(3)
    assert 1 <= len(process.run(100, seconds=0.3)) <= 6


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no-such-program {{batch}}", "cannot be run"),
        ("{program} 'unbalanced", "cannot be run .it is no command line"),
        ("", "cannot be run .it is no command line"),
    ],
)
def test_what_cannot_be_run_is_one_line(load: Callable[[str], WorkloadProcess], line: str, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        load(line)


def test_one_that_says_nothing_is_told_what_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PATIENCE", 0.4)
    silent = command.Command(Task("sleep", 1, command="sleep 60"), "none", threading.Event())
    with silent.running(), pytest.raises(WorkloadError, match="has printed no line `start` for 0.4 s"):
        silent.window(NoMarker(HostClock()))
    silent.close()
    assert silent.ended


@pytest.mark.parametrize(
    "arguments",
    [
        ["capture"],
        ["capture", "--model", "vgg16", "--command", "x"],
        ["capture", "--model", "vgg16", "--windows-by", "marker"],
        ["capture", "--model", "vgg16", "--batch", "1,2", "-o", "r.h5"],
        ["capture", "--model", "vgg16", "--batch", "2,2"],
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_capture_of_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(PROGRAM)
    Path("marking.py").write_text(SELF_MARKING)
    python = shlex.quote(sys.executable)
    common = ["--idle", "0.3", "--json", "--settle"]
    lines = [
        "--command",
        f"{python} mine.py {{batch}} 25",
        "--batch",
        "2,3",
        "-o",
        "mine-{batch}.h5",
        "--windows",
        "99",
    ]
    assert run(["capture", *lines, *common, "0"]) == 1  # it ended before there were so many
    for found, batch in zip(capsys.readouterr().out.splitlines(), (2, 3), strict=True):
        result = json.loads(found)
        assert (result["batch"], result["outcome"]) == (batch, "workload ended")
        assert 10 <= result["windows"]["kept"] <= 22
        assert result["energy_per_image"]["value"] == pytest.approx(result["truth"]["energy_per_image"], rel=0.15)
    assert (
        run(["capture", "--command", f"{python} marking.py", "--windows-by", "marker", "-o", "m.h5", *common, "3"]) == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert result["windows"]["kept"] >= 10
    assert result["time_per_batch"]["value"] == pytest.approx(0.05, rel=0.5)
    assert result["power_idle"]["value"] < 3.0  # stopped, it leaves no simulated board at work
    assert open_run("m.h5").outcome is Outcome.COMPLETE
