"""Traces and windows: half-open spans become sample numbers in one place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_traces.errors import TraceError
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow, Window


def trace(count: int, interval: float = 2e-5, start: float = 0.0) -> Trace:
    return Trace(np.arange(count, dtype=np.int32), interval, "A", start)


@given(
    count=st.integers(2, 500),
    interval=st.floats(1e-6, 1e-2),
    start=st.floats(-5, 5),
    data=st.data(),
)
def test_adjoining_windows_share_no_sample_and_miss_none(
    count: int, interval: float, start: float, data: st.DataObject
) -> None:
    it = trace(count, interval, start)
    inner = data.draw(st.integers(1, count - 1))
    middle = start + inner * interval
    left = it.span_of(Window(it.start, middle))
    right = it.span_of(Window(middle, it.stop))
    assert left == slice(0, inner)
    assert right == slice(inner, count)


def test_a_sample_counts_when_its_start_is_inside() -> None:
    it = trace(10, interval=1.0)
    assert it.span_of(Window(2.0, 5.0)) == slice(2, 5)
    assert it.span_of(Window(1.5, 4.5)) == slice(2, 5)


def test_a_cut_knows_where_it_starts_and_copies_nothing() -> None:
    it = trace(10, interval=0.5, start=1.0)
    cut = it.cut(Window(2.0, 3.0))
    assert cut.start == 2.0
    assert cut.codes.tolist() == [2, 3]
    assert cut.codes.base is not None


def test_values_are_scaled_codes() -> None:
    it = Trace(np.array([0, 128, 255], np.uint8), 1.0, "A", scale=0.01, offset=-1.28)
    np.testing.assert_allclose(it.values, [-1.28, 0.0, 1.27])
    np.testing.assert_allclose(it.times, [0, 1, 2])
    assert it.stop == 3.0


@pytest.mark.parametrize(("start", "stop"), [(-0.5, 0.5), (9.0, 10.5)])
def test_a_window_beyond_the_trace_is_refused(start: float, stop: float) -> None:
    with pytest.raises(TraceError, match="beyond the trace"):
        trace(10, interval=1.0).cut(Window(start, stop))


def test_a_window_without_a_sample_is_refused() -> None:
    with pytest.raises(TraceError, match="shorter than one sample"):
        trace(10, interval=1.0).cut(Window(1.2, 1.4))


def test_codes_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        trace(3).codes[0] = 1


@pytest.mark.parametrize("codes", [np.zeros(3), np.zeros((2, 2), int)])
def test_only_a_row_of_integers_makes_a_trace(codes: np.ndarray) -> None:
    with pytest.raises(TraceError, match="integer codes"):
        Trace(codes, 1.0, "A")


def test_windows_end_after_they_start() -> None:
    with pytest.raises(TraceError, match="stops at"):
        Window(1.0, 1.0)
    with pytest.raises(TraceError, match="stops before"):
        HostWindow(2, 1, 0, 0, 1)
    with pytest.raises(TraceError, match="0 images"):
        HostWindow(1, 2, 0, 0, 0)
