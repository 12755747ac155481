"""The marker wire between a workload and the simulated bench: lines of text over TCP on loopback.

`H <ns>` and `L <ns>` raise and drop the marker at a time of the host's monotonic clock and have no answer. `T <ns>`
advances virtual time (`ok`), `NOW` tells the bench's time, `TRUTH` answers one JSON line: what the board really drew
in each completed pulse. Every other line is answered `error: ...`.
"""

import json
import socket
from dataclasses import asdict
from types import TracebackType
from typing import Self

from powerlab_instruments.simulated.board import Board
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.listener import Listener, lines_of
from powerlab_traces.errors import PowerlabError
from powerlab_traces.run import TrueWindow


class WireError(PowerlabError):
    """The wire to the simulated bench is broken, or asked for what the bench cannot do."""


class WireServer:
    """The bench's end of the wire; any number of clients."""

    def __init__(self, board: Board, clock: SimulatedClock, port: int) -> None:
        self._board, self._clock = board, clock
        self._listener = Listener("marker wire", port, self._serve, clock)
        self.port = self._listener.port

    def close(self) -> None:
        """End every connection."""
        self._listener.close()

    def _serve(self, connection: socket.socket) -> None:
        for line in lines_of(connection):
            if answer := self._obey(line.decode("ascii", "replace").split()):
                connection.sendall(answer.encode("ascii") + b"\n")

    def _obey(self, words: list[str]) -> str:
        try:
            match words:
                case ["H" | "L" as level, time]:
                    self._board.marker.edge(int(time), high=level == "H")
                    self._clock.notify()
                    return ""
                case ["T", time]:
                    self._clock.advance(int(time))
                    return "ok"
                case ["NOW"]:
                    return str(self._clock.now())
                case ["TRUTH"]:
                    return json.dumps([asdict(window) for window in self._board.truth()])
        except (PowerlabError, ValueError) as error:
            return f"error: {error}"
        return f"error: {' '.join(words)!r} is no line of the wire; send H, L, T, NOW or TRUTH"


class Wire:
    """The workload's end of the wire, at an address like `127.0.0.1:4000`. One thread uses it at a time.

    Raises
    ------
    WireError
        Nobody answers there, or the bench has gone.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        host, _, port = address.rpartition(":")
        try:
            self._socket = socket.create_connection((host, int(port)), timeout=5)
        except (OSError, ValueError) as error:
            raise WireError(
                f"no simulated bench answers at {address!r} ({error}); start one with "
                "`python -m powerlab_instruments.simulated` and use the wire address it prints"
            ) from None
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("r", encoding="ascii")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the marker stays as it is."""
        self._answers.close()
        self._socket.close()

    def high(self, at: int) -> None:
        """The marker rises at `at` ns of the host's monotonic clock."""
        self._send(f"H {at}\n")

    def low(self, at: int) -> None:
        """The marker falls at `at` ns."""
        self._send(f"L {at}\n")

    def now(self) -> int:
        """The bench's time in ns."""
        return int(self._ask("NOW\n"))

    def advance(self, to: int) -> None:
        """Move the bench's virtual time to `to` ns; WireError if it runs in real time."""
        self._ask(f"T {to}\n")

    def truth(self) -> tuple[TrueWindow, ...]:
        """What the board really drew in each completed pulse of the marker, in order of time."""
        return tuple(TrueWindow(**window) for window in json.loads(self._ask("TRUTH\n")))

    def _send(self, line: str) -> None:
        try:
            self._socket.sendall(line.encode("ascii"))
        except OSError as error:
            raise self._gone(error) from None

    def _ask(self, line: str) -> str:
        self._send(line)
        try:
            answer = self._answers.readline()
        except OSError as error:
            raise self._gone(error) from None
        if not answer:
            raise self._gone("connection closed")
        if answer.startswith("error: "):
            raise WireError(answer.removeprefix("error: ").strip())
        return answer

    def _gone(self, why: object) -> WireError:
        return WireError(f"the simulated bench at {self.address} has gone ({why}); start it again")


class VirtualClock:
    """The bench's own clock as a `powerlab_traces.clock.Clock`: sleeping advances virtual time through the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def now(self) -> int:
        """The bench's time in ns."""
        return self._wire.now()

    def sleep(self, seconds: float) -> None:
        """Advance the bench by `seconds`; zero or less returns at once."""
        if seconds > 0:
            self._wire.advance(self._wire.now() + round(seconds * 1e9))
