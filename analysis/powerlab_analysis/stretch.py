"""A stretch of a record's current, boiled down to what power and energy need."""

from dataclasses import dataclass

import numpy as np

from powerlab_traces.record import Record
from powerlab_traces.window import Window


@dataclass(frozen=True, slots=True)
class Stretch:
    """Mean and variance of the current over a stretch of samples, and the supply's readings around it.

    `current` (A) is as digitised, the zero not yet subtracted; `variance` (A^2) is that of the samples around
    their mean. `interval` (s) is one sample, `step` (A) one code of the stored trace, `screen` (A) the value of code 0,
    which tells one scale and offset of the scope's channel from another; `marker_interval` (s) is one sample of the
    marker that bounds the stretch (0 where none does). `voltage` (V) and `supply_current`
    (A) are the means of the supply's readings before and after the record, `voltage_change` (V) how far the
    two voltages differ.
    """

    samples: int
    interval: float
    current: float
    variance: float
    step: float
    screen: float
    marker_interval: float
    voltage: float
    voltage_change: float
    supply_current: float

    @property
    def seconds(self) -> float:
        """How long the samples last: their number times their interval."""
        return self.samples * self.interval


def stretch(record: Record, window: Window | None = None) -> Stretch:
    """The current of a record inside a window, or all of it.

    The mean comes from the exact sum of the integer codes; amperes appear only after the division.

    Raises
    ------
    TraceError
        The window reaches beyond the record, or holds no sample.
    """
    trace = record.current if window is None else record.current.cut(window)
    codes = trace.codes
    mean = int(codes.sum(dtype=np.int64)) / len(codes)
    return Stretch(
        samples=len(codes),
        interval=trace.interval,
        current=mean * trace.scale + trace.offset,
        variance=float(np.square(codes - mean).mean()) * trace.scale**2,
        step=abs(trace.scale),
        screen=trace.offset,
        marker_interval=record.marker.interval if window is not None and record.marker is not None else 0.0,
        voltage=(record.before.voltage + record.after.voltage) / 2,
        voltage_change=abs(record.after.voltage - record.before.voltage),
        supply_current=(record.before.current + record.after.current) / 2,
    )
