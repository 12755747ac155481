"""The run file keeps what it was given, in the shape it promises."""

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab_traces import schema
from powerlab_traces.chain import CurrentChain, SupplyLimits, SupplyReading
from powerlab_traces.errors import TraceError
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Provenance, TrueWindow
from powerlab_traces.store import RunWriter, open_run
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

CHAIN = CurrentChain("1146B", 0.1, 2, 0.03, 0.025, 0.0025, 0.024, 0.03, 0.004, 3e-5)
SUPPLY = SupplyLimits(0.0005, 0.005, 0.0015, 0.005, 0.1, 0.02)
PROVENANCE = Provenance(
    created="2026-01-02T03:04:05+01:00",
    simulated=True,
    model="vgg16",
    batch=2,
    marker_bit=0,
    instruments={"scope": "AGILENT TECHNOLOGIES,MSO-X 2024A,SIM1,02.65"},
    settings={"scope": {"time_range": "2 s"}, "supply": {"output": "on"}},
    bench='[scope]\nresource = "x"\n',
    workload={"seed": "0"},
    software={"powerlab": "0.1.0"},
    host={"system": "Linux"},
)


def record(index: int, codes: np.ndarray, kind: RecordKind = RecordKind.ACTIVE, *, marker: bool = True) -> Record:
    reading = SupplyReading(5, 19.0, 0.7, "CV", limited=False)
    return Record(
        index=index,
        kind=kind,
        current=Trace(codes, 2e-5, "A", start=-0.2, scale=0.0004, offset=-0.1),
        marker=Trace(np.ones(len(codes) * 10, np.uint8), 2e-6, "", start=-0.2) if marker else None,
        clipped=np.array([1], np.int64),
        armed=10,
        fetched=20,
        before=reading,
        after=dataclasses.replace(reading, time=9, regulation="CC", limited=True),
    )


def written(path: Path, records: list[Record], windows: list[HostWindow]) -> Path:
    writer = RunWriter(path)
    writer.describe(PROVENANCE, CHAIN, SUPPLY)
    for it in records:
        writer.append(it, [window for window in windows if window.record == it.index])
    return writer.finish(notes=["odd"], truth=[TrueWindow(1, 2, 3.5)])


def test_a_run_reads_back_as_written(tmp_path: Path) -> None:
    codes = np.arange(1000, dtype=np.uint16)
    windows = [HostWindow(1, 2, 0, 1, 2, "a"), HostWindow(3, 4, 1, 1, 2, "ü")]
    first = record(0, codes, RecordKind.IDLE, marker=False)
    path = written(tmp_path / "r.h5", [first, record(1, codes[::-1].copy())], windows)
    run = open_run(path)
    assert run.provenance == PROVENANCE
    assert run.chain == CHAIN
    assert run.supply == SUPPLY
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
    assert back.after == SupplyReading(9, 19.0, 0.7, "CC", limited=True)
    assert [it.index for it in run.records[1:]] == [1]
    assert not (tmp_path / "r.h5.part").exists()


@settings(max_examples=25, deadline=None)
@given(
    codes=st.lists(st.integers(0, 65535), min_size=1, max_size=300),
    label=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12),
)
def test_any_codes_and_labels_come_back(tmp_path_factory: pytest.TempPathFactory, codes: list[int], label: str) -> None:
    path = tmp_path_factory.mktemp("r") / "r.h5"
    window = HostWindow(5, 6, 0, 0, 1, label)
    written(path, [record(0, np.array(codes, np.uint16))], [window])
    run = open_run(path)
    assert run.records[0].current.codes.tolist() == codes
    assert run.windows == (window,)


def test_plain_h5py_reads_amperes_with_the_cf_attributes(tmp_path: Path) -> None:
    path = written(tmp_path / "r.h5", [record(0, np.array([250, 500], np.uint16))], [])
    with h5py.File(path) as file:
        assert file.attrs["format"] == "powerlab run"
        data = file["entry"][file["entry"].attrs["default"]]["current"]
        values = data[:] * data.attrs["scale_factor"] + data.attrs["add_offset"]
        assert data.attrs["units"] == "A"
    np.testing.assert_allclose(values, [0.0, 0.1])


def test_a_name_that_exists_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    path.write_text("mine")
    with pytest.raises(TraceError, match="never overwritten"):
        RunWriter(path)
    assert path.read_text() == "mine"


def test_a_name_taken_during_the_capture_keeps_both(tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    writer = RunWriter(path)
    writer.describe(PROVENANCE, CHAIN, SUPPLY)
    writer.append(record(0, np.arange(5, dtype=np.uint16)), [])
    path.write_text("mine")
    with pytest.raises(TraceError, match=r"r\.h5\.part"):
        writer.finish()
    assert path.read_text() == "mine"
    with h5py.File(tmp_path / "r.h5.part") as file:
        assert len(file["entry/records"]) == 1


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no folder .*--output"):
        RunWriter(tmp_path / "no" / "r.h5")


def test_abandoning_removes_an_empty_file_and_keeps_one_with_records(tmp_path: Path) -> None:
    empty = RunWriter(tmp_path / "a.h5")
    empty.abandon()
    full = RunWriter(tmp_path / "b.h5")
    full.describe(PROVENANCE, CHAIN, SUPPLY)
    full.append(record(0, np.arange(5, dtype=np.uint16)), [])
    full.abandon()
    assert sorted(it.name for it in tmp_path.iterdir()) == ["b.h5.part"]


def test_what_is_no_run_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="there is no file"):
        open_run(tmp_path / "none.h5")
    (tmp_path / "none.h5.part").touch()
    with pytest.raises(TraceError, match="unfinished none.h5.part"):
        open_run(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(TraceError, match="is no run file"):
        open_run(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(TraceError, match="no powerlab run"):
        open_run(tmp_path / "other.h5")


def test_a_newer_version_is_refused_with_both_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "r.h5", [], [])
    with h5py.File(path, "r+") as file:
        file.attrs[schema.FORMAT_VERSION] = 99
    with pytest.raises(TraceError, match="version 99.*up to 1"):
        open_run(path)


def test_a_run_with_a_missing_part_is_called_damaged(tmp_path: Path) -> None:
    path = written(tmp_path / "r.h5", [record(0, np.arange(5, dtype=np.uint16))], [])
    with h5py.File(path, "r+") as file:
        del file["entry/current_chain"]
    with pytest.raises(TraceError, match="damaged"):
        open_run(path)
