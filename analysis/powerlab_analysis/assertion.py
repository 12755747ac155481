"""A claim about a result, such as `energy_per_image < 1.5 J`, and whether the result bears it out.

    claim    := subject operator limit
    subject  := quantity [ .value | .U95 | .lower | .upper ] | windows | dropped | verdicts
    operator := < | <= | > | >=, and == for windows, dropped and verdicts
    limit    := number [unit or %] | none

A quantity by itself stands for its interval, value +- U95: the claim holds if all of the interval bears it out, fails
if all of it speaks against it, and is undecided in between.
"""

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from powerlab_analysis.quantity import PREFIXED_UNITS, PREFIXES, Quantity
from powerlab_analysis.result import UNITS, Result
from powerlab_traces.errors import PowerlabError

COUNTS: Final = ("windows", "dropped", "verdicts")
VALUE, U95, LOWER, UPPER = "value", "U95", "lower", "upper"
PARTS: Final = (VALUE, U95, LOWER, UPPER)
OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
SHAPE: Final = re.compile(
    r"\s*(?P<name>\w+)(?:\s*\.\s*(?P<part>\w+))?\s*(?P<operator><=|>=|==|=|!=|<|>)\s*"
    r"(?P<limit>none|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>%|[A-Za-z\u00b5\u03bc]+)?\s*"
)
EXAMPLE: Final = "'energy_per_image < 1.5 J'"


class AssertionSyntax(PowerlabError):
    """A claim that cannot be understood."""


class Outcome(StrEnum):
    """What became of a claim."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: `part` is "" where the quantity's interval is meant, `limit` in the quantity's unit or relative.

    With `relative` the limit is a share of the quantity's value.
    """

    text: str
    name: str
    part: str
    sign: str
    limit: float
    relative: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a claim, and why in a few words."""

    claim: Claim
    outcome: Outcome
    why: str


def parse(text: str) -> Claim:
    """Read a claim.

    Raises
    ------
    AssertionSyntax
        It is none: the message says what is wrong in it and what would be right.
    """
    match = SHAPE.fullmatch(text)
    if match is None:
        raise AssertionSyntax(f"{text!r} is no claim: write a quantity, <, <=, > or >=, a number and a unit, {EXAMPLE}")
    name, part, sign, limit, unit = (match[it] or "" for it in ("name", "part", "operator", "limit", "unit"))
    known = [*UNITS, *COUNTS]
    if name not in known:
        raise AssertionSyntax(f"{text!r}: no quantity is called {name!r}{_meant(name, known)}")
    if limit != "none" and math.isinf(float(limit)):
        raise AssertionSyntax(f"{text!r}: {limit} is too large to be meant")
    if sign not in OPERATORS:
        raise AssertionSyntax(f"{text!r}: {sign!r} is no operator; there are {', '.join(OPERATORS)}")
    if name in COUNTS:
        if part or unit:
            raise AssertionSyntax(
                f"{text!r}: {name} is a number and has no {'part' if part else 'unit'} {part or unit!r}"
            )
        return _of_count(text, name, sign, limit)
    return _of_quantity(text, name, part, sign, limit, unit=unit)


def judge(claim: Claim, result: Result) -> Answer:
    """Hold a claim against a result. What is not known, or only as a lower bound, is never taken for granted."""
    if claim.name in COUNTS:
        return _count(claim, result)
    quantity = result.quantity(claim.name)
    if quantity is None:
        refusal = result.refusal(claim.name)
        why = f"there is no {claim.name}: {refusal.text if refusal else 'the run does not hold what it needs'}"
        return Answer(claim, Outcome.UNDECIDED, why)
    if result.lower_bound(claim.name):
        return _bound(claim, quantity)
    low, high = _span(claim, quantity)
    return Answer(claim, _outcome(claim, low, high), f"{claim.name} is {quantity}")


def _of_quantity(text: str, name: str, part: str, sign: str, limit: str, *, unit: str) -> Claim:
    if part and part not in PARTS:
        raise AssertionSyntax(f"{text!r}: {name} has no part {part!r}{_meant(part, PARTS)}")
    if sign == "==":
        raise AssertionSyntax(f"{text!r}: a measured quantity equals nothing exactly; claim <, <=, > or >=")
    if limit == "none":
        raise AssertionSyntax(f"{text!r}: {name} is held against a number in {UNITS[name]}; only verdicts can be none")
    if unit == "%":
        if part != U95:
            raise AssertionSyntax(f"{text!r}: % is a share of the value, which only {name}.U95 is held against")
        return Claim(text, name, part, sign, float(limit) / 100, relative=True)
    return Claim(text, name, part, sign, float(limit) * _size(text, unit, UNITS[name]), relative=False)


def _of_count(text: str, name: str, sign: str, limit: str) -> Claim:
    if limit == "none" and (name == "windows" or sign != "=="):
        raise AssertionSyntax(f"{text!r}: write 'verdicts == none', or a number")
    return Claim(text, name, "", sign, 0.0 if limit == "none" else float(limit), relative=False)


def _size(text: str, unit: str, wanted: str) -> float:
    """How much one `unit` is in the wanted unit, which may carry a prefix."""
    prefixes = {prefix: 10.0**power for power, prefix in PREFIXES.items()} | {"\u00b5": 1e-6, "\u03bc": 1e-6}
    if unit.endswith(wanted) and (unit == wanted or wanted in PREFIXED_UNITS) and unit[: -len(wanted)] in prefixes:
        return prefixes[unit[: -len(wanted)]]
    said = f"{unit} is no unit of it" if unit else "a unit is missing"
    raise AssertionSyntax(f"{text!r}: {said}; write a number in {wanted}, for instance 500 m{wanted}")


def _meant(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"


def _count(claim: Claim, result: Result) -> Answer:
    names = [it.name for it in result.verdicts]
    value = {"windows": len(result.kept), "dropped": len(result.dropped), "verdicts": len(names)}[claim.name]
    holds = OPERATORS[claim.sign](value, claim.limit)
    why = f"{claim.name}: {value}" + (
        f" ({', '.join(dict.fromkeys(names))})" if claim.name == "verdicts" and names else ""
    )
    return Answer(claim, Outcome.HOLDS if holds else Outcome.FAILS, why)


def _span(claim: Claim, quantity: Quantity) -> tuple[float, float]:
    """The least and the largest that the claim's subject may be."""
    low, high = quantity.value - quantity.U95, quantity.value + quantity.U95
    share = quantity.U95 / abs(quantity.value) if quantity.value else math.inf
    exact = {VALUE: quantity.value, U95: share if claim.relative else quantity.U95, LOWER: low, UPPER: high}
    return (exact[claim.part], exact[claim.part]) if claim.part else (low, high)


def _bound(claim: Claim, quantity: Quantity) -> Answer:
    """Of a lower bound only its lower end is known, and that the quantity may be anything above."""
    low = quantity.value - quantity.U95
    why = f"{claim.name} is at least {quantity}"
    known = {"": (low, math.inf), VALUE: (low, math.inf), LOWER: (low, math.inf), UPPER: (low, math.inf)}
    span = known.get(claim.part)
    return Answer(claim, _outcome(claim, *span) if span else Outcome.UNDECIDED, why)


def _outcome(claim: Claim, low: float, high: float) -> Outcome:
    compare = OPERATORS[claim.sign]
    at_low, at_high = compare(low, claim.limit), compare(high, claim.limit)
    if at_low == at_high:
        return Outcome.HOLDS if at_low else Outcome.FAILS
    return Outcome.UNDECIDED
