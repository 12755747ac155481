"""The line to an instrument: the one door to VISA.

pyvisa with pyvisa-py behind it. Its behaviour that this module works round was measured with pyvisa 1.16.2 and
pyvisa-py 0.8.1: a socket resource opens "successfully" to a dead port, a block read stops at each line feed while
a termination character is set, and a resource behind a Prologix adapter ignores its own timeout, refuses a
termination character, and waits only 50 ms for an instrument.
"""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, cast

import pyvisa
from pyvisa.errors import InvalidSession, VisaIOError
from pyvisa.resources import MessageBasedResource

from powerlab_instruments.errors import InstrumentError, NoAnswer

# A Prologix adapter waits at most 3000 ms for each byte of an answer (its manual); pyvisa-py leaves it at 50 ms, and
# an E3645A takes up to 100 ms for a measurement.
PROLOGIX_READ_TIMEOUT_MS = 3000

END_OF_BLOCK_MS = 500  # the last byte of a block is there at once or never

RECEIVE_SIZE = 1 << 18  # bytes taken from a socket at once

# Board numbers of open adapters. pyvisa-py keeps one table for the whole program and would silently send one bench's
# commands to another bench's supply.
_BOARDS: set[int] = set()


class VisaLink:
    """A line to one instrument, for short text messages and definite-length blocks.

    Everything that fails becomes an `InstrumentError` that names the resource and the command. After a failure, or an
    interrupt in the middle of a question, the line is out of step: an answer may still be under way. Before anything
    else is said, `recover` brings it back, so that no late answer is ever taken for the next one.
    """

    def __init__(self, name: str, open_resource: Callable[[], MessageBasedResource]) -> None:
        self.name = name
        self._open_resource = open_resource
        self._resource = open_resource()
        self._in_step = True

    def __str__(self) -> str:
        return self.name

    def write(self, message: str) -> None:
        """Send one program message; the terminator is added here."""
        with self._said(message):
            self._resource.write(message)

    def query(self, message: str) -> str:
        """Send one query and return its answer without terminator or outer blanks."""
        with self._said(message):
            return self._resource.query(message).strip()

    def query_block(self, message: str) -> bytes:
        """Send one query and return the payload of its definite-length block (IEEE 488.2, 8.7.9).

        Reads by length with the termination character off, since the payload may hold line feeds.
        """
        with self._said(message):
            self._resource.write(message)
            terminator = self._resource.read_termination
            if terminator:
                self._resource.read_termination = None
            try:
                payload = self._block(message)
                whole = self._end_of_block()
            finally:
                if terminator:
                    self._resource.read_termination = terminator
        self._in_step = whole
        return payload

    def _end_of_block(self) -> bool:
        """Take the line feed behind a block; whether it was there. The payload is whole without it."""
        patience = self._resource.timeout
        self._resource.timeout = min(patience, END_OF_BLOCK_MS)
        try:
            self._resource.read_bytes(1)
        except VisaIOError:
            return False
        finally:
            self._resource.timeout = patience
        return True

    def _block(self, message: str) -> bytes:
        start = self._resource.read_bytes(2)
        digits = self._resource.read_bytes(int(start[1:])) if re.fullmatch(rb"#[1-9]", start) else b""
        if not digits.isdigit():
            raise InstrumentError(
                f"{self.name} answered {message!r} with {start + digits!r}, which starts no data block"
            )
        count = int(digits)
        return self._resource.read_bytes(count, chunk_size=count) if count else b""

    def recover(self) -> None:
        """Bring the line back in step: device clear, or a new connection where there is no device clear.

        Raises
        ------
        NoAnswer
            The instrument cannot be reached.
        """
        try:
            if self.name.upper().endswith("::SOCKET"):
                self.close()
                self._resource = self._open_resource()
            else:
                self._resource.clear()
        except (VisaIOError, OSError, InvalidSession) as error:
            raise NoAnswer(self.name, "device clear", _reason(error)) from error
        self._in_step = True

    def close(self) -> None:
        """Give the resource back; may be called twice."""
        try:
            self._resource.close()
        except (InvalidSession, VisaIOError):
            return  # the line is gone already, which is what was wanted

    @contextmanager
    def _said(self, message: str) -> Iterator[None]:
        if not self._in_step:
            self.recover()
        self._in_step = False
        try:
            yield
        except (VisaIOError, OSError, InvalidSession) as error:
            raise NoAnswer(self.name, message, _reason(error)) from error
        except UnicodeDecodeError as error:
            raise InstrumentError(f"{self.name} answered {message!r} with bytes that are no text") from error
        self._in_step = True


class Visa:
    """The resources that one bench has opened; closes them, and only them.

    pyvisa has one resource manager a library for the whole program, and closing it would cut every other bench off
    its instruments, so it stays open until the program ends.

    `library` is what `pyvisa.ResourceManager` takes: "@py" for pyvisa-py, a path or "" for a vendor's library.
    """

    def __init__(self, library: str = "@py") -> None:
        try:
            self._manager = pyvisa.ResourceManager(library)
        except (ValueError, OSError) as error:
            raise InstrumentError(
                f'VISA library {library!r} cannot be loaded ({_reason(error)}); `visa_library = "@py"` always works'
            ) from error
        self._open: list[VisaLink] = []
        self._boards: list[int] = []
        # pyvisa-py forgets a Prologix board, and all instruments behind it, when the adapter's object is dropped.
        self._adapters: list[MessageBasedResource] = []

    def open(self, resource: str, *, timeout: float = 5.0, adapter: str | None = None) -> VisaLink:
        """Open a resource such as "TCPIP0::10.0.0.5::5025::SOCKET" or, behind a Prologix adapter
        ("PRLGX-TCPIP0::10.0.0.6::1234::INTFC"), "GPIB0::5::INSTR".

        Raises
        ------
        NoAnswer
            The resource cannot be opened. A dead socket shows only when it is first asked something.
        """
        if adapter is not None:
            self._open_adapter(adapter, timeout)

        def open_resource() -> MessageBasedResource:
            device = self._resource(resource, timeout)
            device.write_termination = "\n"
            if adapter is None:  # a resource behind an adapter refuses a read termination, and ignores its timeout
                device.read_termination = "\n"
                device.timeout = timeout * 1000
            return device

        self._open.append(VisaLink(resource, open_resource))
        return self._open[-1]

    def _open_adapter(self, adapter: str, timeout: float) -> None:
        number = re.match(r"PRLGX-[A-Z]+(\d*)::", adapter)
        if number is None:
            raise InstrumentError(f"adapter {adapter!r} is no Prologix resource; write PRLGX-TCPIP0::HOST::1234::INTFC")
        board = int(number[1] or 0)
        if board in _BOARDS:
            raise InstrumentError(
                f"{adapter}: GPIB board {board} already belongs to another adapter in this program; number it anew, "
                f"PRLGX-...{board + 1}:: with GPIB{board + 1}::"
            )
        try:
            device = self._resource(adapter, timeout)
        except NoAnswer:
            _forget(board)
            raise
        _BOARDS.add(board)
        self._boards.append(board)
        device.timeout = max(timeout * 1000, PROLOGIX_READ_TIMEOUT_MS + 500)
        self._adapters.append(device)
        try:
            device.write(f"++read_tmo_ms {PROLOGIX_READ_TIMEOUT_MS}", termination="\n")
        except (VisaIOError, OSError) as error:
            raise NoAnswer(adapter, "++read_tmo_ms", _reason(error)) from error

    def _resource(self, name: str, timeout: float) -> MessageBasedResource:
        try:
            device = self._manager.open_resource(name, open_timeout=int(timeout * 1000))
        except (VisaIOError, OSError, ValueError) as error:
            raise NoAnswer(name, "open", _reason(error)) from error
        if not hasattr(device, "query"):
            raise InstrumentError(f"{name} is no resource that takes messages; check it in bench.toml")
        _tune_socket(cast("MessageBasedResource", device))
        return cast("MessageBasedResource", device)

    def close(self) -> None:
        """Close every link, then the adapters; may be called twice."""
        for link in self._open:
            link.close()
        for adapter in self._adapters:
            try:
                adapter.close()
            except (InvalidSession, VisaIOError):
                continue
        _BOARDS.difference_update(self._boards)
        self._boards.clear()
        self._open.clear()
        self._adapters.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _forget(board: int) -> None:
    """Close what pyvisa-py 0.8.1 keeps of an adapter that it could not set up: its socket, and its board number."""
    from pyvisa_py.prologix import _PrologixIntfcSession  # noqa: PLC0415 - only where it went wrong

    half_open = _PrologixIntfcSession.boards.get(str(board))
    if half_open is not None:
        half_open.close()


def _tune_socket(device: MessageBasedResource) -> None:
    """Make a line that is a socket of pyvisa-py quick; leave any other as it is.

    Nagle's algorithm goes off and a read takes more than 4096 bytes at once.

    A command and the adapter's `++read` are two small packets: the second waits for the first one's delayed
    acknowledgement, 40 ms each time (measured). pyvisa-py 0.8.1 has the VISA attribute but cannot set it.
    """
    session = getattr(device.visalib, "sessions", {}).get(device.session)
    line = getattr(session, "interface", None)
    if session is not None and isinstance(line, socket.socket):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session.max_recv_size = RECEIVE_SIZE


def _reason(error: Exception) -> str:
    """The short word for a failure, without pyvisa's paragraph."""
    if isinstance(error, VisaIOError):
        return error.abbreviation
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0] if str(error) else type(error).__name__
