"""The line to an instrument: the one door to VISA.

What to send and how to read it back, whatever the line is made of; the kinds of line are in `transports`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, cast

import pyvisa
from pyvisa.resources import MessageBasedResource

from powerlab_instruments.adapterline import AdapterLine
from powerlab_instruments.errors import InstrumentError, NoAnswer
from powerlab_instruments.rs232 import Rs232
from powerlab_instruments.transports import (
    FAILURES,
    SerialLine,
    SocketLine,
    Transport,
    reason,
)

GARBLED = "check the line, and that no other program uses the instrument, then start again"

LONGEST_TEXT = 1 << 20  # bytes of an answer in text; a line that goes on is none


class VisaLink:
    """A line to one instrument, for short text messages and definite-length blocks.

    Everything that fails becomes an `InstrumentError` that names the resource and the command. After a failure, or an
    interrupt in the middle of a question, the line is out of step: an answer may still be under way. Before anything
    else is said, `recover` brings it back, so that no late answer is ever taken for the next one.
    """

    def __init__(self, transport: Transport) -> None:
        self.name = transport.name
        self._transport = transport
        self._in_step = True
        self._farewell: str | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def is_serial(self) -> bool:
        """Whether this is RS-232, on which an instrument must be told that it is remote."""
        return isinstance(self._transport, SerialLine)

    def part_with(self, message: str) -> None:
        """Say this when the line is closed, if it can still be said."""
        self._farewell = message

    def write(self, message: str) -> None:
        """Send one program message; the terminator is added here.

        On a line without handshake this returns when the instrument has done it.
        """
        with self._said(message):
            self._transport.write(message)
            if self._transport.paced:
                self._transport.write("*OPC?")
                if (done := self._text("*OPC?")).lstrip("+") != "1":
                    raise NoAnswer(self.name, message, f"'*OPC?' behind it answered {done!r}")

    def query(self, message: str) -> str:
        """Send one query and return its answer without terminator or outer blanks."""
        with self._said(message):
            self._transport.write(message)
            return self._text(message)

    def query_block(self, message: str) -> bytes:
        """Send one query and return the payload of its definite-length block (IEEE 488.2, 8.7.9).

        Reads by length with the termination character off, since the payload may hold line feeds.
        """
        with self._said(message):
            self._transport.write(message)
            with self._transport.without_termination():
                payload, whole = self._block(message)
        self._in_step = whole
        return payload

    def _text(self, message: str) -> str:
        """An answer in text, up to its end or its line feed.

        A piece that is full is the last one only if it ends in a line feed: pyvisa-py 0.8.1 does not tell the end of a
        message that fills a piece of VXI-11 exactly.
        """
        answer, full = b"", True
        while full and not answer.endswith(b"\n"):
            if len(answer) > LONGEST_TEXT:
                raise InstrumentError(f"{self.name} answered {message!r} with more than {LONGEST_TEXT} bytes of text")
            wanted = self._transport.piece
            piece = self._transport.read(wanted, to_end=True)
            answer, full = answer + piece, len(piece) == wanted
        return answer.decode("ascii").strip()

    def _block(self, message: str) -> tuple[bytes, bool]:
        """The payload of a block, and whether the line feed behind it has come; the payload is whole without it."""
        ends = self._transport.sees_end
        start = self._transport.read(2, to_end=ends)
        digits = b""
        if re.fullmatch(rb"#[1-9]", start):
            digits = self._transport.read(int(start[1:]), to_end=ends)
        if not digits.isdigit() or len(digits) != int(start[1:]):
            raise InstrumentError(
                f"{self.name} answered {message!r} with {start + digits!r}, which starts no data block; {GARBLED}"
            )
        count = int(digits)
        if ends:  # one byte more than the payload, so that no read is for what is not there
            data = self._bytes(count + 1)
            payload, rest, whole = data[:count], data[count:], True
        else:
            payload = self._bytes(count)
            rest = self._transport.line_end()
            whole = rest.endswith(b"\n")
        if len(payload) < count:
            raise NoAnswer(self.name, message, f"it sent {len(payload)} of {count} bytes")
        if rest.strip(b"\r\n"):
            raise InstrumentError(f"{self.name} answered {message!r} with more than the {count} bytes it announced")
        return payload, whole

    def _bytes(self, count: int) -> bytes:
        """So many bytes, or those up to the end of the message where that is seen."""
        parts, left = [], count
        while left:
            wanted = min(left, self._transport.piece)
            parts.append(self._transport.read(wanted, to_end=self._transport.sees_end))
            left -= len(parts[-1])
            if len(parts[-1]) < wanted:
                break
        return b"".join(parts)

    def recover(self) -> None:
        """Bring the line back in step: device clear, or a new connection where there is no device clear.

        Raises
        ------
        NoAnswer
            The instrument cannot be reached.
        """
        try:
            self._transport.clear()
        except FAILURES as error:
            raise NoAnswer(self.name, "device clear", reason(error)) from error
        self._in_step = True

    def close(self) -> None:
        """Give the resource back; may be called twice."""
        farewell, self._farewell = self._farewell, None
        try:
            if farewell is not None:
                self.write(farewell)
                self.query("*OPC?")  # a line that is closed at once may take its last word with it
        except InstrumentError:
            return  # it cannot hear us
        finally:
            self._transport.close()

    @contextmanager
    def _said(self, message: str) -> Iterator[None]:
        if not self._in_step:
            self.recover()
        self._in_step = False
        try:
            if unasked := self._transport.unasked():
                raise NoAnswer(self.name, message, unasked)
            yield
        except UnicodeDecodeError as error:
            raise InstrumentError(f"{self.name} answered {message!r} with bytes that are no text; {GARBLED}") from error
        except FAILURES as error:
            raise NoAnswer(self.name, message, reason(error)) from error
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
                f'VISA library {library!r} cannot be loaded ({reason(error)}); `visa_library = "@py"` always works'
            ) from error
        self._open: list[VisaLink] = []

    def open(
        self, resource: str, *, timeout: float = 5.0, adapter: str | None = None, rs232: Rs232 | None = None
    ) -> VisaLink:
        """Open a resource: "TCPIP0::10.0.0.5::5025::SOCKET", "TCPIP0::10.0.0.5::inst0::INSTR" (VXI-11),
        "ASRL/dev/ttyUSB0::INSTR" (with what `rs232` says), a USB one, "GPIB0::5::INSTR" on a card or, behind a
        Prologix `adapter` ("PRLGX-TCPIP0::10.0.0.6::1234::INTFC"), "GPIB0::5::INSTR".

        `timeout` in seconds is how long each answer is waited for. A GPIB card takes the next longer of 1, 3, 10, 30.

        Raises
        ------
        NoAnswer
            The resource cannot be opened. A dead socket shows only when it is first asked something.
        """

        def opener(name: str) -> MessageBasedResource:
            return self._resource(name, timeout)

        if adapter is not None:
            transport: Transport = AdapterLine(resource, opener, timeout, adapter)
        elif resource.upper().startswith("ASRL"):
            transport = SerialLine(resource, opener, timeout, rs232 or Rs232())
        elif resource.upper().endswith("::SOCKET"):
            transport = SocketLine(resource, opener, timeout)
        else:
            transport = Transport(resource, opener, timeout)
        self._open.append(VisaLink(transport))
        return self._open[-1]

    def _resource(self, name: str, timeout: float) -> MessageBasedResource:
        try:
            # Without a time-out of its own VXI-11 has 100 ms for its handshake in pyvisa-py 0.8.1.
            device = self._manager.open_resource(name, open_timeout=int(timeout * 1000))
        except Exception as error:  # pyvisa-py raises bare ones here, too
            raise NoAnswer(name, "open", reason(error)) from error
        if not hasattr(device, "query"):
            device.close()
            raise InstrumentError(f"{name} is no resource that takes messages; check it in bench.toml")
        return cast("MessageBasedResource", device)

    def close(self) -> None:
        """Close every link and its adapter; may be called twice."""
        for link in self._open:
            link.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
