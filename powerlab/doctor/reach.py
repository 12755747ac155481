"""Checks that every instrument of a bench is there, is the right one, and answers in time."""

import importlib.util

from powerlab.asking import NO_MACHINE, Place, State, ask, ask_adapter, line_of
from powerlab.doctor.checks import Check, Verdict, advice, ok, skipped, wrong
from powerlab.doctor.patient import Patient
from powerlab_instruments.catalogue import driver_for, drivers, problems
from powerlab_instruments.errors import InstrumentError, NoAnswer, OutOfRange
from powerlab_instruments.identity import Identity
from powerlab_instruments.roles import ROLES, Player

ROUND_TRIPS = 5
SLOW = 0.2  # of the time-out, for one answer: from there on a slower one may miss it


def reach_checks() -> tuple[Check[Patient], ...]:
    """The bench file, the lines, the instruments."""
    return (
        Check("bench.toml", _consistent),
        Check("scope resource", lambda it: _resource(it, "scope")),
        Check("supply resource", lambda it: _resource(it, "supply")),
        Check("adapter", _adapter),
        Check("scope answers", lambda it: _answers(it, "scope"), needs=("scope resource",)),
        Check("supply answers", lambda it: _answers(it, "supply"), needs=("supply resource",)),
        Check("scope error queue", lambda it: _queue(it.scope), needs=("scope answers",)),
        Check("supply error queue", lambda it: _queue(it.supply), needs=("supply answers",)),
        Check("scope round trip", lambda it: _round_trip(it, it.scope), needs=("scope answers",)),
        Check("supply round trip", lambda it: _round_trip(it, it.supply), needs=("supply answers",)),
    )


def _consistent(patient: Patient) -> Verdict:
    patient.settle_probe()
    reach = max(abs(patient.screen.low), abs(patient.screen.high))
    if reach > patient.probe.peak_current:
        raise OutOfRange(
            f"a screen that reaches {reach:g} A is beyond the probe's {patient.probe.peak_current:g} A: "
            "lower full_scale and centre, or take fewer turns"
        )
    if patient.screen.low > 0 or patient.screen.high < 0:
        return wrong(f"0 A is not on the screen, {patient.screen}", "write a centre of at most half of full_scale")
    return ok(f"{patient.name}: {patient.probe.sensitivity:g} V/A, turns {patient.probe.turns}, {patient.screen}")


def _resource(patient: Patient, role: str) -> Verdict:
    """Whether the resource makes sense, and this machine has what it needs."""
    place = line_of(patient.file, role)
    if patient.file.visa_library == "@py" and place.adapter is None:
        for kind, modules, package in (("USB", ("usb",), "pyusb"), ("GPIB", ("gpib_ctypes", "gpib"), "gpib-ctypes")):
            if place.resource.upper().startswith(kind) and not any(map(importlib.util.find_spec, modules)):
                or_else = ", or write the adapter in front of it" if kind == "GPIB" and role == "supply" else ""
                return wrong(f"{place.resource} needs {package}", f"`python -m pip install {package}`{or_else}")
    if role == "supply" and patient.file.supply.adapter and all(not it.adapter for it in _places(patient)):
        return wrong(
            f"there is an adapter, and {place.resource} is not on GPIB",
            "leave supply.adapter out, or write GPIB0::5::INSTR",
        )
    return ok(place.resource + (f" behind {place.adapter}" if place.adapter else ""))


def _places(patient: Patient) -> list[Place]:
    return [line_of(patient.file, role) for role in ROLES]


def _adapter(patient: Patient) -> Verdict:
    role = next((it for it in ROLES if line_of(patient.file, it).adapter), None)
    if role is None:
        return skipped("there is none")
    try:
        patient.link(role)
    except NoAnswer as error:
        if error.resource != patient.file.supply.adapter:
            raise
        entry = ask_adapter(error.resource, patient.file.timeout)
        return wrong(f"{error.resource}: {entry.why or error}", entry.do or NO_MACHINE)
    return ok(f"{patient.file.supply.adapter} answers")


def _answers(patient: Patient, role: str) -> Verdict:
    place = line_of(patient.file, role)
    started = patient.clock.now()
    try:
        link = patient.link(role)
        answer = link.query("*IDN?")
    except InstrumentError as error:
        patient.hang_up(role)
        if place.adapter is not None:
            entry = ask_adapter(place.adapter, patient.file.timeout, place.resource)
        else:
            entry = ask(place, patient.file.timeout, patient.file.visa_library)
        if entry.state is State.ANSWERS:
            return wrong(f"{error}; asked once more, it did", "a longer timeout in bench.toml, or another line")
        held = f"; held by {', '.join(map(str, entry.holders))}" if entry.holders else ""
        return wrong(f"{place.resource}: {entry.why or error}{held}", entry.do or NO_MACHINE)
    took = (patient.clock.now() - started) * 1e-9
    identity = Identity.parse(answer)
    driver = driver_for(identity)
    if driver is None or driver.role != role:
        return _wrong_one(patient, role, identity)
    setattr(patient, role, driver(link, identity))
    found = f"{identity} after {took:.2g} s"
    if took > patient.file.timeout / 2:
        return advice(found, f"write a timeout above {3 * took:.0f} s in bench.toml: it has {patient.file.timeout:g} s")
    return ok(found)


def _wrong_one(patient: Patient, role: str, identity: Identity) -> Verdict:
    """What to say of an instrument that does not play this role."""
    who = f"{role}.resource {line_of(patient.file, role).resource} is a {identity.model} of {identity.maker}"
    driver = driver_for(identity)
    if driver is None:
        known = sorted({it.family for it in drivers().values() if it.role == role})
        return wrong(
            "; ".join([f"{who}, for which there is no driver", *problems()]),
            f"the {role} may be a {' or a '.join(known)}; look for it with `powerlab instruments`",
        )
    if driver.role in ROLES:
        return wrong(
            f"{who}: the {driver.role} answers where the {role} should",
            "scope and supply are swapped in bench.toml: exchange their resources",
        )
    return wrong(f"{who}, which is a {driver.role}", "look for the right one with `powerlab instruments`")


def _queue(instrument: Player) -> Verdict:
    entries = instrument.errors()
    if entries:
        return advice(
            f"it held {len(entries)}, now read: {'; '.join(entries)}", "another program, or its front panel, left them"
        )
    return ok("empty")


def _round_trip(patient: Patient, instrument: Player) -> Verdict:
    times = []
    for _ in range(ROUND_TRIPS):
        started = patient.clock.now()
        instrument.link.query("*IDN?")
        times.append((patient.clock.now() - started) * 1e-9)
    longest, limit = max(times), patient.file.timeout
    found = f"{sorted(times)[ROUND_TRIPS // 2] * 1e3:.3g} ms, at most {longest * 1e3:.3g} ms; timeout {limit:g} s"
    if longest > SLOW * limit:
        return advice(found, f"write a timeout above {longest / SLOW:.2g} s in bench.toml, or find what makes it slow")
    return ok(found)
