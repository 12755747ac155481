"""A verdict on the data of a run: what is wrong with it, and what follows for its numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# What a verdict may concern: quantities of `result.UNITS`.
TIMES: Final = ("time_per_batch", "time_per_image")
TOTAL: Final = ("power_total", "energy_per_batch", "energy_per_image")
NET: Final = ("power_net", "energy_per_image_net")
IDLE: Final = ("power_idle", *NET)
ACTIVE: Final = (*TOTAL, *NET)
OF_CURRENT: Final = ("power_idle", *ACTIVE)
OF_WINDOWS: Final = (*TIMES, *ACTIVE)


class Effect(StrEnum):
    """What a verdict does to the quantities that it concerns."""

    REFUSE = "refuse"  # there is no number
    LOWER_BOUND = "lower bound"  # the number is the least that it can be
    FLAG = "flag"  # the number stands, and this is said beside it


@dataclass(frozen=True, slots=True)
class Verdict:
    """One finding. `text` is one sentence: what, where, its value, the limit, and what to do.

    `value` and `limit` are the same as numbers in `unit` ("" for a count or a share), None where the finding is no
    number. `quantities` are those it concerns (names as in `result.UNITS`), `windows` and `records` where it was seen.
    """

    name: str
    effect: Effect
    text: str
    quantities: tuple[str, ...] = ()
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    windows: tuple[int, ...] = ()
    records: tuple[int, ...] = ()


def worst_first(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Refusals, then lower bounds, then flags; otherwise in the order they come."""
    order = list(Effect)
    return tuple(sorted(verdicts, key=lambda it: order.index(it.effect)))


def numbers(indices: Iterable[int]) -> str:
    """Numbers of windows or records, runs of them shortened.

    >>> numbers([3, 0, 1, 2, 7])
    '0 to 3, 7'
    """
    spans: list[list[int]] = []
    for index in sorted(set(indices)):
        if spans and index == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], index]
        else:
            spans.append([index])
    return ", ".join(str(span[0]) if len(span) == 1 else f"{span[0]} to {span[1]}" for span in spans)
