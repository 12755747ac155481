"""Measuring the zero: what each screen shows with no current in the clamp."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from powerlab.acquiring import Ask, acquire
from powerlab.bench import MAY_BE_ON, Bench
from powerlab.calibration import ZeroEntry
from powerlab.doctor.patient import undisturbed
from powerlab.ranging import Ranging
from powerlab_analysis.model import zero_of
from powerlab_analysis.noise import noise_of
from powerlab_analysis.stretch import stretch
from powerlab_analysis.survey import Level, is_clipped
from powerlab_instruments.errors import DeviceError
from powerlab_instruments.probe import LARGEST_ZERO
from powerlab_instruments.screen import Screen
from powerlab_traces.chain import CurrentChain, ScreenZero
from powerlab_traces.errors import PowerlabError
from powerlab_traces.record import Record, RecordKind

LENGTH: Final = 1.0  # s of each record
SETTLE: Final = 1.0  # s between output off and the first record: the board's capacitors, and the probe's slow end
# A supply current (A) from which on a clamp that is still round the lead can be told from an open one.
TELLING: Final = 0.03

OPEN: Final = (
    "open the clamp, take it off the lead and shut it again (or switch the supply's output off); leave its thumbwheel "
    "as it is"
)
CLOSE: Final = "put the clamp round the lead again, at the same place, and shut it"


class NoZero(PowerlabError):
    """There is current in the clamp, or something that looks like it; or the zero is not on the screen."""


def measure_zero(bench: Bench, ask: Ask, *, power: bool = False, seconds: float = LENGTH) -> ZeroEntry:
    """Measure the zero on every screen that a run may be recorded on.

    If the board is off, at once. If it is on, `power` and `output = "on"` in bench.toml together have it switched off
    and on again; else the user is asked to open the clamp.

    Raises
    ------
    NoZero
        The clamp still shows the board's current, or more than a zero can be.
    InstrumentError
        An instrument refuses or falls silent.
    """
    bench.insist(bench.set_up_scope)
    if not bench.powered:
        return zero_entry(bench, seconds=seconds)
    if power:
        if bench.file.supply.output != "on":
            raise DeviceError('--power needs output = "on" in bench.toml: without it powerlab switches no board')
        with _switched_off(bench):
            return zero_entry(bench, seconds=seconds)
    supply = bench.supply.read(bench.clock).current
    before = _mean(acquire(bench, RecordKind.ZERO, seconds))
    ask(OPEN)
    still_on = bench.powered
    if still_on and supply >= TELLING:
        after = _mean(acquire(bench, RecordKind.ZERO, seconds))
        if abs(before - after) < supply / 2:
            raise NoZero(
                f"the probe shows {after:.3g} A, as before ({before:.3g} A), while the supply gives {supply:.3g} A: "
                "the clamp is still round the lead; open it and run `powerlab zero` again"
            )
    entry = zero_entry(bench, how="clamp open" if still_on else "output off", seconds=seconds)
    if still_on:
        ask(CLOSE)
    return entry


def zero_entry(bench: Bench, *, how: str = "output off", seconds: float = LENGTH) -> ZeroEntry:
    """The zeros of all screens, with no current in the clamp now. The widest screen is shown again at the end.

    Raises
    ------
    NoZero
        What the widest screen shows is none, or not on it.
    """
    ranging = Ranging(bench, bench.known())
    found: list[tuple[Screen, ScreenZero]] = []
    largest = LARGEST_ZERO / bench.probe.turns

    def take() -> Record:
        record = acquire(bench, RecordKind.ZERO, seconds)
        chain = bench.chain()
        if not found:  # the widest screen
            zero = _mean(record)
            if abs(zero) > largest + chain.scope_offset_limit:
                raise NoZero(
                    f"{zero:.3g} A is no zero of this probe (up to {largest:g} A and the scope's offset): is there "
                    "another current in the clamp? turn its thumbwheel, and run `powerlab zero` again"
                )
            if is_clipped(record):
                raise NoZero(
                    f"the zero is about {zero:.3g} A and clips on the screen {bench.screen}: turn the thumbwheel, or "
                    'write a smaller centre or full_scale = "auto" in bench.toml'
                )
        if not is_clipped(record):
            found.append((bench.screen, screen_zero(record, chain)))
        return record

    bench.clock.sleep(SETTLE)
    ranging.zero_each(take)
    return ZeroEntry.model_validate(
        {"taken": dt.datetime.now(dt.UTC), "how": how, "conditions": bench.conditions, "screens": tuple(found)}
    )


def screen_zero(record: Record, chain: CurrentChain) -> ScreenZero:
    """The zero of the screen that a record was taken on."""
    level = Level(record.index, stretch(record), noise_of(record.current))
    zero = zero_of([level], chain)
    assert zero is not None
    screen = level.stretch.screen
    return ScreenZero(screen, zero.currents[screen], zero.u, zero.dof)


def _mean(record: Record) -> float:
    return stretch(record).current


@contextmanager
def _switched_off(bench: Bench) -> Iterator[None]:
    """Switch a running board off while the body runs, and on again whatever becomes of it."""
    try:
        bench.supply.make_safe(bench.clock)
        yield
    finally:
        with undisturbed():
            try:
                bench.supply.switch_on()
            except PowerlabError as error:
                error.add_note(f"the board was on and may be off now; {MAY_BE_ON}")
                raise
