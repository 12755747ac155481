"""An instrument on the LAN by VXI-11: links, messages with an end, device clear, locks.

VXI-11 revision 1.0 (VXIbus TCP/IP Instrument Protocol), sections B.5 and B.6. Core and abort channel are on one port;
there is no interrupt channel, so that nobody is told of a service request.
"""

import itertools
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from powerlab_instruments.simulated import rpc
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.exchange import Exchange, ReadAbortedError, split_messages
from powerlab_instruments.simulated.faults import Faults
from powerlab_instruments.simulated.listener import Listener
from powerlab_instruments.simulated.scpi import Instrument

CORE = 0x0607AF, 1  # program and version
ABORT = 0x0607B0, 1
DEVICE = b"inst0"
MOST_AT_ONCE = 1 << 16  # bytes of one device_write; UNCONFIRMED, the standard asks for 1024 at least

_NOT_ACCESSIBLE, _NO_SUCH_LINK, _NOT_SUPPORTED, _LOCKED, _NO_LOCK, _TIMEOUT, _ABORTED = 3, 4, 8, 11, 12, 15, 23
_WAIT_LOCK, _END, _TERMCHAR_SET = 1, 8, 128  # flags
_COUNT_REASON, _CHARACTER_REASON, _END_REASON = 1, 2, 4  # why a read ended
_STRANGER = -1  # no link's number: a client that is not there


class DeviceError(Exception):
    """An operation fails with an error code of VXI-11."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Link:
    """One client's conversation with the instrument."""

    number: int
    exchange: Exchange
    unfinished: bytes = field(default=b"")  # written without an end


class Vxi11:
    """An instrument as `inst0` on a TCP port; every link has input and output of its own. Only links mind locks."""

    def __init__(self, instrument: Instrument, clock: SimulatedClock, name: str, faults: Faults, port: int) -> None:
        self._instrument, self._clock, self._name, self._faults = instrument, clock, name, faults
        self.links: dict[int, Link] = {}
        self._numbers = itertools.count(1)
        self._holder: int | None = None
        self._stranger_until = 0
        self._closed = False
        self._changed = threading.Condition()
        self.listener = Listener(f"VXI-11 {name}", port, self._serve, clock)

    def close(self) -> None:
        """End every connection and its links, whatever they wait for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for link in list(self.links.values()):
            link.exchange.close()
        self.listener.close()

    def new_link(self, lock_within: float | None) -> Link:
        """A link; it holds the lock if there are seconds to wait for it, or DeviceError is raised."""
        number = next(self._numbers)
        if lock_within is not None:
            self.acquire(number, lock_within, keep=True)
        self.links[number] = Link(number, Exchange(self._instrument, self._clock, self._name, self._faults))
        return self.links[number]

    def acquire(self, number: int, seconds: float, *, keep: bool) -> None:
        """Wait until no other link holds the lock, and hold it if told to; DeviceError after `seconds`."""
        with self._changed:
            until = time.monotonic() + seconds
            while self._holder_now() not in (None, number):
                left = until - time.monotonic()
                if left <= 0 or self._closed:
                    raise DeviceError(_LOCKED)
                self._changed.wait(min(left, 0.05))  # a stranger's lock ends with the bench's time
            if keep:
                self._holder = number

    def release(self, number: int) -> bool:
        """Give the lock up; whether the link held it."""
        with self._changed:
            held = self._holder == number
            if held:
                self._holder = None
                self._changed.notify_all()
            return held

    def lock_out(self, seconds: float) -> None:
        """Let a client that is not there hold the lock for so long."""
        with self._changed:
            self._holder, self._stranger_until = _STRANGER, self._clock.now() + round(min(seconds, 1e9) * 1e9)

    def _holder_now(self) -> int | None:
        if self._holder == _STRANGER and self._clock.now() >= self._stranger_until:
            self._holder = None
        return self._holder

    def _serve(self, connection: socket.socket) -> None:
        channel = Channel(self)
        try:
            rpc.serve(connection, {CORE: channel.call, ABORT: channel.abort})
        finally:
            channel.close()


class Channel:
    """What one connection to the server may call; its links end with it."""

    def __init__(self, server: Vxi11) -> None:
        self._server = server
        self._own: set[int] = set()
        # What a procedure is, and how many words of nothing follow its error code when it fails.
        self._procedures: dict[int, tuple[Callable[[rpc.Arguments], bytes], int]] = {
            10: (self._create_link, 3),
            11: (self._write, 1),
            12: (self._read, 2),
            13: (self._read_status, 1),
            14: (self._trigger, 0),
            15: (self._clear, 0),
            16: (self._remote_or_local, 0),
            17: (self._remote_or_local, 0),
            18: (self._lock, 0),
            19: (self._unlock, 0),
            20: (self._enable_service, 0),
            22: (self._refuse, 1),
            23: (self._destroy_link, 0),
            25: (self._refuse, 0),
            26: (self._refuse, 0),
        }

    def close(self) -> None:
        """End the links made here."""
        for number in list(self._own):
            self._end(number)

    def call(self, procedure: int, arguments: rpc.Arguments) -> bytes:
        """The core channel."""
        if procedure not in self._procedures:
            raise rpc.NoProcedureError
        act, nothing = self._procedures[procedure]
        try:
            return rpc.words(0) + act(arguments)
        except DeviceError as error:
            return rpc.words(error.code) + rpc.words(0) * nothing

    def abort(self, procedure: int, arguments: rpc.Arguments) -> bytes:
        """The abort channel: end what a link waits for."""
        if procedure != 1:
            raise rpc.NoProcedureError
        link = self._server.links.get(arguments.signed())
        if link is None:
            return rpc.words(_NO_SUCH_LINK)
        link.exchange.abort()
        return rpc.words(0)

    def _create_link(self, arguments: rpc.Arguments) -> bytes:
        _client, lock, milliseconds, device = (
            arguments.signed(),
            arguments.unsigned(),
            arguments.unsigned(),
            arguments.opaque(),
        )
        if device.lower() != DEVICE:
            raise DeviceError(_NOT_ACCESSIBLE)
        link = self._server.new_link(milliseconds * 1e-3 if lock else None)
        self._own.add(link.number)
        return rpc.words(link.number, self._server.listener.port, MOST_AT_ONCE)

    def _write(self, arguments: rpc.Arguments) -> bytes:
        link = self._link(arguments)
        _timeout, lock_timeout, flags, data = (
            arguments.unsigned(),
            arguments.unsigned(),
            arguments.signed(),
            arguments.opaque(),
        )
        self._unless_locked(link, flags, lock_timeout)
        messages, link.unfinished = split_messages(link.unfinished + data)
        if flags & _END:
            messages, link.unfinished = [*messages, link.unfinished], b""
        for message in messages:
            if message.strip():
                link.exchange.write(message)
        return rpc.words(len(data))

    def _read(self, arguments: rpc.Arguments) -> bytes:
        link = self._link(arguments)
        most, timeout, lock_timeout = (arguments.unsigned() for _ in range(3))
        flags, character = arguments.signed(), arguments.signed()
        self._unless_locked(link, flags, lock_timeout)
        stop = bytes([character & 0xFF]) if flags & _TERMCHAR_SET else b""
        try:
            data, ended = link.exchange.read(timeout * 1e-3, most, stop)
        except ReadAbortedError:
            raise DeviceError(_ABORTED) from None
        if not data:
            raise DeviceError(_TIMEOUT)
        reason = (_END_REASON if ended else 0) | (_COUNT_REASON if len(data) == most else 0)
        if stop and data.endswith(stop):
            reason |= _CHARACTER_REASON
        return rpc.words(reason) + rpc.opaque(data)

    def _read_status(self, arguments: rpc.Arguments) -> bytes:
        return rpc.words(self._granted(arguments).exchange.status_byte())

    def _trigger(self, arguments: rpc.Arguments) -> bytes:
        self._granted(arguments).exchange.write(b"*TRG")
        return b""

    def _clear(self, arguments: rpc.Arguments) -> bytes:
        link = self._granted(arguments)
        link.unfinished = b""
        link.exchange.clear()
        return b""

    def _remote_or_local(self, arguments: rpc.Arguments) -> bytes:
        self._granted(arguments)
        return b""

    def _lock(self, arguments: rpc.Arguments) -> bytes:
        link, flags, milliseconds = self._link(arguments), arguments.signed(), arguments.unsigned()
        self._server.acquire(link.number, milliseconds * 1e-3 if flags & _WAIT_LOCK else 0.0, keep=True)
        return b""

    def _unlock(self, arguments: rpc.Arguments) -> bytes:
        if not self._server.release(self._link(arguments).number):
            raise DeviceError(_NO_LOCK)
        return b""

    def _enable_service(self, arguments: rpc.Arguments) -> bytes:
        self._link(arguments)
        return b""

    def _refuse(self, _arguments: rpc.Arguments) -> bytes:
        raise DeviceError(_NOT_SUPPORTED)

    def _destroy_link(self, arguments: rpc.Arguments) -> bytes:
        self._end(self._link(arguments).number)
        return b""

    def _link(self, arguments: rpc.Arguments) -> Link:
        number = arguments.signed()
        if number not in self._own:
            raise DeviceError(_NO_SUCH_LINK)
        return self._server.links[number]

    def _granted(self, arguments: rpc.Arguments) -> Link:
        """The link of an operation with generic parameters, which no other link's lock forbids."""
        link = self._link(arguments)
        flags, lock_timeout, _timeout = arguments.signed(), arguments.unsigned(), arguments.unsigned()
        self._unless_locked(link, flags, lock_timeout)
        return link

    def _unless_locked(self, link: Link, flags: int, milliseconds: int) -> None:
        self._server.acquire(link.number, milliseconds * 1e-3 if flags & _WAIT_LOCK else 0.0, keep=False)

    def _end(self, number: int) -> None:
        self._own.discard(number)
        self._server.release(number)
        self._server.links.pop(number).exchange.close()
