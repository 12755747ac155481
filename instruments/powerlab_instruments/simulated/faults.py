"""Faults to inject, at a chosen message of a conversation with the simulated bench.

None is planned by default, and then a message costs one look at an empty list.
"""

import math
import re
import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from powerlab_traces.errors import PowerlabError

GARBAGE = b"\x00\xfe~?#\x1b9\n"

# What each kind does, from the message that it begins with on.
KINDS = {
    "silent": "messages are not even processed",
    "late": "the answer comes `seconds` later, of the host",
    "garbage": "the answer is bytes that mean nothing",
    "short": "the answer is cut in the middle and has no end",
    "drop": "the instrument's connections are closed",
    "refuse": "they are closed, and new ones are refused for `seconds`",
    "lock": "another client holds the scope's VXI-11 lock for `seconds`",
    "ovp": "the supply's crowbar fires",
    "cc": "the board wants more than the supply gives, for `seconds`",
}
_ACTS = ("drop", "refuse", "lock", "ovp", "cc")  # once, when it begins


class FaultTextError(PowerlabError):
    """The text of a fault cannot be understood."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: `kind` is one of `KINDS`.

    It begins with the `nth` message to `instrument` (`scope` or `supply`) in which the regular expression `at` is
    found, in any case, and spoils that message and the `times - 1` that follow it; a `times` of 0 spoils all of them.
    `seconds` are the bench's where `KINDS` does not say otherwise; infinite is for good.
    """

    instrument: str
    kind: str
    at: str = ""
    nth: int = 1
    times: int = 1
    seconds: float = math.inf

    @classmethod
    def parse(cls, text: str) -> Self:
        r"""A fault of words like `scope silent at=:WAV:DATA nth=2 times=0`; FaultTextError if it is none.

        >>> Fault.parse("supply garbage at='MEAS:VOLT' times=3")
        Fault(instrument='supply', kind='garbage', at='MEAS:VOLT', nth=1, times=3, seconds=inf)
        """
        try:
            instrument, kind, *rest = shlex.split(text)
            words = dict(word.split("=", 1) for word in rest)
            re.compile(words.get("at", ""))
            fault = cls(
                instrument,
                kind,
                words.pop("at", ""),
                int(words.pop("nth", "1")),
                int(words.pop("times", "1")),
                float(words.pop("seconds", "inf")),
            )
        except (ValueError, re.error) as error:
            raise FaultTextError(f"fault {text!r}: {error}; write it like 'scope silent at=:WAV:DATA nth=2'") from None
        if instrument not in ("scope", "supply") or kind not in KINDS or words:
            raise FaultTextError(
                f"fault {text!r}: say scope or supply, one of {', '.join(KINDS)}, then at=, nth=, times=, seconds="
            )
        return fault

    @property
    def swallows(self) -> bool:
        """Whether the message never reaches the instrument."""
        return self.kind in ("silent", "drop", "refuse")

    def spoil(self, answer: bytes, cancelled: threading.Event) -> bytes:
        """What becomes of an answer."""
        match self.kind:
            case "late":
                cancelled.wait(None if math.isinf(self.seconds) else self.seconds)
            case "garbage" if answer:
                return GARBAGE
            case "short":
                return answer[: len(answer) // 2]
        return answer


class Faults:
    """The faults planned for one bench, and those that have begun."""

    def __init__(self) -> None:
        self.begun: list[Fault] = []
        self._actions: dict[tuple[str, str], list[Callable[[float], None]]] = {}
        self._lock = threading.Lock()
        self._planned: list[_Watch] = []

    def act(self, kind: str, action: Callable[[float], None], *instruments: str) -> None:
        """What the bench does with its seconds when a fault of this kind begins at a message to the instruments."""
        for instrument in instruments:
            self._actions.setdefault((instrument, kind), []).append(action)

    def plan(self, fault: Fault) -> None:
        """Add one; messages are counted from now on. PowerlabError if this bench cannot have it."""
        if fault.kind in _ACTS and (fault.instrument, fault.kind) not in self._actions:
            raise PowerlabError(f"this bench cannot do {fault.kind} at a message to the {fault.instrument}")
        with self._lock:
            self._planned.append(_Watch(fault))

    def forget(self) -> None:
        """Everything that is planned or going on is well again, save what has been done once."""
        with self._lock:
            self._planned.clear()

    def strike(self, instrument: str, message: bytes) -> Fault | None:
        """The fault that spoils this message, after doing what it does when it begins."""
        if not self._planned:
            return None
        with self._lock:
            struck = [watch for watch in self._planned if watch.sees(instrument, message)]
            begins = [watch.fault for watch in struck if watch.spoilt == 1]
            self.begun += begins
            self._planned = [watch for watch in self._planned if not watch.over]
        for fault in begins:
            for action in self._actions.get((instrument, fault.kind), ()):
                action(fault.seconds)
        return struck[0].fault if struck else None


class _Watch:
    """How far one fault is."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.spoilt = 0  # messages so far
        self._pattern = re.compile(fault.at.encode(), re.IGNORECASE)
        self._until = fault.nth

    def sees(self, instrument: str, message: bytes) -> bool:
        """Whether the message is spoilt; it is counted."""
        if instrument != self.fault.instrument:
            return False
        if self._until and self._pattern.search(message):
            self._until -= 1
        if not self._until:
            self.spoilt += 1
        return not self._until

    @property
    def over(self) -> bool:
        """Whether it spoils nothing more."""
        return self.spoilt >= (self.fault.times if self.fault.kind not in _ACTS else 1) > 0
