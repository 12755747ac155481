"""Windows searched in traces without marks: all of them, no others, and an edge where it is."""

import numpy as np
import pytest

from powerlab_analysis.changepoint import find_windows
from powerlab_analysis.integral import Integral
from powerlab_traces.trace import Trace

INTERVAL = 1e-3


def planted(spans, seconds, *, levels=(1.0,), idle=2.0, noise=0.1, ramp=0.0, interval=INTERVAL, more=0.0, seed=0):
    """A trace with windows in the spans (s), and more (a function of time) besides."""
    middles = (np.arange(round(seconds / interval)) + 0.5) * interval
    values = np.full(len(middles), idle)
    for k, (start, stop) in enumerate(spans):
        height = levels[k % len(levels)]
        rise = np.clip((middles - start) / ramp, 0, 1) if ramp else middles >= start
        fall = np.clip((middles - stop) / ramp, 0, 1) if ramp else middles >= stop
        values += height * (rise * 1.0 - fall * 1.0)
    values += more(middles) if callable(more) else more
    values += np.random.default_rng(seed).normal(0, noise, len(middles)) if noise else 0.0
    return Trace(np.round(values * 1000).astype(np.int64), interval, "A", scale=1e-3)


FIVE = [(1.0 + 2.5 * k, 2.8 + 2.5 * k) for k in range(5)]


def burst(at, length, height):
    return lambda t: height * ((t >= at) & (t < at + length))


def chatter(t):
    return (t % 2.5 > 0.4) & (t % 2.5 < 0.9) & (t % 0.14 < 0.07) & (t < 13)


CASES = {
    "plain": ({}, 2e-3),
    "no noise": ({"noise": 0.0}, 2e-3),
    "noise as high as the step": ({"noise": 1.0}, 2e-2),
    "baseline drifts by three steps": ({"more": lambda t: 0.2 * t}, 2e-3),
    "baseline swings": ({"more": lambda t: 0.4 * np.sin(t / 3)}, 2e-3),
    "levels differ": ({"levels": (1.0, 0.6, 1.5)}, 2e-3),
    "ramps": ({"ramp": 0.1}, 2e-2),
    "ripple": ({"more": lambda t: 0.2 * np.sin(2 * np.pi * 50 * t)}, 5e-3),
    "a burst before a window": ({"more": burst(0.8, 0.1, 1.0)}, 2e-3),
    "bursts of half the height between windows": ({"more": lambda t: 0.5 * chatter(t)}, 2e-3),
}


@pytest.mark.parametrize("case", CASES)
def test_five_windows_are_found_and_nothing_else(case):
    more, limit = CASES[case]
    found = find_windows(planted(FIVE, 14.0, **more))
    edges = [(it.start, it.stop) for it in found.windows]
    assert len(edges) == 5
    assert np.abs(np.array(edges) - np.array(FIVE)).max() < limit
    assert 0.5 < found.confidence <= min(found.confidences) <= 1
    assert found.reason == ""
    assert [it.index for it in found.windows] == [0, 1, 2, 3, 4]
    for (start, stop), true, u in zip(edges, FIVE, found.edges, strict=True):
        assert abs(start - true[0]) < 4 * u.start + INTERVAL
        assert abs(stop - true[1]) < 4 * u.stop + INTERVAL


@pytest.mark.parametrize("part", [-0.6, -0.3, 0.7])
@pytest.mark.parametrize("late", [False, True])
def test_a_window_may_have_two_states(part, late):
    def second(t):
        return sum(part * ((t >= start + late * 0.8) & (t < stop - (not late) * 0.8)) for start, stop in FIVE)

    found = find_windows(planted(FIVE, 14.0, more=second))
    assert np.array([(it.start, it.stop) for it in found.windows]) == pytest.approx(np.array(FIVE), abs=2e-3)


def test_in_noise_as_high_as_the_step_the_uncertainty_says_where_an_edge_may_be():
    inside = []
    for seed in range(12):
        found = find_windows(planted(FIVE, 14.0, noise=1.0, ramp=0.05 * (seed % 2), seed=seed))
        assert len(found.windows) == 5
        for it, u, true in zip(found.windows, found.edges, FIVE, strict=True):
            inside += [abs(it.start - true[0]) < 1.96 * u.start, abs(it.stop - true[1]) < 1.96 * u.stop]
    assert np.mean(inside) >= 0.9


def test_one_window_is_enough():
    (window,) = find_windows(planted([(3.0, 3.5)], 10.0)).windows
    assert (window.start, window.stop) == pytest.approx((3.0, 3.5), abs=2e-3)


def test_short_gaps_are_gaps():
    spans = [(0.2 + 0.355 * k, 0.55 + 0.355 * k) for k in range(4)]
    found = find_windows(planted(spans, 2.0, interval=20e-6, noise=0.2))
    assert np.array([(it.start, it.stop) for it in found.windows]) == pytest.approx(np.array(spans), abs=2e-4)


def test_the_inferences_of_a_window_are_no_windows():
    spans = [(1 + 4 * k + 0.1 * i, 1.08 + 4 * k + 0.1 * i) for k in range(3) for i in range(20)]
    found = find_windows(planted(spans, 14.0, noise=0.05))
    wanted = [(1 + 4 * k, 2.98 + 4 * k) for k in range(3)]
    assert np.array([(it.start, it.stop) for it in found.windows]) == pytest.approx(np.array(wanted), abs=3e-3)


def test_a_window_that_the_trace_cuts_off_is_left_out_and_said():
    found = find_windows(planted([(-1.0, 1.0), (3.0, 6.0), (8.0, 20.0)], 10.0))
    assert [(it.start, it.stop) for it in found.windows] == [pytest.approx((3.0, 6.0), abs=2e-3)]
    assert sum("cuts it off" in it for it in found.left_out) == 2


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "more",
    [
        0.0,
        lambda t: 0.5 * t,
        lambda t: 2 * np.sin(t / 2),
        lambda t: np.cumsum(np.random.default_rng(3).normal(0, 0.02, len(t))),
    ],
)
def test_where_nothing_runs_nothing_is_found_and_it_says_so(more, seed):
    found = find_windows(planted([], 14.0, more=more, seed=seed))
    assert found.windows == found.edges == found.confidences == ()
    assert found.reason.startswith("no span stands out")


@pytest.mark.parametrize("values", [np.full(1000, 7), np.array([1, 2, 1]), np.arange(1000)])
def test_traces_with_nothing_in_them_are_no_trouble(values):
    assert find_windows(Trace(values, 1e-3, "W")).windows == ()


def test_shorter_windows_than_asked_for_are_none():
    trace = planted([(3.0, 3.5), (5.0, 5.5)], 10.0)
    assert len(find_windows(trace).windows) == 2
    assert find_windows(trace, shortest=1.0).windows == ()


def test_floats_are_searched_as_well():
    trace = planted(FIVE, 14.0)
    found = find_windows(Integral.over(trace.values, INTERVAL, start=100.0))
    assert [it.start - 100 for it in found.windows] == pytest.approx([start for start, _ in FIVE], abs=2e-3)
