"""How far a slower meter's mean power of a window would be off, tried on what was recorded.

The mean over a window at the recorded rate is taken for the truth. A meter with `d` times fewer readings is let loose
on the same samples, once for each of the `d` ways in which its readings may lie, all equally likely: nobody starts a
window in step with a meter. Two kinds of meter are tried: one whose readings are samples (point), of which a window
gets the mean of those that fall into it; and one whose readings are means over the time between them (box-car), of
which a window gets the mean of those that lie in it as a whole. Errors are relative to the window's mean power, or
mean current: the voltage is taken as steady.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

SHARE: Final = 0.95  # of windows and phases, whose error is stated
LOWEST_RATE: Final = 1.0  # Hz, of MLPerf's power analysers
STEPS: Final = (1.0, 2.0, 5.0)  # of the rates tried, times powers of ten

# Errors are counted in classes 1 % apart, for they are as many as samples: 1e-9 to 10.
_CLASSES, _LEAST, _A_DECADE = 2000, -9.0, 200


@dataclass(frozen=True, slots=True)
class Errors:
    """Of the mean power of a window, relative: root mean square, the 95 % quantile of the amount, and the mean.

    `mean` is what does not average out, however many windows there are. `without` is the share of cases in which a
    window got no reading at all; they count as infinitely wrong, so that `quantile` is infinite from 5 % on. The other
    two are of the rest, and not a number where there is none.
    """

    rms: float
    quantile: float
    mean: float
    without: float


@dataclass(frozen=True, slots=True)
class SlowMeter:
    """A meter with `rate` readings a second: `readings` in a window on average, and its errors.

    `on_line` is by how much a point meter is off, relative, if its readings keep step with the strongest line that
    allows it: one of a frequency that is the rate or a multiple of it.
    """

    rate: float
    readings: float
    point: Errors
    boxcar: Errors
    on_line: float = 0.0


@dataclass(frozen=True, slots=True)
class Needed:
    """The lowest of the tried rates (Hz) that keeps the error within what was wanted, or None and `why` not."""

    rate: float | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """What slower meters would have made of the windows, fastest first, and how slow one may be.

    `wanted` is the error allowed, relative. `recorded` is the rate of the record (Hz), and `unseen` what its means may
    be off by themselves: as much as they change from half the rate to the whole.
    """

    wanted: float
    recorded: float
    windows: int
    unseen: float
    meters: tuple[SlowMeter, ...]
    point: Needed
    boxcar: Needed


@dataclass(slots=True, eq=False)
class Trial:
    """Lets slower meters loose on windows, one after the other; all of them are sampled every `interval` s."""

    interval: float
    windows: int = 0
    _tallies: dict[int, tuple["_Tally", "_Tally"]] = field(init=False)
    _samples: int = 0

    def __post_init__(self) -> None:
        self._tallies = {factor: (_Tally(), _Tally()) for factor in _factors(self.interval)}

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in the power or current of a window [n], its zero subtracted."""
        sums = np.concatenate([[0.0], np.cumsum(values)])
        mean = float(sums[-1]) / len(values)
        self.windows += 1
        self._samples += len(values)
        for factor, (point, boxcar) in self._tallies.items():
            point.add(_point(values, factor) / mean - 1, factor)
            boxcar.add(_boxcar(sums, factor) / mean - 1, factor)

    def sampling(self, wanted: float, lines: Sequence[tuple[float, float]]) -> Sampling:
        """The errors, and the rates that keep them within `wanted`, relative; of one window or more.

        `lines` are frequencies (Hz) and peak amplitudes relative to the mean of the windows.
        """
        seconds = self._samples * self.interval / self.windows
        meters = tuple(
            SlowMeter(
                rate=(rate := 1 / (factor * self.interval)),
                readings=seconds * rate,
                point=point.errors(),
                boxcar=boxcar.errors(),
                on_line=max((peak for frequency, peak in lines if frequency >= rate), default=0.0),
            )
            for factor, (point, boxcar) in sorted(self._tallies.items())
        )
        unseen = meters[0].point.quantile
        point = _needed([max(it.point.quantile, it.on_line) for it in meters], meters, wanted, unseen)
        boxcar = _needed([it.boxcar.quantile for it in meters], meters, wanted, unseen)
        return Sampling(wanted, 1 / self.interval, self.windows, unseen, meters, point, boxcar)


def _factors(interval: float) -> list[int]:
    """By how much the meters are slower, least first: half the rate, then 1, 2 and 5 times the powers of ten, down to
    `LOWEST_RATE`, or the nearest that divides.
    """
    highest = 1 / interval
    decades = range(round(math.log10(LOWEST_RATE)), math.ceil(math.log10(highest)) + 1)
    rates = [step * 10.0**decade for decade in decades for step in STEPS]
    return sorted({2, *(round(highest / rate) for rate in rates if 2 * rate <= highest)})


def _point(values: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """The means of every `factor`-th value, from each of the first `factor` on; of fewer values, from each of these."""
    whole = len(values) // factor * factor
    phases = min(factor, len(values))
    sums = values[:whole].reshape(-1, factor).sum(axis=0)[:phases] if whole else np.zeros(phases)
    numbers = np.full(phases, whole // factor)
    rest = values[whole:]
    sums[: len(rest)] += rest
    numbers[: len(rest)] += 1
    means: NDArray[np.float64] = sums / numbers
    return means


def _boxcar(sums: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """The means of all whole spans of `factor` values, from each of the first on; `sums` [n + 1] are of the values."""
    length = len(sums) - 1
    first = np.arange(max(min(factor, length - factor + 1), 0))
    spans = (length - first) // factor * factor
    means: NDArray[np.float64] = (sums[first + spans] - sums[first]) / spans
    return means


def _needed(errors: Sequence[float], meters: Sequence[SlowMeter], wanted: float, unseen: float) -> Needed:
    """The slowest of the meters such that it and all faster ones are right; what the record does not show counts."""
    lowest = None
    for error, meter in zip(errors, meters, strict=True):
        if error + unseen > wanted:
            break
        lowest = meter.rate
    if lowest is None:
        why = (
            f"at half the recorded rate the error is {errors[0]:.2%}, and the record itself may be off by as much as "
            f"halving its rate changes, {unseen:.2%}"
        )
        return Needed(None, why)
    return Needed(lowest)


@dataclass(slots=True, eq=False)
class _Tally:
    """Relative errors of many windows, each with as much weight as any other."""

    windows: int = 0
    counted: float = 0.0  # windows, less the phases without a reading
    total: float = 0.0
    squares: float = 0.0
    classes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_CLASSES))

    def add(self, errors: NDArray[np.float64], phases: int) -> None:
        """Take in the errors of one window, one a phase; of `phases` those that are lacking had no reading."""
        self.windows += 1
        if not len(errors):
            return
        self.counted += len(errors) / phases
        self.total += float(errors.sum()) / phases
        self.squares += float(np.square(errors).sum()) / phases
        places = (np.log10(np.maximum(np.abs(errors), 10.0**_LEAST)) - _LEAST) * _A_DECADE
        counts = np.bincount(places.astype(np.int64).clip(0, _CLASSES - 1), minlength=_CLASSES)
        self.classes += counts / phases

    def errors(self) -> Errors:
        """The summary; a quantile is the upper end of its class."""
        if self.counted == 0:
            return Errors(math.nan, math.inf, math.nan, 1.0)
        below = np.cumsum(self.classes)
        place = int(np.searchsorted(below, SHARE * self.windows * (1 - 1e-12)))
        quantile = 10.0 ** (_LEAST + (place + 1) / _A_DECADE) if place < _CLASSES else math.inf
        return Errors(
            rms=math.sqrt(self.squares / self.counted),
            quantile=quantile,
            mean=self.total / self.counted,
            without=max(1 - self.counted / self.windows, 0.0),
        )
