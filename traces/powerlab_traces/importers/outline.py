"""A first look at a foreign capture: the trace that says most, and its course in as many points as can be seen."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.importers.energy import BLOCK
from powerlab_traces.importers.imported import ForeignRecord, ForeignTrace, Role

# What is looked at first; `energies` takes what it needs in the same order.
LOOKED_AT = (Role.ENERGY, Role.POWER, Role.CURRENT, Role.VOLTAGE)


class Outline(NamedTuple):
    """Middle time (s), least, mean and largest value of each stretch of a trace, each [stretches].

    Samples that were not measured do not count; a stretch of nothing else is NaN.
    """

    times: NDArray[np.float64]
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]


def main_trace(record: ForeignRecord) -> ForeignTrace | None:
    """The trace that the energy comes from, or comes closest to it; None for a record without traces."""
    found = [trace for role in LOOKED_AT if (trace := record.trace(role)) is not None]
    others = [trace for trace in record.traces if trace.role is not Role.MARKER]
    return next(iter([*found, *others, *record.traces]), None)


def as_power(trace: ForeignTrace) -> ForeignTrace:
    """Energy a sample as the mean power over the sample; any other trace as it is."""
    if trace.role is not Role.ENERGY or trace.interval is None:
        return trace
    return replace(trace, role=Role.POWER, unit="W", scale=trace.scale / trace.interval)


def outline(trace: ForeignTrace, points: int) -> Outline:
    """A trace in at most `points` stretches of equally many samples; every sample is in one of them."""
    size = max(-(-len(trace) // points), 1)
    step = max(BLOCK // size, 1) * size
    parts = [_stretches(trace, first, min(first + step, len(trace)), size) for first in range(0, len(trace), step)]
    if not parts:
        return Outline(*(np.empty(0),) * 4)
    return Outline(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _stretches(trace: ForeignTrace, first: int, stop: int, size: int) -> Outline:
    values = trace.block(slice(first, stop))
    starts = np.arange(0, stop - first, size)
    ends = np.append(starts[1:], stop - first)
    measured = ~np.isnan(values)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        total = np.add.reduceat(np.where(measured, values, 0.0), starts)
        mean = total / np.add.reduceat(measured, starts, dtype=np.int64)
        return Outline(
            _middles(trace, first + starts, first + ends),
            np.fmin.reduceat(values, starts),
            mean,
            np.fmax.reduceat(values, starts),
        )


def _middles(trace: ForeignTrace, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    if trace.times is not None:
        return (trace.times[starts] + trace.times[ends - 1]) / 2
    assert trace.interval is not None
    return trace.start + (starts + ends).astype(np.float64) * (trace.interval / 2)
