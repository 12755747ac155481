"""Evenly spaced samples of one quantity, kept as the integer codes they were acquired as."""

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.errors import TraceError
from powerlab_traces.window import Window

# A time this close to the sample grid (in samples) counts as on it, so that rounding in `start + i * interval` moves
# no sample.
ON_GRID = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Evenly spaced samples of one quantity.

    `codes` [n] are integers as acquired (or exact sums of them); a value is `codes * scale + offset` in
    `unit`. Sample i stands for the span `[start + i * interval, start + (i + 1) * interval)` in seconds on the
    record's clock.
    """

    codes: NDArray[np.integer[Any]]
    interval: float
    unit: str
    start: float = 0.0
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.codes.ndim != 1 or not np.issubdtype(self.codes.dtype, np.integer):
            raise TraceError(f"a trace needs a row of integer codes, not {self.codes.dtype} {self.codes.shape}")
        if not (self.interval > 0 and math.isfinite(self.interval)):
            raise TraceError(f"a trace needs a sample interval above 0 s, not {self.interval:g} s")
        self.codes.flags.writeable = False

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def stop(self) -> float:
        """The end of the last sample's span, in seconds: one past, as windows are half-open."""
        return self.start + len(self.codes) * self.interval

    @property
    def sample_rate(self) -> float:
        """Samples per second."""
        return 1.0 / self.interval

    @property
    def values(self) -> NDArray[np.float64]:
        """The samples in `unit` [n]."""
        return self.codes.astype(np.float64) * self.scale + self.offset

    @property
    def times(self) -> NDArray[np.float64]:
        """The start of each sample's span in seconds [n]."""
        return self.start + np.arange(len(self.codes), dtype=np.float64) * self.interval

    def span_of(self, window: Window) -> slice:
        """Where the window's samples lie: those whose start t has `window.start <= t < window.stop`.

        Raises
        ------
        TraceError
            The window reaches beyond the trace, or holds no sample.
        """
        return span_of(window, self.start, self.interval, len(self.codes))

    def cut(self, window: Window) -> Self:
        """The part of the trace inside the window (see `span_of`), a view on the same codes."""
        span = self.span_of(window)
        return replace(self, codes=self.codes[span], start=self.start + span.start * self.interval)


def span_of(window: Window, start: float, interval: float, samples: int) -> slice:
    """Where a window lies in so many samples from `start` (s) on; the one place where seconds become sample numbers.

    Raises
    ------
    TraceError
        The window reaches beyond the samples, or holds none of them.
    """
    first = (window.start - start) / interval
    last = (window.stop - start) / interval
    if first < -ON_GRID or last > samples + ON_GRID:
        raise TraceError(
            f"window {window.index} ({window.start:g} to {window.stop:g} s) reaches beyond the trace "
            f"({start:g} to {start + samples * interval:g} s)"
        )
    span = slice(math.ceil(first - ON_GRID), math.ceil(last - ON_GRID))
    if span.start == span.stop:
        raise TraceError(f"window {window.index} is shorter than one sample ({interval:g} s)")
    return span
