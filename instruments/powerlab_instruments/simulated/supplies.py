"""The E364xA supplies that can be simulated: their ranges, and how far one of them may be off."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from powerlab_traces.errors import PowerlabError

OVER_RATING = 1.03  # the largest level that can be set, in the rating (E3631A User's Guide; so the E3645A answers MAX)
PROTECTION_OVER_RATING = 1.1  # the same of the over-voltage level, in the high range's rating
PROTECTION_MIN = 1.0  # V; UNCONFIRMED
# UNCONFIRMED: the E3645A's converter steps, scaled from siblings; those of the other models scaled from these.
VOLTAGE_STEP, CURRENT_STEP = 1.14e-3 / 60, 0.042e-3 / 2.2  # of the rating


class UnknownSupplyError(PowerlabError):
    """There is no such supply to simulate."""


@dataclass(frozen=True, slots=True)
class Range:
    """One output range: the name `VOLTage:RANGe?` answers, rated volts and amperes."""

    name: str
    voltage: float
    current: float

    @property
    def voltage_max(self) -> float:
        """The largest voltage that can be set, in volts."""
        return round(OVER_RATING * self.voltage, 6)

    @property
    def current_max(self) -> float:
        """The largest current limit that can be set, in amperes."""
        return round(OVER_RATING * self.current, 6)


@dataclass(frozen=True, slots=True)
class SupplyModel:
    """What one model has."""

    name: str
    low: Range
    high: Range

    @property
    def identity(self) -> str:
        """The answer to `*IDN?`, whose third field is always 0; that of the siblings is UNCONFIRMED."""
        return f"Agilent Technologies,{self.name},0,1.7-5.0-1.0"

    @property
    def ranges(self) -> dict[str, Range]:
        """Both by their name."""
        return {self.low.name: self.low, self.high.name: self.high}

    @property
    def protection_max(self) -> float:
        """The highest over-voltage level of both ranges, in volts."""
        return round(PROTECTION_OVER_RATING * self.high.voltage, 6)

    @property
    def steps(self) -> dict[str, float]:
        """What one step of the converters is, in volts and amperes."""
        return {
            "voltage": round(VOLTAGE_STEP * self.high.voltage, 9),
            "current": round(CURRENT_STEP * max(self.low.current, self.high.current), 9),
        }


def _model(name: str, low: tuple[float, float], high: tuple[float, float]) -> SupplyModel:
    return SupplyModel(name, *(Range(f"P{volts:.0f}V", volts, amperes) for volts, amperes in (low, high)))


# Ratings in V and A. All but the E3645A's are recalled from the data sheet: UNCONFIRMED.
SUPPLIES = {
    model.name: model
    for model in (
        _model("E3640A", (8.0, 3.0), (20.0, 1.5)),
        _model("E3641A", (35.0, 0.8), (60.0, 0.5)),
        _model("E3642A", (8.0, 5.0), (20.0, 2.5)),
        _model("E3643A", (35.0, 1.4), (60.0, 0.8)),
        _model("E3644A", (8.0, 8.0), (20.0, 4.0)),
        _model("E3645A", (35.0, 2.2), (60.0, 1.3)),
    )
}


def supply_named(name: str) -> SupplyModel:
    """The model of a name like `E3645A`, in any case; UnknownSupplyError."""
    try:
        return SUPPLIES[name.upper()]
    except KeyError:
        raise UnknownSupplyError(f"no supply {name!r} can be simulated; choose one of {', '.join(SUPPLIES)}") from None


@dataclass(frozen=True, slots=True)
class SupplyErrors:
    """How far one supply is off, as (relative, absolute) pairs inside the specified accuracy.

    Of what its data sheet allows at each level, one share: the same of the percentage and of what is added to it.
    """

    voltage: tuple[float, float]
    current: tuple[float, float]
    voltage_reading: tuple[float, float]
    current_reading: tuple[float, float]

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Self:
        """Programming 0.05 % + 10 mV and 0.2 % + 10 mA, readback 0.05 % + 5 mV and 0.15 % + 5 mA."""
        limits = (5e-4, 10e-3), (2e-3, 10e-3), (5e-4, 5e-3), (1.5e-3, 5e-3)
        shares = random.uniform(-1, 1, len(limits)).tolist()
        a, b, c, d = ((gain * share, offset * share) for (gain, offset), share in zip(limits, shares, strict=True))
        return cls(a, b, c, d)


def off(value: float, error: tuple[float, float]) -> float:
    """A value with a relative and an absolute error.

    >>> off(2.0, (0.01, -0.5))
    1.52
    """
    return value * (1 + error[0]) + error[1]
