"""A workload that computes nothing: its windows pass on a clock, real or virtual."""

import numpy as np

from powerlab.marker import Marker
from powerlab.workload import GAP, Loaded, Task, Timed, WorkloadError
from powerlab.workload.pace import Pace, warm_up
from powerlab_traces.clock import Clock
from powerlab_traces.log import Log


class SyntheticWorkload:
    """Windows of about `seconds` each on `clock`, for tests and dry runs.

    `marker` should have been opened with the same clock, for it stamps the windows. Each batch takes `seconds`
    times a factor uniform in 1 +- `spread`, drawn from `seed`.
    """

    def __init__(self, clock: Clock, marker: Marker, seconds: float, *, spread: float = 0.0, seed: int = 0) -> None:
        if not (seconds > 0 and 0 <= spread < 1):
            raise ValueError(f"a batch of {seconds:g} s +- {spread:g} takes no time: give > 0 s, spread 0 to < 1")
        self._clock = clock
        self._marker = marker
        self._seconds = seconds
        self._spread = spread
        self._random = np.random.default_rng(seed)
        self._pace = Pace()

    def load(self, task: Task) -> Loaded:
        """Take the name of the task's model, of which nothing is built."""
        if task.batch < 1:
            raise WorkloadError(f"batch {task.batch}: give 1 image or more")
        self._pace = Pace()
        return Loaded(task.model, task.batch, 0, (task.batch,), framework="none", device="synthetic", threads=0)

    def warm_up(self, count: int, settle: float = 0.0) -> tuple[float, ...]:
        """Let batches pass with the marker low, as `Workload.warm_up` says."""
        seconds = tuple(warm_up(self._pass, self._clock, count=count, settle=settle))
        self._pace.warmed_up(seconds)
        return seconds

    def run(self, windows: int, seconds: float, gap: float = GAP) -> tuple[Timed, ...]:
        """Let windows pass as `Workload.run` says."""
        return tuple(self._pace.run(self._window, self._clock, windows=windows, seconds=seconds, gap=gap))

    def noted(self) -> tuple[Log, ...]:
        """Nothing."""
        return ()

    def close(self) -> None:
        """Close the marker."""
        self._marker.close()

    def _window(self) -> Timed:
        start = self._marker.high()
        forward = self._pass()
        return Timed(start, self._marker.low(), forward)

    def _pass(self) -> float:
        start = self._clock.now()
        self._clock.sleep(self._seconds * (1.0 + self._random.uniform(-self._spread, self._spread)))
        return (self._clock.now() - start) * 1e-9
