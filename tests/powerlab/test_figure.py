"""The picture's envelope misses nothing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.figure import envelope
from powerlab_traces.chain import SupplyReading
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.trace import Trace


@settings(deadline=None)
@given(count=st.integers(1, 5000), seed=st.integers(0, 2**32 - 1))
def test_every_sample_is_in_the_envelope(count: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 2000, count).astype(np.uint16)
    reading = SupplyReading(0, 19.0, 0.7, "CV", limited=False)
    trace = Trace(codes, 2e-5, "A", scale=0.001, offset=-0.1)
    record = Record(0, RecordKind.IDLE, trace, None, np.array([], np.int64), 0, 0, reading, reading)
    times, low, mean, high = envelope(record)
    assert len(times) == min(count, 1500)
    assert low.min() == trace.values.min()
    assert high.max() == trace.values.max()
    assert (low <= mean + 1e-12).all()
    assert (mean <= high + 1e-12).all()
