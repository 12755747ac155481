"""Spectra of runs and of captures of other programs."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from powerlab.importing import open_import
from powerlab_analysis.passages import Extent, Grid, Material, Part, Passage, consecutive, material_of, work_rate
from powerlab_analysis.spectra import WANTED, Spectra, spectra
from powerlab_traces.errors import PowerlabError, TraceError
from powerlab_traces.importers import Imported, ImportOptions
from powerlab_traces.importers.imported import ForeignRecord, ForeignTrace, ForeignWindow, Role
from powerlab_traces.importers.outline import as_power, main_trace
from powerlab_traces.run import Run
from powerlab_traces.store import open_run
from powerlab_traces.store.kind import Kind, kind_of


def spectrum(
    source: str | os.PathLike[str] | Run | Imported,
    *,
    error: float = WANTED,
    records: range | None = None,
    options: ImportOptions | None = None,
) -> Spectra:
    """The spectra of a run's current while windows ran and while nothing did, their lines, and how slow a meter may be.

    `source` is a run, a capture of another program, or the file of either; `options` say what a foreign file leaves
    open. `records` takes in only records with these numbers. `error` is what a slower meter may make of a window's mean
    power, relative; see `Sampling`. One record is in memory at a time.

    Raises
    ------
    TraceError
        The file is missing, is no run file, or is damaged; no record has such a number; a trace is not evenly spaced;
        or nothing in it is long enough.
    PowerlabError
        `error` is no share between 0 and 1.
    """
    if not 0 < error < 1:
        raise PowerlabError(f"an error of {error:g} is none that can be asked for: give a share, such as 0.01 for 1 %")
    run = opened(source, options) if isinstance(source, str | os.PathLike) else source
    material = foreign_material(run, records) if isinstance(run, Imported) else material_of(run, records)
    return spectra(material, error)


def opened(path: str | os.PathLike[str], options: ImportOptions | None = None) -> Run | Imported:
    """What is in a file: a run, or a capture of another program."""
    where = Path(path)
    return open_run(where) if kind_of(where) is Kind.RUN else open_import(where, options)


def foreign_material(capture: Imported, numbers: range | None = None) -> Material:
    """The windows of a foreign capture, or its whole records where nobody said what its windows are.

    Of each record the current is taken, or the power, or what comes closest to it.

    Raises
    ------
    TraceError
        There is nothing to take, it is unevenly spaced, or two records have other units.
    """
    traces = {
        it.index: _trace(it) for it in capture.records if (numbers is None or it.index in numbers) and len(it.traces)
    }
    if not traces:
        what = (
            "there is no record with samples"
            if numbers is None
            else f"there is no record {numbers[0]} to {numbers[-1]}"
        )
        raise TraceError(f"no spectrum: {what}")
    units = {it.unit for it in traces.values()}
    if len(units) > 1:
        raise TraceError(f"the records are in {' and '.join(sorted(units))}: take those of one unit with --records")
    left_out: list[str] = []
    spans = {index: list(_spans(capture, index, trace, left_out)) for index, trace in traces.items()}

    grids = {index: Grid(it.interval) for index, it in traces.items() if it.interval is not None}

    def passages() -> Iterator[Passage]:
        for index, trace in traces.items():
            windows = [(it.index, it.start) for _, _, it in spans[index] if it is not None]
            parts = [(part, span) for part, span, _ in spans[index]]
            if parts:
                yield Passage(trace.values, grids[index], parts, trace.start, consecutive(windows))

    return Material(
        unit=units.pop(),
        extents=[
            Extent(part, span.stop - span.start, grids[index])
            for index, found in spans.items()
            for part, span, _ in found
        ],
        passages=passages,
        work=_work([window for found in spans.values() for _, _, window in found if window], capture.provenance.batch),
        left_out=left_out,
        notes=("how far the amplitudes can be trusted is not in the file: U95 is that of the noise alone",),
    )


def _trace(record: ForeignRecord) -> ForeignTrace:
    trace = record.trace(Role.CURRENT) or main_trace(record)
    assert trace is not None
    if trace.interval is None:
        raise TraceError(
            f"the samples of {trace.name!r} in record {record.index} are not evenly spaced: they have no spectrum"
        )
    return as_power(trace)


def _spans(
    capture: Imported, index: int, trace: ForeignTrace, left_out: list[str]
) -> Iterator[tuple[Part, slice, ForeignWindow | None]]:
    """The windows in a record, or all of it, as far as each sample was measured."""
    windows: Sequence[ForeignWindow | None] = [it for it in capture.windows if it.record == index]
    if not capture.windows:
        windows = [None]
    missing = np.flatnonzero(~np.isfinite(trace.values))
    for window in windows:
        span = slice(0, len(trace)) if window is None else trace.span_of(window.start, window.stop)
        name = f"record {index}" if window is None else f"window {window.index}"
        lost = int(np.searchsorted(missing, span.stop) - np.searchsorted(missing, span.start))
        if lost:
            left_out.append(f"{name} left out: {lost} of its samples were not measured")
        elif window is not None and not (
            trace.begin - trace.spacing <= window.start and window.stop <= trace.stop + trace.spacing
        ):
            left_out.append(f"{name} left out: record {index} does not cover it")
        elif span.stop > span.start:
            yield Part.RECORDS if window is None else Part.WINDOWS, span, window


def _work(windows: Sequence[ForeignWindow], batch: int | None) -> tuple[float, float] | None:
    known = [(it.images, it.duration) for it in windows if it.images]
    return work_rate(known, batch) if len(known) == len(windows) else None
