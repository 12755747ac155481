"""Which time base of a scope records a wanted duration at a wanted rate.

The sample rate of an InfiniiVision scope cannot be set: it is the memory over the span, at most the converter's.
Samples at the wanted rate are exact sums of raw ones only if the raw rate is a whole multiple of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from powerlab_instruments.waveform import RATE_TOLERANCE

LONGEST = 2.5  # times the wanted duration
MOST_ASKED = 16  # spans; a scope that delivers no whole multiple among so many has other rules


@dataclass(frozen=True, slots=True)
class TimeBase:
    """A span in s that a scope records, the raw rate (1/s) it does it at, and how many raw samples make one.

    With `whole` the raw rate is `fold` times the wanted one. Without, no span of up to 2.5 times the wanted duration
    gives a whole multiple: the span is that duration, and `fold` is 1.
    """

    span: float
    rate: float
    fold: int
    whole: bool

    @property
    def points(self) -> int:
        """Raw samples of each source."""
        return round(self.rate * self.span)

    @property
    def sample_rate(self) -> float:
        """Samples per second after folding, in 1/s."""
        return self.rate / self.fold


def choose(duration: float, rate: float, longest: float, delivered: Callable[[float], float]) -> TimeBase:
    """The shortest span of at least `duration` s, at most `longest` s, that comes at a whole multiple of `rate` (1/s).

    `delivered` tells at which rate a span would be recorded. `duration` itself is tried first, then the spans that
    fill the memory at a smaller multiple each.
    """
    raw = delivered(duration)
    if fold := _fold(raw, rate):
        return TimeBase(duration, raw, fold, whole=True)
    for span in _spans(duration, rate, raw, min(LONGEST * duration, longest)):
        there = delivered(span)
        if fold := _fold(there, rate):
            return TimeBase(span, there, fold, whole=True)
    return TimeBase(duration, raw, 1, whole=False)


def _spans(duration: float, rate: float, raw: float, longest: float) -> Iterator[float]:
    """Spans above `duration` that the points of `duration` fill at whole multiples of the rate, shortest first."""
    points = raw * duration
    most = int(raw / rate)
    for multiple in range(most, max(0, most - MOST_ASKED), -1):
        span = points / (multiple * rate)
        if span > longest * (1 + 1e-9):
            return
        if span > duration:
            yield span


def _fold(raw: float, rate: float) -> int:
    """Which multiple of the wanted rate the raw one is; 0 if it is no whole one."""
    multiple = round(raw / rate)
    return multiple if multiple and abs(raw / (multiple * rate) - 1) <= RATE_TOLERANCE else 0
