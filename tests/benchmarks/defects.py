"""Single defects, planted into the runs of healthy simulated benches.

A plant takes a run in memory, marked on a digital input, with two or more active records of several windows each, a
zero record, and idle before and after; it gives the run with that one thing wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from powerlab_analysis.alignment import Tie
from powerlab_analysis.analysis import analyse
from powerlab_analysis.calibration import CALIBRATION_LIFETIME, ZERO_LIFETIME
from powerlab_analysis.verdict import Effect
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Run
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow, Window

MS = 1_000_000  # ns


@dataclass(frozen=True)
class Defect:
    """What is planted, and the one verdict that must come of it. `ties`: by which alignments it can be seen."""

    about: str
    verdict: str
    effect: Effect
    plant: Callable[[Run], Run]
    ties: tuple[Tie, ...] = tuple(Tie)


def of_kind(run: Run, kind: RecordKind) -> list[Record]:
    return [it for it in run.records if it.kind is kind]


def but(run: Run, record: Record, **changes: object) -> Run:
    """The run with one record changed."""
    changed = replace(record, **changes)
    return replace(run, records=[changed if it.index == record.index else it for it in run.records])


def tied(run: Run, tie: Tie) -> Run:
    """The run as a bench would have recorded it whose marker only triggers the scope, or does not reach it."""
    if tie is Tie.MARKER:
        return run
    wired = {Tie.TRIGGER: "EXT", Tie.PATTERN: "none"}[tie]
    provenance = replace(run.provenance, marker_bit=None, bench=f'{run.provenance.bench}\ninput = "{wired}"\n')
    return replace(run, provenance=provenance, records=[replace(it, marker=None) for it in run.records])


def windows_of(run: Run, record: Record) -> list[Window]:
    return [it.window for it in analyse(run).kept if it.record == record.index]


def moved(record: Record, amperes: float) -> Trace:
    """Its current with an offset."""
    codes = record.current.codes.astype(np.int64) + round(amperes / record.current.scale)
    return replace(record.current, codes=codes)


def _clipped(run: Run, *, high: bool = True) -> Run:
    """One sample in the middle of the first record's first window."""
    record = of_kind(run, RecordKind.ACTIVE)[0]
    span = record.current.span_of(windows_of(run, record)[0])
    codes = record.current.codes.copy()
    middle = (span.start + span.stop) // 2
    codes[middle] = codes.max() if high else codes.min()
    return but(run, record, current=replace(record.current, codes=codes), clipped=np.array([middle]))


def _clipped_low(run: Run) -> Run:
    return _clipped(run, high=False)


def _lost(run: Run) -> Run:
    lost = of_kind(run, RecordKind.ACTIVE)[-1]
    return replace(run, records=[it for it in run.records if it.index != lost.index])


def _lost_idle(run: Run) -> Run:
    lost = of_kind(run, RecordKind.IDLE)[0]
    return replace(run, records=[it for it in run.records if it.index != lost.index])


def _limited(run: Run) -> Run:
    """A second of constant current that was over when the record was."""
    record = of_kind(run, RecordKind.ACTIVE)[-1]
    return but(run, record, after=replace(record.after, limited=True))


def _still_limited(run: Run) -> Run:
    record = of_kind(run, RecordKind.ACTIVE)[-1]
    return but(run, record, after=replace(record.after, regulation="CC"))


def _tripped(run: Run) -> Run:
    record = of_kind(run, RecordKind.ACTIVE)[-1]
    return but(run, record, after=replace(record.after, regulation="off", voltage=0.0, current=0.0))


def _cut_off(run: Run) -> Run:
    """The first record ends in the middle of its last window."""
    record = of_kind(run, RecordKind.ACTIVE)[0]
    last = windows_of(run, record)[-1]
    end = record.current.span_of(Window(last.start, (last.start + last.stop) / 2, 0, 1, "")).stop
    short = {
        name: replace(trace, codes=trace.codes[:end])
        for name, trace in (("current", record.current), ("marker", record.marker))
        if trace is not None
    }
    return but(run, record, **short)


def _hosted(run: Run, change: Callable[[HostWindow], HostWindow]) -> Run:
    return replace(run, windows=[change(it) for it in run.windows])


def _stepped(run: Run) -> Run:
    """20 ms on the host's clock, before the second half of the first record's windows."""
    its = sorted(it.index for it in run.windows if it.record == of_kind(run, RecordKind.ACTIVE)[0].index)
    late = set(its[len(its) // 2 :])
    return _hosted(
        run, lambda it: replace(it, start=it.start + 20 * MS, stop=it.stop + 20 * MS) if it.index in late else it
    )


def _ended_early(run: Run) -> Run:
    """A window that the host took for a tenth shorter than its marker was high."""
    first = run.windows[0]
    return _hosted(run, lambda it: replace(it, stop=it.stop - round(first.duration * 1e8)) if it is first else it)


def _fast(run: Run) -> Run:
    """A host whose clock counts 400 ppm too much."""
    begin = run.windows[0].start

    def at(time: int) -> int:
        return begin + round((time - begin) * (1 + 400e-6))

    return _hosted(run, lambda it: replace(it, start=at(it.start), stop=at(it.stop)))


def _marker(run: Run, change: Callable[[np.ndarray, Record, int], None]) -> Run:
    """The first active record with other levels on its marker's line."""
    record, bit = of_kind(run, RecordKind.ACTIVE)[0], run.provenance.marker_bit
    assert record.marker is not None
    assert bit is not None
    codes = record.marker.codes.copy()
    change(codes, record, 1 << bit)
    return but(run, record, marker=replace(record.marker, codes=codes))


def _bounced(run: Run) -> Run:
    """Low again for two samples, soon after the first rise."""
    first = windows_of(run, of_kind(run, RecordKind.ACTIVE)[0])[0]

    def bounce(codes: np.ndarray, record: Record, mask: int) -> None:
        rise = record.marker.span_of(first).start
        codes[rise + 3 : rise + 5] &= ~mask & 0xFF

    return _marker(run, bounce)


def _inverted(run: Run) -> Run:
    def invert(codes: np.ndarray, _: Record, mask: int) -> None:
        codes ^= mask

    return _marker(run, invert)


def _merged(run: Run) -> Run:
    """High between the first window and the second."""
    first, second, *_ = windows_of(run, of_kind(run, RecordKind.ACTIVE)[0])

    def fill(codes: np.ndarray, record: Record, mask: int) -> None:
        codes[record.marker.span_of(first).start : record.marker.span_of(second).stop] |= mask

    return _marker(run, fill)


def _without_marker(run: Run) -> Run:
    return but(run, of_kind(run, RecordKind.ACTIVE)[0], marker=None)


def _busy_idle(run: Run) -> Run:
    """A window ran in the first idle record."""
    record, bit = of_kind(run, RecordKind.IDLE)[0], run.provenance.marker_bit
    codes = np.zeros(len(record.current), np.uint8)
    codes[100:2000] = 1 << bit
    return but(run, record, marker=replace(record.current, codes=codes, unit="", scale=1.0, offset=0.0))


def _scaled(run: Run, factor: float) -> Run:
    """All currents times a factor, around the zero."""
    zero = float(np.mean([it.current.values.mean() for it in of_kind(run, RecordKind.ZERO)]))

    def scaled(trace: Trace) -> Trace:
        # As the scope would have: on the same screen, whose calibration and zero are known by it.
        codes = (trace.codes - (zero - trace.offset) / trace.scale) * factor + (zero - trace.offset) / trace.scale
        return replace(trace, codes=np.round(codes).astype(np.int64))

    return replace(run, records=[replace(it, current=scaled(it.current)) for it in run.records])


def _doubled(run: Run) -> Run:
    return _scaled(run, 2.0)


def _tenfold(run: Run) -> Run:
    return _scaled(run, 10.0)


def _lifted(run: Run) -> Run:
    """Idle that the probe shows 22 mA, a third, above what the supply reads."""
    result = analyse(run)
    idle = of_kind(run, RecordKind.IDLE)
    by_supply = float(np.mean([(it.before.current + it.after.current) / 2 for it in idle]))
    more = by_supply + 0.022 - result.setup.currents["idle"]
    return replace(
        run,
        records=[it if it.kind is RecordKind.ZERO else replace(it, current=moved(it, more)) for it in run.records],
    )


def _thumbed(run: Run) -> Run:
    """A thumbwheel that stands half an ampere off."""
    return replace(run, records=[replace(it, current=moved(it, 0.5)) for it in run.records])


def _drifting(run: Run) -> Run:
    """20 mA more in the last idle record, which the supply does not see."""
    last = of_kind(run, RecordKind.IDLE)[-1]
    return but(run, last, current=moved(last, 0.02))


def _two_zeros(run: Run) -> Run:
    """Two zeros 15 mA apart, with what was the zero between them."""
    zero = of_kind(run, RecordKind.ZERO)[0]
    later = replace(zero, index=len(run.records), current=moved(zero, 0.0075))
    run = but(run, zero, current=moved(zero, -0.0075))
    return replace(run, records=[*run.records, later])


def _stale_zero(run: Run) -> Run:
    zero = of_kind(run, RecordKind.ZERO)[0]
    return but(run, zero, armed=zero.armed - round((ZERO_LIFETIME + 60) * 1e9))


def _warmer(run: Run) -> Run:
    """20 mA more in the last idle record, which the supply sees too."""
    last = of_kind(run, RecordKind.IDLE)[-1]
    before, after = (replace(it, current=it.current + 0.02) for it in (last.before, last.after))
    return but(run, last, current=moved(last, 0.02), before=before, after=after)


def _narrow(run: Run) -> Run:
    """A probe whose range ends within what was seen in windows."""
    most = max(it.current.values.max() for it in of_kind(run, RecordKind.ACTIVE))
    return replace(run, chain=replace(run.chain, peak_current=0.8 * float(most)))


def _alternating(run: Run) -> Run:
    """A current at half of the sample rate, of 2 % of the windows', in step with their starts."""
    result, records = analyse(run), []
    for record in run.records:
        codes = record.current.codes.astype(np.int64)
        swing = round(0.02 * result.setup.currents["windows"] / record.current.scale + 0.5)
        for it in result.kept:
            if it.record == record.index:
                inside = codes[record.current.span_of(it.window)]
                inside += np.where(np.arange(len(inside)) % 2, -swing, swing)
        records.append(replace(record, current=replace(record.current, codes=codes)))
    return replace(run, records=records)


def _levelled(run: Run, factors: dict[int, float]) -> Run:
    """The current of some windows (by index) times a factor, around the zero."""
    zeros = {it.current.offset: float(it.current.values.mean()) for it in of_kind(run, RecordKind.ZERO)}
    kept = analyse(run).kept
    records = []
    for record in run.records:
        current = record.current
        codes = current.codes.astype(np.float64)
        for it in kept:
            if it.record == record.index and it.window.index in factors:
                span = current.span_of(it.window)
                none = (zeros.get(current.offset, 0.0) - current.offset) / current.scale
                codes[span] = none + (codes[span] - none) * factors[it.window.index]
        records.append(replace(record, current=replace(current, codes=np.round(codes).astype(np.int64))))
    return replace(run, records=records)


def _stretched(run: Run, first: int, factor: float) -> Run:
    """Windows from `first` on take a factor longer; what lies between them does not."""
    kept, records, hosts = analyse(run).kept, [], []
    for record in run.records:
        if record.kind is not RecordKind.ACTIVE:
            records.append(record)
            continue
        its = [it.window for it in kept if it.record == record.index]
        old, new, grown = [record.current.start - 1.0], [record.current.start - 1.0], 0.0
        for window in its:
            for at in (window.start, window.stop):
                old.append(at)
                new.append(at + grown)
                if at == window.start and window.index >= first:
                    grown += (factor - 1) * (window.stop - window.start)
        old.append(record.current.stop + 1.0)
        new.append(record.current.stop + 1.0 + grown)

        def resampled(trace: Trace, old: list[float] = old, new: list[float] = new, grown: float = grown) -> Trace:
            count = len(trace) + int(grown / trace.interval)
            was = np.interp(trace.start + np.arange(count) * trace.interval, new, old)
            index = np.round((was - trace.start) / trace.interval).astype(np.int64).clip(0, len(trace) - 1)
            return replace(trace, codes=trace.codes[index])

        assert record.marker is not None
        longer = {"current": resampled(record.current), "marker": resampled(record.marker)}
        records.append(replace(record, fetched=record.fetched + round(grown * 1e9), **longer))
        mine = [it for it in run.windows if it.record == record.index]
        origin = mine[0].start - its[0].start * 1e9
        for it in mine:
            start, stop = (origin + np.interp((at - origin) * 1e-9, old, new) * 1e9 for at in (it.start, it.stop))
            hosts.append(replace(it, start=round(start), stop=round(stop)))
    return replace(run, records=records, windows=hosts)


def _apart(run: Run) -> Run:
    return _levelled(run, {4: 1.15})


def _cold(run: Run) -> Run:
    """The first three windows draw 6 % more."""
    return _levelled(run, dict.fromkeys(range(3), 1.06))


def _throttled(run: Run) -> Run:
    """From the seventh window on clocks are lower: 15 % less current for 12 % longer."""
    slow = run.windows[6].index
    return _stretched(_levelled(run, {it.index: 0.85 for it in run.windows[6:]}), slow, 1.12)


def _brief(run: Run) -> Run:
    """Windows of a millisecond, some fifty samples, amid the old ones."""
    kept, bit = analyse(run).kept, run.provenance.marker_bit
    assert bit is not None
    records = []
    for record in run.records:
        marker = record.marker
        if marker is not None:
            codes = marker.codes & (~(1 << bit) & 0xFF)
            for it in kept:
                if it.record == record.index:
                    start = marker.span_of(it.window).start + round(0.1 / marker.interval)
                    codes[start : start + round(1e-3 / marker.interval)] |= 1 << bit
            marker = replace(marker, codes=codes)
        records.append(replace(record, marker=marker))
    return _hosted(
        replace(run, records=records),
        lambda it: replace(it, start=it.start + 100 * MS, stop=it.start + 101 * MS),
    )


def _old_calibration(run: Run) -> Run:
    """Of a bench that was calibrated, the day before."""
    return replace(run, chain=replace(run.chain, calibration_age=CALIBRATION_LIFETIME + 3600.0))


FLAG, BOUND, REFUSE = Effect.FLAG, Effect.LOWER_BOUND, Effect.REFUSE
MARKED = (Tie.MARKER,)
# The six of which the project's own requirements speak.
REQUIRED = (
    Defect("one clipped sample", "clipped", BOUND, _clipped),
    Defect("one lost record", "lost-record", FLAG, _lost),
    Defect("a second of constant current", "current-limit", BOUND, _limited),
    Defect("a clock step of 20 ms", "clock-step", FLAG, _stepped),
    Defect("twice the probe factor", "probe-factor", REFUSE, _doubled),
    Defect("a drifting zero", "zero-drift", FLAG, _drifting),
)
OTHERS = (
    Defect("clipped at the lower end", "clipped", FLAG, _clipped_low),
    Defect("a lost idle record", "lost-record", FLAG, _lost_idle),
    Defect("constant current at the end", "current-limit", BOUND, _still_limited),
    Defect("the output went off", "supply-off", FLAG, _tripped),
    Defect("a record too short", "not-covered", FLAG, _cut_off),
    Defect("a host that stamps early", "marker-host", FLAG, _ended_early, MARKED),
    Defect("a bouncing marker", "marker-bounce", FLAG, _bounced, MARKED),
    Defect("a marker upside down", "marker-inverted", FLAG, _inverted, MARKED),
    Defect("a marker that stays high", "marker-merged", FLAG, _merged, MARKED),
    Defect("a record without its marker", "not-aligned", FLAG, _without_marker, MARKED),
    Defect("clocks 400 ppm apart", "clock-rate", FLAG, _fast, MARKED),
    Defect("a window in an idle record", "idle-disturbed", FLAG, _busy_idle, MARKED),
    Defect("ten times the probe factor", "probe-factor", REFUSE, _tenfold),
    Defect("a probe a third too high", "probe-supply", FLAG, _lifted),
    Defect("a probe out of its range", "over-range", BOUND, _narrow),
    Defect("a zero half an ampere off", "zero-offset", FLAG, _thumbed),
    Defect("two zeros 15 mA apart", "zero-drift", FLAG, _two_zeros),
    Defect("a zero of an hour ago", "zero-old", FLAG, _stale_zero),
    Defect("a calibration of yesterday", "calibration-old", FLAG, _old_calibration),
    Defect("an idle that rises", "idle-drift", FLAG, _warmer),
    Defect("ripple at half the sample rate", "aliasing", FLAG, _alternating, MARKED),
    Defect("a window that stands apart", "outlier", FLAG, _apart),
    Defect("a warm-up too short", "not-settled", FLAG, _cold),
    Defect("clocks that were lowered", "throttled", FLAG, _throttled),
    Defect("windows of a millisecond", "short-windows", FLAG, _brief, MARKED),
)
