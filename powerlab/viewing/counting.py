"""What a run holds between two times, counted as `analyse` counts its windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from powerlab.viewing.analysed import Analysed
from powerlab.viewing.reading import Reading
from powerlab.viewing.recordcolumns import Part, RecordColumns
from powerlab_analysis.analysis import Basis
from powerlab_analysis.stretch import Stretch, stretch
from powerlab_analysis.verdict import Effect, Verdict
from powerlab_traces.record import RecordKind

READ_AT_ONCE: Final = 40  # records whose samples may be read while the page waits: 0.1 s


@dataclass(frozen=True, slots=True, eq=False)
class Counting:
    """Reads off a run: before it is analysed by what is known of zero and noise, afterwards as its windows were."""

    columns: RecordColumns
    basis: Basis | None  # None: not in amperes, there are no energies
    analysed: Analysed | None = None

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What is wrong with the run, as far as that is known."""
        return self.analysed.verdicts if self.analysed is not None else ()

    def reading(self, start: float, stop: float) -> Reading:
        """What is recorded from `start` to before `stop`.

        Whole records are taken as the analysis summed them up, only the parts at the ends are read.
        """
        parts = self.columns.parts(start, stop)
        if not parts:
            return Reading(start, stop, remarks=("nothing was recorded between the cursors",))
        samples = sum(it.samples for it in parts)
        recorded = float(sum(it.samples * self.columns.intervals[it.place] for it in parts))
        remarks = []
        if recorded < stop - start - 2 * max(self.columns.intervals[it.place] for it in parts):
            remarks.append(f"{recorded / (stop - start):.1%} of the time was recorded: energy and means are of that")
        bounds = list(self._lower_bounds(parts))
        remarks += bounds
        refusal = self._refusal(parts)
        if refusal is None:
            try:
                stretches = self._stretches(parts)
            except KeyError:
                refusal = "no energy: a record's screen was not calibrated"
        if refusal is not None:
            return Reading(start, stop, recorded, samples, remarks=(refusal, *remarks))
        if self.analysed is None:
            remarks.append("the analysis is not done: the uncertainty may change")
        assert self.basis is not None
        model, noise = self.basis.model, self.basis.noise
        energy, charge = model.energy(stretches, noise), model.charge(stretches, noise)
        power, current = energy / model.seconds(stretches), charge / recorded
        return Reading(
            start,
            stop,
            recorded,
            samples,
            current=current.value,
            power=power.value,
            energy=energy.value,
            u95=(("current", current.U95), ("power", power.U95), ("energy", energy.U95)),
            lower_bound=bool(bounds),
            remarks=tuple(remarks),
        )

    def _stretches(self, parts: Sequence[Part]) -> list[Stretch]:
        assert self.basis is not None
        done = self.analysed
        found = [
            stretch(self.columns.record(it)) if done is None or not it.whole else self._whole(it.place, done)
            for it in parts
        ]
        self.basis.model.currents(found)  # fails here where a screen was not calibrated
        return found

    def _whole(self, place: int, done: Analysed) -> Stretch:
        """A whole record, as `stretch` makes it of its samples."""
        it = self.columns
        before, after = (it.supply(place, when) for when in ("before", "after"))
        return Stretch(
            samples=int(it.samples[place]),
            interval=float(it.intervals[place]),
            current=float(done.currents[place]),
            variance=float(done.variances[place]),
            step=abs(float(it.scales[place])),
            screen=float(it.offsets[place]),
            voltage=(before.voltage + after.voltage) / 2,
            voltage_change=abs(after.voltage - before.voltage),
            supply_current=(before.current + after.current) / 2,
        )

    def _refusal(self, parts: Sequence[Part]) -> str | None:
        """Why there is no energy; None if there is."""
        places = np.array([it.place for it in parts])
        if self.basis is None:
            return "no energy: the records are not all in A"
        if (why := next(self._refused(), None)) is not None:
            return why
        if (why := self._of_supply(places)) is not None:
            return why
        unread = len(parts) if self.analysed is None else 0
        if unread > READ_AT_ONCE:
            return f"the energy of {unread} records is known when the analysis is done"
        return None

    def _refused(self) -> Iterator[str]:
        for it in self.verdicts:
            if it.effect is Effect.REFUSE and "power_total" in it.quantities:
                yield f"refused, {it.name}: {it.text}"

    def _of_supply(self, places: np.ndarray) -> str | None:
        """Why the supply makes an energy worthless, as it does for a window; it may be off in zero records."""
        it = self.columns
        if not np.isfinite(it.voltages[places]).all():
            return "refused: the supply's voltage is not known"
        powered = places[it.kinds[places] != RecordKind.ZERO.value]
        for when in ("before", "after"):
            regulation = it.readings[f"{when}.regulation"][powered]
            for place in powered[regulation != "CV"][:1].tolist():
                said = it.readings[f"{when}.regulation"][place]
                return f"refused: the supply was {said} {when} record {it.numbers[place]}, not CV"
        for place in powered[it.readings["after.limited"][powered].astype(bool)][:1].tolist():
            return f"refused: the supply went into constant current during record {it.numbers[place]}"
        return None

    def _lower_bounds(self, parts: Sequence[Part]) -> Iterator[str]:
        """Why an energy is the least that it can be."""
        clipped = sum(self.columns.clipped_in(it) for it in parts)
        if clipped:
            yield f"{clipped} sample{'s' * (clipped > 1)} clipped"
        numbers = set(self.columns.numbers[[it.place for it in parts]].tolist())
        for it in self.verdicts:
            if it.effect is Effect.LOWER_BOUND and not numbers.isdisjoint(it.records):
                yield f"{it.name}: {it.text}"
