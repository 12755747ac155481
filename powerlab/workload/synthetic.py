"""A workload that computes nothing: its windows pass on a clock, real or virtual."""

from pathlib import Path

import numpy as np

from powerlab.marker import Marker
from powerlab.workload import GAP, Loaded, WorkloadError
from powerlab.workload.pace import Pace
from powerlab_traces.clock import Clock


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

    def load(
        self,
        model: str,
        batch: int,
        *,
        seed: int = 0,  # noqa: ARG002 - part of the protocol; nothing is computed
        weights: Path | None = None,  # noqa: ARG002 - likewise
        threads: int | None = None,  # noqa: ARG002 - likewise
    ) -> Loaded:
        """Take the name of `model`, of which nothing is built."""
        if batch < 1:
            raise WorkloadError(f"batch {batch}: give 1 image or more")
        self._pace = Pace()
        return Loaded(model, batch, 0, (batch,), framework="none", device="synthetic", threads=0)

    def warm_up(self, count: int) -> tuple[float, ...]:
        """Let `count` batches pass with the marker low; their seconds."""
        seconds = tuple(self._pass() for _ in range(count))
        self._pace.warmed_up(seconds)
        return seconds

    def run(self, windows: int, seconds: float, gap: float = GAP) -> tuple[tuple[int, int], ...]:
        """Let windows pass as `Workload.run` says."""
        return tuple(self._pace.run(self._window, self._clock, windows=windows, seconds=seconds, gap=gap))

    def close(self) -> None:
        """Close the marker."""
        self._marker.close()

    def _window(self) -> tuple[int, int]:
        start = self._marker.high()
        self._pass()
        return start, self._marker.low()

    def _pass(self) -> float:
        start = self._clock.now()
        self._clock.sleep(self._seconds * (1.0 + self._random.uniform(-self._spread, self._spread)))
        return (self._clock.now() - start) * 1e-9
