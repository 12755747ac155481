"""The records of a run in columns, and which of their samples lie in a span of time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from powerlab.viewing.course import Floats
from powerlab_traces.chain import SupplyReading
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.store import StoredRecords
from powerlab_traces.trace import ON_GRID
from powerlab_traces.window import Window

READINGS = tuple(
    f"{when}.{what}" for when in ("before", "after") for what in ("voltage", "current", "regulation", "limited")
)


@dataclass(frozen=True, slots=True)
class Part:
    """Samples `first` to before `last` of the record in a place; `whole` where that is all of it."""

    place: int
    first: int
    last: int
    whole: bool

    @property
    def samples(self) -> int:
        """How many they are."""
        return self.last - self.first


@dataclass(frozen=True, slots=True, eq=False)
class RecordColumns:
    """What is known of each record, in the order they were taken, each column [records].

    `starts` and `stops` (s) are on the run's axis, `begins` on the record's own clock. `readings` are the supply's, by
    the names of `READINGS`, `voltages` (V) the means of those before and after.
    """

    records: StoredRecords
    starts: Floats
    stops: Floats
    begins: Floats
    samples: NDArray[np.int64]
    intervals: Floats
    scales: Floats
    offsets: Floats
    clipped: NDArray[np.int64]
    kinds: NDArray[np.object_]
    numbers: NDArray[np.int64]
    readings: dict[str, NDArray[np.generic]]
    voltages: Floats

    @classmethod
    def of(cls, records: StoredRecords) -> Self:
        """Those of a run file; no sample is read."""
        column = records.column
        readings = {it: column(it) for it in READINGS}
        return cls(
            records=records,
            starts=records.starts,
            stops=records.stops,
            begins=column("start"),
            samples=column("samples"),
            intervals=column("interval"),
            scales=column("scale"),
            offsets=column("offset"),
            clipped=column("clipped"),
            kinds=column("kind"),
            numbers=column("index"),
            readings=readings,
            voltages=(readings["before.voltage"] + readings["after.voltage"]) / 2,
        )

    def __len__(self) -> int:
        return len(self.starts)

    def between(self, start: float, stop: float) -> tuple[int, int]:
        """The places of the records from `start` to `stop`: the first, and one past the last."""
        return int(np.searchsorted(self.stops, start, "right")), int(np.searchsorted(self.starts, stop))

    def parts(self, start: float, stop: float) -> list[Part]:
        """The samples from `start` to before `stop`, record by record."""
        return list(self._parts(start, stop))

    def _parts(self, start: float, stop: float) -> Iterator[Part]:
        for place in range(*self.between(start, stop)):
            begin, interval, samples = (
                float(self.starts[place]),
                float(self.intervals[place]),
                int(self.samples[place]),
            )
            # So late in a run that seconds are coarser than the grid of samples, that much more counts as on it.
            near = max(ON_GRID, 4 * math.ulp(max(abs(start), abs(stop))) / interval)
            first = max(math.ceil((start - begin) / interval - near), 0)
            last = min(math.ceil((stop - begin) / interval - near), samples)
            if first < last:
                yield Part(place, first, last, last - first == samples)

    def widened(self, part: Part, size: int) -> Part:
        """The part with whole bins of `size` samples at its ends, as far as there are samples."""
        samples = int(self.samples[part.place])
        first, last = part.first // size * size, min(-(-part.last // size) * size, samples)
        return Part(part.place, first, last, last - first == samples)

    def record(self, part: Part) -> Record:
        """A part of a record as a record of its own, without the marker; only its chunks are read."""
        place = part.place
        begin, interval = float(self.begins[place]), float(self.intervals[place])
        window = None if part.whole else Window(begin + part.first * interval, begin + part.last * interval)
        before, after = (self.supply(place, when) for when in ("before", "after"))
        return Record(
            index=int(self.numbers[place]),
            kind=RecordKind(self.kinds[place]),
            current=self.records.current(place, window),
            marker=None,
            clipped=np.empty(0, np.int64),
            armed=0,
            fetched=0,
            before=before,
            after=after,
        )

    def supply(self, place: int, when: str) -> SupplyReading:
        """What the supply said `before` or `after` a record."""
        voltage, current, regulation, limited = (
            self.readings[f"{when}.{it}"][place] for it in ("voltage", "current", "regulation", "limited")
        )
        return SupplyReading(0, float(voltage), float(current), str(regulation), limited=bool(limited))

    def clipped_in(self, part: Part) -> int:
        """How many samples of a part clipped."""
        count = int(self.clipped[part.place])
        if not count or part.whole:
            return count
        found = self.records.clipped(part.place)
        return int(((found >= part.first) & (found < part.last)).sum())
