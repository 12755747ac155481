import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.edges import EdgeUncertainty, Pulse, debounced, pulses
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


def test_a_line_upside_down_has_its_pulses_where_it_is_low():
    trace = Trace(np.array([1, 0, 0, 1, 1, 0, 1], np.uint8), interval=1.0, unit="")
    assert [(it.start, it.stop) for it in pulses(trace, 0, inverted=True)] == [(1.0, 3.0), (5.0, 6.0)]


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        ([(1.0, 2.0), (3.0, 4.0)], [Pulse(1.0, 2.0), Pulse(3.0, 4.0)]),
        ([(0.95, 0.97), (1.0, 2.0)], [Pulse(0.95, 2.0, bounce_start=1.0 - 0.95)]),
        ([(1.0, 2.0), (2.02, 2.04), (2.06, 2.07)], [Pulse(1.0, 2.0, bounce_stop=2.07 - 2.0)]),
        ([(1.0, 1.5), (1.52, 2.0)], [Pulse(1.0, 2.0)]),
        ([(0.5, 0.55), (1.0, 2.0)], [Pulse(1.0, 2.0)]),
        ([], []),
    ],
)
def test_what_is_shorter_than_a_tenth_is_bounce_or_a_glitch(line, clean):
    assert list(debounced([Pulse(*it) for it in line], 0.1)) == clean


def test_a_shift_does_not_change_a_length():
    assert EdgeUncertainty(shift=1.0, start=3e-5, stop=4e-5).length == pytest.approx(5e-5)
