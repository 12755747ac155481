"""A Prologix GPIB-LAN adapter: TCP on one side, GPIB instruments on the other.

Prologix GPIB-ETHERNET user manual. A line that begins with an unescaped `++` is for the adapter, every other one is
sent to the addressed instrument; ESC takes the meaning from the CR, LF, ESC or + after it.
"""

import socket
from collections.abc import Iterator, Mapping

from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.exchange import Exchange, split_messages
from powerlab_instruments.simulated.listener import Listener

VERSION = "Prologix GPIB-ETHERNET Controller version 01.06.06.00"
_ESC, _PLUS, _CR, _LF = 0x1B, 0x2B, 0x0D, 0x0A
_TERMINATORS = {0: b"\r\n", 1: b"\r", 2: b"\n", 3: b""}
# name -> (lowest, highest, value at power-up)
_NUMBERS = {
    "mode": (0, 1, 1),
    "auto": (0, 1, 0),
    "read_tmo_ms": (1, 3000, 50),
    "eos": (0, 3, 0),
    "eoi": (0, 1, 1),
    "eot_enable": (0, 1, 0),
    "eot_char": (0, 255, 0),
    "addr": (0, 30, 5),
    "savecfg": (0, 1, 1),
}


class Adapter:
    """The adapter on a TCP port, with instruments by their GPIB address."""

    def __init__(self, instruments: Mapping[int, Exchange], clock: SimulatedClock, port: int) -> None:
        self._instruments, self._clock = instruments, clock
        self._numbers = {name: initial for name, (_, _, initial) in _NUMBERS.items()}
        self._unfinished: dict[int, bytes] = {}  # data sent without a terminator or EOI
        self.listener = Listener("GPIB adapter", port, self._serve, clock)

    def close(self) -> None:
        """End every connection; the instruments stay."""
        self.listener.close()

    def _serve(self, connection: socket.socket) -> None:
        for line, for_adapter in _lines(connection):
            answer = self._obey(line.decode("ascii", "replace").split()) if for_adapter else self._send(line)
            if answer:
                connection.sendall(answer)

    def _addressed(self, words: list[str]) -> Exchange | None:
        """The instrument at the address that `words` begin with, else at that of `++addr`."""
        given = int(words[0]) if words and words[0].isdigit() else self._numbers["addr"]
        return self._instruments.get(given)

    def _send(self, data: bytes) -> bytes:
        """Data to the addressed instrument; nobody at the address means that nobody takes it."""
        instrument = self._addressed([])
        if instrument is None or not self._numbers["mode"]:
            return b""
        address = self._numbers["addr"]
        data = self._unfinished.pop(address, b"") + data + _TERMINATORS[self._numbers["eos"]]
        messages, rest = split_messages(data)
        if rest and self._numbers["eoi"]:
            messages, rest = [*messages, rest], b""
        if rest:
            self._unfinished[address] = rest
        for message in messages:
            if message.strip():
                instrument.write(message)
        return self._read() if self._numbers["auto"] else b""

    def _read(self) -> bytes:
        instrument = self._addressed([])
        if instrument is None:
            return b""
        # In virtual time there is no hurry: the instrument may finish what it is at.
        answer, _ = instrument.read(None if self._clock.virtual else self._numbers["read_tmo_ms"] * 1e-3)
        if answer and self._numbers["eot_enable"]:
            answer += bytes([self._numbers["eot_char"]])
        return answer

    def _obey(self, words: list[str]) -> bytes:
        """An adapter command; what it answers ends in CR LF, what it reads from an instrument is passed as it is."""
        name, parameters = words[0].removeprefix("++"), words[1:]
        instrument, answer = self._addressed(parameters if name == "spoll" else []), b""
        match name:
            case "read":
                answer = self._read()
            case "ver":
                answer = f"{VERSION}\r\n".encode()
            case "srq":
                answer = b"%d\r\n" % any(one.status_byte() & 64 for one in self._instruments.values())
            case "spoll" if instrument:
                answer = b"%d\r\n" % instrument.status_byte()
            case "clr" if instrument:
                instrument.clear()
                self._unfinished.pop(self._numbers["addr"], None)
            case "trg" if instrument:
                instrument.write(b"*TRG")
            case "spoll" | "clr" | "trg" | "ifc" | "loc" | "llo" | "rst":
                pass  # nobody listens, or it does nothing that could be seen here
            case _:
                answer = self._number(name, parameters)
        return answer

    def _number(self, name: str, parameters: list[str]) -> bytes:
        if name in _NUMBERS and not parameters:
            return b"%d\r\n" % self._numbers[name]
        low, high, _ = _NUMBERS.get(name, (1, 0, 0))
        if parameters and parameters[0].isdigit() and low <= int(parameters[0]) <= high:
            self._numbers[name] = int(parameters[0])
            return b""
        return b"Unrecognized command\r\n"


def _lines(connection: socket.socket) -> Iterator[tuple[bytes, bool]]:
    """Lines with their escapes taken out, and whether each is for the adapter."""
    line, escaped, plusses = bytearray(), False, 0
    while chunk := connection.recv(65536):
        for byte in chunk:
            if escaped:
                line.append(byte)
                escaped = False
            elif byte == _ESC:
                escaped = True
            elif byte in (_CR, _LF):
                if line:
                    yield bytes(line), plusses == 2
                line, plusses = bytearray(), 0
            else:
                if byte == _PLUS and len(line) == plusses < 2:
                    plusses += 1
                line.append(byte)
