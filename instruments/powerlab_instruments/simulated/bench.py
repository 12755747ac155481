"""The whole simulated bench: board, probe, scope, supply behind its adapter, and the marker wire."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from powerlab_instruments.simulated.board import ACTIVE_POWER, IDLE_POWER, RAMP_UP, Board
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.digitiser import Digitiser
from powerlab_instruments.simulated.exchange import Exchange
from powerlab_instruments.simulated.faults import Fault, Faults
from powerlab_instruments.simulated.listener import LOOPBACK, Listener, PortBusyError
from powerlab_instruments.simulated.marker import Marker
from powerlab_instruments.simulated.portmapper import WELL_KNOWN_PORT, Portmapper
from powerlab_instruments.simulated.probe import Probe
from powerlab_instruments.simulated.prologix import Adapter
from powerlab_instruments.simulated.rawsocket import RawSocket
from powerlab_instruments.simulated.scope import Scope
from powerlab_instruments.simulated.serialport import SerialPort
from powerlab_instruments.simulated.supply import Supply
from powerlab_instruments.simulated.vxi11 import CORE, DEVICE, Vxi11
from powerlab_instruments.simulated.wire import WireServer

SUPPLY_ADDRESS = 5  # on GPIB, as shipped


@dataclass(frozen=True, slots=True)
class Resources:
    """Where the bench is: VISA resource names, and the address of the marker wire; empty for what it has not."""

    scope: str
    adapter: str
    supply: str
    wire: str


class SimulatedBench:
    """A bench on loopback until closed; a port of 0 takes any free one.

    `seed` decides every error of its instruments: a seed is a bench; what only scatters is drawn anew in another
    `session` with it. `memory` is the scope's, in samples (1 000 000,
    or 100 000 as older units have), `model` its name and `supply_model` that of the supply; with `segmented` the
    scope has the licence for segmented memory. Three things were seen on real units: a new connection to the scope
    waits `first_answer` seconds for its answer, every `wedge_every` seconds its network port wedges, and with
    `short_preamble` the first preamble of each record is only `+0`. `sensitivity` (V/A) and `turns` are the probe's;
    `lead_resistance` (ohm) lies between the point the supply regulates and the board, 0 with remote sense.
    `idle_power`, `active_power` (W, above idle) and `ramp` (s) are the board's. In `virtual` time the clock stands
    still until the wire advances it.

    With `vxi11` the scope is on VXI-11 as well, at the resource `scope_vxi11`. The port mapper that its clients ask is
    on `portmapper_port`, or on any free port where 111 is not for this user; then the resource names the port of the
    core channel. With `serial` the supply is on RS-232 in place of GPIB, as a pseudo-terminal (not on Windows); with
    `baud_paced` its characters take their time. `faults` are planned from the start; more can be planned at any time
    through the attribute of that name.

    Raises
    ------
    PortBusyError
        A port is in use.
    UnknownModelError, UnknownSupplyError
        There is no such scope, or no such supply.
    PowerlabError
        This bench cannot have one of the faults, or a serial port.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        session: int = 0,
        virtual: bool = False,
        memory: int = 1_000_000,
        model: str = "MSO-X 2024A",
        supply_model: str = "E3645A",
        segmented: bool = False,
        first_answer: float = 0.0,
        wedge_every: float | None = None,
        short_preamble: bool = False,
        sensitivity: float = 0.1,
        turns: int = 1,
        lead_resistance: float = 0.0,
        idle_power: float = IDLE_POWER,
        active_power: float = ACTIVE_POWER,
        ramp: float = RAMP_UP,
        scope_port: int = 0,
        adapter_port: int = 0,
        wire_port: int = 0,
        gpib_board: int = 0,
        vxi11: bool = False,
        portmapper_port: int = WELL_KNOWN_PORT,
        serial: bool = False,
        baud_paced: bool = False,
        faults: Iterable[Fault] = (),
    ) -> None:
        random = np.random.default_rng(seed)
        self.clock = SimulatedClock(virtual=virtual)
        levels = random.spawn(1)[0]
        self.board = Board(
            Marker(),
            np.random.default_rng((seed, session)) if session else levels,
            lead_resistance=lead_resistance,
            idle_power=idle_power,
            active_power=active_power,
            ramp=ramp,
        )
        self.probe = Probe.drawn(random, sensitivity=sensitivity, turns=turns)
        self.digitiser = Digitiser(self.board, self.probe, random, self.clock.now(), session=session)
        self.scope = Scope(
            self.digitiser,
            self.clock,
            memory,
            model,
            first_answer=first_answer,
            wedge_every=wedge_every,
            segmented=segmented,
            short_preamble=short_preamble,
            number=seed + 1,  # another seed is another scope
        )
        self.supply = Supply(self.board, self.clock, random, supply_model, rs232=serial)
        self.faults = Faults()
        with ExitStack() as stack:
            wire = WireServer(self.board, self.clock, wire_port)
            stack.callback(wire.close)
            adapter, supply = self._serial(baud_paced, stack) if serial else self._gpib(gpib_board, adapter_port, stack)
            scope = RawSocket(self.scope, self.clock, "scope", self.faults, scope_port)
            stack.callback(scope.close)
            self._can_lose(scope.listener, "scope")
            self.scope_vxi11 = self._vxi11(portmapper_port, stack) if vxi11 else ""
            self.faults.act("ovp", lambda _seconds: self.supply.trip(), "scope", "supply")
            self.faults.act("cc", self._surge, "scope", "supply")
            for fault in faults:
                self.faults.plan(fault)
            self._open = stack.pop_all()
        self.resources = Resources(
            scope=f"TCPIP0::{LOOPBACK}::{scope.listener.port}::SOCKET",
            adapter=adapter,
            supply=supply,
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

    def _gpib(self, board: int, port: int, stack: ExitStack) -> tuple[str, str]:
        """The supply behind its adapter: the resources of both."""
        gpib = Exchange(self.supply, self.clock, "supply", self.faults)
        stack.callback(gpib.close)
        adapter = Adapter({SUPPLY_ADDRESS: gpib}, self.clock, port)
        stack.callback(adapter.close)
        stack.callback(gpib.close)  # first, for the adapter may be waiting for it
        self._can_lose(adapter.listener, "supply")
        return (
            f"PRLGX-TCPIP{board}::{LOOPBACK}::{adapter.listener.port}::INTFC",
            f"GPIB{board}::{SUPPLY_ADDRESS}::INSTR",
        )

    def _serial(self, paced: bool, stack: ExitStack) -> tuple[str, str]:
        """The supply on a serial port: no adapter, and its resource."""
        port = SerialPort(self.supply, self.clock, "supply", self.faults, paced=paced)
        stack.callback(port.close)
        self.faults.act("refuse", port.unplug, "supply")
        return "", f"ASRL{port.name}::INSTR"

    def _vxi11(self, portmapper_port: int, stack: ExitStack) -> str:
        """The scope on VXI-11: its resource."""
        links = Vxi11(self.scope, self.clock, "scope", self.faults, 0)
        stack.callback(links.close)
        mapper = _portmapper({CORE: links.listener.port}, self.clock, portmapper_port)
        stack.callback(mapper.close)
        self._can_lose(links.listener, "scope")
        self.faults.act("lock", links.lock_out, "scope", "supply")
        port = "" if mapper.port == WELL_KNOWN_PORT else f",{links.listener.port}"
        return f"TCPIP0::{LOOPBACK}{port}::{DEVICE.decode()}::INSTR"

    def _can_lose(self, listener: Listener, instrument: str) -> None:
        self.faults.act("drop", listener.hang_up, instrument)
        self.faults.act("refuse", listener.refuse, instrument)

    def _surge(self, seconds: float) -> None:
        now = self.clock.now()
        self.board.surge(now, now + round(min(seconds, 1e9) * 1e9))


def _portmapper(programs: dict[tuple[int, int], int], clock: SimulatedClock, port: int) -> Portmapper:
    """On the port, or on any free one where the well-known port is taken or not for this user."""
    try:
        return Portmapper(programs, clock, port)
    except PortBusyError:
        if port != WELL_KNOWN_PORT:
            raise
        return Portmapper(programs, clock, 0)
