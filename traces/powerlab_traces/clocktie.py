"""The clock of the machine where a workload runs, tied to the host's: how far apart, and how well that is known.

Only differences are known: of each exchange of messages, when the question left the host, what the other clock showed,
and when the answer was back. The other clock was read some time in between, so half the round trip is the most that
the middle of it can be wrong by, however long each way took.
"""

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from powerlab_traces.log import Log, Value

LOG: Final = "clock_ties"  # the log of a run's ties
# How far the two may run apart: crystals differ by 100 ppm at most, and a system that steers its clock to network time
# lets it run up to 500 ppm fast or slow. More is a clock that was stopped or set.
DRIFT_LIMIT: Final = 600e-6


@dataclass(frozen=True, slots=True)
class ClockTie:
    """At `host` ns of the host's clock the board's showed `board` ns, give or take half of `round_trip` (s)."""

    host: int
    board: int
    round_trip: float

    @classmethod
    def quickest(cls, exchanges: Sequence[tuple[int, int, int]]) -> Self:
        """The tie by the quickest of some exchanges, each (asked, board, answered) in ns: it leaves least room.

        >>> ClockTie.quickest([(0, 5_900, 2_000), (3_000, 8_100, 3_500)]).offset
        4850
        """
        asked, board, answered = min(exchanges, key=lambda it: it[2] - it[0])
        return cls((asked + answered) // 2, board, (answered - asked) * 1e-9)

    @property
    def offset(self) -> int:
        """The board's clock less the host's, in ns."""
        return self.board - self.host

    @property
    def limit(self) -> float:
        """Seconds by which the offset can be wrong at most."""
        return self.round_trip / 2

    @property
    def uncertainty(self) -> float:
        """Standard uncertainty of the offset in seconds: anything within the limit is as likely."""
        return self.limit / math.sqrt(3)


@dataclass(frozen=True, slots=True)
class Interval:
    """The time between two ties, in which times of the board become times of the host."""

    before: ClockTie
    after: ClockTie

    @property
    def drift(self) -> float:
        """How much faster the board's clock runs than the host's: 1e-6 is 1 ppm; 0 between a tie and itself."""
        return (self.after.offset - self.before.offset) / (self._span or 1)

    @property
    def drift_limit(self) -> float:
        """By how much the drift can be wrong at most; infinite between a tie and itself."""
        return (self.before.limit + self.after.limit) / (self._span * 1e-9) if self._span else math.inf

    @property
    def _span(self) -> int:
        return self.after.host - self.before.host

    @property
    def goes_back(self) -> bool:
        """Whether the board's clock did not go on while the host's did."""
        return self._span > 0 and self.after.board <= self.before.board

    @property
    def doubt(self) -> str:
        """Why times in between are not known, "" if they are: the clock ran as no clock does."""
        if abs(self.drift) - self.drift_limit <= DRIFT_LIMIT:
            return ""
        moved, span = (self.after.offset - self.before.offset) * 1e-9, self._span * 1e-9
        return (
            f"the board's clock went {moved * 1e3:+.4g} ms against this machine's in {span:.3g} s, where "
            f"{DRIFT_LIMIT * 1e6:g} ppm are the limit: was the board suspended, or is its clock being set?"
        )

    def to_host(self, board: int) -> int:
        """The host's time in ns when the board's clock showed `board` ns, on the straight line between the ties.

        >>> Interval(ClockTie(0, 1000, 0.0), ClockTie(1000, 3000, 0.0)).to_host(1500)
        250
        """
        before, after = self.before, self.after
        return before.host + (board - before.board) * self._span // (after.board - before.board)


def log_of(ties: Sequence[ClockTie]) -> Log:
    """The ties as they are stored."""
    columns: dict[str, Sequence[Value]] = {
        "host_ns": [it.host for it in ties],
        "offset_ns": [it.offset for it in ties],
        "uncertainty": [it.uncertainty for it in ties],
        "round_trip": [it.round_trip for it in ties],
    }
    return Log(LOG, columns, {"host_ns": "ns", "offset_ns": "ns", "uncertainty": "s", "round_trip": "s"})


def host_uncertainty(logs: Mapping[str, Log]) -> Callable[[int], float]:
    """How well a run's times of the host are known where they were another machine's: of a time in ns the
    standard uncertainty in s, 0 where no clocks were tied.

    It holds for the time itself, and for its distance from any other between the same two ties.

    >>> known = host_uncertainty({LOG: log_of([ClockTie(0, 5, 3e-3), ClockTie(9, 14, 4e-3)])})
    >>> round(known(3) * math.sqrt(12) * 1e3, 9)
    5.0
    """
    if LOG not in logs:
        return lambda _: 0.0
    columns = logs[LOG].columns
    ties = sorted(zip(_numbers(columns["host_ns"]), _numbers(columns["uncertainty"]), strict=True))

    def known(host: int) -> float:
        after = bisect.bisect_right(ties, (host, math.inf))
        return math.hypot(*(u for _, u in ties[max(0, after - 1) : after + 1]))

    return known


def _numbers(values: Sequence[Value]) -> list[float]:
    return [float(it) for it in values if it is not None]
