"""What a scope hands over: codes of one source with their preamble, and how they become a trace."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from powerlab_instruments.errors import AcquisitionError
from powerlab_traces.trace import Trace

# Unsigned byte codes with a meaning of their own (Programmer's Guide): 0 not acquired, 1 clipped low, 255 clipped high.
LOWEST_GOOD_CODE = 2
HIGHEST_GOOD_CODE = 254

# How far the raw rate may be from a whole multiple of the wanted one, relative: scopes tell their rate with six digits,
# and what is folded all the same has its exact interval from the preamble.
RATE_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Preamble:
    """How codes become values: `value = (code - y_reference) * y_increment + y_origin`.

    And `t = (i - x_reference) * x_increment + x_origin`, in seconds after the trigger (2000 X-Series Programmer's
    Guide, :WAVeform:PREamble).
    """

    points: int
    x_increment: float
    x_origin: float
    x_reference: float
    y_increment: float
    y_origin: float
    y_reference: float

    @classmethod
    def parse(cls, answer: str) -> Self:
        """Read the ten fields of an answer to `:WAVeform:PREamble?`.

        >>> Preamble.parse(
        ...     "+0,+0,+1000,+1,+2.00000000E-010,-1.00000000E-007,+0,+3.12500000E-002,+1.25000000E-002,+128"
        ... ).points
        1000
        """
        fields = answer.split(",")
        if len(fields) != 10:
            raise AcquisitionError(f"{answer!r} is no waveform preamble: it has {len(fields)} fields, not 10")
        try:
            values = [float(field) for field in fields]
        except ValueError as error:
            raise AcquisitionError(f"{answer!r} is no waveform preamble: not all of its fields are numbers") from error
        if not (all(math.isfinite(value) for value in values) and values[2].is_integer()):
            raise AcquisitionError(
                f"{answer!r} is no waveform preamble: a field is no finite number, or a count broken"
            )
        return cls(int(values[2]), *values[4:])


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Unsigned byte codes [n] of one source, as acquired."""

    codes: NDArray[np.uint8]
    preamble: Preamble
    unit: str

    def fold(self, rate: float) -> int:
        """How many raw samples make one sample at `rate` (1/s); 1 if the raw rate is no whole multiple of it."""
        folds = 1 / (self.preamble.x_increment * rate)
        whole = round(folds)
        return whole if whole > 1 and abs(folds - whole) <= RATE_TOLERANCE * folds else 1

    def trace(self, fold: int = 1) -> Trace:
        """The waveform as a trace of exact sums of `fold` raw codes (a box-car); a rest at the end is left out.

        Summing instead of picking every fold-th sample keeps the mean and lets noise fall.
        """
        pre = self.preamble
        count = len(self.codes) // fold
        folded = self.codes[: count * fold].reshape(count, fold)
        codes = folded.sum(axis=1, dtype=np.uint16 if fold <= 257 else np.uint32) if fold > 1 else self.codes
        return Trace(
            codes=codes,
            # The preamble gives nine digits; what a product adds behind them is rounding.
            interval=float(f"{pre.x_increment * fold:.12g}"),
            unit=self.unit,
            start=pre.x_origin - pre.x_reference * pre.x_increment,
            scale=pre.y_increment / fold,
            offset=pre.y_origin - pre.y_reference * pre.y_increment,
        )

    def clipped(self, fold: int = 1) -> NDArray[np.int64]:
        """Numbers of the samples of `trace(fold)` that hold a clipped or missing raw code [m]."""
        bad = np.flatnonzero((self.codes < LOWEST_GOOD_CODE) | (self.codes > HIGHEST_GOOD_CODE)) // fold
        return np.unique(bad[bad < len(self.codes) // fold]).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One segment of a segmented acquisition: its trigger in s after that of the first, and its record."""

    time: float
    waveform: Waveform
