"""A workload whose process runs on another machine: the times it stamps become times of this one.

The board's clock is tied to this machine's before the first window and after each run of windows, by questions for its
time of which the quickest counts. No message is sent between the arming of a record and its windows.
"""

import time
from dataclasses import replace
from typing import Final, Self

from powerlab.workload import GAP, Loaded, Task, Timed, WorkloadEndedError
from powerlab.workload.process import WorkloadProcess
from powerlab.workload.ssh import Board
from powerlab_traces.clock import Clock
from powerlab_traces.clocktie import ClockTie, Interval, log_of
from powerlab_traces.log import Log

EXCHANGES: Final = 20  # questions for the time, of which the quickest ties the clocks
ENOUGH, LEAST = 0.5, 4  # s after which fewer do, over a slow link, but never less


class RemoteWorkload:
    """A workload on another machine, its windows in times of `clock`; the rest is as in `WorkloadProcess`.

    Raises `WorkloadEndedError` besides what the process raises when the board's clock stands still. Windows between
    whose ties the clock did not run evenly are in doubt.
    """

    def __init__(self, board: Board, *, clock: Clock, marker: str = "none", timeout: float = 600.0) -> None:
        self.process = WorkloadProcess(place=board, marker=marker, timeout=timeout)
        self._board, self._clock = board, clock
        self._ties: list[ClockTie] = []
        self._noted = 0  # ties that somebody has taken
        self._steady: ClockTie | None = None  # since which the board's clock has run evenly
        self._tells_times = marker.startswith("wire:")  # the simulated bench's

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self, task: Task) -> Loaded:
        """Load a network on the board; the details say who the board is."""
        self.tie()
        loaded = self.process.load(task)
        said = self.process.about()
        self.tie()
        names = ("host", "system", "python", "powerlab")
        board = {"board": self._board.address} | {f"board's {it}": str(said[it]) for it in names}
        return replace(loaded, details={**loaded.details, **board})

    def warm_up(self, count: int, settle: float = 0.0) -> tuple[float, ...]:
        """Run passes without marker; see `Workload.warm_up`."""
        seconds = self.process.warm_up(count, settle)
        self.tie()
        return seconds

    def run(self, windows: int, seconds: float, gap: float = GAP) -> tuple[Timed, ...]:
        """Run windows; see `Workload.run`."""
        timed = self.process.run(windows, seconds, gap)
        interval = self.tie()
        return tuple(
            it._replace(start=interval.to_host(it.start), stop=interval.to_host(it.stop), doubt=interval.doubt)
            for it in timed
        )

    def noted(self) -> tuple[Log, ...]:
        """The ties made since this was asked last, and what the process has noted, in times of this machine."""
        new = self._ties[self._noted :]
        self._noted = len(self._ties)
        noted = [it.at(self._to_host) for it in self.process.noted()]
        return (*noted, *([log_of(new)] if new else []))

    def _to_host(self, board: int) -> int:
        """Time of this machine when the board's clock showed `board` ns, by the ties that are furthest apart."""
        before = self._steady if self._steady not in (None, self._ties[-1]) else self._ties[-2]
        return Interval(before, self._ties[-1]).to_host(board)

    def close(self) -> None:
        """End the process."""
        self.process.close()

    def tie(self) -> Interval:
        """Tie the board's clock to this one again; the time since the last tie.

        Raises
        ------
        WorkloadEndedError
            The board's clock does not go on.
        """
        exchanges = list[tuple[int, int, int]]()
        deadline = time.monotonic() + ENOUGH
        while len(exchanges) < EXCHANGES and (len(exchanges) < LEAST or time.monotonic() < deadline):
            asked = self._clock.now()
            exchanges.append((asked, self.process.now(), self._clock.now()))
        tie = ClockTie.quickest(exchanges)
        interval = Interval(self._ties[-1] if self._ties else tie, tie)
        self._ties.append(tie)
        if exchanges[-1][1] <= exchanges[0][1] or interval.goes_back:
            raise WorkloadEndedError(
                "the board's clock does not go on: it stands still or has gone back, and nothing it times can be placed"
            )
        if self._steady is None or interval.doubt:
            self._steady = tie
        if self._tells_times:
            self.process.tell_tie(Interval(self._steady, tie))
        return interval
