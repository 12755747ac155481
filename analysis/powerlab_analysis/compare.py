"""Two runs against each other: what differs, by how much, and whether that is more than it may be off by."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from powerlab_analysis.common import aligned, common_sources, differing
from powerlab_analysis.quantity import Quantity
from powerlab_analysis.result import UNITS, BudgetTerm, Result, budget_of


@dataclass(frozen=True, slots=True)
class Difference:
    """One quantity of two runs: `first`, `second`, second less first, and second over first (None if first is 0).

    `significant` says whether the difference is larger than its U95; None where a run only has a lower bound.
    `apart` is the U95 that the difference would have, had the runs no error in common. `common` are the sources that
    are the same in both, largest first, `budget` those of the difference.
    """

    name: str
    first: Quantity
    second: Quantity
    difference: Quantity
    ratio: Quantity | None
    significant: bool | None
    apart: float
    common: tuple[str, ...]
    budget: tuple[BudgetTerm, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The quantities that both runs have; why the others are not compared; what of the bench is not the same."""

    differences: tuple[Difference, ...]
    unknown: Mapping[str, str]
    differing: tuple[str, ...]


def compare(first: Result, second: Result) -> Comparison:
    """Compare two runs quantity by quantity, with the errors they share cancelled as far as they can."""
    unknown = {name: why for name in UNITS if (why := _unknown(first, second, name)) is not None}
    return Comparison(
        differences=tuple(_difference(first, second, name) for name in UNITS if name not in unknown),
        unknown=unknown,
        differing=differing([first.setup, second.setup]),
    )


def _difference(first: Result, second: Result, name: str) -> Difference:
    a, b = aligned([first, second], name, ["first", "second"])
    unit = UNITS[name]
    change = b - a
    alone, other, quantity = first.quantity(name), second.quantity(name), change.quantity(unit)
    assert alone is not None
    assert other is not None
    bound = first.lower_bound(name) or second.lower_bound(name)
    return Difference(
        name=name,
        first=alone,
        second=other,
        difference=quantity,
        ratio=(b / a).quantity("") if a.value else None,
        significant=None if bound else abs(quantity.value) > quantity.U95,
        apart=math.hypot(alone.U95, other.U95),
        common=common_sources([a, b]),
        budget=budget_of(change) if change.u else (),
    )


def _unknown(first: Result, second: Result, name: str) -> str | None:
    """Why a quantity cannot be compared."""
    for which, result in (("first", first), ("second", second)):
        if name not in result.measured:
            refusal = result.refusal(name)
            return f"the {which} run refuses it: {refusal.text}" if refusal else f"the {which} run does not know it"
    return None
