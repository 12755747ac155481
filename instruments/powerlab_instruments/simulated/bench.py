"""The whole simulated bench: board, probe, scope, supply behind its adapter, and the marker wire."""

import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from powerlab_instruments.simulated.board import Board
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.digitiser import Digitiser
from powerlab_instruments.simulated.exchange import Exchange
from powerlab_instruments.simulated.listener import LOOPBACK, Listener, lines_of
from powerlab_instruments.simulated.marker import Marker
from powerlab_instruments.simulated.probe import Probe
from powerlab_instruments.simulated.prologix import Adapter
from powerlab_instruments.simulated.scope import Scope
from powerlab_instruments.simulated.supply import Supply
from powerlab_instruments.simulated.wire import WireServer

SUPPLY_ADDRESS = 5  # on GPIB, as shipped


@dataclass(frozen=True, slots=True)
class Resources:
    """Where the bench is: VISA resource names, and the address of the marker wire."""

    scope: str
    adapter: str
    supply: str
    wire: str


class SimulatedBench:
    """A bench on loopback until closed; a port of 0 takes any free one.

    `seed` decides every error of its instruments: a seed is a bench. `memory` is the scope's, in samples (1 000 000,
    or 100 000 as older units have), `model` its name. A new connection waits `first_answer` seconds for its answer,
    and every `wedge_every` seconds its network port wedges: both were seen on real units. `sensitivity` (V/A) and
    `turns` are the probe's; `lead_resistance` (ohm) lies between the point the supply regulates and the board, 0 with
    remote sense. In `virtual` time the clock stands still until the wire advances it.

    Raises
    ------
    PortBusyError
        A port is in use.
    UnknownModelError
        There is no such scope.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        virtual: bool = False,
        memory: int = 1_000_000,
        model: str = "MSO-X 2024A",
        first_answer: float = 0.0,
        wedge_every: float | None = None,
        sensitivity: float = 0.1,
        turns: int = 1,
        lead_resistance: float = 0.0,
        scope_port: int = 0,
        adapter_port: int = 0,
        wire_port: int = 0,
        gpib_board: int = 0,
    ) -> None:
        random = np.random.default_rng(seed)
        self.clock = SimulatedClock(virtual=virtual)
        self.board = Board(Marker(), random.spawn(1)[0], lead_resistance=lead_resistance)
        self.probe = Probe.drawn(random, sensitivity=sensitivity, turns=turns)
        self.digitiser = Digitiser(self.board, self.probe, random, self.clock.now())
        self.scope = Scope(
            self.digitiser, self.clock, memory, model, first_answer=first_answer, wedge_every=wedge_every
        )
        self.supply = Supply(self.board, self.clock, random)
        with ExitStack() as stack:
            wire = WireServer(self.board, self.clock, wire_port)
            stack.callback(wire.close)
            gpib = Exchange(self.supply, self.clock, "supply")
            stack.callback(gpib.close)
            adapter = Adapter({SUPPLY_ADDRESS: gpib}, adapter_port)
            stack.callback(adapter.close)
            scope = Listener("scope", scope_port, self._serve_scope)
            stack.callback(scope.close)
            self._open = stack.pop_all()
        self.resources = Resources(
            scope=f"TCPIP0::{LOOPBACK}::{scope.port}::SOCKET",
            adapter=f"PRLGX-TCPIP{gpib_board}::{LOOPBACK}::{adapter.port}::INTFC",
            supply=f"GPIB{gpib_board}::{SUPPLY_ADDRESS}::INSTR",
            wire=f"{LOOPBACK}:{wire.port}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, end every connection and thread."""
        self._open.close()

    def _serve_scope(self, connection: socket.socket) -> None:
        """Raw SCPI: one message a line, an answer is sent as soon as there is one; the end of the line clears."""
        gone = threading.Event()

        def deliver(answer: bytes) -> None:
            try:
                connection.sendall(answer)
            except OSError:
                gone.set()  # the reading side ends this connection

        exchange = Exchange(self.scope, self.clock, "scope", deliver)
        try:
            for line in lines_of(connection):
                exchange.write(line)
        finally:
            exchange.close()
