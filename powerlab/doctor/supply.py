"""Checks of the supply: its protection and limits, and what its output does now."""

from powerlab.doctor.checks import Check, Verdict, advice, ok, skipped, wrong
from powerlab.doctor.patient import Patient
from powerlab_instruments.roles import Supply
from powerlab_instruments.supply import PROTECTION_STEP, SETPOINT_STEP, E364xA

# Set-point accuracy of the output voltage (E364xA specifications: 0.05 % + 10 mV).
PROGRAMMING_GAIN_LIMIT = 0.0005
PROGRAMMING_OFFSET_LIMIT = 0.010
HEADROOM = 1.2  # of the current now that the limit should leave for peaks


def state_checks() -> tuple[Check[Patient], ...]:
    """What can be seen whether the board is on or off; nothing is set."""
    return (
        Check("over-voltage trip", _tripped, needs=("supply answers",)),
        Check("supply settings", _settings, needs=("supply answers",)),
        Check("over-voltage level", _protection, needs=("supply answers",)),
    )


def output_checks() -> tuple[Check[Patient], ...]:
    """Switches the board on where that is allowed and wanted, and looks at its output."""
    return (
        Check("board on", _board_on, needs=("over-voltage trip", "supply settings", "over-voltage level")),
        Check("regulation", _regulation, needs=("board on",)),
        Check("voltage readback", _readback, needs=("regulation",)),
    )


def _tripped(patient: Patient) -> Verdict:
    supply = patient.supply
    if not isinstance(supply, E364xA):
        return _not_told(supply)
    if supply.tripped:
        return wrong(
            "the over-voltage crowbar has fired: it shorts the output, whatever else the supply says",
            "find what drove the voltage up, then clear the trip at the supply; the output comes back by itself",
        )
    return ok("not tripped")


def _settings(patient: Patient) -> Verdict:
    supply, wanted = patient.supply, patient.file.supply
    beyond = _beyond(supply, wanted.voltage, wanted.current_limit, wanted.over_voltage)
    if beyond:
        return wrong(*beyond)
    on, volts, amperes = supply.output, supply.voltage, supply.current_limit
    found = f"output {'on' if on else 'off'}, {volts:g} V, limit {amperes:g} A"
    if isinstance(supply, E364xA):
        found += f", range {supply.range}"
    if not on and wanted.output == "leave":
        return wrong(found, 'bench.toml says output = "leave": switch the board on, or write output = "on"')
    if not on:
        return ok(f"{found}; a capture sets {wanted.voltage:g} V and {wanted.current_limit:g} A")
    for name, has, should in (
        ("voltage", volts, wanted.voltage),
        ("current_limit", amperes, wanted.current_limit),
    ):
        if abs(has - should) > SETPOINT_STEP:
            return wrong(
                f"{found}; bench.toml says {name} = {should:g}",
                "set one of the two: nothing is changed under a running board",
            )
    return ok(f"{found}, as in bench.toml")


def _beyond(supply: Supply, voltage: float, current: float, over_voltage: float) -> tuple[str, str] | None:
    """What bench.toml asks for that this supply does not give, and what it does; None where all is well."""
    if not isinstance(supply, E364xA):
        return None
    if not any(voltage <= it.voltage and current <= it.current for it in supply.ranges):
        most = " or ".join(f"{it.voltage:g} V with {it.current:g} A" for it in supply.ranges)
        asked = f"bench.toml asks for {voltage:g} V with {current:g} A"
        return f"{asked}, and a {supply.model} gives up to {most}", "lower voltage or current_limit, or take another"
    if over_voltage > supply.ratings.over_voltage:
        highest = f"up to {supply.ratings.over_voltage:g} V"
        return f"over_voltage = {over_voltage:g} is beyond a {supply.model}", f"write {highest}"
    return None


def _not_told(supply: Supply) -> Verdict:
    return advice(f"the driver of a {supply.model} does not tell", "look at the supply")


def _protection(patient: Patient) -> Verdict:
    supply, wanted = patient.supply, patient.file.supply
    if not isinstance(supply, E364xA):
        return _not_told(supply)
    on, level = supply.over_voltage_on, supply.over_voltage
    found = f"{'on' if on else 'off'}, at {level:g} V"
    if not supply.output:
        later = f"; a capture sets {wanted.over_voltage:g} V before it switches on" if wanted.output == "on" else ""
        return ok(f"{found}{later}")
    if not on or level <= wanted.voltage:
        return wrong(
            f"{found}: it does not protect the board", f"switch it on at the supply, at {wanted.over_voltage:g} V"
        )
    if abs(level - wanted.over_voltage) > PROTECTION_STEP:
        return advice(f"{found}; bench.toml says {wanted.over_voltage:g} V", "set it at the supply")
    return ok(found)


def _board_on(patient: Patient) -> Verdict:
    if patient.supply.output:
        return ok("it was on already")
    if patient.file.supply.output != "on":
        return skipped('the board is off, and bench.toml does not say output = "on"')
    if not patient.power:
        return skipped("the board is off; --power switches it on for this, and off again")
    patient.power_on()
    return ok(f"switched on, {patient.file.supply.boot_time:g} s to boot; off again at the end")


def _regulation(patient: Patient) -> Verdict:
    supply = patient.supply
    reading, limit = supply.read(patient.clock), supply.current_limit
    regulation, current = reading.regulation, reading.current
    found = f"{regulation}, {current:.4g} A of {limit:g} A"
    if regulation == "CC":
        return wrong(
            f"{found}: the board wants more than the limit, and its voltage falls",
            "raise current_limit, or look for a short on the board",
        )
    if regulation != "CV":
        return wrong(f"{found}: the output is not regulated", "look at the supply; is it in order?")
    if current * HEADROOM > limit:
        return advice(found, "raise current_limit: there is little room for peaks")
    return ok(found)


def _readback(patient: Patient) -> Verdict:
    setting, reading = patient.supply.voltage, patient.supply.measured_voltage
    readback = patient.supply.limits()
    limit = (PROGRAMMING_GAIN_LIMIT + readback.voltage_gain_limit) * setting
    limit += PROGRAMMING_OFFSET_LIMIT + readback.voltage_offset_limit
    found = (
        f"set to {setting:.5g} V, reads {reading:.5g} V ({1e3 * (reading - setting):+.0f} mV of +-{1e3 * limit:.0f})"
    )
    if abs(reading - setting) > limit:
        return wrong(found, "are the sense leads on, the right way round, and does nothing else feed the board?")
    return ok(found)
