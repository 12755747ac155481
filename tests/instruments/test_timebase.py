"""The choice of a time base, against models of scopes: a memory over the span, the converter's rate, steps of it."""

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from powerlab_instruments.timebase import LONGEST, MOST_ASKED, TimeBase, choose

DURATIONS = st.floats(1e-3, 100)
MEMORIES = st.sampled_from([25_000, 50_000, 100_000, 500_000, 1_000_000, 4_000_000])
RATES = st.sampled_from([1e3, 2e3, 10e3, 33e3, 50e3, 100e3, 1e6])
FASTEST = 1e9


def of_memory(memory: int):
    """The rule of the facts: the memory over the span, at most the converter's rate."""
    return lambda span: min(FASTEST, memory / span)


def whole(raw: float, rate: float) -> bool:
    return round(raw / rate) > 0 and abs(raw / rate - round(raw / rate)) <= 2e-5 * raw / rate


@pytest.mark.parametrize(
    ("duration", "memory", "rate", "found"),
    [
        (2, 100_000, 50e3, TimeBase(2, 50e3, 1, whole=True)),  # the old memory option: directly
        (2, 1_000_000, 50e3, TimeBase(2, 500e3, 10, whole=True)),
        (2, 500_000, 50e3, TimeBase(2, 250e3, 5, whole=True)),  # both channels of a pair
        (4, 1_000_000, 50e3, TimeBase(4, 250e3, 5, whole=True)),
        (6, 1_000_000, 50e3, TimeBase(pytest.approx(20 / 3), pytest.approx(150e3), 3, whole=True)),
        (11, 1_000_000, 50e3, TimeBase(20, 50e3, 1, whole=True)),
        (30, 1_000_000, 50e3, TimeBase(30, pytest.approx(1e6 / 30), 1, whole=False)),  # slower than wanted
    ],
)
def test_known_cases(duration: float, memory: int, rate: float, found: TimeBase) -> None:
    assert choose(duration, rate, 500, of_memory(memory)) == found


@given(DURATIONS, MEMORIES, RATES)
def test_what_is_chosen_is_what_it_says(duration: float, memory: int, rate: float) -> None:
    delivered = of_memory(memory)
    found = choose(duration, rate, 500, delivered)
    assert found.rate == delivered(found.span)
    assert found.fold >= 1
    if found.whole:
        assert duration <= found.span <= LONGEST * duration * (1 + 1e-6)
        assert found.sample_rate == pytest.approx(rate, rel=1.1e-5)
    else:
        assert (found.span, found.fold) == (duration, 1)
    assert found.points == pytest.approx(found.rate * found.span, abs=0.5)


@given(DURATIONS, MEMORIES, RATES, st.floats(0, 1))
def test_no_shorter_span_would_do(duration: float, memory: int, rate: float, share: float) -> None:
    delivered = of_memory(memory)
    found = choose(duration, rate, 500, delivered)
    longest = min(LONGEST * duration, 500)
    until = found.span if found.whole else longest
    shorter = duration + share * (until - duration)
    if found.span - shorter > 1e-4 * until or not found.whole:
        raw = delivered(shorter)
        # Within the tolerance of a whole multiple, and of the span that gives it exactly, both are right.
        assert not whole(raw, rate) or abs(raw / rate - round(raw / rate)) > 1e-6 * raw / rate


@given(DURATIONS, MEMORIES, RATES)
def test_a_rate_told_with_six_digits_does(duration: float, memory: int, rate: float) -> None:
    multiple = of_memory(memory)(duration) / rate
    assume(not 2e-6 < abs(multiple - round(multiple)) / multiple < 5e-5)  # the tolerance's edge is no matter here
    exact = choose(duration, rate, 500, of_memory(memory))
    told = choose(duration, rate, 500, lambda span: float(f"{of_memory(memory)(span):.6g}"))
    assert (told.whole, told.fold) == (exact.whole, exact.fold)
    assert told.span == pytest.approx(exact.span, rel=2e-5)


@given(DURATIONS, MEMORIES, RATES)
def test_a_converter_that_is_divided_by_whole_numbers(duration: float, memory: int, rate: float) -> None:
    """Real decimators: the fastest rate over n, the smallest n that fits the memory."""

    def delivered(span: float) -> float:
        return FASTEST / max(1, math.ceil(FASTEST * span / memory - 1e-9))

    found = choose(duration, rate, 500, delivered)
    assert found.rate == delivered(found.span)
    assert found.whole == whole(found.rate, rate) or not found.whole


@given(st.floats(1e-6, 500), st.floats(1e-3, 1e9), st.floats(1e-3, 1e10))
def test_a_scope_of_one_rate_is_not_asked_for_ever(duration: float, rate: float, only: float) -> None:
    asked = itertools.count()

    def delivered(span: float) -> float:
        assert span <= 500 * (1 + 1e-6)
        assert next(asked) <= MOST_ASKED
        return only

    found = choose(duration, rate, 500, delivered)
    assert found.span >= duration
    assert found.rate == only


def test_a_span_of_more_than_two_and_a_half_times_the_duration_is_not_asked_for() -> None:
    asked: list[float] = []

    def delivered(span: float) -> float:
        asked.append(span)
        return 2.9

    assert choose(1, 1, 500, delivered) == TimeBase(1, 2.9, 1, whole=False)
    assert asked == pytest.approx([1, 1.45])  # the next one is 2.9 s
