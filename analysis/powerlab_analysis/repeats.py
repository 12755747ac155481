"""Several captures of the same work, each with a start of its own: their mean, and how they scatter around it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from powerlab_analysis.common import aligned, differing
from powerlab_analysis.measured import Kind, Measured, Source
from powerlab_analysis.protocols import PROTOCOLS, captures_verdict
from powerlab_analysis.quantity import Quantity
from powerlab_analysis.result import UNITS, BudgetTerm, Result, budget_of
from powerlab_analysis.statistics import Summary, summary
from powerlab_analysis.verdict import Verdict, worst_first
from powerlab_traces.errors import PowerlabError


class Unlike(PowerlabError):
    """These captures are not of the same work."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """Several captures together.

    `quantities` are the means of the captures, each weighing the same, and `captures` their summaries; `budgets` say
    where the uncertainty comes from. `quantities` lacks what one of the captures lacks. `verdicts` are those of all
    captures, each with the number of its capture from 1 on in `text`, and those on all of them together. `differing`
    names what of the bench is not the same.
    """

    results: tuple[Result, ...]
    quantities: Mapping[str, Quantity]
    budgets: Mapping[str, tuple[BudgetTerm, ...]]
    captures: Mapping[str, Summary]
    differing: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    def lower_bound(self, name: str) -> bool:
        """Whether this quantity is the least that it can be."""
        return any(it.lower_bound(name) for it in self.results)


def together(results: Sequence[Result]) -> Repeats:
    """The mean of several captures of the same work.

    Raises
    ------
    Unlike
        They are not of one model and batch, or there is only one.
    """
    if len(results) < 2:
        raise Unlike("one capture does not scatter; give two or more to analyse together")
    if len(kinds := sorted({f"{it.model} with batch {it.batch or 'varying'}" for it in results})) > 1:
        raise Unlike(f"these captures are of {' and of '.join(kinds)}; analyse those of the same work together")
    means = {
        name: mean(aligned(results, name, [str(k + 1) for k in range(len(results))]))
        for name in UNITS
        if all(name in it.measured for it in results)
    }
    return Repeats(
        results=tuple(results),
        quantities={name: it.quantity(UNITS[name]) for name, it in means.items()},
        budgets={name: budget_of(it) for name, it in means.items() if it.u},
        captures={name: summary([it.measured[name].value for it in results]) for name in means},
        differing=differing([it.setup for it in results]),
        verdicts=_verdicts(results),
    )


def mean(values: Sequence[Measured]) -> Measured:
    """The mean of one value from each capture, of two or more.

    What scatters within a capture makes the captures differ, too: the random parts of each give way to how the values
    scatter, s / sqrt(n) with n - 1 degrees of freedom (JCGM 100, 4.2.3), which holds what differs from start to start
    besides. What is a limit in each capture (the drift since its own zero) is kept all the same.
    """
    n = len(values)
    total = sum(values[1:], values[0]) / float(n)
    limits = {source: part for source, part in total.parts.items() if source.kind is not Kind.RANDOM}
    scatter = float(np.std([it.value for it in values], ddof=1)) / math.sqrt(n)
    return Measured(total.value, limits | {Source("spread over captures", Kind.RANDOM, n - 1): scatter})


def _verdicts(results: Sequence[Result]) -> tuple[Verdict, ...]:
    found = [
        replace(it, text=f"capture {k + 1}: {it.text}")
        for k, result in enumerate(results)
        for it in result.verdicts
        if it.name != "few-captures"
    ]
    protocol = PROTOCOLS[results[0].protocol]
    if len(results) < protocol.captures:
        found.append(captures_verdict(protocol, len(results)))
    return worst_first(found)
