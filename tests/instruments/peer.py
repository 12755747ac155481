"""An instrument that answers from a table, on every kind of line that the simulator has."""

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from powerlab_instruments.link import Visa, VisaLink
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.exchange import Exchange
from powerlab_instruments.simulated.faults import Faults
from powerlab_instruments.simulated.prologix import Adapter
from powerlab_instruments.simulated.rawsocket import RawSocket
from powerlab_instruments.simulated.scpi import Instrument
from powerlab_instruments.simulated.serialport import SerialPort
from powerlab_instruments.simulated.vxi11 import Vxi11

Answer = bytes | Callable[[threading.Event], bytes]  # to be worked out while the event tells of a device clear

TRANSPORTS = (
    "socket",
    "vxi11",
    "adapter",
    pytest.param("serial", marks=pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals on Windows")),
)
STREAMS = ("socket", "adapter", "serial")  # on which a message has no end but its line feed

_boards = itertools.count(20)


class Peer(Instrument):
    """Answers what `answers` has, `*OPC?` always, and nothing else. `heard` is every message."""

    IDENTITY = "PEER"
    QUEUE_DEPTH = 20

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Answer] = {}
        self.heard: list[str] = []

    def receive(self, message: bytes, cancelled: threading.Event) -> bytes:
        text = message.decode("latin-1").strip()
        self.heard.append(text)
        answer = self.answers.get(text, b"1\n" if text == "*OPC?" else b"")
        return answer(cancelled) if callable(answer) else answer


@dataclass
class Served:
    """A peer on one kind of line, and how to open that."""

    transport: str
    peer: Peer
    resource: str
    adapter: str | None

    def open(self, visa: Visa, timeout: float = 0.3) -> VisaLink:
        return visa.open(self.resource, timeout=timeout, adapter=self.adapter)


@contextmanager
def served(transport: str) -> Iterator[Served]:
    """Serve a peer until left."""
    peer, clock, faults = Peer(), SimulatedClock(), Faults()
    adapter = None
    with ExitStack() as stack:
        if transport == "socket":
            server = RawSocket(peer, clock, "peer", faults, 0)
            stack.callback(server.close)
            resource = f"TCPIP0::127.0.0.1::{server.listener.port}::SOCKET"
        elif transport == "vxi11":
            links = Vxi11(peer, clock, "peer", faults, 0)
            stack.callback(links.close)
            resource = f"TCPIP0::127.0.0.1,{links.listener.port}::inst0::INSTR"
        elif transport == "adapter":
            gpib, board = Exchange(peer, clock, "peer", faults), next(_boards)
            box = Adapter({5: gpib}, clock, 0)
            stack.callback(box.close)
            stack.callback(gpib.close)
            adapter = f"PRLGX-TCPIP{board}::127.0.0.1::{box.listener.port}::INTFC"
            resource = f"GPIB{board}::5::INSTR"
        else:
            port = SerialPort(peer, clock, "peer", faults)
            stack.callback(port.close)
            resource = f"ASRL{port.name}::INSTR"
        yield Served(transport, peer, resource, adapter)
