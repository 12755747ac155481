"""The command line: one clear line and status 2 for what the user can put right; quick to say what it can do."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from powerlab.cli import VERBS, run

TINY = "tiny_model:make"
TINY_MODULE = """
from torch import nn

def make():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 64), nn.ReLU(), nn.Linear(64, 10))
    net.input_shape = (3, 64, 64)
    return net
"""


def powerlab(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "powerlab", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=cwd,
        env=os.environ | environment,
    )


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a verb that ends with 2."""
    assert run(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("powerlab: ")
    assert "Traceback" not in err
    return lines[0]


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded_by(code: str) -> set[str]:
    """Which of the heavy libraries are loaded after this code."""
    ask = "import sys; print(*sorted({'torch', 'pyvisa', 'h5py', 'matplotlib', 'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{ask}"], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_none_of_the_heavy_libraries() -> None:
    assert loaded_by("from powerlab.cli import run\nassert run(['--help']) == 0") == set()


def test_importing_powerlab_loads_none_of_the_heavy_libraries() -> None:
    assert loaded_by("import powerlab\nprint(powerlab.__version__)") == set()


def test_every_verb_explains_itself_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in VERBS:
        assert run([verb, "--help"]) == 0
        out = capsys.readouterr().out
        assert "Usage:" in out
        if verb != "bench":
            assert "Example: powerlab" in out
    for verb in ("init", "check"):
        assert run(["bench", verb, "--help"]) == 0
        assert "Example: powerlab" in capsys.readouterr().out


def test_an_unknown_model_names_the_known_ones(capsys: pytest.CaptureFixture[str], in_folder: Path) -> None:
    assert "vgg16" in refused(capsys, "capture", "--model", "nosuch")
    assert "did you mean vgg16" in refused(capsys, "capture", "--model", "vg16")
    assert not list(in_folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--batch", "0"], "--batch"),
        (["--batch", "two"], "--batch"),
        (["--windows", "0"], "--windows"),
        (["--duration", "soon"], "write it like 500ms, 10s or 2min"),
        (["--duration", "0s"], "--duration"),
        (["--idle", "-1"], "--idle"),
        (["--seed", "-3"], "--seed"),
        (["--nosuch"], "--nosuch"),
    ],
)
def test_bad_options_say_which(
    capsys: pytest.CaptureFixture[str], in_folder: Path, arguments: list[str], words: str
) -> None:
    line = refused(capsys, "capture", "--model", "vgg16", *arguments)
    assert words in line
    assert "powerlab capture --help" in line
    assert not list(in_folder.iterdir())


def test_bench_files_that_cannot_be_used(capsys: pytest.CaptureFixture[str], in_folder: Path) -> None:
    capture = ("capture", "--model", "vgg16", "--bench", "bench.toml")
    assert "powerlab bench init" in refused(capsys, *capture)
    Path("bench.toml").write_text("[scope\n")
    assert "no valid TOML" in refused(capsys, *capture)
    Path("bench.toml").write_text('[scope]\nresource = "x"\n')
    assert "bench.toml: " in refused(capsys, *capture)
    assert [it.name for it in in_folder.iterdir()] == ["bench.toml"]


def test_a_bench_that_does_not_answer(capsys: pytest.CaptureFixture[str], in_folder: Path) -> None:
    assert run(["bench", "init"]) == 0
    capsys.readouterr()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]  # bound, but nobody listens: connections are refused
        text = Path("bench.toml").read_text(encoding="utf-8")
        text = text.replace("TCPIP0::192.168.1.20::5025::SOCKET", f"TCPIP0::127.0.0.1::{port}::SOCKET")
        Path("bench.toml").write_text(text, encoding="utf-8")
        for verb in (["bench", "check"], ["capture", "--model", "vgg16", "--bench", "bench.toml"]):
            line = refused(capsys, *verb)
            assert f"{port}::SOCKET did not answer '*IDN?'" in line
    assert [it.name for it in in_folder.iterdir()] == ["bench.toml"]


def test_a_bench_file_is_never_overwritten(capsys: pytest.CaptureFixture[str], in_folder: Path) -> None:
    (in_folder / "bench.toml").write_text("mine")
    assert "File exists" in refused(capsys, "bench", "init")
    assert (in_folder / "bench.toml").read_text() == "mine"


def test_outputs_that_cannot_be_written(capsys: pytest.CaptureFixture[str], in_folder: Path) -> None:
    Path("mine.h5").write_text("mine")
    capture = ("capture", "--model", "vgg16")
    assert "never overwritten" in refused(capsys, *capture, "-o", "mine.h5")
    assert Path("mine.h5").read_text() == "mine"
    assert "no folder no" in refused(capsys, *capture, "-o", "no/where.h5")
    assert [it.name for it in in_folder.iterdir()] == ["mine.h5"]


@pytest.mark.parametrize("verb", [["analyse"], ["analyze"], ["show"], ["plot"]])
def test_files_that_are_no_runs(capsys: pytest.CaptureFixture[str], in_folder: Path, verb: list[str]) -> None:
    assert "there is no file" in refused(capsys, *verb, "none.h5")
    Path("text.h5").write_text("hello")
    assert "is no run file" in refused(capsys, *verb, "text.h5")
    with h5py.File("other.h5", "w") as file:
        file["x"] = 1
    assert "no powerlab run" in refused(capsys, *verb, "other.h5")


def test_a_busy_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in refused(capsys, "simulate", "--scope-port", str(port))


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    vgg16 = next(it for it in found if it["name"] == "vgg16")
    assert {"parameters": 138_357_544, "input": [3, 224, 224]}.items() <= vgg16.items()
    assert run(["models"]) == 0
    assert "138 357 544" in capsys.readouterr().out


def test_analyse_show_and_plot_work_from_the_file_alone(
    open_virtual: Callable, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_virtual().capture(in_folder / "r.h5", windows=4)
    code = (
        "from powerlab.cli import run\n"
        "assert run(['analyse', 'r.h5', '--json']) == 0\n"
        "import sys\n"
        "assert not [it for it in sys.modules if 'simulated' in it or it.startswith(('torch', 'pyvisa'))]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["windows"]["kept"] == 4
    assert found["truth"]["energy_per_image"] > 0

    assert run(["show", "r.h5", "--settings"]) == 0
    out = capsys.readouterr().out
    assert "SIMULATED" in out
    assert "MSO-X" in out
    assert "time_range" in out
    assert run(["show", "r.h5", "--bench"]) == 0
    assert "[supply]" in capsys.readouterr().out
    assert run(["plot", "r.h5", "-o", "r.png"]) == 0
    assert (in_folder / "r.png").read_bytes().startswith(b"\x89PNG")
    assert "cannot be written" in refused_after_output(capsys, "plot", "r.h5", "-o", "r.nosuch")
    assert run(["analyse", "r.h5", "r.h5", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out.splitlines()[-1])) == 2


def refused_after_output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    return refused(capsys, *arguments)


def test_a_real_capture_prints_one_json_object_that_analyse_repeats(in_folder: Path) -> None:
    Path("tiny_model.py").write_text(TINY_MODULE)
    done = powerlab(
        "capture", "--model", TINY, "--batch", "2", "--windows", "5", "--idle", "0.2", "--settle", "0", "-o", "r.h5",
        "--json",
        PYTHONWARNINGS="error",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["simulated"] is True
    assert found["model"] == TINY
    assert found["windows"]["kept"] + len(found["windows"]["dropped"]) == 5
    again = powerlab("analyse", "r.h5", "--json")
    assert json.loads(again.stdout) == found
    table = powerlab("analyse", "r.h5").stdout
    assert "SIMULATED" in table
    assert "energy per image" in table
    assert "true energy per image" in table


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_stop_keeps_a_valid_file(in_folder: Path, how: str) -> None:
    Path("tiny_model.py").write_text(TINY_MODULE)
    with subprocess.Popen(
        [
            sys.executable, "-m", "powerlab", "capture", "--model", TINY, "--duration", "10min", "--idle", "0.2",
            "--settle", "0",
            "-o", "r.h5", "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not Path("r.h5.journal").exists() or Path("r.h5.journal").stat().st_size < 150_000:
            if time.monotonic() > deadline or process.poll() is not None:
                os.killpg(process.pid, signal.SIGTERM)
                raise AssertionError(process.communicate())
            time.sleep(0.1)
        if how == "SIGTERM":
            process.terminate()
        else:
            os.killpg(process.pid, getattr(signal, how))  # as a terminal does: to the whole group
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    found = json.loads(out)
    assert found["windows"]["kept"] > 0
    assert any("Ctrl-C" in note for note in found["notes"])
    assert not Path("r.h5.journal").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_simulate_serves_until_ctrl_c(in_folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "powerlab", "simulate", "--write-bench", "sim.toml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        assert "SIMULATED" in lines[0]
        assert "PRLGX-TCPIP0::127.0.0.1::" in lines[2]
        check = powerlab("bench", "check", "sim.toml")
        assert check.returncode == 0, check.stderr
        assert "E3645A" in check.stdout
        assert "output   off" in check.stdout
        shot = powerlab("screenshot", "--bench", "sim.toml", "-o", "screen.png")
        assert shot.returncode == 0, shot.stderr
        assert Path("screen.png").read_bytes().startswith(b"\x89PNG")
        again = powerlab("screenshot", "--bench", "sim.toml", "-o", "screen.png")
        assert again.returncode == 2
        assert "File exists" in again.stderr
        scope, adapter, supply = (lines[row].split()[1] for row in (1, 2, 3))
        asked = powerlab("scpi", scope, ":TIMebase:RANGe?")
        assert (asked.returncode, asked.stdout.strip()) == (0, "+1.00E-03"), asked.stderr
        asked = powerlab("scpi", supply, "MEAS:VOLT?", "--adapter", adapter)
        assert abs(float(asked.stdout)) < 0.1, asked.stderr
        wrong = powerlab("scpi", supply, "VOLT 99", "--adapter", adapter)
        assert wrong.returncode == 1
        assert '-222,"Data out of range"' in wrong.stderr
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert out == "stopped\n"
    assert err == ""


def test_a_closed_pipe_is_no_traceback(in_folder: Path) -> None:
    done = subprocess.run(
        f"{sys.executable!r} -m powerlab models --json | true", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
