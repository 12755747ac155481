"""What the supply offers at its terminals, and how it gets there: it settles, and charges the board's capacitors."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# s to within 1 % of a step; of the E3631A (50 ms up, 45 ms down under load), UNCONFIRMED for the E3645A.
SETTLING_TIME = 0.05
INPUT_CAPACITANCE = 2.2e-3  # F of the board; UNCONFIRMED: so that switching on reaches a limit of 2 A

_TIME_CONSTANT = SETTLING_TIME / math.log(100)  # s
_OVER = 10 * _TIME_CONSTANT  # s, after which 0.05 per mil of a step is left, which counts as nothing
_LEAST_LIMIT = 1e-6  # A; with no current at all nothing would ever be charged


@dataclass(frozen=True, slots=True)
class Source:
    """Volts and at most so many amperes at the regulated terminals, from `since` ns on.

    Before that there were `before` volts, from which it settles exponentially, but no faster than the current limit
    charges the capacitors; without it the step is immediate.
    """

    since: int
    voltage: float
    current_limit: float
    before: float | None = None

    @property
    def charged(self) -> int:
        """When the capacitors no longer take all the current there is, in ns; `since` if they never do."""
        return self.since + round(self._limited_for * 1e9)

    @property
    def settled(self) -> int:
        """When `voltage` has been reached, in ns."""
        return self.charged if self.before is None else self.charged + round(_OVER * 1e9)

    @property
    def _slope(self) -> float:
        """How fast the limit charges the capacitors, in V/s."""
        return max(self.current_limit, _LEAST_LIMIT) / INPUT_CAPACITANCE

    @property
    def _limited_for(self) -> float:
        """Seconds."""
        if self.before is None:
            return 0.0
        return max(0.0, (self.voltage - self.before) / self._slope - _TIME_CONSTANT)

    def settle(self, since: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Volts, and amperes into the capacitors, `since` seconds after the beginning [n]."""
        if self.before is None:
            return np.full_like(since, self.voltage), np.zeros_like(since)
        limited = since < self._limited_for
        left = (self.voltage - self.before - self._slope * self._limited_for) * np.exp(
            -np.maximum(since - self._limited_for, 0.0) / _TIME_CONSTANT
        )
        volts = np.where(limited, self.before + self._slope * since, self.voltage - left)
        charging = np.where(limited, self._slope * INPUT_CAPACITANCE, left * (INPUT_CAPACITANCE / _TIME_CONSTANT))
        return volts, charging
