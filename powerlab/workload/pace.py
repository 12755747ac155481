"""The pace of windows: how long one takes, and whether the next still fits."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from powerlab_traces.clock import Clock

_RECENT: Final = 8
_MARGIN: Final = 1.1  # the next pass may take this many times the longest recent one


class Pace:
    """Runs windows one after the other, and knows from the recent ones how long the next will take."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_RECENT)

    @property
    def expected(self) -> float:
        """Seconds the next window may take, 0 when none was seen yet."""
        return _MARGIN * max(self._recent, default=0.0)

    def warmed_up(self, seconds: Sequence[float]) -> None:
        """Learn from a warm-up. The first of several passes is cold, often many times longer, and left out."""
        self._recent.extend(seconds[1:] or seconds)

    def run(
        self,
        window: Callable[[], tuple[int, int]],
        clock: Clock,
        *,
        windows: int,
        seconds: float,
        gap: float,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> list[tuple[int, int]]:
        """Call `window` up to `windows` times within `seconds`; what it returned each time, in nanoseconds.

        Between two windows lie `gap` seconds. A window that is not expected to end in time is not started,
        and neither is any once `goes_on` says no.
        """
        started = clock.now()
        timed: list[tuple[int, int]] = []
        while len(timed) < windows:
            pause = gap if timed else 0.0
            if (clock.now() - started) * 1e-9 + pause + self.expected > seconds:
                break
            clock.sleep(pause)
            if not goes_on():
                break
            start, stop = window()
            timed.append((start, stop))
            self._recent.append((stop - start) * 1e-9)
        return timed
