"""The 95 % interval of a sum of errors, against drawing them and against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from powerlab_analysis.coverage import half_width

DRAWS = 400_000


def drawn(limits, scatters, seed=1):
    rng = np.random.default_rng(seed)
    total = np.zeros(DRAWS)
    for limit in limits:
        total += rng.uniform(-limit, limit, DRAWS)
    for u, dof in scatters:
        total += u * (rng.standard_normal(DRAWS) if math.isinf(dof) else rng.standard_t(dof, DRAWS))
    return total


@pytest.mark.parametrize(
    ("limits", "scatters", "expected"),
    [
        ([2.0], [], 1.9),
        ([1.0, 1.0], [], 2 * (1 - math.sqrt(0.05))),  # a triangle
        ([], [(3.0, math.inf)], 3 * stats.norm.ppf(0.975)),
        ([], [(1.0, 2)], stats.t.ppf(0.975, 2)),
        ([], [(1.0, 9), (0.0, 3)], stats.t.ppf(0.975, 9)),
        ([], [], 0.0),
        ([0.0], [(0.0, 1)], 0.0),
    ],
)
def test_closed_forms(limits, scatters, expected):
    assert half_width(limits, scatters) == pytest.approx(expected, rel=2e-3)


@settings(max_examples=40, deadline=None)
@given(limits=st.lists(st.floats(0.01, 3), max_size=9), normals=st.lists(st.floats(0.01, 3), max_size=3))
def test_it_holds_95_percent_of_what_is_drawn(limits, normals):
    scatters = [(u, math.inf) for u in normals]
    if limits or scatters:
        inside = np.mean(np.abs(drawn(limits, scatters)) <= half_width(limits, scatters))
        assert inside == pytest.approx(0.95, abs=0.002)


@pytest.mark.parametrize(("limit", "normal", "dof"), [(0.0, 0.0, 3), (0.0, 1.0, 6), (2.0, 0.5, 4), (0.3, 0.2, 9)])
def test_it_holds_95_percent_of_experiments_whose_scatter_is_itself_measured(limit, normal, dof):
    """A standard deviation from few windows is uncertain too: over many experiments Student's t makes up for that."""
    rng = np.random.default_rng(2)
    inside, count = 0, 2000
    for _ in range(count):
        error = rng.uniform(-limit, limit) + normal * rng.standard_normal() + rng.standard_normal()
        seen = math.sqrt(rng.chisquare(dof) / dof)
        inside += abs(error) <= half_width([limit], [(normal, math.inf), (seen, dof)])
    assert 0.935 < inside / count < 0.968


@given(st.lists(st.floats(0.01, 3), min_size=1, max_size=4), st.floats(1e-9, 1e9))
def test_it_scales(limits, factor):
    scaled = half_width([factor * it for it in limits], [(factor, 7)])
    assert scaled == pytest.approx(factor * half_width(limits, [(1.0, 7)]), rel=1e-4)


@given(st.lists(st.floats(0.01, 3), min_size=1, max_size=4))
def test_it_never_exceeds_the_sum_of_the_limits(limits):
    assert half_width(limits, []) <= sum(limits)
