"""Calibrating the whole chain, probe and scope together, against the supply's own current readings at steady loads."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final

from powerlab.acquiring import acquire
from powerlab.bench import Bench
from powerlab.calibration import CalibrationEntry, ZeroEntry
from powerlab.capture import Progress
from powerlab.ranging import Ranging
from powerlab.zeroing import NoZero, zero_entry
from powerlab_analysis.calibration import (
    CalibrationRefused,
    Line,
    Point,
    fitted,
    judge,
    mean_of,
    parts_of,
    unsteadiness,
)
from powerlab_analysis.model import quantisation_of_mean
from powerlab_analysis.noise import noise_of
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.stretch import stretch
from powerlab_instruments.errors import DeviceError
from powerlab_instruments.screen import Screen
from powerlab_instruments.supply import CURRENT_RESOLUTION
from powerlab_traces.chain import CurrentChain, ScreenLine
from powerlab_traces.record import Record, RecordKind

LENGTH: Final = 2.0  # s of each record: ten readings of the supply or more
SETTLE: Final = 3.0  # s that a load runs before it is measured
ATTEMPTS: Final = 3  # at a load that is not steady, with SETTLE before each
LEAST_READINGS: Final = 4  # of the supply in one record; fewer say nothing of how steady it is


@dataclass(frozen=True, slots=True)
class Load:
    """A steady load: `running` has the board draw it while its body runs."""

    name: str
    running: Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class _Seen:
    """One load on one screen: the point, how the screen is known by, and its limits."""

    point: Point
    code0: float  # A, see `ScreenLine.screen`
    chain: CurrentChain


def calibrate(
    bench: Bench,
    loads: Sequence[Load],
    progress: Progress,
    *,
    power: bool = False,
    seconds: float = LENGTH,
    temperature: float | None = None,
) -> tuple[CalibrationEntry, ZeroEntry | None]:
    """Measure every load on every screen that holds all of them, and fit a line for each; and the zero, if it could be.

    A board that is off is switched on with `power` if bench.toml says `output = "on"`, and its zero is measured first.

    Raises
    ------
    CalibrationRefused
        A load is not steady, or the points do not lie as they must.
    InstrumentError
        An instrument refuses or falls silent, or the board is off and may not be switched on.
    """
    if not bench.powered and not power:
        raise DeviceError(
            f"{bench.supply.link}: the board is off; switch it on, or give --power with output = "
            '"on" in bench.toml, which measures the zero as well'
        )
    bench.insist(bench.make_ready)
    taken = None
    if not bench.powered:
        progress.step("measuring the zero")
        try:
            taken = zero_entry(bench)
        except NoZero as error:  # the lines through the loads have offsets of their own
            progress.step(f"without a zero: {error}")
        progress.step("switching the board on")
        bench.power_on()
    bench.calibration = bench.calibration.with_zero(taken) if taken else bench.calibration
    known = bench.known()
    ranging = Ranging(bench, known)
    found: defaultdict[Screen, list[_Seen]] = defaultdict(list)
    for load in loads:
        progress.step(f"load {load.name}")
        with load.running():
            bench.clock.sleep(SETTLE)
            for screen, seen in _on_each(bench, load, ranging.screens, seconds, progress):
                found[screen].append(seen)
    if ranging.has_choice:
        bench.insist(lambda: bench.show(ranging.screens[0]))
    fits: list[tuple[Screen, ScreenLine, Line, tuple[Point, ...]]] = []
    for screen, measured in found.items():
        if len(measured) < len(loads):
            continue  # one of the loads was too much for it
        points = tuple(it.point for it in measured)
        line, zero = fitted(points), known.zero_of(screen)
        judge(line, points, measured[0].chain, bench.supply_limits(), zero.current if zero else None)
        stored = ScreenLine(
            screen=measured[0].code0,
            full_scale=screen.full_scale,
            gain=line.gain,
            offset=line.offset,
            gain_u=line.gain_u,
            offset_u=line.offset_u,
            correlation=line.correlation,
        )
        fits.append((screen, stored, line, points))
    entry = CalibrationEntry(
        taken=dt.datetime.now(dt.UTC),
        conditions=bench.conditions,
        temperature=temperature,
        screens=tuple((screen, stored) for screen, stored, _, _ in fits),
        points=tuple(points for _, _, _, points in fits),
        residuals=tuple(line.residuals for _, _, line, _ in fits),
    )
    bench.calibration = bench.calibration.with_calibration(entry)
    return entry, taken


def _on_each(
    bench: Bench, load: Load, screens: Sequence[Screen], seconds: float, progress: Progress
) -> list[tuple[Screen, _Seen]]:
    """The load on the widest screen, and on each other that holds it."""
    found = []
    lowest = highest = 0.0
    for number, screen in enumerate(screens):
        if number and not screen.holds(lowest, highest):
            continue
        progress.step(f"load {load.name}, screen {screen}")
        if bench.screen != screen:
            bench.insist(partial(bench.show, screen))
        seen, record = _steady(bench, load.name, seconds)
        if not number:
            values = record.current.values
            lowest, highest = float(values.min()), float(values.max())
        found.append((screen, seen))
    return found


def _steady(bench: Bench, name: str, seconds: float) -> tuple[_Seen, Record]:
    """One load on the screen that is shown, tried again while it is not steady.

    Raises
    ------
    CalibrationRefused
        It does not become steady, it clips, or the supply limits it.
    """
    readings: list[float] = []
    for attempt in range(ATTEMPTS):
        if attempt:
            bench.clock.sleep(SETTLE)
        record = acquire(bench, RecordKind.IDLE, seconds, readings)
        bench.check_feeding(record.after)
        if record.after.limited or record.after.regulation != "CV":
            raise CalibrationRefused(f"load {name!r}: the supply limits its current; take a smaller load")
        if len(record.clipped):
            raise CalibrationRefused(
                f"load {name!r} clips on the screen {bench.screen}: write a larger full_scale, or take a smaller load"
            )
        if len(readings) < LEAST_READINGS:
            raise CalibrationRefused(
                f"the supply gave {len(readings)} readings in {seconds:g} s and at least {LEAST_READINGS} are needed: "
                "take longer records (--length)"
            )
        supply, supply_limit = unsteadiness(readings)
        scope, scope_limit = unsteadiness(parts_of(record.current.values))
        if supply <= supply_limit and scope <= scope_limit:
            return _seen(bench, name, record, readings), record
    raise CalibrationRefused(
        f"load {name!r} is not steady: the supply's readings differ by {prefixed(supply, 'A', 3)} (limit "
        f"{prefixed(supply_limit, 'A', 3)}), the tenths of the scope's record by {prefixed(scope, 'A', 3)} (limit "
        f"{prefixed(scope_limit, 'A', 3)}): lock the board's clocks, let it settle, or take a resistor (--resistor)"
    )


def _seen(bench: Bench, name: str, record: Record, readings: Sequence[float]) -> _Seen:
    chain, whole, noise = bench.chain(), stretch(record), noise_of(record.current)
    rounded = quantisation_of_mean(whole.seconds, whole, noise, chain.resolution)
    current, current_u = mean_of(readings, CURRENT_RESOLUTION)
    point = Point(name, current, current_u, whole.current, (noise.of_mean(whole.seconds) ** 2 + rounded**2) ** 0.5)
    return _Seen(point, whole.screen, chain)
