"""A TCP server on loopback: a thread for each connection, and an end to all of them."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator

from powerlab_traces.errors import PowerlabError

LOOPBACK = "127.0.0.1"


class PortBusyError(PowerlabError):
    """A port of the simulated bench is in use."""


class Listener:
    """Serves each connection to a port by `serve(socket)` in a thread; port 0 takes any free one."""

    def __init__(self, name: str, port: int, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._name = name
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._socket = socket.create_server((LOOPBACK, port))
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise PortBusyError(
                f"port {port} of {LOOPBACK} cannot be opened for the simulated {name} ({why}); "
                "stop the program that holds it, or choose another port (0 takes any free one)"
            ) from None
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name=f"simulated {name}", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(
                    target=self._converse, args=(connection,), name=f"simulated {self._name}", daemon=True
                )
                self._connections[thread] = connection
                thread.start()

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            try:
                with contextlib.suppress(OSError):  # the client has gone: there is nobody left to tell
                    self._serve(connection)
            finally:
                with self._lock:
                    del self._connections[threading.current_thread()]

    def close(self) -> None:
        """Stop listening, end every connection and wait for their threads."""
        with self._lock:
            self._closed = True
            threads = list(self._connections)
            for connection in self._connections.values():
                with contextlib.suppress(OSError):  # the client was quicker
                    connection.shutdown(socket.SHUT_RDWR)
        # Nothing else wakes a blocked accept on every system.
        socket.create_connection((LOOPBACK, self.port)).close()
        self._thread.join()
        self._socket.close()
        for thread in threads:
            thread.join()


def lines_of(connection: socket.socket) -> Iterator[bytes]:
    """Lines as they come, without their LF, until the client closes; an unfinished last line is dropped."""
    rest = b""
    while chunk := connection.recv(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
