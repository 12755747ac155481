"""MLPerf's files: PTDaemon with LoadGen, EnergyRunner, and the newer tiny runner."""

import json
from datetime import datetime, timedelta

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

START = datetime(2022, 8, 3, 23, 59, 50, 872000)  # noqa: DTZ001 - as the file has it
FORMAT = "%m-%d-%Y %H:%M:%S.%f"


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).strftime(FORMAT)[:-3]


def capture(foreign, folder, watts, begin, stop, queries=7, **changes):
    values = {"result_query_count": queries, "effective_scenario": "SingleStream", "effective_samples_per_query": 1}
    foreign.loadgen(folder / "mlperf_log_detail.txt", at(begin), at(stop), **values)
    return foreign.spl(folder / "spl.txt", START, watts, **changes)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    watts=st.lists(st.sampled_from([-1.0, 0.0, 2.5, 3.875, 250.0]), min_size=20, max_size=40),
    begin=st.integers(0, 4000),
    length=st.integers(1000, 12000),
)
def test_a_result_is_what_the_published_checker_computes(foreign, tmp_path, watts, begin, length):
    path = capture(foreign, tmp_path, watts, begin / 1000, (begin + length) / 1000)
    begun, ended = (datetime.strptime(at(each / 1000), FORMAT) for each in (begin, begin + length))  # noqa: DTZ007
    counted = []
    for line in path.read_text().splitlines():
        cells = line.split(",")
        time = datetime.strptime(cells[1], FORMAT)  # noqa: DTZ007
        if begun < time < ended and float(cells[3]) > 0:
            counted.append(float(cells[3]))
    imported = read(path)
    found = energies(imported)
    if not counted:
        assert [each.reason for each in found.dropped] == ["no sample above 0 W in it"]
        return
    expected = sum(counted) / len(counted) * (ended - begun).total_seconds() / 7
    assert energy_per_image(imported, found) == pytest.approx(expected, rel=1e-12)
    assert found.kept[0].samples == len(counted)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("channels", [0, 3])
def test_channels_and_line_ends_do_not_change_the_total(foreign, tmp_path, end, channels):
    path = capture(foreign, tmp_path, [6.0] * 30, 2.0, 12.0, end=end, channels=channels)
    imported = read(path)
    assert energy_per_image(imported, energies(imported)) == pytest.approx(60 / 7)
    names = [trace.name for trace in imported.records[0].traces]
    assert names[0] == "power"
    assert ("Ch3 power" in names) == (channels == 3)
    # -1 stands for no value: the total of a multi-channel analyser has no volts.
    assert ("voltage" in names) == (channels == 0)


def test_lines_that_are_no_reading_are_passed_over(foreign, tmp_path):
    path = capture(foreign, tmp_path, [6.0] * 30, 2.0, 12.0)
    path.write_text("\ufeff# analyser 1\n\nWARNING: range\n" + path.read_text().replace("\n", "\n\n", 3) + "\n\n")
    assert energies(read(path)).kept[0].energy == pytest.approx(60)


def test_a_reading_that_was_cut_short_is_named(foreign, tmp_path):
    path = capture(foreign, tmp_path, [6.0] * 30, 2.0, 12.0)
    path.write_text(path.read_text() + "Time,08-04-2022 00:0")
    with pytest.raises(ForeignFileError, match=r"spl\.txt: line 31 is no reading .* if it was cut short, take it out"):
        read(path)


def test_a_window_that_the_readings_do_not_cover_is_dropped(foreign, tmp_path):
    path = capture(foreign, tmp_path, [6.0] * 10, 2.0, 300.0)
    assert "give --clock-offset" in energies(read(path)).dropped[0].reason


def test_a_clock_offset_moves_the_windows(foreign, tmp_path):
    path = capture(foreign, tmp_path, [1.0] * 20 + [9.0] * 20, 3600 + 22.0, 3600 + 32.0)
    assert not energies(read(path)).kept
    assert energies(read(path, ImportOptions(clock_offset=-3600))).kept[0].energy == pytest.approx(90)


def test_missing_readings_drop_the_window(foreign, tmp_path):
    path = capture(foreign, tmp_path, [6.0] * 40, 2.0, 30.0)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:10] + lines[20:]))
    assert energies(read(path)).dropped[0].reason == "no sample for 11 s, where one comes every 1 s"


def test_a_power_log_alone_says_what_is_missing(foreign, tmp_path):
    path = foreign.spl(tmp_path / "spl.txt", START, [6.0] * 30)
    imported = read(path)
    assert imported.windows == ()
    with pytest.raises(NotKnown, match="no mlperf_log_detail.txt .* lies beside it: give --windows FILE"):
        energies(imported)


def test_a_log_without_queries_needs_images(foreign, tmp_path):
    path = foreign.spl(tmp_path / "spl.txt", START, [6.0] * 30)
    foreign.loadgen(tmp_path / "mlperf_log_detail.txt", at(2), at(12))
    imported = read(path)
    found = energies(imported)
    with pytest.raises(NotKnown, match="how many images a window held: give --images N"):
        energy_per_image(imported, found)
    imported = read(path, ImportOptions(images=30))
    assert energy_per_image(imported, energies(imported)) == pytest.approx(2.0)


def test_a_query_of_several_images_counts_them(foreign, tmp_path):
    path = foreign.spl(tmp_path / "spl.txt", START, [6.0] * 30)
    values = {"result_query_count": 4, "effective_samples_per_query": 8, "effective_scenario": "MultiStream"}
    foreign.loadgen(tmp_path / "mlperf_log_detail.txt", at(2), at(12), **values)
    assert read(path).windows[0].images == 32
    assert read(path).provenance.workload["effective_scenario"] == "MultiStream"


def test_the_harness_tree_is_read_from_its_top(foreign, tmp_path):
    run = tmp_path / "run_1" / "host" / "ssd"
    run.mkdir(parents=True)
    (tmp_path / "ranging").mkdir()
    (tmp_path / "power").mkdir()
    foreign.spl(tmp_path / "ranging" / "spl.txt", START, [99.0] * 30)
    foreign.spl(tmp_path / "run_1" / "spl.txt", START, [6.0] * 30)
    foreign.loadgen(run / "mlperf_log_detail.txt", at(2), at(12), result_query_count=7)
    messages = [{"cmd": "Identify", "reply": "YokogawaWT310,1.1,version=1.10.0-abc"}]
    (tmp_path / "power" / "server.json").write_text(json.dumps({"ptd_messages": messages}))
    imported = read(tmp_path)
    assert energies(imported).kept[0].energy == pytest.approx(60)
    assert imported.provenance.instruments == {"analyser": "YokogawaWT310,1.1,version=1.10.0-abc"}
    other = tmp_path / "run_1" / "host" / "resnet"
    other.mkdir()
    foreign.loadgen(other / "mlperf_log_detail.txt", at(1), at(2))
    with pytest.raises(ForeignFileError, match="2 files mlperf_log_detail.txt lie below it"):
        read(tmp_path)
    chosen = ImportOptions(windows=run / "mlperf_log_detail.txt")
    assert energies(read(tmp_path, chosen)).kept[0].window.images == 7


def test_a_log_from_before_mllog_has_its_times_too(foreign, tmp_path):
    path = foreign.spl(tmp_path / "spl.txt", START, [6.0] * 30)
    log = f"pid 1: loadgen\n  : POWER_BEGIN at {at(2)}\n  : POWER_END at {at(12)}\n"
    (tmp_path / "mlperf_log_detail.txt").write_text(log)
    assert energies(read(path)).kept[0].energy == pytest.approx(60)


def added_up(count: int, rate: float) -> list[float]:
    times, time = [], 0.0
    for _ in range(count):
        times.append(time)
        time += 1 / rate
    return times


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    count=st.integers(100, 4000),
    rate=st.sampled_from([1000.0, 3.0, 7000.0]),
    places=st.lists(st.integers(1, 99), min_size=3, max_size=3, unique=True).map(sorted),
)
def test_an_energy_is_the_sum_on_added_up_times(foreign, tmp_path, count, rate, places):
    samples = np.arange(count, dtype=np.float32)
    marks = [place / 100 * count / rate for place in places]
    path = foreign.energyrunner(tmp_path, samples, marks, rate=rate)
    found = energies(read(path))
    times = added_up(count, rate)
    expected = sum(float(s) for t, s in zip(times, samples, strict=True) if marks[1] <= t < marks[2])
    assert found.kept[0].energy == pytest.approx(expected * 1e-6, rel=1e-12)


def test_windows_are_between_pairs_of_marks_after_the_first(foreign, tmp_path):
    path = foreign.energyrunner(tmp_path, [1.0] * 100, [0.001, 0.01, 0.02, 0.03, 0.05])
    imported = read(path, ImportOptions(images=10))
    assert [(it.start, it.stop, it.label) for it in imported.windows] == [
        (0.01, 0.02, "window 2"),
        (0.03, 0.05, "window 4"),
    ]
    found = energies(imported)
    assert [each.energy for each in found.kept] == pytest.approx([10e-6, 20e-6], rel=0.11)
    assert energy_per_image(imported, found) == pytest.approx(np.median([each.energy / 10 for each in found.kept]))


RESULTS = """00245.273 ulp-ml: Energy data for window 2 at time 0.01 for 0.01 sec.:
00245.273 ulp-ml:   Energy       :       {energy:.3f} uJ
00245.292 ulp-ml: Performance results for window 2:
00245.292 ulp-ml:   # Inferences :          {count}
"""


def test_results_say_how_many_inferences_there_were(foreign, tmp_path):
    path = foreign.energyrunner(tmp_path, [1.0] * 100, [0.001, 0.0105, 0.0205, 0.03])
    (tmp_path / "results.txt").write_bytes(RESULTS.format(energy=10.0, count=300).replace("\n", "\r\n").encode())
    imported = read(tmp_path)
    assert imported.windows[0].images == 300
    assert len(imported.windows) == 1
    assert not imported.notes
    assert energy_per_image(imported, energies(imported)) == pytest.approx(10e-6 / 300)
    (tmp_path / "results.txt").write_text(RESULTS.format(energy=17.0, count=300))
    assert "results.txt prints 1.7e-05 J" in read(path).notes[0]


def test_the_log_says_how_many_inferences_there_were(foreign, tmp_path):
    path = foreign.energyrunner(tmp_path, [1.0] * 100, [0.001, 0.01, 0.02])
    (tmp_path / "log.txt").write_text("00168.982 parser: m-bm-cfg-name[ulp-ml]-key[iterInfer]-val[30]\n")
    assert read(path).windows[0].images == 30


def test_an_even_number_of_marks_is_asked_about(foreign, tmp_path):
    path = foreign.energyrunner(tmp_path, [1.0] * 100, [0.01, 0.02, 0.03, 0.05])
    with pytest.raises(ForeignFileError, match="4 marks are not one test mark and two a window: give --windows FILE"):
        read(path)


def test_an_energy_file_alone_says_what_is_missing(foreign, tmp_path):
    path = foreign.energyrunner(tmp_path, [1.0] * 10, None, base="kws")
    with pytest.raises(NotKnown, match=r"no kws-timestamps.json beside it .* give --windows FILE"):
        energies(read(path))
    (tmp_path / "w.csv").write_text("start_s,stop_s,images\n0.002,0.005,3\n")
    imported = read(path, ImportOptions(windows=tmp_path / "w.csv"))
    assert energy_per_image(imported, energies(imported)) == pytest.approx(1e-6)


def test_a_sample_more_than_whole_is_cut_short(foreign, tmp_path):
    path = foreign.energyrunner(tmp_path, [1.0] * 10, [0.001, 0.002, 0.003])
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ForeignFileError, match="cut short: 43 bytes"):
        read(path)


def test_a_tiny_run_is_the_median_of_its_trials(foreign, tmp_path):
    trials = [([k * 1e-6] * 50, [("07", 3), ("08", 10), ("09", 30)], 4) for k in (1, 5, 2)]
    path = foreign.tinyrunner(tmp_path / "results.json", trials)
    assert recognise(tmp_path).name == "tinyrunner"
    imported = read(path)
    found = energies(imported)
    assert [each.energy for each in found.kept] == pytest.approx([20e-6, 100e-6, 40e-6])
    assert [each.seconds for each in found.kept] == pytest.approx([0.02] * 3)
    assert energy_per_image(imported, found) == pytest.approx(10e-6)
    assert imported.provenance.settings["trial 0"]["voltage"] == "3.3 V"


def test_a_mark_that_was_lost_is_refused(foreign, tmp_path):
    path = foreign.tinyrunner(tmp_path / "results.json", [([1e-6] * 50, [("07", 3), ("09", 10)], 4)])
    with pytest.raises(ForeignFileError, match="a mark was lost"):
        read(path)


def test_marks_are_counted_with_two_digits(foreign, tmp_path):
    path = foreign.tinyrunner(tmp_path / "results.json", [([1e-6] * 50, [("99", 3), ("00", 10)], 7)])
    assert energies(read(path)).kept[0].energy == pytest.approx(7e-6)


def test_a_sample_that_was_lost_drops_its_trial(foreign, tmp_path):
    path = foreign.tinyrunner(tmp_path / "results.json", [([1e-6, float("nan")] * 9, [("0", 1), ("1", 9)], 4)])
    assert "not measured" in energies(read(path)).dropped[0].reason


def test_a_run_without_power_is_refused(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{"infer": {"results": [0.1], "iterations": 10}, "mode": "p"}]))
    with pytest.raises(ForeignFileError, match="of an accuracy or performance run"):
        read(path)


def test_the_power_of_an_analyser_is_the_power(foreign, tmp_path):
    path = capture(foreign, tmp_path, [6.0] * 30, 2.0, 12.0)
    assert read(path).records[0].trace(Role.POWER).unit == "W"
    assert read(path).origin == START
