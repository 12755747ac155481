"""Pulses of a digital line, and how well edges are known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from powerlab_traces.trace import Trace

AT_ONCE = 1 << 16  # samples whose flips are looked for: what is made on the way stays in the processor's cache


@dataclass(frozen=True, slots=True)
class Pulse:
    """A span in which a digital line was high: `[start, stop)` in seconds on the record's clock.

    `cut_start` says that the line was high already when the record began, `cut_stop` that it was high still when
    the record ended; the true edge then lies outside the record. An edge that bounced took `bounce_start` or
    `bounce_stop` seconds to settle, 0 for a clean one.
    """

    start: float
    stop: float
    cut_start: bool = False
    cut_stop: bool = False
    bounce_start: float = 0.0
    bounce_stop: float = 0.0

    @property
    def duration(self) -> float:
        """How long the line is seen high, in seconds."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class EdgeUncertainty:
    """Standard uncertainties of a window's edges in s.

    `shift` moves all windows of the record alike, both edges together; `start` and `stop` are each edge's own.
    """

    shift: float = 0.0
    start: float = 0.0
    stop: float = 0.0

    @property
    def length(self) -> float:
        """That of the window's length: a shift does not change it."""
        return math.hypot(self.start, self.stop)


def pulses(digital: Trace, bit: int, *, inverted: bool = False) -> tuple[Pulse, ...]:
    """The pulses of one bit of a digital trace, in order of time; with `inverted`, the spans in which it was low.

    A pulse starts with the first high sample and stops with the first low one after it, so that both edges are
    seen late by less than one sample.

    >>> import numpy as np
    >>> trace = Trace(np.array([0, 4, 4, 0, 1], dtype=np.uint8), interval=0.5, unit="")
    >>> pulses(trace, bit=2)[0].start, pulses(trace, bit=2)[0].stop
    (0.5, 1.5)
    """
    codes, mask = digital.codes, digital.codes.dtype.type(1 << bit)
    if not len(codes):
        return ()
    bounds = [0] if bool(codes[0] & mask) != inverted else []
    for first in range(0, len(codes), AT_ONCE):
        line = codes[first : first + AT_ONCE + 1] & mask
        bounds += (np.flatnonzero(line[1:] != line[:-1]) + (first + 1)).tolist()
    if bool(codes[-1] & mask) != inverted:
        bounds.append(len(codes))
    return tuple(
        Pulse(
            start=digital.start + first * digital.interval,
            stop=digital.start + last * digital.interval,
            cut_start=first == 0,
            cut_stop=last == len(codes),
        )
        for first, last in zip(bounds[::2], bounds[1::2], strict=True)
    )


def debounced(high: Sequence[Pulse], shortest: float) -> tuple[Pulse, ...]:
    """The pulses without what is shorter than `shortest` (s): bounce around an edge, and glitches.

    A line bounces after its edge, not before: the first change is the edge. Short pulses before a long one are its
    rise, those after it belong to its fall, a short gap in it is filled, and a short pulse alone is left out.
    """
    found: list[Pulse] = []
    group: list[Pulse] = []
    for pulse in high:
        if group and pulse.start - group[-1].stop >= shortest:
            found += _merged(group, shortest)
            group = []
        group.append(pulse)
    return (*found, *_merged(group, shortest))


def _merged(group: Sequence[Pulse], shortest: float) -> list[Pulse]:
    """The one pulse that neighbours so close together are; none where all are short."""
    long = [k for k, pulse in enumerate(group) if pulse.duration >= shortest or pulse.cut_start or pulse.cut_stop]
    if not long:
        return []
    first, last = group[long[0]], group[long[-1]]
    start, stop = group[0], group[-1]
    return [
        Pulse(
            start=start.start,
            stop=last.stop,
            cut_start=start.cut_start,
            cut_stop=last.cut_stop,
            bounce_start=first.start - start.start,
            bounce_stop=stop.stop - last.stop,
        )
    ]
