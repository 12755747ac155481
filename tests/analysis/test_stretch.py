import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.edges import EdgeUncertainty
from powerlab_analysis.stretch import stretch
from powerlab_traces.errors import TraceError
from powerlab_traces.trace import Trace
from powerlab_traces.window import Window


@given(
    codes=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=80),
    first=st.integers(0, 79),
    length=st.integers(1, 80),
)
def test_mean_and_variance_are_those_of_the_codes_one_by_one(bench, codes, first, length):
    first = min(first, len(codes) - 1)
    inside = codes[first : first + length]
    record = bench.record(0, "idle", np.zeros(len(codes)))
    trace = Trace(np.array(codes, np.int32), 0.25, "A", start=-1.0, scale=1e-3, offset=0.5)
    record = type(record)(0, record.kind, trace, None, record.clipped, 0, 0, record.before, record.after)
    found = stretch(record, Window(-1.0 + first * 0.25, -1.0 + (first + len(inside)) * 0.25))
    mean = sum(inside) / len(inside)  # Python's integers: exact
    assert found.current == mean * 1e-3 + 0.5
    variance = sum((code - mean) ** 2 for code in inside) / len(inside) * 1e-6
    assert found.variance == pytest.approx(variance, rel=1e-9, abs=1e-18)
    assert (found.samples, found.seconds) == (len(inside), len(inside) * 0.25)


def test_readings_around_the_record_are_averaged(bench):
    before, after = bench.reading(0.5, voltage=19.0), bench.reading(0.7, voltage=19.02)
    found = stretch(bench.record(0, "idle", np.zeros(10), before=before, after=after))
    assert found.voltage == pytest.approx(19.01)
    assert found.voltage_change == pytest.approx(0.02)
    assert found.supply_current == pytest.approx(0.6)


def test_climb_is_the_current_at_the_stop_less_that_at_the_start(bench):
    record = bench.record(0, "active", np.repeat([0.1, 0.5, 0.7, 0.2], [10, 10, 10, 10]))
    window = Window(10 * bench.interval, 30 * bench.interval)
    assert stretch(record).climb == 0
    assert stretch(record, window, EdgeUncertainty(start=1e-5, stop=1e-5)).climb == 0
    found = stretch(record, window, EdgeUncertainty(shift=3 * bench.interval))
    assert found.climb == pytest.approx((0.7 + 0.2) / 2 - (0.1 + 0.5) / 2, rel=1e-6)


def test_a_window_beyond_the_record_is_refused(bench):
    with pytest.raises(TraceError, match="reaches beyond"):
        stretch(bench.record(0, "active", np.zeros(10)), Window(5e-4, 2e-3))
