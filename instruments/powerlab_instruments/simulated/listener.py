"""A TCP server on loopback: a thread for each connection, and an end to all of them."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator

from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_traces.errors import PowerlabError

LOOPBACK = "127.0.0.1"


class PortBusyError(PowerlabError):
    """A port of the simulated bench is in use."""

    def __init__(self, name: str, port: int, error: OSError) -> None:
        super().__init__(
            f"port {port} of {LOOPBACK} cannot be opened for the simulated {name} ({os.strerror(error.errno or 0)}); "
            "stop the program that holds it, or choose another port (0 takes any free one)"
        )


class Listener:
    """Serves each connection to a port by `serve(socket)` in a thread; port 0 takes any free one."""

    def __init__(self, name: str, port: int, serve: Callable[[socket.socket], None], clock: SimulatedClock) -> None:
        self._name, self._serve, self._clock = name, serve, clock
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._refusing_until: int | None = None  # ns of the bench
        try:
            self._socket = socket.create_server((LOOPBACK, port))
        except OSError as error:
            raise PortBusyError(name, port, error) from None
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, name=f"simulated {name}", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            with self._socket:
                self._accept()
            if self._closed.is_set() or not self._clock.wait_until(lambda: self._refusing_until, self._closed):
                return
            self._refusing_until = None
            self._socket = socket.create_server((LOOPBACK, self.port))

    def _accept(self) -> None:
        """Serve new connections until told to close or to refuse."""
        while True:
            connection, _ = self._socket.accept()
            with self._lock:
                if self._closed.is_set() or self._refusing_until is not None:
                    connection.close()
                    return
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(
                    target=self._converse, args=(connection,), name=f"simulated {self._name}", daemon=True
                )
                # Each thread is kept until it has ended, so that `close` can wait for all.
                self._connections = {it: end for it, end in self._connections.items() if it.is_alive()}
                self._connections[thread] = connection
                thread.start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the client has gone: there is nobody left to tell
            self._serve(connection)

    def hang_up(self, _seconds: float = 0.0) -> None:
        """End every connection there is; new ones are served."""
        with self._lock:
            for connection in self._connections.values():
                with contextlib.suppress(OSError):  # the client was quicker, or this one ended long ago
                    connection.shutdown(socket.SHUT_RDWR)

    def refuse(self, seconds: float) -> None:
        """End every connection, and refuse new ones for so long on the bench's clock."""
        with self._lock:
            if self._refusing_until is not None or self._closed.is_set():
                return
            self._refusing_until = self._clock.now() + round(min(seconds, 1e9) * 1e9)
        self.hang_up()
        self._wake()

    def close(self) -> None:
        """Stop listening, end every connection and wait for their threads."""
        with self._lock:
            self._closed.set()
            threads = list(self._connections)
        self.hang_up()
        self._clock.notify()
        self._wake()
        self._thread.join()
        for thread in threads:
            thread.join()

    def _wake(self) -> None:
        # Nothing else wakes a blocked accept on every system.
        with contextlib.suppress(OSError):  # it is not listening
            socket.create_connection((LOOPBACK, self.port)).close()


def lines_of(connection: socket.socket) -> Iterator[bytes]:
    """Lines as they come, without their LF, until the client closes; an unfinished last line is dropped."""
    rest = b""
    while chunk := connection.recv(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
