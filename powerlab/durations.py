"""Times as people type them."""

import re

import click

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0, "min": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """A time as people type it, in seconds.

    >>> seconds("20ms"), seconds("1.5s"), seconds("2"), seconds("1 min")
    (0.02, 1.5, 2.0, 60.0)

    Raises
    ------
    ValueError
        It is no time.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(us|ms|s|min|h|)\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is no time; write it like 500ms, 10s or 2min")
    number, unit = match.groups()
    return float(number) * SECONDS[unit]


class Duration(click.ParamType[float]):
    """A command-line option that takes a time and yields seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; a number given as the default passes through."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
