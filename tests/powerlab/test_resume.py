"""A capture that was cut off, or stopped early, goes on as a new segment of the same run."""

import datetime as dt
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import powerlab as pl
from powerlab.recording import Recording
from powerlab_traces.errors import TraceError
from powerlab_traces.record import RecordKind
from powerlab_traces.store import RunWriter, check_run, open_run, recover


def cut_off(virtual, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A capture of 9 windows that loses its power when its second active record is on the disk."""

    def unplugged(self: Recording, *_: object) -> None:
        self._writer._close()
        raise SystemExit

    taken = RunWriter.append

    def append(self: RunWriter, record, windows) -> None:
        taken(self, record, windows)
        if record.index == 3:
            raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "append", append)
        patch.setattr(Recording, "_end_early", unplugged)
        with pytest.raises(SystemExit):
            virtual.capture(path, windows=9)


def test_a_finished_run_is_continued(open_virtual: Callable, tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    open_virtual(seed=4).capture(path, windows=3)
    before = open_run(path)
    codes = [it.current.codes for it in before.records]
    open_virtual(seed=4).capture(path, windows=7, resume=True)
    run, result = open_run(path), pl.analyse(path)
    assert [it.index for it in run.windows] == list(range(7))
    assert [it.segment for it in run.records.summaries] == [0] * len(codes) + [1] * (len(run.records) - len(codes))
    for one, record in zip(codes, run.records, strict=False):
        np.testing.assert_array_equal(one, record.current.codes)
    assert run.windows[:3] == before.windows
    assert len(result.kept) == 7
    assert result.truth is not None
    assert abs(result.energy_per_image.value - result.truth.energy_per_image) <= result.energy_per_image.U95
    assert run.provenance.created == before.provenance.created
    assert any(note.startswith("resumed 20") for note in run.notes)
    assert list(check_run(path)) == []
    assert [it.name for it in tmp_path.iterdir()] == ["r.h5"]
    # and once more, from a file with two segments
    open_virtual(seed=4).capture(path, windows=8, resume=True)
    assert {it.segment for it in open_run(path).records.summaries} == {0, 1, 2}
    assert list(check_run(path)) == []


def test_a_capture_that_was_cut_off_is_continued(
    open_virtual: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.h5"
    cut_off(open_virtual(seed=1), path, monkeypatch)
    assert [it.name for it in tmp_path.iterdir()] == ["r.h5.journal"]
    open_virtual(seed=1).capture(path, windows=9, resume=True)
    run = open_run(path)
    assert [it.index for it in run.windows] == list(range(9))
    assert {it.segment for it in run.records.summaries} == {0, 1}
    assert len(pl.analyse(path).kept) == 9
    assert list(check_run(path)) == []


def test_a_continuation_that_is_cut_off_recovers_into_the_same_file(
    open_virtual: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.h5"
    open_virtual().capture(path, windows=2)
    before = path.read_bytes()
    virtual = open_virtual()
    with monkeypatch.context() as patch:

        def unplugged(self: Recording, *_: object) -> None:
            self._writer._close()

        patch.setattr(Recording, "_end_early", unplugged)
        patch.setattr(virtual.bench.scope, "fetch", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            virtual.capture(path, windows=4, resume=True)
    assert path.read_bytes() == before  # the finished file is as it was until the longer one is whole
    assert recover(path).windows == 2
    assert [it.name for it in tmp_path.iterdir()] == ["r.h5"]
    assert len(pl.analyse(path).kept) == 2


def test_a_continuation_that_records_nothing_leaves_the_file_alone(open_virtual: Callable, tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    open_virtual().capture(path, windows=2)
    before = path.read_bytes()
    with pytest.raises(TraceError, match="is of synthetic with batch 2, not of synthetic with batch 5"):
        open_virtual().capture(path, windows=4, resume=True, batch=5)
    with pytest.raises(TraceError, match="the marker at another input"):
        open_virtual(lambda text: text + 'input = "D1"\n').capture(path, windows=9, resume=True)
    with pytest.raises(TraceError, match="another probe, turns or supply"):
        open_virtual(turns=3).capture(path, windows=4, resume=True)
    assert path.read_bytes() == before
    assert [it.name for it in tmp_path.iterdir()] == ["r.h5"]


def test_there_must_be_something_to_resume(open_virtual: Callable, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="there is no file"):
        open_virtual().capture(tmp_path / "r.h5", windows=4, resume=True)
    assert not list(tmp_path.iterdir())


def test_until_ends_a_capture_by_the_clock(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual()
    started = virtual.bench.clock.now()
    until = dt.datetime.now().astimezone() + dt.timedelta(seconds=30)
    path = virtual.capture(tmp_path / "r.h5", windows=None, until=until)
    assert 29 <= (virtual.bench.clock.now() - started) * 1e-9 < 36
    assert len(pl.analyse(path).kept) > 10


def test_the_dead_time_between_records_is_in_the_file(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(memory=100_000)
    path = virtual.capture(tmp_path / "r.h5", windows=60)
    active = [it for it in open_run(path).records.summaries if it.kind is RecordKind.ACTIVE]
    dead = [(b.armed - a.fetched) * 1e-9 for a, b in itertools.pairwise(active)]
    assert len(dead) > 10
    assert all(0 < it < 2 for it in dead)
