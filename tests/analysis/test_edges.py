import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.edges import pulses
from powerlab_traces.trace import Trace


def spans_by_hand(high, interval, start):
    """The same, sample by sample."""
    found, rise = [], None
    for k, level in enumerate([*high, False]):
        if level and rise is None:
            rise = k
        if not level and rise is not None:
            found.append((start + rise * interval, start + k * interval, rise == 0, k == len(high)))
            rise = None
    return found


@given(
    high=st.lists(st.booleans(), min_size=1, max_size=60),
    noise=st.integers(0, 255),
    bit=st.integers(0, 7),
    start=st.sampled_from([0.0, -0.25, 1.5]),
)
def test_pulses_are_those_counted_by_hand(high, noise, bit, start):
    codes = np.array([(noise & ~(1 << bit)) | (level << bit) for level in high], dtype=np.uint8)
    found = pulses(Trace(codes, interval=0.125, unit="", start=start), bit)
    assert [(p.start, p.stop, p.cut_start, p.cut_stop) for p in found] == spans_by_hand(high, 0.125, start)


def test_a_line_high_throughout_is_cut_on_both_sides():
    (pulse,) = pulses(Trace(np.full(10, 2, np.uint8), interval=0.1, unit=""), 1)
    assert (pulse.cut_start, pulse.cut_stop) == (True, True)
    assert pulse.duration == pytest.approx(1.0)


def test_no_samples_no_pulses():
    assert pulses(Trace(np.zeros(0, np.uint8), interval=0.1, unit=""), 0) == ()
