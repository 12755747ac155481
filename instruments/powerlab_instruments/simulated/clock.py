"""The bench's time: the host's, or a virtual one that only the wire advances."""

import threading
import time
from collections.abc import Callable

from powerlab_traces.errors import PowerlabError


class SimulatedClock:
    """Nanoseconds that the whole bench agrees on, and a place to wait for them.

    In real time it is the host's monotonic clock, so that marker edges stamped by another process lie on it. In
    virtual time it starts at 0 and stands still until `advance`.
    """

    def __init__(self, *, virtual: bool = False) -> None:
        self.virtual = virtual
        self._now = 0
        self._changed = threading.Condition()

    def now(self) -> int:
        """Nanoseconds; never goes back."""
        return self._now if self.virtual else time.perf_counter_ns()

    def advance(self, to: int) -> None:
        """Move virtual time to `to` ns; an earlier time than now leaves it where it is."""
        if not self.virtual:
            raise PowerlabError("this bench runs in real time, which cannot be advanced; start it with --virtual")
        with self._changed:
            self._now = max(self._now, to)
            self._changed.notify_all()

    def notify(self) -> None:
        """Wake whoever waits: a marker edge has come, or a wait was cancelled."""
        with self._changed:
            self._changed.notify_all()

    def wait_until(
        self, due: Callable[[], int | None], cancelled: threading.Event, recheck: float | None = None
    ) -> bool:
        """Return True when the time that `due` tells has come, False when cancelled before.

        `due` is asked again whenever something has happened, and every `recheck` seconds; None means that the
        time is not known yet.
        """
        with self._changed:
            while not cancelled.is_set():
                at = due()
                if at is not None and at <= self.now():
                    return True
                _tell(cancelled)
                if self.virtual:
                    self._changed.wait()
                else:
                    left = (at - self.now()) * 1e-9 if at is not None else recheck
                    self._changed.wait(left if recheck is None or left is None else min(left, recheck))
            return False

    def work(self, seconds: float, cancelled: threading.Event) -> None:
        """Let an instrument be busy: in real time it takes that long, in virtual time none of it."""
        if not self.virtual:
            cancelled.wait(seconds)


def _tell(cancelled: threading.Event) -> None:
    """Let who may cancel a wait know that there is one, if it wants to."""
    before_waiting = getattr(cancelled, "before_waiting", None)
    if before_waiting is not None:
        before_waiting()
