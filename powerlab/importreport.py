"""A capture of another program as people and programs read it: its energies, and what is in it."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from powerlab.importing import ImportedResult, analyse_import
from powerlab.importoptions import option_names
from powerlab.report import QUANTITIES, SCHEMA, Report, print_remarks
from powerlab.terminal import columns, pairs, printable, show
from powerlab_analysis.quantity import prefixed
from powerlab_traces.importers import ForeignTrace, Imported, ImportOptions, Rule, Statistic
from powerlab_traces.store.imported import StoredImport
from powerlab_traces.window import DroppedWindow

DIGITS: Final = 8  # as published results have
MOST_ROWS: Final = 60  # windows or traces listed one by one
UNITS: Final = {"time_per_batch": "s", "time_per_image": "s", "power_total": "W"}  # else J

RULES: Final = {
    Rule.SAMPLES: "samples with start <= t < stop, each power times interval",
    Rule.ADDED_UP: "samples with start <= t < stop, on times that are added up sample by sample",
    Rule.MEAN_POSITIVE: "mean of the samples above 0 W with start < t < stop, times stop - start",
}
STATISTICS: Final = {
    Statistic.RATIO: "all energy over all images",
    Statistic.MEDIAN: "median over the windows",
}
NO_U95: Final = "not known: the files do not say how far their numbers can be trusted"


def foreign_report(path: Path, options: Mapping[str, Any]) -> Report:
    """The report of a foreign or imported capture; what it leaves open besides is asked for on stderr.

    Raises
    ------
    TraceError
        See `analyse_import`.
    """
    result = analyse_import(path, ImportOptions(**options))
    for line in asks(result.capture):
        click.echo(line, err=True)
    return Report(bool(result.kept), lambda: result_object(result, path), lambda: print_result(result, path))


def result_object(result: ImportedResult, path: Path) -> dict[str, Any]:
    """The result as one JSON object, schema "powerlab.result/1" with `imported` true (docs/json.md)."""
    capture = result.capture
    return {
        "schema": SCHEMA,
        "file": str(path),
        "imported": True,
        "simulated": capture.provenance.simulated,
        "model": capture.provenance.model,
        "batch": result.batch,
        "sample_rate": _finite(result.sample_rate),
        "format": capture.format,
        "rule": capture.rule.value,
        "statistic": capture.statistic.value,
        "scenario": result.scenario or None,
        "published": result.published,
        "clock": capture.clock,
        "origin": capture.origin.isoformat() if capture.origin else None,
        "supply_voltage": capture.supply_voltage,
        "windows": {
            "kept": len(result.kept),
            "dropped": [{"index": it.index, "reason": it.reason} for it in result.dropped],
            "each": [
                {
                    "index": it.window.index,
                    "label": it.window.label,
                    "record": it.window.record,
                    "start": it.window.start,
                    "stop": it.window.stop,
                    "energy": it.energy,
                    "power": _finite(it.power),
                    "seconds": it.seconds,
                    "samples": it.samples,
                    "images": it.window.images,
                }
                for it in result.kept
            ],
        },
        **{name: _quantity(name, getattr(result, name, None)) for name in QUANTITIES},
        "budget": [],
        "sources": [{"name": it.name, "size": it.size, "sha256": it.sha256} for it in capture.sources],
        "unknown": [{"lacking": it.lacking.value, "why": it.why, "option": it.option} for it in capture.unknown],
        "notes": list(capture.notes),
    }


def print_result(result: ImportedResult, path: Path) -> None:
    """Print the result's table, what was dropped and why, and the notes."""
    capture = result.capture
    rows = [
        ("IMPORTED", f"{capture.format}: another program's numbers, summed up by its own rule"),
        ("model", capture.provenance.model),
        ("scenario", result.scenario),
        ("images a window", "vary, or not known" if result.batch is None else str(result.batch)),
        ("windows", f"{len(result.kept)} kept, {len(result.dropped)} dropped"),
    ]
    for name, heading in QUANTITIES.items():
        value = getattr(result, name, None)
        if value is not None:
            published = ", the published value" if name == result.published else ""
            rows.append((heading, prefixed(value, UNITS.get(name, "J"), DIGITS) + published))
    rows += [
        ("energy per image", "not known" if result.energy_per_image is None else ""),
        ("range over windows", _range(result) if len(result.kept) > 1 else ""),
        ("U95", NO_U95),
        ("rule", RULES[capture.rule]),
        ("over windows", STATISTICS[capture.statistic]),
        ("clock", capture.clock),
        ("sources", ", ".join(it.name for it in capture.sources)),
        ("file", str(path)),
    ]
    show(_filled(pairs(), (row for row in rows if row[1])))
    if len(result.kept) > 1:
        click.echo()
        show(_energies(result))
    print_remarks(
        (DroppedWindow(it.index, printable(it.reason)) for it in result.dropped), map(printable, capture.notes)
    )


def _energies(result: ImportedResult) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            str(it.window.index),
            it.window.label,
            f"{it.window.start:.9g} s",
            f"{it.window.stop:.9g} s",
            "not known" if it.window.images is None else str(it.window.images),
            prefixed(it.power, "W", DIGITS),
            prefixed(it.energy, "J", DIGITS),
            prefixed(it.energy / it.window.images, "J", DIGITS) if it.window.images else "not known",
        )
        for it in result.kept[:MOST_ROWS]
    ]
    if len(result.kept) > MOST_ROWS:
        rows.append(("...", f"{len(result.kept)} windows", *[""] * 6))
    numbers = ("start", "stop", "images", "power", "energy", "per image")
    return _filled(columns("window", "label", *numbers, right=numbers), rows)


def print_capture(capture: Imported, path: Path) -> None:
    """Print what is in a foreign capture: where it comes from, how it was set, its traces and windows."""
    about = capture.provenance
    rows = [("file", str(path)), ("IMPORTED", f"{capture.format}: another program's numbers")]
    if isinstance(capture, StoredImport):
        rows.append(("imported", f"{capture.imported} by {capture.imported_by}"))
        rows += [(option_names([name]), str(value)) for name, value in capture.options.items()]
    rows += [
        ("captured", about.created),
        ("model", about.model),
        ("clock", capture.clock),
        ("second 0 at", capture.origin.isoformat() if capture.origin else ""),
        ("supply voltage", prefixed(capture.supply_voltage, "V") if capture.supply_voltage else ""),
        ("rule", RULES[capture.rule]),
        ("over windows", STATISTICS[capture.statistic]),
        *((f"workload {name}", value) for name, value in about.workload.items()),
        *about.instruments.items(),
        *((f"{role} {name}", value) for role, values in about.settings.items() for name, value in values.items()),
        *(("source", f"{it.name}, {it.size} bytes, SHA-256 {it.sha256}") for it in capture.sources),
    ]
    show(_filled(pairs(), (row for row in rows if row[1])))
    click.echo()
    show(_traces(capture))
    if capture.windows:
        click.echo()
        show(_windows(capture))
    for line in asks(capture):
        click.echo(line)
    print_remarks((), map(printable, capture.notes))


def asks(capture: Imported) -> list[str]:
    """What a capture leaves open, a line each."""
    return [f"not known: {printable(str(it), None)}" for it in capture.unknown]


def _traces(capture: Imported) -> Table:
    found = [(record.index, trace) for record in capture.records for trace in record.traces]
    rows: list[tuple[str, ...]] = [
        (
            str(index),
            trace.name,
            trace.role.value,
            trace.unit,
            str(len(trace)),
            _rate(trace),
            f"{trace.begin:.6g} s",
            f"{trace.stop:.6g} s",
        )
        for index, trace in found[:MOST_ROWS]
    ]
    if len(found) > MOST_ROWS:
        rows.append(("...", f"{len(found)} traces in {len(capture.records)} records", *[""] * 6))
    numbers = ("samples", "rate", "from", "to")
    return _filled(columns("record", "trace", "role", "unit", *numbers, right=numbers), rows)


def _windows(capture: Imported) -> Table:
    rows = [
        (
            str(it.index),
            str(it.record),
            f"{it.start:.9g} s",
            f"{it.stop:.9g} s",
            "not known" if it.images is None else str(it.images),
            it.label,
        )
        for it in capture.windows[:MOST_ROWS]
    ]
    if len(capture.windows) > MOST_ROWS:
        rows.append(("...", "", "", f"{len(capture.windows)} windows", "", ""))
    numbers = ("start", "stop", "images")
    return _filled(columns("window", "record", *numbers, "label", right=numbers), rows)


def _filled(table: Table, rows: Iterable[tuple[str, ...]]) -> Table:
    """The table with these rows; their words come from foreign files."""
    for row in rows:
        table.add_row(*map(printable, row), style="bold" if row[0] == "IMPORTED" else None)
    return table


def _rate(trace: ForeignTrace) -> str:
    if not trace.spacing:
        return ""
    return f"{1 / trace.spacing:.6g} /s" + ("" if trace.interval is not None else ", uneven")


def _range(result: ImportedResult) -> str:
    """The least and largest window, an image where every window says how many it held."""
    counted = all(it.window.images for it in result.kept)
    values = [it.energy / (it.window.images or 1) if counted else it.energy for it in result.kept]
    least, largest = (prefixed(value, "J", DIGITS) for value in (min(values), max(values)))
    return f"{least} to {largest} {'per image' if counted else 'per batch'}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _quantity(name: str, value: float | None) -> dict[str, Any] | None:
    if _finite(value) is None:
        return None
    return {"value": value, "U95": None, "unit": UNITS.get(name, "J")}
