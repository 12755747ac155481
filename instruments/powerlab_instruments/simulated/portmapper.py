"""A port mapper that knows one machine's programs, over TCP and UDP (RFC 1833, version 2).

VXI-11 clients ask it on port 111 where the core channel is.
"""

import contextlib
import socket
import threading
from collections.abc import Mapping

from powerlab_instruments.simulated import rpc
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.listener import LOOPBACK, Listener, PortBusyError

WELL_KNOWN_PORT = 111
PROGRAM, VERSION = 100000, 2

_GET_PORT, _DUMP = 3, 4
_TCP = 6
_LONGEST_DATAGRAM = 8192


class Portmapper:
    """Tells the TCP ports of programs, given by number and version; port 0 takes any free one.

    Raises
    ------
    PortBusyError
        The port is in use, or not for this user.
    """

    def __init__(self, programs: Mapping[tuple[int, int], int], clock: SimulatedClock, port: int) -> None:
        self._ports = dict(programs)
        self._programs: rpc.Programs = {(PROGRAM, VERSION): self._call}
        self._listener = Listener("port mapper", port, lambda connection: rpc.serve(connection, self._programs), clock)
        self.port = self._listener.port
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._datagrams.bind((LOOPBACK, self.port))
        except OSError as error:
            self._datagrams.close()
            self._listener.close()
            raise PortBusyError("port mapper", self.port, error) from None
        self._thread = threading.Thread(target=self._answer_datagrams, name="port mapper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._listener.close()
        self._datagrams.sendto(b"", (LOOPBACK, self.port))  # an empty datagram is the end
        self._thread.join()
        self._datagrams.close()

    def _answer_datagrams(self) -> None:
        while True:
            call, client = self._datagrams.recvfrom(_LONGEST_DATAGRAM)
            if not call and client == (LOOPBACK, self.port):
                return
            if reply := rpc.answer(call, self._programs):
                with contextlib.suppress(OSError):  # the client has gone
                    self._datagrams.sendto(reply, client)

    def _call(self, procedure: int, arguments: rpc.Arguments) -> bytes:
        if procedure == _GET_PORT:
            program, version, protocol, _ = (arguments.unsigned() for _ in range(4))
            return rpc.words(self._ports.get((program, version), 0) if protocol == _TCP else 0)
        if procedure == _DUMP:
            entries = (rpc.words(1, *program, _TCP, port) for program, port in self._ports.items())
            return b"".join(entries) + rpc.words(0)
        raise rpc.NoProcedureError
