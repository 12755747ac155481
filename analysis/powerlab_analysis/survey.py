"""One pass over the records of a run: what is measured in each, without keeping any."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from powerlab_analysis.aliasing import Pairs, pairs_of
from powerlab_analysis.alignment import AlignedWindow, Alignment, Tie, align, objection_to, tie_of
from powerlab_analysis.edges import pulses
from powerlab_analysis.noise import Noise, noise_of
from powerlab_analysis.rows import Rows
from powerlab_analysis.stretch import Stretch, stretch
from powerlab_traces.clocktie import host_uncertainty
from powerlab_traces.errors import TraceError
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Run
from powerlab_traces.window import DroppedWindow, HostWindow

# Of a zero record's samples. A zero lies near the screen's lower end, where the noise of a long record clips here and
# there. Of normal noise that loses a hundredth of its samples the mean moves by 0.0034 of its standard deviation: tens
# of microamperes of some ten milliamperes, a hundredth of what the zero may drift by.
CLIPPED_ZERO: Final = 0.01
FEW: Final = 10_000  # windows of a run that are kept as objects, in 20 MB; more are kept as columns, ten times slower
REACH: Final = 6.0  # standard deviations: samples marked as clipped that lie further off were never acquired


@dataclass(frozen=True, slots=True)
class Level:
    """A whole record of steady current."""

    record: int
    stretch: Stretch
    noise: Noise


@dataclass(frozen=True, slots=True)
class Cut:
    """A kept window and the current in it; `peak` (A, as digitised) is the value furthest from 0."""

    aligned: AlignedWindow
    stretch: Stretch
    peak: float
    pairs: Pairs


@dataclass(frozen=True, slots=True)
class Outline:
    """A record without its samples.

    `objection` says why a zero or idle record was refused. `clipped_high` says that some of its samples clipped at the
    upper end of the scope's range.
    """

    index: int
    kind: RecordKind
    screen: float  # A, see `Stretch.screen`
    armed: int  # ns on the host's monotonic clock
    seconds: float
    clipped_high: bool
    objection: str | None


@dataclass(frozen=True, slots=True)
class Survey:
    """What the records of a run hold. Every window of the run is among `cuts` or `dropped`.

    `alignments` are those of the active records, all by the same `tie`; `outlines` are of all records, in their order.
    """

    zeros: tuple[Level, ...]
    idles: tuple[Level, ...]
    cuts: Sequence[Cut]
    dropped: tuple[DroppedWindow, ...]
    alignments: tuple[Alignment, ...]
    sample_rate: float | None
    outlines: tuple[Outline, ...]
    tie: Tie = Tie.MARKER


def survey(run: Run) -> Survey:
    """Read each record once and boil it down.

    Raises
    ------
    TraceError
        A record's current is not in amperes.
    """
    bit, tie = run.provenance.marker_bit, tie_of(run.provenance)
    waiting: defaultdict[int, list[int]] = defaultdict(list)  # places of windows: themselves they would take 35 MB
    for place, host in enumerate(run.windows):
        waiting[host.record].append(place)
    levels: dict[RecordKind, list[Level]] = {RecordKind.ZERO: [], RecordKind.IDLE: []}
    cuts: list[Cut] | Rows[Cut] = [] if len(run.windows) <= FEW else Rows(Cut)
    dropped: list[DroppedWindow] = []
    alignments: list[Alignment] = []
    outlines: list[Outline] = []
    host_u = host_uncertainty(run.logs)
    rates: dict[RecordKind, float] = {}
    for record in _ahead(run.records):
        if record.current.unit != "A":
            raise TraceError(f"the current of record {record.index} is in {record.current.unit!r}, not in 'A'")
        rates.setdefault(record.kind, record.current.sample_rate)
        hosts = _taken(run.windows, waiting.pop(record.index, []))
        alignment = align(record, hosts, bit, tie, host_u(hosts[0].start) if hosts else 0.0)
        dropped += alignment.dropped
        objection = None
        if record.kind is RecordKind.ACTIVE:
            for pair in alignment.kept:
                cuts.append(_cut(record, pair))
            if isinstance(cuts, Rows):
                kept = cuts.column("aligned")[len(cuts) - len(alignment.kept) : len(cuts)]
                alignment = replace(alignment, kept=kept)
            alignments.append(alignment)
        elif not (objection := _objection_to_level(record, bit)):
            levels[record.kind].append(Level(record.index, stretch(record), noise_of(record.current)))
        outlines.append(_outline(record, objection))
    for index, places in waiting.items():
        dropped += [
            DroppedWindow(host.index, f"record {index} is not in this run") for host in _taken(run.windows, places)
        ]
    return Survey(
        zeros=tuple(levels[RecordKind.ZERO]),
        idles=tuple(levels[RecordKind.IDLE]),
        cuts=_in_order(cuts),
        dropped=tuple(sorted(dropped, key=lambda window: window.index)),
        alignments=tuple(alignments),
        sample_rate=rates.get(RecordKind.ACTIVE, next(iter(rates.values()), None)),
        outlines=tuple(outlines),
        tie=tie,
    )


def _taken(windows: Sequence[HostWindow], places: Sequence[int]) -> Sequence[HostWindow]:
    """Those at some places, which nearly always follow each other."""
    if places and places[-1] - places[0] == len(places) - 1:
        return windows[places[0] : places[-1] + 1]
    return [windows[place] for place in places]


def _ahead(records: Sequence[Record]) -> Iterator[Record]:
    """The records, the next of which is read while one is looked at: what unpacks them needs no lock of Python's."""
    with ThreadPoolExecutor(1, "reading a record") as reader:
        coming: Future[Record] | None = None
        for place in range(len(records)):
            record = coming.result() if coming else records[place]
            coming = reader.submit(records.__getitem__, place + 1) if place + 1 < len(records) else None
            yield record


def _in_order(cuts: list[Cut] | Rows[Cut]) -> Sequence[Cut]:
    """The cuts in the order of their windows' numbers, which nearly always they have."""
    if isinstance(cuts, list):
        return tuple(sorted(cuts, key=lambda cut: cut.aligned.host.index))
    numbers = cuts.column("aligned").column("host").column("index")
    order = sorted(range(len(cuts)), key=numbers.__getitem__)
    return cuts if order == list(range(len(cuts))) else tuple(cuts[place] for place in order)


def is_clipped(record: Record) -> bool:
    """Whether a zero or idle record clips by so much that it says nothing of the level it was taken for.

    Of a zero record the tail of the noise may clip.
    """
    if not len(record.clipped) or record.kind is not RecordKind.ZERO:
        return len(record.clipped) > 0
    codes = record.current.codes
    farthest = float(np.abs(codes[record.clipped] - codes.mean()).max())
    return len(record.clipped) > CLIPPED_ZERO * len(codes) or farthest > REACH * float(codes.std())


def _cut(record: Record, pair: AlignedWindow) -> Cut:
    trace = record.current
    codes = trace.codes[trace.span_of(pair.window)]
    ends = (int(it) * trace.scale + trace.offset for it in (codes.min(), codes.max()))
    return Cut(
        aligned=pair,
        stretch=stretch(record, pair.window, pair.edges),
        peak=max(ends, key=abs),
        pairs=pairs_of(codes, trace.scale),
    )


def _outline(record: Record, objection: str | None) -> Outline:
    codes = record.current.codes
    middle = (float(codes.min()) + float(codes.max())) / 2
    return Outline(
        index=record.index,
        kind=record.kind,
        screen=record.current.offset,
        armed=record.armed,
        seconds=len(codes) * record.current.interval,
        clipped_high=len(record.clipped) > 0 and bool(codes[record.clipped].max() >= middle),
        objection=objection,
    )


def _objection_to_level(record: Record, bit: int | None) -> str | None:
    """Why a zero or idle record says nothing of the level it was taken for."""
    if is_clipped(record):
        clipped = len(record.clipped)
        return f"current clipped in {clipped} sample{'s' * (clipped > 1)}: give the scope channel a larger range"
    if record.kind is RecordKind.ZERO:
        return None  # the supply may well be off
    if record.marker is not None and bit is not None and pulses(record.marker, bit):
        return "the marker was high in it: the workload was running"
    return objection_to(record)
