"""What must hold however a capture ends, and in a few words how it ended."""

import re
from collections.abc import Iterator

import numpy as np

from powerlab_traces.errors import PowerlabError
from powerlab_traces.record import Record
from powerlab_traces.run import Run
from powerlab_traces.trace import Trace
from tests.powerlab.ordeal import VOLTAGE, Ending

LONGEST = 300.0  # s of the bench's time that a run may take
NEXT_STEP = re.compile(r"\b(is it on|look|check|start again|start it again|set one|take|give|switch)\b", re.IGNORECASE)
MAY_VARY = {"time_range", "output"}  # settings that change while a run is recorded


def violations(ending: Ending, sound: Ending) -> list[str]:
    """Everything in an ending that no ending may have; `sound` is that of a capture without a fault."""
    return [*_of_message(ending), *_of_file(ending), *_of_safety(ending), *_of_numbers(ending, sound), *_left(ending)]


def _of_message(ending: Ending) -> Iterator[str]:
    """An error is for the user: one line, which instrument, what to do, where the records are."""
    if not ending.struck:
        yield "the fault never began"
    if ending.error is None:
        return
    if not isinstance(ending.error, PowerlabError):
        yield f"ends with {ending.error!r}"
    if "\n" in str(ending.error):
        yield "the message is no single line"
    if not any(name and name in ending.line for name in ending.roles):
        yield f"names no instrument: {ending.line}"
    if not NEXT_STEP.search(ending.line):
        yield f"no next step: {ending.line}"
    if ending.recorded and "what was recorded is in" not in ending.line:
        yield f"does not say where the records are: {ending.line}"


def _of_file(ending: Ending) -> Iterator[str]:
    """Every record that was acknowledged is in the file, bit for bit, with its windows; nothing is there twice."""
    if ending.run is None:
        if ending.recorded:
            yield "records are lost"
        return
    windows = ending.run.windows
    indices = [record.index for record in ending.run.records]
    if indices != [record.index for record, _ in ending.recorded]:
        yield f"the file has records {indices}, {[it.index for it, _ in ending.recorded]} were written"
        return
    for found, (record, its_windows) in zip(ending.run.records, ending.recorded, strict=True):
        if not same(found, record):
            yield f"record {record.index} is not what was written"
        if [it for it in windows if it.record == record.index] != list(its_windows):
            yield f"record {record.index} has other windows"
    if [(it.index, it.start, it.stop) for it in windows] != [(i, *span) for i, span in enumerate(ending.timed)]:
        yield f"{len(ending.timed)} windows were timed, {len(windows)} are in the file, or in another order"
    if ending.result is not None and len(ending.result.kept) + len(ending.result.dropped) != len(windows):
        yield "a window is neither kept nor dropped"


def same(one: Record, other: Record) -> bool:
    """Whether two records are the same, bit for bit."""
    pairs = ((one.current, other.current), (one.marker, other.marker))
    rest = ("kind", "armed", "fetched", "before", "after")
    return (
        all(a is b is None or (a is not None and b is not None and same_trace(a, b)) for a, b in pairs)
        and np.array_equal(one.clipped, other.clipped)
        and all(getattr(one, it) == getattr(other, it) for it in rest)
    )


def same_trace(one: Trace, other: Trace) -> bool:
    """Whether two traces are the same, bit for bit."""
    rest = ("interval", "unit", "start", "scale", "offset")
    return (
        one.codes.dtype == other.codes.dtype
        and np.array_equal(one.codes, other.codes)
        and all(getattr(one, it) == getattr(other, it) for it in rest)
    )


def _of_safety(ending: Ending) -> Iterator[str]:
    """What powerlab switched on is off again, or the user is told to look; what was on stays on."""
    yield from (f"the output was on with {found}" for found in sorted(set(ending.unsafe)))
    said = "may still be on" in ending.line
    if ending.was_on:
        if not ending.output:
            yield "a board that was on was switched off"
        if said:
            yield "speaks of an output that was not switched on here"
    elif ending.output and ending.reachable:
        yield f"the output stays on although the supply can be reached: {ending.line}"
    elif ending.output and not said:
        yield f"the output stays on and nobody says so: {ending.line}"
    elif said and ending.reachable:
        yield f"says that the output may be on when it is off: {ending.line}"
    strange = [message for message in ending.to_stranger if message != "*IDN?"]
    if strange:
        yield f"sent to a wrong instrument: {strange}"


def _of_numbers(ending: Ending, sound: Ending) -> Iterator[str]:
    """No wrong number: of a window that is kept, of a setting, of the supply."""
    if ending.seconds > LONGEST:
        yield f"took {ending.seconds:.0f} s of the bench's time"
    run, result = ending.run, ending.result
    if run is None or result is None:
        return
    for kept in result.kept if ending.truth else ():  # a bench that was killed tells nothing
        true = ending.truth[run.windows[kept.window.index].start]
        if abs(kept.energy - true) > 2 * result.energy_per_batch.U95:
            yield f"window {kept.window.index}: {kept.energy:.4g} J measured, {true:.4g} J drawn"
    yield from _of_readings(run, sound.run)


def _of_readings(run: Run, sound: Run) -> Iterator[str]:
    """An answer that was taken for the next one's shows in what was read back."""
    if run.provenance.instruments != sound.provenance.instruments:
        yield f"the instruments are {run.provenance.instruments}"
    for role, settings in run.provenance.settings.items():
        expected = sound.provenance.settings[role]
        wrong = {name: it for name, it in settings.items() if it != expected.get(name) and name not in MAY_VARY}
        if wrong:
            yield f"settings of the {role}: {wrong}"
    for record in run.records:
        for reading in (record.before, record.after):
            if reading.regulation == "CV" and abs(reading.voltage - VOLTAGE) > 0.05:
                yield f"record {record.index} has {reading}"


def _left(ending: Ending) -> Iterator[str]:
    """No thread, socket or file of ours is left."""
    yield from (f"left behind: {it}" for it in ending.left_behind)


UNAFFECTED, GOES_ON, ENDS = "not affected", "goes on", "ends"


def kind_of(outcome: str) -> str:
    """`UNAFFECTED`, `GOES_ON` or `ENDS`, with which every outcome begins."""
    return next(kind for kind in (UNAFFECTED, GOES_ON, ENDS) if outcome.startswith(kind))


def outcome(ending: Ending) -> str:
    """What happens: to the capture, to its windows, to the supply's output."""
    return "; ".join((_what(ending), _kept(ending), _output(ending)))


def _what(ending: Ending) -> str:
    if ending.error is not None:
        return f"{ENDS}: {_short(str(ending.error), ending)}"
    assert ending.run is not None
    assert ending.result is not None
    notes = [_short(it, ending) for it in ending.run.notes]
    said = [*ending.result.notes, *(it.text for it in ending.result.verdicts)]
    unused = [_short(it, ending) for it in said if "was not used" in it and it not in ending.run.notes]
    # The windows of a lost record are spoken of with it.
    reasons = [it.reason for it in ending.result.dropped if not any("was lost" in note for note in notes)]
    dropped = list(dict.fromkeys(_short(it, ending) for it in reasons))
    found = [*notes, *unused, *([f"windows are dropped: {'; '.join(dropped)}"] if dropped else [])]
    return f"{GOES_ON}: {'; '.join(found)}" if found else UNAFFECTED


def _kept(ending: Ending) -> str:
    if not ending.timed:
        return "no window had run"
    return f"{len(ending.result.kept) if ending.result else 0} of {len(ending.timed)} windows count"


def _output(ending: Ending) -> str:
    tripped = ", tripped" if ending.tripped else ""
    if ending.was_on:
        return f"output on, as before{tripped}"
    if ending.output:
        return "output left as it was, and said so"
    return f"output off{tripped}" if ending.ever_on else "output never on"


def _short(text: str, ending: Ending) -> str:
    """The first sentence, with roles for resource names and without what is in brackets."""
    for name, role in sorted(ending.roles.items(), key=lambda it: -len(it[0])):
        text = text.replace(name, role) if name else text
    text = re.sub(r"(?i)agilent technologies,([^,]+),[^,]+,[\w.-]+", r"\1", text)  # an identity: its model
    text = re.sub(r" (before|after) the record", " beside the record", text)
    return re.sub(r" \([^()]*\)", "", text).split(". ")[0].rstrip(".")
