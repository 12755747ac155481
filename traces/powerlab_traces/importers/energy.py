"""Energy of the windows of a foreign capture, by the rule of its format."""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.importers.imported import (
    ForeignRecord,
    ForeignTrace,
    ForeignWindow,
    Imported,
    Lacking,
    Role,
    Rule,
    Statistic,
)
from powerlab_traces.importers.source import NotKnown
from powerlab_traces.window import DroppedWindow

BLOCK = 1 << 20  # samples that are in memory at a time
# Samples this many times further apart than usual, inside a window, are a hole in the data.
HOLE = 3.0


@dataclass(frozen=True, slots=True)
class EnergyOfWindow:
    """Energy (J) of a kept window, its mean power (W), and how long (s) and how many the samples behind it are."""

    window: ForeignWindow
    energy: float
    seconds: float
    samples: int

    @property
    def power(self) -> float:
        """Mean power in watts."""
        return self.energy / self.seconds


@dataclass(frozen=True, slots=True)
class Energies:
    """What came of the windows of a capture: each is in `kept` or in `dropped`."""

    kept: tuple[EnergyOfWindow, ...]
    dropped: tuple[DroppedWindow, ...]


@dataclass(frozen=True, slots=True)
class _Watts:
    """Power (W), or energy a sample (J), on the time base of `base`, a block at a time."""

    base: ForeignTrace
    block: Callable[[slice], NDArray[np.float64]]
    is_energy: bool = False


def energies(imported: Imported) -> Energies:
    """The energy of each window by the format's own rule; windows that the samples do not cover are dropped.

    Raises
    ------
    NotKnown
        The capture has no windows or no power without something the user has to say.
    """
    _require(imported, Lacking.POWER, Lacking.WINDOWS)
    records = {record.index: record for record in imported.records}
    kept: list[EnergyOfWindow] = []
    dropped: list[DroppedWindow] = []
    for window in imported.windows:
        record = records.get(window.record)
        if record is None:
            dropped.append(DroppedWindow(window.index, f"record {window.record} is not in this capture"))
            continue
        watts = _watts(imported, record)
        with np.errstate(invalid="ignore", over="ignore"):  # the sums are checked instead
            found = _objection(watts.base, window) or _energy(imported.rule, watts, window)
        if isinstance(found, str):
            dropped.append(DroppedWindow(window.index, found))
        else:
            kept.append(found)
    return Energies(tuple(kept), tuple(dropped))


def energy_per_image(imported: Imported, found: Energies) -> float | None:
    """Energy per image in J, as the format's owner sums it up; None when no window was kept.

    Raises
    ------
    NotKnown
        Nobody said how many images a window holds.
    """
    _require(imported, Lacking.IMAGES)
    images = [each.window.images for each in found.kept]
    if not images:
        return None
    assert all(images)
    if imported.statistic is Statistic.MEDIAN:
        return statistics.median(each.energy / count for each, count in zip(found.kept, images, strict=True) if count)
    return sum(each.energy for each in found.kept) / sum(count for count in images if count)


def _require(imported: Imported, *lacking: Lacking) -> None:
    for unknown in imported.unknown:
        if unknown.lacking in lacking:
            raise NotKnown(str(unknown))


def _watts(imported: Imported, record: ForeignRecord) -> _Watts:
    """The power of a record from the best that it holds: energy, power, current and voltage, current alone."""
    energy, power = record.trace(Role.ENERGY), record.trace(Role.POWER)
    if energy is not None:
        return _Watts(energy, energy.block, is_energy=True)
    if power is not None:
        return _Watts(power, power.block)
    where = f"{imported.sources[0].name if imported.sources else imported.format}: record {record.index}"
    supply_voltage = imported.supply_voltage
    current, voltage = record.trace(Role.CURRENT), record.trace(Role.VOLTAGE)
    if current is not None and voltage is not None:
        if not _same_base(current, voltage):
            raise NotKnown(
                f"{where}: {current.name!r} and {voltage.name!r} are not sampled at the same times, so they make no "
                "power: give --supply-voltage V and leave --voltage out"
            )
        return _Watts(current, lambda span: current.block(span) * voltage.block(span))
    if current is not None and supply_voltage is not None:
        return _Watts(current, lambda span: current.block(span) * supply_voltage)
    raise NotKnown(f"{where} holds no power: give --power, or --current with --supply-voltage V")


def _same_base(one: ForeignTrace, other: ForeignTrace) -> bool:
    if len(one) != len(other):
        return False
    if one.times is not None and other.times is not None:
        return bool(np.array_equal(one.times, other.times))
    near = 1e-3 * one.spacing
    return (
        one.interval is not None
        and other.interval is not None
        and abs(one.start - other.start) < near
        and abs(one.interval - other.interval) * len(one) < near
    )


def _objection(base: ForeignTrace, window: ForeignWindow) -> str | None:
    """Why the samples do not cover a window; None if they do."""
    slack = HOLE * base.spacing if base.times is not None else 1e-6 * base.spacing
    if window.start < base.begin - slack or window.stop > base.stop + slack:
        return (
            f"{window.start:g} to {window.stop:g} s reaches beyond the samples ({base.begin:g} to {base.stop:g} s); "
            "if the two clocks differ, give --clock-offset SECONDS"
        )
    if base.times is not None:
        span = base.span_of(window.start, window.stop)
        around = base.times[max(span.start - 1, 0) : span.stop + 1]
        hole = float(np.diff(around).max()) if len(around) > 1 else 0.0
        if hole > HOLE * base.spacing:
            return f"no sample for {hole:.3g} s, where one comes every {base.spacing:.3g} s"
    return None


def _energy(rule: Rule, watts: _Watts, window: ForeignWindow) -> EnergyOfWindow | str:
    """The energy of a window, or why it has none."""
    if rule is Rule.MEAN_POSITIVE:
        return _mean_positive(watts, window)
    if watts.base.times is not None and not watts.is_energy:
        return _held(watts, window)
    span = _added_up(watts.base, window) if rule is Rule.ADDED_UP else watts.base.span_of(window.start, window.stop)
    count = span.stop - span.start
    if count < 1:
        return f"shorter than one sample ({watts.base.spacing:g} s)"
    total = sum(
        float(watts.block(slice(first, min(first + BLOCK, span.stop))).sum())
        for first in range(span.start, span.stop, BLOCK)
    )
    seconds = window.duration if watts.base.interval is None else count * watts.base.interval
    energy = total if watts.is_energy else total * watts.base.spacing
    return _checked(EnergyOfWindow(window, energy, seconds, count))


def _added_up(base: ForeignTrace, window: ForeignWindow) -> slice:
    """Where the samples of a window lie when each time is the one before plus the interval, with all its rounding."""
    assert base.interval is not None
    edges: list[int] = []
    before, first = base.start, 0
    while first < len(base) and len(edges) < 2:
        count = min(BLOCK, len(base) - first)
        steps = np.full(count + 1, base.interval)
        steps[0] = before
        times = np.cumsum(steps)
        for edge in (window.start, window.stop)[len(edges) :]:
            place = int(np.searchsorted(times[:-1], edge))
            if place == count:
                break
            edges.append(first + place)
        before, first = float(times[-1]), first + count
    start, stop = [*edges, len(base), len(base)][:2]
    return slice(start, stop)


def _held(watts: _Watts, window: ForeignWindow) -> EnergyOfWindow | str:
    """Each power holds until the next sample."""
    times = watts.base.times
    assert times is not None
    first = max(int(np.searchsorted(times, window.start, "right")) - 1, 0)
    last = int(np.searchsorted(times, window.stop))
    if last <= first:
        return "no sample in it"
    edges = np.clip(np.append(times[first:last], window.stop), window.start, window.stop)
    edges[0] = window.start
    energy = float(np.dot(watts.block(slice(first, last)), np.diff(edges)))
    return _checked(EnergyOfWindow(window, energy, window.duration, last - first))


def _mean_positive(watts: _Watts, window: ForeignWindow) -> EnergyOfWindow | str:
    base = watts.base
    span = base.span_of(window.start, window.stop)
    # Samples at the very start do not count by this rule.
    while span.start < span.stop and _time(base, span.start) <= window.start:
        span = slice(span.start + 1, span.stop)
    block = watts.block(span)
    positive = block[block > 0]
    if not len(positive):
        return "no sample above 0 W in it"
    # The published checker sums the values one after another; so does this, to agree to the last digit.
    mean = sum(positive.tolist()) / len(positive)
    return _checked(EnergyOfWindow(window, mean * window.duration, window.duration, len(positive)))


def _time(base: ForeignTrace, number: int) -> float:
    if base.times is not None:
        return float(base.times[number])
    assert base.interval is not None
    return base.start + number * base.interval


def _checked(found: EnergyOfWindow) -> EnergyOfWindow | str:
    return found if math.isfinite(found.energy) else "samples in it were not measured (lost, or out of range)"
