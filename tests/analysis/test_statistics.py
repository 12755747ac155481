"""What repeated values say, with false alarms counted where the values are healthy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.statistics import change, outliers, summary


def test_a_summary_by_hand():
    found = summary([3.0, 1.0, 2.0, 6.0])
    assert (found.n, found.mean, found.median, found.least, found.largest) == (4, 3.0, 2.5, 1.0, 6.0)
    assert found.deviation == pytest.approx(np.sqrt(14 / 3))
    assert found.interval is None
    assert summary([1.0]).deviation == 0.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_a_summary_is_in_order(values):
    found = summary(values)
    assert found.least <= found.median <= found.largest
    if found.interval is not None:
        assert found.least <= found.interval[0] <= found.median <= found.interval[1] <= found.largest
    assert (found.interval is None) == (len(values) < 6)


@pytest.mark.parametrize("n", [6, 9, 30])
def test_the_interval_of_a_median_holds_it_whatever_the_distribution(n):
    rng = np.random.default_rng(n)
    held = 0
    for _ in range(400):
        low, high = summary(rng.exponential(1.0, n).tolist()).interval
        held += low <= np.log(2) <= high
    assert held >= 0.93 * 400


@pytest.mark.parametrize("n", [5, 8, 20, 100])
def test_healthy_values_are_not_accused(n):
    rng = np.random.default_rng(n)
    draws = rng.normal(10.0, 0.1, (1000, n))
    assert sum(bool(outliers(row)) for row in draws) <= 4
    assert sum(change(row) is not None for row in draws) <= 4


def test_outliers_are_found_even_two_of_a_kind():
    values = np.random.default_rng(1).normal(10.0, 0.1, 20)
    values[[3, 11]] = 12.0, 12.1  # each hides the other from a test for one
    assert outliers(values) == (11, 3)
    assert outliers(values[:4]) == ()


def test_equal_values_neither_stand_apart_nor_change():
    assert outliers(np.full(20, 0.1)) == ()
    assert change(np.full(20, 0.1)) is None
    assert change(np.full(5, 0.1)) is None


@pytest.mark.parametrize("at", [2, 7, 18])
def test_a_change_is_found_where_it_is(at):
    values = np.random.default_rng(at).normal(10.0, 0.02, 20)
    values[at:] += 0.5
    found = change(values)
    assert found.at == at
    assert found.relative == pytest.approx(0.05, abs=0.01)


def test_a_drift_is_a_change():
    assert change(np.random.default_rng(1).normal(10.0, 0.02, 30) + np.linspace(0, 0.3, 30)) is not None
