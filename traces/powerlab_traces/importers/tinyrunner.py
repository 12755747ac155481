"""The MLPerf Tiny runner of 2025: `results.json` of an energy run.

A JSON list with an entry a trial: `infer.iterations`; `power.samples`, the energy of each millisecond in joules;
`power.timestamps`, pairs of a counter and the number of samples when the line fell. The last two timestamps of a trial
bound its inferences. Trials are recorded one after the other, each with samples counted from 0.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from powerlab_traces.importers.imported import (
    ForeignRecord,
    ForeignTrace,
    ForeignWindow,
    Imported,
    Role,
    Statistic,
)
from powerlab_traces.importers.options import OF_ANY, ImportOptions
from powerlab_traces.importers.registry import Importer
from powerlab_traces.importers.source import Source, identified, reading, refused
from powerlab_traces.importers.windows import completed
from powerlab_traces.run import Provenance

# The runner sets its energy monitor to this rate and does not write it down.
RATE = 1000.0
LARGEST = 1 << 30  # bytes; a trial of a minute is about 1 MB
COMPANIONS = ("results.txt", "log.txt")


def recognises(source: Source) -> bool:
    """Whether a file is a JSON list of trials."""
    text = source.text.lstrip()
    start = text[1:].lstrip()[:1] if text.startswith("[") else ""
    return start == "{" and any(f'"{key}"' in text for key in ("infer", "power"))


def read(path: Path, options: ImportOptions) -> Imported:
    """Read the trials of an energy run.

    Raises
    ------
    ForeignFileError
        The file is cut short or damaged, or of a run without power.
    """
    trials = _trials(path)
    records: list[ForeignRecord] = []
    windows: list[ForeignWindow] = []
    settings: dict[str, dict[str, str]] = {}
    notes: list[str] = []
    for k, trial in enumerate(trials):
        power = trial.get("power")
        if not isinstance(power, dict):
            notes.append(f"trial {k} has no power samples")
            continue
        records.append(ForeignRecord(k, (_trace(path, k, power),)))
        windows.append(_window(path, k, trial, power, len(windows)))
        settings[f"trial {k}"] = {
            key: str(value)
            for key, value in (("voltage", _volts(power)), ("file", trial.get("file")), ("mode", trial.get("mode")))
            if value
        }
    if not records:
        raise refused(path, "holds no power samples: it is of an accuracy or performance run, not of an energy run")
    beside = [path.with_name(name) for name in COMPANIONS if path.with_name(name).is_file()]
    return completed(
        Imported(
            format="MLPerf Tiny runner",
            records=tuple(records),
            windows=tuple(windows),
            provenance=Provenance("", simulated=False, model="", batch=None, marker_bit=None, settings=settings),
            sources=tuple(identified(each) for each in (path, *beside)),
            clock="the energy monitor's: seconds from the first sample of each trial",
            statistic=Statistic.MEDIAN,
            notes=(*notes, f"the file does not say its sample rate; the runner sets {RATE:g} samples per second"),
        ),
        options,
        path,
    )


def _trials(path: Path) -> list[dict[str, Any]]:
    if path.stat().st_size > LARGEST:
        raise refused(path, f"{path.stat().st_size} bytes are more than the results of a run")
    with reading(path):
        raw = path.read_bytes()
    try:
        trials = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise refused(path, f"no results in JSON, or cut short: {str(error)[:100]}") from error
    if not isinstance(trials, list) or not all(isinstance(trial, dict) for trial in trials):
        raise refused(path, "no list of trials in JSON")
    return trials


def _trace(path: Path, k: int, power: dict[str, Any]) -> ForeignTrace:
    samples = power.get("samples")
    if not isinstance(samples, list):
        raise refused(path, f"trial {k} has no list of samples")
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in samples):
        raise refused(path, f"trial {k} has samples that are no numbers")
    try:
        raw = np.array(samples, np.float64)
    except OverflowError as error:
        raise refused(path, f"trial {k} has a sample that is no energy") from error
    return ForeignTrace("energy", Role.ENERGY, "J", raw, interval=1.0 / RATE)


def _window(path: Path, k: int, trial: dict[str, Any], power: dict[str, Any], index: int) -> ForeignWindow:
    marks = power.get("timestamps")
    if not isinstance(marks, list) or len(marks) < 2:
        raise refused(path, f"trial {k} has fewer than the two timestamps that bound its inferences")
    counters, places = [], []
    for mark in marks:
        if not isinstance(mark, list) or len(mark) != 2:
            raise refused(path, f"trial {k}: timestamp {str(mark)[:40]} is no pair of counter and sample")
        counters.append(_count(path, k, mark[0]))
        places.append(_count(path, k, mark[1]))
    # The monitor counts with two digits; a gap in the count is a mark that was lost.
    if any((after - before) % 100 != 1 for before, after in pairwise(counters)):
        raise refused(
            path, f"trial {k}: the counters of its timestamps, {counters[:8]}, leave one out: a mark was lost"
        )
    if not places[-2] < places[-1]:
        raise refused(path, f"trial {k}: its inferences end at sample {places[-1]}, not after {places[-2]}")
    infer = trial.get("infer")
    images = infer.get("iterations") if isinstance(infer, dict) else None
    known = isinstance(images, int) and not isinstance(images, bool) and 0 < images < 1 << 53
    return ForeignWindow(places[-2] / RATE, places[-1] / RATE, index, k, images if known else None, f"trial {k}")


def _count(path: Path, k: int, value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not text.isdecimal() or len(text) > 15:
        raise refused(path, f"trial {k}: {text[:40]!r} in a timestamp is no count")
    return int(text)


def _volts(power: dict[str, Any]) -> str:
    voltage = power.get("voltage")
    return f"{voltage:g} V" if isinstance(voltage, int | float) and not isinstance(voltage, bool) else ""


IMPORTER = Importer("tinyrunner", "MLPerf Tiny runner results (results.json)", recognises, read, takes=OF_ANY)
