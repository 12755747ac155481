"""An imported capture comes back from its run file as it was, and plain readers open it in SI units."""

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from powerlab_traces import schema
from powerlab_traces.errors import PowerlabError, TraceError
from powerlab_traces.importers import (
    ForeignRecord,
    ForeignTrace,
    ForeignWindow,
    Imported,
    ImportOptions,
    Lacking,
    Role,
    Rule,
    SourceFile,
    Statistic,
    Unknown,
    energies,
    read,
)
from powerlab_traces.importers.outline import as_power, main_trace, outline
from powerlab_traces.run import Provenance
from powerlab_traces.store import RunWriter, importwriter, open_run
from powerlab_traces.store.imported import check_import, read_import, write_import
from powerlab_traces.store.kind import Kind, kind_of
from tests.traces.importers.conftest import FORMATS, Foreign

PAGE = Path(__file__).parents[3] / "docs" / "file-format.md"
ANSWERS = {"supply_voltage": 5.0, "images": 2}


def a_capture(*traces: ForeignTrace, **more: object) -> Imported:
    said = {
        "format": "test",
        "records": (ForeignRecord(0, traces),),
        "windows": (),
        "provenance": Provenance("", simulated=False, model="m", batch=None, marker_bit=None),
        "sources": (),
        "clock": "mine",
    }
    return Imported(**said | more)


def ramp(role: Role = Role.POWER, unit: str = "W", count: int = 40, **more: object) -> ForeignTrace:
    return ForeignTrace("p", role, unit, np.arange(count, dtype=np.float32), **{"interval": 0.5} | more)


def stored(folder: Path, imported: Imported, **options: object) -> Path:
    path = folder / "i.h5"
    path.unlink(missing_ok=True)
    write_import(path, imported, options, imported_by="test")
    return path


def assert_same(one: Imported, other: Imported) -> None:
    """Equal in every field; samples bit for bit and of one type."""
    for field in dataclasses.fields(Imported):
        if field.name != "records":
            assert getattr(one, field.name) == getattr(other, field.name), field.name
    assert [it.index for it in one.records] == [it.index for it in other.records]
    for here, there in zip(one.records, other.records, strict=True):
        assert len(here.traces) == len(there.traces)
        for a, b in zip(here.traces, there.traces, strict=True):
            for name in ("name", "role", "unit", "interval", "start", "scale"):
                assert getattr(a, name) == getattr(b, name)
            assert (a.times is None) == (b.times is None)
            if a.times is not None:
                assert a.times.tobytes() == b.times.tobytes()
            raw = a.raw[0 : len(a)]
            assert b.raw[0 : len(b)].dtype == raw.dtype
            assert b.raw[0 : len(b)].tobytes() == np.ascontiguousarray(raw).tobytes()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_comes_back_with_the_same_energies(tmp_path, name):
    main = Foreign().small(name, tmp_path)
    (tmp_path / f"{main.stem}-windows.csv").write_text("start_s,stop_s\n0.0,0.002\n0.001,9e9\n")
    imported = read(main, ImportOptions(**ANSWERS))
    path = stored(tmp_path, imported, **ANSWERS)
    back = read_import(path)
    assert_same(imported, back)
    assert energies(back) == energies(imported)  # bit for bit: floats are compared
    assert energies(back).kept
    assert (back.options, back.imported_by) == (ANSWERS, "test")
    assert datetime.fromisoformat(back.imported).tzinfo is not None
    assert list(check_import(path)) == []
    assert kind_of(path) is Kind.IMPORT


numbers = st.floats(width=64, allow_nan=False, allow_infinity=False)
words = st.text(max_size=30).filter(lambda text: "\0" not in text)


@st.composite
def traces(draw: st.DrawFn) -> ForeignTrace:
    kind = draw(st.sampled_from(["<f4", "<f8", "u1", "<i2", "<u4", ">f4", "?"]))
    raw = draw(hnp.arrays(kind, st.integers(0, 40)))
    scale = draw(st.sampled_from([1.0, 1e-6, -2.5]))
    base = {
        "name": draw(words),
        "role": draw(st.sampled_from(Role)),
        "unit": draw(st.sampled_from(["A", "W", "", "J"])),
    }
    if draw(st.booleans()):
        steps = draw(hnp.arrays(np.float64, len(raw), elements=st.floats(1e-6, 10)))
        return ForeignTrace(
            **base, raw=raw, times=np.cumsum(steps), scale=scale, start=draw(st.sampled_from([0.0, 3.5]))
        )
    interval = draw(st.floats(1e-9, 1e3))
    return ForeignTrace(**base, raw=raw, interval=interval, start=draw(st.floats(-1e6, 1e6)), scale=scale)


@st.composite
def captures(draw: st.DrawFn) -> Imported:
    windows = [
        ForeignWindow(start, start + length, k, record, images, label)
        for k, (start, length, record, images, label) in enumerate(
            draw(
                st.lists(
                    st.tuples(
                        st.floats(-1e6, 1e6),
                        st.floats(1e-3, 1e3),
                        st.integers(0, 3),
                        st.none() | st.integers(1, 1 << 53),
                        words,
                    ),
                    max_size=4,
                )
            )
        )
    ]
    offset = draw(st.none() | st.integers(-12, 12))
    return Imported(
        format=draw(words),
        records=tuple(
            ForeignRecord(k * 2, tuple(draw(st.lists(traces(), max_size=4)))) for k in range(draw(st.integers(0, 3)))
        ),
        windows=tuple(windows),
        provenance=Provenance(
            created=draw(words),
            simulated=draw(st.booleans()),
            model=draw(st.text(max_size=30)),
            batch=draw(st.none() | st.integers(1, 9)),
            marker_bit=None,
            settings={"a/b": draw(st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))},
        ),
        sources=(SourceFile(draw(words), draw(st.integers(0, 1 << 60)), "0" * 64),),
        clock=draw(words),
        origin=draw(
            st.none() | st.datetimes(timezones=st.just(None if offset is None else timezone(timedelta(hours=offset))))
        ),
        rule=draw(st.sampled_from(Rule)),
        statistic=draw(st.sampled_from(Statistic)),
        supply_voltage=draw(st.none() | st.floats(0.1, 100)),
        unknown=tuple(
            Unknown(lacking, draw(words), draw(words)) for lacking in draw(st.lists(st.sampled_from(Lacking)))
        ),
        notes=tuple(draw(st.lists(words, max_size=3))),
    )


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(imported=captures())
def test_any_capture_comes_back(tmp_path, imported):
    path = stored(tmp_path, imported)
    plain = [
        dataclasses.replace(
            it, traces=tuple(dataclasses.replace(each, raw=plain_numbers(each.raw)) for each in it.traces)
        )
        for it in imported.records
    ]
    assert_same(dataclasses.replace(imported, records=tuple(plain)), read_import(path))
    assert not [line for line in check_import(path) if "there is no record" not in line]


def plain_numbers(raw: np.ndarray) -> np.ndarray:
    """What HDF5 keeps: little-endian numbers, levels as bytes."""
    return raw.astype(np.uint8) if raw.dtype == bool else raw.astype(raw.dtype.newbyteorder("<"))


def test_names_that_hdf5_cannot_hold_are_readable_all_the_same(tmp_path):
    imported = a_capture(ramp(), sources=(SourceFile("a\0b\udcff", 1, ""),), notes=("x" * 100_000, "\ud800"))
    back = read_import(stored(tmp_path, dataclasses.replace(imported, format="f" * 5000)))
    assert back.sources[0].name == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert back.notes == ("x" * 100_000, "\N{REPLACEMENT CHARACTER}")


def test_a_long_name_of_a_trace_comes_back_whole(tmp_path):
    trace = dataclasses.replace(ramp(), name="n" * 200_000)
    assert read_import(stored(tmp_path, a_capture(trace))).records[0].traces[0].name == trace.name


@pytest.mark.parametrize(
    ("imported", "said"),
    [
        (a_capture(dataclasses.replace(ramp(), raw=np.ones(4, complex))), "'p' holds complex128"),
        (a_capture(dataclasses.replace(ramp(), raw=np.array(["a"]))), "no row of real numbers"),
        (
            a_capture(records=(ForeignRecord(1, ()), ForeignRecord(1, ()))),
            "two records of the capture have the number 1",
        ),
        (a_capture(windows=(ForeignWindow(0.0, 1.0, images=1 << 80),)), "absurd numbers"),
    ],
)
def test_what_cannot_be_stored_is_refused_in_one_line(tmp_path, imported, said):
    with pytest.raises(TraceError, match=said):
        stored(tmp_path, imported)


class Counted:
    """Samples that are only handed out in small pieces, and that may end early."""

    def __init__(self, count: int, ends: int | None = None) -> None:
        self.count, self.ends, self.largest = count, count if ends is None else ends, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, span: slice) -> np.ndarray:
        start, stop, _ = span.indices(self.ends)
        self.largest = max(self.largest, stop - start)
        return np.arange(start, stop, dtype=np.float32)


def test_a_long_trace_is_written_block_by_block(tmp_path):
    samples = Counted(3_000_000)
    imported = a_capture(dataclasses.replace(ramp(), raw=samples))
    shares: list[float] = []
    path = tmp_path / "i.h5"
    write_import(path, imported, done=shares.append)
    assert samples.largest <= 1 << 20
    assert shares == sorted(shares)
    assert shares[-1] == 1
    back = read_import(path).records[0].traces[0]
    assert back.raw[2_999_990:2_999_999].tolist() == list(range(2_999_990, 2_999_999))


def test_a_source_that_ends_early_is_refused(tmp_path):
    with pytest.raises(TraceError, match="'p' is cut short at sample 0"):
        stored(tmp_path, a_capture(dataclasses.replace(ramp(), raw=Counted(100, ends=60))))


def test_a_very_long_even_trace_has_no_axis_and_the_same_energies(tmp_path, monkeypatch):
    monkeypatch.setattr(importwriter, "LONGEST_AXIS", 30)
    imported = a_capture(ramp(), windows=(ForeignWindow(1.0, 7.0),))
    path = stored(tmp_path, imported)
    assert energies(read_import(path)) == energies(imported)
    with h5py.File(path) as file:
        record = file["entry/imported/record_0"]
        assert list(record) == ["power"]
        assert record.attrs["axes"].tolist() == ["."]
        assert record["power"].attrs["interval_s"] == 0.5


def two_bases() -> Imported:
    """Energy in microjoules at 2 Hz, a line at 4 Hz, and a voltage at odd times."""
    times = np.array([0.0, 0.1, 0.7, 2.0])
    return a_capture(
        ForeignTrace("D0", Role.MARKER, "", np.array([0, 1] * 40, np.uint8), interval=0.25),
        ramp(Role.ENERGY, "J", scale=1e-6),
        ForeignTrace("v", Role.VOLTAGE, "V", np.array([5.0, np.nan, 5.2, 5.1]), times=times),
        ForeignTrace("w", Role.OTHER, "V", np.ones(4), times=times),
        windows=(ForeignWindow(1.0, 7.0, images=3, label="a"), ForeignWindow(8.0, 9.0, 1)),
    )


def test_every_name_in_the_file_is_on_the_page(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    imported = dataclasses.replace(two_bases(), supply_voltage=5.0, origin=datetime(2026, 1, 2, tzinfo=UTC))
    with h5py.File(stored(tmp_path, imported)) as file:
        names: set[str] = set(file["entry/imported"].attrs)
        file["entry"].visititems(lambda name, it: names.update([*name.split("/"), *it.attrs]))
    for name in names - {"NX_class", "signal", "axes", "auxiliary_signals", "CLASS", "NAME", "REFERENCE_LIST"} - {
        "DIMENSION_LIST", "long_name", "time_1", "time_2", "trace_3", "record_0"
    }:  # fmt: skip
        assert f"`{name}`" in page or f"/{name}`" in page, name


def test_plain_readers_get_si_units(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    path = stored(tmp_path, two_bases())
    with xarray.open_dataset(path, engine="h5netcdf", group="entry/imported/record_0", phony_dims="access") as data:
        np.testing.assert_allclose(data.energy, np.arange(40) * 1e-6, rtol=1e-6)
        assert data.energy.attrs["units"] == "J"
        np.testing.assert_allclose(data.energy.time, np.arange(40) * 0.5)
        assert data.marker.dtype == np.uint8
        np.testing.assert_array_equal(data.voltage, [5.0, np.nan, 5.2, 5.1])
        assert data.voltage.dims == data.trace_3.dims
    with xarray.open_dataset(path, engine="h5netcdf", group="entry/overview", phony_dims="access") as data:
        assert (data.power.attrs["units"], data.time.attrs["units"]) == ("W", "s")
        np.testing.assert_allclose(data.power[:40], np.arange(40) * 2e-6, rtol=1e-6)


def test_viewers_are_led_to_a_plot_of_the_power(tmp_path):
    with h5py.File(stored(tmp_path, two_bases())) as file:
        entry = file[file.attrs["default"]]
        data = entry[entry.attrs["default"]]
        signal, axis = data[data.attrs["signal"]], data[data.attrs["axes"][0]]
        assert signal.name.endswith("/power")
        assert signal.shape == axis.shape
        record = file["entry/imported/record_0"]
        assert record.attrs["signal"] == "energy"
        assert record["energy"].dims[0][0].name.endswith("/time")


def test_records_whose_clock_starts_anew_follow_each_other_in_the_overview(tmp_path):
    imported = a_capture(records=tuple(ForeignRecord(k, (ramp(count=4),)) for k in range(3)))
    with h5py.File(stored(tmp_path, imported)) as file:
        times, power = file["entry/overview/time"][:], file["entry/overview/power"][:]
    assert (np.diff(times) >= 0).all()
    assert times[-1] == 6.0
    assert np.isnan(power).tolist() == ([False] * 4 + [True]) * 3


@given(count=st.integers(0, 3000), points=st.integers(1, 50), even=st.booleans(), seed=st.integers(0, 99))
def test_every_sample_is_in_the_outline(count, points, even, seed):
    values = np.random.default_rng(seed).normal(size=count)
    base = {"interval": 0.1} if even else {"times": np.arange(count) * 0.1}
    found = outline(ForeignTrace("p", Role.POWER, "W", values, **base), points)
    assert len(found.times) <= points
    assert (np.diff(found.times) > 0).all()
    if count:
        assert (found.low.min(), found.high.max()) == (values.min(), values.max())
        assert ((found.low <= found.mean + 1e-12) & (found.mean <= found.high + 1e-12)).all()


def test_what_was_not_measured_leaves_no_trace_in_the_outline():
    values = np.array([1.0, np.nan, 3.0, np.nan, np.nan, 7.0])
    found = outline(ForeignTrace("p", Role.POWER, "W", values, interval=1.0), 3)
    np.testing.assert_array_equal(found.mean, [1.0, 3.0, 7.0])
    np.testing.assert_array_equal(
        outline(ForeignTrace("p", Role.POWER, "W", values[3:5], interval=1.0), 1).mean, [np.nan]
    )


def test_the_main_trace_is_the_one_the_energy_comes_from():
    record = two_bases().records[0]
    trace = main_trace(record)
    assert (trace.name, as_power(trace).unit, as_power(trace).scale) == ("p", "W", 2e-6)
    assert main_trace(ForeignRecord(0, record.traces[:1])).name == "D0"
    assert main_trace(ForeignRecord(0, ())) is None


def other_sample(group: h5py.Group) -> None:
    group["record_0/energy"][7] += 1


def other_scale(group: h5py.Group) -> None:
    group["record_0/energy"].attrs["scale_factor"] = 1e-3


def other_interval(group: h5py.Group) -> None:
    group["record_0/energy"].attrs["interval_s"] = 0.6


def other_unit(group: h5py.Group) -> None:
    group["record_0/voltage"].attrs["unit"] = b"A"


def no_scale(group: h5py.Group) -> None:
    del group["record_0/energy"].attrs["scale_factor"]


def gone(group: h5py.Group) -> None:
    del group["record_0/marker"]


def shorter(group: h5py.Group) -> None:
    del group["record_0/marker"]
    group["record_0/marker"] = np.zeros(3, np.uint8)


def turned_windows(group: h5py.Group) -> None:
    group["windows/index"][:] = [1, 0]


def lost_record(group: h5py.Group) -> None:
    group["windows/record"][1] = 7


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (other_sample, "record_0/energy: its samples are not those that were imported"),
        (other_scale, "record_0/energy: its attribute scale_factor is 0.001, where the table of traces has 1e-06"),
        (other_interval, "record_0/energy: its attribute interval_s is 0.6"),
        (other_unit, "record_0/voltage: its attribute units is A, where the table of traces has V"),
        (no_scale, "record_0/energy: its attribute scale_factor is 1.0"),
        (gone, "record_0/marker: "),
        (shorter, "record_0/marker: its shape is (3,), where the table of traces has 80 samples"),
        (turned_windows, "window 1 stands where window 0 should"),
        (lost_record, "window 1: there is no record 7 for it"),
    ],
)
def test_each_damage_is_named(tmp_path, damage, said):
    path = stored(tmp_path, two_bases())
    with h5py.File(path, "r+") as file:
        damage(file["entry/imported"])
    found = list(check_import(path))
    assert any(said in line for line in found), found
    assert all("\n" not in line for line in found)


def test_a_table_that_cannot_be_is_called_damaged(tmp_path):
    path = stored(tmp_path, two_bases())
    with h5py.File(path, "r+") as file:
        file["entry/imported/windows/stop_s"][0] = -3.0
    with pytest.raises(TraceError, match=r"i\.h5 is damaged: window 0 stops at -3 s"):
        read_import(path)
    path = stored(tmp_path, two_bases())
    with h5py.File(path, "r+") as file:
        file["entry/imported/traces/interval_s"][1] = -1.0
    with pytest.raises(TraceError, match="damaged: trace 'p' needs a sample interval above 0 s"):
        read_import(path)


# The same damage every time: what HDF5 does with it must not depend on luck.
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path, data):
    raw = bytearray(stored(tmp_path, two_bases()).read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "damaged.h5"
    path.write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
    kind_of(path)
    said = "damaged.h5"
    try:
        list(check_import(path))
        energies(read_import(path))
    except PowerlabError as error:
        said = str(error)
    assert "\n" not in said
    assert "damaged.h5" in said


def test_open_run_says_what_an_imported_file_is(tmp_path):
    path = stored(tmp_path, two_bases())
    with pytest.raises(TraceError, match=r"holds a capture of another program.*powerlab analyse.*pl\.open_import"):
        open_run(path)


def test_a_run_is_no_import(planted, tmp_path):
    writer = RunWriter(tmp_path / "r.h5")
    writer.describe(planted.provenance, planted.chain, planted.supply)
    writer.append(planted.noisy(0), [])
    path = writer.finish()
    assert kind_of(path) is Kind.RUN
    with pytest.raises(TraceError, match=r"holds a run of powerlab, no imported capture: pl\.open_run"):
        read_import(path)


def test_kinds_of_paths(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "cut.h5").write_bytes((tmp_path / "other.h5").read_bytes()[:100])
    found = {name: kind_of(tmp_path / name) for name in ("other.h5", "text.h5", "cut.h5", "none.h5", ".")}
    assert found == {
        "other.h5": Kind.FOREIGN_HDF5,
        "text.h5": Kind.FOREIGN,
        "cut.h5": Kind.RUN,
        "none.h5": Kind.RUN,
        ".": Kind.FOREIGN,
    }
    with pytest.raises(TraceError, match="cannot be read: File name too long"):
        kind_of(tmp_path / ("n" * 300))


def test_the_description_is_plain_json(tmp_path):
    with h5py.File(stored(tmp_path, two_bases(), factor={"1": 10.0})) as file:
        group = file[schema.ENTRY][schema.IMPORTED]
        assert json.loads(group["options"][()]) == {"factor": {"1": 10.0}}
        assert json.loads(group["provenance"][()])["model"] == "m"


def test_a_day_of_samples_takes_little_memory(tmp_path):
    """10 M samples of a mapped file, in a process that may not have room for them as floats."""
    source = tmp_path / "t-energy.bin"
    with source.open("wb") as file:
        file.write(b"\xf1" + np.float32(100.0).tobytes())
        for _ in range(10):
            np.ones(1_000_000, "<f4").tofile(file)
    code = (
        "import tracemalloc, pathlib\n"
        "from powerlab_traces.importers import read\n"
        "from powerlab_traces.store.imported import write_import\n"
        "imported = read(pathlib.Path('t-energy.bin'))\n"
        "tracemalloc.start()\n"
        "write_import(pathlib.Path('i.h5'), imported)\n"
        "print(tracemalloc.get_traced_memory()[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60 << 20  # as 64-bit floats they are 80 MB
