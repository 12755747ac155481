import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from powerlab_analysis.measured import Kind, Measured, Source, rectangular

GAIN, OFFSET, NOISE = Source("gain"), Source("offset"), Source("noise", Kind.RANDOM, 4)
numbers = st.floats(-1e3, 1e3).filter(lambda x: abs(x) > 1e-3)
small = st.floats(-1e-3, 1e-3)
values = st.builds(
    lambda value, gain, offset, noise: Measured(value, {GAIN: gain, OFFSET: offset, NOISE: noise}),
    numbers,
    small,
    small,
    small,
)

OPERATIONS = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@given(x=values, y=values)
def test_parts_are_what_a_small_step_of_the_source_does(operation, x, y):
    result = operation(x, y)
    assert result.value == operation(x.value, y.value)
    for source in (GAIN, OFFSET, NOISE):
        # In fractions, because a difference of floats would mostly show their rounding.
        step = Fraction(1, 10**9)
        at = Fraction(x.value), Fraction(y.value)
        by = step * Fraction(x.parts[source]), step * Fraction(y.parts[source])
        up = operation(at[0] + by[0], at[1] + by[1])
        down = operation(at[0] - by[0], at[1] - by[1])
        apart = operation(x, Measured(y.value)).u + operation(Measured(x.value), y).u  # what may cancel
        assert result.parts[source] == pytest.approx(float((up - down) / (2 * step)), rel=1e-6, abs=1e-12 * apart)


@given(x=values, number=numbers)
def test_numbers_stand_on_either_side(x, number):
    for operation in OPERATIONS.values():
        left, right = operation(number, x), operation(x, number)
        assert left.value == operation(number, x.value)
        assert left.u == pytest.approx(operation(Measured(number), x).u)
        assert right.u == pytest.approx(operation(x, Measured(number)).u)
    assert (-x).value == -x.value


@given(x=values)
def test_a_value_less_itself_is_certain_and_twice_itself_doubles(x):
    assert (x - x).u == 0
    assert (x + x).u == pytest.approx(2 * x.u)
    assert (x / x).u == pytest.approx(0, abs=1e-9)


def test_independent_sources_add_in_squares_and_common_ones_straight():
    common, apart = Measured(1, {GAIN: 3.0}), Measured(1, {OFFSET: 4.0})
    assert (common + apart).u == 5
    assert (common + Measured(1, {GAIN: 4.0})).u == 7
    assert (common - Measured(1, {GAIN: 4.0})).u == 1


def test_parts_cannot_be_changed():
    with pytest.raises(TypeError):
        Measured(1.0, {GAIN: 1.0}).parts[GAIN] = 2.0


@pytest.mark.parametrize(
    ("dof", "k"), [(1, 12.706), (2, 4.303), (4, 2.776), (10, 2.228), (60, 2.0003), (math.inf, 1.96)]
)
def test_scatter_is_covered_by_students_t(dof, k):
    for source in (Source("spread", Kind.RANDOM, dof), Source("fit", Kind.SYSTEMATIC, dof, fitted=True)):
        width = Measured(1, {source: 1.0}).U95
        assert width == pytest.approx(k, abs=2e-3)


def test_a_limit_is_covered_by_95_percent_of_it():
    alone = Measured(1, {GAIN: rectangular(0.3)}).U95
    assert alone == pytest.approx(0.95 * 0.3, rel=1e-3)
    # A dominant limit with a little scatter stays near it, far below twice the standard uncertainty.
    both = Measured(1, {GAIN: rectangular(0.3), Source("noise", Kind.RANDOM): 0.02})
    assert alone < both.U95 < 0.3


def test_effective_degrees_of_freedom_of_a_textbook_sum():
    # Two sources of equal size with 4 and 12 degrees of freedom: (1 + 1)^2 / (1/4 + 1/12) = 12.
    parts = {Source("a", Kind.RANDOM, 4): 1.0, Source("b", Kind.RANDOM, 12): 1.0}
    assert Measured(1, parts).dof == pytest.approx(12)


@given(x=values)
def test_a_limit_without_freedom_only_raises_the_degrees(x):
    assume(x.parts[NOISE] != 0)
    assert x.dof >= 4 * (1 - 1e-12)


def test_a_certain_value_is_covered_by_nothing():
    quantity = Measured(3.0).quantity("W")
    assert (quantity.value, quantity.U95, quantity.unit) == (3.0, 0.0, "W")


def test_a_rectangle_has_a_third_of_its_square():
    assert rectangular(3.0) == pytest.approx(math.sqrt(3))
