"""Times as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.durations import SECONDS, seconds


@given(st.integers(0, 10**6), st.sampled_from(sorted(SECONDS)))
def test_number_and_unit_are_read(number: int, unit: str) -> None:
    assert seconds(f" {number} {unit}") == number * SECONDS[unit]


@pytest.mark.parametrize("text", ["", "s", "10 parsec", "-1s", "1,5s", "1e3", "1s2", "nan", "inf"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        seconds(text)
