"""A slower trace of the same current: exact means of blocks of samples, never every n-th sample."""

import numpy as np

from powerlab_traces.errors import TraceError
from powerlab_traces.trace import Trace

# A rate may be off by this, relative, and still be the one that was asked for: a scope's own time base is.
RATE_TOLERANCE = 1e-3


def averaged(trace: Trace, size: int) -> Trace:
    """The means of blocks of `size` samples, as exact sums of their codes.

    Sample k stands for the span of samples `[k * size, (k + 1) * size)`. What is left over at the end and fills no
    block is left out: `len(trace) % size` samples.

    >>> averaged(Trace(np.array([1, 2, 3, 6, 9], np.uint8), 0.5, "A"), 2).values.tolist()
    [1.5, 4.5]

    Raises
    ------
    TraceError
        `size` is below 1.
    """
    if size < 1:
        raise TraceError(f"a block holds 1 sample or more, not {size}")
    if size == 1:
        return trace
    whole = trace.codes[: len(trace) // size * size]
    sums = whole.reshape(-1, size).sum(axis=1, dtype=np.int64)
    return Trace(sums, trace.interval * size, trace.unit, trace.start, trace.scale / size, trace.offset)


def block_size(interval: float, rate: float) -> int:
    """How many samples of `interval` seconds make one of `rate` samples per second.

    >>> block_size(2e-5, 1000)
    50

    Raises
    ------
    TraceError
        The samples come more slowly, or at no whole multiple of that rate (see `RATE_TOLERANCE`).
    """
    size = round(1 / (rate * interval)) or 1
    if abs(1 / (size * interval) - rate) <= RATE_TOLERANCE * rate:
        return size
    below, above = (1 / (it * interval) for it in (int(1 / (rate * interval)) + 1, int(1 / (rate * interval)) or 1))
    choice = f"{below:.6g} or {above:.6g}" if above > rate else f"{above:.6g} or less"
    raise TraceError(
        f"{1 / interval:.6g} samples per second cannot be averaged to {rate:.6g} in whole blocks; {choice} can"
    )
