"""The lines that figures draw and claims are about, each from the points of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from powerlab.study.points import Point
from powerlab.study.selection import at_batch, by_batch, models_of, networks_of
from powerlab_analysis.hinge import Hinge, hinge
from powerlab_analysis.measured import Measured
from powerlab_analysis.plateau import full_utilisation
from powerlab_analysis.regression import Regression, regression
from powerlab_analysis.upperbound import UpperBound, upper_bound

BYTES_A_PARAMETER: Final = 4  # FP32, as the paper's networks
MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class Utilised:
    """A network where it keeps the device busy: the batch from which on it does, and its mean net power (W) there."""

    point: Point  # at that batch
    power: Measured


def memory_hinge(points: Sequence[Point], batch: int) -> Hinge | None:
    """Memory (MB) against the parameters' size (MB) at this batch."""
    known = [it for it in at_batch(points, batch, "memory_peak") if it.parameters]
    x = [parameter_megabytes(it) for it in known]
    return hinge(x, [it.memory_peak / MB for it in known if it.memory_peak is not None])


def time_line(points: Sequence[Point], batch: int) -> Regression | None:
    """Time per image (s) against operations (1e9) at this batch."""
    known = [it for it in at_batch(points, batch, "time_per_image") if it.flops]
    return regression([giga(it) for it in known], [it.measured["time_per_image"] for it in known])


def accuracy_bound(points: Sequence[Point], batch: int) -> UpperBound | None:
    """The upper bound of top-1 (percent) against images per second at this batch."""
    known = [it for it in at_batch(points, batch, "throughput") if it.top1 is not None]
    rates = [rate.value for it in known if (rate := it.throughput) is not None]
    return upper_bound(rates, [it.top1 for it in known if it.top1 is not None])


def utilised(points: Sequence[Point]) -> Mapping[str, Utilised]:
    """By model, the networks whose time per image reaches a plateau, and the mean net power on it."""
    found = {}
    for model in models_of(points):
        having = by_batch(points, model, "time_per_image")
        first = full_utilisation({batch: it.measured["time_per_image"] for batch, it in having.items()})
        powers = [power for batch, it in having.items() if first and batch >= first and (power := it.of("power_net"))]
        if first is not None and powers:
            found[model] = Utilised(having[first], sum(powers[1:], powers[0]) / float(len(powers)))
    return found


def giga(point: Point) -> float:
    """Operations of one image, in 1e9."""
    return (point.flops or 0.0) / 1e9


def parameter_megabytes(point: Point) -> float:
    """What the parameters take as FP32, in MB."""
    return (point.parameters or 0) * BYTES_A_PARAMETER / MB


def densities(points: Sequence[Point]) -> Mapping[str, float]:
    """By model, top-1 percent per million parameters, in ascending order."""
    found = {it.model: it.top1 / (it.parameters / 1e6) for it in networks_of(points) if it.top1 and it.parameters}
    return dict(sorted(found.items(), key=lambda it: it[1]))
