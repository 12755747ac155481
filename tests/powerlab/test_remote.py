"""The workload on a board: over a real sshd where there is one, and over a command in ssh's place everywhere."""

import json
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysing import analyse
from powerlab.benchfile import BenchFile, BenchFileError
from powerlab.cli import run
from powerlab.simulation import SimulatorProcess, bench_text
from powerlab.workload import Task, Timed, WorkloadEndedError, WorkloadError
from powerlab.workload.process import WorkloadProcess
from powerlab.workload.remote import RemoteWorkload
from powerlab.workload.ssh import Board
from powerlab_traces.clock import HostClock
from powerlab_traces.clocktie import DRIFT_LIMIT, ClockTie, Interval, host_uncertainty, log_of
from powerlab_traces.record import RecordKind
from powerlab_traces.run import Outcome
from powerlab_traces.store import open_run
from tests.powerlab.boards import SSHD, Lab, shell, sshd

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the boards here are POSIX systems")
needs_sshd = pytest.mark.skipif(SSHD is None, reason="there is no sshd")

NETS = """
from torch import nn

class Tiny(nn.Module):
    input_shape = (3, 16, 16)

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, images):
        for _ in range(400):
            scores = self.layer(images)
        return scores
"""
WITHOUT = ("click", "h5py", "matplotlib", "numpy", "pydantic", "pyvisa", "rich", "scipy", "serial")
BARE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"there is no {{name}} on this board", name=name)

sys.meta_path.insert(0, Missing())
sys.argv[1:] = ["workload"]
import runpy
runpy.run_module("powerlab", run_name="__main__")
"""


@contextmanager
def opened(make: Callable[[Path], AbstractContextManager[Lab]], folder: Path) -> Iterator[Lab]:
    with make(folder) as lab:
        (folder / "board_nets.py").write_text(NETS)
        (folder / "bare.py").write_text(BARE.format(names=WITHOUT))
        yield lab


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Lab]]:
    """The boards there are, by the way to them."""
    with ExitStack() as stack:
        ways = {"shell": shell} | ({} if SSHD is None else {"sshd": sshd})
        yield {way: stack.enter_context(opened(make, tmp_path_factory.mktemp(way))) for way, make in ways.items()}


@pytest.fixture(params=["shell", pytest.param("sshd", marks=needs_sshd)])
def lab(boards: dict[str, Lab], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Each board in turn, its ssh the one that is found."""
    lab = boards[request.param]
    monkeypatch.setenv("PATH", lab.path)
    return lab


@pytest.fixture
def best(boards: dict[str, Lab], monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The board over sshd, if there is one, for what takes long."""
    lab = boards.get("sshd", boards["shell"])
    monkeypatch.setenv("PATH", lab.path)
    return lab


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The text of a bench.toml that leads to a simulated bench with short records."""
    with SimulatorProcess(("--memory=100000",)) as simulator:
        text = bench_text(**simulator.resources).replace("boot_time = 0.5", "boot_time = 0.05")
        yield text.replace("centre = 0.4", "centre = 0.4\nrecord = 0.5")


class Capture:
    """`powerlab capture` of a program or a model on a board."""

    def __init__(self, lab: Lab, bench: str, folder: Path) -> None:
        self.lab, self.bench, self.folder = lab, bench, folder
        self.file = folder / "run.h5"

    def __call__(self, *arguments: str, start: str = "") -> int:
        dut = f"\n[dut]\naddress = {self.lab.address!r}\ncommand = {start or self.lab.command()!r}\n"
        (self.folder / "bench.toml").write_text(self.bench + dut)
        common = ["--bench", str(self.folder / "bench.toml"), "-o", str(self.file), "--idle=0.1s", "--settle=0s"]
        return run(["capture", *common, "--warmup=2", "--quiet", *arguments])


@pytest.fixture
def captured(best: Lab, bench: str, tmp_path: Path) -> Iterator[Capture]:
    best.clean()
    yield Capture(best, bench, tmp_path)
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(best.process, signal.SIGCONT)


def ended(process: int) -> bool:
    """Whether a process has gone within ten seconds."""
    for _ in range(200):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def remote(lab: Lab, *script: str, marker: str = "none") -> RemoteWorkload:
    return RemoteWorkload(Board(lab.address, lab.command(*script)), clock=HostClock(), marker=marker, timeout=60.0)


class TestClock:
    def test_of_the_same_machine_is_no_way_off(self, lab: Lab):
        with remote(lab) as workload:
            workload.tie()
            interval = workload.tie()
        for tie in (interval.before, interval.after):
            assert abs(tie.offset) * 1e-9 <= tie.limit < 1e-3
        assert interval.doubt == ""

    def test_of_its_own_is_found_with_its_drift(self, lab: Lab):
        offset, drift = -7_000_000_000_000, 300e-6
        with remote(lab, "clock.py", str(offset), str(drift)) as workload:
            workload.tie()
            time.sleep(0.3)
            interval = workload.tie()
        for tie in (interval.before, interval.after):
            assert abs(tie.offset - offset - drift * tie.host) * 1e-9 <= tie.limit
        assert abs(interval.drift - drift) <= interval.drift_limit
        assert interval.doubt == ""

    @given(
        offset=st.integers(-(10**15), 10**15),
        drift=st.floats(-500e-6, 500e-6),
        ways=st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**7)), min_size=2, max_size=2),
        share=st.floats(0, 1),
    )
    def test_no_delay_of_a_way_takes_a_time_beyond_its_limit(
        self, offset: int, drift: float, ways: list[tuple[int, int]], share: float
    ):
        def board(host: int) -> int:
            return host + offset + round(drift * host)

        ties = []
        for start, (there, back) in zip((0, 3_000_000_000), ways, strict=True):
            exchange = (start, board(start + there), start + there + back)
            ties.append(ClockTie.quickest([(start - 1, board(start), start + there + back), exchange]))
        interval = Interval(*ties)
        rounding = 3e-9
        for tie in ties:
            assert abs(tie.board - board(tie.host)) * 1e-9 <= tie.limit * (1 + abs(drift)) + rounding
        at = ties[0].host + round(share * (ties[1].host - ties[0].host))
        limit = max(it.limit for it in ties) * 1.002
        assert abs(interval.to_host(board(at)) - at) * 1e-9 <= limit + rounding
        assert abs(interval.drift - drift) <= interval.drift_limit * 1.002 + 1e-8
        assert interval.doubt == ""

    @pytest.mark.parametrize("step", [-0.5, 0.01])
    def test_a_step_is_no_drift(self, step: float):
        interval = Interval(ClockTie(0, 0, 1e-3), ClockTie(10**9, 10**9 + round(step * 1e9), 1e-3))
        assert f"went {step * 1e3:+.4g} ms against this machine's in 1 s" in interval.doubt
        slow = ClockTie(10**9, 10**9 + round((DRIFT_LIMIT + 0.9e-3) * 1e9), 1e-3)
        assert Interval(ClockTie(0, 0, 1e-3), slow).doubt == ""  # two half round trips of 0.5 ms may be all of it

    def test_ties_say_how_well_times_between_them_are_known(self):
        log = log_of([ClockTie(100, 0, 6e-3), ClockTie(200, 0, 8e-3), ClockTie(300, 0, 0.0)])
        known = host_uncertainty({log.name: log})
        assert [known(at) * 12**0.5 for at in (50, 150, 200, 250, 999)] == pytest.approx([6e-3, 10e-3, 8e-3, 8e-3, 0])
        assert host_uncertainty({})(150) == 0.0


class TestWorkload:
    def test_that_the_board_needs_torch_and_powerlab_only(self, best: Lab):
        with remote(best, "bare.py") as workload:
            loaded = workload.load(Task("board_nets:Tiny", 2, threads=1))
            assert (loaded.input_shape, loaded.details["board"]) == ((2, 3, 16, 16), best.address)
            before = time.perf_counter_ns()
            (timed,) = workload.run(1, seconds=60.0)
            assert before < timed.start < timed.stop < time.perf_counter_ns()
            assert timed.doubt == ""
            logs = {it.name: it for it in workload.noted()}
            assert logs["clock_ties"].rows == 3  # before and after loading, after the window
            assert "clock_ties" not in {it.name for it in workload.noted()}

    @pytest.mark.parametrize(
        ("start", "message"),
        [
            ("no-such-python -m powerlab workload", r"does not start on ssh://.*: exit status 127.*not found.*\[dut\]"),
            (f"{shlex.quote(sys.executable)} -m powerlab.nothing", r"exit status 1.*No module named powerlab.nothing"),
            ('echo \'{"protocol": "powerlab.workload/1"}\'', "speaks powerlab.workload/1, .*: upgrade powerlab there"),
            (
                'echo \'{"protocol": "powerlab.workload/9"}\'',
                "speaks powerlab.workload/9, .*: upgrade powerlab on this machine",
            ),
        ],
    )
    def test_a_board_without_the_right_powerlab_is_one_line(self, lab: Lab, start: str, message: str):
        with (
            WorkloadProcess(place=Board(lab.address, start)) as process,
            pytest.raises(WorkloadError, match=message) as caught,
        ):
            process.now()
        assert not isinstance(caught.value, WorkloadEndedError)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("folder", "script"),
        [
            ("", "run; exit $?"),
            ("~", "cd ~ && run; exit $?"),
            ("~me/my work", "cd ~me/'my work' && run; exit $?"),
            ("/a b/~", "cd '/a b/~' && run; exit $?"),
        ],
    )
    def test_a_home_folder_is_left_to_the_shell(self, folder: str, script: str):
        assert Board("ssh://board", "run", folder)._script == script

    def test_runs_in_the_folder_that_is_named(self, lab: Lab):
        (lab.folder / "my work").mkdir(exist_ok=True)
        board = Board(lab.address, "pwd > here; false", str(lab.folder / "my work"))
        with WorkloadProcess(place=board) as process, pytest.raises(WorkloadError, match="exit status 1"):
            process.now()
        assert Path((lab.folder / "my work" / "here").read_text().strip()) == lab.folder / "my work"


class TestCapture:
    def test_keeps_windows_in_times_of_this_machine(
        self, captured: Capture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ):
        lab = captured.lab
        clock = lab.command("clock.py", "5000000000000", "200e-6")
        task = ["--model", "board_nets:Tiny", "--threads=1", "--windows=3", "--json"]
        assert captured(*task, start=clock) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["outcome"] == "complete"
        assert found["windows"]["kept"] == 3
        assert found["truth"] is not None  # a true window begins where each does, on this machine's clock
        stored = open_run(captured.file)
        assert stored.logs["clock_ties"].rows >= 3
        assert stored.provenance.workload["board"] == lab.address
        (captured.folder / "bench.toml").write_text(captured.bench)
        local = ["--bench", str(captured.folder / "bench.toml"), "-o", str(captured.folder / "here.h5")]
        monkeypatch.syspath_prepend(str(lab.folder))
        assert run(["capture", *local, "--idle=0.1s", "--settle=0s", "--warmup=2", *task]) == 0
        assert alike(json.loads(capsys.readouterr().out), found)

    @pytest.mark.parametrize(
        ("what", "outcome", "note"),
        [
            ("process killed", Outcome.WORKLOAD_ENDED, "ended during 'run': killed by SIGKILL"),
            ("process stopped", Outcome.WORKLOAD_ENDED, "did not answer 'run' within"),
            ("clock stopped", Outcome.WORKLOAD_ENDED, "did not answer 'run' within"),
            ("ssh killed", Outcome.LINK_LOST, "the link to ssh://.* was lost during 'run'"),
            ("session killed", Outcome.LINK_LOST, "the link to ssh://.* was lost during 'run': .*closed"),
        ],
    )
    def test_what_breaks_is_the_outcome(
        self,
        captured: Capture,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        what: str,
        outcome: Outcome,
        note: str,
    ):
        if what == "session killed" and not captured.lab.real:
            pytest.skip("what stands in for ssh has no session")
        monkeypatch.setattr("powerlab.workload.process.PROMPT", 1.0)
        start = captured.lab.command("clock.py", "0", "0") if what == "clock stopped" else ""
        status = captured("--command", captured.lab.program(what, 8), "--windows=1000", start=start)
        assert status == 1
        result, stored = analyse(captured.file), open_run(captured.file)
        assert result.outcome is outcome
        assert result.energy_per_image is not None  # of the records before
        assert any(re.search(note, it) for it in stored.notes)
        assert stored.records[-1].kind is RecordKind.IDLE
        assert "Traceback" not in capsys.readouterr().err
        if what == "process stopped":
            os.kill(captured.lab.process, signal.SIGCONT)
        assert ended(captured.lab.process)

    def test_a_clock_that_jumps_costs_its_record(self, captured: Capture):
        start = captured.lab.command("clock.py", "0", "0")
        captured("--command", captured.lab.program("clock jumps", 8), "--windows=12", start=start)
        result, stored = analyse(captured.file), open_run(captured.file)
        assert result.outcome is Outcome.COMPLETE
        assert result.kept
        records = {it.index for it in stored.records}
        lost = {it.index for it in stored.windows if it.record not in records}
        assert lost
        assert {it.index for it in result.dropped if "is not in this run" in it.reason} == lost
        assert any(re.search(r"was given up: the board.s clock went \+(2[5-9]|3[0-5])", it) for it in result.notes)


def alike(one: object, other: object) -> bool:
    """Whether two JSON objects have the same keys with the same kinds of values; null may be in place of any."""
    if one is None or other is None:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers or type(one) is type(other)


class TestCheck:
    def test_says_what_is_there(
        self, best: Lab, bench: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("powerlab.verbs.dut.WATCH", 0.3)
        file = tmp_path / "bench.toml"
        file.write_text(bench + f"\n[dut]\naddress = 'ssh://elsewhere'\ncommand = {best.command()!r}\n")
        assert run(["dut", "check", best.address, "--bench", str(file), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["schema"], found["address"], found["wrong"]) == ("powerlab.dut/1", best.address, [])
        assert found["devices"][0] == "cpu"
        assert found["marker"]["seconds"] > 0
        clock = found["clock"]
        assert abs(clock["offset"]) <= clock["offset_limit"] < 1e-3
        assert abs(clock["drift"]) <= clock["drift_limit"]
        assert 0 < found["round_trip"] == pytest.approx(2 * clock["offset_limit"])

    def test_says_what_is_wrong(
        self, best: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, bench: str
    ):
        monkeypatch.setattr("powerlab.verbs.dut.WATCH", 0.3)
        file = tmp_path / "bench.toml"
        marker = bench.partition("[marker]")[0] + '[marker]\noutput = "serial:/dev/nothing:rts"\n'
        fast = best.command("clock.py", "0", "0.01", "no-torch")
        file.write_text(marker + f"\n[dut]\naddress = {best.address!r}\ncommand = {fast!r}\n")
        assert run(["dut", "check", "--bench", str(file)]) == 1
        lines = capsys.readouterr().out.splitlines()
        wrong = [it for it in lines if it.startswith("wrong ")]
        assert len(wrong) == 3
        assert "torch is not installed" in wrong[0]
        assert "marker serial:/dev/nothing: cannot drive rts" in wrong[1]
        assert "600 ppm are the limit" in wrong[2]

    def test_a_board_that_lets_nobody_in_is_one_line(
        self, best: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        if not best.real:
            pytest.skip("what stands in for ssh lets everybody in")
        monkeypatch.chdir(tmp_path)
        assert run(["dut", "check", best.address.replace("ssh://", "ssh://not-")]) == 2
        line = capsys.readouterr().err
        assert "Permission denied" in line
        assert "must work without asking anything" in line
        assert line.count("\n") == 1

    def test_needs_an_address(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        monkeypatch.chdir(tmp_path)
        assert run(["dut", "check"]) == 2
        assert "ssh://[user@]host[:port]" in capsys.readouterr().err


class TestAddress:
    @pytest.mark.parametrize(
        ("address", "destination"),
        [
            ("ssh://nano", ("nano",)),
            ("ssh://nano/", ("nano",)),
            ("ssh://me@nano.local:2222", ("-p", "2222", "me@nano.local")),
            ("ssh://me@[fe80::1%eth0]:22", ("-p", "22", "me@fe80::1%eth0")),
        ],
    )
    def test_is_what_ssh_takes(self, address: str, destination: tuple[str, ...]):
        assert Board(address).destination == destination

    @pytest.mark.parametrize(
        "address",
        [
            "nano",
            "ssh://",
            "ssh://-oProxyCommand=evil",
            "ssh://-l@nano",
            "ssh://nano:0",
            "ssh://nano:99999",
            "ssh://a b",
        ],
    )
    def test_else_is_one_line(self, address: str, bench: str):
        with pytest.raises(WorkloadError, match="is no address of a board: write it like ssh://"):
            Board(address)
        with pytest.raises(BenchFileError, match=r"dut: '.*' is no address of a board"):
            BenchFile.parse(bench + f"\n[dut]\naddress = {address!r}\n", "bench.toml")

    def test_without_ssh_is_one_line(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(WorkloadError, match="install the OpenSSH client"):
            WorkloadProcess(place=Board("ssh://nano"))


class Silent(RemoteWorkload):
    """A board whose process answers what a test says."""

    def __init__(self, times: Callable[[], int]) -> None:
        self.process = self
        self._ties, self._noted, self._clock = [], 0, HostClock()
        self.now = times

    def run(self, windows: int, seconds: float, gap: float = 0.0) -> tuple[Timed, ...]:
        return ()


def test_a_clock_that_stands_still_ends_the_workload() -> None:
    with pytest.raises(WorkloadEndedError, match="clock does not go on"):
        Silent(lambda: 5).tie()
    backwards = iter(range(10**6, 0, -1))
    with pytest.raises(WorkloadEndedError, match="clock does not go on"):
        Silent(lambda: next(backwards)).tie()
