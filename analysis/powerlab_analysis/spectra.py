"""The spectra of a run's current, its lines, and how slow a meter would do."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.density import FEWEST, Averager, Density, segment_length
from powerlab_analysis.integral import Integral
from powerlab_analysis.lines import Line, lines_of
from powerlab_analysis.passages import Grid, Material, Part, extents_of
from powerlab_analysis.peaks import Floor, floor_of, peaks
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.repetition import Beat, Repetition
from powerlab_analysis.slowmeter import Sampling, Trial
from powerlab_traces.errors import TraceError

MOST_LINES: Final = 20  # of a spectrum
ROUNDING: Final = 1e-9  # of the values: what changes by less does not change
WANTED: Final = 0.01  # error of a window's mean power, relative, that a slower meter may make


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """The spectrum of one part of a run: its density, in unit^2/Hz, what is noise in it, and its lines."""

    part: Part
    density: Density
    floor: Floor
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """The spectra of a run by part, and what follows from them; `unit` is A, or that of a foreign trace.

    `unknown` says why there is no spectrum of a part. `repetition` is None where no record holds three windows in a
    row, `sampling` where there is no window with a mean above 0.
    """

    unit: str
    parts: Mapping[Part, Spectrum]
    unknown: Mapping[Part, str]
    repetition: Repetition | None
    sampling: Sampling | None
    notes: tuple[str, ...]

    @property
    def main(self) -> Spectrum:
        """That of the windows, or of what else there is."""
        return next(iter(self.parts.values()))


def spectra(material: Material, wanted: float = WANTED) -> Spectra:
    """The spectra of what is recorded, and the slowest meter whose error stays within `wanted`, relative.

    The records are gone over once for the densities, and once more for the lines of each part, if it has any.

    Raises
    ------
    TraceError
        Nothing in it is long enough for a spectrum, or nothing changes.
    """
    averagers, unknown, notes = _prepared(material)
    grids = {part: grid for part, (grid, _) in extents_of(material.extents).items()}
    trial: Trial | None = None
    beat = Beat()
    levels: list[float] = []
    for passage in material.passages():
        beat.add(Integral.over(passage.values, passage.grid.interval, passage.start), passage.starts)
        for part, values in _spans(passage.spans, passage.values):
            averager = averagers.get(part)
            if averager is None or passage.grid != grids[part]:
                continue
            averager.add(values)
            if part is Part.WINDOWS and (level := float(values.mean())) > 0:
                levels.append(level)
                trial = trial or Trial(passage.grid.interval)
                trial.add(values)
    densities = {part: it.density() for part, it in averagers.items() if it.segments}
    for part in [part for part, it in densities.items() if it.rms <= ROUNDING * averagers[part].largest]:
        del densities[part]
        unknown[part] = "nothing in it changes: look at the channel's scale, and whether the probe is on"
    if not densities:
        why = [f"{part}: {reason}" for part, reason in unknown.items()]
        raise TraceError("no spectrum: " + "; ".join([*why, *material.left_out]))
    parts = {part: _spectrum(material, part, grids[part], it) for part, it in densities.items()}
    notes += (it for part, spectrum in parts.items() for it in _of_noise(spectrum, grids[part], material.unit))
    known = parts.get(Part.WINDOWS)
    sampling = None
    if trial is not None and known is not None:
        mean = sum(levels) / len(levels)
        relative = [(it.frequency.value, math.sqrt(2) * it.amplitude.value / mean) for it in known.lines]
        sampling = trial.sampling(wanted, relative)
    repetition = beat.repetition(material.time_limit)
    return Spectra(material.unit, parts, unknown, repetition, sampling, (*material.left_out, *notes, *material.notes))


def _prepared(material: Material) -> tuple[dict[Part, Averager], dict[Part, str], list[str]]:
    """An averager for each part that is long enough, why there is none for others, and what is left out."""
    averagers: dict[Part, Averager] = {}
    unknown: dict[Part, str] = {}
    notes: list[str] = []
    extents = extents_of(material.extents)
    lacking = {Part.WINDOWS: "there is no window that counts", Part.IDLE: "there is no idle record that counts"}
    for part in Part:
        if part not in extents:
            if part in lacking and Part.RECORDS not in extents:
                unknown[part] = lacking[part]
            continue
        grid, lengths = extents[part]
        length = segment_length(lengths, grid.interval)
        if not length:
            unknown[part] = f"the longest of them has {max(lengths)} samples; a spectrum takes {FEWEST} or more"
            continue
        averagers[part] = Averager(length, grid.interval)
        others = sum(it.part is part for it in material.extents) - sum(it >= length for it in lengths)
        if others:
            notes.append(
                f"{part}: {others} left out, which are shorter than {prefixed(length * grid.interval, 's')}, or of "
                "another sample rate"
            )
    return averagers, unknown, notes


def _spans(
    spans: Sequence[tuple[Part, slice]], values: NDArray[np.float64]
) -> Iterator[tuple[Part, NDArray[np.float64]]]:
    for part, span in spans:
        yield part, values[span]


def _spectrum(material: Material, part: Part, grid: Grid, density: Density) -> Spectrum:
    floor = floor_of(density)
    found = peaks(density, floor, MOST_LINES)
    stretches = (
        values
        for passage in material.passages()
        if passage.grid == grid
        for of, values in _spans(passage.spans, passage.values)
        if of is part
    )
    lines = lines_of(density, floor, found, stretches, material.time_limit)
    work = material.work if part is Part.WINDOWS else None
    return Spectrum(part, density, floor, tuple(_finished(it, material, grid, work) for it in lines))


def _finished(line: Line, material: Material, grid: Grid, work: tuple[float, float] | None) -> Line:
    """A line with the chain's gain in its amplitude, and what summing took from it given back."""
    amplitude = line.amplitude * material.gain / response(line.frequency.value * grid.interval, grid.summed)
    harmonic = 0
    if work is not None:
        rate, deviation = work
        harmonic = round(line.frequency.value / rate)
        off = line.frequency.U95 + 2 * harmonic * deviation
        # It must be near a harmonic, and not as near as any frequency would be to some harmonic.
        if harmonic < 1 or off > rate / 4 or abs(line.frequency.value - harmonic * rate) > off:
            harmonic = 0
    return replace(line, amplitude=amplitude, harmonic=harmonic)


def response(cycles: float, summed: int) -> float:
    """What is left of a sinusoid of so many cycles a sample where each sample is the mean of so many.

    >>> response(0.3, 1), round(response(0.5, 1000), 4)
    (1.0, 0.6366)
    """
    return math.sin(math.pi * cycles) / (summed * math.sin(math.pi * cycles / summed)) if cycles > 0 else 1.0


def _of_noise(spectrum: Spectrum, grid: Grid, unit: str) -> Iterator[str]:
    rms = math.sqrt(float(np.median(spectrum.density.values)) / (2 * grid.interval))
    if not grid.dithered(rms):
        yield (
            f"{spectrum.part}: the noise, {prefixed(rms, unit)} rms, is less than half of the converter's step of "
            f"{prefixed(grid.resolution, unit)}: weak lines may be the converter's, not the board's; take a smaller "
            "screen"
        )
