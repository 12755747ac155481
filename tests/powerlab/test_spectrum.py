"""`powerlab spectrum` and `pl.spectrum`, on simulated captures in virtual time and on foreign files."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import powerlab as pl
from powerlab.cli import run
from powerlab_instruments.simulated import board

VOLTS = 19.0
# The ripple goes with the power above idle, which droops by a fiftieth and is 1.5 % more in every other step.
RIPPLE = board.RIPPLE * board.ACTIVE_POWER * (1 - board.DROOP / 2 + board.STEP / 2) / VOLTS / math.sqrt(2)  # A rms


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run([str(it) for it in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line


@pytest.fixture
def capture(open_virtual: Callable, tmp_path: Path) -> Path:
    return open_virtual(seed=4, memory=100_000).capture(tmp_path / "run.h5", seconds=0.3, windows=10)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_ripple_of_the_simulated_board_is_the_strongest_line(
    open_virtual: Callable, tmp_path: Path, seed: int
) -> None:
    path = open_virtual(seed=seed, memory=100_000).capture(tmp_path / "run.h5", seconds=0.3, windows=8)
    found = pl.spectrum(path)
    line = found.parts["windows"].lines[0]
    assert abs(line.frequency.value - board.RIPPLE_FREQUENCY) < line.frequency.U95 < 0.1
    assert abs(line.amplitude.value - RIPPLE) < line.amplitude.U95 < 0.06 * RIPPLE
    # What else there is are odd harmonics of the steps in a batch, and idle there is nothing.
    odd = [it.frequency.value * 2 * board.STEP_TIME for it in found.parts["windows"].lines[1:]]
    assert odd == pytest.approx([round(it) for it in odd], abs=0.02)
    assert all(round(it) % 2 for it in odd)
    assert found.parts["idle"].lines == ()
    assert found.repetition is not None
    assert 1 / found.repetition.rate.value == pytest.approx(0.305, abs=0.01)
    # The paper's argument: samples must come faster than the ripple.
    assert found.sampling is not None
    assert found.sampling.point.rate == pytest.approx(2000.0)
    assert found.sampling.boxcar.rate is not None
    assert found.sampling.boxcar.rate < 100


def test_the_tables_and_the_picture(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for ending in ("png", "svg", "pdf"):
        picture = capture.with_name(f"spectrum.{ending}")
        assert run(["spectrum", str(capture), "-o", str(picture)]) == 0
        assert picture.stat().st_size > 10_000
    out = capsys.readouterr().out
    assert "SIMULATED" in out
    assert "\n1.4000 kHz +- " in out or "\n1.40000 kHz +- " in out
    assert "lines in idle: none stands out of the noise" in out
    assert "the windows themselves repeat at 3." in out
    assert "for 1 %, a meter that reads samples: 2 kHz and faster do" in out
    assert "is folded to below it: a line at f may be one at 50 kHz - f" in out
    assert f"wrote {capture.with_name('spectrum.png')}" in out


def test_one_object_for_programs(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = capture.with_name("spectrum.png")
    assert run(["spectrum", str(capture), "--json", "--error", "0.1%", "--records", "2..9", "-o", str(picture)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "powerlab.spectrum/1"
    assert (found["unit"], found["simulated"], found["imported"]) == ("A", True, False)
    assert found["parts"]["windows"]["lines"][0]["frequency"]["value"] == pytest.approx(1400, abs=0.1)
    assert found["sampling"]["error"] == pytest.approx(0.001)
    assert found["sampling"]["samples"] == {"rate": pytest.approx(5000), "why": None}
    slow = found["sampling"]["rates"][-1]
    assert slow["samples"]["q95"] is None
    assert slow["samples"]["without"] == pytest.approx(0.7, abs=0.02)
    assert found["repetition"]["harmonics"][0]["number"] == 1


def test_an_error_that_the_record_cannot_show(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["spectrum", str(capture), "--error", "0.0001%"]) == 0
    out = capsys.readouterr().out
    assert "for 0.0001 %, a meter that reads samples: not known: at half the recorded rate the error is 0.0" in out


def test_a_foreign_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    t = np.arange(60_000) * 1e-4
    current = 0.5 + 0.02 * np.sin(2 * np.pi * 600 * t) + np.random.default_rng(1).normal(0, 0.01, len(t))
    table = tmp_path / "meter.csv"
    rows = zip(t.tolist(), current.tolist(), strict=True)
    table.write_text("time_s,current_A\n" + "".join(f"{a:.4f},{b:.6f}\n" for a, b in rows))
    assert run(["spectrum", str(table), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["imported"] is True
    (line,) = found["parts"]["records"]["lines"]
    assert abs(line["frequency"]["value"] - 600) < line["frequency"]["U95"]
    assert abs(line["amplitude"]["value"] - 0.02 / math.sqrt(2)) < 2 * line["amplitude"]["U95"]
    assert found["sampling"] is None
    windows = tmp_path / "windows.csv"
    windows.write_text("start_s,stop_s,images\n" + "".join(f"{k}.1,{k}.6,60\n" for k in range(6)))
    assert run(["spectrum", str(table), "--windows", str(windows), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (line,) = found["parts"]["windows"]["lines"]
    assert line["harmonic"] == 5  # of 120 images a second
    assert found["sampling"]["windows"] == 6
    assert found["repetition"]["rate"]["value"] == pytest.approx(1.0)
    assert pl.spectrum(pl.open_import(table)).unit == "A"


def test_samples_that_were_not_measured_are_no_spectrum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{k * 1e-4:.4f},{'' if k == 700 else 0.5 + k % 7 / 100}\n" for k in range(3000)]
    table = tmp_path / "holed.csv"
    table.write_text("time_s,current_A\n" + "".join(rows))
    assert "record 0 left out: 1 of its samples were not measured" in refused(capsys, "spectrum", table)
    uneven = tmp_path / "uneven.csv"
    uneven.write_text(
        "time_s,current_A\n" + "".join(f"{k * 1e-4 + k * k * 1e-8:.8f},0.5{k % 7}\n" for k in range(3000))
    )
    assert "are not evenly spaced: they have no spectrum" in refused(capsys, "spectrum", uneven)


def test_what_cannot_be_answered_is_refused(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "write it like 1% or 0.5%" in refused(capsys, "spectrum", capture, "--error", "0.01")
    assert "write it like 1% or 0.5%" in refused(capsys, "spectrum", capture, "--error", "200%")
    assert "there is no record 90 to 99" in refused(capsys, "spectrum", capture, "--records", "90..99")
    assert "there is no window that counts" in refused(capsys, "spectrum", capture, "--records", "0")
    assert "let its name end with .png, .pdf, .svg" in refused(capsys, "spectrum", capture, "-o", "spectrum.txt")
    assert "cannot be written" in refused(capsys, "spectrum", capture, "-o", capture.parent / "none" / "a.png")
    assert "--images is for other programs' files" in refused(capsys, "spectrum", capture, "--images", "4")
    assert "nosuch.h5" in refused(capsys, "spectrum", "nosuch.h5")
    with pytest.raises(pl.PowerlabError, match="give a share, such as 0.01 for 1 %"):
        pl.spectrum(capture, error=1.0)
