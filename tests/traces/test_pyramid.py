"""Sums of blocks are exact, and so is every sum made of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

from powerlab_traces.pyramid import COARSE, Sums, blocks_of, sums_of

CODES = nst.arrays(
    st.sampled_from([np.uint8, np.uint16, np.uint32]), st.integers(1, 3 * COARSE), elements=st.integers(0, 255)
)


@given(CODES)
def test_blocks_hold_least_largest_and_sum(codes: np.ndarray) -> None:
    codes[-1] = np.iinfo(codes.dtype).max
    blocks = blocks_of(codes)
    parts = [codes[k : k + blocks.size] for k in range(0, len(codes), blocks.size)]
    assert blocks.least.tolist() == [int(it.min()) for it in parts]
    assert blocks.largest.tolist() == [int(it.max()) for it in parts]
    assert blocks.total.tolist() == [sum(it.tolist()) for it in parts]
    assert blocks.least.dtype == codes.dtype
    coarse, again = blocks.coarser(COARSE), blocks_of(codes, COARSE)
    for name in ("least", "largest", "total"):
        np.testing.assert_array_equal(getattr(coarse, name), getattr(again, name))


@given(CODES, st.data())
def test_sums_from_blocks_are_those_of_the_codes(codes: np.ndarray, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(codes) - 1))
    stop = data.draw(st.integers(start + 1, len(codes)))
    blocks, read = blocks_of(codes), []

    def part(spans: list[slice]) -> np.ndarray:
        read.extend(span.stop - span.start for span in spans)
        return np.concatenate([codes[span] for span in spans])

    true = codes[start:stop].tolist()
    found = sums_of(slice(start, stop), part, blocks, len(codes))
    assert found == Sums(len(true), sum(true), min(true), max(true))
    ends = (start % blocks.size != 0) + (stop != len(codes))
    assert sum(read) < max(ends, 1) * blocks.size  # most of it was not read
