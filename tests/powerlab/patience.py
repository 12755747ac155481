"""A host and an adapter that wait only shortly for answers which a fault keeps back.

An answer that comes is always waited for, however slow the machine is.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakSet

import pytest
from pyvisa_py.tcpip import TCPIPInstrVxi11, TCPIPSocketSession

from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.exchange import Exchange
from powerlab_instruments.simulated.faults import Fault, _Watch
from powerlab_instruments.simulated.listener import Listener
from powerlab_instruments.transports import SocketLine

GIVING_UP = 0.02  # s that the host waits for an answer that the fault keeps back
ADAPTER_GIVING_UP = 0.01  # s that the adapter waits: less than the host, as a real one's 3 s are
LATE = 0.1  # s until a late answer comes: the host has given up by then


@dataclass(frozen=True)
class Trouble(Fault):
    """A fault of the simulator, or `wedge` (the connection goes dead, a new one works), `swap` (the cable is moved to
    another instrument), `kill` (the whole bench is gone)."""

    @property
    def swallows(self) -> bool:
        """Whether the message never reaches the instrument."""
        return self.kind in {"silent", "drop", "refuse", "swap"}

    @property
    def keeps_back(self) -> bool:
        """Whether an answer is waited for in vain."""
        return self.swallows or self.kind in {"late", "short", "wedge"}

    @property
    def cuts(self) -> bool:
        """Whether the connection is of no use afterwards."""
        return self.kind in {"drop", "refuse", "swap", "wedge"}


def listeners(simulator: SimulatedBench) -> dict[str, Listener]:
    """The ports of the scope and of the supply's adapter, by role."""
    acts = simulator.faults._actions
    return {role: acts[role, "refuse"][0].__self__ for role in ("scope", "supply")}


class Patience:
    """Gives the host's lines little patience for answers that the fault keeps back, and the usual one otherwise.

    It counts the messages that the host sends as the simulator counts those that it gets.
    """

    def __init__(self, simulator: SimulatedBench) -> None:
        self._roles = {str(listener.port): role for role, listener in listeners(simulator).items()}
        self._simulator = simulator
        self._watches: list[_Watch] = []
        self._cut: WeakSet[socket.socket] = WeakSet()  # connections on which nothing will come
        self._supply_in_vain = False

    def watch(self, fault: Trouble) -> None:
        """Expect this fault from now on."""
        self._watches.append(_Watch(fault))

    @property
    def supply_is_lost(self) -> bool:
        """Whether the supply cannot be reached now, by whatever means."""
        refusing = listeners(self._simulator)["supply"]._refusing_until
        return (refusing or 0) > self._simulator.clock.now() or any(
            watch.fault.instrument == "supply" and watch.spoilt and not watch.over for watch in self._watches
        )

    @property
    def has_struck(self) -> bool:
        """Whether a fault has begun."""
        return any(watch.spoilt for watch in self._watches)

    def _sends(self, line: SocketLine | TCPIPSocketSession, connection: socket.socket, data: bytes) -> None:
        """A line sends a message: whether its answer, or any other on this connection, will be waited for in vain."""
        role = self._roles.get(str(connection.getpeername()[1])) if connection.fileno() != -1 else None
        if role is None or data.startswith(b"++read"):
            return
        # A connection that is still taken while the port closes leads nowhere.
        refusing = listeners(self._simulator)[role]._refusing_until
        if (refusing or 0) > self._simulator.clock.now():
            self._cut.add(connection)
        in_vain = connection in self._cut
        for watch in () if data.startswith(b"++") else self._watches:
            if not watch.over and watch.sees(role, data):
                in_vain = in_vain or watch.fault.keeps_back
                if watch.fault.cuts:
                    self._cut.add(connection)
        line.in_vain = in_vain
        if role == "supply":
            self._supply_in_vain = in_vain

    def _locks(self, data: bytes) -> None:
        """Take the lock before the message, so that it is the first that is refused."""
        for watch in self._watches:
            if not watch.over and watch.sees("scope", data) and watch.fault.kind == "lock":
                self._simulator.faults._actions["scope", "lock"][0](watch.fault.seconds)

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Do it to every line of this process meanwhile."""
        say, write, write_vxi11, read = SocketLine.write, TCPIPSocketSession.write, TCPIPInstrVxi11.write, Exchange.read

        def see_and_say(line: SocketLine, message: str) -> None:
            self._sends(line, line._line, message.encode("ascii"))
            say(line, message)

        def see_and_write(session: TCPIPSocketSession, data: bytes) -> object:
            self._sends(session, session.interface, data)
            return write(session, data)

        def lock_and_write(session: TCPIPInstrVxi11, data: bytes) -> object:
            self._locks(data)
            return write_vxi11(session, data)

        def read_within(exchange: Exchange, seconds: float | None, *rest: object) -> object:
            waits = seconds is None and self._supply_in_vain
            return read(exchange, ADAPTER_GIVING_UP if waits else seconds, *rest)

        def get(line: SocketLine | TCPIPSocketSession) -> float | None:
            return GIVING_UP if getattr(line, "in_vain", False) else line.usual_timeout

        def put(line: SocketLine | TCPIPSocketSession, seconds: float | None) -> None:
            line.usual_timeout = seconds

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SocketLine, "write", see_and_say)
            patch.setattr(TCPIPSocketSession, "write", see_and_write)
            for line in (SocketLine, TCPIPSocketSession):
                patch.setattr(line, "timeout", property(get, put), raising=False)
            patch.setattr(TCPIPInstrVxi11, "write", lock_and_write)
            patch.setattr(Exchange, "read", read_within)
            yield
