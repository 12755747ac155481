"""Tables of numbers, their units and windows; Nordic's and Joulescope's files."""

import importlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from powerlab_traces.importers import (
    ForeignFileError,
    ImportOptions,
    NotKnown,
    Role,
    energies,
    energy_per_image,
    read,
    recognise,
)
from powerlab_traces.importers.units import split_unit

ROWS = "0.000,100,5\n0.001,200,5\n0.002,300,5\n0.003,400,5\n"


def table(folder, text, name="a.csv"):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def windows(folder, text="start_s,stop_s,images\n0.001,0.003,2\n", name="a-windows.csv"):
    return table(folder, text, name)


@pytest.mark.parametrize(
    "text",
    [
        "Time (s),Current (mA),Voltage (V)\n" + ROWS,
        "time_s,current_mA,voltage_V\n" + ROWS,
        "\ufefftime [s],I [mA],U [V]\n" + ROWS,
        "t/s,I/mA,V/V\n" + ROWS.replace("\n", "\r\n"),
        "# from my meter\n\nTime,Current,Voltage\ns,mA,V\n" + ROWS + "\n\n# the end\n",
        "# time_s,current_mA,voltage_V\n" + ROWS,
        ("Time (s);Current (mA);Voltage (V)\n" + ROWS.replace(",", ";")).replace(".", ","),
        "Time (s)\tCurrent (mA)\tVoltage (V)\n" + ROWS.replace(",", "\t"),
        "seconds,current (milliamps),volts,note\n" + ROWS.replace(",5\n", ',5,"on, and off"\n'),
        ("time_s,current_µA,voltage_V\n" + ROWS.replace("00,", "00000,"))
        .replace("0.000000", "0.000")
        .encode("latin-1"),
        ("time_s,current_mA,voltage_V\n" + ROWS).encode("utf-16"),
    ],
    ids=str,
)
def test_a_table_says_its_units_in_many_ways(tmp_path, text):
    windows(tmp_path)
    imported = read(table(tmp_path, text))
    trace = imported.records[0].trace(Role.CURRENT)
    assert trace.values == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert (trace.unit, trace.interval) == ("A", pytest.approx(1e-3))
    found = energies(imported)
    assert energy_per_image(imported, found) == pytest.approx((0.2 + 0.3) * 5 * 1e-3 / 2)


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("Current(uA)", ("A", 1e-6)),
        ("current_mA", ("A", 1e-3)),
        ("Power [kW]", ("W", 1e3)),
        ("Milliseconds", ("s", 1e-3)),
        ("channel_A", None),
        ("state (on)", None),
        ("A", None),
        ("Time (min)", ("s", 60.0)),
    ],
)
def test_a_header_has_the_unit_that_it_says_and_no_other(header, unit):
    assert split_unit(header)[1] == unit


def test_dates_are_times(tmp_path):
    rows = "".join(f"2026-01-02T03:04:{k:02d}.5Z,{k}\n" for k in range(10))
    path = table(tmp_path, "when,power_W\n" + rows)
    windows(tmp_path, "start,stop,label\n2026-01-02T03:04:02.5Z,2026-01-02T04:04:05.5+01:00,first\n")
    imported = read(path)
    assert energies(imported).kept[0].energy == pytest.approx(2 + 3 + 4)
    assert imported.windows[0].label == "first"
    assert imported.provenance.created == "2026-01-02T03:04:00.500000+00:00"
    windows(tmp_path, "start,stop\n2026-01-02T03:04:02.5,2026-01-02T03:04:05.5\n")
    with pytest.raises(ForeignFileError, match="offset from UTC"):
        read(path)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("time,power_W\n0,1\n1,1\n", {}, "'time' has no unit of time: give --time 'time:s'"),
        ("a,b\n0,1\n1,1\n", {}, "no column is the time by name or unit .*: give --time NAME:UNIT"),
        ("time_s,x\n0,1\n1,1\n", {"power": "x"}, "'x' has no unit: give --power 'x:W'"),
    ],
)
def test_what_a_table_does_not_say_is_asked_for(tmp_path, text, options, message):
    with pytest.raises(NotKnown, match=message):
        read(table(tmp_path, text), ImportOptions(**options))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_s,a_,b_\n0,1,1\n1,1,1\n", "no single column is in watts or amperes"),
        ("time_s,current_1_mA,I2_mA\n0,1,1\n1,1,1\n", "no single column is in watts or amperes"),
        ("time_s,current_mA\n0,1\n1,1\n", "holds no voltage: give --voltage COLUMN or --supply-voltage V"),
        ("time_s,current_mA,v1_V,v2_V\n0,1,1,1\n1,1,1,1\n", r"several columns are in volts \(v1, v2\)"),
    ],
)
def test_a_power_that_a_table_does_not_hold_is_asked_for(tmp_path, text, message):
    with pytest.raises(NotKnown, match=message):
        energies(read(table(tmp_path, text)))


def test_the_user_names_columns_and_units(tmp_path):
    windows(tmp_path)
    path = table(tmp_path, "clock,a,b,c\n" + "".join(f"{k},{k},{10 * k},7\n" for k in range(4)))
    options = ImportOptions(time="clock:ms", current="b:mA", supply_voltage=5.0)
    assert energies(read(path, options)).kept[0].energy == pytest.approx((10 + 20) * 1e-3 * 5 * 1e-3)
    options = ImportOptions(time="1:ms", power="c:W")
    assert energies(read(path, options)).kept[0].energy == pytest.approx(0.014)
    with pytest.raises(ForeignFileError, match=r"--power 'd' names no column; the columns are 'clock', 'a', 'b', 'c'"):
        read(path, ImportOptions(time="clock:ms", power="d"))
    with pytest.raises(ForeignFileError, match="'parsec' is no unit"):
        read(path, ImportOptions(time="clock:parsec"))


def test_columns_without_names_go_by_their_numbers(tmp_path):
    path = table(tmp_path, ROWS)
    trace = read(path, ImportOptions(time="1:s", current="2:mA", voltage="3:V")).records[0].trace(Role.CURRENT)
    assert trace.values == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_a_probes_volts_become_amperes(tmp_path):
    path = table(tmp_path, "time_s,probe (V)\n0,0.1\n1,0.2\n")
    with pytest.raises(ForeignFileError, match="is in V, not in A, with the probe's --sensitivity"):
        read(path, ImportOptions(current="probe"))
    trace = read(path, ImportOptions(current="probe", sensitivity=0.1)).records[0].trace(Role.CURRENT)
    assert (trace.unit, trace.values) == ("A", pytest.approx([1.0, 2.0]))


def test_a_marker_column_bounds_windows(tmp_path):
    path = table(tmp_path, "time_s,power_W,D0\n0,1,0\n1,2,1\n2,3,1\n3,4,0\n4,5,-\n")
    imported = read(path, ImportOptions(marker="D0", images=5))
    assert [(it.start, it.stop, it.images) for it in imported.windows] == [(1.0, 3.0, 5)]
    assert energies(imported).kept[0].energy == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_s,power_W\n0,1\n1,x\n", r"a\.csv: line 3: 'x' in column 'power' is no number"),
        ("time_s,power_W\n0,1\n1\n", r"a\.csv: line 3 has 1 cells where the header has 2"),
        ("time_s,power_W\n0,1\n2,1\n1,1\n", r"a\.csv: row 3 .* is at 1 s, not after the row before at 2 s"),
        ("time_s,power_W\n0,1\n", "1 row of samples makes no trace"),
    ],
)
def test_a_damaged_table_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(ForeignFileError, match=message):
        read(table(tmp_path, text))


def test_times_that_were_rounded_are_even(tmp_path):
    rows = "".join(f"{k / 3000:.4f},1\n" for k in range(300))
    trace = read(table(tmp_path, "time_s,power_W\n" + rows)).records[0].traces[0]
    assert trace.interval == pytest.approx(1 / 3000, rel=1e-3)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    steps=st.lists(st.floats(0.2, 0.5), min_size=6, max_size=30),
    edges=st.tuples(st.floats(0.05, 0.45), st.floats(0.55, 0.95)),
    data=st.data(),
)
def test_an_uneven_power_holds_until_the_next_sample(tmp_path, steps, edges, data):
    times = np.concatenate([[0.0], np.cumsum(np.round(steps, 6))])
    watts = data.draw(st.lists(st.integers(0, 9), min_size=len(times), max_size=len(times)))
    text = "".join(f"{t!r},{w}\n" for t, w in zip(times.tolist(), watts, strict=True))
    start, stop = (edge * float(times[-1]) for edge in edges)
    windows(tmp_path, f"start_s,stop_s\n{start!r},{stop!r}\n")
    imported = read(table(tmp_path, "time_s,power_W\n" + text))
    if imported.records[0].traces[0].times is None:
        return  # even by chance
    expected = sum(
        w * max(min(after, stop) - max(before, start), 0.0)
        for before, after, w in zip(times[:-1].tolist(), times[1:].tolist(), watts, strict=False)
    )
    assert energies(imported).kept[0].energy == pytest.approx(expected, abs=1e-12)


def test_a_hole_in_the_samples_drops_the_windows_over_it(tmp_path):
    rows = "".join(f"{k},1\n" for k in [*range(10), *range(30, 40)])
    path = table(tmp_path, "time_s,power_W\n" + rows)
    windows(tmp_path, "start_s,stop_s\n2,8\n5,35\n31,39\n")
    found = energies(read(path))
    assert [each.window.index for each in found.kept] == [0, 2]
    assert found.dropped[0].reason == "no sample for 21 s, where one comes every 1 s"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start_s,x\n1,2\n", r"needs columns start and stop \(or duration\) with units"),
        ("start,stop\n1,2\n", "'start' has no unit of time; name it like start_s"),
        ("start_s,stop_s\n2,1\n", "window 0 stops at 1 s, which is not after its start at 2 s"),
        ("start_s,stop_s,images\n0,1,2.5\n", "2.5 in column 'images' is no count"),
        ("start,stop\n2026-01-01T00:00:00,2026-01-01T00:00:01\n", "does not say when it started; give seconds"),
    ],
)
def test_windows_that_make_no_sense_are_refused(tmp_path, text, message):
    path = table(tmp_path, "time_s,power_W\n0,1\n1,1\n2,1\n")
    with pytest.raises(ForeignFileError, match=message):
        read(path, ImportOptions(windows=windows(tmp_path, text, "w.csv")))


def test_a_window_beyond_the_samples_is_dropped_with_a_reason(tmp_path):
    path = table(tmp_path, "time_s,power_W\n0,1\n1,1\n2,1\n")
    windows(tmp_path, "start_s,stop_s\n-1,1\n0,3\n0,3.5\n0.1,0.2\n")
    found = energies(read(path))
    assert [each.window.index for each in found.kept] == [1]
    assert [each.index for each in found.dropped] == [0, 2, 3]
    assert "shorter than one sample" in found.dropped[2].reason


@pytest.mark.parametrize("header", ["Timestamp(ms),Current(uA)", "Timestamp(ms),Current(uA),D0-D7,D0,D1"])
def test_nordics_export_is_a_table(tmp_path, header):
    lines = "0000000,0,1" if "D0" in header else ""
    rows = "".join(f"{k / 100:g},{1000 + k:.3f}{',' + lines if lines else ''}\n" for k in range(200))
    path = table(tmp_path, header + "\n" + rows)
    windows(tmp_path, "start_ms,stop_ms\n0.5,1.5\n")
    imported = read(path, ImportOptions(supply_voltage=3.0))
    assert imported.provenance.instruments == {"meter": "Nordic Power Profiler Kit"}
    expected = sum(1000 + k for k in range(50, 150)) * 1e-6 * 3 * 1e-5
    assert energies(imported).kept[0].energy == pytest.approx(expected)


def test_a_ppk2_session_needs_the_voltage(foreign, tmp_path):
    path = foreign.ppk2(tmp_path / "a.ppk2", [1000.0] * 100, levels=[0] * 20 + [8] * 50 + [0] * 30)
    assert recognise(path).name == "ppk2"
    with pytest.raises(NotKnown, match="holds current only: give --supply-voltage V"):
        energies(read(path, ImportOptions(marker="D3")))
    imported = read(path, ImportOptions(marker="D3", supply_voltage=3.0))
    assert [(it.start, it.stop) for it in imported.windows] == [(0.02, 0.07)]
    assert energies(imported).kept[0].energy == pytest.approx(50 * 1e-3 * 3.0 * 1e-3)
    assert imported.provenance.created == "2026-01-01T00:00:00+00:00"


def test_lost_samples_of_a_ppk2_session_drop_the_window(foreign, tmp_path):
    path = foreign.ppk2(tmp_path / "a.ppk2", [1.0] * 50 + [float("nan")] + [1.0] * 50)
    windows(tmp_path, "start_s,stop_s\n0.01,0.02\n0.04,0.06\n")
    imported = read(path, ImportOptions(supply_voltage=3.0))
    assert imported.notes[0] == "1 samples were lost while recording"
    found = energies(imported)
    assert ([each.window.index for each in found.kept], [each.index for each in found.dropped]) == ([0], [1])


def test_another_version_of_ppk2_is_refused_with_both_numbers(foreign, tmp_path):
    path = foreign.ppk2(tmp_path / "a.ppk2", [1.0], version=7)
    with pytest.raises(ForeignFileError, match="its format version is 7, and 2 is read here"):
        read(path)


def jls(path, signals, rate=1000):
    """A JLS file with these signals, name -> (unit, values)."""
    pyjls = pytest.importorskip("pyjls", reason="pyjls is not installed (extra jls)")
    with pyjls.Writer(str(path)) as writer:
        writer.source_def(source_id=1, name="JS220-1", vendor="Jetperch", model="JS220", version="1", serial_number="1")
        for number, (name, (unit, values)) in enumerate(signals.items(), 1):
            kind = pyjls.DataType.F32
            writer.signal_def(number, 1, sample_rate=rate, name=name, units=unit, data_type=kind)
            writer.fsr_f32(number, 0, np.asarray(values, np.float32))
            writer.utc(number, 0, pyjls.utc_to_jls(1767225600.0))
    return path


def test_a_joulescope_file_holds_power(tmp_path):
    ramp = np.arange(5000)
    signals = {"current": ("A", ramp * 1e-3), "voltage": ("V", [3.0] * 5000), "power": ("W", ramp * 3e-3)}
    path = jls(tmp_path / "a.jls", signals)
    windows(tmp_path, "start_s,stop_s\n1,2\n")
    imported = read(path)
    assert recognise(path).name == "joulescope"
    assert imported.provenance.instruments == {"JS220-1": "Jetperch JS220, 1, 1"}
    assert imported.provenance.created == "2026-01-01T00:00:00+00:00"
    assert energies(imported).kept[0].energy == pytest.approx(ramp[1000:2000].sum() * 3e-6, rel=1e-6)
    current = {name: value for name, value in signals.items() if name == "current"}
    path = jls(tmp_path / "b.jls", current)
    windows(tmp_path, "start_s,stop_s\n1,2\n", "b-windows.csv")
    with pytest.raises(NotKnown, match="holds current only"):
        energies(read(path))
    found = energies(read(path, ImportOptions(supply_voltage=3.0)))
    assert found.kept[0].energy == pytest.approx(ramp[1000:2000].sum() * 3e-6, rel=1e-6)


def test_two_meters_in_a_file_are_not_chosen_between(tmp_path):
    path = jls(tmp_path / "a.jls", {"p1": ("W", [1.0] * 5000), "p2": ("W", [2.0] * 5000)})
    windows(tmp_path, "start_s,stop_s\n1,2\n")
    with pytest.raises(NotKnown, match=r"2 signals are in W \(p1, p2\): give --power SIGNAL"):
        energies(read(path))
    assert energies(read(path, ImportOptions(power="p2"))).kept[0].energy == pytest.approx(2.0)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_joulescope_file_is_refused_and_left_as_it_is(tmp_path, data):
    sound = tmp_path / "sound.jls"
    if not sound.exists():
        jls(sound, {"power": ("W", [1.0] * 5000)})
    raw = bytearray(sound.read_bytes())
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(16, len(raw) - 1))]
    else:
        place = data.draw(st.integers(16, min(len(raw) - 1, 4000)))
        raw[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "b.jls"
    path.write_bytes(bytes(raw))
    try:
        for trace in read(path).records[0].traces:
            assert len(trace.values) == len(trace)
        said = "b.jls"
    except ForeignFileError as error:
        said = str(error)
    assert "b.jls" in said
    assert "\n" not in said
    assert path.read_bytes() == bytes(raw)


def test_without_pyjls_the_install_command_is_named(tmp_path, monkeypatch):
    raw = b"jlsfmt\r\n \n \x1a  \xb2\x1c" + (64).to_bytes(8, "little")
    path = tmp_path / "a.jls"
    path.write_bytes(raw.ljust(64, b"\0"))

    def missing(name, package=None):
        if name == "pyjls":
            raise ModuleNotFoundError(name)
        return load(name, package)

    load = importlib.import_module
    recognise(path)
    monkeypatch.setattr("powerlab_traces.importers.joulescope.import_module", missing)
    with pytest.raises(ForeignFileError, match=r'pip install "powerlab\[jls\]"'):
        read(path)


def test_an_unclosed_joulescope_file_is_not_repaired_behind_the_users_back(tmp_path):
    path = tmp_path / "a.jls"
    raw = (b"jlsfmt\r\n \n \x1a  \xb2\x1c" + bytes(8)).ljust(64, b"\0")
    path.write_bytes(raw)
    with pytest.raises(ForeignFileError, match="was not closed by the program that wrote it"):
        read(path)
    assert path.read_bytes() == raw
