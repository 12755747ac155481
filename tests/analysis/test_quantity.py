import math
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.quantity import PREFIXES, Quantity, decimals_for

POWERS = {prefix: power for power, prefix in PREFIXES.items()}


@pytest.mark.parametrize(
    ("value", "uncertainty", "unit", "text"),
    [
        (1.2345, 0.0712, "J", "1.23 J +- 0.07 J"),
        (1.2345, 0.0999, "J", "1.23 J +- 0.10 J"),
        (1.2345, 0.0354, "J", "1.234 J +- 0.035 J"),
        (1.2345, 0.0355, "J", "1.23 J +- 0.04 J"),
        (0.01234, 0.0004, "J", "12.3 mJ +- 0.4 mJ"),
        (0.31, 0.004, "s", "310 ms +- 4 ms"),
        (11.78, 1.17, "W", "11.8 W +- 1.2 W"),
        (-0.0021, 0.0030, "A", "-2.1 mA +- 3.0 mA"),
        (4321.0, 12.0, "s", "4321 s +- 12 s"),
        (12345.0, 2000.0, "J", "12.3 kJ +- 2.0 kJ"),
        (5.0, 30.0, "W", "5 W +- 30 W"),
        (5.0, 4000.0, "W", "0 kW +- 4 kW"),
        (0.001, 30.0, "W", "0 W +- 30 W"),
        (-0.001, 30.0, "W", "0 W +- 30 W"),
        (0.0, 0.002, "J", "0.0 mJ +- 2.0 mJ"),
        (0.0, 0.0, "J", "0 J +- 0 J"),
        (1.5, 0.0, "J", "1.5 J +- 0 J"),
        (1.5, math.inf, "J", "1.5 J +- inf J"),
        (math.inf, 1.0, "J", "inf J +- 1 J"),
        (1500.0, 3.0, "ppm", "1500.0 ppm +- 3.0 ppm"),
        (1e-12, 1e-13, "J", "0.00100 nJ +- 0.00010 nJ"),
    ],
)
def test_reads_as(value, uncertainty, unit, text):
    assert str(Quantity(value, uncertainty, unit)) == text


@given(
    value=st.floats(-1e12, 1e12) | st.floats(-1.0, 1.0),
    uncertainty=st.floats(1e-15, 1e12) | st.floats(1e-6, 1.0),
    unit=st.sampled_from(["J", "W", "s", "ppm"]),
)
def test_what_is_printed_is_what_was_meant(value, uncertainty, unit):
    text = str(Quantity(value, uncertainty, unit))
    number = r"(-?[0-9.]+) ([numkMG]?)" + unit
    match = re.fullmatch(rf"{number} \+- {number}", text)
    assert match is not None, text
    shown, prefix, shown_uncertainty, other_prefix = match.groups()
    assert prefix == other_prefix
    assert len(shown.partition(".")[2]) == len(shown_uncertainty.partition(".")[2])
    scale = Decimal(10) ** POWERS[prefix]
    last = Decimal(10) ** -(decimals_for(uncertainty / 10.0 ** POWERS[prefix]))
    # Scaling to the prefix rounds once more, by parts in 1e16 of the number itself.
    slack = Decimal(abs(value)) * Decimal("1e-15")
    assert abs(Decimal(shown) * scale - Decimal(value)) <= last * scale / 2 + slack
    assert abs(Decimal(shown_uncertainty) * scale - Decimal(uncertainty)) <= last * scale * Decimal("0.5000001")


@given(uncertainty=st.floats(1e-9, 1e9))
def test_one_or_two_digits_of_uncertainty_are_shown(uncertainty):
    shown = str(Quantity(0.0, uncertainty, "ppm")).split(" +- ")[1].removesuffix(" ppm")
    assert 1 <= len(shown.replace(".", "").lstrip("0").rstrip("0")) <= 2


@pytest.mark.parametrize(("value", "uncertainty"), [(math.nan, 1.0), (1.0, math.nan), (1.0, -1.0)])
def test_what_is_not_known_is_no_quantity(value, uncertainty):
    with pytest.raises(ValueError, match="unknown values are None"):
        Quantity(value, uncertainty, "J")
