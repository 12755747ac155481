"""Windows of a capture that nobody marked: searched in its own trace."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from powerlab_analysis.changepoint import Found, find_windows
from powerlab_analysis.integral import Integral
from powerlab_analysis.quantity import prefixed
from powerlab_traces.errors import TraceError
from powerlab_traces.importers import Imported, ImportOptions, Lacking
from powerlab_traces.importers.imported import ForeignRecord, ForeignWindow
from powerlab_traces.importers.outline import main_trace
from powerlab_traces.importers.windows import completed


def with_windows_found(capture: Imported, options: ImportOptions, path: Path) -> Imported:
    """The capture with the windows that its traces show in place of any it had; notes say how far to trust them.

    Raises
    ------
    TraceError
        A record has no evenly spaced samples, or some that were not measured.
    """
    windows: list[ForeignWindow] = []
    notes: list[str] = []
    for record in capture.records:
        found = _search(record, path)
        notes += _said(record, found)
        windows += [
            ForeignWindow(it.start, it.stop, len(windows) + k, record.index) for k, it in enumerate(found.windows)
        ]
    known = tuple(it for it in capture.unknown if it.lacking is not Lacking.IMAGES)
    capture = replace(capture, windows=tuple(windows), unknown=known, notes=(*capture.notes, *notes))
    voltage = options.supply_voltage or capture.supply_voltage
    # No table and no line: what was found is not to be replaced, and is on the capture's own clock.
    return (
        completed(capture, ImportOptions(images=options.images, supply_voltage=voltage), path) if windows else capture
    )


def _search(record: ForeignRecord, path: Path) -> Found:
    trace = main_trace(record)
    if trace is None or trace.interval is None:
        raise TraceError(
            f"{path}: record {record.index} has no evenly spaced samples to find windows in: give --windows"
        )
    values = trace.values
    if missing := len(values) - int(np.isfinite(values).sum()):
        raise TraceError(
            f"{path}: {missing} samples of {trace.name!r} were not measured, so no windows can be found in it: "
            "give --windows"
        )
    return find_windows(Integral.over(values, trace.interval, trace.start))


def _said(record: ForeignRecord, found: Found) -> list[str]:
    """What the search says, a line each."""
    here = f"--find-windows, record {record.index}: "
    if not found.windows:
        return [here + found.reason]
    worst = max(max(it.start, it.stop) for it in found.edges)
    count = f"{len(found.windows)} window{'s' * (len(found.windows) > 1)}"
    lines = [f"{count} found, confidence {found.confidence:.0%}, edges to u = {prefixed(worst, 's')} or better"]
    return [here + line for line in (*lines, *(f"left out: {it}" for it in found.left_out))]
