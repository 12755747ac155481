"""The digital line that the workload raises during a batch, and its history."""

import bisect
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pulse:
    """One time the marker was high, in nanoseconds; `stop` is None while it still is. `index` counts from 0."""

    index: int
    start: int
    stop: int | None


class Marker:
    """Every edge of the marker line, in order of time, whoever sent it and however late it came."""

    def __init__(self) -> None:
        self._edges: list[tuple[int, bool]] = []
        self._lock = threading.Lock()

    def edge(self, at: int, *, high: bool) -> None:
        """The line goes high or low at `at` ns; an edge to the level it already has changes nothing."""
        with self._lock:
            place = bisect.bisect_right(self._edges, at, key=lambda edge: edge[0])
            if (self._edges[place - 1][1] if place else False) != high:
                self._edges.insert(place, (at, high))
                if self._edges[place + 1 : place + 2] and self._edges[place + 1][1] == high:
                    del self._edges[place + 1]  # this edge came late: the next one is none any more

    def edges(self, start: int, stop: int) -> list[tuple[int, bool]]:
        """Edges with `start <= time < stop`."""
        with self._lock:
            first = bisect.bisect_left(self._edges, start, key=lambda edge: edge[0])
            last = bisect.bisect_left(self._edges, stop, key=lambda edge: edge[0])
            return self._edges[first:last]

    def pulses(self, start: int, stop: int) -> list[Pulse]:
        """Pulses that begin in `[start, stop)`, and the one that is high at `start` if there is one."""
        with self._lock:
            first = bisect.bisect_left(self._edges, start, key=lambda edge: edge[0])
            # Levels alternate from low, so rises have even numbers.
            first -= first % 2
            last = bisect.bisect_left(self._edges, stop, key=lambda edge: edge[0])
            return [
                Pulse(i // 2, self._edges[i][0], self._edges[i + 1][0] if i + 1 < len(self._edges) else None)
                for i in range(first, last, 2)
            ]

    def completed(self, since: int = 0) -> list[Pulse]:
        """Pulses from number `since` on that have ended."""
        with self._lock:
            edges = self._edges[2 * since :]
            return [Pulse(since + i // 2, edges[i][0], edges[i + 1][0]) for i in range(0, len(edges) - 1, 2)]
