"""Settings declared once: command, unit, limits, meaning. They read, write, check and describe themselves."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from powerlab_instruments.errors import DeviceError, OutOfRange
from powerlab_instruments.link import VisaLink

# The instruments' infinity and "no valid measurement" (2000 X-Series Programmer's Guide): 9.9E+37 and above.
NO_VALUE = 9.9e36


Value = TypeVar("Value")

# What a model or a present state decides is a function of the node.
Limit = float | Callable[[Any], float]
Words = tuple[str, ...] | Callable[[Any], tuple[str, ...]]


class Node(Protocol):
    """What settings hang on: an instrument, or one channel of it."""

    link: VisaLink

    def header(self, command: str) -> str:
        """The command with the node's number filled in."""
        ...


class Declared(Generic[Value]):
    """Something an instrument holds or measures, declared in a class body: read by naming it on a node.

    `of` is the parameter of commands that need one to say whose value is meant: `:TRIGger:EDGE:LEVel? CHANnel1`.
    """

    def __init__(self, command: str, doc: str, of: str = "") -> None:
        self.command, self.of = command, of
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
        return f"{node.header(self.command)}? {node.header(self.of)}".rstrip()

    def send(self, node: Node, value: str) -> None:
        """Send the command with its value."""
        node.link.write(f"{node.header(self.command)} {value}" + (f",{node.header(self.of)}" if self.of else ""))


class Reading(Declared[float]):
    """A number that an instrument measures: read only."""

    def __init__(self, command: str, *, unit: str, doc: str, of: str = "") -> None:
        super().__init__(command, f"{doc} ({unit})", of)
        self.unit = unit

    def read(self, node: Node) -> float:
        """The number, in the reading's unit."""
        return number(node.link, self.ask(node))

    def show(self, node: Node) -> str:
        """The number with its unit."""
        return f"{self.read(node):.9g} {self.unit}".strip()


class Setting(Reading):
    """A number that an instrument holds: its command, unit and limits, said once.

    A limit may be a function of the node, where the model or the present state decides it. Setting a value beyond
    the limits raises `OutOfRange` before the value is sent.
    """

    def __init__(self, command: str, *, unit: str, low: Limit, high: Limit, doc: str, of: str = "") -> None:
        known = "" if callable(low) or callable(high) else f" {low:g} to {high:g}"
        super().__init__(command, unit=unit, doc=doc + known, of=of)
        self._low, self._high = low, high

    def limits(self, node: Node) -> tuple[float, float]:
        """Lowest and highest value on this node, both included."""
        low, high = (limit(node) if callable(limit) else limit for limit in (self._low, self._high))
        return low, high

    def check(self, node: Node, value: float) -> None:
        """Raise `OutOfRange` for a value beyond the limits, or one that is no number."""
        low, high = self.limits(node)
        if not low <= value <= high:
            raise OutOfRange(
                f"{self.name} = {value:g} {self.unit} on {node.link}: give {low:g} to {high:g} {self.unit}"
            )

    def __set__(self, node: Node, value: float) -> None:
        self.check(node, value)
        self.send(node, f"{value:.9g}")


class Choice(Declared[str]):
    """A word out of a few, in the short form that the instrument answers; which ones, the node may decide."""

    def __init__(self, command: str, words: Words, *, doc: str) -> None:
        super().__init__(command, doc if callable(words) else f"{doc} ({', '.join(words)})")
        self._words = words

    def words(self, node: Node) -> tuple[str, ...]:
        """The words there are on this node."""
        return self._words(node) if callable(self._words) else self._words

    def read(self, node: Node) -> str:
        """The present word."""
        return node.link.query(self.ask(node))

    def __set__(self, node: Node, value: str) -> None:
        if value not in (words := self.words(node)):
            raise OutOfRange(f"{self.name} = {value!r} on {node.link}: give one of {', '.join(words)}")
        self.send(node, value)


class Text(Declared[str]):
    """A short text on a display, of at most `width` printable ASCII characters without quotation marks."""

    def __init__(self, command: str, width: int, *, doc: str) -> None:
        super().__init__(command, f"{doc} (up to {width} characters)")
        self.width = width

    def read(self, node: Node) -> str:
        """The text, without the quotation marks it is answered in."""
        return node.link.query(self.ask(node)).strip('"')

    def __set__(self, node: Node, value: str) -> None:
        if len(value) > self.width or not (value.isascii() and value.isprintable()) or '"' in value:
            raise OutOfRange(
                f"{self.name} = {value!r} on {node.link}: give up to {self.width} printable ASCII characters "
                "without quotation marks"
            )
        self.send(node, f'"{value}"')


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
    """Every setting and reading declared on a class, its bases' first; what a class declares anew counts once."""
    for name in dict.fromkeys(name for base in reversed(kind.__mro__) for name in vars(base)):
        value = next(vars(base)[name] for base in kind.__mro__ if name in vars(base))
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
    if not abs(value) <= NO_VALUE:  # nor is "nan" one
        raise DeviceError(f"{link} has no valid value for {query!r}")
    return value
