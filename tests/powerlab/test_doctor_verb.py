"""The verb `powerlab doctor`: what it prints, how it ends, and a board that never stays on by mistake."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from powerlab.cli import run
from powerlab.doctor import machine
from powerlab.doctor.checks import Outcome, Verdict, examine, ok
from powerlab.doctor.machine import Machine, machine_checks
from powerlab.doctor.patient import stopped_by_signals
from powerlab.simulation import bench_text
from powerlab_instruments.link import Visa
from powerlab_instruments.simulated.bench import SimulatedBench


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second of torch's import for what is not about it."""
    monkeypatch.setattr(machine, "_torch", lambda _: ok("there"))


@pytest.fixture
def sim() -> Iterator[SimulatedBench]:
    with SimulatedBench(gpib_board=70, memory=100_000) as bench:
        yield bench


def write_bench(sim: SimulatedBench, *edits: tuple[str, str]) -> Path:
    text = bench_text(**dataclasses.asdict(sim.resources)).replace("[probe]", "record = 0.2\n[probe]")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    Path("bench.toml").write_text(text)
    return Path("bench.toml")


def ask_supply(sim: SimulatedBench, query: str) -> str:
    with Visa() as visa:
        return visa.open(sim.resources.supply, adapter=sim.resources.adapter).query(query)


def look(name: str, **about: object) -> Verdict:
    (check,) = (it for it in machine_checks() if it.name == name)
    (finding,) = examine([dataclasses.replace(check, needs=())], Machine(**about))
    return finding.verdict


def test_a_machine_without_a_bench(capsys: pytest.CaptureFixture[str], in_folder: Path) -> None:
    assert run(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for name in ("python and libraries", "VISA library", "folder", "disk space", "clock", "torch"):
        assert f"ok       {name}" in out
    assert out.splitlines()[-1] == (
        "this machine: nothing is wrong. A bench is checked with: powerlab doctor --bench bench.toml"
    )


def test_the_object_is_alone_on_stdout(
    capsys: pytest.CaptureFixture[str], in_folder: Path, quick: None, sim: SimulatedBench
) -> None:
    write_bench(sim)
    assert run(["doctor", "--json", "--power"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert {
        "schema": "powerlab.doctor/1",
        "bench": "bench.toml",
        "simulated": True,
        "wrong": 0,
    }.items() <= found.items()
    assert {"name": "marker input", "outcome": "ok", "found": "D0 follows the marker", "do": None} in found["checks"]
    assert {it["name"] for it in found["checks"] if it["outcome"] != "ok"} <= {"serial ports", "optional packages"}
    assert err.splitlines()[-1] == "bench.toml, SIMULATED: nothing is wrong"
    assert ask_supply(sim, "OUTP?") == "0"


def test_what_is_wrong_comes_last_and_counts(
    capsys: pytest.CaptureFixture[str], in_folder: Path, quick: None, sim: SimulatedBench
) -> None:
    write_bench(sim, ('output = "on"', 'output = "leave"'))
    assert run(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("wrong    supply settings"))
    assert lines[at + 1].strip().startswith("do: bench.toml says")
    assert lines[-1] == "bench.toml, SIMULATED: wrong: supply settings"


@pytest.mark.parametrize("text", ["[scope\n", "[scope]\n"])
def test_a_bench_file_that_cannot_be_read(capsys: pytest.CaptureFixture[str], in_folder: Path, text: str) -> None:
    Path("bench.toml").write_text(text)
    assert run(["doctor"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_stop_while_the_board_boots_switches_it_off(in_folder: Path, sim: SimulatedBench) -> None:
    write_bench(sim, ("boot_time = 0.5", "boot_time = 60.0"))
    with subprocess.Popen(
        [sys.executable, "-m", "powerlab", "doctor", "--power"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        deadline = time.monotonic() + 60
        assert process.stdout is not None
        for line in process.stdout:
            if "marker trigger" in line:
                break
        while sim.board.offered(sim.clock.now()) < 1:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.strip() == "powerlab: stopped"
    assert ask_supply(sim, "OUTP?") == "0"
    assert float(ask_supply(sim, "VOLT?")) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_termination_stops_as_ctrl_c_does(name: str) -> None:
    before = signal.getsignal(getattr(signal, name))
    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        signal.raise_signal(getattr(signal, name))
    assert signal.getsignal(getattr(signal, name)) is before


def test_a_missing_and_an_old_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = machine.importlib.metadata.version

    def version(name: str) -> str:
        if name == "scipy":
            raise machine.importlib.metadata.PackageNotFoundError(name)
        return "0.7.2" if name == "pyvisa-py" else real(name)

    monkeypatch.setattr(machine.importlib.metadata, "version", version)
    verdict = look("python and libraries")
    assert verdict.outcome is Outcome.WRONG
    assert verdict.found == "scipy is missing; pyvisa-py 0.7.2 is older than 0.8.1"


def test_a_visa_library_that_is_not_there() -> None:
    verdict = look("VISA library", visa_library="/no/such/libvisa.so")
    assert verdict.outcome is Outcome.WRONG
    assert "cannot be loaded" in verdict.found


def test_another_package_in_place_of_pyserial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "serial.py").write_text("")
    monkeypatch.delitem(sys.modules, "serial")
    monkeypatch.syspath_prepend(tmp_path)
    verdict = look("serial library")
    monkeypatch.delitem(sys.modules, "serial")
    assert verdict.outcome is Outcome.WRONG
    assert "is not pyserial" in verdict.found


def test_serial_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "serial_ports", list)
    assert look("serial ports").outcome is Outcome.SKIPPED
    monkeypatch.setattr(machine, "serial_ports", lambda: [("/dev/ttyX0", ""), ("/dev/ttyX1", "")])
    monkeypatch.setattr(machine, "lacks_permission", lambda _: None)
    assert look("serial ports") == ok("/dev/ttyX0, /dev/ttyX1")
    monkeypatch.setattr(machine, "lacks_permission", lambda it: ("not for you", "join") if it[-1] == "1" else None)
    assert look("serial ports").outcome is Outcome.ADVICE


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    assert look("folder", folder=tmp_path).outcome is Outcome.OK
    verdict = look("folder", folder=tmp_path / "none")
    assert verdict.outcome is Outcome.WRONG
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("free", "outcome"), [(5_000_000_000, Outcome.OK), (500_000_000, Outcome.ADVICE), (1_000_000, Outcome.WRONG)]
)
def test_disk_space(monkeypatch: pytest.MonkeyPatch, free: int, outcome: Outcome) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert look("disk space").outcome is outcome


def test_a_coarse_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.time, "get_clock_info", lambda _: type("Info", (), {"resolution": 0.0156}))
    assert look("clock").outcome is Outcome.WRONG


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (subprocess.CompletedProcess([], 1, "", "Traceback\nImportError: libtorch.so\n"), "ImportError: libtorch.so"),
        (subprocess.CompletedProcess([], -11, "", ""), "exit status -11"),
        (subprocess.TimeoutExpired("python", 1), "not imported within"),
    ],
)
def test_a_torch_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, done: subprocess.CompletedProcess[str] | Exception, words: str
) -> None:
    def start(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        if isinstance(done, Exception):
            raise done
        return done

    monkeypatch.setattr(machine.subprocess, "run", start)
    verdict = look("torch")
    assert verdict.outcome is Outcome.WRONG
    assert words in verdict.found
