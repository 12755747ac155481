"""The set-up print `<base>.txt` that an InfiniiVision scope saves beside a waveform, and how far to believe it."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from powerlab_traces.importers.imported import ForeignTrace
from powerlab_traces.importers.source import Source, beside, lines_of

SECTIONS = ("ANALOG", "EXT TRIG", "TRIGGER", "HORIZONTAL", "ACQUISITION", "MEASUREMENTS", "DIGITAL", "MATH")
LARGEST = 1 << 16  # bytes; a set-up print is about 600
# A full-scale channel is 8 divisions, which the converter cuts into 199 steps (five real files).
DIVISIONS, STEPS = 8, 199
# Fewer distinct values than this may by chance be many steps apart.
ENOUGH_LEVELS = 16
MOST_SAMPLES = 1 << 20  # of a channel that are looked at to find its step
# A step this many times the print's is no step of an 8-bit converter at that scale. Finer steps may come from a better
# converter, unless they are finer by just a probe's factor.
COARSER = 1.25
PROBE_FACTORS = (10.0, 100.0, 1000.0)
NEAR = 0.05

FIELD = re.compile(r"(.+?)\s+(\S+ : 1|\S+ Ohm|Ch \d+|\S+)")
CURRENT_VALUE = "Cur"
PREFIX = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}


def find_setup(path: Path) -> Path | None:
    """The set-up print beside a saved waveform: the same base name, or that without `_<channel>`."""
    for stem in dict.fromkeys((path.stem, re.sub(r"_[^_]*$", "", path.stem))):
        found = beside(path, stem + ".txt")
        if found and found.stat().st_size <= LARGEST and _is_print(Source.at(found).text):
            return found
    return None


def read_setup(path: Path) -> dict[str, dict[str, str]]:
    """Sections of a print, each field as `name -> value` in the scope's words; channels are sections of their own.

    >>> dict(_fields("Scale 2.00V/, Pos -4.0V, Coup AC"))
    {'Scale': '2.00V/', 'Pos': '-4.0V', 'Coup': 'AC'}
    """
    found: dict[str, dict[str, str]] = {}
    section, place = "", ""
    for _, line in lines_of(path):
        text = line.strip()
        if text.upper() in SECTIONS:
            section = place = text.lower()
        elif channel := re.match(r"(Ch \d+|Ext|Pod \d+|Math\S*)\s+(.*)", text):
            place = channel[1].lower().replace("ch ", "channel ")
            found.setdefault(place, {}).update(_fields(channel[2]))
        elif section == "measurements":
            found.setdefault(section, {}).update(_measurement(text))
        elif text and section:
            found.setdefault(place if line[:1].isspace() else section, {}).update(_fields(text))
    return found


def mistrusted(traces: tuple[ForeignTrace, ...], setup: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Channels whose stored steps are not what the print says, and how so.

    The print's probe factor is known to be stale at times: a file was seen whose steps are ten times what its print's
    scale and probe of 1 : 1 give. Averaged and high-resolution samples have finer steps and are not judged.
    """
    found: dict[str, str] = {}
    if setup.get("acquisition", {}).get("Mode", "Normal") != "Normal":
        return found
    for trace in traces:
        scale = _number(setup.get(f"channel {trace.name}", {}).get("Scale", ""))
        step = _step(trace)
        if scale is None or scale <= 0 or step is None:
            continue
        expected = scale * DIVISIONS / STEPS
        if step > COARSER * expected or any(abs(step * factor / expected - 1) < NEAR for factor in PROBE_FACTORS):
            found[trace.name] = (
                f"channel {trace.name!r} has steps of {step:.4g} {trace.unit}, where the set-up print's "
                f"{scale:g} {trace.unit}/div gives {expected:.4g}: its probe factor cannot be trusted"
            )
    return found


def _is_print(text: str) -> bool:
    return any(line.strip().upper() in SECTIONS for line in text.splitlines()[:3])


def _fields(text: str) -> list[tuple[str, str]]:
    """`Name value` pairs between commas; a value is the last word, with what belongs to it."""
    matches = (FIELD.fullmatch(part.strip()) for part in text.split(", "))
    return [(match[1], match[2]) for match in matches if match]


def _measurement(text: str) -> list[tuple[str, str]]:
    """`Name(source), Cur value, Mean value...`: the current value goes by the measurement's name alone."""
    name, _, rest = text.partition(", ")
    return [(name if field == CURRENT_VALUE else f"{name} {field}", value) for field, value in _fields(rest)]


def _number(text: str) -> float | None:
    match = re.match(r"([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*([numk]?)[VAW]", text)
    try:
        return float(match[1]) * PREFIX[match[2]] if match else None
    except ValueError:
        return None


def _step(trace: ForeignTrace) -> float | None:
    """The smallest difference between two values of a trace; None where there are too few to tell."""
    values = trace.block(slice(0, min(len(trace), MOST_SAMPLES)))
    levels = np.unique(values[np.isfinite(values)])
    if len(levels) < ENOUGH_LEVELS:
        return None
    differences = np.diff(levels)
    # Two values that are equal but for float32 rounding are one level.
    differences = differences[differences > 1e-3 * differences.max()]
    return float(differences.min())
