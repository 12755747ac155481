"""One acquisition of the scope."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.chain import SupplyReading
from powerlab_traces.trace import Trace


class RecordKind(StrEnum):
    """Why a record was taken."""

    ZERO = "zero"  # no current in the lead: the board is off or the clamp is open
    IDLE = "idle"  # the board is on and the workload loaded, but not running
    ACTIVE = "active"  # windows run


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One acquisition: the current, the marker line, and the supply's readings around it.

    `marker` holds one byte a sample, bit d for digital input Dd, on its own sample grid; None when no digital
    input was recorded. `clipped` [m] are the numbers of the current's samples that hold at least one raw code
    at or beyond the converter's range. `armed` and `fetched` are nanoseconds on the host's monotonic clock.
    """

    index: int
    kind: RecordKind
    current: Trace
    marker: Trace | None
    clipped: NDArray[np.int64]
    armed: int
    fetched: int
    before: SupplyReading
    after: SupplyReading


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """A record without its samples: mean, least and largest are in `unit`; the rest is as in `Record`."""

    index: int
    kind: RecordKind
    segment: int
    samples: int
    interval: float  # s
    unit: str
    start: float  # s after the trigger
    mean: float
    least: float
    largest: float
    clipped: int  # how many samples
    armed: int
    fetched: int
    before: SupplyReading
    after: SupplyReading
