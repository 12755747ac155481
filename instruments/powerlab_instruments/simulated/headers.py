"""The tree of headers an instrument understands, in short or long form, in any case.

SCPI-1999 volume 1, chapter 6.
"""

import itertools
import re
from dataclasses import dataclass, field
from typing import Any

from powerlab_instruments.simulated.forms import Form, ScpiError, short_of

LONGEST_MNEMONIC = 12  # letters, SCPI-1999

_NODE = re.compile(r"(\[?):?(\*?[A-Za-z]+)(?:<(\d+)-(\d+)>)?")
_MNEMONIC = re.compile(r"([A-Za-z]+)(\d*)")


@dataclass(frozen=True, slots=True)
class Action:
    """What one header does, as a command or as a query."""

    name: str  # of the method, or of the setting
    forms: tuple[Form[Any], ...] = ()
    optional: int = 0  # how many of the last parameters may be left out
    indefinite: bool = False  # an answer of arbitrary text: no query may follow it in the message


@dataclass(slots=True, eq=False)
class Node:
    """One word of the header tree, reached by its short or long form.

    A word with a number is another one than that without: `DIG0` is short for DIGital0, `DIG` for DIGitize.
    """

    children: dict[tuple[str, bool], "Node"] = field(default_factory=dict)
    suffixes: range = range(0)  # none: the word takes no number
    command: Action | None = None
    query: Action | None = None

    def grow(self, pattern: str, action: Action, *, query: bool) -> None:
        """Add a header like `[SOURce:]VOLTage[:LEVel]` or `CHANnel<1-4>:SCALe` below this node."""
        words = [match.groups() for match in _NODE.finditer(pattern)]
        for kept in itertools.product(*[(True, False) if opening else (True,) for opening, *_ in words]):
            node = self
            for (_, word, first, last), keep in zip(words, kept, strict=True):
                if keep:
                    node = node._child(word, range(int(first), int(last) + 1) if first else range(0))
            if query:
                node.query = action
            else:
                node.command = action

    def _child(self, word: str, suffixes: range) -> "Node":
        numbered = bool(suffixes)
        child = self.children.setdefault((word.upper(), numbered), Node(suffixes=suffixes))
        self.children[short_of(word), numbered] = child
        return child

    def find(self, mnemonic: str) -> tuple["Node", tuple[int, ...]]:
        """The child a mnemonic names, and its suffix if that says something; -113 or -114 if there is none.

        A suffix left out is 1; that of a word that only ever takes one number says nothing.
        """
        match = _MNEMONIC.fullmatch(mnemonic)
        if match is None:
            raise ScpiError(-113)
        word, suffix = match.groups()
        if len(word) > LONGEST_MNEMONIC:
            raise ScpiError(-112)
        if not suffix and (plain := self.children.get((word.upper(), False))):
            return plain, ()
        child = self.children.get((word.upper(), True))
        if child is None:
            raise ScpiError(-113)
        chosen = int(suffix or 1)
        if chosen not in child.suffixes:
            raise ScpiError(-114)
        return child, (chosen,) if len(child.suffixes) > 1 else ()
