"""A stretch of a record's current, boiled down to what power and energy need."""

from dataclasses import dataclass, field

import numpy as np

from powerlab_analysis.edges import EdgeUncertainty
from powerlab_traces.record import Record
from powerlab_traces.window import Window


@dataclass(frozen=True, slots=True)
class Stretch:
    """Mean and variance of the current over a stretch of samples, and the supply's readings around it.

    `current` (A) is as digitised, the zero not yet subtracted; `variance` (A^2) is that of the samples around
    their mean. `interval` (s) is one sample, `step` (A) one code of the stored trace, `screen` (A) the value of code 0,
    which tells one scale and offset of the scope's channel from another. `voltage` (V) and `supply_current`
    (A) are the means of the supply's readings before and after the record, `voltage_change` (V) how far the
    two voltages differ. `edges` say how well a window's edges are known, and `climb` (A) how much more current flows
    at its stop than at its start: what a shift of both adds for each second.
    """

    samples: int
    interval: float
    current: float
    variance: float
    step: float
    screen: float
    voltage: float
    voltage_change: float
    supply_current: float
    edges: EdgeUncertainty = field(default_factory=EdgeUncertainty)
    climb: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the samples last: their number times their interval."""
        return self.samples * self.interval


def stretch(record: Record, window: Window | None = None, edges: EdgeUncertainty | None = None) -> Stretch:
    """The current of a record inside a window, the edges of which are known so well, or all of it.

    The mean comes from the exact sum of the integer codes; amperes appear only after the division.

    Raises
    ------
    TraceError
        The window reaches beyond the record, or holds no sample.
    """
    trace = record.current
    codes = trace.codes if window is None else trace.codes[trace.span_of(window)]
    mean = int(codes.sum(dtype=np.int64)) / len(codes)
    return Stretch(
        samples=len(codes),
        interval=trace.interval,
        current=mean * trace.scale + trace.offset,
        variance=float(np.square(codes - mean).mean()) * trace.scale**2,
        step=abs(trace.scale),
        screen=trace.offset,
        voltage=(record.before.voltage + record.after.voltage) / 2,
        voltage_change=abs(record.after.voltage - record.before.voltage),
        supply_current=(record.before.current + record.after.current) / 2,
        edges=edges or EdgeUncertainty(),
        climb=_climb(record, window, edges.shift) if window is not None and edges is not None and edges.shift else 0.0,
    )


def _climb(record: Record, window: Window, shift: float) -> float:
    """Current around the stop less current around the start, each the mean of what a shift may take in or leave out."""
    trace = record.current
    reach = max(shift, trace.interval)
    level = []
    for edge in (window.start, window.stop):
        near = trace.codes[trace.span_of(Window(max(edge - reach, trace.start), min(edge + reach, trace.stop)))]
        level.append(int(near.sum(dtype=np.int64)) / len(near))
    return (level[1] - level[0]) * trace.scale
