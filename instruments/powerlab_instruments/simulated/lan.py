"""Two faults of the scope's LAN interface: it is slow to begin with, and now and then it wedges.

As seen on an MSO-X 2024A and a DSO-X 2024A in the field: the first answer on a new connection comes after about 10 s,
and about every 10 min an existing connection goes dead, until the client connects again.
"""

import threading
import weakref

from powerlab_instruments.simulated.clock import SimulatedClock


class Lan:
    """Which connections are answered. A connection is known by the event that cancels what it waits for.

    `first_answer` are the seconds before the first message of a connection is processed; every `wedge_every` seconds
    all connections that exist go dead for good, and new ones work.
    """

    def __init__(self, clock: SimulatedClock, first_answer: float, wedge_every: float | None) -> None:
        self._clock, self._first_answer = clock, first_answer
        self._wedge_every = None if wedge_every is None else round(wedge_every * 1e9)
        self._sound_since = clock.now()
        self._known: weakref.WeakSet[threading.Event] = weakref.WeakSet()
        self._dead: weakref.WeakSet[threading.Event] = weakref.WeakSet()
        self._lock = threading.Lock()

    def alive(self, connection: threading.Event) -> bool:
        """Whether a message on this connection is processed; waits before the first one on it."""
        if self._wedge_every is None and not self._first_answer:
            return True
        with self._lock:
            now = self._clock.now()
            if self._wedge_every is not None and now - self._sound_since >= self._wedge_every:
                for known in self._known:
                    self._dead.add(known)
                self._sound_since = now
            if connection in self._dead:
                return False
            new = connection not in self._known
            self._known.add(connection)
        if new:
            self._clock.work(self._first_answer, connection)
        return True
