"""Pictures miss nothing: neither of a record nor of a day of them."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from powerlab import cli
from powerlab.figure import MOST_RECORDS, envelope, glance
from powerlab_traces.chain import SupplyReading
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.store import RunWriter, open_run
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow
from tests.traces.store.conftest import Planted

PAUSE = 30  # records of time in which nothing was recorded


@settings(deadline=None)
@given(count=st.integers(1, 5000), seed=st.integers(0, 2**32 - 1))
def test_every_sample_is_in_the_envelope(count: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 2000, count).astype(np.uint16)
    reading = SupplyReading(0, 19.0, 0.7, "CV", limited=False)
    trace = Trace(codes, 2e-5, "A", scale=0.001, offset=-0.1)
    record = Record(0, RecordKind.IDLE, trace, None, np.array([], np.int64), 0, 0, reading, reading)
    times, low, mean, high = envelope(record)
    assert len(times) == min(count, 1500)
    assert low.min() == trace.values.min()
    assert high.max() == trace.values.max()
    assert (low <= mean + 1e-12).all()
    assert (mean <= high + 1e-12).all()


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One more record than are drawn one by one, one a second, and a pause in the middle."""
    writer = RunWriter(tmp_path_factory.mktemp("long") / "long.h5")
    writer.describe(Planted.provenance, Planted.chain, Planted.supply)
    for index in range(MOST_RECORDS + 1):
        record = Planted.noisy(index, 400, marker=False)
        late = 10**9 * (index + PAUSE * (index > MOST_RECORDS // 2))
        record = replace(
            record,
            current=replace(record.current, interval=1.5e-3),
            armed=late + 10,
            fetched=late + 900_000_000,
            before=replace(record.before, time=late + 5),
            after=replace(record.after, time=late + 900_000_010),
        )
        writer.append(record, [HostWindow(late + 20, late + 300_000_000, index, index, 2)])
    return writer.finish()


@pytest.mark.parametrize("columns", [1, 7, 40, 60, 61, 62, 500, 20_000])
def test_every_sample_of_a_long_run_is_in_one_column(long_run: Path, columns: int) -> None:
    records = open_run(long_run).records
    times, low, mean, high = glance(records, columns)
    assert len(times) == len(low) == len(mean) == len(high) == 2 * columns  # the ends of each column
    assert np.nanmin(low) == pytest.approx(min(it.current.values.min() for it in records))
    assert np.nanmax(high) == pytest.approx(max(it.current.values.max() for it in records))
    filled = np.isfinite(mean)
    assert (low[filled] <= mean[filled] + 1e-12).all()
    assert (mean[filled] <= high[filled] + 1e-12).all()
    assert (times[0], times[-1]) == (records.starts[0], records.stops[-1])


def test_where_nothing_was_recorded_is_a_gap(long_run: Path) -> None:
    records = open_run(long_run).records
    times, _, mean, _ = glance(records, 3000)
    pause = (times > records.stops[MOST_RECORDS // 2]) & (times < records.starts[MOST_RECORDS // 2 + 1])
    assert pause.sum() > 1800
    assert np.isnan(mean[pause]).sum() >= pause.sum() - 2  # its ends are in columns that begin or end in a record
    _, _, mean, _ = glance(records, 20)  # a record is in one column as a whole
    assert 4 <= np.isnan(mean[::2]).sum() <= 7


def picture(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_a_long_run_is_one_picture_and_some_of_its_records_are_one_by_one(
    long_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, part = tmp_path / "whole.png", tmp_path / "part.png"
    assert cli.run(["plot", str(long_run), "-o", str(whole)]) == 0
    assert cli.run(["plot", str(long_run), "-o", str(part), "--records", "3..5"]) == 0
    assert capsys.readouterr().out.split() == ["wrote", str(whole), "wrote", str(part)]
    assert picture(whole) == (1650, 600)
    assert picture(part) == (1650, 885)  # three rows


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ("8..3", "ends before it begins"),
        ("a", "no number of a record"),
        ("500", "no record 500"),
    ],
)
def test_records_that_are_not_there(long_run: Path, numbers: str, said: str, capsys, tmp_path: Path) -> None:
    assert cli.run(["plot", str(long_run), "-o", str(tmp_path / "x.png"), "--records", numbers]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_energies_in_a_picture_of_some_records_are_those_of_the_whole_run(
    open_virtual: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = open_virtual(memory=100_000).capture(tmp_path / "r.h5", seconds=0.2, windows=12)
    drawn: list[dict[int, float]] = []

    def draw(_run: object, result: object, target: Path, _title: str) -> list[Path]:
        drawn.append({it.window.index: it.energy for it in result.kept})
        return [target]

    monkeypatch.setattr("powerlab.verbs.plot.draw", draw)
    active = [it.index for it in open_run(path).records.summaries if it.kind is RecordKind.ACTIVE]
    assert cli.run(["plot", str(path)]) == 0
    assert cli.run(["plot", str(path), "--records", str(active[1])]) == 0
    whole, part = drawn
    assert 0 < len(part) < len(whole) == 12
    for index, energy in part.items():
        assert math.isclose(energy, whole[index], rel_tol=1e-12)
