"""What lies between a transport and an instrument: its input queue, its output buffer, its own pace.

IEEE 488.2 chapter 6 (message exchange control): a new message while an answer waits unread discards the answer (-410),
a read with nothing to say is -420.
"""

import queue
import threading
from collections.abc import Callable

from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.scpi import Instrument


class Exchange:
    """Messages to an instrument, processed in order by a thread of their own.

    With `deliver` an answer goes there at once, as on a raw socket; without it waits in the output buffer until
    it is read, as on GPIB.
    """

    def __init__(
        self,
        instrument: Instrument,
        clock: SimulatedClock,
        name: str,
        deliver: Callable[[bytes], None] | None = None,
    ) -> None:
        self.instrument, self.clock = instrument, clock
        self._deliver = deliver
        self._incoming: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._changed = threading.Condition()
        self._output = b""
        self._pending = 0  # messages written and not yet processed
        self._closed = False
        self._thread = threading.Thread(target=self._process, name=f"{name} messages", daemon=True)
        self._thread.start()

    def write(self, message: bytes) -> None:
        """Hand over one complete program message."""
        with self._changed:
            self._interrupt()
            self._pending += 1
        self._incoming.put(message)

    def read(self, seconds: float) -> bytes:
        """The answer, at the latest after `seconds`; nothing if there is none by then: it stays for a later read.

        In virtual time there is no hurry: the instrument may finish what it is at.
        """
        with self._changed:
            if self._pending == 0 and not self._output:
                self.instrument.error(-420)
            if self.clock.virtual:
                self._changed.wait_for(lambda: self._closed or not self._pending)
            else:
                self._changed.wait_for(lambda: self._closed or self._output, seconds)
            answer, self._output = self._output, b""
            return answer

    def clear(self) -> None:
        """Device clear: forget input and output, end what the instrument waits for; its settings stay."""
        self._cancelled.set()
        self.clock.notify()
        with self._changed:
            while not self._incoming.empty():
                self._incoming.get()
                self._pending -= 1
            self._changed.wait_for(lambda: self._closed or not self._pending)
            self._output = b""
        self._cancelled.clear()

    def status_byte(self) -> int:
        """The status byte of a serial poll, which needs no processing."""
        with self._changed:
            return self.instrument.status_byte(answer_waits=bool(self._output))

    def close(self) -> None:
        """End the thread, whatever it waits for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._cancelled.set()
        self.clock.notify()
        self._incoming.put(None)
        self._thread.join()

    def _process(self) -> None:
        try:
            while (message := self._incoming.get()) is not None:
                self._process_one(message)
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _process_one(self, message: bytes) -> None:
        answer = self.instrument.receive(message, self._cancelled)
        if answer and self._deliver is not None and not self._closed:
            self._deliver(answer)
        with self._changed:
            self._pending -= 1
            if self._deliver is None:
                self._output = answer
                if self._pending:
                    self._interrupt()
            self._changed.notify_all()

    def _interrupt(self) -> None:
        """A message has come while an answer waits unread."""
        if self._output:
            self._output = b""
            self.instrument.error(-410)
