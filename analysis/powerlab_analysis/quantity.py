"""A value with its expanded uncertainty, as people read it."""

import math
from dataclasses import dataclass
from decimal import Decimal

# Prefixes that people read, by the power of ten they stand for.
PREFIXES = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}
PREFIXED_UNITS = frozenset({"A", "V", "W", "J", "s", "Hz", "ohm"})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value and the half-width of its 95 % interval, both in `unit` (SI, without prefix).

    As text it carries one prefix for both numbers and as many digits as the uncertainty deserves.

    >>> str(Quantity(0.01234, 0.00041, "J")), str(Quantity(11.78, 1.17, "W"))
    ('12.3 mJ +- 0.4 mJ', '11.8 W +- 1.2 W')
    """

    value: float
    U95: float
    unit: str

    def __post_init__(self) -> None:
        if math.isnan(self.value) or not self.U95 >= 0:
            raise ValueError(f"no quantity: {self.value} +- {self.U95} {self.unit}; unknown values are None")

    def __str__(self) -> str:
        # The value's prefix, or the uncertainty's where that is the larger: digits then say what is known.
        sizes = [abs(number) for number in (self.value, self.U95) if math.isfinite(number)]
        power = _power_of_ten(max(sizes, default=0.0), self.unit)
        value, uncertainty = self.value / 10.0**power, self.U95 / 10.0**power
        unit = PREFIXES[power] + self.unit
        if uncertainty == 0 or math.isinf(uncertainty) or math.isinf(value):
            return f"{value:.6g} {unit} +- {uncertainty:.6g} {unit}"
        decimals = decimals_for(uncertainty)
        return f"{_rounded(value, decimals)} {unit} +- {_rounded(uncertainty, decimals)} {unit}"


def prefixed(value: float, unit: str, digits: int = 4) -> str:
    """A limit or a reading without its uncertainty, to four digits at most, or as many as are asked for.

    >>> prefixed(0.05, "A"), prefixed(1.5e-05, "s"), prefixed(300.0, "s")
    ('50 mA', '15 us', '300 s')
    """
    power = _power_of_ten(abs(value), unit)
    return f"{value / 10.0**power:.{digits}g} {PREFIXES[power]}{unit}"


def decimals_for(uncertainty: float) -> int:
    """How many decimals a value and its uncertainty (> 0) deserve; negative means tens, hundreds and so on.

    The rule of the Particle Data Group (Review of Particle Physics, Introduction, "Rounding"): by its three
    highest digits the uncertainty keeps two digits from 100 to 354, one from 355 to 949, and from 950 on it is
    rounded up to 1000 and keeps two, which ends at the same place as one digit does.

    >>> [decimals_for(u) for u in (0.0354, 0.0355, 0.0949, 0.0950, 120.0)]
    [3, 2, 2, 2, -1]
    """
    # By the digits a person sees: 0.0355 is 355, though its binary value lies a hair below.
    digits = Decimal(repr(float(uncertainty)))
    highest = digits.adjusted()
    return (1 if digits.scaleb(2 - highest) < 355 else 0) - highest


def _power_of_ten(size: float, unit: str) -> int:
    """The power of ten whose prefix suits a number of this size (>= 0)."""
    if size == 0 or math.isinf(size) or unit not in PREFIXED_UNITS:
        return 0
    largest = 0 if unit == "s" else max(PREFIXES)  # nobody reads kiloseconds
    return min(max(3 * (Decimal(size).adjusted() // 3), min(PREFIXES)), largest)


def _rounded(number: float, decimals: int) -> str:
    text = f"{round(number, decimals):.{max(decimals, 0)}f}"
    return text.removeprefix("-") if float(text) == 0 else text
