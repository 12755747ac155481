"""The part of a current that repeats itself with the windows: work on, work off."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.integral import Integral
from powerlab_analysis.measured import Kind, Measured, Source, rectangular
from powerlab_analysis.model import TIME_BASE

FEWEST: Final = 3  # starts of windows in a record: two periods
HARMONICS: Final = 10
PARTS: Final = 256  # of a period, each its mean: ten harmonics lose 0.3 % at most
SCATTER: Final = "spread over periods"
NOISE: Final = "what lies between the harmonics"


@dataclass(frozen=True, slots=True)
class Harmonic:
    """The `number`-th harmonic of the windows' rate, `amplitude` rms in the current's unit."""

    number: int
    amplitude: Measured


@dataclass(frozen=True, slots=True)
class Repetition:
    """How often windows began (Hz), over `periods` of them, and by how much a period scattered (s).

    The harmonics are those of the whole record, windows and pauses: what a meter sees that knows nothing of windows.
    """

    rate: Measured
    periods: int
    deviation: float
    harmonics: tuple[Harmonic, ...]


@dataclass(slots=True, eq=False)
class Beat:
    """Takes in the records, one after the other."""

    periods: list[float] = field(default_factory=list)
    _powers: list[NDArray[np.float64]] = field(default_factory=list)
    _noises: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, current: Integral, starts: Sequence[float]) -> None:
        """A record's current, and when its windows began (s, in order, those without a gap in their numbers)."""
        if len(starts) < FEWEST:
            return
        self.periods += [later - earlier for earlier, later in pairwise(starts)]
        count = len(starts) - 1
        means = current.means(np.linspace(starts[0], starts[-1], count * PARTS + 1))
        power = 2 * np.square(np.abs(np.fft.rfft(means - means.mean()) / len(means)))
        place = np.arange(1, HARMONICS + 1) * count
        self._powers.append(power[place])
        beside = np.arange(1, count // 2 + 1)
        self._noises.append(np.array([power[np.concatenate([k - beside, k + beside])].mean() for k in place]))

    def repetition(self, time_limit: float) -> Repetition | None:
        """What came of it; None where no record holds three windows. `time_limit` is the time base's, relative."""
        if not self.periods:
            return None
        periods = np.array(self.periods)
        n, mean = len(periods), float(periods.mean())
        deviation = float(periods.std(ddof=1))
        parts = {
            Source(SCATTER, Kind.RANDOM, n - 1): deviation / math.sqrt(n) / mean**2,
            TIME_BASE: rectangular(time_limit) / mean,
        }
        powers, noises = (np.mean(np.stack(it), axis=0) for it in (self._powers, self._noises))
        response = np.sinc(np.arange(1, HARMONICS + 1) / PARTS)
        uncertainties = np.sqrt(noises / (2 * len(self._noises)))
        return Repetition(
            rate=Measured(1 / mean, parts),
            periods=n,
            deviation=deviation,
            harmonics=tuple(
                Harmonic(k + 1, Measured(a, {Source(NOISE, Kind.RANDOM): u}))
                for k, (a, u) in enumerate(
                    zip((np.sqrt(powers) / response).tolist(), (uncertainties / response).tolist(), strict=True)
                )
            ),
        )
