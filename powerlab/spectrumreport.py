"""Spectra as people and programs read them: tables on the terminal, one JSON object."""

import math
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from powerlab.report import quantity_object
from powerlab.terminal import columns, pairs, printable, show
from powerlab_analysis.density import NOISE_BANDWIDTH
from powerlab_analysis.lines import Line
from powerlab_analysis.passages import Part
from powerlab_analysis.peaks import FALSE_ALARM
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.repetition import Repetition
from powerlab_analysis.slowmeter import Errors, Needed, Sampling, SlowMeter
from powerlab_analysis.spectra import Spectra, Spectrum
from powerlab_traces.importers import Imported
from powerlab_traces.run import Run

SCHEMA: Final = "powerlab.spectrum/1"
MOST_HARMONICS: Final = 5  # on the terminal
NAMES: Final = {Part.WINDOWS: "windows", Part.IDLE: "idle", Part.RECORDS: "whole records"}


def spectra_object(found: Spectra, source: Run | Imported, path: Path) -> dict[str, Any]:
    """The spectra as one JSON object, schema "powerlab.spectrum/1" (docs/json.md)."""
    return {
        "schema": SCHEMA,
        "file": str(path),
        "imported": isinstance(source, Imported),
        "simulated": source.provenance.simulated,
        "model": source.provenance.model,
        "unit": found.unit,
        "false_alarm": FALSE_ALARM,
        "parts": {part.value: _part_object(it, found.unit) for part, it in found.parts.items()},
        "unknown": {part.value: why for part, why in found.unknown.items()},
        "repetition": None if found.repetition is None else _repetition_object(found.repetition, found.unit),
        "sampling": None if found.sampling is None else _sampling_object(found.sampling),
        "notes": list(found.notes),
    }


def print_spectra(found: Spectra, source: Run | Imported, path: Path) -> None:
    """Print what the spectra are of, their lines, what repeats with the windows, and how slow a meter may be."""
    table = pairs()
    if source.provenance.simulated:
        table.add_row("SIMULATED", "the current of this run is computed, not measured", style="bold")
    table.add_row("model", printable(source.provenance.model))
    for part, it in found.parts.items():
        table.add_row(NAMES[part], _about(it, found.unit))
    for part, why in found.unknown.items():
        table.add_row(NAMES[part], f"no spectrum: {why}")
    table.add_row("file", str(path))
    show(table)
    for part, it in found.parts.items():
        click.echo()
        _print_lines(part, it, found.unit)
    if found.repetition is not None:
        click.echo()
        _print_repetition(found.repetition, found.unit)
    if found.sampling is not None:
        click.echo()
        _print_sampling(found.sampling)
    for it in found.parts.values():
        highest = prefixed(1 / (2 * it.density.interval), "Hz")
        click.echo(
            f"note: {NAMES[it.part]}: what there is above {highest}, half the sample rate, is folded to below "
            f"it: a line at f may be one at {prefixed(1 / it.density.interval, 'Hz')} - f"
        )
        break
    for note in found.notes:
        click.echo(f"note: {printable(note)}")


def _about(spectrum: Spectrum, unit: str) -> str:
    density = spectrum.density
    lowest, highest = _searched(spectrum)
    return (
        f"{prefixed(density.rms, unit, 3)} rms of all frequencies; {density.segments} segments of "
        f"{prefixed(density.seconds, 's', 3)}, resolution {prefixed(NOISE_BANDWIDTH * density.spacing, 'Hz', 3)}; "
        f"lines looked for from {prefixed(lowest, 'Hz', 3)} to {prefixed(highest, 'Hz', 3)}"
    )


def _searched(spectrum: Spectrum) -> tuple[float, float]:
    """The lowest and highest frequency at which a line would have been found, in Hz; both 0 where none would."""
    looked_at = spectrum.density.frequencies[np.isfinite(spectrum.floor.threshold)]
    return (float(looked_at[0]), float(looked_at[-1])) if len(looked_at) else (0.0, 0.0)


def _print_lines(part: Part, spectrum: Spectrum, unit: str) -> None:
    if not spectrum.lines:
        click.echo(f"lines in {NAMES[part]}: none stands out of the noise")
        return
    right = ("above the floor",)
    table = columns(f"lines in {NAMES[part]}", "amplitude, rms", *right, "", right=right)
    for it in spectrum.lines:
        repeats = f"harmonic {it.harmonic} of the work's own rate" if it.harmonic else ""
        frequency, amplitude = it.frequency.quantity("Hz"), it.amplitude.quantity(unit)
        table.add_row(str(frequency), str(amplitude), f"{it.decibels:.1f} dB", repeats)
    show(table)


def _print_repetition(it: Repetition, unit: str) -> None:
    click.echo(
        f"the windows themselves repeat at {it.rate.quantity('Hz')} ({it.periods} periods, which scatter by "
        f"{prefixed(it.deviation, 's', 2)}); whole records hold at"
    )
    table = columns("harmonic", "frequency", "amplitude, rms", right=("harmonic",))
    for each in it.harmonics[:MOST_HARMONICS]:
        place = prefixed(each.number * it.rate.value, "Hz")
        table.add_row(str(each.number), place, str(each.amplitude.quantity(unit)))
    show(table)


def _print_sampling(sampling: Sampling) -> None:
    click.echo(
        f"error of a window's mean power at fewer readings, over {sampling.windows} windows and all phases "
        f"(recorded: {prefixed(sampling.recorded, 'Hz')})"
    )
    right = ("readings/s", "in a window", "samples: rms", "95 %", "in step", "means: rms", "95 % ")
    table = columns(*right, right=right)
    for it in sampling.meters:
        table.add_row(
            prefixed(it.rate, "Hz").removesuffix("Hz").strip(),
            f"{it.readings:.0f}" if it.readings >= 100 else f"{it.readings:.3g}",
            _percent(it.point.rms),
            _quantile(it.point),
            _percent(it.on_line) if it.on_line else "",
            _percent(it.boxcar.rms),
            _quantile(it.boxcar),
        )
    show(table)
    for what, needed in (("samples", sampling.point), ("means", sampling.boxcar)):
        said = f"not known: {needed.why}" if needed.rate is None else f"{prefixed(needed.rate, 'Hz')} and faster do"
        click.echo(f"for {sampling.wanted * 100:g} %, a meter that reads {what}: {said}")


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f"{share * 100:.2g} %"


def _quantile(errors: Errors) -> str:
    """The error that 95 % stay below; where windows go without a reading, how many."""
    if math.isinf(errors.quantile):
        return f"{errors.without:.0%} without"
    return _percent(errors.quantile)


def _part_object(spectrum: Spectrum, unit: str) -> dict[str, Any]:
    density = spectrum.density
    lowest, highest = _searched(spectrum)
    return {
        "sample_rate": 1 / density.interval,
        "segments": density.segments,
        "seconds": density.seconds,
        "resolution": NOISE_BANDWIDTH * density.spacing,
        "rms": density.rms,
        "lowest": lowest,
        "highest": highest,
        "lines": [_line_object(it, unit) for it in spectrum.lines],
    }


def _line_object(line: Line, unit: str) -> dict[str, Any]:
    return {
        "frequency": quantity_object(line.frequency.quantity("Hz")),
        "amplitude": quantity_object(line.amplitude.quantity(unit)),
        "above_floor": line.ratio,
        "harmonic": line.harmonic or None,
    }


def _repetition_object(it: Repetition, unit: str) -> dict[str, Any]:
    return {
        "rate": quantity_object(it.rate.quantity("Hz")),
        "periods": it.periods,
        "deviation": it.deviation,
        "harmonics": [
            {"number": each.number, "amplitude": quantity_object(each.amplitude.quantity(unit))}
            for each in it.harmonics
        ],
    }


def _sampling_object(it: Sampling) -> dict[str, Any]:
    return {
        "error": it.wanted,
        "recorded": it.recorded,
        "windows": it.windows,
        "unseen": it.unseen,
        "samples": _needed_object(it.point),
        "means": _needed_object(it.boxcar),
        "rates": [_meter_object(each) for each in it.meters],
    }


def _needed_object(it: Needed) -> dict[str, Any]:
    return {"rate": it.rate, "why": it.why or None}


def _meter_object(it: SlowMeter) -> dict[str, Any]:
    return {
        "rate": it.rate,
        "readings": it.readings,
        "in_step": it.on_line,
        "samples": _errors_object(it.point),
        "means": _errors_object(it.boxcar),
    }


def _errors_object(it: Errors) -> dict[str, Any]:
    known = {"rms": it.rms, "q95": it.quantile, "mean": it.mean, "without": it.without}
    return {name: value if math.isfinite(value) else None for name, value in known.items()}
