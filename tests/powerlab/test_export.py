"""Exported files hold the run's numbers to the last bit, in the programs that they are for."""

# ruff: noqa: PD011 - the values here are those of traces, not of frames

import csv
import dataclasses
import errno
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import powerlab as pl
from powerlab.cli import run
from powerlab.exporting import TraceRows, export, tracerows
from powerlab.exporting.newfile import new_file
from powerlab.exporting.parquetfile import GROUP
from powerlab_traces.chain import CurrentChain, SupplyLimits, SupplyReading
from powerlab_traces.errors import PowerlabError, TraceError
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Provenance
from powerlab_traces.store import RunWriter, StoredRecords, open_run
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "export.md"
ENDINGS = ("csv", "parquet", "npz", "nc")
PROVENANCE = Provenance("2026-01-02T03:04:05+01:00", simulated=True, model="vgg16", batch=2, marker_bit=1)


def record(
    index: int,
    current: Trace,
    marker: Trace | None = None,
    clipped: Sequence[int] = (),
    kind: RecordKind = RecordKind.ACTIVE,
) -> Record:
    reading = SupplyReading(index, 19.0, 0.7, "CV", limited=False)
    return Record(
        index, kind, current, marker, np.array(clipped, np.int64), index * 10 + 1, index * 10 + 2, reading, reading
    )


def amperes(codes: Sequence[int] | np.ndarray, interval: float = 2e-5, **more: float) -> Trace:
    return Trace(np.asarray(codes, np.uint16), interval, "A", **{"start": -0.2, "scale": 4e-4, "offset": -0.1} | more)


def store(path: Path, records: Sequence[Record], provenance: Provenance = PROVENANCE) -> Path:
    writer = RunWriter(path)
    writer.describe(
        provenance,
        CurrentChain("1146B", 0.1, 2, 0.03, 0.025, 0.0025, 0.024, 0.03, 0.004, 3e-5),
        SupplyLimits(0.0005, 0.005, 0.0015, 0.005, 0.1, 0.02),
    )
    for it in records:
        writer.append(it, [])
    return writer.finish()


def cell_of(header: str) -> Callable[[str], Any]:
    """What a cell of a CSV column says."""
    if header in {"label", "reason"}:
        return str
    if header in {"kept", "clipped"}:
        return {"True": True, "False": False}.__getitem__
    if header in {"record", "index", "images", "host_start_ns", "host_stop_ns"}:
        return int
    return lambda cell: float(cell) if cell else np.nan


def read(path: Path) -> dict[str, np.ndarray]:
    """The columns of any format by their header, without `source`."""
    match path.suffix:
        case ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                header, *rows = csv.reader(file)
            columns = dict(zip(header, zip(*rows, strict=True), strict=True))
            assert columns.pop("source")
            return {name: np.array(list(map(cell_of(name), cells))) for name, cells in columns.items()}
        case ".parquet":
            frame = pd.read_parquet(path)
            return {name: frame[name].to_numpy() for name in frame if name != "source"}
        case ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files if arrays[name].ndim}
        case _:
            with xr.open_dataset(path, engine="h5netcdf") as dataset:
                return {
                    f"{name}_{it.attrs['units']}" if "units" in it.attrs else str(name): it.to_numpy()
                    for name, it in dataset.variables.items()
                }


def stacked(traces: dict[int, Trace]) -> dict[str, np.ndarray]:
    """What an export of these records must hold."""
    return {
        "record": np.concatenate([np.full(len(it), index) for index, it in traces.items()]),
        "time_s": np.concatenate([it.times for it in traces.values()]),
        "current_A": np.concatenate([it.values for it in traces.values()]),
    }


def same(found: dict[str, np.ndarray], true: dict[str, Any]) -> None:
    assert sorted(found) == sorted(true)  # xarray has coordinates last
    for name, values in true.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def names() -> list[str]:
    return sorted(it.name for it in Path().iterdir())


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["export", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("powerlab: ")
    assert err.count("\n") == 1
    return err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run_file(here: Path) -> str:
    """Three records of 1000 samples and one of 130, simulated, without a marker; 50 kSa/s."""
    codes = np.random.default_rng(0).integers(0, 2550, (3, 1000))
    traces = [*(amperes(it) for it in codes), amperes(codes[0, :130])]
    return store(Path("run.h5"), [record(k, it) for k, it in enumerate(traces)]).name


@pytest.mark.parametrize("ending", ENDINGS)
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_every_sample_comes_back_to_the_last_bit(ending: str, data: st.DataObject) -> None:
    traces = {}
    for index in data.draw(st.lists(st.integers(0, 1000), min_size=1, max_size=3, unique=True)):
        traces[index] = Trace(
            np.array(data.draw(st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=40)), np.uint16),
            data.draw(st.floats(1e-9, 10.0)),
            "A",
            start=data.draw(st.floats(-10, 10)),
            scale=data.draw(st.floats(1e-9, 1e3)),
            offset=data.draw(st.floats(-1e3, 1e3)),
        )
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(store(Path(folder) / "run.h5", [record(index, it) for index, it in traces.items()]))
        path = Path(folder) / f"out.{ending}"
        export(TraceRows(run), path)
        run.records.close()
        same(read(path), stacked(traces))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_rate_gives_the_means_of_blocks(ending: str, run_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", run_file, "-o", f"out.{ending}", "--rate", "500"]) == 0
    records = open_run(run_file).records
    found = read(Path(f"out.{ending}"))
    for it in records:
        rows = found["record"] == it.index
        whole = it.current.values[: len(it.current) // 100 * 100].reshape(-1, 100)
        np.testing.assert_allclose(found["current_A"][rows], whole.mean(axis=1), rtol=1e-14)
        np.testing.assert_allclose(found["time_s"][rows], it.current.times[::100][: len(whole)], atol=1e-15)
    assert len(found["record"]) == 31
    out, err = capsys.readouterr()
    assert out == f"wrote out.{ending}: 31 samples\n"
    assert err.splitlines() == [
        "SIMULATED: the current of this run is computed, not measured",
        "each row is the mean of 100 samples, 500 per second",
        "left out: 30 samples at the end of 1 record, too few for a row",
    ]


def test_records_are_chosen_by_their_numbers(run_file: str) -> None:
    assert run(["export", run_file, "-o", "out.csv", "--record", "3", "--record", "1"]) == 0
    records = open_run(run_file).records
    same(read(Path("out.csv")), stacked({k: records[k].current for k in (1, 3)}))


@pytest.mark.parametrize("ending", ENDINGS)
def test_pieces_of_a_record_make_the_whole(ending: str, run_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracerows, "PIECE", 7)
    monkeypatch.setattr(sys.modules["powerlab.exporting.parquetfile"], "GROUP", 300)
    source = open_run(run_file)
    export(TraceRows(source), Path(f"out.{ending}"))
    same(read(Path(f"out.{ending}")), stacked({it.index: it.current for it in source.records}))
    if ending == "parquet":
        assert pq.ParquetFile("out.parquet").num_row_groups > 3


def test_no_more_than_one_record_is_read_at_a_time(run_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read_so_far: list[int] = []
    current = StoredRecords.current
    monkeypatch.setattr(StoredRecords, "current", lambda self, k: read_so_far.append(k) or current(self, k))
    rows = TraceRows(open_run(run_file), [1, 3])
    for number, _ in enumerate(rows.pieces(rows.columns)):
        assert read_so_far == [1, 3][: number + 1]
    list(rows.pieces(rows.columns[:2]))  # numbers and times need no sample
    assert read_so_far == [1, 3]


def test_a_row_group_holds_several_records() -> None:
    assert GROUP > tracerows.PIECE


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_marker_is_the_share_of_a_row_in_which_it_was_high(ending: str, here: Path) -> None:
    high = np.array([0, 0, 0, 0, 2, 2, 2, 3, 3, 1, 1, 0], np.uint8)  # bit 1
    even = Trace(high[:6], 2e-5, "", start=-0.2)
    fine = Trace(high, 1e-5, "", start=-0.2)
    codes = range(6)
    path = store(
        Path("run.h5"), [record(0, amperes(codes), even), record(1, amperes(codes), fine), record(2, amperes(codes))]
    )
    export(TraceRows(open_run(path), marker=True), Path(f"full.{ending}"))
    nan = [np.nan] * 6
    np.testing.assert_array_equal(read(Path(f"full.{ending}"))["marker"], [0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0.5, 0, *nan])
    export(TraceRows(open_run(path), rate=50e3 / 3, marker=True), Path(f"slow.{ending}"))
    np.testing.assert_allclose(read(Path(f"slow.{ending}"))["marker"], [0, 2 / 3, 1 / 3, 0.5, *nan[:2]])


@pytest.mark.parametrize(
    ("interval", "start", "count"), [(1.3e-5, -0.2, 20), (4e-5, -0.2, 5), (1e-5, -0.1999, 20), (1e-5, -0.2, 12)]
)
def test_a_marker_that_does_not_fit_is_refused(interval: float, start: float, count: int, here: Path) -> None:
    marker = Trace(np.zeros(count, np.uint8), interval, "", start=start)
    rows = TraceRows(open_run(store(Path("run.h5"), [record(0, amperes(range(10)), marker)])), marker=True)
    with pytest.raises(TraceError, match="the marker of record 0 .*; export without --marker"):
        export(rows, Path("out.csv"))
    assert names() == ["run.h5"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_with_clipped_samples_say_so(ending: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = store(Path("run.h5"), [record(0, amperes(range(9)), clipped=[0, 4, 5, 8]), record(1, amperes(range(4)))])
    assert run(["export", str(path), "-o", f"full.{ending}"]) == 0
    assert run(["export", str(path), "-o", f"slow.{ending}", "--rate", "25000"]) == 0
    full, slow = (read(Path(f"{name}.{ending}"))["clipped"].tolist() for name in ("full", "slow"))
    assert full == [True, *[False] * 3, True, True, False, False, True, *[False] * 4]
    assert slow == [True, False, True, False, False, False]
    assert "clipped: 4 samples of 1 record; the column clipped says which" in capsys.readouterr().err
    assert run(["export", str(path), "-o", f"sound.{ending}", "--record", "1"]) == 0
    assert "clipped" not in read(Path(f"sound.{ending}"))


@pytest.fixture
def captured(open_virtual: Callable[..., Any], here: Path) -> Path:
    """A virtual capture of several records."""
    return open_virtual(seed=1, memory=100_000).capture(here / "run.h5", windows=6)


def test_the_windows_are_those_of_analyse(captured: Path) -> None:
    odd = 'a, "b"\nzürich'
    source = open_run(captured)
    hosts = list(source.windows)
    hosts[1] = dataclasses.replace(hosts[1], label=odd)
    hosts.append(HostWindow(hosts[-1].stop + 1, hosts[-1].stop + 5, len(hosts), 99, 3))  # its record was lost
    doctored = dataclasses.replace(source, windows=tuple(hosts))
    table = pl.windows_table(doctored)
    result = pl.analyse(captured)
    true = {
        "index": list(range(7)),
        "record": [*(it.record for it in result.kept), 99],
        "label": ["", odd, *[""] * 5],
        "images": [2] * 6 + [3],
        "kept": [True] * 6 + [False],
        "reason": [""] * 6 + ["record 99 is not in this run"],
        "start_s": [*(it.window.start for it in result.kept), np.nan],
        "stop_s": [*(it.window.stop for it in result.kept), np.nan],
        "duration_s": [*(it.seconds for it in result.kept), np.nan],
        "energy_J": [*(it.energy for it in result.kept), np.nan],
        "power_W": [*(it.power for it in result.kept), np.nan],
        "host_start_ns": [it.start for it in hosts],
        "host_stop_ns": [it.stop for it in hosts],
    }
    for ending in ENDINGS:
        export(table, Path(f"out.{ending}"))
        same(read(Path(f"out.{ending}")), true)


def test_windows_that_share_a_number_are_refused(captured: Path) -> None:
    source = open_run(captured)
    first, second, *rest = source.windows
    doubled = dataclasses.replace(source, windows=(first, dataclasses.replace(second, index=first.index), *rest))
    with pytest.raises(TraceError, match="same number"):
        pl.windows_table(doubled)


def test_a_run_without_windows_has_none_to_export(run_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no window to export" in refused(capsys, run_file, "-o", "out.csv", "--windows")


@pytest.mark.parametrize("simulated", [True, False])
def test_a_file_says_whether_it_was_measured(simulated: bool, captured: Path) -> None:
    source = open_run(captured)
    doctored = dataclasses.replace(source, provenance=dataclasses.replace(source.provenance, simulated=simulated))
    said = "SIMULATED" if simulated else "measured"
    for name, rows in {"windows": pl.windows_table(doctored), "samples": TraceRows(doctored, rate=100)}.items():
        for ending in ENDINGS:
            export(rows, Path(f"{name}.{ending}"))
        assert set(pd.read_csv(f"{name}.csv").source) == {said}
        assert set(pd.read_parquet(f"{name}.parquet").source) == {said}
        assert pq.read_schema(f"{name}.parquet").metadata[b"source"] == said.encode()
        with np.load(f"{name}.npz", allow_pickle=False) as arrays:
            assert arrays["source"] == said
        with xr.open_dataset(f"{name}.nc") as dataset:
            assert dataset.source == said


def test_a_measured_run_is_not_called_simulated(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    provenance = dataclasses.replace(PROVENANCE, simulated=False)
    store(Path("run.h5"), [record(0, amperes([1, 2]))], provenance)
    assert run(["export", "run.h5", "-o", "out.csv"]) == 0
    assert capsys.readouterr() == ("wrote out.csv: 2 samples\n", "")
    assert Path("out.csv").read_text(encoding="utf-8").splitlines()[0] == "record,time_s,current_A,source"


def test_other_readers_find_units_and_coordinates(run_file: str) -> None:
    for ending in ENDINGS:
        assert run(["export", run_file, "-o", f"out.{ending}"]) == 0
    with xr.open_dataset("out.nc", engine="h5netcdf") as dataset:
        assert set(dataset.coords) == {"record", "time"}
        assert (dataset.current.units, dataset.time.units) == ("A", "s")
        assert dataset.current.dtype == np.float64
        assert dataset.current.where(dataset.record == 3, drop=True).size == 130
    schema = pq.read_schema("out.parquet")
    assert schema.field("current_A").metadata[b"units"] == b"A"
    assert schema.field("time_s").metadata[b"units"] == b"s"
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3130
    # No digit more than needed to get the same number back.
    assert all(repr(float(row["current_A"])) == row["current_A"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "out.xlsx"), "out.xlsx ends in .xlsx; the ending says the format: .csv, .parquet, .npz, .nc"),
        (("-o", "out"), "out has no ending"),
        (("-o", "there.csv"), "there.csv exists and is never overwritten"),
        (("-o", "nowhere/out.csv"), "no folder nowhere"),
        (("-o", "out.csv", "--record", "4"), "there is no record 4; the run has records 0 to 3"),
        (("-o", "out.csv", "--rate", "0"), "above 0"),
        (("-o", "out.csv", "--rate", "nan"), "above 0"),
        (("-o", "out.csv", "--rate", "30000"), "record 0: 50000 samples per second cannot be averaged to 30000"),
        (("-o", "out.csv", "--rate", "1"), "no record is long enough for one row; give a higher --rate"),
        (("-o", "out.csv", "--marker"), "no marker was recorded"),
        (("-o", "out.csv", "--windows", "--rate", "10"), "--windows is a table of windows"),
        (("-o", "out.csv", "--windows", "--record", "1"), "--windows is a table of windows"),
        (("-o", "out.csv", "--windows", "--marker"), "--windows is a table of windows"),
        ((), "Missing option"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(
    arguments: tuple[str, ...], said: str, run_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("there.csv").write_text("mine", encoding="utf-8")
    assert said in refused(capsys, run_file, *arguments)
    assert names() == ["run.h5", "there.csv"]
    assert Path("there.csv").read_text(encoding="utf-8") == "mine"


def test_a_run_that_is_not_there_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no file run.h5" in refused(capsys, "run.h5", "-o", "out.csv")


@pytest.mark.parametrize(("ending", "library"), [("parquet", "pyarrow"), ("nc", "h5netcdf")])
def test_without_the_library_one_line_names_the_extra(
    ending: str, library: str, run_file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    said = refused(capsys, run_file, "-o", f"out.{ending}")
    assert f"{library} cannot be loaded" in said
    assert 'pip install "powerlab[export]"' in said
    assert names() == ["run.h5"]


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_csv_and_npz_need_no_extra(ending: str, run_file: str) -> None:
    code = f"""
import sys
for name in ("pandas", "xarray", "pyarrow", "h5netcdf", "torch"):
    sys.modules[name] = None
from powerlab.cli import run
sys.exit(run(["export", "run.h5", "-o", "out.{ending}"]))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_full_disk_leaves_nothing_and_breaks_nothing(run_file: str) -> None:
    pytest.importorskip("resource")  # POSIX: a process that may not make its files longer stands for a full disk
    code = """
import os, resource
from powerlab.cli import run
for ending in ("csv", "parquet", "npz", "nc"):
    for most in (0, 1000, 10_000, 20_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        assert run(["export", "run.h5", "-o", f"out.{ending}"]) == 2
        assert os.listdir() == ["run.h5"]
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 16
    assert all("could not be written (File too large); make room, or give another name" in line for line in lines)


@pytest.mark.parametrize("linking", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(linking: bool, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links here")

    if not linking:
        monkeypatch.setattr(os, "link", no_links)
    path = Path("out.csv")
    with pytest.raises(PowerlabError, match="out.csv could not be written"), new_file(path):
        path.write_text("theirs", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "theirs"
    assert names() == ["out.csv"]
    with new_file(Path("new.csv")) as part:
        part.write_text("ours", encoding="utf-8")
    assert Path("new.csv").read_text(encoding="utf-8") == "ours"
    assert names() == ["new.csv", "out.csv"]


def test_what_a_killed_export_left_is_said(run_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out.csv.part").write_text("half", encoding="utf-8")
    assert "out.csv.part exists: it is being written, or was left" in refused(capsys, run_file, "-o", "out.csv")
    assert Path("out.csv.part").read_text(encoding="utf-8") == "half"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, TraceError])
def test_an_export_that_is_stopped_leaves_nothing(stop: type[BaseException], run_file: str) -> None:
    class Broken(TraceRows):
        def pieces(self, columns: Sequence[Any]) -> Iterator[tuple[np.ndarray, ...]]:
            yield next(super().pieces(columns))
            raise stop("damaged")

    with pytest.raises(stop):
        export(Broken(open_run(run_file)), Path("out.parquet"))
    assert names() == ["run.h5"]


def test_the_progress_ends_at_one(run_file: str) -> None:
    for ending in ENDINGS:
        shares: list[float] = []
        export(TraceRows(open_run(run_file)), Path(f"out.{ending}"), shares.append)
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1)


def test_a_part_of_a_record_can_be_viewed(run_file: str) -> None:
    source = open_run(run_file)
    part = source.records.current(1, pl.Window(-0.199, -0.198))
    assert pl.to_pandas(part).tolist() == source.records[1].current.values[50:100].tolist()


def test_the_page_does_what_it_says(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    commands = re.findall(r"^\$ (powerlab .*)$", page, re.MULTILINE)
    assert len(commands) == 5
    for line in commands:
        assert run(shlex.split(line, comments=True)[1:]) == 0, line
    capsys.readouterr()
    made: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(code, made)
    assert "SIMULATED" in capsys.readouterr().out
    result = pl.analyse(captured)
    assert made["frame"].energy_J.tolist() == [it.energy for it in result.kept]
    assert len(made["part"]) == pytest.approx(5000, abs=1)
    assert made["tensor"].numpy().mean() == pytest.approx(made["trace"].values.mean())
    for header in [it.header for it in made["windows"].columns]:
        assert f"`{header}`" in page
