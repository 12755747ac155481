"""The course of a run's current or power in any span of time, from samples, block sums or whole records."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab.viewing.course import Course, Floats, bin_size
from powerlab.viewing.recordcolumns import Part, RecordColumns
from powerlab_analysis.model import Model
from powerlab_analysis.stretch import Stretch
from powerlab_traces.pyramid import LEVELS

CURRENT, POWER = "current", "power"
FEW: Final = 40  # records whose clipped samples are looked up
MOST_CLIPPED: Final = 2000  # samples that are marked one by one

Bins = tuple[Floats, Floats, Floats, NDArray[np.int64]]  # least, largest and mean of each, and their edges in samples


class Drawing:
    """Draws a run with a zero and a calibration applied, those of `model`; without any, as digitised.

    `variances` (A^2, as digitised [records]) make the mean power of whole records exact.
    """

    def __init__(self, columns: RecordColumns, model: Model | None = None, variances: Floats | None = None) -> None:
        self._columns, self._variances = columns, variances
        self._resistance = model.supply.lead_resistance if model is not None else 0.0
        self._slopes, self._shifts = _lines(columns.offsets, model)
        self._wholes: dict[str, tuple[Floats, Floats, Floats]] = {}

    def course(self, start: float, stop: float, bins: int, quantity: str) -> Course:
        """What is recorded from `start` to `stop` in about so many bins, which may reach a little beyond.

        Read are block sums, or where bins are finer than blocks, the samples; whole records are in the table already.
        """
        first, last = self._columns.between(start, stop)
        if first >= last:
            return Course.joined([])
        if 2 * (last - first) > bins:
            return self._records(slice(first, last), start, (stop - start) / bins, quantity)
        parts = self._columns.parts(start, stop)
        if not parts:
            return Course.joined([])
        size = bin_size(sum(it.samples for it in parts), bins)
        level = max((it for it in LEVELS if it <= size), default=1)
        parts = [self._columns.widened(it, size) for it in parts]
        if level == 1:
            found = [self._from_samples(it, size, quantity) for it in parts]
        else:
            found = [self._from_blocks(it, size, level) for it in parts]
        low, high, mean = (np.concatenate([it[k] for it in found]) for k in range(3))
        excess = 0.0
        if level > 1:
            places = np.repeat([it.place for it in parts], [len(it[0]) for it in found])
            low, high, mean, excess = self._converted_bins(places, low, high, mean, quantity)
        times = [
            self._columns.starts[it.place] + edges * self._columns.intervals[it.place]
            for it, (*_, edges) in zip(parts, found, strict=True)
        ]
        left, right = np.concatenate([it[:-1] for it in times]), np.concatenate([it[1:] for it in times])
        return Course(left, right, low, mean, high, size, excess)

    def clipped(self, start: float, stop: float, bins: int) -> Floats:
        """Middle times of clipped samples, of one in each bin where they are many; else of whole records."""
        it = self._columns
        first, last = it.between(start, stop)
        places = np.flatnonzero(it.clipped[first:last]) + first
        if not len(places):
            return np.empty(0)
        if len(places) > FEW:
            found = (it.starts[places] + it.stops[places]) / 2
        else:
            found = np.concatenate(
                [it.starts[k] + (it.records.clipped(k) + 0.5) * it.intervals[k] for k in places.tolist()]
            )
        found = found[(found >= start) & (found < stop)]
        if len(found) > MOST_CLIPPED:
            _, kept = np.unique((found - start) // ((stop - start) / bins), return_index=True)
            found = found[kept]
        return found

    def _from_samples(self, part: Part, size: int, quantity: str) -> Bins:
        """In the quantity's unit."""
        edges = np.append(np.arange(part.first, part.last, size), part.last)
        values = self._of_codes(part.place, self._columns.record(part).current.codes, quantity)
        if size == 1:
            return values, values, values, edges
        at = edges[:-1] - part.first
        mean = np.add.reduceat(values, at) / np.diff(edges)
        return np.minimum.reduceat(values, at), np.maximum.reduceat(values, at), mean, edges

    def _from_blocks(self, part: Part, size: int, level: int) -> Bins:
        """In codes."""
        edges = np.append(np.arange(part.first, part.last, size), part.last)
        blocks = self._columns.records.blocks(part.place, level)
        span = slice(part.first // level, -(-part.last // level))
        at = np.arange(0, span.stop - span.start, size // level)
        low, high = np.minimum.reduceat(blocks.least[span], at), np.maximum.reduceat(blocks.largest[span], at)
        mean = np.add.reduceat(blocks.total[span], at) / np.diff(edges)
        return low.astype(np.float64), high.astype(np.float64), mean, edges

    def _converted_bins(
        self, places: NDArray[np.int64], least: Floats, largest: Floats, mean: Floats, quantity: str
    ) -> tuple[Floats, Floats, Floats, float]:
        """Bins of codes in the quantity's unit, and by how much their mean may be too high."""
        ends = [self._of_codes(places, it, quantity) for it in (least, largest)]
        excess = 0.0
        if quantity == POWER and self._resistance:
            # The lead's share grows with the square, and of the mean square the variance is missing, which is
            # (largest - mean)(mean - least) at most (Bhatia and Davis).
            middle, bottom, top = (self._of_codes(places, it, CURRENT) for it in (mean, least, largest))
            excess = float(np.max(np.abs((top - middle) * (middle - bottom)), initial=0.0)) * self._resistance
        return np.minimum(*ends), np.maximum(*ends), self._of_codes(places, mean, quantity), excess

    def _of_codes(self, place: int | NDArray[np.int64], codes: NDArray[np.number], quantity: str) -> Floats:
        it = self._columns
        return self._converted(place, codes.astype(np.float64) * it.scales[place] + it.offsets[place], quantity)

    def _converted(self, place: int | slice | NDArray[np.int64], digitised: Floats, quantity: str) -> Floats:
        """Digitised current (A) as current, or as the power at the board's input that it makes."""
        current: Floats = digitised * self._slopes[place] + self._shifts[place]
        if quantity == CURRENT:
            return current
        power: Floats = self._columns.voltages[place] * current - self._resistance * current**2
        return power

    def _records(self, part: slice, start: float, width: float, quantity: str) -> Course:
        """Records as a whole, one or more in a bin of `width` (s)."""
        it = self._columns
        low, mean, high = (values[part] for values in self._whole(quantity))
        starts, samples = it.starts[part], it.samples[part]
        # In the bin in which they start: so gaps of more than a bin are seen.
        at = np.flatnonzero(np.diff(((starts - start) // width).astype(np.int64), prepend=np.iinfo(np.int64).min))
        ends = np.append(at[1:], len(starts)) - 1
        together = np.add.reduceat(samples, at)
        return Course(
            left=starts[at],
            right=it.stops[part][ends],
            low=np.fmin.reduceat(low, at),
            mean=np.add.reduceat(mean * samples, at) / together,
            high=np.fmax.reduceat(high, at),
            size=int(together.max()),
            excess=self._excess if quantity == POWER else 0.0,
        )

    def _whole(self, quantity: str) -> tuple[Floats, Floats, Floats]:
        """Least, mean and largest of every record."""
        if quantity not in self._wholes:
            column, every = self._columns.records.column, slice(None)
            low, mean, high = (self._converted(every, column(it), quantity) for it in ("least", "mean", "largest"))
            if quantity == POWER and self._variances is not None:
                mean = mean - self._resistance * self._variances * self._slopes**2
            self._wholes[quantity] = (np.minimum(low, high), mean, np.maximum(low, high))
        return self._wholes[quantity]

    @property
    def _excess(self) -> float:
        """By how much the mean power of whole records may be too high."""
        if self._variances is not None or not self._resistance:
            return 0.0
        low, mean, high = self._whole(CURRENT)
        return float(np.nanmax((high - mean) * (mean - low), initial=0.0)) * self._resistance


def _lines(screens: Floats, model: Model | None) -> tuple[Floats, Floats]:
    """How much current (A) a digitised ampere is on each screen, and what 0 is [n]; 1 and 0 where nobody knows."""
    slopes, shifts = np.ones(len(screens)), np.zeros(len(screens))
    for screen in np.unique(screens).tolist() if model is not None else ():
        assert model is not None
        ends = [Stretch(1, 1.0, current, 0.0, 0.0, screen, 0.0, 0.0, 0.0) for current in (0.0, 1.0)]
        try:
            low, high = model.currents(ends).tolist()
        except KeyError:  # this screen was not calibrated
            continue
        of = screens == screen
        slopes[of], shifts[of] = high - low, low
    return slopes, shifts
