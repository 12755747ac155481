"""One acquisition of the scope: its way from arming over the trigger to the end, and what it has recorded.

Nothing runs while an acquisition does: its state is worked out from the clock and the marker's history when somebody
asks, and its samples when they are read.
"""

import numpy as np
from numpy.typing import NDArray

from powerlab_instruments.simulated.digitiser import HOLE, Digitiser, Setup

AUTO_WAIT = 25_000_000  # ns that AUTO sweep waits for an edge; UNCONFIRMED: no figure was found


class Acquisition:
    """Armed at a time with a setup; times are the bench's nanoseconds.

    The trigger counts only once the part before it has been filled: from `ready` on. In free run the next acquisition
    follows at once, so that the latest finished one is what there is to see.
    """

    def __init__(self, setup: Setup, digitiser: Digitiser, *, armed: int, number: int, free_running: bool) -> None:
        self.setup, self.number, self.free_running = setup, number, free_running
        self._digitiser = digitiser
        self.ready = armed + digitiser.host(max(0.0, -setup.left))
        self._after = digitiser.host(max(0.0, setup.left + setup.span))
        self.trigger: int | None = None
        self._ended: int | None = None  # when it was stopped before its end
        self._deadline = self.ready + AUTO_WAIT if setup.automatic else None
        self._searched = self.ready
        self._record: dict[tuple[str, bool], NDArray[np.uint8] | NDArray[np.uint16]] = {}
        self.origin = digitiser.start(setup, number)

    def force(self, at: int) -> None:
        """Trigger at `at` if no edge does before; while the pre-trigger part fills, when it is full."""
        at = max(at, self.ready)
        self._deadline = at if self._deadline is None else min(self._deadline, at)

    def look(self, now: int) -> None:
        """Find the trigger among what has happened up to `now`."""
        if self.trigger is not None or now < self.ready:
            return
        until = now if self._deadline is None else min(now, self._deadline)
        edges = self._digitiser.edges(self.setup, self._searched, until + 1)
        if edges:
            self.trigger = edges[0]
        elif self._deadline is not None and now >= self._deadline:
            self.trigger = self._deadline
        elif not self.setup.logic:
            self._searched = until  # marker edges may come late by the wire; analog levels are computed once

    def done_at(self, now: int) -> int | None:
        """When this acquisition is complete; None when it waits for an edge that may never come."""
        self.look(now)
        trigger = self._deadline if self.trigger is None else self.trigger
        return None if trigger is None else trigger + self._after

    def cut(self, at: int) -> None:
        """End a triggered acquisition at `at`: what it would have sampled later are holes."""
        self._ended = at

    def done(self, now: int) -> bool:
        """Whether it is triggered and complete."""
        self.look(now)
        return self.trigger is not None and now >= self.trigger + self._after

    def follow(self, now: int, number: int) -> "Acquisition":
        """In free run: the latest acquisition that is complete at `now`, this one if there is none after it.

        The dead time between acquisitions is taken as nought.
        """
        latest = now - self._after
        assert self.trigger is not None
        if latest <= self.trigger:
            return self
        first = max(self.trigger + 1, latest - self._digitiser.host(2 * self.setup.span))
        edges = self._digitiser.edges(self.setup, first, latest + 1)
        if not edges and not (self.setup.automatic and latest > self.trigger + AUTO_WAIT):
            return self
        newer = Acquisition(self.setup, self._digitiser, armed=self.ready, number=number, free_running=True)
        newer.trigger = edges[-1] if edges else latest
        return newer

    def codes(self, source: str, *, fine: bool = False) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """What was recorded of `CHAN1` .. `CHAN4`, `POD1` or `POD2`, a byte a sample; KeyError if it was off.

        With `fine` words of a record that holds more than eight bits. See `Digitiser` for the shapes.
        """
        assert self.trigger is not None
        if (source, fine) not in self._record:
            record = self._digitised(source, fine=fine)
            if self._ended is not None:
                sampled = int(
                    (self._ended - self.trigger - self._digitiser.host(self.origin)) * 1e-9 / self.setup.interval
                )
                record[max(0, sampled) * len(record) // self.setup.points :] = HOLE
            self._record[source, fine] = record
        return self._record[source, fine]

    def _digitised(self, source: str, *, fine: bool) -> NDArray[np.uint8] | NDArray[np.uint16]:
        assert self.trigger is not None
        number = int(source[-1])
        if source.startswith("CHAN"):
            return self._digitiser.analog(number, self.setup, self.trigger, self.origin, self.number, fine=fine)
        if not any((d // 8) + 1 == number for d in self.setup.digital):
            raise KeyError(source)
        return self._digitiser.pod(number, self.setup, self.trigger, self.origin)
