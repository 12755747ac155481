"""The SCPI engine both instruments are declared on: headers, program messages, error queue, status.

Syntax and status model: IEEE 488.2 and SCPI-1999 volume 1; what an instrument does differently is declared by its
class. An instrument takes one program message and gives the response message; sockets, buffers and time-outs are
the transports' affair.
"""

import functools
import itertools
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from powerlab_instruments.simulated.forms import Form, ScpiError, Whole, counted, end_of_block
from powerlab_instruments.simulated.headers import Action, Node

T = TypeVar("T")
Handler = TypeVar("Handler", bound=Callable[..., Any])

MESSAGES = {
    0: "No error",
    -101: "Invalid character",
    -102: "Syntax error",
    -103: "Invalid separator",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -112: "Program mnemonic too long",
    -113: "Undefined header",
    -114: "Header suffix out of range",
    -120: "Numeric data error",
    -128: "Numeric data not allowed",
    -131: "Invalid suffix",
    -138: "Suffix not allowed",
    -148: "Character data not allowed",
    -151: "Invalid string data",
    -158: "String data not allowed",
    -161: "Invalid block data",
    -200: "Execution error",
    -211: "Trigger ignored",
    -221: "Settings conflict",
    -222: "Data out of range",
    -223: "Too much data",
    -224: "Illegal parameter value",
    -230: "Data corrupt or stale",
    -241: "Hardware missing",
    -256: "File name not found",
    -350: "Queue overflow",
    -410: "Query INTERRUPTED",
    -420: "Query UNTERMINATED",
    -440: "Query UNTERMINATED after indefinite response",
    109: "No Data For Operation",
    350: "Queue overflow",
    511: "RS-232 framing error",
    514: "Command allowed only with RS-232",
    550: "Command not allowed in local",
    702: "Cal secured",
    703: "Invalid secure code",
    704: "Secure code too long",
}


class Setting(Generic[T]):
    """One value an instrument holds: its header, the form of its parameter, and what *RST makes of it.

    The header is both command and query. With a suffix in the header use `Settings`.
    """

    def __init__(self, header: str, form: Form[T], reset: T) -> None:
        self.header, self.form, self.reset = header, form, reset

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instrument: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instrument: "Instrument", owner: type) -> T: ...
    def __get__(self, instrument: "Instrument | None", owner: type) -> Self | T:
        if instrument is None:
            return self
        value: T = instrument.values[self.name, ()]
        return value

    def __set__(self, instrument: "Instrument", value: T) -> None:
        instrument.values[self.name, ()] = value

    def initial(self) -> Iterator[tuple[tuple[int, ...], T]]:
        """The value after *RST, with its suffix."""
        yield (), self.reset


class Settings(Setting[T]):
    """The same value once for each suffix of the header, read as `instrument.name[n]`."""

    def __init__(self, header: str, form: Form[T], reset: T | Callable[[int], T]) -> None:
        self.header, self.form = header, form
        self.reset_of: Callable[[int], T] = reset if callable(reset) else lambda _: reset
        match = re.search(r"<(\d+)-(\d+)>", header)
        assert match, header
        self.suffixes = range(int(match[1]), int(match[2]) + 1)

    @overload  # type: ignore[override]  # a family of values is read as a mapping
    def __get__(self, instrument: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instrument: "Instrument", owner: type) -> dict[int, T]: ...
    def __get__(self, instrument: "Instrument | None", owner: type) -> Self | dict[int, T]:
        if instrument is None:
            return self
        return {n: instrument.values[self.name, (n,)] for n in self.suffixes}

    def initial(self) -> Iterator[tuple[tuple[int, ...], T]]:
        """The value after *RST for each suffix."""
        for n in self.suffixes:
            yield (n,), self.reset_of(n)


def command(header: str, *forms: Form[Any], optional: int = 0) -> Callable[[Handler], Handler]:
    """Declare a method as what a command does: it gets the header's suffixes, then the parameters."""

    def declare(method: Handler) -> Handler:
        vars(method).setdefault("scpi", []).append((header, False, Action(method.__name__, forms, optional)))
        return method

    return declare


def query(header: str, *forms: Form[Any], optional: int = 0, indefinite: bool = False) -> Callable[[Handler], Handler]:
    """Declare a method as what answers a query (header without `?`): it returns str or bytes."""

    def declare(method: Handler) -> Handler:
        action = Action(method.__name__, forms, optional, indefinite)
        vars(method).setdefault("scpi", []).append((header, True, action))
        return method

    return declare


_SPECIAL = re.compile(r"""["'#;,]""")


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """Parts of `text` between separators outside quoted strings and blocks; -151 for an open quote, -161 for a block.

    >>> split_outside_quotes('LAB "a;b";SET #13x;y;SCAL 1', ";")
    ['LAB "a;b"', 'SET #13x;y', 'SCAL 1']
    """
    parts, start, place = [], 0, 0
    while match := _SPECIAL.search(text, place):
        place = match.end()
        if match[0] == separator:
            parts.append(text[start : match.start()])
            start = place
        elif match[0] == "#":
            place = end_of_block(text, match.start())
        elif match[0] in "\"'":
            place = text.find(match[0], place) + 1
            if not place:
                raise ScpiError(-151)
    return [*parts, text[start:]]


class Instrument:
    """An instrument that is spoken to in SCPI; subclasses declare settings, commands and queries.

    One message is processed at a time, whoever sends it. `cancelled` is set by the transport that sent the
    message being processed when its client clears the device or goes away.
    """

    IDENTITY: ClassVar[str]
    QUEUE_DEPTH: ClassVar[int]
    OVERFLOW: ClassVar[int] = -350
    root: ClassVar[Node]
    settings: ClassVar[dict[str, Setting[Any]]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.root, cls.settings = Node(), {}
        for name, member in itertools.chain.from_iterable(vars(base).items() for base in reversed(cls.mro())):
            if isinstance(member, Setting):
                cls.settings[name] = member
                cls.root.grow(member.header, Action(name, (member.form,)), query=False)
                cls.root.grow(member.header, Action(name), query=True)
            elif callable(member):
                for header, is_query, action in vars(member).get("scpi", ()) if hasattr(member, "__dict__") else ():
                    cls.root.grow(header, action, query=is_query)

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.values: dict[tuple[str, tuple[int, ...]], Any] = {}
        self.errors: deque[int] = deque()
        self.event_status = 128  # power has come on
        self.event_enable = self.service_enable = 0
        self.cancelled = threading.Event()
        self._resolved = functools.lru_cache(1024)(self._resolve)  # what a header means never changes
        self.restore_defaults()

    # What a subclass may add to.

    def settle(self) -> None:
        """Bring the state up to the present; called before each command."""

    def changed(self, name: str) -> None:
        """Take note that a command has changed the setting `name`."""

    def status_summary(self) -> int:
        """The status byte's bits of the instrument's own registers."""
        return 0

    def clear_events(self) -> None:
        """Clear the instrument's own event registers, for *CLS."""

    def reset(self) -> None:
        """*RST beyond the settings."""

    # Messages.

    def receive(self, message: bytes, cancelled: threading.Event) -> bytes:
        """Process one program message; the response message with its LF, or nothing."""
        with self.lock:
            self.cancelled = cancelled
            answers: list[bytes] = []
            path, indefinite = self.root, False
            suffixes: tuple[int, ...] = ()
            try:
                for unit in split_outside_quotes(message.decode("latin-1"), ";"):
                    if not unit.strip():
                        continue
                    header, parameters = self._split(unit)
                    action, arguments, path, suffixes = self._resolved(header, path, suffixes)
                    if header.endswith("?") and indefinite:
                        self.error(-440)
                        break
                    answer = self._perform(header, action, arguments, parameters)
                    if answer is not None:
                        answers.append(answer if isinstance(answer, bytes) else answer.encode("latin-1"))
                        indefinite = action.indefinite
            except ScpiError as error:
                self.error(error.code)
            return b";".join(answers) + b"\n" if answers else b""

    def _split(self, unit: str) -> tuple[str, list[str]]:
        header, *more = unit.split(None, 1)
        rest = more[0] if more else ""
        if header.endswith(":") or rest.startswith(":"):
            raise ScpiError(-102)
        tokens = [token.lstrip() for token in split_outside_quotes(rest, ",")] if rest else []
        return header, [token if token.startswith("#") else token.rstrip() for token in tokens]

    def _resolve(
        self, header: str, path: Node, suffixes: tuple[int, ...]
    ) -> tuple[Action, tuple[int, ...], Node, tuple[int, ...]]:
        """The action of a header, its suffixes, and the path (with its suffixes) that the next header starts at."""
        words = header.removesuffix("?")
        if words.startswith("*"):
            node = self.root.children.get((words.upper(), False), Node())
            return self._action(node, header), (), path, suffixes
        node, found = (self.root, ()) if words.startswith(":") else (path, suffixes)
        for mnemonic in words.removeprefix(":").split(":"):
            path, suffixes = node, found
            node, suffix = node.find(mnemonic)
            found = (*found, *suffix)
        return self._action(node, header), found, path, suffixes

    def _action(self, node: Node, header: str) -> Action:
        action = node.query if header.endswith("?") else node.command
        if action is None:
            raise ScpiError(-113)
        return action

    def _perform(self, header: str, action: Action, suffixes: tuple[int, ...], tokens: list[str]) -> str | bytes | None:
        """Read the parameters and act; an execution error is queued here, for the message goes on after it."""
        if len(tokens) > len(action.forms):
            raise ScpiError(-108)
        if len(tokens) < len(action.forms) - action.optional or "" in tokens:
            raise ScpiError(-109)
        try:
            arguments = [form.read(token) for form, token in zip(action.forms, tokens, strict=False)]
            self.settle()
            if (setting := self.settings.get(action.name)) is None:
                answer: str | bytes | None = getattr(self, action.name)(*suffixes, *arguments)
                return answer
            if header.endswith("?"):
                return setting.form.show(self.values[action.name, suffixes])
            self.values[action.name, suffixes] = arguments[0]
            self.changed(action.name)
        except ScpiError as error:
            if -200 < error.code < -100:  # a command error: the rest of the message is not understood
                raise
            self.error(error.code)
        return None

    def error(self, code: int) -> None:
        """Put a code in the queue and its class in the event status register."""
        if -200 < code < -100:
            self.event_status |= 32
        elif -300 < code <= -200:
            self.event_status |= 16
        elif -500 < code <= -400:
            self.event_status |= 4
        else:
            self.event_status |= 8
        if len(self.errors) < self.QUEUE_DEPTH:
            self.errors.append(code)
        else:
            self.errors[-1] = self.OVERFLOW

    def restore_defaults(self) -> None:
        """Every setting as after *RST."""
        for name, setting in self.settings.items():
            for suffixes, value in setting.initial():
                self.values[name, suffixes] = value

    def status_byte(self, *, answer_waits: bool = False) -> int:
        """The status byte, with bit 6 as the master summary."""
        byte = self.status_summary() | (16 if answer_waits else 0)
        if self.event_status & self.event_enable:
            byte |= 32
        return byte | (64 if byte & self.service_enable else 0)

    # Commands that every instrument has (IEEE 488.2 chapter 10, SCPI-1999 volume 2).

    @query("SYSTem:ERRor[:NEXT]")
    def next_error(self) -> str:
        """The oldest error, which leaves the queue."""
        code = self.errors.popleft() if self.errors else 0
        return f'{code:+d},"{MESSAGES[code]}"'

    @query("*IDN", indefinite=True)
    def identity(self) -> str:
        """Maker, model, serial number, firmware."""
        return self.IDENTITY

    @command("*RST")
    def reset_all(self) -> None:
        """The reset state; the error queue and the event registers stay as they are."""
        self.restore_defaults()
        self.reset()

    @command("*CLS")
    def clear_status(self) -> None:
        """Empty the error queue and the event registers; the enable registers stay."""
        self.errors.clear()
        self.event_status = 0
        self.clear_events()

    @command("*OPC")
    def report_completion(self) -> None:
        """Set the operation-complete bit; every command here is complete when it has been processed."""
        self.event_status |= 1

    @query("*OPC")
    def wait_for_completion(self) -> str:
        """`1` when everything before it is complete."""
        return "1"

    @command("*WAI")
    def wait_to_continue(self) -> None:
        """Nothing to wait for: see `*OPC`."""

    @query("*TST")
    def self_test(self) -> str:
        """`0`: passed."""
        return "0"

    @query("*ESR")
    def read_event_status(self) -> str:
        """The event status register, which is cleared."""
        value, self.event_status = self.event_status, 0
        return counted(value)

    @command("*ESE", Whole(0, 255))
    def enable_events(self, mask: int) -> None:
        """Which event status bits reach the status byte."""
        self.event_enable = mask

    @query("*ESE")
    def enabled_events(self) -> str:
        """The mask of `*ESE`."""
        return counted(self.event_enable)

    @command("*SRE", Whole(0, 255))
    def enable_service(self, mask: int) -> None:
        """Which status byte bits make the master summary."""
        self.service_enable = mask & ~64

    @query("*SRE")
    def enabled_service(self) -> str:
        """The mask of `*SRE`."""
        return counted(self.service_enable)

    @query("*STB")
    def read_status_byte(self) -> str:
        """The status byte; nothing is cleared."""
        return counted(self.status_byte())
