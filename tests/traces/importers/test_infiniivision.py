"""Saved waveforms of an InfiniiVision scope: binary, CSV, ASCII XY, and the set-up print beside them."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from powerlab_traces.importers import ForeignFileError, ImportOptions, NotKnown, Role, energies, read, recognise

PRINT = """ANALOG
Ch 1 Scale {scale}V/, Pos -4.00000V, Coup DC, BW Limit On, Inv Off, Imp 1M Ohm
     Probe 1.0000000 : 1, Skew 0.0s

TRIGGER
Sweep Mode Auto, Coup DC, Noise Rej Off, HF Rej Off, Holdoff 60.0ns
Mode Edge, Source Ch 1, Slope Rising, Level -7.00mV

ACQUISITION
Mode {mode}, Realtime On, Vectors On, Persistence Off

MEASUREMENTS
Pk-Pk(1), Cur 5.6V
Counter(1), Cur 999.99kHz
"""
FLOATS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50)


@pytest.mark.parametrize("version", [b"10", b"01", b"03"])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=FLOATS, interval=st.floats(1e-9, 1.0), origin=st.floats(-10, 10), header=st.integers(140, 300))
def test_a_binary_save_comes_back(foreign, tmp_path, version, values, interval, origin, header):
    wave = foreign.waveform(values, interval=interval, origin=origin)
    path = foreign.infiniivision(tmp_path / "a.bin", [wave, wave], version=version, header=header, data_header=24)
    imported = read(path)
    assert len(imported.records) == 1
    for trace in imported.records[0].traces:
        assert trace.values.tolist() == values
        assert (trace.interval, trace.start, trace.unit, trace.name) == (interval, origin, "A", "1")


def test_the_samples_stay_in_the_file(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform([1.0, 2.0])])
    assert isinstance(read(path).records[0].traces[0].raw, np.memmap)


def test_the_instrument_and_the_source_are_kept(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform([1.0, 2.0])])
    imported = read(path)
    assert imported.provenance.instruments == {"scope": "MSO-X 2024A:MY00000001"}
    assert [source.name for source in imported.sources] == ["a.bin"]
    assert imported.sources[0].size == path.stat().st_size


def test_segments_are_records_on_one_clock(foreign, tmp_path):
    waves = [foreign.waveform([k] * 10, tag=k * 0.5, origin=-0.002, segment=k + 1) for k in range(3)]
    imported = read(foreign.infiniivision(tmp_path / "a.bin", waves), ImportOptions(supply_voltage=2.0))
    assert [record.traces[0].start for record in imported.records] == [-0.002, 0.498, 0.998]
    assert [record.index for record in imported.records] == [0, 1, 2]


def test_current_and_voltage_channels_make_power(foreign, tmp_path):
    current, volts = [1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform(current), foreign.waveform(volts, "2", 1)])
    (tmp_path / "a-windows.csv").write_text("start_ms,stop_ms,images\n1,3,2\n")
    with pytest.raises(NotKnown, match="supply's voltage is not known: give --supply-voltage V or --voltage CHANNEL"):
        energies(read(path))
    found = energies(read(path, ImportOptions(voltage="2"))).kept[0]
    assert found.energy == pytest.approx((2 * 6 + 3 * 7) * 1e-3)
    assert found.window.images == 2
    found = energies(read(path, ImportOptions(supply_voltage=10.0))).kept[0]
    assert found.energy == pytest.approx((2 + 3) * 10 * 1e-3)


def test_a_current_that_was_saved_in_volts_needs_the_probes_sensitivity(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform([0.1, 0.2], unit=1)])
    with pytest.raises(NotKnown, match="give --current CHANNEL, with --sensitivity V/A"):
        energies(read(path))
    with pytest.raises(ForeignFileError, match="saved in volts: give the probe's --sensitivity"):
        read(path, ImportOptions(current="1"))
    trace = read(path, ImportOptions(current="1", sensitivity=0.1)).records[0].trace(Role.CURRENT)
    assert trace.unit == "A"
    assert trace.values == pytest.approx([1.0, 2.0])


def test_a_current_in_amperes_takes_no_sensitivity(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform([0.1, 0.2])])
    with pytest.raises(ForeignFileError, match="leave --sensitivity out"):
        read(path, ImportOptions(sensitivity=0.1))


def test_two_currents_are_not_chosen_between(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform([1.0]), foreign.waveform([2.0], "2")])
    with pytest.raises(NotKnown, match="no single channel is in amperes"):
        energies(read(path, ImportOptions(supply_voltage=5.0)))
    assert read(path, ImportOptions(current="2")).records[0].trace(Role.CURRENT).values == [2.0]
    with pytest.raises(ForeignFileError, match="there is no channel '3'; it has '1', '2'"):
        read(path, ImportOptions(current="3"))


def test_peak_detection_has_no_mean(foreign, tmp_path):
    wave = foreign.waveform([3.0, 4.0], buffer=2, extra=[1.0, 2.0])
    imported = read(foreign.infiniivision(tmp_path / "a.bin", [wave]))
    assert [trace.name for trace in imported.records[0].traces] == ["1 max", "1 min"]
    assert any("peak detection" in note for note in imported.notes)
    with pytest.raises(NotKnown, match="no single channel"):
        energies(imported)


def test_a_logic_channel_bounds_windows(foreign, tmp_path):
    marker = [0, 0, 1, 1, 1, 0, 0, 1, 0, 1]  # the last pulse is cut off
    waves = [foreign.waveform([1.0] * 10), foreign.waveform(marker, "D0", 0, buffer=6)]
    path = foreign.infiniivision(tmp_path / "a.bin", waves)
    imported = read(path, ImportOptions(marker="D0", supply_voltage=5.0))
    assert [(window.start, window.stop) for window in imported.windows] == [(0.002, 0.005), (0.007, 0.008)]
    assert [each.energy for each in energies(imported).kept] == pytest.approx([0.015, 0.005])


def test_a_logic_channel_has_no_unit(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform([0, 1], "D0", 1, buffer=6)])
    trace = read(path).records[0].traces[0]
    assert (trace.unit, trace.values.tolist()) == ("", [0.0, 1.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_unit": 6}, "x axis is not in seconds"),
        ({"interval": 0.0}, "0 s between samples"),
        ({"buffer": 4}, "type 4"),
    ],
)
def test_what_is_no_trace_in_time_is_refused(foreign, tmp_path, change, message):
    wave = foreign.waveform([1.0] * 4)
    for name, value in change.items():
        setattr(wave, name, value)
    with pytest.raises(ForeignFileError, match=message):
        read(foreign.infiniivision(tmp_path / "a.bin", [wave]))


def test_a_file_that_is_shorter_than_its_header_says_is_refused(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform([1.0] * 10)])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ForeignFileError, match=r"a\.bin: cut short: its header says 204 bytes, and there are 203"):
        read(path)


def ladder(step: float) -> list[float]:
    """Enough levels to see the converter's step."""
    return [step * k for k in range(-20, 20)]


def test_the_print_beside_a_save_is_kept(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform(ladder(8 * 2.0 / 199), unit=1)])
    (tmp_path / "a.txt").write_text(PRINT.format(scale="2.00", mode="Normal"))
    imported = read(path)
    assert imported.provenance.settings["measurements"] == {"Pk-Pk(1)": "5.6V", "Counter(1)": "999.99kHz"}
    assert imported.provenance.settings["channel 1"]["Probe"] == "1.0000000 : 1"
    assert imported.provenance.settings["trigger"]["Sweep Mode"] == "Auto"
    assert not imported.notes
    assert [source.name for source in imported.sources] == ["a.bin", "a.txt"]


def test_a_probe_factor_that_contradicts_the_steps_is_asked_for(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform(ladder(8 * 2.0 / 199), unit=1)])
    (tmp_path / "a.txt").write_text(PRINT.format(scale="200m", mode="Normal"))
    options = {"current": "1", "sensitivity": 0.1, "supply_voltage": 5.0}
    with pytest.raises(NotKnown, match=r"probe factor cannot be trusted: give --factor 1=F"):
        energies(read(path, ImportOptions(**options)))
    imported = read(path, ImportOptions(**options, factor={"1": 0.1}))
    assert not [each for each in imported.unknown if each.lacking == "power"]
    assert imported.records[0].trace(Role.CURRENT).values[0] == pytest.approx(-20 * 8 * 2.0 / 199 * 0.1 / 0.1)


def test_averaged_steps_are_finer_and_not_judged(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform(ladder(1e-4), unit=1)])
    (tmp_path / "a.txt").write_text(PRINT.format(scale="2.00", mode="Averaging"))
    assert not read(path).notes


def test_a_print_without_its_sections_is_no_print(foreign, tmp_path):
    path = foreign.infiniivision(tmp_path / "a.bin", [foreign.waveform([1.0])])
    (tmp_path / "a.txt").write_text("my notes\n")
    assert read(path).provenance.settings == {}


CSV = "x-axis,1,4\nsecond,Ampere,Volt\n-250.0000E-03,+158.6506E-03,+2.1E+00\n-249.9800E-03,-0.0E+00,+2.2E+00\n"


@pytest.mark.parametrize("text", [CSV, CSV.rstrip("\n"), CSV.replace("\n", "\r\n"), "\ufeff" + CSV, "\n" + CSV])
def test_a_csv_save_has_its_channels_and_units(tmp_path, text):
    path = tmp_path / "scope.csv"
    path.write_bytes(text.encode())
    assert recognise(path).name == "infiniivision-text"
    one, four = read(path).records[0].traces
    assert (one.name, one.unit, one.role) == ("1", "A", Role.CURRENT)
    assert (four.name, four.unit, four.role) == ("4", "V", Role.OTHER)
    assert one.values == pytest.approx([0.1586506, 0.0])
    assert (one.start, one.interval) == (pytest.approx(-0.25), pytest.approx(2e-5))


def test_empty_cells_before_a_channel_starts_are_not_measured(tmp_path):
    path = tmp_path / "scope.csv"
    path.write_text("x-axis,1,2\nsecond,Ampere,Volt\n0.0,,1.0\n0.001,,1.0\n0.002,2.0,1.0\n0.003,2.0,1.0\n")
    (tmp_path / "windows.csv").write_text("start_s,stop_s\n0.001,0.003\n0.002,0.004\n")
    found = energies(read(path, ImportOptions(supply_voltage=5.0)))
    assert [each.energy for each in found.kept] == pytest.approx([0.02])
    assert [(each.index, each.reason) for each in found.dropped] == [
        (0, "samples in it were not measured (lost, or out of range)")
    ]


def test_three_header_rows_are_segments(tmp_path):
    rows = "".join(f"{t},{k}\n" for k, start in enumerate((0.0, 5.0)) for t in (start, start + 0.001, start + 0.002))
    path = tmp_path / "scope.csv"
    path.write_text("3\nx-axis,1\nsecond,Ampere\n" + rows)
    records = read(path).records
    assert [record.traces[0].values.tolist() for record in records] == [[0, 0, 0], [1, 1, 1]]
    assert [record.traces[0].start for record in records] == [0.0, 5.0]
    path.write_text("3\nx-axis,1\nsecond,Ampere\n" + rows + "9.0,1\n")
    with pytest.raises(ForeignFileError, match="7 rows are no whole number of segments of 3 points"):
        read(path)


def test_ascii_xy_files_of_one_save_belong_together(tmp_path):
    for channel, unit, value in ((1, "Ampere", 2.0), (2, "Volt", 5.0)):
        rows = "\n".join(f"{k * 1e-3:g},{value:g}" for k in range(4))
        (tmp_path / f"scope_7_{channel}.csv").write_text(f"x-axis,{channel}\nsecond,{unit}\n{rows}")
    (tmp_path / "windows.csv").write_text("start_s,duration_s\n0,0.002\n")
    for source in (tmp_path / "scope_7_1.csv", tmp_path / "scope_7_2.csv", tmp_path):
        imported = read(source, ImportOptions(voltage="2"))
        assert sorted(trace.name for trace in imported.records[0].traces) == ["1", "2"]
        assert energies(imported).kept[0].energy == pytest.approx(0.02)
        assert {each.name for each in imported.sources} == {"scope_7_1.csv", "scope_7_2.csv", "windows.csv"}


def test_two_saves_in_a_folder_are_not_chosen_between(tmp_path):
    for base in ("scope_7", "scope_8"):
        (tmp_path / f"{base}_1.csv").write_text("x-axis,1\nsecond,Ampere\n0,1\n1,1\n")
    with pytest.raises(ForeignFileError, match=r"more than one capture \(scope_7_1.csv, scope_8_1.csv\)"):
        read(tmp_path)
