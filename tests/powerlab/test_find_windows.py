"""`--find-windows`: captures of other programs without any marks."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

import powerlab as pl
from powerlab.cli import run
from powerlab_traces.errors import TraceError
from powerlab_traces.importers.source import ForeignFileError

SPANS = [(1.0, 3.0), (4.0, 6.0), (7.0, 9.0)]
IDLE, ACTIVE = 20.0, 42.0  # uJ in a sample


def energy_file(folder: Path, spans: list[tuple[float, float]] = SPANS, *, marks: bool = False) -> Path:
    """An EnergyRunner capture at 1 kSa/s, with a burst of 60 ms before each window."""
    times = np.arange(10_000) * 1e-3
    energy = IDLE + np.random.default_rng(2).normal(0, 0.5, len(times))
    for start, stop in spans:
        energy[(times >= start) & (times < stop)] += ACTIVE - IDLE
        energy[(times >= start - 0.1) & (times < start - 0.04)] += ACTIVE - IDLE
    path = folder / "t-energy.bin"
    path.write_bytes(struct.pack("<Bf", 0xF1, 1000.0) + energy.astype("<f4").tobytes())
    if marks:
        (folder / "t-timestamps.json").write_text(json.dumps([0.1, *(edge for span in spans for edge in span)]))
    return path


def test_windows_are_found_and_their_energies_are_those_by_the_marks(tmp_path: Path) -> None:
    path = energy_file(tmp_path, marks=True)
    found = pl.analyse_import(path, pl.ImportOptions(find_windows=True, images=10))
    edges = np.array([(it.window.start, it.window.stop) for it in found.kept])
    assert edges == pytest.approx(np.array(SPANS), abs=2e-3)
    assert not np.array_equal(edges, np.array(SPANS))  # the marks were not looked at
    assert found.energy_per_image == pytest.approx(2000 * ACTIVE * 1e-6 / 10, rel=2e-3)
    assert any("3 windows found, confidence" in note for note in found.capture.notes)
    assert any("too short for a window" in note for note in found.capture.notes)


def test_images_are_asked_for_and_windows_are_not(tmp_path: Path) -> None:
    result = pl.analyse_import(energy_file(tmp_path), pl.ImportOptions(find_windows=True))
    assert len(result.kept) == 3
    assert result.energy_per_image is None
    assert [it.option for it in result.capture.unknown] == ["--images N"]


def test_they_may_be_searched_when_the_capture_was_imported(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source, target = energy_file(tmp_path), tmp_path / "r.h5"
    assert run(["import", str(source), "-o", str(target)]) == 0
    capsys.readouterr()
    assert run(["analyse", str(target), "--find-windows", "--images", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["windows"]["kept"] == 3


def test_where_there_are_none_it_says_so(tmp_path: Path) -> None:
    capture = pl.open_import(energy_file(tmp_path, []), pl.ImportOptions(find_windows=True))
    assert capture.windows == ()
    assert any("no span stands out" in note for note in capture.notes)


def test_no_other_windows_beside_it() -> None:
    with pytest.raises(ForeignFileError, match="--find-windows takes no windows from anywhere else"):
        pl.ImportOptions(find_windows=True, marker="D0")


def test_samples_at_odd_times_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [f"{at:.3f},{1 + (2 < at < 3)}" for at in np.cumsum(np.random.default_rng(0).uniform(0.01, 0.2, 60))]
    table.write_text("time_s,power_W\n" + "\n".join(rows) + "\n")
    with pytest.raises(TraceError, match="no evenly spaced samples to find windows in: give --windows"):
        pl.open_import(table, pl.ImportOptions(find_windows=True))


def test_a_trace_is_searched_from_python() -> None:
    codes = np.repeat([10, 60, 10], [300, 500, 300])
    (window,) = pl.find_windows(pl.Trace(codes, 1e-3, "A")).windows
    assert (window.start, window.stop) == pytest.approx((0.3, 0.8), abs=1e-3)
