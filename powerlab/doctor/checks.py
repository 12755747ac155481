"""A check and its verdict, and how a list of checks is gone through."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from powerlab_traces.errors import PowerlabError

Subject = TypeVar("Subject")


class Outcome(StrEnum):
    """What a check came to. Advice is no fault: the bench works, and could do better."""

    OK = "ok"
    ADVICE = "advice"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, and what to do about it."""

    outcome: Outcome
    found: str
    do: str = ""


def ok(found: str) -> Verdict:
    """All is well."""
    return Verdict(Outcome.OK, found)


def advice(found: str, do: str) -> Verdict:
    """It works, and could do better."""
    return Verdict(Outcome.ADVICE, found, do)


def wrong(found: str, do: str = "") -> Verdict:
    """It is wrong; an error's own text may say what to do."""
    return Verdict(Outcome.WRONG, found, do)


def skipped(why: str) -> Verdict:
    """It could not be looked at, or does not apply here."""
    return Verdict(Outcome.SKIPPED, why)


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """One thing to look at. It is skipped unless every check it `needs` was well."""

    name: str
    look: Callable[[Subject], Verdict]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's name and its verdict."""

    name: str
    verdict: Verdict


def examine(
    checks: Sequence[Check[Subject]], subject: Subject, begins: Callable[[str], None] = lambda _: None
) -> Iterator[Finding]:
    """Go through the checks in order, yielding each finding when it is there; `begins` hears each name before.

    A check that raises a `PowerlabError` is wrong, and the error's text is what it found.
    """
    came_to: dict[str, Outcome] = {}
    for check in checks:
        lacking = next((it for it in check.needs if came_to[it] in (Outcome.WRONG, Outcome.SKIPPED)), None)
        if lacking is not None:
            why = "is wrong" if came_to[lacking] is Outcome.WRONG else "was skipped"
            verdict = skipped(f"{lacking!r} {why}")
        else:
            begins(check.name)
            try:
                verdict = check.look(subject)
            except PowerlabError as error:
                verdict = wrong(_one_line(error))
        came_to[check.name] = verdict.outcome
        yield Finding(check.name, verdict)


def _one_line(error: PowerlabError) -> str:
    return " ".join("; ".join([str(error), *getattr(error, "__notes__", [])]).split())
