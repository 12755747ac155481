"""Checks of the probe: its zero, and whether the scope sees the current that the supply gives.

The supply's own current reading is the reference: it is a few milliamperes sure. Compared are changes of current,
between the board off, idle and loaded, so that the offsets of probe and scope drop out; where there is no change to
compare, those offsets are all that can be allowed for.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from powerlab.doctor.checks import Check, Verdict, advice, ok, skipped, wrong
from powerlab.doctor.patient import Patient, Seen
from powerlab_instruments.channel import DIVISIONS
from powerlab_instruments.channel import GAIN_LIMIT as SCOPE_GAIN_LIMIT
from powerlab_instruments.errors import OutOfRange
from powerlab_instruments.probe import GAIN_LIMIT, LARGEST_ZERO, OFFSET_LIMIT, CurrentProbe1146B
from powerlab_instruments.screen import ABOVE, Screen, screens, smallest
from powerlab_instruments.supply import CURRENT_OFFSET_LIMIT

WIDER, WIDENINGS = 2.5, 4  # a screen on which the current clips becomes so much wider, so many times
LEAST_STEP = 0.03  # A by which the current must change for the change to be compared
BLIND = 0.03  # of the current; a probe that sees less than this is not on the lead
SWITCH = 10.0  # between the two positions of the probe's switch
MOST_TURNS = 20


@dataclass(frozen=True, slots=True)
class Slope:
    """How the scope's current goes with the supply's: 1 when all is right; `limit` is how far off 1 may be."""

    value: float
    limit: float
    step: float  # A, the change that was compared


def probe_checks() -> tuple[Check[Patient], ...]:
    """The current checks load the board as far as this machine can."""
    return (
        Check("probe current", _current, needs=("board on", "regulation", "scope record")),
        Check("screen", _screen, needs=("probe current",)),
    )


def zero_checks() -> tuple[Check[Patient], ...]:
    """While the board is off."""
    return (Check("probe zero", _zero, needs=("scope record", "supply answers")),)


def slope_of(seen: Sequence[Seen], probe: CurrentProbe1146B) -> Slope | None:
    """The slope between the two currents that lie farthest apart; None if those are too close to say."""
    low, high = min(seen, key=lambda it: it.supply), max(seen, key=lambda it: it.supply)
    step = high.supply - low.supply
    if step < LEAST_STEP:
        return None
    limit = (
        GAIN_LIMIT[probe.sensitivity]
        + SCOPE_GAIN_LIMIT
        + (low.unsteady + high.unsteady + 2 * CURRENT_OFFSET_LIMIT) / step
    )
    return Slope((high.scope - low.scope) / step, limit, step)


def explain(slope: Slope, probe: CurrentProbe1146B) -> Verdict:
    """What a slope says: right, the switch, the turns, the clamp the wrong way round, or not on the lead.

    Of several explanations that one is given which one slip of the hand brings about: the switch before the turns.
    """
    size = abs(slope.value)
    found = f"the scope sees {slope.value:.3g} times the change of {slope.step:.3g} A that the supply gives"
    if size < BLIND:
        return wrong(
            f"{found}: the probe is not on the lead, or not on at all",
            "close the clamp round one conductor alone (there and back together cancel), switch the probe on, "
            "and see that its battery is good",
        )
    turned = slope.value < 0
    causes = ["the clamp is the wrong way round"] if turned else []
    cures = ["turn the clamp round"] if turned else []
    if abs(size - 1) > slope.limit:
        cause, cure = _gain(size, slope.limit, probe)
        causes.append(cause)
        cures.append(cure)
    if causes:
        return wrong(f"{found}: {', and '.join(causes)}", "; ".join(cures))
    return ok(f"{found} (1 +- {slope.limit:.2g})")


def _gain(size: float, limit: float, probe: CurrentProbe1146B) -> tuple[str, str]:
    """The likeliest cause of a slope that is not 1, and its cure."""
    other = 0.01 if probe.sensitivity > 0.05 else 0.1
    turns = round(size * probe.turns)
    by_switch = abs(size * probe.sensitivity / other - 1) <= limit
    by_turns = 1 <= turns <= MOST_TURNS and turns != probe.turns and abs(size * probe.turns / turns - 1) <= limit
    in_turns = f"the lead goes {turns} times through the clamp, not {probe.turns}"
    if by_switch:
        also = f" (or {in_turns})" if by_turns else ""
        return (
            f"the probe's switch stands at {1e3 * other:g} mV/A{also}",
            f"put it to {1e3 * probe.sensitivity:g} mV/A, or write sensitivity = {other:g}",
        )
    if by_turns:
        return in_turns, f"write turns = {turns} in bench.toml"
    return (
        "neither its switch nor a number of turns explains that",
        "is the clamp shut, round one conductor, and is its battery good? does anything else feed the board?",
    )


def judge_offset(seen: Seen, limit: float) -> Verdict:
    """What one current alone says, when scope and supply may differ by `limit` (A)."""
    difference = seen.scope - seen.supply
    found = f"scope {seen.scope:.3g} A, supply {seen.supply:.3g} A"
    if abs(difference) > limit:
        return wrong(
            f"{found}: {abs(difference):.2g} A apart, more than offsets can be ({limit:.2g} A)",
            "compare the probe's switch and its turns with bench.toml, see that it is on the lead, and turn its "
            "thumbwheel with the board off",
        )
    if limit > seen.supply / 2:
        return advice(
            f"{found}: too little current to tell a wrong switch or wrong turns from an offset",
            "have the board work meanwhile, or switch it off and give --power",
        )
    return ok(found)


def _zero(patient: Patient) -> Verdict:
    if patient.supply.output:
        return skipped("the board is on")
    first = patient.screen
    try:
        (seen,) = _unclipped(patient, lambda: (patient.look(),))
        patient.zero = patient.screen, seen.scope
        likely = OFFSET_LIMIT / patient.probe.turns + patient.channel.offset_limit()
    finally:
        patient.show(first)
    found = f"{1e3 * seen.scope:+.1f} mA without current"
    cure = "turn the thumbwheel, shut the clamp, see that its battery is good"
    if seen.clipped or abs(seen.scope) > max(LARGEST_ZERO / patient.probe.turns, likely):
        return wrong(f"{found}: no offset of a 1146B; is there another current in the clamp?", cure)
    if abs(seen.scope) > likely:
        return advice(f"{found}, more than the +-{1e3 * likely:.0f} mA of probe and scope together", cure)
    if patient.zero[0] != first:
        reach = f"{seen.lowest:.3g} A to {seen.highest:.3g} A with its noise"
        return advice(
            f"{found}, {reach}: beyond the screen of {first}", "write a smaller centre or a larger full_scale"
        )
    return ok(f"{found} (up to +-{1e3 * likely:.0f} mA is usual)")


def _current(patient: Patient) -> Verdict:
    first = patient.screen
    try:
        seen = _unclipped(patient, lambda: (patient.look(), patient.look(loaded=True)))
        offset = patient.channel.offset_limit()
        known = patient.zero[1] if patient.zero and patient.zero[0] == patient.screen else None
    finally:
        patient.show(first)
    patient.seen = seen
    if any(it.clipped for it in seen):
        return wrong(
            f"{_shown(seen)}: it clips on the widest screen that the probe allows",
            "compare the probe's switch and its turns with bench.toml",
        )
    points = [*seen, *([] if known is None else [Seen(0.0, known, 0.0, known, known, clipped=False)])]
    slope = slope_of(points, patient.probe)
    if slope is not None:
        verdict = explain(slope, patient.probe)
        return Verdict(verdict.outcome, f"{_shown(seen)}; {verdict.found}", verdict.do)
    loaded = seen[-1]
    spare = OFFSET_LIMIT / patient.probe.turns + offset + CURRENT_OFFSET_LIMIT
    return judge_offset(loaded, spare + (GAIN_LIMIT[patient.probe.sensitivity] + SCOPE_GAIN_LIMIT) * loaded.supply)


def _shown(seen: Sequence[Seen]) -> str:
    return ", ".join(
        f"{name}: scope {it.scope:.3g} A, supply {it.supply:.3g} A"
        for name, it in zip(("idle", "loaded"), seen, strict=True)
    )


def _screen(patient: Patient) -> Verdict:
    """Whether what was just seen fits on the screen of bench.toml."""
    scope, probe, screen = patient.file.scope, patient.probe, patient.screen
    lowest = min(it.lowest for it in patient.seen)
    highest = max(it.highest for it in patient.seen)
    found = f"{lowest:.3g} A to {highest:.3g} A on a screen of {screen}"
    if scope.full_scale is None:
        return ok(f"{found}; a capture chooses its own")
    if screen.low <= min(lowest, 0) and highest <= screen.high - ABOVE * screen.full_scale / DIVISIONS:
        return ok(found)
    try:
        fitting = smallest(screens(probe, highest), 0.0, highest)
    except OutOfRange:
        fitting = None
    cure = f"write full_scale = {fitting.full_scale:.4g} and centre = {fitting.centre:.4g}, " if fitting else "write "
    cure += 'or full_scale = "auto" without centre'
    if not (screen.low <= lowest and highest <= screen.high):
        return wrong(f"{found}: it clips", cure)
    return advice(f"{found}: a network's peaks may clip", cure)


def _unclipped(patient: Patient, look: Callable[[], tuple[Seen, ...]]) -> tuple[Seen, ...]:
    """What is seen on the first screen on which nothing clips, else on the widest one; that screen stays."""
    for screen in _wider(patient.screen, patient.probe):
        patient.show(screen)
        seen = look()
        if not any(it.clipped for it in seen):
            break
    return seen


def _wider(screen: Screen, probe: CurrentProbe1146B) -> list[Screen]:
    """The screen, then ever wider ones that reach at most to the probe's largest current, both ways at last."""
    widths = itertools.accumulate(range(WIDENINGS), lambda width, _: width * WIDER, initial=1.0)
    wider = [Screen(screen.full_scale * it, screen.centre * it) for it in widths]
    inside = [it for it in wider if max(-it.low, it.high) <= probe.peak_current]
    return [*inside, Screen(2 * probe.peak_current, 0.0)]
