"""A run as the page shows it: its course in any span of time, what is read off between two times, its windows."""

from pathlib import Path
from typing import Final

import numpy as np

from powerlab.viewing.analysed import Analysed, Analysing, as_timed, part_of
from powerlab.viewing.counting import READ_AT_ONCE, Counting
from powerlab.viewing.course import Course, Floats
from powerlab.viewing.drawing import CURRENT, POWER, Drawing
from powerlab.viewing.reading import Reading
from powerlab.viewing.recordcolumns import RecordColumns
from powerlab_analysis.analysis import Basis
from powerlab_analysis.noise import pooled
from powerlab_analysis.passages import material_of
from powerlab_analysis.reference import reference_of
from powerlab_analysis.spectra import Spectra, spectra
from powerlab_analysis.survey import survey
from powerlab_analysis.verdict import Verdict
from powerlab_traces.errors import TraceError
from powerlab_traces.outcome import Outcome
from powerlab_traces.record import RecordKind
from powerlab_traces.run import Run
from powerlab_traces.store import StoredRun, open_run
from powerlab_traces.window import HostWindow

FIRST: Final = 8  # records of a kind that the first look at zero and noise takes
AMPERE: Final = "A"


class ShownRun:
    """A run of powerlab. Times are seconds since its first trigger, as in `StoredRecords.starts`.

    Until the analysis has come in, windows are as the host timed them, and zero and calibration those of its zero
    records and of the first others.

    Raises
    ------
    TraceError
        The file cannot be read, or holds no record.
    """

    def __init__(self, path: Path) -> None:
        self.run: StoredRun = open_run(path)
        self.path = path
        if not len(self.run.records):
            raise TraceError(f"{path} has no record to look at")
        self.columns = RecordColumns.of(self.run.records)
        units = set(self.run.records.column("unit").tolist())
        if len(units) > 1:
            raise TraceError(f"{path}: its records are in {' and '.join(sorted(units))}, which no one scale can show")
        self.unit = units.pop()
        self.windows = as_timed(self.run)
        self.analysed: Analysed | None = None
        self._analysing: Analysing | None = None
        basis = self._first_basis() if self.unit == AMPERE else None
        self._counting = Counting(self.columns, basis)
        self._drawing = Drawing(self.columns, basis.model if basis is not None else None)

    @property
    def start(self) -> float:
        """When its first sample was taken."""
        return float(self.columns.starts[0])

    @property
    def stop(self) -> float:
        """When its last sample ends."""
        return float(self.columns.stops.max())

    @property
    def simulated(self) -> bool:
        """Whether its current was computed, not measured."""
        return self.run.provenance.simulated

    @property
    def quantities(self) -> tuple[str, ...]:
        """What can be drawn."""
        return (CURRENT, POWER) if self.unit == AMPERE else (CURRENT,)

    @property
    def units(self) -> dict[str, str]:
        """The unit of each quantity."""
        return {CURRENT: self.unit, POWER: "W"}

    @property
    def about(self) -> tuple[str, ...]:
        """What it is, in a few phrases."""
        said = self.run.provenance
        found = [said.model] if said.batch is None else [said.model, f"batch {said.batch}"]
        found += [said.created, f"{len(self.columns)} records", f"{len(self.windows)} windows"]
        if self.run.outcome is not Outcome.COMPLETE:
            found.append(f"NOT COMPLETE: {self.run.outcome.value}")
        if clipped := int(self.columns.clipped.sum()):
            found.append(f"{clipped} samples clipped")
        return tuple(found)

    @property
    def state(self) -> str:
        """How far the analysis is; nothing when it is done."""
        if self.analysed is not None:
            return ""
        if self._analysing is None:
            return "not analysed: windows are as the host timed them"
        if self._analysing.failure is not None:
            return f"no analysis: {self._analysing.failure}"
        return f"being analysed, {self._analysing.share:.0%} read: windows are as the host timed them"

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What is wrong with its data, as far as it was analysed."""
        return self._counting.verdicts

    def start_analysis(self) -> None:
        """Have it analysed in a process of its own."""
        self._analysing = Analysing(self.path)

    def poll(self) -> bool:
        """Take in what the analysis has said; whether that was anything."""
        if self._analysing is None or self._analysing.ended:
            return False
        heard = self._analysing.poll()
        if self._analysing.found is not None:
            self.take(self._analysing.found)
        return heard

    def take(self, analysed: Analysed) -> None:
        """Show what the analysis found."""
        self.analysed, self.windows = analysed, analysed.windows
        self._counting = Counting(self.columns, analysed.basis, analysed)
        self._drawing = Drawing(self.columns, analysed.basis.model, analysed.variances)

    def close(self) -> None:
        """End the analysis and close the file."""
        if self._analysing is not None:
            self._analysing.close()
        self.run.records.close()

    def course(self, start: float, stop: float, bins: int, quantity: str = CURRENT) -> Course:
        """What is recorded from `start` to `stop` in about so many bins; see `Drawing`."""
        return self._drawing.course(start, stop, bins, quantity)

    def clipped(self, start: float, stop: float, bins: int) -> Floats:
        """Times of clipped samples; see `Drawing`."""
        return self._drawing.clipped(start, stop, bins)

    def reading(self, start: float, stop: float) -> Reading:
        """What is recorded from `start` to before `stop`; see `Counting`."""
        return self._counting.reading(min(start, stop), max(start, stop))

    def spectra(self, start: float, stop: float) -> Spectra:
        """The spectra of the windows and idle records that are in view, at least in part; of the first ones if many.

        Raises
        ------
        TraceError
            There are none, or they are too short.
        """
        first, last = self.columns.between(start, stop)
        last = min(last, first + READ_AT_ONCE)
        inside = set(self.windows.index[self.windows.between(start, stop)].tolist())
        windows = [it for it in self._hosts(range(first, last)) if it.index in inside]
        return spectra(material_of(part_of(self.run, self.run.records[first:last], windows)))

    def _hosts(self, places: range | list[int]) -> list[HostWindow]:
        """The windows of some records, as the host timed them."""
        of = np.isin(self.run.windows.column("record"), self.columns.numbers[list(places)])
        return [self.run.windows[place] for place in np.flatnonzero(of).tolist()]

    def _first_basis(self) -> Basis:
        """Zero, calibration and noise from the zero records and a few others."""
        places: set[int] = set()
        for kind in RecordKind:
            found = np.flatnonzero(self.columns.kinds == kind.value)
            _, of_each_screen = np.unique(self.columns.offsets[found], return_index=True)
            places |= set(found[:FIRST].tolist() if kind is not RecordKind.ACTIVE else found[of_each_screen].tolist())
        ordered = sorted(places)
        run: Run = part_of(self.run, [self.run.records[place] for place in ordered], self._hosts(ordered))
        seen = survey(run)
        reference = reference_of(run, seen)
        return Basis(reference.model, reference.noise or pooled([it.noise for it in seen.idles]))
