"""How long a record is, and how much of it windows may fill."""

from typing import Final

from powerlab.bench import Bench
from powerlab.workload import WorkloadError

PRE_ROLL: Final = 0.1  # of a record lies before the trigger: one division with the reference at the left
POST_ROLL: Final = 0.025  # of a record is kept free of windows at its end
LONGEST: Final = 500.0  # s: the scope's slowest time base
MARGIN: Final = 1.1  # how much longer than the longest window so far the next one may be


class RecordLength:
    """The length of a run's records: bench.toml's, or longer where a window would not fit into it.

    `window` is the longest window so far, or expected, in seconds; 0 when nothing is known.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._spans: dict[float, float] = {}  # a wanted duration -> the span at which the scope delivers it best
        self.window = 0.0

    def expect(self, window: float) -> None:
        """Know of a window of so many seconds."""
        self.window = max(self.window, window)

    @property
    def next_window(self) -> float:
        """The seconds that the next window may take."""
        return self.window * MARGIN

    @property
    def next_record(self) -> float:
        """Seconds of the next record: what the scope takes, see `span`.

        Raises
        ------
        WorkloadError
            A window is longer than any record.
        """
        duration = self._bench.file.scope.record
        while self.next_window > room_in(duration):
            duration *= 2
        if duration > LONGEST:
            raise WorkloadError(
                f"a window of {self.window:.3g} s is longer than the longest record, {LONGEST:g} s; "
                "take a smaller batch"
            )
        return self.span(duration)

    def span(self, duration: float) -> float:
        """What to record for a duration: the span, not much longer, that comes at a whole multiple of the wanted rate.

        Only asked of a scope that is not armed: its time base is tried out.
        """
        if duration not in self._spans:
            bench = self._bench
            rate = bench.file.scope.sample_rate
            self._spans[duration] = bench.insist(lambda: bench.scope.time_base(duration, rate)).span
        return self._spans[duration]


def room_in(duration: float) -> float:
    """Seconds from the first marker edge of a record to the last window's end that fits."""
    return duration * (1 - PRE_ROLL - POST_ROLL)
