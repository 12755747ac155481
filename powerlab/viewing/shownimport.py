"""A capture of another instrument or program as the page shows it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from powerlab.importing import open_import
from powerlab.spectra import spectrum
from powerlab.terminal import printable
from powerlab.viewing.course import Course, Floats, bin_size
from powerlab.viewing.reading import Reading
from powerlab.viewing.windows import DROPPED, KEPT, UNJUDGED, Windows, ordered
from powerlab_analysis.spectra import Spectra
from powerlab_analysis.verdict import Verdict
from powerlab_traces.errors import TraceError
from powerlab_traces.importers import Energies, ForeignRecord, Imported, NotKnown, energies
from powerlab_traces.importers.imported import ForeignTrace, ForeignWindow, Role
from powerlab_traces.importers.outline import as_power, main_trace
from powerlab_traces.table import quantity_of

FINEST: Final = 256  # samples in a block
MOST_BLOCKS: Final = 1 << 18  # of a trace
PASS: Final = 1 << 22  # samples in memory at a time
HOLE: Final = 3.0  # times the usual distance: so far apart, nothing was recorded between two samples
SAME: Final = 1e-9  # s: cursors so near to a window's edges are on them


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """A trace of a record, so many seconds later on the page's axis, and its blocks of `size` samples."""

    record: int
    trace: ForeignTrace
    shift: float
    size: int
    low: Floats
    total: Floats
    measured: Floats  # how many samples of each block are numbers
    high: Floats

    @property
    def start(self) -> float:
        return self.trace.begin + self.shift

    @property
    def stop(self) -> float:
        return self.trace.stop + self.shift

    def course(self, span: slice, size: int) -> Course:
        """Its samples in bins of so many, counted from its first one on."""
        first, last = span.start // size * size, min(-(-span.stop // size) * size, len(self.trace))
        starts = np.arange(first, last, size)
        if size >= self.size:
            part = slice(first // self.size, -(-last // self.size))
            at = (starts - first) // self.size
            low, total, measured, high = (it[part] for it in (self.low, self.total, self.measured, self.high))
        else:
            low = high = self.trace.block(slice(first, last))
            measured = np.isfinite(low).astype(np.float64)
            total, at = np.where(measured > 0, low, 0.0), starts - first
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.add.reduceat(total, at) / np.add.reduceat(measured, at)
        left, right = self._edges(starts, np.append(starts[1:], last))
        return Course(left, right, np.fmin.reduceat(low, at), mean, np.fmax.reduceat(high, at), size)

    def _edges(self, starts: np.ndarray, ends: np.ndarray) -> tuple[Floats, Floats]:
        trace = self.trace
        if trace.times is None:
            assert trace.interval is not None
            return (trace.start + self.shift + it * trace.interval for it in (starts, ends))  # type: ignore[return-value]
        left, last = trace.times[starts], trace.times[ends - 1]
        following = np.append(trace.times[ends[:-1]], trace.stop)
        right = np.where(following - last > HOLE * trace.spacing, last + trace.spacing, following)
        return left + self.shift, right + self.shift


class ShownImport:
    """A capture of another program, its records one after the other where their clocks start anew.

    Energies follow the rule of the capture's own format, and nobody knows how far they can be trusted.

    Raises
    ------
    TraceError
        It cannot be read, or has no samples.
    """

    def __init__(self, path: Path) -> None:
        self.capture: Imported = open_import(path)
        self._series: dict[str, list[_Series]] = {}
        self.units: dict[str, str] = {}
        end = None
        for record in self.capture.records:
            main = main_trace(record)
            if main is None or not len(main):
                continue
            shift = 0.0 if end is None else max(end - main.begin, 0.0)
            end = main.stop + shift
            self._add(record, as_power(main), shift)
            current = record.trace(Role.CURRENT)
            if current is not None and current is not main and len(current):
                self._add(record, current, shift)
        if not self._series:
            raise TraceError(f"{path} has no samples to look at")
        self._main = next(iter(self._series))
        self._shifts = {it.record: it.shift for it in self._series[self._main]}
        self.state = ""
        self.verdicts: tuple[Verdict, ...] = ()
        self.windows = self._judged()

    @property
    def start(self) -> float:
        """When its first sample was taken."""
        return self._series[self._main][0].start

    @property
    def stop(self) -> float:
        """When its last sample ends."""
        return max(it.stop for it in self._series[self._main])

    @property
    def simulated(self) -> bool:
        """Whether its source says that it was computed."""
        return self.capture.provenance.simulated

    @property
    def quantities(self) -> tuple[str, ...]:
        """What can be drawn."""
        return tuple(self._series)

    @property
    def about(self) -> tuple[str, ...]:
        """What it is, in a few phrases."""
        records = len(self._series[self._main])
        return (
            f"imported: {self.capture.format}",
            f"{records} record{'s' * (records > 1)}, {len(self.windows)} windows",
            *(str(it) for it in self.capture.unknown),
        )

    def start_analysis(self) -> None:
        """Nothing: the energies are there."""

    def poll(self) -> bool:
        """Nothing comes later."""
        return False

    def close(self) -> None:
        """Nothing is open."""

    def course(self, start: float, stop: float, bins: int, quantity: str) -> Course:
        """What is recorded from `start` to `stop` in about so many bins."""
        spans = [
            (it, it.trace.span_of(start - it.shift, stop - it.shift))
            for it in self._series.get(quantity, ())
            if it.start < stop and it.stop > start
        ]
        spans = [(it, slice(max(span.start - 1, 0), span.stop)) for it, span in spans if span.stop > span.start - 1]
        size = bin_size(max(sum(span.stop - span.start for _, span in spans), 1), bins)
        return Course.joined([it.course(span, size) for it, span in spans if span.stop > span.start])

    def clipped(self, start: float, stop: float, bins: int) -> Floats:  # noqa: ARG002 - as a run's
        """Nothing: what clipped is not a number in a foreign capture."""
        return np.empty(0)

    def reading(self, start: float, stop: float) -> Reading:
        """What is recorded from `start` to before `stop`, by the rule of the format."""
        start, stop = min(start, stop), max(start, stop)
        windows = list(self._spans(start, stop))
        if not windows:
            return Reading(start, stop, remarks=("nothing was recorded between the cursors",))
        try:
            found = energies(self._with(windows))
        except NotKnown as error:
            return Reading(start, stop, remarks=(f"no energy: {error}",))
        if found.dropped:
            return Reading(start, stop, remarks=tuple(it.reason for it in found.dropped))
        energy, seconds = sum(it.energy for it in found.kept), sum(it.seconds for it in found.kept)
        remarks = () if len(windows) == 1 else (f"of {len(windows)} records, {seconds:g} s of them recorded",)
        return Reading(
            start,
            stop,
            recorded=seconds,
            samples=sum(it.samples for it in found.kept),
            power=energy / seconds,
            energy=energy,
            remarks=remarks,
        )

    def spectra(self, start: float, stop: float) -> Spectra:
        """The spectra of the windows in view, or of the records where there are none.

        Raises
        ------
        TraceError
            There is nothing, it is too short, or unevenly spaced.
        """
        inside = {it.record for it in self._series[self._main] if it.start < stop and it.stop > start}
        seen = self.windows.between(start, stop)
        numbers = set(self.windows.index[seen].tolist())
        return spectrum(
            replace(
                self.capture,
                records=tuple(it for it in self.capture.records if it.index in inside),
                windows=tuple(it for it in self.capture.windows if it.index in numbers and it.record in inside),
            )
        )

    def _add(self, record: ForeignRecord, trace: ForeignTrace, shift: float) -> None:
        quantity = quantity_of(trace.unit) or "signal"
        if self.units.setdefault(quantity, trace.unit) != trace.unit:
            return  # another unit has no place on this scale
        size = max(FINEST, bin_size(len(trace), MOST_BLOCKS))
        parts: list[tuple[Floats, ...]] = []
        step = max(PASS // size, 1) * size
        for first in range(0, len(trace), step):
            values = trace.block(slice(first, min(first + step, len(trace))))
            measured = np.isfinite(values)
            at = np.arange(0, len(values), size)
            parts.append(
                (
                    np.fmin.reduceat(values, at),
                    np.add.reduceat(np.where(measured, values, 0.0), at),
                    np.add.reduceat(measured, at, dtype=np.float64),
                    np.fmax.reduceat(values, at),
                )
            )
        low, total, measured_, high = (np.concatenate(it) for it in zip(*parts, strict=True))
        self._series.setdefault(quantity, []).append(
            _Series(record.index, trace, shift, size, low, total, measured_, high)
        )

    def _judged(self) -> Windows:
        windows = self.capture.windows
        try:
            found = energies(self.capture)
        except NotKnown as error:
            found = Energies((), ())
            self.state = f"no energies: {error}"
        kept = {it.window.index: it for it in found.kept}
        reasons = {it.index: it.reason for it in found.dropped}
        shifts = np.array([self._shifts.get(it.record, np.nan) for it in windows])
        return ordered(
            index=np.array([it.index for it in windows], np.int64),
            record=np.array([it.record for it in windows], np.int64),
            start=np.array([it.start for it in windows], np.float64) + shifts,
            stop=np.array([it.stop for it in windows], np.float64) + shifts,
            images=np.array([it.images or -1 for it in windows], np.int64),
            energy=np.array([kept[it.index].energy if it.index in kept else np.nan for it in windows]),
            power=np.array([kept[it.index].power if it.index in kept else np.nan for it in windows]),
            label=np.array([printable(it.label) for it in windows], object),
            fate=np.array(
                [KEPT if it.index in kept else DROPPED if it.index in reasons else UNJUDGED for it in windows], object
            ),
            reason=np.array([reasons.get(it.index, "") for it in windows], object),
        )

    def _spans(self, start: float, stop: float) -> Iterator[ForeignWindow]:
        """The part of the span in each record, as a window; the capture's own where the span is one."""
        for it in self.capture.windows:
            shift = self._shifts.get(it.record, np.nan)
            if abs(it.start + shift - start) < SAME and abs(it.stop + shift - stop) < SAME:
                yield it
                return
        for number, series in enumerate(self._series[self._main]):
            begin, end = max(start, series.start), min(stop, series.stop)
            if begin < end:
                yield ForeignWindow(begin - series.shift, end - series.shift, number, series.record)

    def _with(self, windows: list[ForeignWindow]) -> Imported:
        return replace(self.capture, windows=tuple(windows))
