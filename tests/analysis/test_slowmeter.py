"""Slower meters, against doing just what they do, phase by phase."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.slowmeter import Trial, _boxcar, _factors, _point

INTERVAL = 2e-5


def sampling(rows, wanted=0.01, lines=()):
    trial = Trial(INTERVAL)
    for row in rows:
        trial.add(np.asarray(row, dtype=np.float64))
    return trial.sampling(wanted, lines)


def at(found, rate):
    return next(it for it in found.meters if it.rate == pytest.approx(rate))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=80), st.integers(2, 100))
def test_every_phase_is_tried(values, factor):
    x = np.array(values, dtype=np.float64)
    point, boxcar = _point(x, factor), _boxcar(np.concatenate([[0.0], np.cumsum(x)]), factor)
    expected = [x[phase::factor].mean() for phase in range(factor) if phase < len(x)]
    assert point == pytest.approx(expected)
    whole = []
    for phase in range(factor):
        readings = [x[k : k + factor].mean() for k in range(phase, len(x) - factor + 1, factor)]
        if readings:
            whole.append(np.mean(readings))
    assert boxcar == pytest.approx(whole)


def test_the_rates_are_those_that_people_ask_for():
    rates = [1 / (factor * INTERVAL) for factor in _factors(INTERVAL)]
    assert rates == pytest.approx([25e3, 10e3, 5e3, 2e3, 1e3, 500, 200, 100, 50, 20, 10, 5, 2, 1])
    assert [round(1 / (it * 1e-3)) for it in _factors(1e-3)] == [500, 200, 100, 50, 20, 10, 5, 2, 1]


def test_a_steady_current_needs_no_fast_meter():
    found = sampling([np.full(50_000, 0.6)] * 3)
    assert found.point.rate == pytest.approx(1.0)
    assert found.boxcar.rate == pytest.approx(2.0)  # at 1 Hz a reading lies in a window of 1 s in one phase only
    assert at(found, 1.0).boxcar.without == pytest.approx(1 - 1 / 50_000)


def test_a_window_without_a_reading_is_infinitely_wrong():
    found = sampling([np.full(15_000, 0.6)])  # 0.3 s
    slow = at(found, 1.0)
    assert slow.point.without == pytest.approx(0.7)
    assert slow.point.quantile == math.inf
    assert slow.point.rms == pytest.approx(0.0, abs=1e-12)
    assert slow.boxcar.without == 1.0
    assert math.isnan(slow.boxcar.rms)
    assert slow.readings == pytest.approx(0.3)
    assert found.point.rate == pytest.approx(5.0)


def test_a_meter_in_step_with_the_ripple_sees_its_peak_or_its_trough():
    """1400 Hz are 14 periods between the readings of a 100 Hz meter: every reading is at the same phase."""
    t = np.arange(15_000) * INTERVAL
    ripple = 1 + 0.02 * np.sin(2 * np.pi * 1400 * t)
    found = sampling([ripple] * 4, 0.01, [(1400.0, 0.02)])
    slow = at(found, 100.0)
    assert slow.point.rms == pytest.approx(0.02 / math.sqrt(2), rel=0.01)
    assert slow.point.quantile == pytest.approx(0.02 * math.sin(0.95 * math.pi / 2), rel=0.015)
    assert slow.boxcar.quantile < 1e-4  # a whole number of periods
    # 1 kHz is not in step, but one of 1.4 kHz or 700 Hz would be: a rate below the line is not shown to do.
    assert at(found, 1000.0).point.quantile < 0.001
    assert at(found, 1000.0).on_line == pytest.approx(0.02)
    assert at(found, 2000.0).on_line == 0.0
    assert found.point.rate == pytest.approx(2000.0)
    assert found.boxcar.rate < 20.0


def test_a_ripple_smaller_than_the_error_does_no_harm():
    t = np.arange(15_000) * INTERVAL
    found = sampling([1 + 0.002 * np.sin(2 * np.pi * 1400 * t)], 0.01, [(1400.0, 0.002)])
    assert found.point.rate == pytest.approx(5.0)


def test_white_noise_averages_as_it_should():
    rng = np.random.default_rng(1)
    found = sampling([1 + 0.05 * rng.normal(0, 1, 15_000) for _ in range(40)])
    slow = at(found, 1000.0)
    n = 300
    assert slow.point.rms == pytest.approx(0.05 * math.sqrt(1 / n - 1 / 15_000), rel=0.1)
    assert slow.point.quantile == pytest.approx(1.96 * slow.point.rms, rel=0.05)


def test_a_record_that_changes_at_half_its_rate_does_not_suffice():
    rows = [np.tile([1.3, 0.7], 7_500)]  # a line at half the sample rate
    found = sampling(rows, 0.01)
    assert found.unseen == pytest.approx(0.3, rel=0.02)
    assert found.point.rate is None
    assert "at half the recorded rate the error is 30" in found.point.why
    assert found.boxcar.rate is None  # whose means are right, but of what is not known


def test_the_error_that_stays_is_told_from_the_one_that_averages_out():
    """Readings that lie in a window as a whole miss its beginning: a slow rise is missed by all of them."""
    rise = 1 - np.exp(-np.arange(15_000) / 1000)
    found = sampling([rise] * 5)
    slow = at(found, 20.0)
    assert slow.boxcar.mean > 0.01
    assert abs(slow.point.mean) < 0.003
