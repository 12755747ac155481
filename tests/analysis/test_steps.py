"""Onsets of steps planted in noise: where they are put, and whether the uncertainty says how well."""

import numpy as np
import pytest

from powerlab_analysis.integral import Integral
from powerlab_analysis.steps import Edges, locate

INTERVAL = 20e-6
TIMES = np.array([0.1, 0.25, 0.4, 0.55])


def ramp(kind, length, since):
    if kind == "exponential":
        return 1 - np.exp(-np.maximum(since, 0) / length)
    if kind == "straight":
        return np.clip(since / length, 0, 1)
    return (since >= 0).astype(float)


def planted(rng, kind, length, ratio, sign=1):
    """Steps at TIMES (s), each taken back sharply 0.1 s later; the noise is 1 / ratio of a step."""
    middles = (np.arange(35_000) + 0.5) * INTERVAL
    values = sum(ramp(kind, length, middles - at) * (middles < at + 0.1) for at in TIMES)
    return Integral.over(np.round((sign * values + rng.normal(0, 1 / ratio, len(middles))) * 100).astype(int), INTERVAL)


def edges(late=0.0, sign=1):
    return Edges(TIMES + late, np.full(4, 0.045 + late), np.full(4, 0.095 - late), sign)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("kind", "length", "limit"), [("sharp", 0, 2e-5), ("exponential", 3e-3, 3e-4), ("straight", 4e-3, 3e-4)]
)
def test_onsets_are_found_whatever_the_ramp(kind, length, limit, sign):
    for seed in range(3):
        found = locate(planted(np.random.default_rng(seed), kind, length, 5, sign), edges(2e-3, sign), 0.01, 5e-4)
        assert np.abs((found.times - TIMES).mean()) < limit
        assert found.shape < limit
        assert (found.u < 2 * limit).all()


@pytest.mark.parametrize("kind", ["sharp", "exponential", "straight"])
def test_the_uncertainty_is_that_of_repeated_trials(kind):
    ratios = []
    for seed in range(25):
        rng = np.random.default_rng((7, seed))
        found = locate(planted(rng, kind, 2e-3, 3), edges(rng.uniform(-3e-3, 3e-3)), 0.01, 5e-4)
        ratios.append((found.times[0] - TIMES[0]) / np.hypot(found.u[0], max(found.shape, INTERVAL / 2)))
    assert np.mean(np.abs(ratios) <= 2) >= 0.8
    assert np.sqrt(np.mean(np.square(ratios))) > 0.3  # it is not safe by being huge


def test_a_trace_without_noise_is_no_trouble():
    values = np.repeat([1, 7, 1], [3000, 4000, 3000])
    one = np.array([3000 * INTERVAL])
    found = locate(Integral.over(values, INTERVAL), Edges(one + 1e-3, one, one, 1), 5e-3, 5e-4)
    assert found.times == pytest.approx(one, abs=INTERVAL)


def test_an_edge_without_room_is_not_guessed():
    rng = np.random.default_rng(1)
    tight = Edges(TIMES, np.array([0.0, 0.04, 0.04, 0.04]), np.full(4, 0.09), 1)
    found = locate(planted(rng, "sharp", 0, 10), tight, 5e-3, 5e-4)
    assert np.isnan(found.u).tolist() == [True, False, False, False]


def test_a_mean_over_any_span_is_that_of_the_samples():
    values = np.array([3, 5, 11, 2, 7])
    found = Integral.over(values, 0.5, start=-1.0)
    assert found.at(np.array([-1.0, 0.0, 0.25, 1.5, 9.0])) == pytest.approx([0, 4, 6.75, 14, 14])
    assert found.means(np.array([-1.0, -0.5, 0.5, 1.5])) == pytest.approx([3, 8, 4.5])
