"""Settings declared once: command, unit, limits, meaning. They read, write, check and describe themselves."""

from collections.abc import Iterator
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from powerlab_instruments.errors import DeviceError, OutOfRange
from powerlab_instruments.link import VisaLink

# The instruments' infinity and "no valid measurement" (2000 X-Series Programmer's Guide): 9.9E+37 and above.
NO_VALUE = 9.9e36


Value = TypeVar("Value")


class Node(Protocol):
    """What settings hang on: an instrument, or one channel of it."""

    link: VisaLink

    def header(self, command: str) -> str:
        """The command with the node's number filled in."""
        ...


class Declared(Generic[Value]):
    """Something an instrument holds or measures, declared in a class body: read by naming it on a node."""

    def __init__(self, command: str, doc: str) -> None:
        self.command = command
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, node: None, owner: type) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type) -> Value: ...
    def __get__(self, node: Node | None, owner: type) -> Self | Value:
        return self if node is None else self.read(node)

    def read(self, node: Node) -> Value:
        """Ask the instrument."""
        raise NotImplementedError

    def show(self, node: Node) -> str:
        """The present value with its unit, for people and provenance."""
        return str(self.read(node))

    def ask(self, node: Node) -> str:
        """The query for it."""
        return node.header(self.command) + "?"

    def send(self, node: Node, value: str) -> None:
        """Send the command with its value."""
        node.link.write(f"{node.header(self.command)} {value}")


class Reading(Declared[float]):
    """A number that an instrument measures: read only."""

    def __init__(self, command: str, *, unit: str, doc: str) -> None:
        super().__init__(command, f"{doc} ({unit})")
        self.unit = unit

    def read(self, node: Node) -> float:
        """The number, in the reading's unit."""
        return number(node.link, self.ask(node))

    def show(self, node: Node) -> str:
        """The number with its unit."""
        return f"{self.read(node):.9g} {self.unit}".strip()


class Setting(Reading):
    """A number that an instrument holds: its command, unit and limits, said once.

    Setting a value beyond the limits raises `OutOfRange` before anything is sent.
    """

    def __init__(self, command: str, *, unit: str, low: float, high: float, doc: str) -> None:
        super().__init__(command, unit=unit, doc=f"{doc} {low:g} to {high:g}")
        self.low, self.high = low, high

    def __set__(self, node: Node, value: float) -> None:
        if not self.low <= value <= self.high:
            raise OutOfRange(
                f"{self.name} = {value:g} {self.unit} on {node.link}: give {self.low:g} to {self.high:g} {self.unit}"
            )
        self.send(node, f"{value:.9g}")


class Choice(Declared[str]):
    """A word out of a few. `words` are the short forms, as the instrument answers them."""

    def __init__(self, command: str, words: tuple[str, ...], *, doc: str) -> None:
        super().__init__(command, f"{doc} ({', '.join(words)})")
        self.words = words

    def read(self, node: Node) -> str:
        """The present word."""
        return node.link.query(self.ask(node))

    def __set__(self, node: Node, value: str) -> None:
        if value not in self.words:
            raise OutOfRange(f"{self.name} = {value!r} on {node.link}: give one of {', '.join(self.words)}")
        self.send(node, value)


class Switch(Declared[bool]):
    """Something that is on or off."""

    def __init__(self, command: str, *, doc: str) -> None:
        super().__init__(command, f"{doc} (on or off)")

    def read(self, node: Node) -> bool:
        """Whether it is on."""
        return number(node.link, self.ask(node)) != 0

    def show(self, node: Node) -> str:
        """`on` or `off`."""
        return "on" if self.read(node) else "off"

    def __set__(self, node: Node, value: bool) -> None:
        self.send(node, str(int(value)))


def declared_on(kind: type) -> Iterator[Declared[Any]]:
    """Every setting and reading declared on a class, its bases' first."""
    for base in reversed(kind.__mro__):
        for value in vars(base).values():
            if isinstance(value, Declared):
                yield value


def snapshot(node: Node) -> dict[str, str]:
    """Name and present value of everything a node holds (not what it measures)."""
    return {it.name: it.show(node) for it in declared_on(type(node)) if type(it) is not Reading}


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
