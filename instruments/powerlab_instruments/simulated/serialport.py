"""The supply's RS-232 port, as a pseudo-terminal of this machine; there are none on Windows.

E364xA User's and Service Guide: 9600 baud, 8 bits, no parity, 2 stop bits; a message ends with LF, an answer with
CR LF; Ctrl-C is a device clear. DTR goes false while about 100 characters wait to be processed. A pseudo-terminal has
no modem lines: here a host that sends on is stopped once the system's buffer is full, too.
"""

import os
import select
import sys
import threading

from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.exchange import Exchange, split_messages
from powerlab_instruments.simulated.faults import Faults
from powerlab_instruments.simulated.scpi import Instrument
from powerlab_traces.errors import PowerlabError

if sys.platform != "win32":
    import pty
    import termios
    import tty

BUFFER = 100  # characters
CHARACTER_TIME = 11 / 9600  # s: start bit, 8 bits, 2 stop bits
CLEAR = b"\x03"

_SPEED = 5  # place in what tcgetattr tells; that of the other direction is the one before
_FRAMING_ERROR = 511


class SerialPort:
    """An instrument behind the pseudo-terminal `name`; with `paced` a character takes its time on the wire.

    A host with another speed is not understood. One with 1 stop bit is, as an idle bit more does no harm (UNCONFIRMED);
    parity cannot be had on a pseudo-terminal.

    Raises
    ------
    PowerlabError
        This is Windows.
    """

    def __init__(
        self, instrument: Instrument, clock: SimulatedClock, name: str, faults: Faults, *, paced: bool = False
    ) -> None:
        if sys.platform == "win32":
            raise PowerlabError("there are no pseudo-terminals on Windows; leave the supply on GPIB")
        self._instrument, self._clock, self._paced = instrument, clock, paced
        self._device, self._terminal = pty.openpty()
        tty.setraw(self._terminal)
        settings = termios.tcgetattr(self._terminal)
        settings[_SPEED - 1] = settings[_SPEED] = termios.B9600
        termios.tcsetattr(self._terminal, termios.TCSANOW, settings)
        os.set_blocking(self._device, False)
        self.name = os.ttyname(self._terminal)
        self._woken, self._wake = os.pipe()
        self._ended = threading.Event()
        self._dropping = threading.Event()  # output, for it is cleared
        self._unplugged_until = 0
        self._exchange = Exchange(instrument, clock, name, faults, self._send)
        self._thread = threading.Thread(target=self._receive, name=f"{name} serial port", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take the pseudo-terminal away."""
        self._ended.set()
        self._dropping.set()
        self._exchange.close()
        os.write(self._wake, b"\0")
        self._thread.join()
        for file in (self._device, self._terminal, self._woken, self._wake):
            os.close(file)

    def unplug(self, seconds: float) -> None:
        """Pull the cable for so long on the bench's clock."""
        self._unplugged_until = self._clock.now() + round(min(seconds, 1e9) * 1e9)

    def _plugged(self) -> bool:
        return self._clock.now() >= self._unplugged_until

    def _receive(self) -> None:
        rest = b""
        while True:
            self._exchange.wait_for_room(BUFFER)
            ready, _, _ = select.select([self._device, self._woken], [], [])
            if self._woken in ready:
                return
            data = os.read(self._device, BUFFER)
            self._take_time(data)
            if not self._plugged() or not self._understood():
                continue
            if CLEAR in data:  # what came before it is dropped
                rest, data = b"", data.rpartition(CLEAR)[2]
                self._dropping.set()
                self._exchange.clear()
                self._dropping.clear()
            messages, rest = split_messages(rest + data)
            for message in messages:
                if message.strip():
                    self._exchange.write(message)

    def _understood(self) -> bool:
        """Whether the host's speed is that of the port."""
        understood = bool(termios.tcgetattr(self._terminal)[_SPEED] == termios.B9600)
        if not understood:
            self._instrument.error(_FRAMING_ERROR)
        return understood

    def _send(self, answer: bytes) -> None:
        if answer.endswith(b"\n"):
            answer = answer[:-1] + b"\r\n"
        self._take_time(answer)
        while answer and not self._dropping.is_set() and self._plugged():
            # A host that does not read must not stop this thread for good.
            _, free, _ = select.select([], [self._device], [], 0.05)
            if free:
                answer = answer[os.write(self._device, answer) :]

    def _take_time(self, data: bytes) -> None:
        if self._paced:
            self._clock.work(len(data) * CHARACTER_TIME, self._ended)
