"""Slower traces: exact means of blocks, against fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab_traces.averaging import averaged, block_size
from powerlab_traces.errors import TraceError
from powerlab_traces.trace import Trace

CODES = st.one_of(
    st.lists(st.integers(0, 255), min_size=1, max_size=200).map(lambda it: np.array(it, np.uint8)),
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=200).map(lambda it: np.array(it, np.int32)),
)


@settings(deadline=None)
@given(codes=CODES, size=st.integers(1, 60), scale=st.floats(1e-6, 1e3), offset=st.floats(-10, 10))
def test_means_are_those_of_exact_arithmetic(codes: np.ndarray, size: int, scale: float, offset: float) -> None:
    trace = Trace(codes, 2e-5, "A", start=-0.2, scale=scale, offset=offset)
    slow = averaged(trace, size)
    assert len(slow) == len(codes) // size
    assert slow.unit == "A"
    assert slow.interval == size * trace.interval
    for k, value in enumerate(slow.values.tolist()):
        total = sum(map(int, codes[k * size : (k + 1) * size]))
        true = Fraction(total, size) * Fraction(scale) + Fraction(offset)
        # three roundings: of scale / size, of the product and of the sum
        near = 2.0**-51 * (abs(total / size * scale) + abs(offset))
        assert abs(Fraction(value) - true) <= near
    np.testing.assert_allclose(slow.times, trace.times[::size][: len(slow)], rtol=0, atol=1e-15)


def test_one_sample_a_block_is_the_trace_itself() -> None:
    trace = Trace(np.array([1, 2], np.uint8), 1.0, "A")
    assert averaged(trace, 1) is trace


def test_a_block_of_no_samples_is_refused() -> None:
    with pytest.raises(TraceError, match="1 sample or more, not 0"):
        averaged(Trace(np.array([1], np.uint8), 1.0, "A"), 0)


@given(size=st.integers(1, 10_000), interval=st.floats(1e-7, 1.0), off=st.floats(-9e-4, 9e-4))
def test_a_rate_that_is_nearly_a_whole_part_finds_its_block(size: int, interval: float, off: float) -> None:
    rate = (1 + off) / (size * interval)
    assert 1 / (block_size(interval, rate) * interval) == pytest.approx(rate, rel=1.001e-3)
    assert block_size(interval, 1 / (size * interval)) == size


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (30_000, "to 30000 in whole blocks; 25000 or 50000 can"),
        (40_000, "25000 or 50000 can"),
        (70_000, "50000 or less can"),
        (20_000, "16666.7 or 25000 can"),
    ],
)
def test_a_rate_between_two_is_refused_and_both_are_named(rate: float, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        block_size(2e-5, rate)
