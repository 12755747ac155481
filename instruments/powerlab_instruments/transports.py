"""The kinds of line an instrument can hang on: how each is opened, kept in step, and cleared.

pyvisa with pyvisa-py behind it. Its behaviour that this module works round was measured with pyvisa 1.16.2 and
pyvisa-py 0.8.1, and holds no less with a library that has none of it.
"""

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

from pyvisa.constants import ControlFlow, Parity, StatusCode, StopBits
from pyvisa.errors import InvalidSession, VisaIOError
from pyvisa.resources import MessageBasedResource, SerialInstrument
from pyvisa_py.protocols.rpc import RPCError

from powerlab_instruments.errors import NoAnswer
from powerlab_instruments.rs232 import STOP_BITS, Rs232

try:
    import termios
except ImportError:  # Windows
    _TERMINAL: tuple[type[Exception], ...] = ()
else:
    _TERMINAL = (termios.error,)

# What a line that does not work raises. EOFError and RPCError come of VXI-11, RuntimeError of HiSLIP and of whatever
# pyvisa-py has not implemented, ValueError of USB, termios.error of a serial port that cannot be set so.
FAILURES = (VisaIOError, InvalidSession, OSError, RPCError, EOFError, RuntimeError, ValueError, *_TERMINAL)

PIECE = 1 << 18  # bytes asked for at once; each piece has the whole time-out to itself
READ_AHEAD = 64  # bytes taken from a socket at least

END_OF_BLOCK_MS = 500  # the last byte of a block is there at once or never

DEVICE_CLEAR = b"\x03"  # Ctrl-C on RS-232 (E364xA User's Guide)
SILENCE_MS = 100  # a serial line on which nothing has come for so long has nothing under way

Opener = Callable[[str], MessageBasedResource]


class Transport:
    """A line with a device clear, on which the end of a message is seen: VXI-11, HiSLIP, USB, a GPIB card.

    Raises
    ------
    NoAnswer
        It cannot be opened. A dead socket shows only when it is first used.
    """

    # Whether a message has an end of its own (EOI and its like); on a stream only its content says where it ends.
    sees_end = True
    # Whether the host must see each command done before it sends the next.
    paced = False

    def __init__(self, name: str, opener: Opener, timeout: float) -> None:
        self.name, self.timeout, self._opener = name, timeout, opener
        self.piece = PIECE
        self.device = self._open()

    def _open(self) -> MessageBasedResource:
        device = self._opener(self.name)
        try:
            self._set_up(device)
        except FAILURES as error:
            device.close()
            raise NoAnswer(self.name, "open", reason(error)) from error
        return device

    def _set_up(self, device: MessageBasedResource) -> None:
        device.write_termination = "\n"
        device.timeout = self.timeout * 1000  # always set: USBTMC of pyvisa-py 0.8.1 would wait for ever
        session = session_of(device)
        if hasattr(session, "lock_timeout"):
            session.lock_timeout = 0  # VXI-11: pyvisa-py's ten seconds upset some instruments
        # A read of VXI-11 that takes several calls counts their time twice and more: one call a read.
        self.piece = min(PIECE, getattr(session, "max_recv_size", PIECE))

    def write(self, message: str) -> None:
        """Send one program message; the terminator is added here."""
        self.device.write(message)

    def read(self, count: int, *, to_end: bool = False) -> bytes:
        """So many bytes; with `to_end` fewer, where a message or a line ends before. One time-out for all of them."""
        return self.device.read_bytes(count, count, to_end)

    def line_end(self) -> bytes:
        """What comes behind the payload of a block, if it comes at once: LF, or CR LF, or nothing."""
        patience = self.device.timeout
        self.device.timeout = min(patience, END_OF_BLOCK_MS)
        end = b""
        try:
            end = self.read(1)
            return end + self.read(1) if end == b"\r" else end
        except VisaIOError:
            return end
        finally:
            self.device.timeout = patience

    @contextlib.contextmanager
    def without_termination(self) -> Iterator[None]:
        """Have reads go by length alone."""
        terminator = self.device.read_termination
        if terminator:
            self.device.read_termination = None
        try:
            yield
        finally:
            if terminator:
                self.device.read_termination = terminator

    def unasked(self) -> str | None:
        """Why nothing must be asked now: the line holds what nobody asked for, or has ended; None if all is well."""
        return "it has ended the connection" if self._ended() else None

    def clear(self) -> None:
        """Device clear; where there is none, or it fails, close and open again: the instrument then starts anew.

        Raises
        ------
        NoAnswer
            The instrument cannot be reached.
        """
        if not self._ended():
            with contextlib.suppress(*FAILURES):
                self.device.clear()
                return
        self.reopen()

    def reopen(self) -> None:
        """Close the line and open it again."""
        self.close()
        self.device = self._open()

    def close(self) -> None:
        """Give the resource back; may be called twice."""
        with contextlib.suppress(*FAILURES):  # the line is gone already, which is what was wanted
            if self._ended():
                # pyvisa-py would say goodbye to nobody, and wait 5 s for the answer.
                self._connection().shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(*FAILURES):
            self.device.close()

    def _connection(self) -> Any:
        """The TCP connection that pyvisa-py has, if it is one."""
        interface = getattr(session_of(self.device), "interface", None)
        return interface if isinstance(interface, socket.socket) else getattr(interface, "sock", None)

    def _ended(self) -> bool:
        """Whether the instrument has ended the TCP connection. pyvisa-py would wait for the whole time-out, busily."""
        line = self._connection()
        return line is not None and _ready(line) and not line.recv(1, socket.MSG_PEEK)


class SocketLine(Transport):
    """Raw TCP: no device clear, and no end but the line feed.

    pyvisa-py opens the socket; what goes over it is written and read directly. Its own way costs more than the network
    does, and goes on reading a connection that has ended, busily, until the time-out.
    """

    sees_end = False

    def _set_up(self, device: MessageBasedResource) -> None:
        tune_socket(device)
        super()._set_up(device)
        device.read_termination = "\n"
        line = getattr(session_of(device), "interface", None)
        self._line = line if isinstance(line, socket.socket) else None  # another library keeps it to itself
        self._rest = bytearray()  # come, and not asked for yet

    def write(self, message: str) -> None:
        """Send one program message; the terminator is added here."""
        if self._line is None:
            super().write(message)
        else:
            self._line.sendall(message.encode("ascii") + b"\n")

    def read(self, count: int, *, to_end: bool = False) -> bytes:
        """So many bytes; with `to_end` fewer, where a line ends before."""
        if self._line is None:
            return super().read(count, to_end=to_end)
        deadline = time.monotonic() + self.timeout
        if to_end:
            while b"\n" not in self._rest and len(self._rest) < count:
                self._rest += self._received(PIECE, deadline)
            count = self._rest.find(b"\n", 0, count) + 1 or count
        parts, left = [bytes(self._rest[:count])], count
        del self._rest[:count]
        while left := left - len(parts[-1]):
            # A little more than is wanted, for a block begins with two short reads; a long one goes by without a copy.
            data = self._received(min(max(left, READ_AHEAD), PIECE), deadline)
            parts.append(data[:left])
            self._rest += data[left:]
        return b"".join(parts)

    def _received(self, count: int, deadline: float) -> bytes:
        """What comes next, at most so many bytes."""
        assert self._line is not None
        if not _ready(self._line, max(0.0, deadline - time.monotonic())):
            raise VisaIOError(StatusCode.error_timeout)
        if not (data := self._line.recv(count)):
            raise ConnectionError("it has ended the connection")
        return data

    def line_end(self) -> bytes:
        """What comes behind the payload of a block, if it comes at once."""
        if self._line is None:
            return super().line_end()
        return self.read(1) if self._rest or _ready(self._line, END_OF_BLOCK_MS * 1e-3) else b""

    @contextlib.contextmanager
    def without_termination(self) -> Iterator[None]:
        """Have reads go by length alone."""
        if self._line is not None:  # they do
            yield
            return
        with super().without_termination():
            yield

    def unasked(self) -> str | None:
        """Look at what has come already, without taking it."""
        if self._rest or (self._line is not None and _ready(self._line)):
            return super().unasked() or "it has sent what nobody asked for"
        return None

    def clear(self) -> None:
        """A new connection."""
        self.reopen()


class SerialLine(Transport):
    """RS-232: characters one by one, a device clear by Ctrl-C."""

    sees_end = False

    def __init__(self, name: str, opener: Opener, timeout: float, settings: Rs232) -> None:
        self._settings = settings
        self.paced = settings.flow == "none"
        super().__init__(name, opener, timeout)

    def _set_up(self, device: MessageBasedResource) -> None:
        super()._set_up(device)
        device.read_termination = "\n"
        port, settings = cast("SerialInstrument", device), self._settings
        port.baud_rate = settings.baud
        port.data_bits = settings.data_bits
        port.parity = Parity[settings.parity]
        port.stop_bits = StopBits(10 * STOP_BITS)
        port.flow_control = ControlFlow[settings.flow]

    def unasked(self) -> str | None:
        """Look at what has come already, without taking it."""
        waiting = cast("SerialInstrument", self.device).bytes_in_buffer
        return "it has sent what nobody asked for" if waiting else None

    def clear(self) -> None:
        """Ctrl-C, then take what is still under way; a port that has gone is opened anew."""
        try:
            self._interrupt()
            self._drain()
        except FAILURES:
            self.reopen()

    def _interrupt(self) -> None:
        """Send the Ctrl-C.

        With a handshake the instrument may be holding the host off; it then only listens for a Ctrl-C while the host
        in turn is not ready (E364xA User's Guide).
        """
        if self._settings.flow == "none":
            self.device.write_raw(DEVICE_CLEAR)
            return
        device = cast("SerialInstrument", self.device)
        port = session_of(device).interface
        device.flow_control = ControlFlow.none
        port.rts = False
        device.write_raw(DEVICE_CLEAR)
        port.flush()
        port.rts = True
        device.flow_control = ControlFlow[self._settings.flow]

    def _drain(self) -> None:
        """Read until nothing has come for a while."""
        deadline = time.monotonic() + self.timeout
        self.device.timeout = SILENCE_MS
        try:
            while time.monotonic() < deadline:
                self.device.read_bytes(1)
        except VisaIOError:
            return
        finally:
            self.device.timeout = self.timeout * 1000
        raise NoAnswer(self.name, "Ctrl-C", "it goes on sending")


def session_of(device: MessageBasedResource | None) -> Any:
    """What pyvisa-py keeps behind a resource; None with another library."""
    return None if device is None else getattr(device.visalib, "sessions", {}).get(device.session)


def _ready(line: socket.socket, seconds: float = 0.0) -> bool:
    """Whether something has come, or the other end has gone."""
    return bool(select.select([line], [], [], seconds)[0])


def tune_socket(device: MessageBasedResource) -> None:
    """Make a line that is a socket of pyvisa-py quick; leave any other as it is.

    Nagle's algorithm goes off and a read takes more than 4096 bytes at once.

    A command and the adapter's `++read` are two small packets: the second waits for the first one's delayed
    acknowledgement, 40 ms each time (measured). pyvisa-py 0.8.1 has the VISA attribute but cannot set it.
    """
    session = session_of(device)
    line = getattr(session, "interface", None)
    if isinstance(line, socket.socket):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session.max_recv_size = PIECE
        # pyvisa-py calls this before it writes to an adapter; its own reads a line that has ended for ever.
        session.clear = partial(_discard, session)


def _discard(session: Any) -> StatusCode:
    """Take what has come on a socket of pyvisa-py; ConnectionError if the line has ended."""
    session._pending_buffer.clear()  # noqa: SLF001 - pyvisa-py's bytes that no read has taken
    while _ready(session.interface):
        if not session.interface.recv(PIECE):
            raise ConnectionError("it has ended the connection")
    return StatusCode.success


def reason(error: Exception) -> str:
    """The short word for a failure, without pyvisa's paragraph."""
    if isinstance(error, VisaIOError):
        return error.abbreviation
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, _TERMINAL):
        return str(error.args[-1])
    return str(error).splitlines()[0] if str(error) else type(error).__name__
