"""What every driver must do, as checks that any driver's tests can run: ours do, and so can those of other packages.

Each check raises AssertionError with what is wrong. They set what they say and put back what they found; run them on a
simulated instrument, or on a real one with nothing connected. `check` runs all that fit an instrument.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from powerlab_instruments.errors import DeviceError, OutOfRange, WrongInstrument
from powerlab_instruments.identity import Identity
from powerlab_instruments.instrument import Instrument
from powerlab_instruments.roles import Scope, Supply, missing
from powerlab_instruments.settings import Choice, Declared, Node, Reading, Setting, Switch, Text, declared_on
from powerlab_traces.clock import Clock

UNITS = {"V", "A", "W", "ohm", "s", "Hz", "K", "", "/div"}
UNLICENSED = "-241"  # what a unit answers to an option that it has not got

# Volts, amperes and trip level that any supply can do.
VOLTAGE, CURRENT, OVER_VOLTAGE = 5.0, 0.4, 7.0

# s of a scope's record, and the rate it is wanted at, in 1/s
DURATION, RATE = 0.05, 20e3


def check(instrument: Instrument, clock: Clock, numbers: Mapping[str, float]) -> None:
    """Run every check that fits the instrument and its role.

    `numbers` has a value that every declared number can be set to, by the setting's name, and for those of a part
    such as a channel by `part.name` or the name alone. They are set in the mapping's order, the others' values being
    what was found. Time passes on `clock`, which must be that of a simulated instrument.
    """
    declarations(instrument)
    identity(instrument)
    for part in instrument.parts():
        everything_can_be_read(instrument, part)
        words_come_back(instrument, part)
        numbers_come_back(instrument, part, numbers)
        nothing_beyond_the_limits_is_sent(instrument, part)
    recovery(instrument, clock)
    if instrument.role == "scope":
        scope(cast("Scope", instrument), clock)
    if instrument.role == "supply":
        supply(cast("Supply", instrument), clock)
    safety(instrument, clock)


def declarations(instrument: Instrument) -> None:
    """A driver says what it drives, has what its role needs, and says each command once, with unit and meaning."""
    driver = type(instrument)
    assert instrument.model in driver.models, f"{instrument.model!r} is none of the driver's models"
    assert driver.family, "a driver says what people call its instruments"
    assert not (lacking := missing(driver, driver.role)), f"a {driver.role} needs {', '.join(lacking)}"
    for part, node in instrument.parts().items():
        found: list[Declared[Any]] = list(declared_on(type(node)))
        assert found, f"nothing is declared on {part or 'the instrument'}"
        for it in found:
            assert it.__doc__, f"{it.name} does not say what it is"
            if isinstance(it, Reading):
                assert it.unit in UNITS, f"{it.name} is in {it.unit!r}: numbers are in SI units without prefix"
        commands = [it.command for it in found]
        assert len(set(commands)) == len(commands), f"a command is declared twice on {part or 'the instrument'}"


def identity(instrument: Instrument) -> None:
    """It knows itself, and takes nothing else for itself: neither another model nor another maker."""
    driver, own = type(instrument), instrument.identity
    assert driver.model_of(own) == instrument.model, f"{own} is not taken for {instrument.model}"
    for maker, model in ((own.maker, f"{own.model}-X"), ("NOBODY", own.model)):
        found = driver.model_of(Identity(maker, model, own.serial, own.firmware))
        assert found is None, f"{model} of {maker} is taken for {found}"
    link = _Deaf("NOBODY,NOTHING,0,0")
    with _refused(WrongInstrument, "another instrument"):
        driver(cast("Any", link))
    assert link.said == ["*IDN?"], f"another instrument was sent {link.said}"


def everything_can_be_read(instrument: Instrument, part: str) -> None:
    """Every setting and reading of a part gives a value, and leaves no error."""
    node = instrument.parts()[part]
    for it in declared_on(type(node)):
        assert it.show(node) is not None
        _no_error(instrument, f"reading {it.name}")
    assert instrument.snapshot(), "a snapshot holds every setting"


def words_come_back(instrument: Instrument, part: str) -> None:
    """Words, switches and texts read back as they were set; a word may be an option that this unit has not got."""
    node = instrument.parts()[part]
    for it in declared_on(type(node)):
        for value in _words(it, node):
            found = getattr(node, it.name)
            setattr(node, it.name, value)
            errors = instrument.errors()
            if isinstance(it, Choice) and errors and all(entry.startswith(UNLICENSED) for entry in errors):
                continue
            assert not errors, f"{it.name} = {value!r}: {'; '.join(errors)}"
            got = getattr(node, it.name)
            assert got == value, f"{it.name} = {value!r} reads back as {got!r}"
            setattr(node, it.name, found)
            _no_error(instrument, f"{it.name} = {found!r}, which it was")
        if isinstance(it, Choice | Text):
            with _refused(OutOfRange, f"{it.name} with a word that there is not"):
                setattr(node, it.name, "no such word, and too long")


def numbers_come_back(instrument: Instrument, part: str, numbers: Mapping[str, float]) -> None:
    """Every number of a part reads back as it was set, to 1 part in 1000."""
    node = instrument.parts()[part]
    declared = [it for it in declared_on(type(node)) if isinstance(it, Setting)]
    kind = part.rstrip("0123456789")
    values = {it.name: numbers.get(f"{kind}.{it.name}", numbers.get(it.name)) for it in declared}
    lacking = [name for name, value in values.items() if value is None]
    assert not lacking, f"give a number to try for {', '.join(lacking)}"
    order = [name.removeprefix(f"{kind}.") for name in numbers]
    for it in sorted(declared, key=lambda it: order.index(it.name)):
        value, found = cast("float", values[it.name]), getattr(node, it.name)
        setattr(node, it.name, value)
        _no_error(instrument, f"{it.name} = {value:g}")
        got = getattr(node, it.name)
        assert math.isclose(got, value, rel_tol=1e-3, abs_tol=1e-12), f"{it.name} = {value:g} reads back as {got:g}"
        setattr(node, it.name, found)
        _no_error(instrument, f"{it.name} = {found:g}, which it was")


def nothing_beyond_the_limits_is_sent(instrument: Instrument, part: str) -> None:
    """A number beyond its limits is refused, and the instrument's stays."""
    node = instrument.parts()[part]
    for it in declared_on(type(node)):
        if not isinstance(it, Setting):
            continue
        low, high = it.limits(node)
        assert low < high, f"{it.name} goes from {low:g} to {high:g}"
        before = getattr(node, it.name)
        for value in (math.nextafter(high, math.inf), math.nextafter(low, -math.inf), math.nan):
            with _refused(OutOfRange, f"{it.name} = {value!r}"):
                setattr(node, it.name, value)
        assert getattr(node, it.name) == before, f"{it.name} has changed although its value was refused"
        _no_error(instrument, f"refusing values of {it.name}")


def recovery(instrument: Instrument, clock: Clock) -> None:
    """After a mistake and a recovery the same instrument is there, its error queue empty, its settings kept."""
    before = instrument.snapshot()
    if instrument.error_queue_depth:
        instrument.link.write("NOTHing:LIKE:THIS")
        assert instrument.errors(), "a mistake leaves nothing in the error queue"
        instrument.link.write("NOTHing:LIKE:THIS")
    instrument.recover(clock)
    _no_error(instrument, "a recovery")
    assert instrument.snapshot() == before, "a recovery has changed settings"


def safety(instrument: Instrument, clock: Clock) -> None:
    """It can be made safe, also twice."""
    instrument.make_safe(clock)
    instrument.make_safe(clock)
    _no_error(instrument, "making it safe")


def scope(instrument: Scope, clock: Clock) -> None:
    """A scope refuses channels it has not got, and records what it was armed for, whole and at the rate it said."""
    for n in (0, 99):
        with _refused(OutOfRange, f"channel {n}"):
            instrument.channel(n)
        with _refused(OutOfRange, f"channel {n}"):
            instrument.prepare((n,), digital_threshold=None)
    digital = _has_digital(instrument)
    channel = instrument.channel(1)
    instrument.prepare((1,), digital_threshold=1.4 if digital else None)
    channel.set_up(ratio=10, units="AMP", full_scale=1.6, centre=0.2)
    instrument.check("the channel")
    instrument.trigger_on("DIG0" if digital else "CHAN1")
    base = instrument.time_base(DURATION, RATE)
    assert base.span >= DURATION, f"{base} is shorter than {DURATION} s"
    assert not base.whole or math.isclose(base.sample_rate, RATE, rel_tol=1e-4), f"{base} does not give {RATE:g} 1/s"
    instrument.arm(base.span, clock)
    instrument.force_trigger()
    clock.sleep(base.span)
    instrument.wait(5, clock)
    wave = instrument.fetch("CHAN1", "A")
    assert len(wave.codes) == base.points, f"{len(wave.codes)} samples came of {base.points}"
    assert wave.fold(RATE) == base.fold, f"{wave.fold(RATE)} samples make one, not the {base.fold} of {base}"
    trace = wave.trace(base.fold)
    recorded = trace.interval * len(trace)
    assert math.isclose(recorded, base.span, rel_tol=1e-3), f"{recorded:g} s were recorded of {base.span:g} s"
    assert -0.11 * base.span <= trace.start <= -0.09 * base.span, "a tenth of the record lies before the trigger"
    assert trace.unit == "A", f"a trace in A has unit {trace.unit!r}"
    middle = float(np.median(trace.values))
    assert abs(middle) < channel.offset_limit() + channel.gain_limit() + 1, f"{middle:g} A without a current"
    for number in (channel.gain_limit(), channel.offset_limit(), channel.resolution(), channel.time_limit):
        assert number > 0, "a channel's limits and resolution are above 0"
    if digital:
        count = len(instrument.fetch("POD1").codes)
        assert count == base.points, f"{count} samples came of D0 to D7, {base.points} of channel 1"
    else:
        with _refused(OutOfRange, "POD1 of a scope without digital inputs"):
            instrument.fetch("POD1")
    with _refused(OutOfRange, "a source that there is not"):
        instrument.fetch("CHAN99")
    instrument.arm(DURATION, clock)  # which `make_safe` is to end
    _no_error(instrument, "recording")


def supply(instrument: Supply, clock: Clock) -> None:
    """A supply sets its limits with the output off, switches on within them, and is off when it is made safe."""
    assert not instrument.output, "the checks begin with the output off"
    for voltage, current, trip in ((1e4, CURRENT, 2e4), (VOLTAGE, 1e4, OVER_VOLTAGE), (VOLTAGE, CURRENT, VOLTAGE)):
        with _refused(OutOfRange, f"{voltage:g} V, {current:g} A, protection at {trip:g} V"):
            instrument.prepare_output(voltage=voltage, current_limit=current, over_voltage=trip)
    instrument.prepare_output(voltage=VOLTAGE, current_limit=CURRENT, over_voltage=OVER_VOLTAGE)
    assert not instrument.output, "setting the limits has switched the output on"
    instrument.switch_on()
    clock.sleep(0.5)
    assert instrument.output, "the output is off after it was switched on"
    with _refused(DeviceError, "new limits while the output is on"):
        instrument.prepare_output(voltage=VOLTAGE, current_limit=CURRENT, over_voltage=OVER_VOLTAGE)
    reading, limits = instrument.read(clock), instrument.limits()
    assert reading.regulation in {"CV", "CC"}, f"{reading.regulation!r} with the output on"
    off_by = limits.voltage_gain_limit * VOLTAGE + limits.voltage_offset_limit
    if reading.regulation == "CV":
        assert abs(reading.voltage - VOLTAGE) < off_by + 0.05, f"{reading.voltage:g} V of {VOLTAGE:g} V"
    assert reading.current < CURRENT + 0.05, f"{reading.current:g} A with a limit of {CURRENT:g} A"
    instrument.make_safe(clock)
    assert not instrument.output, "the output is on after `make_safe`"
    assert instrument.measured_voltage < VOLTAGE / 2, "there is voltage after `make_safe`"
    assert (how := instrument.read(clock).regulation) == "off", f"{how!r} with the output off"
    _no_error(instrument, "switching on and off")


class _Deaf:
    """A line to another instrument, which notes what it is sent."""

    name = "ANOTHER"
    is_serial = False

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self.said: list[str] = []

    def __str__(self) -> str:
        return self.name

    def write(self, message: str) -> None:
        self.said.append(message)

    def query(self, message: str) -> str:
        self.said.append(message)
        return self._identity


def _words(it: Declared[Any], node: Node) -> tuple[str | bool, ...]:
    match it:
        case Choice():
            return it.words(node)
        case Text():
            return "", "a text"[: it.width]
        case Switch():
            return True, False
    return ()


@contextlib.contextmanager
def _refused(kind: type[Exception], what: str) -> Iterator[None]:
    said = None
    try:
        yield
    except kind as error:
        said = str(error)
    assert said is not None, f"{what} was not refused"
    assert "\n" not in said, f"{what} is refused in more than one line: {said}"


def _no_error(instrument: Any, after: str) -> None:
    found = instrument.errors()
    assert not found, f"after {after}: {'; '.join(found)}"


def _has_digital(instrument: Scope) -> bool:
    """Whether it can record D0 to D7; `prepare` refuses if it cannot."""
    try:
        instrument.prepare((1,), digital_threshold=1.4)
    except OutOfRange:
        return False
    return True
