"""Codes become traces: exact sums, clip flags, both preamble styles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_instruments.errors import AcquisitionError
from powerlab_instruments.waveform import Preamble, Waveform

# As an MSO-X 2024A sends it (three-digit exponents), here for unsigned bytes.
REAL = "+0,+0,+1000,+1,+2.00000000E-006,-2.00000065E-001,+0,+4.02010000E-003,+4.00000000E-001,+128"


def waveform(codes: list[int] | np.ndarray) -> Waveform:
    return Waveform(np.array(codes, np.uint8), Preamble.parse(REAL), "A")


def test_the_preamble_of_a_real_unit_is_read() -> None:
    pre = Preamble.parse(REAL)
    assert (pre.points, pre.x_increment, pre.x_origin) == (1000, 2e-6, -0.200000065)
    assert (pre.y_increment, pre.y_origin, pre.y_reference) == (0.0040201, 0.4, 128)


@pytest.mark.parametrize("answer", ["+0", "", "a,b,c,d,e,f,g,h,i,j"])
def test_what_is_no_preamble_says_so(answer: str) -> None:
    with pytest.raises(AcquisitionError, match="no waveform preamble"):
        Preamble.parse(answer)


def test_values_follow_the_preamble() -> None:
    trace = waveform([128, 129, 28]).trace()
    np.testing.assert_allclose(trace.values, [0.4, 0.4040201, 0.4 - 100 * 0.0040201])
    assert trace.start == -0.200000065
    assert trace.unit == "A"


@given(codes=st.lists(st.integers(0, 255), min_size=1, max_size=400), fold=st.integers(1, 40))
def test_folding_keeps_the_mean_exactly(codes: list[int], fold: int) -> None:
    wave = waveform(codes)
    whole = len(codes) // fold * fold
    folded, raw = wave.trace(fold), wave.trace()
    assert len(folded) == len(codes) // fold
    assert int(folded.codes.sum()) == sum(codes[:whole])
    if whole:
        np.testing.assert_allclose(folded.values.mean(), raw.values[:whole].mean(), rtol=1e-12)
        assert folded.interval == pytest.approx(raw.interval * fold)


@given(codes=st.lists(st.sampled_from([0, 1, 2, 128, 254, 255]), max_size=200), fold=st.integers(1, 20))
def test_a_sample_is_clipped_when_any_of_its_raw_codes_is(codes: list[int], fold: int) -> None:
    wanted = [i for i in range(len(codes) // fold) if {0, 1, 255} & set(codes[i * fold : (i + 1) * fold])]
    assert waveform(codes).clipped(fold).tolist() == wanted


def test_sums_of_many_codes_do_not_overflow() -> None:
    trace = waveform(np.full(300, 255)).trace(300)
    assert trace.codes.tolist() == [255 * 300]


# The time base is chosen by a rate with six digits, so that a whole multiple may be off by 5 parts in a million.
NEARLY = [(50e3 * (1 + 5e-6), 10), (50e3 * (1 - 5e-6), 10), (50e3 * (1 + 2e-5), 1)]


@pytest.mark.parametrize(("rate", "fold"), [(50e3, 10), (500e3, 1), (300e3, 1), (1e6, 1), (250e3, 2), *NEARLY])
def test_only_whole_multiples_are_folded(rate: float, fold: int) -> None:
    assert waveform([1]).fold(rate) == fold
