"""The tables of a study: what was measured, and what follows from it for whoever has to choose."""

import math
from collections.abc import Sequence
from typing import Final

from powerlab.networks.published import published
from powerlab.study.claims.choice import beaten, needs
from powerlab.study.claims.time import speed_up
from powerlab.study.fits import accuracy_bound, densities, giga, parameter_megabytes, time_line, utilised
from powerlab.study.points import PUBLISHED, Point
from powerlab.study.selection import at_batch, models_of, networks_of, panel_batches
from powerlab.study.sheets import Cell, Column, Origin, Sheet, measured_or_simulated
from powerlab_analysis.carried import numbers
from powerlab_analysis.measured import Measured
from powerlab_analysis.spread import spread

FRAME_RATES: Final = (1.0, 2.0, 5.0, 10.0, 15.0, 24.0, 30.0, 60.0)  # Hz
BUDGETS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # J an image
TIMES: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # s an image
BEYOND: Final = "beyond the networks measured"
NEVER: Final = "not reachable"


def tables(points: Sequence[Point]) -> tuple[Sheet, ...]:
    """All tables of a study besides those behind its figures."""
    return (
        points_table(points),
        networks_table(points),
        speed_ups(points),
        utilisation(points),
        operations_budgets(points),
        time_ceilings(points),
        energy_ceilings(points),
        choices(points),
    )


def points_table(points: Sequence[Point]) -> Sheet:
    """Every point with what was measured there, or why nothing was."""
    origin = _origin(points)
    quantities = (
        ("time per batch", "s", "time_per_batch"),
        ("time per image", "s", "time_per_image"),
        ("net power", "W", "power_net"),
        ("total power", "W", "power_total"),
        ("idle power", "W", "power_idle"),
        ("energy per image", "J", "energy_per_image"),
        ("net energy per image", "J", "energy_per_image_net"),
        ("maximum net memory", "B", "memory_peak"),
    )
    heads = tuple(Column(name, unit, origin) for name, unit, _ in quantities)
    images = Column("images per joule", "per_J", origin)
    ends = (Column("repeats"), Column("verdicts"), Column("missing"))
    columns = (Column("network"), Column("batch"), *heads, images, *ends)
    rows = tuple(
        (
            it.label,
            it.batch,
            *(it.of(key) for *_, key in quantities),
            None if (energy := it.of("energy_per_image")) is None else 1 / energy,
            it.repeats,
            "; ".join(it.verdicts),
            it.missing,
        )
        for it in points
    )
    return Sheet("points", "All points", columns, rows)


def networks_table(points: Sequence[Point]) -> Sheet:
    """What is counted of each network, what is published of it, and which other beats it."""
    batch = max(panel_batches(points, "energy_per_image"), default=1)
    by = {it.name: it.by for it in beaten(points, batch)}
    density, paper = densities(points), published()
    columns = (
        Column("network"),
        Column("parameters", "millions", Origin.COMPUTED),
        Column("parameters", "millions", Origin.PUBLISHED),
        Column("parameters as FP32", "MB", Origin.COMPUTED),
        Column("operations", "giga", Origin.COMPUTED),
        Column("operations by the paper's rules", "giga", Origin.COMPUTED),
        Column("operations", "giga", Origin.PUBLISHED),
        Column("top-1", "percent", Origin.GIVEN),
        Column("top-1", "percent", Origin.PUBLISHED),
        Column("density", "percent_per_million", Origin.COMPUTED),
        Column(f"beaten at batch {batch} by"),
        Column("remark on what is published"),
    )
    rows: list[tuple[Cell, ...]] = []
    for it in networks_of(points):
        theirs = paper.get(it.model)
        rows.append(
            (
                it.label,
                None if it.parameters is None else it.parameters / 1e6,
                None if theirs is None else theirs.parameters_millions,
                parameter_megabytes(it) or None,
                giga(it) or None,
                None if it.flops_legacy is None else it.flops_legacy / 1e9,
                None if theirs is None else theirs.operations_giga,
                it.top1 if it.top1_source != PUBLISHED else None,
                None if theirs is None else theirs.top1_percent,
                density.get(it.model),
                by.get(it.label, ""),
                "" if theirs is None else theirs.notes,
            )
        )
    return Sheet("networks", "Networks: counted here, and published", columns, tuple(rows))


def speed_ups(points: Sequence[Point]) -> Sheet:
    """How many times faster an image is in the largest batch than in the smallest."""
    labels = {it.model: it.label for it in points}
    found = [(labels[model], speed_up(points, model)) for model in models_of(points)]
    rows = tuple((label, *it) for label, it in found if it is not None)
    columns = (
        Column("network"),
        Column("smallest batch"),
        Column("largest batch"),
        Column("speed-up per image", "", _origin(points)),
    )
    return Sheet("speed-up", "Speed-up per image from the smallest to the largest batch", columns, rows)


def utilisation(points: Sequence[Point]) -> Sheet:
    """From which batch on each network keeps the device busy, and what it draws there."""
    full = utilised(points)
    mean = float(numbers([it.power for it in full.values()]).mean()) if full else math.nan
    columns = (
        Column("network"),
        Column("full utilisation from batch"),
        Column("net power there", "W", _origin(points)),
        Column("less the mean", "percent", _origin(points)),
    )
    rows = tuple((it.point.label, it.point.batch, it.power, 100 * (it.power.value / mean - 1)) for it in full.values())
    return Sheet("utilisation", "Net power at full utilisation", columns, rows)


def operations_budgets(points: Sequence[Point]) -> Sheet:
    """How many operations a network may have to keep up with a frame rate, at the smallest batch of all."""
    batch = next(iter(panel_batches(points)), 1)
    line = time_line(points, batch)
    counts = [giga(it) for it in at_batch(points, batch, "time_per_image") if it.flops]
    rows: list[tuple[Cell, ...]] = []
    if line is not None and line.slope.value > 0:
        for rate in FRAME_RATES:
            budget = line.x_for(1 / rate)
            seen = min(counts) <= budget.value <= max(counts)
            note = "" if seen else BEYOND if budget.value > max(counts) else f"{BEYOND}, smaller"
            rows.append((rate, budget if seen else None, note if budget.value > 0 else NEVER))
    columns = (
        Column("frame rate", "Hz"),
        Column(f"operations of one image at batch {batch}", "giga", _origin(points)),
        Column("remark"),
    )
    return Sheet("operations-budget", "Operations that a frame rate allows", columns, tuple(rows))


def time_ceilings(points: Sequence[Point]) -> Sheet:
    """The upper bound of accuracy for a time per image: the bound in images per second, in its hyperbolic form."""
    return _ceilings(
        points,
        [(time, Measured(1 / time)) for time in TIMES],
        Column("time per image", "s"),
        "accuracy-in-time",
        "Accuracy that a time per image allows",
    )


def energy_ceilings(points: Sequence[Point]) -> Sheet:
    """The upper bound of accuracy for a net energy per image, with the mean net power at full utilisation."""
    found = spread([it.power for it in utilised(points).values()])
    powers = [] if found is None else [(energy, found.mean / energy) for energy in BUDGETS]
    return _ceilings(
        points,
        powers,
        Column("net energy per image", "J"),
        "accuracy-in-energy",
        "Accuracy that an energy budget allows, at constant power",
    )


def choices(points: Sequence[Point]) -> Sheet:
    """For each accuracy that may be asked for, the network of least energy, and the slowest."""
    batch = max(panel_batches(points, "energy_per_image"), default=1)
    origin = _origin(points)
    columns = (
        Column("top-1 at least", "percent"),
        Column("least energy"),
        Column("energy per image of the least", "J", origin),
        Column("slowest"),
        Column("energy per image of the slowest", "J", origin),
        Column("ratio", "", origin),
    )
    rows = tuple(
        (
            it.top1,
            it.least.label,
            it.least.measured["energy_per_image"],
            it.slowest.label,
            it.slowest.measured["energy_per_image"],
            it.ratio,
        )
        for it in needs(points, batch)
    )
    return Sheet("choices", f"Which network meets a need at batch {batch}", columns, rows)


def _ceilings(
    points: Sequence[Point], rates: Sequence[tuple[float, Measured]], head: Column, name: str, title: str
) -> Sheet:
    batch = max(panel_batches(points), default=1)
    bound = accuracy_bound(points, batch)
    seen = [rate.value for it in at_batch(points, batch, "throughput") if (rate := it.throughput) is not None]
    rows: list[tuple[Cell, ...]] = []
    if bound is not None:
        for given, rate in rates:
            inside = min(seen) <= rate.value <= max(seen)
            rows.append((given, bound.at(rate) if inside else None, "" if inside else BEYOND))
    columns = (head, Column(f"top-1 at most at batch {batch}", "percent", Origin.COMPUTED), Column("remark"))
    return Sheet(name, title, columns, tuple(rows))


def _origin(points: Sequence[Point]) -> Origin:
    return measured_or_simulated(simulated=any(it.simulated for it in points))
