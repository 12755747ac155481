"""A simulated bench in virtual time, and raw lines to it: bytes in, bytes out."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.scpi import Instrument
from powerlab_instruments.simulated.wire import Wire

Say = Callable[[bytes], bytes]


def port_of(resource: str) -> int:
    """The port in a VISA name or an address."""
    return int(resource.replace("::", ":").split(":")[-2 if "::" in resource else -1])


class Line:
    """A raw TCP connection."""

    def __init__(self, resource: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port_of(resource)), timeout=5)
        self.file = self.socket.makefile("rb")

    def send(self, message: bytes) -> None:
        self.socket.sendall(message)

    def ask(self, message: bytes) -> bytes:
        self.send(message)
        return self.file.readline()

    def silent(self, seconds: float = 0.05) -> bool:
        """Whether nothing comes for so long."""
        self.socket.settimeout(seconds)
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(5)

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def connect() -> Iterator[Callable[[str], Line]]:
    """Open raw lines that the test's end closes."""
    lines: list[Line] = []

    def make(resource: str) -> Line:
        lines.append(Line(resource))
        return lines[-1]

    yield make
    for line in lines:
        line.close()


@pytest.fixture
def bench() -> Iterator[SimulatedBench]:
    with SimulatedBench(seed=7, virtual=True) as bench:
        yield bench


@pytest.fixture
def wire(bench: SimulatedBench) -> Iterator[Wire]:
    with Wire(bench.resources.wire) as wire:
        yield wire


def speaker(instrument: Instrument) -> Say:
    """Messages straight to an instrument."""
    return lambda message: instrument.receive(message, threading.Event())


@pytest.fixture
def scope(bench: SimulatedBench) -> Say:
    return speaker(bench.scope)


@pytest.fixture
def supply(bench: SimulatedBench) -> Say:
    return speaker(bench.supply)
