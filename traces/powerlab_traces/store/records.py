"""The records of a run file."""

import functools
import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema
from powerlab_traces.chain import SupplyReading
from powerlab_traces.errors import TraceError
from powerlab_traces.pyramid import BLOCK, Blocks, Statistics, together
from powerlab_traces.record import Record, RecordKind, RecordSummary
from powerlab_traces.store.assembly import READING_TYPES
from powerlab_traces.store.overview import starts_of
from powerlab_traces.store.packed import digest_of
from powerlab_traces.store.source import Source
from powerlab_traces.store.storedstack import StoredStack
from powerlab_traces.trace import ON_GRID, Trace, span_of
from powerlab_traces.window import Window

# fields of a summary that are columns as they stand
PLAIN = {
    "index": schema.INDEX,
    "kind": schema.KIND,
    "segment": schema.SEGMENT,
    "start": schema.START,
    "clipped": schema.CLIPPED_COUNT,
    "armed": schema.ARMED,
    "fetched": schema.FETCHED,
}


class StoredRecords(Sequence[Record]):
    """The records of a run file, each read when it is asked for; parts of one, and sums, without the rest of it.

    The file is opened with the first record and stays open until `close`, or until nobody holds this any more.
    """

    def __init__(self, source: Source, numbers: range) -> None:
        self._source, self._numbers = source, numbers
        self._stacks: dict[int, StoredStack] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> "StoredRecords": ...
    def __getitem__(self, index: int | slice) -> "Record | StoredRecords":
        if isinstance(index, slice):
            return StoredRecords(self._source, self._numbers[index])
        number = self._numbers[index]
        marker_start = float(self._column(schema.MARKER_START)[number])
        before, after = (self._readings(slice(number, number + 1), form)[0] for form in (schema.BEFORE, schema.AFTER))
        with self._source.reading():
            stack, row = self._place(number)
            marker = None if np.isnan(marker_start) else stack.marker(row, marker_start)
            clipped = self._clipped(number)
        return Record(
            index=int(self._column(schema.INDEX)[number]),
            kind=RecordKind(self._column(schema.KIND)[number]),
            current=self.current(index),
            marker=marker,
            clipped=clipped,
            armed=int(self._column(schema.ARMED)[number]),
            fetched=int(self._column(schema.FETCHED)[number]),
            before=before,
            after=after,
        )

    def current(self, index: int, window: Window | None = None) -> Trace:
        """The current of one record, or the part of it inside a window; only the chunks of that part are read.

        Raises
        ------
        TraceError
            The window reaches beyond the record, or holds no sample; or the file is damaged.
        """
        number = self._numbers[index]
        start = float(self._column(schema.START)[number])
        with self._source.reading():
            stack, row = self._place(number)
            span = slice(None) if window is None else span_of(window, start, stack.interval, stack.samples)
            return stack.current(row, start, span)

    def total(self, index: int, window: Window | None = None) -> int:
        """The exact sum of a record's codes, or of those inside a window, most of it from sums of blocks.

        Times `scale` plus `offset` times the number of samples, of `current`, it is the sum in amperes.
        """
        number = self._numbers[index]
        if window is None:
            return int(self._column(schema.SUM)[number])
        start = float(self._column(schema.START)[number])
        with self._source.reading():
            stack, row = self._place(number)
            return stack.sums(row, span_of(window, start, stack.interval, stack.samples)).total

    def between(self, start: float, stop: float) -> Statistics | None:
        """Mean, least and largest of all that these records hold from `start` to before `stop`, exact to a sample.

        Times are in seconds as in `starts`. Only two chunks of samples are read, however long the span is. None where
        nothing was recorded.

        Raises
        ------
        TraceError
            The records have different units, or the file is damaged.
        """
        table = self._table
        if len(table.units) > 1:
            raise TraceError(
                f"{self._source.path}: its records are in {' and '.join(sorted(table.units))}, not in one unit"
            )
        first, last = bisect_right(table.ends, start), bisect_left(table.begins, stop) - 1
        with self._source.reading():
            found = [self._part(place, start, stop) for place in range(first, last + 1, max(last - first, 1))]
        if last - first > 1:
            found.append(table.whole(slice(first + 1, last)))
        parts = [it for it in found if it is not None]
        return together(parts) if parts else None

    def blocks(self, index: int, size: int = BLOCK) -> Blocks:
        """Least, largest and sum of each block of `size` samples, one of `pyramid.LEVELS`, of a record."""
        with self._source.reading():
            stack, row = self._place(self._numbers[index])
            return stack.blocks(row, size)

    def clipped(self, index: int) -> NDArray[np.int64]:
        """The numbers of a record's clipped samples, without the others."""
        with self._source.reading():
            return self._clipped(self._numbers[index])

    @property
    def starts(self) -> NDArray[np.float64]:
        """When the first sample of each record was taken, in seconds since the run's first trigger [records]."""
        return self._table.starts

    @property
    def stops(self) -> NDArray[np.float64]:
        """When each record ends, on the same axis [records]."""
        return self._table.stops

    def seconds(self, records: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.float64]:
        """Times of the host's clock (ns) on the axis of `starts`, each while the record of that number was armed.

        The numbers are among those of these records.
        """
        at = np.searchsorted(self.column("index"), records)
        triggers, starts = (self._column(name)[self._places][at] for name in (schema.TRIGGER, schema.START))
        found: NDArray[np.float64] = self.starts[at] - starts + (times - triggers) * 1e-9
        return found

    @property
    def summaries(self) -> list[RecordSummary]:
        """What is known of each record without reading a sample."""
        before, after = (
            map(SupplyReading, *(self.column(f"{place}.{name}").tolist() for name in READING_TYPES))
            for place in ("before", "after")
        )
        made: dict[str, Iterable[Any]] = {
            "before": before,
            "after": after,
            "kind": map(RecordKind, self.column("kind")),
        }
        names = [it.name for it in fields(RecordSummary)]
        columns = [made[name] if name in made else self.column(name).tolist() for name in names]
        with self._source.reading():
            return list(map(RecordSummary, *columns))

    def column(self, field: str) -> NDArray[Any]:
        """One field of `summaries` for all records, such as `mean` or `before.voltage`, without making summaries.

        Besides, `scale` and `offset` of their currents.

        Raises
        ------
        TraceError
            The file is damaged.
        """
        place, _, reading = field.partition(".")
        if reading:
            form = {"before": schema.BEFORE, "after": schema.AFTER}[place]
            return self._column(form.format(READING_TYPES[reading][0]))[self._places]
        if field in PLAIN:
            return self._column(PLAIN[field])[self._places]
        table = self._table
        if field in ("interval", "unit", "scale", "offset"):
            return np.array([getattr(it, field) for it in table.stacks])
        return table.sums / table.samples if field == "mean" else getattr(table, field)

    def digest_holds(self, index: int) -> bool:
        """Whether the record's codes still have the digests they were stored with."""
        number = self._numbers[index]
        record = self[index]
        marker = record.marker
        return digest_of(record.current.codes) == self._column(schema.DIGEST)[number] and (
            marker is None or digest_of(marker.codes) == self._column(schema.MARKER_DIGEST)[number]
        )

    def close(self) -> None:
        """Close the file; it opens again when a record is asked for."""
        self._source.close()

    @property
    def _places(self) -> slice | list[int]:
        """These records among all of the run, to cut columns with."""
        numbers = self._numbers
        return slice(numbers.start, numbers.stop, numbers.step) if numbers.step > 0 else list(numbers)

    @functools.cached_property
    def _table(self) -> "_Table":
        """What sums over many records are made of."""
        places = self._places
        with self._source.reading():
            known = self._column(schema.STACK_NUMBER)
            stacks = [self._stack(number) for number in range(int(known.max(initial=-1)) + 1)]
            of = known[places]
            samples = np.array([it.samples for it in stacks], np.int64)
            lengths = samples * np.array([it.interval for it in stacks])
            scale, offset = (np.array([getattr(it, name) for it in stacks]) for name in ("scale", "offset"))
            triggers, starts, segments = (self._column(it) for it in (schema.TRIGGER, schema.START, schema.SEGMENT))
            starts = starts_of(triggers, starts, segments, lengths[known])[places]
            total, least, largest = (self._column(it)[places] for it in (schema.SUM, schema.LEAST, schema.LARGEST))
        return _Table(
            stacks=[stacks[number] for number in of.tolist()],
            rows=self._column(schema.ROW)[places].tolist(),
            units=frozenset(stacks[number].unit for number in set(of.tolist())),
            starts=starts,
            stops=starts + lengths[of],
            begins=array("d", starts),
            ends=array("d", starts + lengths[of]),
            samples=samples[of],
            sums=total * scale[of] + samples[of] * offset[of],
            least=least * scale[of] + offset[of],
            largest=largest * scale[of] + offset[of],
        )

    def _part(self, place: int, start: float, stop: float) -> Statistics | None:
        """What the record holds of a span of time, if anything."""
        table = self._table
        stack, begin = table.stacks[place], table.begins[place]
        first = max(math.ceil((start - begin) / stack.interval - ON_GRID), 0)
        last = min(math.ceil((stop - begin) / stack.interval - ON_GRID), stack.samples)
        if first >= last:
            return None
        if last - first == stack.samples:
            return table.whole(slice(place, place + 1))
        return stack.sums(table.rows[place], slice(first, last)).scaled(stack.scale, stack.offset)

    def _place(self, number: int) -> tuple[StoredStack, int]:
        """The stack and the row that hold a record."""
        return (
            self._stack(int(self._column(schema.STACK_NUMBER)[number])),
            int(self._column(schema.ROW)[number]),
        )

    def _stack(self, number: int) -> StoredStack:
        if number not in self._stacks:
            self._stacks[number] = StoredStack(self._source, number)
        return self._stacks[number]

    def _clipped(self, number: int) -> NDArray[np.int64]:
        """The clipped samples of a record: they stand in one row for all records."""
        counts = self._column(schema.CLIPPED_COUNT)
        if not counts[number]:
            return np.empty(0, np.int64)
        first = int(counts[:number].sum())
        found: NDArray[np.int64] = self._source.dataset(f"{schema.RECORDS}/{schema.CLIPPED}")[
            first : first + int(counts[number])
        ]
        return found

    def _readings(self, places: slice | list[int], form: str) -> list[SupplyReading]:
        columns = (self._column(form.format(column))[places].tolist() for column, _ in READING_TYPES.values())
        return [SupplyReading(*row) for row in zip(*columns, strict=True)]

    def _column(self, name: str) -> NDArray[Any]:
        return self._source.column(schema.RECORDS, name)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Some records in columns [records]: times in s since the run's first trigger, the rest in the currents' unit."""

    stacks: list[StoredStack]
    rows: list[int]
    units: frozenset[str]
    starts: NDArray[np.float64]
    stops: NDArray[np.float64]
    begins: "array[float]"  # the starts, and the stops, as they are searched twice as fast
    ends: "array[float]"
    samples: NDArray[np.int64]
    sums: NDArray[np.float64]
    least: NDArray[np.float64]
    largest: NDArray[np.float64]

    def whole(self, part: slice) -> Statistics:
        """Of all samples of some of the records."""
        samples = int(np.add.reduce(self.samples[part]))
        return Statistics(
            samples,
            float(np.add.reduce(self.sums[part])) / samples,
            float(np.minimum.reduce(self.least[part])),
            float(np.maximum.reduce(self.largest[part])),
        )
