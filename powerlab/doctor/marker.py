"""Checks of the marker: can it be driven, does the right digital input follow, and does the scope trigger on it."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from powerlab.doctor.checks import Check, Verdict, advice, ok, skipped, wrong
from powerlab.doctor.patient import Patient
from powerlab_instruments.errors import AcquisitionError
from powerlab_instruments.waveform import Waveform

INPUTS = 8
TRIAL = 1.0  # s of the record in which the marker is raised once
RISE, FALL = 0.25, 0.55  # s after the trigger
LATE = 0.08  # s by which an edge may come late: the scope's answer, the host's scheduler
MOSTLY = 0.9  # of the time: what bounces or catches noise still counts
TRIGGER_TRIAL = 0.2  # s of the record that the marker is to trigger


class Behaviour(Enum):
    """What a digital input does while the marker is raised and dropped once."""

    FOLLOWS = "follows the marker"
    INVERTED = "follows it upside down"
    LOW = "stays low"
    HIGH = "stays high"
    OTHER = "does something else"


def marker_checks() -> tuple[Check[Patient], ...]:
    """All raise the marker."""
    return (
        Check("marker output", _output),
        Check("marker input", _input, needs=("marker output", "scope set-up")),
        Check("marker trigger", _trigger, needs=("marker input",)),
    )


@dataclass(frozen=True, slots=True)
class Pulse:
    """When the marker was high, in seconds after the trigger."""

    rise: float = RISE
    fall: float = FALL


def behaviours(pod: Waveform, pulse: Pulse) -> tuple[Behaviour, ...]:
    """What D0 to D7 do in a record with one pulse of the marker; an edge may be late by `LATE`."""
    pre = pod.preamble
    times = pre.x_origin + np.arange(len(pod.codes)) * pre.x_increment
    inside = (times > pulse.rise + LATE) & (times < pulse.fall)
    outside = (times < pulse.rise) | (times > pulse.fall + LATE)
    return tuple(_behaviour((pod.codes >> bit & 1).astype(np.bool_), inside, outside) for bit in range(INPUTS))


def _behaviour(levels: NDArray[np.bool_], inside: NDArray[np.bool_], outside: NDArray[np.bool_]) -> Behaviour:
    if not inside.any() or not outside.any():
        return Behaviour.OTHER
    during, otherwise = float(levels[inside].mean()), float(levels[outside].mean())
    known = {(0, 1): Behaviour.FOLLOWS, (1, 0): Behaviour.INVERTED, (0, 0): Behaviour.LOW, (1, 1): Behaviour.HIGH}
    settled = [level for level in (otherwise, during) if not 1 - MOSTLY < level < MOSTLY]
    return known[round(otherwise), round(during)] if len(settled) == 2 else Behaviour.OTHER


def judge_inputs(found: tuple[Behaviour, ...], bit: int, output: str, threshold: float) -> Verdict:
    """What the behaviour of the eight inputs says about the wire from `output` to input `bit`."""
    follow = [n for n, it in enumerate(found) if it is Behaviour.FOLLOWS]
    upside_down = [n for n, it in enumerate(found) if it is Behaviour.INVERTED]
    here = f"D{bit} {found[bit].value}"
    if bit in follow:
        others = [n for n in follow if n != bit]
        if others:
            also = ", ".join(f"D{n}" for n in others)
            return advice(f"{here}, and so does {also}", "is it wired to both, or does an open input pick it up?")
        return ok(here)
    if found[bit] is Behaviour.INVERTED:
        name = output.removesuffix("-inverted") if output.endswith("-inverted") else f"{output}-inverted"
        return wrong(f"{here}: high outside windows", f'write output = "{name}"')
    for others, word in ((follow, ""), (upside_down, " upside down")):
        if others:
            return wrong(
                f"{here}, and D{others[0]} follows the marker{word}",
                f'write input = "D{others[0]}" in bench.toml, or move the wire to D{bit}',
            )
    if found[bit] is Behaviour.OTHER:
        return wrong(
            f"{here}: it changes by itself",
            f"is its ground connected, and is {threshold:g} V the middle of the line's two levels?",
        )
    return wrong(
        f"{here}, and no other input follows {output}",
        f"is the wire on both ends, is ground connected, does the line cross {threshold:g} V?",
    )


def _output(patient: Patient) -> Verdict:
    output = patient.file.marker.output
    if output == "none":
        return skipped("there is none: windows are found in the current")
    if (dut := patient.file.dut) is not None and not output.startswith("wire:"):
        return skipped(f"it is on {dut.address}: see `powerlab dut check`")
    patient.raise_marker()
    return ok(f"{output} can be driven")


def _input(patient: Patient) -> Verdict:
    def pulse() -> None:
        patient.clock.sleep(RISE)
        patient.marker.high()
        patient.clock.sleep(FALL - RISE)
        patient.marker.low()

    marker = patient.file.marker
    if marker.bit is None:
        return skipped(f"{marker.input} records no marker" + ("" if marker.source is None else ", it only triggers"))
    pod = patient.record("POD1", TRIAL, pulse)
    return judge_inputs(behaviours(pod, Pulse()), marker.bit, marker.output, marker.threshold)


def _trigger(patient: Patient) -> Verdict:
    scope, marker = patient.scope, patient.file.marker
    if marker.source is None:
        return skipped("no marker reaches the scope: windows are found in the current")
    scope.arm(TRIGGER_TRIAL, patient.clock)
    patient.marker.high()
    patient.clock.sleep(TRIGGER_TRIAL)
    patient.marker.low()
    try:
        scope.wait(1.0, patient.clock)
    except AcquisitionError:
        return wrong(
            f"the scope did not trigger on the marker's rise at {marker.input}",
            f"does it cross {marker.threshold:g} V, is the trigger holdoff long, or is somebody at the front panel?",
        )
    if (bit := marker.bit) is None:
        return ok(f"the scope triggers on the rise of {marker.input}")
    pod = scope.fetch("POD1")
    levels = (pod.codes >> bit) & 1
    rise = int(np.argmax(levels))
    at = pod.preamble.x_origin + rise * pod.preamble.x_increment
    if not levels.any() or levels[0] or abs(at) > 0.05 * TRIGGER_TRIAL:
        return wrong(f"the record does not begin with the rise of D{bit}", "does something else trigger the scope?")
    return ok(f"the scope triggers on the rise of D{bit}")
