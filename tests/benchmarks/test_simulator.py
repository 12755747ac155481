"""Commands a second of the simulated bench, beside a server that does nothing but answer, each in its own process."""

import contextlib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from powerlab.simulation import SimulatorProcess
from powerlab_instruments.link import Visa

ROUNDS = 7
QUESTIONS = 2000  # in a round

ECHO = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    line, _ = server.accept()
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while line.recv(65536):
        line.sendall(b"1\\n")
"""


@contextmanager
def echo() -> Iterator[int]:
    """The port of a server that answers `1` to whatever comes."""
    with subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def bare(port: int) -> float:
    """Questions a second over a bare socket."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        for _ in range(QUESTIONS):
            line.sendall(b"*OPC?\n")
            line.recv(4096)
        return QUESTIONS / (time.perf_counter() - started)


def ours(port: int) -> float:
    """The same over our link and VISA."""
    with Visa() as visa:
        link = visa.open(f"TCPIP0::127.0.0.1::{port}::SOCKET")
        started = time.perf_counter()
        for _ in range(QUESTIONS):
            link.query("*OPC?")
        return QUESTIONS / (time.perf_counter() - started)


def test_commands_a_second() -> None:
    with contextlib.ExitStack() as opened:
        simulator = opened.enter_context(SimulatorProcess(("--virtual",)))
        simulated, nothing = int(simulator.resources["scope"].split("::")[2]), opened.enter_context(echo())
        rounds = [(bare(nothing), bare(simulated), ours(nothing), ours(simulated)) for _ in range(ROUNDS + 1)][1:]
    echoed, answered, asked, driven = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"\n*OPC? a second over a bare socket: echo server {echoed:.0f}, simulated scope {answered:.0f}, ratio "
        f"{answered / echoed:.2f}; over our link: echo server {asked:.0f}, simulated scope {driven:.0f}, ratio "
        f"{driven / asked:.2f}"
    )
    assert driven > 0.5 * asked  # it is not the simulator that a driver waits for
