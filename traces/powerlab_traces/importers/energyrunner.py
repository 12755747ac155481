"""EEMBC EnergyRunner (MLPerf Tiny up to v1.2): `<base>-energy.bin`, `<base>-timestamps.json`, results.txt, log.txt.

The binary file: a byte 0xF1 (version), the sample rate (float32), then the energy in each sample in microjoules
(float32), little-endian. The timestamps are a JSON list of the marks' times in seconds of the same clock. The first
mark tests the line; then each window has one at its start and one at its end, and the runner calls it after the number
of its end mark, counted from 0.
"""

import json
import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from powerlab_traces.importers.imported import (
    ForeignRecord,
    ForeignTrace,
    ForeignWindow,
    Imported,
    Lacking,
    Role,
    Rule,
    Statistic,
    Unknown,
)
from powerlab_traces.importers.options import OF_ANY, ImportOptions
from powerlab_traces.importers.registry import Importer
from powerlab_traces.importers.source import Source, beside, identified, lines_of, mapped, reading, refused
from powerlab_traces.importers.windows import completed
from powerlab_traces.run import Provenance

VERSION = 0xF1
HEADER = struct.Struct("<Bf")
MICRO = 1e-6
FASTEST = 10e6  # samples per second; a higher rate is another file that happens to start with the version byte
MOST_MARKS = 100_000
LARGEST_MARKS = 4 << 20  # bytes
PRINTED = 2e-3  # relative; more than this between results.txt and the other files is a contradiction

WINDOW = re.compile(r"Energy data for window (\d+) at time ([\d.]+) for ([\d.]+) sec")
ENERGY = re.compile(r"\bEnergy\s*:\s*([\d.]+) uJ")
COUNT = re.compile(r"# Inferences\s*:\s*(\d+)")
PERFORMANCE = re.compile(r"Performance results for window (\d+)")
CONFIG = re.compile(r"m-bm-cfg-name\[[^\]]*\]-key\[([^\]]*)\]-val\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class _Printed:
    """What results.txt says of a window."""

    start: float
    seconds: float
    energy: float | None = None  # J
    images: int | None = None


def recognises(source: Source) -> bool:
    """Whether a file starts with the version and a plausible rate, and holds whole samples."""
    if len(source.head) < HEADER.size or source.head[0] != VERSION or (source.size - HEADER.size) % 4:
        return source.head[:1] == bytes([VERSION]) and source.path.name.endswith("-energy.bin")
    return 0 < float(HEADER.unpack_from(source.head)[1]) <= FASTEST


def read(path: Path, options: ImportOptions) -> Imported:
    """Read an energy file with the timestamps, results and log beside it.

    Raises
    ------
    ForeignFileError
        A file is cut short, damaged, or the timestamps and the results contradict each other.
    """
    size = path.stat().st_size
    with reading(path), path.open("rb") as file:
        head = file.read(HEADER.size)
    if len(head) < HEADER.size or (size - HEADER.size) % 4:
        raise refused(path, f"cut short: {size} bytes are no header of 5 and whole samples of 4; copy it again")
    rate = HEADER.unpack(head)[1]
    if not 0 < rate <= FASTEST:
        raise refused(path, f"its header says {rate:g} samples per second; it is damaged")
    count = (size - HEADER.size) // 4
    if not count:
        raise refused(path, "holds no sample")
    energy = ForeignTrace(
        name="energy",
        role=Role.ENERGY,
        unit="J",
        raw=mapped(path, "<f4", HEADER.size, count),
        interval=1.0 / rate,
        scale=MICRO,
    )
    base = re.sub(r"-?energy$", "", path.stem)
    marks_path = beside(path, f"{base}-timestamps.json", "timestamps.json")
    results_path, log_path = beside(path, "results.txt"), beside(path, "log.txt")
    settings = _settings(log_path) if log_path else {}
    printed = _printed(results_path) if results_path else {}
    windows: tuple[ForeignWindow, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    if marks_path:
        marks = _marks(marks_path)
        windows = _windows(marks_path, marks, printed, _images(settings))
    else:
        why = f"{path}: there is no {base}-timestamps.json beside it to say when the windows were"
        unknown = (Unknown(Lacking.WINDOWS, why, "--windows FILE"),)
    return completed(
        Imported(
            format="EnergyRunner",
            records=(ForeignRecord(0, (energy,)),),
            windows=windows,
            provenance=Provenance(
                created="",
                simulated=False,
                model=settings.get("model", base),
                batch=None,
                marker_bit=None,
                settings={"runner": settings} if settings else {},
            ),
            sources=tuple(identified(each) for each in (path, marks_path, results_path, log_path) if each),
            clock="the energy monitor's: seconds from its first sample",
            rule=Rule.ADDED_UP,
            statistic=Statistic.MEDIAN,
            unknown=unknown,
            notes=_contradictions(energy, windows, printed),
        ),
        options,
        path,
    )


def _marks(path: Path) -> list[float]:
    """The times of the marks in seconds, each after the one before."""
    if path.stat().st_size > LARGEST_MARKS:
        raise refused(path, f"{path.stat().st_size} bytes are no list of marks")
    with reading(path):
        raw = path.read_bytes()
    try:
        marks = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise refused(path, f"no list of times in JSON: {error}") from error
    if not isinstance(marks, list) or len(marks) > MOST_MARKS:
        raise refused(path, "no list of times in JSON")
    times: list[float] = []
    for k, mark in enumerate(marks):
        if isinstance(mark, bool) or not isinstance(mark, int | float) or not abs(mark) < math.inf:
            raise refused(path, f"mark {k} is {str(mark)[:40]!r}, not a time in seconds")
        if times and mark <= times[-1]:
            raise refused(path, f"mark {k} at {mark:g} s is not after mark {k - 1} at {times[-1]:g} s")
        times.append(float(mark))
    return times


def _windows(
    path: Path, marks: list[float], printed: dict[int, _Printed], images: int | None
) -> tuple[ForeignWindow, ...]:
    """Window k runs from mark k - 1 to mark k; k is what results.txt lists, else 2, 4, 6 and so on."""
    if printed:
        numbers = sorted(printed)
    elif len(marks) % 2:
        numbers = list(range(2, len(marks), 2))
    else:
        raise refused(
            path,
            f"{len(marks)} marks are not one test mark and two a window: give --windows FILE to say which are which",
        )
    windows: list[ForeignWindow] = []
    for k in numbers:
        if not 0 < k < len(marks):
            raise refused(path, f"results.txt lists window {k}, and there are {len(marks)} marks")
        each = printed.get(k)
        if each and abs(each.start - marks[k - 1]) > PRINTED * max(abs(marks[k - 1]), 5.0):
            raise refused(
                path,
                f"window {k} starts at mark {k - 1}, {marks[k - 1]:g} s, but results.txt says {each.start:g} s: "
                "they are not of one run",
            )
        count = (each.images if each else None) or images
        windows.append(ForeignWindow(marks[k - 1], marks[k], len(windows), 0, count, f"window {k}"))
    return tuple(windows)


def _printed(path: Path) -> dict[int, _Printed]:
    """The windows that results.txt lists, by their numbers."""
    found: dict[int, _Printed] = {}
    current: int | None = None
    for _, line in lines_of(path):
        if match := WINDOW.search(line):
            current = int(match[1][:9])
            found[current] = _Printed(_float(match[2]), _float(match[3]))
        elif match := PERFORMANCE.search(line):
            current = int(match[1][:9])
        elif current in found and current is not None:
            each = found[current]
            if each.energy is None and (match := ENERGY.search(line)):
                found[current] = _Printed(each.start, each.seconds, _float(match[1]) * MICRO, each.images)
            elif match := COUNT.search(line):
                found[current] = _Printed(each.start, each.seconds, each.energy, int(match[1][:12]) or None)
    return found


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # two points, as a damaged file may have
        return math.nan


def _settings(path: Path) -> dict[str, str]:
    """The benchmark's configuration, as the log has it."""
    return {match[1]: match[2] for _, line in lines_of(path) if (match := CONFIG.search(line))}


def _images(settings: dict[str, str]) -> int | None:
    text = settings.get("iterInfer", "")
    return int(text) or None if text.isdecimal() and len(text) < 12 else None


def _contradictions(
    energy: ForeignTrace, windows: tuple[ForeignWindow, ...], printed: dict[int, _Printed]
) -> tuple[str, ...]:
    """Windows whose energy results.txt prints otherwise than the samples sum up to."""
    notes = []
    for window in windows:
        each = printed.get(int(window.label.removeprefix("window ")))
        if each is None or each.energy is None:
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            summed = float(energy.block(energy.span_of(window.start, window.stop)).sum())
        if not abs(summed - each.energy) <= PRINTED * each.energy:
            notes.append(f"{window.label}: its samples hold {summed:.6g} J, but results.txt prints {each.energy:.6g} J")
    return tuple(notes)


IMPORTER = Importer("energyrunner", "EnergyRunner energy trace (-energy.bin)", recognises, read, takes=OF_ANY)
