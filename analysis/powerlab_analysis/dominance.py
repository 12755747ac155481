"""Which candidates are worth taking: those that no other beats at both ends."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from powerlab_analysis.measured import Measured

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Dominated(Generic[Name]):
    """`name` is beaten: `by` costs less, beyond the U95 of the difference, and is worth at least as much."""

    name: Name
    by: Name
    saved: Measured  # of the cost


def dominated(worth: Mapping[Name, float], cost: Mapping[Name, Measured]) -> tuple[Dominated[Name], ...]:
    """The candidates that are beaten, each by the cheapest that beats it. Errors in common cancel in the difference."""
    found = []
    for name in worth:
        better = []
        for other in worth:
            saved = cost[name] - cost[other]
            if other != name and worth[other] >= worth[name] and saved.value > saved.U95:
                better.append(Dominated(name, other, saved))
        if better:
            found.append(max(better, key=lambda it: it.saved.value))
    return tuple(found)
