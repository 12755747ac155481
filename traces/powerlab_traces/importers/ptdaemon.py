"""MLPerf Power: PTDaemon's `spl.txt`, with LoadGen's `mlperf_log_detail.txt` for the span and the queries.

A line is `Time,<time>,Watts,<W>,Volts,<V>,Amps,<A>,PF,<factor>,Mark,<mark>`, about one a second; a multi-channel
analyser appends `Ch1,Watts,...` for each channel, and its total has no Volts, Amps and PF. -1 stands for no value.
Result, as the published checker computes it: mean of the samples above 0 W strictly between power_begin and power_end,
times that span, over the queries. PTDaemon's clock is that of the analyser's computer, LoadGen's that of the system
under test; both are UTC.
"""

import json
import math
from array import array
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from powerlab_traces.importers import loadgen
from powerlab_traces.importers.imported import (
    ForeignRecord,
    ForeignTrace,
    ForeignWindow,
    Imported,
    Lacking,
    Role,
    Rule,
    Unknown,
)
from powerlab_traces.importers.options import OF_ANY, ImportOptions
from powerlab_traces.importers.registry import Importer
from powerlab_traces.importers.source import ForeignFileError, Source, identified, lines_of, reading, refused
from powerlab_traces.importers.windows import completed
from powerlab_traces.run import Provenance

TIME, MARK, CHANNEL = "Time", "Mark", "Ch"
# Fields of a reading: how a trace of them is called, and its unit.
FIELDS = {"Watts": ("power", "W"), "Volts": ("voltage", "V"), "Amps": ("current", "A"), "PF": ("power factor", "")}
NO_VALUE = -1.0
SUMMARY = "mlperf_log_summary.txt"
LARGEST_SESSION = 64 << 20  # bytes of server.json
DEPTH = 4  # folders between spl.txt and the log of a run


@dataclass(slots=True)
class _Readings:
    """The columns of a log, as far as they were read."""

    origin: datetime | None = None
    times: "array[float]" = field(default_factory=lambda: array("d"))
    columns: dict[tuple[str, str], "array[float]"] = field(default_factory=dict)  # channel and field
    marks: dict[str, int] = field(default_factory=dict)


def recognises(source: Source) -> bool:
    """Whether a line near the start is a reading."""
    lines = (line.lstrip() for line in source.text.splitlines()[:200])
    return any(line.startswith(f"{TIME},") and ",Watts," in line for line in lines)


def read(path: Path, options: ImportOptions) -> Imported:
    """Read a power log with the LoadGen log beside it, or below it as the harness leaves it.

    Raises
    ------
    ForeignFileError
        A reading or an entry of the log is damaged, or several LoadGen logs lie below.
    """
    readings = _readings(path)
    if readings.origin is None:
        raise refused(path, "holds no reading")
    log_path = None if options.windows else _log_of(path)
    log = loadgen.read_log(log_path) if log_path else loadgen.LoadGenLog()
    windows: tuple[ForeignWindow, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    if log_path and loadgen.BEGIN in log.values:
        windows = (loadgen.window_of(log_path, log, readings.origin),)
    else:
        why = f"{path}: no {loadgen.NAME} with power_begin and power_end lies beside it"
        unknown = (Unknown(Lacking.WINDOWS, why, "--windows FILE"),)
    summary = path.with_name(SUMMARY)
    session = _session_of(path)
    return completed(
        Imported(
            format="MLPerf PTDaemon",
            records=(ForeignRecord(0, _traces(path, readings)),),
            windows=windows,
            provenance=Provenance(
                created=readings.origin.isoformat() + "Z",
                simulated=False,
                model=str(log.values.get("sut_name", "")),
                batch=None,
                marker_bit=None,
                instruments=_analyser(session) if session else {},
                settings={"ptdaemon": {"marks": ", ".join(mark for mark in readings.marks if mark)}},
                workload={key: str(value) for key, value in log.values.items()},
            ),
            sources=tuple(
                identified(each) for each in (path, log_path, summary if summary.is_file() else None, session) if each
            ),
            clock="that of the analyser's computer, UTC; the windows are on that of the system under test",
            origin=readings.origin,
            rule=Rule.MEAN_POSITIVE,
            unknown=unknown,
            notes=tuple(_notes(readings, log)),
        ),
        options,
        path,
    )


def _readings(path: Path) -> _Readings:
    found = _Readings()
    for number, line in lines_of(path):
        text = line.strip()
        if text.startswith(f"{TIME},"):
            _add(path, number, text.split(","), found)
    return found


def _add(path: Path, number: int, cells: list[str], found: _Readings) -> None:
    if len(cells) < 4 or cells[2] != "Watts":
        raise refused(path, f"line {number} is no reading (Time,...,Watts,...); if it was cut short, take it out")
    try:
        time = loadgen.parse_time(path, cells[1])
    except ForeignFileError as error:
        raise refused(path, f"line {number}: {cells[1][:40]!r} is no time like 08-03-2022 10:57:54.999") from error
    found.origin = found.origin or time
    row = len(found.times)
    found.times.append((time - found.origin).total_seconds())
    channel = ""
    place = 2
    while place < len(cells):
        name = cells[place].strip()
        if name.startswith(CHANNEL) and name[len(CHANNEL) :].isdecimal():
            channel, place = name, place + 1
            continue
        value = cells[place + 1].strip() if place + 1 < len(cells) else ""
        if name in FIELDS:
            column = found.columns.setdefault((channel, name), array("d"))
            column.extend([math.nan] * (row - len(column)))
            column.append(_value(path, number, name, value))
        elif name == MARK:
            found.marks[value] = found.marks.get(value, 0) + 1
        place += 2


def _value(path: Path, number: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise refused(
            path, f"line {number}: {text[:40]!r} is no number of {name}; if it was cut short, take it out"
        ) from None
    return math.nan if value == NO_VALUE else value


def _traces(path: Path, readings: _Readings) -> tuple[ForeignTrace, ...]:
    """The total's power is the power; all else is kept beside it."""
    times = np.frombuffer(readings.times, np.float64)
    # The checker takes the lines in any order and even twice; here they must be in order to be a trace.
    order = np.argsort(times, kind="stable")
    times = times[order]
    apart = np.append(True, np.diff(times) > 0)
    if not apart.all():
        # A second line of the same time is a second reading to the checker; it is moved by the least there is.
        times = _spread(times)
    if len(times) < 1:
        raise refused(path, "holds no reading")
    traces = []
    for (channel, name), values in readings.columns.items():
        values.extend([math.nan] * (len(times) - len(values)))
        word, unit = FIELDS[name]
        role = Role.POWER if not channel and name == "Watts" else Role.OTHER
        raw = np.frombuffer(values, np.float64)[order]
        if np.isfinite(raw).any() or role is Role.POWER:
            traces.append(ForeignTrace(f"{channel} {word}".strip(), role, unit, raw, times=times))
    return tuple(traces)


def _spread(times: np.ndarray) -> np.ndarray:
    spread = times.copy()
    for k in range(1, len(spread)):
        if spread[k] <= spread[k - 1]:
            spread[k] = np.nextafter(spread[k - 1], np.inf)
    return spread


def _log_of(path: Path) -> Path | None:
    """LoadGen's log: beside the power log, or the only one below it."""
    beside = path.with_name(loadgen.NAME)
    if beside.is_file():
        return beside
    level, found = [path.parent], []
    for _ in range(DEPTH):
        with reading(path):
            level = [each for folder in level for each in folder.iterdir() if each.is_dir() and not each.is_symlink()]
        found += [each / loadgen.NAME for each in level[:1000] if (each / loadgen.NAME).is_file()]
    if len(found) > 1:
        raise refused(
            path, f"{len(found)} files {loadgen.NAME} lie below it: give the one that belongs to it, --windows FILE"
        )
    return found[0] if found else None


def _session_of(path: Path) -> Path | None:
    """The session file of the power server: in `power/` beside the run or beside its folder."""
    places = (path.parent, path.parent / "power", path.parent.parent / "power")
    return next(
        (each / "server.json" for each in places if (each / "server.json").is_file()),
        None,
    )


def _analyser(path: Path) -> dict[str, str]:
    """What the analyser answered to `Identify`."""
    if path.stat().st_size > LARGEST_SESSION:
        return {}
    with reading(path):
        raw = path.read_bytes()
    try:
        session = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise refused(path, f"no session file: {str(error)[:80]}") from error
    messages = session.get("ptd_messages") if isinstance(session, dict) else None
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, dict) and message.get("cmd") == "Identify":
            return {"analyser": str(message.get("reply", ""))}
    return {}


def _notes(readings: _Readings, log: loadgen.LoadGenLog) -> list[str]:
    notes = []
    watts = readings.columns[("", "Watts")]
    missing = sum(1 for value in watts if not value > 0)
    if missing:
        notes.append(f"{missing} of {len(watts)} readings have no power above 0 W and do not count")
    if any(after <= before for before, after in pairwise(readings.times)):
        notes.append("readings are not in the order of their times")
    if len(readings.marks) > 1:
        notes.append(f"the log holds readings under {len(readings.marks)} marks")
    validity = log.values.get("result_validity")
    if validity not in {None, "VALID"}:
        notes.append(f"LoadGen calls its result {validity}")
    return notes


IMPORTER = Importer("ptdaemon", "MLPerf PTDaemon power log (spl.txt)", recognises, read, takes=OF_ANY)
