"""The current of a run, record after record, as rows: at full rate, or as exact means."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from powerlab.origin import origin
from powerlab_traces.averaging import averaged, block_size
from powerlab_traces.errors import TraceError
from powerlab_traces.record import Record, RecordSummary
from powerlab_traces.store import StoredRecords, StoredRun
from powerlab_traces.table import Column, quantity_of
from powerlab_traces.trace import Trace

PIECE = 1 << 16  # rows that are made at once
STRAY = 0.01  # of a marker sample, by which marker and rows may drift apart over a record

RECORD = Column("record", "", "number of the record", np.dtype(np.int64))
TIME = Column("time", "s", "start of the row's span after the record's trigger", np.dtype(np.float64))
MARKER = Column("marker", "", "share of the row's span in which the marker was high", np.dtype(np.float64))
CLIPPED = Column(
    "clipped", "", "whether a clipped sample is in the row, whose value is then a bound", np.dtype(np.bool_)
)

_Reader: TypeAlias = Callable[[slice], NDArray[Any]]  # of rows


class TraceRows:
    """The current of some records of a run as rows, `PIECE` at a time; no more than one record is in memory.

    `numbers` are those of records as `powerlab show` lists them; None is all. `rate` is rows a second, each the exact
    mean of a block of samples; None is every sample. `marker` adds how much of each row's span the marker was high: 0
    to 1, NaN in records without one.

    Raises
    ------
    TraceError
        There is no such record, one cannot be averaged to that rate, none fills a row, their units differ, or no
        marker was recorded.
    """

    row = "sample"

    def __init__(
        self, run: StoredRun, numbers: Collection[int] | None = None, *, rate: float | None = None, marker: bool = False
    ) -> None:
        summaries = run.records.summaries
        _check_numbers(numbers, [it.index for it in summaries])
        self._provenance = run.provenance
        self._cuts = [
            _Cut(run.records, place, it, 1 if rate is None else _size(it, rate))
            for place, it in enumerate(summaries)
            if numbers is None or it.index in numbers
        ]
        units = sorted({cut.summary.unit for cut in self._cuts})
        if len(units) > 1:
            raise TraceError(
                f"the records are in {' and '.join(map(repr, units))}; export one kind at a time: --record"
            )
        if not len(self):
            raise TraceError(
                "no record is long enough for one row; give a higher --rate" if rate else "it has no record"
            )
        self._value = Column(quantity_of(units[0]), units[0], "current in the supply lead", np.dtype(np.float64))
        self._bit = run.provenance.marker_bit
        if marker and (self._bit is None or all(run.records[cut.place].marker is None for cut in self._cuts)):
            raise TraceError("no marker was recorded with these records; export without --marker")
        self.columns: tuple[Column, ...] = (
            RECORD,
            TIME,
            self._value,
            *([MARKER] if marker else []),
            *([CLIPPED] if any(cut.summary.clipped for cut in self._cuts) else []),
        )

    def __len__(self) -> int:
        return sum(cut.count for cut in self._cuts)

    @property
    def about(self) -> Mapping[str, str]:
        """Where the rows come from, and whether they are means."""
        means = self._means()
        return {**origin(self._provenance), **({"each row": means} if means else {})}

    @property
    def remarks(self) -> list[str]:
        """What must be known of these rows, a line each: means, samples left out, clipped samples."""
        said = []
        if means := self._means():
            said.append(f"each row is the {means}")
        if short := [left for cut in self._cuts if (left := cut.summary.samples % cut.size)]:
            lost = f"{_counted(sum(short), 'sample')} at the end of {_counted(len(short), 'record')}"
            said.append(f"left out: {lost}, too few for a row")
        if clipped := [cut.summary.clipped for cut in self._cuts if cut.summary.clipped]:
            held = f"{_counted(sum(clipped), 'sample')} of {_counted(len(clipped), 'record')}"
            said.append(f"clipped: {held}; the column clipped says which")
        return said

    def pieces(self, columns: Sequence[Column]) -> Iterator[tuple[NDArray[Any], ...]]:
        """The values of some of the columns; samples are read only where these need them."""
        for cut in self._cuts:
            yield from cut.pieces(columns, self._bit)

    def _means(self) -> str:
        """What a row is where it is no sample."""
        cuts = {cut.size: cut for cut in self._cuts if cut.size > 1}.values()
        return " or ".join(
            f"mean of {cut.size} samples, {1 / (cut.size * cut.summary.interval):.9g} per second" for cut in cuts
        )


@dataclass(frozen=True, slots=True)
class _Cut:
    """One record, and how many of its samples make a row."""

    records: StoredRecords
    place: int  # in `records`
    summary: RecordSummary
    size: int

    @property
    def count(self) -> int:
        """How many rows it fills."""
        return self.summary.samples // self.size

    def pieces(self, columns: Sequence[Column], bit: int | None) -> Iterator[tuple[NDArray[Any], ...]]:
        """The values of its rows, reading no more of the record than these columns need."""
        record = self.records[self.place] if {MARKER, CLIPPED}.intersection(columns) else None
        current = None
        if not {RECORD, TIME}.issuperset(columns):
            current = averaged(record.current if record is not None else self.records.current(self.place), self.size)
        readers = [self._reader(column, current, record, bit) for column in columns]
        for first in range(0, self.count, PIECE):
            part = slice(first, min(first + PIECE, self.count))
            yield tuple(reader(part) for reader in readers)

    def _reader(self, column: Column, current: Trace | None, record: Record | None, bit: int | None) -> _Reader:
        """What makes the values of a column for a span of rows."""
        index, start, interval = self.summary.index, self.summary.start, self.summary.interval * self.size
        if column == RECORD:
            return lambda rows: np.full(rows.stop - rows.start, index, np.int64)
        if column == TIME:
            return lambda rows: start + np.arange(rows.start, rows.stop, dtype=np.float64) * interval
        if record is not None and column == MARKER:
            return _shares(record, interval, bit)
        if record is not None and column == CLIPPED:
            holed = np.unique(record.clipped // self.size)
            return lambda rows: np.isin(np.arange(rows.start, rows.stop), holed)
        assert current is not None
        return lambda rows: replace(current, codes=current.codes[rows]).values


def _shares(record: Record, interval: float, bit: int | None) -> _Reader:
    """How much of each row of `interval` seconds the marker was high.

    Raises
    ------
    TraceError
        The marker's samples do not fall into the rows in whole numbers.
    """
    marker = record.marker
    if marker is None or bit is None:
        return lambda rows: np.full(rows.stop - rows.start, np.nan)
    size = round(interval / marker.interval)
    drift = abs(interval - size * marker.interval) * len(marker) / (size or 1)
    if size < 1 or max(drift, abs(marker.start - record.current.start)) > STRAY * marker.interval:
        raise TraceError(
            f"the marker of record {record.index} ({marker.sample_rate:.6g} samples per second from {marker.start:.6g} "
            f"s) does not fit its rows ({1 / interval:.6g} per second from {record.current.start:.6g} s); "
            "export without --marker"
        )

    def share(rows: slice) -> NDArray[np.float64]:
        codes = marker.codes[rows.start * size : rows.stop * size]
        if len(codes) < (rows.stop - rows.start) * size:
            raise TraceError(f"the marker of record {record.index} ends before its current; export without --marker")
        high = ((codes >> bit) & 1).reshape(-1, size)
        return np.asarray(high.mean(axis=1), np.float64)

    return share


def _check_numbers(numbers: Collection[int] | None, known: Sequence[int]) -> None:
    missing = sorted(set(numbers or ()).difference(known))
    if missing:
        said = f"records {known[0]} to {known[-1]}" if known else "none"
        raise TraceError(f"there is no record {missing[0]}; the run has {said} (`powerlab show` lists them)")


def _size(record: RecordSummary, rate: float) -> int:
    try:
        return block_size(record.interval, rate)
    except TraceError as error:
        raise TraceError(f"record {record.index}: {error}") from error


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"
