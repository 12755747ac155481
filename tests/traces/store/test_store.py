"""The run file keeps what it was given, in the shape it promises."""

import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab_traces import schema
from powerlab_traces.chain import SupplyReading
from powerlab_traces.errors import TraceError
from powerlab_traces.log import Log
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Outcome, TrueWindow
from powerlab_traces.store import RunWriter, open_run, recover
from powerlab_traces.window import HostWindow


def written(planted, path: Path, records: list[Record], windows: list[HostWindow]) -> Path:
    writer = RunWriter(path)
    writer.describe(planted.provenance, planted.chain, planted.supply)
    for it in records:
        writer.append(it, [window for window in windows if window.record == it.index])
    return writer.finish(notes=["odd"], truth=[TrueWindow(1, 2, 3.5)])


def test_logs_and_the_outcome_read_back_as_written(planted, tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    writer = RunWriter(path)
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.add_log(Log("passes", {"window": [0, 1], "seconds": [0.25, None], "label": ["a", None]}, {"seconds": "s"}))
    writer.add_log(Log("passes", {"window": [2], "seconds": [3], "label": ["c"]}, {"seconds": "s"}))
    writer.add_log(Log("ties", {"at_ns": [2**62]}))
    writer.append(planted.record(0, np.arange(9, dtype=np.uint16)), [])
    writer.finish(outcome=Outcome.OUT_OF_MEMORY)
    expected = {
        "passes": Log(
            "passes", {"window": [0, 1, 2], "seconds": [0.25, None, 3.0], "label": ["a", "", "c"]}, {"seconds": "s"}
        ),
        "ties": Log("ties", {"at_ns": [2**62]}),
    }
    run = open_run(path)
    assert dict(run.logs) == expected
    assert run.outcome is Outcome.OUT_OF_MEMORY
    with h5py.File(path) as file:
        assert file["entry/logs/passes/seconds"].attrs["units"] == "s"
        np.testing.assert_array_equal(file["entry/logs/passes/seconds"], [0.25, np.nan, 3.0])
    again = RunWriter(path, resume=True)  # logs are taken up with the rest
    again.add_log(Log("ties", {"at_ns": [1]}))
    again.finish()
    run = open_run(path)
    assert run.logs["ties"].columns == {"at_ns": [2**62, 1]}
    assert run.logs["passes"] == expected["passes"]
    assert run.outcome is Outcome.COMPLETE


def test_what_was_cut_off_says_so(planted, tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.add_log(Log("ties", {"at_ns": [5]}))
    writer.append(planted.record(0, np.arange(9, dtype=np.uint16)), [])
    writer.abandon()
    run = open_run(recover(tmp_path / "r.h5").path)
    assert run.outcome is Outcome.CUT_OFF
    assert run.logs["ties"].rows == 1


@pytest.mark.parametrize(("columns", "units"), [({}, {}), ({"a": [1], "b": [1, 2]}, {}), ({"a": [1]}, {"b": "s"})])
def test_a_log_is_a_table(columns: dict, units: dict) -> None:
    with pytest.raises(TraceError, match="the log x"):
        Log("x", columns, units)


def test_a_log_goes_on_with_the_same_columns_only() -> None:
    with pytest.raises(TraceError, match="other columns or units"):
        Log("x", {"a": [1]}).then(Log("x", {"b": [1]}))


def test_a_run_reads_back_as_written(planted, tmp_path: Path) -> None:
    codes = np.arange(1000, dtype=np.uint16)
    windows = [HostWindow(1, 2, 0, 1, 2, "a"), HostWindow(3, 4, 1, 1, 2, "ü")]
    first = planted.record(0, codes, RecordKind.IDLE, marker=False)
    path = written(planted, tmp_path / "r.h5", [first, planted.record(1, codes[::-1].copy())], windows)
    run = open_run(path)
    assert run.provenance == planted.provenance
    assert run.chain == planted.chain
    assert run.supply == planted.supply
    assert list(run.windows) == windows
    assert run.notes == ("odd",)
    assert run.truth == (TrueWindow(1, 2, 3.5),)
    assert [it.kind for it in run.records] == [RecordKind.IDLE, RecordKind.ACTIVE]
    assert len(run.records) == 2
    back = run.records[1]
    np.testing.assert_array_equal(back.current.codes, codes[::-1])
    assert back.current.codes.dtype == np.uint16
    assert (back.current.interval, back.current.start, back.current.unit) == (2e-5, -0.2, "A")
    assert back.marker is not None
    assert len(back.marker) == 10000
    assert run.records[0].marker is None
    assert back.after == SupplyReading(1_000_000_030, 19.0, 0.7, "CC", limited=True)
    assert [it.index for it in run.records[1:]] == [1]
    assert not (tmp_path / "r.h5.part").exists()


@settings(max_examples=25, deadline=None)
@given(
    codes=st.lists(st.integers(0, 65535), min_size=1, max_size=300),
    label=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12),
)
def test_any_codes_and_labels_come_back(
    planted, tmp_path_factory: pytest.TempPathFactory, codes: list[int], label: str
) -> None:
    path = tmp_path_factory.mktemp("r") / "r.h5"
    window = HostWindow(5, 6, 0, 0, 1, label)
    written(planted, path, [planted.record(0, np.array(codes, np.uint16))], [window])
    run = open_run(path)
    assert run.records[0].current.codes.tolist() == codes
    assert run.windows == (window,)


def test_plain_h5py_reads_amperes_with_the_cf_attributes(planted, tmp_path: Path) -> None:
    path = written(planted, tmp_path / "r.h5", [planted.record(0, np.array([250, 500], np.uint16))], [])
    with h5py.File(path) as file:
        assert file.attrs["format"] == b"powerlab run"
        data = file["entry/stack_0/current"]
        values = data[0] * data.attrs["scale_factor"] + data.attrs["add_offset"]
        assert data.attrs["units"] == "A"
        np.testing.assert_allclose(file["entry/stack_0/time"], [-0.2, -0.2 + 2e-5])
        overview = file["entry"][file["entry"].attrs["default"]]
        np.testing.assert_allclose(overview["current"][:], [0.05, np.nan])
        np.testing.assert_allclose(overview["largest"][:], [0.1, np.nan], rtol=1e-6)
    np.testing.assert_allclose(values, [0.0, 0.1])


def test_a_name_that_exists_is_refused_and_untouched(planted, tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    path.write_text("mine")
    with pytest.raises(TraceError, match="never overwritten"):
        RunWriter(path)
    assert path.read_text() == "mine"


def test_a_name_taken_during_the_capture_keeps_both(planted, tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    writer = RunWriter(path)
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.append(planted.record(0, np.arange(5, dtype=np.uint16)), [])
    path.write_text("mine")
    with pytest.raises(TraceError, match=r"everything recorded is in .*r\.h5\.journal"):
        writer.finish()
    assert path.read_text() == "mine"
    assert sorted(it.name for it in tmp_path.iterdir()) == ["r.h5", "r.h5.journal"]
    with pytest.raises(TraceError, match="never overwritten"):
        recover(path)
    assert recover(path, tmp_path / "s.h5").records == 1
    assert open_run(tmp_path / "s.h5").records[0].current.codes.tolist() == [0, 1, 2, 3, 4]
    assert sorted(it.name for it in tmp_path.iterdir()) == ["r.h5", "s.h5"]


@pytest.mark.parametrize("room", [300, 5000, 20_000, 60_000])
def test_a_disk_that_fills_up_at_the_end_is_one_clear_line(planted, tmp_path: Path, room: int) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "r.h5"
    writer = RunWriter(path)
    writer.describe(planted.provenance, planted.chain, planted.supply)
    for index in range(3):
        writer.append(planted.noisy(index, 20_000), [])
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer.abandon()
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(
            TraceError, match=r"could not be finished .*everything recorded is in .*r\.h5\.journal"
        ) as info:
            recover(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert len(str(info.value).splitlines()) == 1
    assert [it.name for it in tmp_path.iterdir()] == ["r.h5.journal"]
    assert recover(path).records == 3


def test_a_folder_that_is_not_there_is_one_clear_line(planted, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no folder .*--output"):
        RunWriter(tmp_path / "no" / "r.h5")


def test_abandoning_removes_an_empty_file_and_keeps_one_with_records(planted, tmp_path: Path) -> None:
    empty = RunWriter(tmp_path / "a.h5")
    empty.abandon()
    full = RunWriter(tmp_path / "b.h5")
    full.describe(planted.provenance, planted.chain, planted.supply)
    full.append(planted.record(0, np.arange(5, dtype=np.uint16)), [])
    full.abandon()
    assert sorted(it.name for it in tmp_path.iterdir()) == ["b.h5.journal"]


def test_what_is_no_run_file_says_so(planted, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="there is no file"):
        open_run(tmp_path / "none.h5")
    (tmp_path / "none.h5.journal").touch()
    with pytest.raises(TraceError, match="powerlab recover .*none.h5"):
        open_run(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(TraceError, match="is no run file"):
        open_run(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(TraceError, match="no powerlab run"):
        open_run(tmp_path / "other.h5")


def test_a_newer_version_is_refused_with_both_numbers(planted, tmp_path: Path) -> None:
    path = written(planted, tmp_path / "r.h5", [], [])
    with h5py.File(path, "r+") as file:
        file.attrs[schema.FORMAT_VERSION] = 99
    with pytest.raises(TraceError, match="version 99.*reads 2.*upgrade"):
        open_run(path)


def test_a_run_with_a_missing_part_is_called_damaged(planted, tmp_path: Path) -> None:
    path = written(planted, tmp_path / "r.h5", [planted.record(0, np.arange(5, dtype=np.uint16))], [])
    with h5py.File(path, "r+") as file:
        del file["entry/current_chain"]
    with pytest.raises(TraceError, match="damaged"):
        open_run(path)
