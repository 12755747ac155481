"""The mean at half the rate, against doing just that."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.aliasing import pairs_of, together


@given(st.lists(st.integers(0, 2550), min_size=2, max_size=60))
def test_the_change_is_that_of_the_mean_at_half_the_rate(codes):
    whole = codes[: len(codes) // 2 * 2]
    found = pairs_of(np.array(codes, dtype=np.uint16), 0.5)
    assert found.change == pytest.approx(0.5 * (np.mean(whole[::2]) - np.mean(whole)), abs=1e-3)


def test_noise_changes_it_by_what_the_scatter_says():
    rng = np.random.default_rng(1)
    found = [pairs_of(np.round(rng.normal(1000, 30, 400)).astype(np.int64), 1.0) for _ in range(300)]
    assert np.std([it.change / it.scatter for it in found]) == pytest.approx(1.0, abs=0.15)
    assert together(found).scatter == pytest.approx(np.mean([it.scatter for it in found]) / np.sqrt(300), rel=0.05)


def test_one_sample_says_nothing():
    found = pairs_of(np.array([7]), 1.0)
    assert (found.count, found.change, found.scatter) == (0, 0.0, np.inf)
