"""Spectra of planted currents: nothing is found in noise, and what was planted is found where it was planted."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from powerlab_analysis.density import ENOUGH, FEWEST, Averager, count, hann, segment_length
from powerlab_analysis.integral import Integral
from powerlab_analysis.lines import lines_of
from powerlab_analysis.passages import Extent, Grid, Material, Part, Passage, consecutive, material_of, work_rate
from powerlab_analysis.peaks import FALSE_ALARM, floor_of, peaks
from powerlab_analysis.repetition import Beat
from powerlab_analysis.spectra import response, spectra
from powerlab_traces.chain import ScreenLine
from powerlab_traces.errors import TraceError

INTERVAL = 2e-5


def averaged(values, length, interval=INTERVAL):
    averager = Averager(length, interval)
    averager.add(np.asarray(values, dtype=np.float64))
    return averager.density()


def lines_in(values, length, interval=INTERVAL):
    density = averaged(values, length, interval)
    floor = floor_of(density)
    return lines_of(density, floor, peaks(density, floor, 20), [values], 0.0)


def material(rows, part=Part.WINDOWS, interval=INTERVAL, **more):
    """One record for each row of samples, all of it a window (or what `part` says)."""
    rows = [np.asarray(row, dtype=np.float64) for row in rows]
    grid = more.pop("grid", Grid(interval))
    return Material(
        unit="A",
        extents=[Extent(part, len(row), grid) for row in rows],
        passages=lambda: (Passage(row, grid, [(part, slice(0, len(row)))]) for row in rows),
        **more,
    )


def test_the_sum_of_the_density_is_the_variance():
    x = np.random.default_rng(1).normal(3.0, 0.2, 400_000)
    density = averaged(x, 4096)
    assert density.rms == pytest.approx(0.2, rel=0.01)
    assert density.values[1:-1].mean() == pytest.approx(2 * 0.2**2 * INTERVAL, rel=0.01)
    # Exactly, for one segment: the variance weighted with the taper's square.
    part = x[:4096] - np.polyval(np.polyfit(np.arange(4096), x[:4096], 1), np.arange(4096))
    weights = np.square(hann(4096))
    assert averaged(x[:4096], 4096).rms ** 2 == pytest.approx(np.average(part**2, weights=weights), rel=1e-9)


def test_it_is_the_density_of_welch():
    x = np.cumsum(np.random.default_rng(2).normal(0, 1, 20_000))
    _, expected = welch(x, 1 / INTERVAL, window="hann", nperseg=1024, detrend="linear")
    assert averaged(x, 1024).values == pytest.approx(expected, rel=1e-6)


@given(st.lists(st.integers(1, 300_000), min_size=1, max_size=30), st.sampled_from([1e-3, 2e-5, 1e-6]))
def test_segments_are_even_as_long_as_they_may_be_and_many(lengths, interval):
    length = segment_length(lengths, interval)
    if not length:
        assert max(lengths) < 2 * FEWEST or min(it for it in lengths if it >= np.median(lengths) / 2) < FEWEST + 16
        return
    assert length % 2 == 0
    assert FEWEST <= length <= min(max(lengths), max(1 / interval, FEWEST))
    assert count(lengths, length) >= ENOUGH or length < 1.6 * FEWEST


@pytest.mark.parametrize(("length", "segments"), [(512, 8), (4096, 1), (4096, 8), (1024, 60)])
def test_noise_yields_no_line(length, segments):
    rng = np.random.default_rng(length + segments)
    alarms = 0
    for _ in range(100):
        density = averaged(rng.normal(0, 1, length * (segments + 1) // 2), length)
        alarms += bool(peaks(density, floor_of(density), 20))
    # Of 100 spectra at a false alarm of 1 % more than four are once in 300.
    assert alarms <= 100 * FALSE_ALARM + 3


def _steps(rng, n):
    cuts = np.sort(rng.integers(0, n, 40))
    return rng.normal(0, 1, 41)[np.searchsorted(cuts, np.arange(n))]


def _pulse(rng, n):
    start = rng.integers(n // 6, n // 2)
    return (np.arange(n) > start) & (np.arange(n) < start + rng.integers(n // 20, n // 3))


def _ringing(rng, n):
    t = np.arange(n)
    return 10 * np.exp(-t / 150) * np.sin(0.4 * t)  # well above the noise, or its width could not be seen


def _drift(rng, n):
    return np.linspace(0, 3, n) ** 2


@pytest.mark.parametrize("shape", [_steps, _pulse, _ringing, _drift])
@pytest.mark.parametrize("windows", [1, 8, 60])
def test_what_all_windows_do_alike_is_no_line_unless_it_repeats(shape, windows):
    rng = np.random.default_rng(windows)
    alarms = 0
    for _ in range(20):
        alike = shape(rng, 4096).astype(np.float64)
        averager = Averager(4096, INTERVAL)
        for _ in range(windows):
            averager.add(alike + rng.normal(0, 0.02, 4096))
        density = averager.density()
        alarms += bool(peaks(density, floor_of(density), 20))
    assert alarms <= 1


def test_a_burst_in_one_window_of_many_is_no_line():
    rng = np.random.default_rng(3)
    for _ in range(20):
        averager = Averager(4096, INTERVAL)
        for k in range(60):
            averager.add(rng.normal(0, 1 if k else 30, 4096))
        density = averager.density()
        assert not peaks(density, floor_of(density), 20)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    place=st.floats(0.02, 0.95),
    amplitude=st.floats(0.25, 30.0),
    phase=st.floats(0, 6.3),
    windows=st.integers(8, 16),
)
def test_a_planted_sine_is_found_where_it_is(seed, place, amplitude, phase, windows):
    """Its amplitude is from a quarter of the noise (rms) to thirty times as much."""
    length = 4096
    frequency = place / (2 * INTERVAL)
    t = np.arange(length) * INTERVAL
    rng = np.random.default_rng(seed)
    tone = amplitude * np.sin(2 * np.pi * frequency * t + phase)
    rows = [tone + rng.normal(0, 1, length) for _ in range(windows)]
    (line, *others) = spectra(material(rows)).main.lines
    # Twice U95 is missed once in ten thousand times; a second line is the false alarm.
    assert abs(line.frequency.value - frequency) < 2 * line.frequency.U95
    assert abs(line.amplitude.value - amplitude / math.sqrt(2)) < 2.2 * line.amplitude.U95
    assert len(others) <= 1
    assert line.frequency.U95 * length * INTERVAL < 1


@pytest.mark.parametrize(("length", "segments", "decibels"), [(4096, 1, 30), (1024, 8, 14), (1024, 40, 30)])
def test_the_95_percent_intervals_hold_95_percent(length, segments, decibels):
    rng = np.random.default_rng(segments)
    t = np.arange(length * (segments + 1) // 2) * INTERVAL
    spacing = 1 / (length * INTERVAL)
    power = 10 ** (decibels / 10) * 2 * INTERVAL * 1.5 * spacing
    inside = []
    for _ in range(200):
        frequency = rng.uniform(40, length / 2 - 60) * spacing
        tone = math.sqrt(2 * power) * np.sin(2 * np.pi * frequency * t + rng.uniform(0, 6))
        (line,) = lines_in(tone + rng.normal(0, 1, len(t)), length)
        inside.append(
            (
                abs(line.frequency.value - frequency) < line.frequency.U95,
                abs(line.amplitude.value - math.sqrt(power)) < line.amplitude.U95,
            )
        )
    assert (np.mean(inside, axis=0) > 0.91).all()


def test_a_wandering_line_says_so():
    rng = np.random.default_rng(5)
    t = np.arange(8192) * INTERVAL
    places = 1400 + rng.normal(0, 1.5, 40)
    (line,) = spectra(material([np.sin(2 * np.pi * f * t) + rng.normal(0, 0.1, 8192) for f in places])).main.lines
    assert line.frequency.value == pytest.approx(places.mean(), abs=0.05)
    assert 0.25 < line.frequency.U95 < 1.0  # 1.96 * 1.5 Hz / sqrt(40), and not the 0.02 Hz of the noise


def test_two_lines_and_their_order():
    t = np.arange(200_000) * INTERVAL
    x = (
        0.1 * np.sin(2 * np.pi * 3000 * t)
        + np.sin(2 * np.pi * 700 * t)
        + np.random.default_rng(6).normal(0, 0.1, len(t))
    )
    assert [round(it.frequency.value) for it in lines_in(x, 8192)] == [700, 3000]


def test_what_summing_took_is_given_back():
    t = np.arange(1_600_000) * (INTERVAL / 8)
    fine = np.sin(2 * np.pi * 18_000 * t) + np.random.default_rng(7).normal(0, 0.1, len(t))
    found = spectra(material([fine.reshape(-1, 8).mean(axis=1)], grid=Grid(INTERVAL, summed=8)))
    (line,) = found.main.lines
    assert response(18_000 * INTERVAL, 8) < 0.85
    assert line.amplitude.value == pytest.approx(math.sqrt(0.5), abs=1.5 * line.amplitude.U95)


def test_the_rate_of_the_work_in_a_window_is_told_from_ripple():
    rng = np.random.default_rng(8)
    t = np.arange(50_000) * INTERVAL
    works = np.sign(np.sin(2 * np.pi * 40 * t)) + np.sin(2 * np.pi * 1413 * t)
    rows = [works + rng.normal(0, 0.1, len(t)) for _ in range(10)]
    found = spectra(material(rows, work=work_rate([(40, 1.0)] * 10, 1)))
    harmonics = {round(it.frequency.value): it.harmonic for it in found.main.lines}
    assert harmonics[40] == 1
    assert harmonics[120] == 3
    assert harmonics[1413] == 0


def test_a_work_rate_that_could_be_anything_names_nothing():
    assert work_rate([(2, 0.3), (2, 0.31)], 2) is None
    assert work_rate([(6, 0.3), (6, 0.3)], 2) == pytest.approx((10.0, 0.0))
    assert work_rate([], None) is None
    rng = np.random.default_rng(9)
    t = np.arange(50_000) * INTERVAL
    rows = [np.sin(2 * np.pi * 1400 * t) + rng.normal(0, 0.1, len(t)) for _ in range(10)]
    (line,) = spectra(material(rows, work=(10.0, 0.5))).main.lines  # 140 periods that scatter by 5 %
    assert line.harmonic == 0


def test_windows_repeat_with_their_harmonics():
    """A pulse train of duty d has harmonics of amplitude 2 A sin(pi k d) / (pi k), rms 1 / sqrt(2) of that."""
    on, off, height = 3000, 1000, 0.6
    x = np.tile(np.concatenate([np.full(on, height), np.zeros(off)]), 8) + np.random.default_rng(9).normal(
        0, 0.01, 32_000
    )
    beat = Beat()
    beat.add(Integral.over(x, INTERVAL), [k * (on + off) * INTERVAL for k in range(8)])
    found = beat.repetition(1e-5)
    assert found is not None
    assert found.rate.value == pytest.approx(12.5)
    assert found.periods == 7
    assert found.deviation == pytest.approx(0.0, abs=1e-12)
    for it in found.harmonics:
        true = math.sqrt(2) * height * abs(math.sin(math.pi * it.number * 0.75)) / (math.pi * it.number)
        assert it.amplitude.value == pytest.approx(true, abs=2 * it.amplitude.U95 + 2e-4)
    none = Beat()
    none.add(Integral.over(x, INTERVAL), [0.0, 0.08])
    assert none.repetition(1e-5) is None
    assert consecutive([]) == []


def test_too_little_for_a_spectrum_is_refused():
    rng = np.random.default_rng(10)
    with pytest.raises(TraceError, match="windows: the longest of them has 200 samples; a spectrum takes 256 or more"):
        spectra(material([rng.normal(0, 1, 200)]))
    with pytest.raises(TraceError, match="windows: nothing in it changes"):
        spectra(material([np.full(5000, 0.4)]))
    with pytest.raises(TraceError, match="there is no window that counts; idle: there is no idle record that counts"):
        spectra(material([]))


def test_short_windows_are_left_out_and_said():
    rng = np.random.default_rng(11)
    found = spectra(material([rng.normal(1, 0.1, n) for n in (*[20_000] * 9, 3000)]))
    assert found.notes == ("windows: 1 left out, which are shorter than 389.1 ms, or of another sample rate",)
    assert found.main.density.segments == 9


def test_noise_below_the_converters_steps_is_flagged():
    rng = np.random.default_rng(12)
    for noise, flagged in ((0.1, True), (1.0, False)):
        rows = [np.round(20 * np.sin(np.arange(20_000) / 3000) + rng.normal(0, noise, 20_000)) for _ in range(4)]
        found = spectra(material(rows, grid=Grid(INTERVAL, 1, 1.0, 1.0)))
        assert any("less than half of the converter's step" in note for note in found.notes) is flagged


def test_the_windows_and_idle_records_of_a_run(bench):
    """Only what counts: a clipped window and an idle record with the marker high are left out."""
    noisy = bench.but(noise=0.01, rng=np.random.default_rng(13))
    t = np.arange(3000) * bench.interval
    ripple = 0.6 + 0.05 * np.sin(2 * np.pi * 1400 * t)
    first, windows, _ = noisy.active(0, [ripple] * 4)
    second, more, _ = noisy.active(2, [ripple] * 4, first=4, epoch=10**10, clipped=(60,))
    idle = noisy.record(1, "idle", np.full(6000, 0.3))
    busy = noisy.record(3, "idle", np.full(6000, 0.3), np.arange(6000) > 3000)
    run = noisy.run([first, idle, second, busy], [*windows, *more])
    found = spectra(material_of(run))
    (line,) = found.parts[Part.WINDOWS].lines
    assert abs(line.frequency.value - 1400) < line.frequency.U95
    assert line.amplitude.value == pytest.approx(0.05 / math.sqrt(2), abs=1.5 * line.amplitude.U95)
    assert found.parts[Part.IDLE].lines == ()
    assert any(note.startswith("1 window left out: current clipped") for note in found.notes)
    assert any(note.startswith("idle record 3 left out: the marker was high in it") for note in found.notes)
    assert found.sampling is not None
    assert found.sampling.windows == 7
    assert found.repetition is not None
    assert Part.WINDOWS not in spectra(material_of(run, range(1, 2))).parts
    with pytest.raises(TraceError, match="there is no record 7 to 9"):
        material_of(run, range(7, 10))


def test_gains_are_in_the_uncertainty_of_an_amplitude(bench):
    t = np.arange(3000) * bench.interval
    ripple = 0.6 + 0.2 * np.sin(2 * np.pi * 1400 * t)
    probe, scope = {"gain_limit": 0.03}, {"scope_gain_limit": 0.024, "full_scale": 0.8}
    for limits, expected in ((probe, 0.95 * 0.03), (scope, 0.95 * 0.03)):
        wide = bench.but(chain=replace(bench.chain, **limits), noise=1e-4, rng=np.random.default_rng(14))
        record, windows, _ = wide.active(0, [ripple] * 8)
        (line, *_) = spectra(material_of(wide.run([record], windows))).main.lines
        assert line.amplitude.U95 / line.amplitude.value == pytest.approx(expected, rel=0.02)


def test_a_calibration_is_applied(bench):
    t = np.arange(3000) * bench.interval
    ripple = 0.6 + 0.2 * np.sin(2 * np.pi * 1400 * t)
    line = ScreenLine(0.0, 0.8, gain=1.05, offset=0.0, gain_u=1e-4, offset_u=1e-4, correlation=0.0)
    chain = replace(bench.chain, gain_limit=0.03, lines=(line,), calibrated="2026-01-01T00:00:00+00:00")
    supply = replace(bench.supply, current_gain_limit=0.002)
    wrong = bench.but(chain=chain, supply=supply, gain=0.05, noise=1e-4, rng=np.random.default_rng(15))
    record, windows, _ = wrong.active(0, [ripple] * 8)
    (found, *_) = spectra(material_of(wrong.run([record], windows))).main.lines
    assert found.amplitude.value == pytest.approx(0.2 / math.sqrt(2), abs=found.amplitude.U95)
    assert found.amplitude.U95 / found.amplitude.value == pytest.approx(0.95 * 0.002, rel=0.1)
