"""Amounts with a unit as people type them: 50ms, 1 J, 900mJ, 500MB."""

import re

import click

from powerlab_analysis.quantity import PREFIXES

FACTORS = {prefix: 10.0**power for power, prefix in PREFIXES.items()} | {"\u00b5": 1e-6, "\u03bc": 1e-6}


def amount(text: str, unit: str) -> float:
    """An amount in `unit`, which may carry a prefix in the text.

    >>> amount("50ms", "s"), amount("1.5 J", "J")
    (0.05, 1.5)

    Raises
    ------
    ValueError
        It is none, or has another unit.
    """
    match = re.fullmatch(rf"\s*(\d+(?:\.\d*)?|\.\d+)(?:[eE]([-+]?\d+))?\s*([^\W\d]?){unit}\s*", text)
    if match is None or match[3] not in FACTORS:
        raise ValueError(f"{text!r} is no amount in {unit}; write it like 1{unit} or 500m{unit}")
    return float(match[1]) * 10.0 ** int(match[2] or 0) * FACTORS[match[3]]


class Amount(click.ParamType[float]):
    """A command-line option that takes an amount in a unit, with or without a prefix."""

    def __init__(self, unit: str) -> None:
        self.unit = self.name = unit

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The amount in the unit; a number given as the default passes through."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return amount(str(value), self.unit)
        except ValueError as error:
            self.fail(str(error), param, ctx)
