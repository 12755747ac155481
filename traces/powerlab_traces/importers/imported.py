"""What an importer makes of a foreign capture: traces by role, windows, where they come from, and what is not known.

Decision 8 says why this is not a `Run`.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.errors import TraceError
from powerlab_traces.run import Provenance
from powerlab_traces.trace import ON_GRID


class Role(StrEnum):
    """What a trace stands for in the power of the board."""

    CURRENT = "current"  # A
    VOLTAGE = "voltage"  # V, of the supply at the board
    POWER = "power"  # W
    ENERGY = "energy"  # J in each sample
    MARKER = "marker"  # high while a window runs
    OTHER = "other"  # kept, but part of no power


class Rule(StrEnum):
    """How a window's energy follows from the samples, as the format's owner computes it.

    SAMPLES: the samples whose start t has start <= t < stop, each worth power times interval (or its own energy).
    Where samples are uneven, each power holds until the next sample.

    ADDED_UP (EnergyRunner): as SAMPLES, on times that are added up sample by sample in double precision. Their rounding
    is part of the rule: it moves a sample on a window's edge in or out, and only so the published energies come out.

    MEAN_POSITIVE (MLPerf Power): the mean of the samples above 0 W with start < t < stop, times the window's length.
    """

    SAMPLES = "samples"
    ADDED_UP = "samples on added-up times"
    MEAN_POSITIVE = "mean of positive"


class Statistic(StrEnum):
    """How the windows of one capture become one energy per image."""

    RATIO = "ratio"  # all energy over all images
    MEDIAN = "median"  # of each window's energy per image


class Lacking(StrEnum):
    """What a capture may not say of itself."""

    POWER = "power"
    WINDOWS = "windows"
    IMAGES = "images"


class Samples(Protocol):
    """A row of numbers that is read by slices: an array, a mapped file, or a reader behind a library."""

    def __len__(self) -> int: ...
    def __getitem__(self, span: slice, /) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True, eq=False)
class ForeignTrace:
    """Samples of one quantity as a foreign file holds them: `raw * scale` in `unit`.

    Even samples have an `interval`: sample i starts at `start + i * interval`. Uneven ones have `times` [n] instead,
    strictly rising. Seconds, on the record's clock. A value that was not measured is not a number (NaN).

    Raises
    ------
    TraceError
        Neither an interval nor times fit the samples.
    """

    name: str  # the channel, column or signal, as the file calls it
    role: Role
    unit: str
    raw: Samples
    interval: float | None = None
    start: float = 0.0
    times: NDArray[np.float64] | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        if (self.interval is None) == (self.times is None):
            raise TraceError(f"trace {self.name!r} needs either an interval or times")
        if self.interval is not None and not (self.interval > 0 and math.isfinite(self.interval)):
            raise TraceError(f"trace {self.name!r} needs a sample interval above 0 s, not {self.interval:g} s")
        if not math.isfinite(self.start) or not math.isfinite(self.scale):
            raise TraceError(f"trace {self.name!r} starts at {self.start:g} s with scale {self.scale:g}")
        if self.times is not None and (len(self.times) != len(self.raw) or not (np.diff(self.times) > 0).all()):
            raise TraceError(f"trace {self.name!r} needs one time a sample, each after the one before")

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def values(self) -> NDArray[np.float64]:
        """All samples in `unit` [n]; for a long trace, read `block` by block instead."""
        return self.block(slice(0, len(self.raw)))

    def block(self, span: slice) -> NDArray[np.float64]:
        """The samples of a span in `unit`."""
        with np.errstate(invalid="ignore", over="ignore"):  # a damaged number is no reason to warn: it is checked for
            return self.raw[span].astype(np.float64) * self.scale

    @property
    def spacing(self) -> float:
        """Seconds between samples: the interval, or the median where they are uneven (0 with fewer than two)."""
        if self.interval is not None:
            return self.interval
        assert self.times is not None
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0

    @property
    def begin(self) -> float:
        """The start of the first sample in seconds."""
        return float(self.times[0]) if self.times is not None and len(self.times) else self.start

    @property
    def stop(self) -> float:
        """The end of the last sample's span in seconds."""
        if self.times is not None:
            return float(self.times[-1]) + self.spacing if len(self.times) else self.start
        assert self.interval is not None
        return self.start + len(self.raw) * self.interval

    def span_of(self, start: float, stop: float) -> slice:
        """Where the samples lie whose start t has `start <= t < stop`; cut off at the trace's ends."""
        if self.times is not None:
            return slice(int(np.searchsorted(self.times, start)), int(np.searchsorted(self.times, stop)))
        assert self.interval is not None
        edges = [(edge - self.start) / self.interval - ON_GRID for edge in (start, stop)]
        first, last = (math.ceil(min(max(edge, 0.0), float(len(self.raw)))) for edge in edges)
        return slice(first, last)


@dataclass(frozen=True, slots=True, eq=False)
class ForeignRecord:
    """One stretch of recording: traces that share a clock, which starts anew in each record."""

    index: int
    traces: tuple[ForeignTrace, ...]

    def trace(self, role: Role) -> ForeignTrace | None:
        """The trace with this role; None without one."""
        return next((trace for trace in self.traces if trace.role is role), None)


@dataclass(frozen=True, slots=True)
class ForeignWindow:
    """A span `[start, stop)` in seconds on the clock of record `record`; `images` is None where nobody said.

    Raises
    ------
    TraceError
        It stops before it starts, or holds fewer than one image.
    """

    start: float
    stop: float
    index: int = 0
    record: int = 0
    images: int | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if not (self.start < self.stop and math.isfinite(self.start) and math.isfinite(self.stop)):
            raise TraceError(f"window {self.index} stops at {self.stop:g} s, which is not after {self.start:g} s")
        if self.images is not None and self.images < 1:
            raise TraceError(f"window {self.index} holds {self.images} images; give 1 or more")

    @property
    def duration(self) -> float:
        """Length of the window in seconds."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that the capture was read from."""

    name: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something the source does not say and nobody may guess; as text, the line that asks for it."""

    lacking: Lacking
    why: str
    option: str

    def __str__(self) -> str:
        return f"{self.why}: give {self.option}"


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A capture that another instrument or program made.

    `origin` is the wall-clock time of second 0 of every record's clock, where the source tells it; without an offset
    it is in the time zone the source's computer had. `clock` says whose clock that is. `supply_voltage` (V) is what
    the user gave for a source without a voltage.
    """

    format: str
    records: tuple[ForeignRecord, ...]
    windows: tuple[ForeignWindow, ...]
    provenance: Provenance
    sources: tuple[SourceFile, ...]
    clock: str
    origin: datetime | None = None
    rule: Rule = Rule.SAMPLES
    statistic: Statistic = Statistic.RATIO
    supply_voltage: float | None = None
    unknown: tuple[Unknown, ...] = ()
    notes: tuple[str, ...] = ()
