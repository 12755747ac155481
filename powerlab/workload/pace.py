"""The pace of windows: how long one takes, whether that has settled, and whether the next still fits."""

from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from powerlab.workload import Timed
from powerlab_traces.clock import Clock

SETTLED: Final = 10  # passes in a row that must be alike
ALIKE: Final = 0.01  # of their median, by which they may differ
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
        window: Callable[[], Timed],
        clock: Clock,
        *,
        windows: int,
        seconds: float,
        gap: float,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> list[Timed]:
        """Call `window` up to `windows` times within `seconds`; what it returned each time.

        Between two windows lie `gap` seconds. A window that is not expected to end in time is not started,
        and neither is any once `goes_on` says no.
        """
        started = clock.now()
        timed: list[Timed] = []
        while len(timed) < windows:
            pause = gap if timed else 0.0
            if (clock.now() - started) * 1e-9 + pause + self.expected > seconds:
                break
            clock.sleep(pause)
            if not goes_on():
                break
            timed.append(window())
            self._recent.append(timed[-1].seconds)
        return timed


def settled(seconds: Sequence[float]) -> bool:
    """Whether a warm-up is over: its last ten passes differ by less than 1 %.

    >>> settled([0.9, *[0.5] * 9, 0.504]), settled([0.9, *[0.5] * 9, 0.506])
    (True, False)
    """
    last = seconds[-SETTLED:]
    return len(last) == SETTLED and max(last) - min(last) < ALIKE * median(last)


def warm_up(
    one: Callable[[], float],
    clock: Clock,
    *,
    count: int,
    settle: float,
    goes_on: Callable[[], bool] = lambda: True,
) -> list[float]:
    """Call `one` pass after the other as `Workload.warm_up` says; the seconds that each returned."""
    started, seconds = clock.now(), list[float]()
    while goes_on() and (len(seconds) < count or (not settled(seconds) and (clock.now() - started) * 1e-9 < settle)):
        seconds.append(one())
    return seconds
