"""Pulses of a digital line."""

from dataclasses import dataclass

import numpy as np

from powerlab_traces.trace import Trace


@dataclass(frozen=True, slots=True)
class Pulse:
    """A span in which a digital line was high: `[start, stop)` in seconds on the record's clock.

    `cut_start` says that the line was high already when the record began, `cut_stop` that it was high still when
    the record ended; the true edge then lies outside the record.
    """

    start: float
    stop: float
    cut_start: bool = False
    cut_stop: bool = False

    @property
    def duration(self) -> float:
        """How long the line is seen high, in seconds."""
        return self.stop - self.start


def pulses(digital: Trace, bit: int) -> tuple[Pulse, ...]:
    """The pulses of one bit of a digital trace, in order of time.

    A pulse starts with the first high sample and stops with the first low one after it, so that both edges are
    seen late by less than one sample.

    >>> import numpy as np
    >>> trace = Trace(np.array([0, 4, 4, 0, 1], dtype=np.uint8), interval=0.5, unit="")
    >>> pulses(trace, bit=2)
    (Pulse(start=0.5, stop=1.5, cut_start=False, cut_stop=False),)
    """
    high = ((digital.codes >> bit) & 1).astype(np.bool_)
    if not len(high):
        return ()
    flips = np.flatnonzero(high[1:] != high[:-1]) + 1
    before = [0] if high[0] else []
    after = [len(high)] if high[-1] else []
    bounds = np.concatenate([np.array(before, np.int64), flips, np.array(after, np.int64)])
    return tuple(
        Pulse(
            start=digital.start + first * digital.interval,
            stop=digital.start + last * digital.interval,
            cut_start=first == 0,
            cut_stop=last == len(high),
        )
        for first, last in bounds.reshape(-1, 2).tolist()
    )
