"""What a waveform measures: levels, edges and times of a sampled signal, as the scope defines them.

Definitions: InfiniiVision 2000 X-Series Programmer's Guide, :MEASure commands. Everything that cannot be measured is
`INVALID`.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

INVALID = 9.9e37
BINS = 64  # of the histogram whose modes are top and base; UNCONFIRMED
MODE_SHARE = 0.05  # of the samples that a mode needs, else the extreme stands for it; UNCONFIRMED
STANDARD = (90.0, 50.0, 10.0)  # upper, middle, lower threshold in percent of the amplitude


@dataclass(frozen=True, slots=True)
class Edge:
    """One crossing of the whole way between the thresholds: the times of lower, middle and upper, in seconds."""

    lower: float
    middle: float
    upper: float
    rising: bool


@dataclass(frozen=True)
class Waveform:
    """Values on the screen [n], without holes, `interval` seconds apart from `start` (s from the trigger)."""

    values: NDArray[np.float64]
    start: float
    interval: float
    thresholds: tuple[float, float, float] = STANDARD

    # Levels, in the channel's unit.

    @cached_property
    def maximum(self) -> float:
        """The largest value."""
        return float(self.values.max()) if len(self.values) else INVALID

    @cached_property
    def minimum(self) -> float:
        """The smallest value."""
        return float(self.values.min()) if len(self.values) else INVALID

    @property
    def peak_to_peak(self) -> float:
        """Largest less smallest value."""
        return self.maximum - self.minimum if len(self.values) else INVALID

    @cached_property
    def _modes(self) -> tuple[float, float]:
        if not len(self.values) or self.maximum == self.minimum:
            return self.minimum, self.maximum
        counts, bounds = np.histogram(self.values, BINS)
        found = []
        for half, extreme in ((slice(0, BINS // 2), self.minimum), (slice(BINS // 2, BINS), self.maximum)):
            place = half.start + int(np.argmax(counts[half]))
            enough = counts[place] >= MODE_SHARE * len(self.values)
            found.append(float(bounds[place] + bounds[place + 1]) / 2 if enough else extreme)
        return found[0], found[1]

    @property
    def base(self) -> float:
        """The most frequent value of the lower half."""
        return self._modes[0]

    @property
    def top(self) -> float:
        """The most frequent value of the upper half."""
        return self._modes[1]

    @property
    def amplitude(self) -> float:
        """Top less base."""
        return self.top - self.base if len(self.values) else INVALID

    def average(self, *, cycle: bool) -> float:
        """The mean over the screen or over one cycle."""
        values = self._span(cycle=cycle)
        return float(values.mean()) if len(values) else INVALID

    def rms(self, *, cycle: bool, ac: bool) -> float:
        """The root of the mean square over the screen or over one cycle, about the mean when `ac`."""
        values = self._span(cycle=cycle)
        if not len(values):
            return INVALID
        return float(values.std()) if ac else math.sqrt(float(np.mean(values * values)))

    # Edges and times, in seconds. "The one" is nearest to the trigger.

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every way between lower and upper threshold, in order of time."""
        if not len(self.values) or self.amplitude <= 0:
            return ()
        upper, middle, lower = (self.base + share / 100 * self.amplitude for share in self.thresholds)
        sides = (self.values >= upper).astype(np.int8) - (self.values <= lower).astype(np.int8)
        outside = np.flatnonzero(sides)
        turns = np.flatnonzero(np.diff(sides[outside]))
        edges = []
        for first, last in zip(outside[turns].tolist(), outside[turns + 1].tolist(), strict=True):
            times = [self._crossing(first, last, level) for level in (lower, middle, upper)]
            edges.append(Edge(times[0], times[1], times[2], rising=bool(sides[last] > 0)))
        return tuple(edges)

    def _crossing(self, first: int, last: int, level: float) -> float:
        """When the line between the samples `first` and `last` first goes through a level."""
        part = self.values[first : last + 1]
        above = part >= level
        place = int(np.argmax(above != above[0]))
        before, after = float(part[place - 1]), float(part[place])
        return self.start + (first + place - 1 + (level - before) / (after - before)) * self.interval

    def _nearest(self, *, rising: bool) -> Edge | None:
        return min((edge for edge in self.edges if edge.rising == rising), key=lambda e: abs(e.middle), default=None)

    @property
    def rise_time(self) -> float:
        """From lower to upper threshold of the one rising edge."""
        edge = self._nearest(rising=True)
        return edge.upper - edge.lower if edge else INVALID

    @property
    def fall_time(self) -> float:
        """From upper to lower threshold of the one falling edge."""
        edge = self._nearest(rising=False)
        return edge.lower - edge.upper if edge else INVALID

    def _between(self, first: bool, last: bool) -> tuple[float, float] | None:
        """From the middle of an edge to that of the next of a direction, the pair nearest to the trigger."""
        spans = []
        for number, edge in enumerate(self.edges):
            later = next((other for other in self.edges[number + 1 : number + 3] if other.rising == last), None)
            if edge.rising == first and later is not None:
                spans.append((edge.middle, later.middle))
        return min(spans, key=lambda span: min(abs(span[0]), abs(span[1])), default=None)

    @cached_property
    def _cycle(self) -> tuple[float, float] | None:
        return self._between(first=True, last=True) or self._between(first=False, last=False)

    @property
    def period(self) -> float:
        """From an edge to the next one of its direction."""
        return self._cycle[1] - self._cycle[0] if self._cycle else INVALID

    @property
    def frequency(self) -> float:
        """One over the period, in hertz."""
        return 1 / self.period if self._cycle else INVALID

    @property
    def positive_width(self) -> float:
        """From a rising edge to the next falling one."""
        span = self._between(first=True, last=False)
        return span[1] - span[0] if span else INVALID

    @property
    def negative_width(self) -> float:
        """From a falling edge to the next rising one."""
        span = self._between(first=False, last=True)
        return span[1] - span[0] if span else INVALID

    @property
    def duty_cycle(self) -> float:
        """Positive width over period, in percent."""
        if self._cycle is None or self.positive_width == INVALID:
            return INVALID
        return 100 * self.positive_width / self.period

    @property
    def overshoot(self) -> float:
        """How far the values go past the level after the edge nearest to the trigger, in percent of the amplitude."""
        return self._shoot(after=True)

    @property
    def preshoot(self) -> float:
        """How far they go past the level before that edge, in percent of the amplitude."""
        return self._shoot(after=False)

    def _shoot(self, *, after: bool) -> float:
        edge = min(self.edges, key=lambda edge: abs(edge.middle), default=None)
        if edge is None:
            return INVALID
        # Half-way to the neighbouring edge, so that its own shooting does not count.
        place, middles = self.edges.index(edge), [edge.middle for edge in self.edges]
        ends = [self.start, *middles, self.start + (len(self.values) - 1) * self.interval]
        far = ends[place + 2] if after else ends[place]
        inner = place < len(middles) - 1 if after else place > 0
        bound = (edge.middle + far) / 2 if inner else far
        part = self._part(min(edge.middle, bound), max(edge.middle, bound))
        if not len(part):
            return INVALID
        high = edge.rising == after
        past = float(part.max()) - self.top if high else self.base - float(part.min())
        return 100 * past / self.amplitude

    def _part(self, start: float, stop: float) -> NDArray[np.float64]:
        first, last = (round((time - self.start) / self.interval) for time in (start, stop))
        return self.values[max(first, 0) : last]

    def _span(self, *, cycle: bool) -> NDArray[np.float64]:
        if not cycle:
            return self.values
        return self._part(*self._cycle) if self._cycle else self.values[:0]
