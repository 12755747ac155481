"""Raw SCPI over TCP, as on port 5025 of the scope: one message a line, an answer is sent as soon as there is one.

There is no device clear; the end of the line has its effect.
"""

import contextlib
import socket

from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.exchange import Exchange, split_messages
from powerlab_instruments.simulated.faults import Faults
from powerlab_instruments.simulated.listener import Listener
from powerlab_instruments.simulated.scpi import Instrument


class RawSocket:
    """An instrument on a TCP port; every connection has a conversation of its own."""

    def __init__(self, instrument: Instrument, clock: SimulatedClock, name: str, faults: Faults, port: int) -> None:
        self._instrument, self._clock, self._name, self._faults = instrument, clock, name, faults
        self.listener = Listener(name, port, self._serve, clock)

    def close(self) -> None:
        """End every connection."""
        self.listener.close()

    def _serve(self, connection: socket.socket) -> None:
        def deliver(answer: bytes) -> None:
            with contextlib.suppress(OSError):  # the reading side ends this connection
                connection.sendall(answer)

        exchange, rest = Exchange(self._instrument, self._clock, self._name, self._faults, deliver), b""
        try:
            while chunk := connection.recv(65536):
                messages, rest = split_messages(rest + chunk)
                for message in messages:
                    exchange.write(message)
        finally:
            exchange.close()
