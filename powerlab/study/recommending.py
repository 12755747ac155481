"""Which networks and batches meet what is asked for, and how surely."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from powerlab.study.points import Point
from powerlab_analysis.measured import Kind, Measured, Source

IMAGES: Final = 50_000  # of ImageNet's validation set, which a top-1 accuracy is taken to be of


class Limit(NamedTuple):
    """Something that may be asked for: what people call it, its unit, whether it is a minimum, and a point's value."""

    name: str
    unit: str
    least: bool
    of: Callable[[Point], Measured | None]


def _top1(point: Point) -> Measured | None:
    """In percent, with the standard deviation that the number of images leaves."""
    if point.top1 is None:
        return None
    deviation = math.sqrt(point.top1 * (100 - point.top1) / IMAGES)
    return Measured(point.top1, {Source("number of images", Kind.RANDOM): deviation})


# The latency of a batch is the time that the whole batch takes: its first image is there no sooner than its last.
LIMITS: Final[Mapping[str, Limit]] = MappingProxyType(
    {
        "max_latency": Limit("time per batch", "s", False, lambda it: it.of("time_per_batch")),
        "min_top1": Limit("top-1", "%", True, _top1),
        "max_energy": Limit("energy per image", "J", False, lambda it: it.of("energy_per_image")),
        "max_memory": Limit("maximum net memory", "B", False, lambda it: it.of("memory_peak")),
    }
)


class Meets(StrEnum):
    """Whether a point meets what is asked for."""

    QUALIFIES = "qualifies"
    UNDECIDED = "undecided"  # a limit lies within an interval, or a value is not known
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Held:
    """A value against a limit. `margin` is how far it is on the good side, in its U95; None where it is not known."""

    limit: float
    value: Measured | None
    margin: float | None

    @property
    def meets(self) -> Meets:
        """Only where the whole interval is on one side is it decided."""
        if self.margin is None or -1 < self.margin < 1:
            return Meets.UNDECIDED
        return Meets.QUALIFIES if self.margin > 0 else Meets.FAILS


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point and each limit that it was held against, by the limit's key."""

    point: Point
    held: Mapping[str, Held]

    @property
    def meets(self) -> Meets:
        """It fails if it fails anything, and qualifies if it qualifies for everything."""
        found = {it.meets for it in self.held.values()}
        if Meets.FAILS in found:
            return Meets.FAILS
        return Meets.UNDECIDED if Meets.UNDECIDED in found else Meets.QUALIFIES

    @property
    def closest(self) -> str:
        """The key of the limit that it is closest to, or that it is furthest beyond."""
        return min(self.held, key=lambda key: _order(self.held[key].margin))


def recommend(points: Sequence[Point], limits: Mapping[str, float]) -> tuple[Candidate, ...]:
    """Hold every measured point against limits, by their keys in `LIMITS`, in SI units and percent.

    Those that qualify come first, least energy per image first; then what is undecided, then what fails.
    """
    order = list(Meets)
    candidates = [_candidate(point, limits) for point in points if not point.missing]
    return tuple(sorted(candidates, key=lambda it: (order.index(it.meets), _energy(it.point))))


def those(candidates: Iterable[Candidate], meets: Meets) -> tuple[Candidate, ...]:
    """The candidates of one kind, in their order."""
    return tuple(it for it in candidates if it.meets is meets)


def _candidate(point: Point, limits: Mapping[str, float]) -> Candidate:
    return Candidate(point, {key: _held(LIMITS[key], limit, LIMITS[key].of(point)) for key, limit in limits.items()})


def _held(limit: Limit, bound: float, value: Measured | None) -> Held:
    if value is None:
        return Held(bound, None, None)
    spare = value.value - bound if limit.least else bound - value.value
    if value.U95:
        return Held(bound, value, spare / value.U95)
    return Held(bound, value, math.inf if spare >= 0 else -math.inf)


def _order(margin: float | None) -> float:
    return 0.0 if margin is None else margin


def _energy(point: Point) -> float:
    energy = point.of("energy_per_image")
    return math.inf if energy is None else energy.value
