"""What lies between a transport and an instrument: its input queue, its output buffer, its own pace.

IEEE 488.2 chapter 6 (message exchange control): a new message while an answer waits unread discards the answer (-410),
a read with nothing to say is -420.
"""

import re
import threading
from collections import deque
from collections.abc import Callable

from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.faults import Faults
from powerlab_instruments.simulated.scpi import Instrument

_QUOTING = re.compile(rb"""["'#]""")
_LANDMARK = re.compile(rb"""["'\n]|#[1-9]""")


class ReadAbortedError(Exception):
    """A read was given up by its client before there was an answer."""


def split_messages(data: bytes) -> tuple[list[bytes], bytes]:
    r"""Complete program messages without their LF, and what is left; in a block of definite length LF is data.

    >>> split_messages(b"*RST\r\nSET #13a\nb\n*IDN")
    ([b'*RST\r', b'SET #13a\nb'], b'*IDN')
    """
    if not _QUOTING.search(data):  # as nearly always, and quicker
        *messages, rest = data.split(b"\n")
        return messages, rest
    messages, start, place, quote = [], 0, 0, b""
    while match := _LANDMARK.search(data, place):
        mark, place = match[0], match.end()
        if mark == b"\n":
            messages.append(data[start : match.start()])
            start, quote = place, b""
        elif not mark.startswith(b"#"):
            quote = b"" if mark == quote else quote or mark
        elif not quote:
            digits = data[place : place + int(mark[1:])]
            if digits.isdigit():
                # Digits may be missing yet, and what they would say of the length with them.
                place += len(digits) + (int(digits) if len(digits) == int(mark[1:]) else len(data))
    return messages, data[start:]


def answer_to(message: bytes, instrument: Instrument, name: str, faults: Faults, cancelled: threading.Event) -> bytes:
    """What an instrument answers to a message, spoilt by the fault that strikes it."""
    fault = faults.strike(name, message)
    if fault is None:
        return instrument.receive(message, cancelled)
    if fault.swallows:
        return b""
    return fault.spoil(instrument.receive(message, cancelled), cancelled)


class Exchange:
    """Messages to an instrument, processed in order by a thread of their own.

    With `deliver` an answer goes there at once, as on RS-232; without it waits in the output buffer until
    it is read, as on GPIB. `faults` may spoil what the messages to `name` bring.
    """

    def __init__(
        self,
        instrument: Instrument,
        clock: SimulatedClock,
        name: str,
        faults: Faults,
        deliver: Callable[[bytes], None] | None = None,
    ) -> None:
        self.instrument, self.clock = instrument, clock
        self._name, self._faults, self._deliver = name, faults, deliver
        self._incoming: deque[bytes] = deque()
        self._current: bytes | None = None  # the message being processed
        self._output = b""
        self._reading = self._aborted = self._closed = False
        self._cancelled = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._process, name=f"{name} messages", daemon=True)
        self._thread.start()

    def write(self, message: bytes) -> None:
        """Hand over one complete program message."""
        with self._changed:
            self._interrupt()
            self._incoming.append(message)
            self._changed.notify_all()

    def read(self, seconds: float | None, most: int | None = None, stop: bytes = b"") -> tuple[bytes, bool]:
        """The answer and whether that was its end; nothing if there is none after `seconds`: it stays for later.

        At most `most` bytes of it, and no more than up to the byte `stop`. None waits until everything is processed.

        Raises
        ------
        ReadAbortedError
            `abort` came first.
        """
        with self._changed:
            if not self._pending() and not self._output:
                self.instrument.error(-420)
            self._reading, self._aborted = True, False
            if seconds is None:
                self._changed.wait_for(lambda: self._closed or self._aborted or not self._pending())
            else:
                self._changed.wait_for(lambda: self._closed or self._aborted or self._output, seconds)
            self._reading = False
            if self._aborted:
                raise ReadAbortedError
            count = len(self._output) if most is None else most
            if stop:
                count = self._output.find(stop, 0, count) + 1 or count
            answer, self._output = self._output[:count], self._output[count:]
            return answer, not self._output

    def abort(self) -> None:
        """End a read that is waiting."""
        with self._changed:
            self._aborted = self._reading
            self._changed.notify_all()

    def clear(self) -> None:
        """Device clear: forget input and output, end what the instrument waits for; its settings stay."""
        with self._changed:
            self._incoming.clear()
        self._cancelled.set()
        self.clock.notify()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._current is None)
            self._output = b""
        self._cancelled.clear()

    def status_byte(self) -> int:
        """The status byte of a serial poll, which needs no processing."""
        with self._changed:
            return self.instrument.status_byte(answer_waits=bool(self._output))

    def wait_for_room(self, limit: int) -> None:
        """Wait until fewer than `limit` bytes of messages are still to be processed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or sum(map(len, self._incoming)) + len(self._current or b"") < limit
            )

    def close(self) -> None:
        """End the thread, whatever it waits for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._cancelled.set()
        self.clock.notify()
        self._thread.join()

    def _pending(self) -> bool:
        return bool(self._incoming) or self._current is not None

    def _process(self) -> None:
        try:
            while (message := self._next()) is not None:
                answer = answer_to(message, self.instrument, self._name, self._faults, self._cancelled)
                if answer and self._deliver is not None and not self._closed:
                    self._deliver(answer)
                with self._changed:
                    self._current = None
                    if self._deliver is None:
                        self._output = answer
                        if self._incoming:
                            self._interrupt()
                    self._changed.notify_all()
        finally:
            with self._changed:
                self._closed, self._current = True, None
                self._changed.notify_all()

    def _next(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._incoming)
            self._current = None if self._closed else self._incoming.popleft()
            return self._current

    def _interrupt(self) -> None:
        """A message has come while an answer waits unread."""
        if self._output:
            self._output = b""
            self.instrument.error(-410)
