"""Settings declared once: command, unit, limits, meaning. They read, write, check and describe themselves."""

from collections.abc import Iterator
from typing import Protocol, Self, overload

from powerlab_instruments.errors import DeviceError, OutOfRange
from powerlab_instruments.link import VisaLink

# The instruments' infinity and "no valid measurement" (2000 X-Series Programmer's Guide): 9.9E+37 and above.
NO_VALUE = 9.9e36


class Node(Protocol):
    """What settings hang on: an instrument, or one channel of it."""

    link: VisaLink

    def header(self, command: str) -> str:
        """The command with the node's number filled in."""
        ...


class Reading:
    """A number that an instrument measures: read only."""

    def __init__(self, command: str, *, unit: str, doc: str) -> None:
        self.command, self.unit = command, unit
        self.__doc__ = f"{doc} ({unit})"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, node: None, owner: type) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type) -> float: ...
    def __get__(self, node: Node | None, owner: type) -> Self | float:
        if node is None:
            return self
        return number(node.link, node.header(self.command) + "?")

    def show(self, node: Node) -> str:
        """The present value with its unit, for people and provenance."""
        return f"{self.__get__(node, type(node)):.9g} {self.unit}".strip()


class Setting:
    """A number that an instrument holds: its command, unit and limits, said once.

    Setting a value beyond the limits raises `OutOfRange` before anything is sent.
    """

    def __init__(self, command: str, *, unit: str, low: float, high: float, doc: str) -> None:
        self.command, self.unit, self.low, self.high = command, unit, low, high
        self.__doc__ = f"{doc} ({low:g} to {high:g} {unit})"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, node: None, owner: type) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type) -> float: ...
    def __get__(self, node: Node | None, owner: type) -> Self | float:
        if node is None:
            return self
        return number(node.link, node.header(self.command) + "?")

    def __set__(self, node: Node, value: float) -> None:
        if not self.low <= value <= self.high:
            raise OutOfRange(
                f"{self.name} = {value:g} {self.unit} on {node.link}: give {self.low:g} to {self.high:g} {self.unit}"
            )
        node.link.write(f"{node.header(self.command)} {value:.9g}")

    def show(self, node: Node) -> str:
        """The present value with its unit, for people and provenance."""
        return f"{self.__get__(node, type(node)):.9g} {self.unit}".strip()


class Choice:
    """A word out of a few. `words` are the short forms, as the instrument answers them."""

    def __init__(self, command: str, words: tuple[str, ...], *, doc: str) -> None:
        self.command, self.words = command, words
        self.__doc__ = f"{doc} ({', '.join(words)})"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, node: None, owner: type) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type) -> str: ...
    def __get__(self, node: Node | None, owner: type) -> Self | str:
        if node is None:
            return self
        return node.link.query(node.header(self.command) + "?")

    def __set__(self, node: Node, value: str) -> None:
        if value not in self.words:
            raise OutOfRange(f"{self.name} = {value!r} on {node.link}: give one of {', '.join(self.words)}")
        node.link.write(f"{node.header(self.command)} {value}")

    def show(self, node: Node) -> str:
        """The present word."""
        return self.__get__(node, type(node))


class Switch:
    """Something that is on or off."""

    def __init__(self, command: str, *, doc: str) -> None:
        self.command = command
        self.__doc__ = f"{doc} (on or off)"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, node: None, owner: type) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type) -> bool: ...
    def __get__(self, node: Node | None, owner: type) -> Self | bool:
        if node is None:
            return self
        return number(node.link, node.header(self.command) + "?") != 0

    def __set__(self, node: Node, value: bool) -> None:
        node.link.write(f"{node.header(self.command)} {int(value)}")

    def show(self, node: Node) -> str:
        """`on` or `off`."""
        return "on" if self.__get__(node, type(node)) else "off"


Declared = Reading | Setting | Choice | Switch


def declared_on(kind: type) -> Iterator[Declared]:
    """Every setting and reading declared on a class, its bases' first."""
    for base in reversed(kind.__mro__):
        for value in vars(base).values():
            if isinstance(value, Declared):
                yield value


def snapshot(node: Node) -> dict[str, str]:
    """Name and present value of everything a node holds (not what it measures)."""
    return {it.name: it.show(node) for it in declared_on(type(node)) if not isinstance(it, Reading)}


def number(link: VisaLink, query: str) -> float:
    """Ask for one number, in any of the shapes instruments use (`+40.0E+00`, `+1`, `1`).

    Raises
    ------
    DeviceError
        The answer is no number, or the instrument's "no valid value".
    """
    answer = link.query(query)
    try:
        value = float(answer)
    except ValueError as error:
        raise DeviceError(f"{link} answered {query!r} with {answer!r}, which is no number") from error
    if abs(value) > NO_VALUE:
        raise DeviceError(f"{link} has no valid value for {query!r}")
    return value
