"""What spectra are made of: records with their zero and calibration applied, and which spans of them are what."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.measured import Measured, Source, rectangular
from powerlab_analysis.model import CALIBRATION, CALIBRATION_FIT, PROBE_GAIN, SCOPE_GAIN, Model
from powerlab_analysis.noise import Noise, dithers, raw_codes
from powerlab_analysis.reference import reference_of
from powerlab_analysis.stretch import Stretch, stretch
from powerlab_analysis.survey import Cut, Survey, survey
from powerlab_traces.errors import TraceError
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Run

# In high resolution the scope adds up all samples that its converter takes in an interval, thousands at these rates.
HIGH_RESOLUTION: Final = 1000


class Part(StrEnum):
    """Which part of a run a spectrum is of."""

    WINDOWS = "windows"
    IDLE = "idle"
    RECORDS = "records"  # whole records, of a capture in which nobody said where the windows are


@dataclass(frozen=True, slots=True)
class Grid:
    """How a record was sampled.

    Each sample is the mean of so many that were `summed` at equal distances; 1 for plain samples. `step` is how far two
    neighbouring values lie apart, and `resolution` those of the raw samples, in the unit; 0 where that is not known.
    """

    interval: float  # s
    summed: int = 1
    step: float = 0.0
    resolution: float = 0.0

    def dithered(self, rms: float) -> bool:
        """Whether noise of this size leaves nothing of the converter's steps; True where these are not known."""
        return not self.step or dithers(Noise(rms, 0.0, 0.0), self.resolution, self.step)


@dataclass(frozen=True, slots=True)
class Extent:
    """How many samples a span of this part has."""

    part: Part
    samples: int
    grid: Grid


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """A record: its samples [n] in the material's unit, the first of them at `start` on the record's clock.

    `starts` are when its windows began (s), as many as follow each other without one missing.
    """

    values: NDArray[np.float64]
    grid: Grid
    spans: Sequence[tuple[Part, slice]]
    start: float = 0.0
    starts: Sequence[float] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What spectra are made of. `passages` goes over the records, one in memory at a time, as often as it is called.

    `gain` is 1 with what the chain's gain may be off by, as far as that is known; `time_limit` is that of the time
    base, relative. `work` is how often the work in a window repeats itself (1/s), and by how much that scatters
    (standard deviation); None where it does not, or nobody said. `left_out` says what takes no part and why, `notes`
    what else there is to say.
    """

    unit: str
    extents: Sequence[Extent]
    passages: Callable[[], Iterator[Passage]]
    gain: Measured = field(default_factory=lambda: Measured(1.0))
    time_limit: float = 0.0
    work: tuple[float, float] | None = None
    left_out: Sequence[str] = ()
    notes: Sequence[str] = ()


def material_of(run: Run, numbers: range | None = None) -> Material:
    """The windows that count and the idle records of a run, or of its records with these numbers alone.

    Raises
    ------
    TraceError
        A record's current is not in amperes, or there is no record with such a number.
    """
    seen = survey(run)
    if numbers is not None and not any(it.index in numbers for it in seen.outlines):
        raise TraceError(f"there is no record {numbers[0]} to {numbers[-1]}; `powerlab show` lists them")
    model = reference_of(run, seen).model
    cuts = [it for it in seen.cuts if numbers is None or it.aligned.host.record in numbers]
    idles = [it for it in seen.idles if numbers is None or it.record in numbers]
    of_record: dict[int, list[Cut]] = {}
    for cut in cuts:
        of_record.setdefault(cut.aligned.host.record, []).append(cut)
    steady = {it.record for it in idles}
    stretches = [*(it.stretch for it in cuts), *(it.stretch for it in idles)]

    def passages() -> Iterator[Passage]:
        for place, outline in enumerate(seen.outlines):
            if outline.index in of_record or outline.index in steady:
                yield _passage(run.records[place], model, of_record.get(outline.index, ()), grid)

    high = run.provenance.settings.get("scope", {}).get("acquire_type") == "HRES"

    def grid(it: Stretch) -> Grid:
        resolution = run.chain.resolution
        summed = HIGH_RESOLUTION if high else raw_codes(resolution, it.step)
        return Grid(it.interval, summed, it.step, resolution)

    return Material(
        unit="A",
        extents=[
            *(Extent(Part.WINDOWS, it.stretch.samples, grid(it.stretch)) for it in cuts),
            *(Extent(Part.IDLE, it.stretch.samples, grid(it.stretch)) for it in idles),
        ],
        passages=passages,
        gain=_gain(model, stretches),
        time_limit=run.chain.time_limit,
        work=work_rate([(it.aligned.host.images, it.stretch.seconds) for it in cuts], run.provenance.batch),
        left_out=tuple(_left_out(seen, numbers)),
    )


def work_rate(windows: Sequence[tuple[int, float]], batch: int | None) -> tuple[float, float] | None:
    """How often the work repeats itself in windows of so many images and seconds, and by how much that scatters.

    `batch` is how many images are one piece of work. None for windows that hold one.
    """
    pieces = [images / (batch or 1) for images, _ in windows]
    if not windows or min(pieces) <= 1:
        return None
    rates = np.array([number / seconds for number, (_, seconds) in zip(pieces, windows, strict=True)])
    return float(rates.mean()), float(rates.std())


def consecutive(starts: Sequence[tuple[int, float]]) -> list[float]:
    """The longest row of starts whose numbers follow each other; of equally long ones the first.

    >>> consecutive([(0, 0.1), (2, 0.5), (3, 0.7)])
    [0.5, 0.7]
    """
    rows: list[list[float]] = [[]]
    last = None
    for number, start in sorted(starts):
        if last is not None and number != last + 1:
            rows.append([])
        rows[-1].append(start)
        last = number
    return max(rows, key=len)


def _passage(record: Record, model: Model, cuts: Sequence[Cut], grid: Callable[[Stretch], Grid]) -> Passage:
    """A record, its zero subtracted and its calibration applied."""
    trace = record.current
    whole = stretch(record)
    gain = model.lines[whole.screen].gain if model.lines else 1.0
    values = trace.codes.astype(np.float64) * (trace.scale / gain)
    values += float(model.currents([whole])[0]) - values.mean()
    spans = [(Part.WINDOWS, trace.span_of(it.aligned.window)) for it in cuts]
    starts = consecutive([(it.aligned.window.index, it.aligned.window.start) for it in cuts])
    if record.kind is RecordKind.IDLE:
        spans = [(Part.IDLE, slice(0, len(trace)))]
    return Passage(values, grid(whole), spans, trace.start, starts)


def _gain(model: Model, stretches: Sequence[Stretch]) -> Measured:
    """1, with what the gain of probe and scope may be off by. What is constant cancels in an amplitude."""
    chain = model.chain
    if not model.lines:
        # Where the full scale is not known, the limit is charged in full to the largest swing there can be.
        scope = chain.scope_gain_limit / (chain.full_scale or max((it.current for it in stretches), default=1.0) or 1.0)
        return Measured(1.0, {PROBE_GAIN: rectangular(chain.gain_limit), SCOPE_GAIN: rectangular(scope)})
    used = [model.lines[screen] for screen in {it.screen for it in stretches}]
    fit = max((it.gain_u / it.gain for it in used), default=0.0)
    parts = {CALIBRATION: rectangular(model.supply.current_gain_limit), Source(CALIBRATION_FIT, fitted=True): fit}
    return Measured(1.0, parts)


def _left_out(seen: Survey, numbers: range | None) -> Iterator[str]:
    """What takes no part, and why."""
    reasons: dict[str, int] = {}
    for window in seen.dropped:
        reasons[window.reason] = reasons.get(window.reason, 0) + 1
    for reason, count in reasons.items():
        yield f"{count} window{'s' * (count > 1)} left out: {reason}"
    for it in seen.outlines:
        if it.kind is RecordKind.IDLE and it.objection and (numbers is None or it.index in numbers):
            yield f"idle record {it.index} left out: {it.objection}"


def extents_of(extents: Sequence[Extent]) -> Mapping[Part, tuple[Grid, list[int]]]:
    """Of each part the grid that most of its samples are on, and the lengths of the spans that are on it."""
    found = {}
    for part in Part:
        samples: dict[Grid, list[int]] = {}
        for it in extents:
            if it.part is part:
                samples.setdefault(it.grid, []).append(it.samples)
        if samples:
            found[part] = max(samples.items(), key=lambda it: sum(it[1]))
    return found
