"""A Prologix-style GPIB adapter on TCP, asked directly: who it is, and who answers behind it.

Only for looking around; instruments are used through VISA (`powerlab_instruments.link`), whose table of adapters is
one for the whole program. Prologix GPIB-ETHERNET User Manual; lines that begin with `++` are for the adapter alone.
"""

import re
import socket
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from powerlab_instruments.errors import InstrumentError, NoAnswer

PORT = 1234
ADDRESSES = range(31)
LONGEST_READ_MS = 3000  # the adapter's longest wait for a byte of an answer (its manual)
SPARE = 0.1  # s more than the adapter waits, for the network
# What a look-round changes at the adapter, in this order, and puts back afterwards.
SETTINGS = ("addr", "read_tmo_ms", "auto", "eoi", "eos")


class Prologix:
    """One connection to an adapter, open until closed. Nothing is sent to an instrument but by `identify`.

    Raises
    ------
    OSError
        Nobody listens there.
    """

    def __init__(self, host: str, port: int = PORT, *, timeout: float = 5.0) -> None:
        self.host, self.port, self.timeout = host, port, timeout
        self._socket = socket.create_connection((host, port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def version(self) -> str:
        """What the adapter says it is.

        Raises
        ------
        NoAnswer
            It takes the connection and stays silent.
        InstrumentError
            Something answers that is no GPIB adapter.
        """
        answer = self._ask("++ver")
        if not re.search(r"gpib|prologix|488", answer, re.IGNORECASE):
            raise InstrumentError(f"{self} answers '++ver' with {answer!r}: no Prologix adapter")
        return answer

    def identify(self, addresses: Iterable[int], patience: float) -> Iterator[tuple[int, str]]:
        """Ask `*IDN?` at each GPIB address, and yield the address and what came; `patience` seconds for each.

        Silent addresses yield nothing. The adapter's own settings are put back at the end.

        Raises
        ------
        NoAnswer
            The adapter itself falls silent.
        """
        before = {name: self._ask(f"++{name}") for name in SETTINGS}
        wait = min(int(patience * 1000), LONGEST_READ_MS)
        try:
            for setting in (f"read_tmo_ms {wait}", "auto 0", "eoi 1", "eos 2"):
                self._say(f"++{setting}")
            for address in addresses:
                self._say(f"++addr {address}")
                self._say("*IDN?")
                self._say("++read eoi")
                if answer := self._line(wait * 1e-3 + SPARE):
                    yield address, answer
        finally:
            for name, value in before.items():
                self._say(f"++{name} {value}")

    def _ask(self, line: str) -> str:
        self._say(line)
        answer = self._line(self.timeout)
        if not answer:
            raise NoAnswer(f"the adapter at {self}", line, "it took the connection")
        return answer

    def _say(self, line: str) -> None:
        try:
            self._socket.sendall(line.encode("ascii") + b"\n")
        except OSError as error:
            raise NoAnswer(f"the adapter at {self}", line, error.strerror or "connection lost") from error

    def _line(self, seconds: float) -> str:
        """The next line without its end, or what came of one; nothing after `seconds`."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest and (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                chunk = self._socket.recv(4096)
            except OSError:  # too late, or cut off: either way there is no more
                break
            if not chunk:
                break
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("ascii", "replace").strip()
