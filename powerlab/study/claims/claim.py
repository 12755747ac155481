"""What the paper says, what a study says to it, and how sure either is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from powerlab_analysis.measured import Measured
from powerlab_analysis.quantity import Quantity

FEWEST_NETWORKS: Final = 5  # for a claim about networks in general
TOO_WIDE: Final = 0.5  # of the paper's number: an interval that reaches so far from its value cannot tell


class Answer(StrEnum):
    """What a study says to a claim; `UNTOLD` is never a guess."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNTOLD = "cannot tell"


class Evidence(StrEnum):
    """Where a statement of the paper is known from, best first; its PDF was not at hand."""

    FIGURE = "the authors' vector figures"
    ABSTRACT = "the paper's abstract page"
    SUMMARY = "a summary of the paper"
    NOTES = "course notes on the paper"
    RECALL = "recalled, not confirmed"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: what the paper states, its number and how that is known, our number, and the answer with its reason.

    `ours` and `paper` are for people; `numbers` are ours, by name, for programs.
    """

    name: str
    statement: str
    ours: str
    paper: str
    evidence: tuple[Evidence, ...]
    answer: Answer
    why: str
    numbers: Mapping[str, Quantity] = field(default_factory=dict)


def untold(name: str, statement: str, paper: str, evidence: Sequence[Evidence], why: str) -> Claim:
    """The claim to which the study says nothing."""
    return Claim(name, statement, "-", paper, tuple(evidence), Answer.UNTOLD, why)


def against(ours: Measured, low: float, high: float) -> Answer:
    """Hold our interval against the paper's number, which is known to lie from `low` to `high`.

    Intervals that meet agree, but for one of ours that is so wide that it would agree with nearly anything.
    """
    if TOO_WIDE * abs(low + high) / 2 < ours.U95:
        return Answer.UNTOLD
    return Answer.AGREES if ours.value - ours.U95 <= high and ours.value + ours.U95 >= low else Answer.DIFFERS


def reason(answer: Answer, paper: str) -> str:
    """Why `against` answers as it does."""
    return {
        Answer.AGREES: f"our interval reaches {paper}",
        Answer.DIFFERS: f"our interval does not reach {paper}",
        Answer.UNTOLD: f"our interval is wider than half of {paper}",
    }[answer]


def text(quantity: Quantity) -> str:
    """A quantity for people, without the blanks that a lacking unit leaves.

    >>> text(Quantity(2.68, 0.04, ""))
    '2.68 +- 0.04'
    """
    return " ".join(str(quantity).split())


def counted(count: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "network"), counted(3, "network")
    ('1 network', '3 networks')
    """
    return f"{count} {what}{'' if count == 1 else 's'}"
