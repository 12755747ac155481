"""Raw SCPI over TCP, as on port 5025 of the scope: one message a line, an answer is sent as soon as there is one.

There is no device clear; the end of the line has its effect.
"""

import select
import socket
import threading

from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.exchange import answer_to, split_messages
from powerlab_instruments.simulated.faults import Faults
from powerlab_instruments.simulated.listener import Listener
from powerlab_instruments.simulated.scpi import Instrument

RECEIVE_SIZE = 65536


class RawSocket:
    """An instrument on a TCP port; every connection has a conversation of its own."""

    def __init__(self, instrument: Instrument, clock: SimulatedClock, name: str, faults: Faults, port: int) -> None:
        self._instrument, self._clock, self._name, self._faults = instrument, clock, name, faults
        self.listener = Listener(name, port, self._serve, clock)

    def close(self) -> None:
        """End every connection."""
        self.listener.close()

    def _serve(self, connection: socket.socket) -> None:
        client, rest = Client(connection, self._clock), b""
        while chunk := client.receive():
            messages, rest = split_messages(rest + chunk)
            for message in messages:
                try:
                    answer = answer_to(message, self._instrument, self._name, self._faults, client)
                finally:
                    client.end_watch()
                if answer:
                    connection.sendall(answer)


class Client(threading.Event):
    """A client's end of a connection; set when it has gone while the instrument waits for something.

    One thread reads messages and has them answered, which is much quicker than handing them over. Only when the
    instrument begins to wait does another thread read on, for as long as it does.
    """

    def __init__(self, connection: socket.socket, clock: SimulatedClock) -> None:
        super().__init__()
        self._connection, self._clock = connection, clock
        self._early = b""  # come while the instrument waited
        self._watcher: threading.Thread | None = None
        self._stop: socket.socket | None = None

    def receive(self) -> bytes:
        """What has come, or comes next; nothing when the client has gone."""
        if self._early or self.is_set():
            early, self._early = self._early, b""
            return early
        return self._connection.recv(RECEIVE_SIZE)

    def end_watch(self) -> None:
        """The message has been processed: nobody else reads any more."""
        if self._watcher is not None and self._stop is not None:
            self._stop.close()
            self._watcher.join()
            self._watcher = self._stop = None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the client to go."""
        self.before_waiting()
        return super().wait(timeout)

    def before_waiting(self) -> None:
        """The instrument is going to wait."""
        if self._watcher is None:
            self._stop, stopped = socket.socketpair()
            self._watcher = threading.Thread(target=self._watch, args=(stopped,), name="simulated client", daemon=True)
            self._watcher.start()

    def _watch(self, stopped: socket.socket) -> None:
        """Read until told to stop, or the client has gone."""
        with stopped:
            while stopped not in select.select([self._connection, stopped], [], [])[0]:
                try:
                    chunk = self._connection.recv(RECEIVE_SIZE)
                except OSError:
                    chunk = b""
                self._early += chunk
                if not chunk:
                    self.set()
                    self._clock.notify()
                    return
