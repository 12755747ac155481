"""The options that answer what a foreign capture leaves open, for every verb that reads one."""

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class _Factor(click.ParamType[tuple[str, float]]):
    """`NAME=F`."""

    name = "NAME=F"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        if isinstance(value, tuple):
            return value
        name, _, text = str(value).rpartition("=")
        try:
            factor = float(text)
        except ValueError:
            factor = math.nan
        if not name or not math.isfinite(factor):
            self.fail(f"{value!r} is no channel and factor; write it like 1=10", param, ctx)
        return name, factor


# Each is a field of `ImportOptions`, which says what it means to the importers.
OPTIONS: Final = (
    click.option("--time", metavar="COLUMN", help="Column of the time, NAME or NAME:UNIT."),
    click.option("--current", metavar="NAME", help="Column, channel or signal of the current; a column may say :UNIT."),
    click.option("--voltage", metavar="NAME", help="The same, of the supply's voltage at the board."),
    click.option("--power", metavar="NAME", help="The same, of the power."),
    click.option("--marker", metavar="NAME", help="Line that is high while a window runs."),
    click.option(
        "--windows",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Table of windows (start_s, stop_s, images), or a LoadGen detail log.",
    ),
    click.option(
        "--images",
        type=click.IntRange(1, 1 << 53),
        metavar="N",
        help="Images in each window of which nothing else says how many it held.",
    ),
    click.option("--supply-voltage", type=float, metavar="V", help="Of a source that holds current only."),
    click.option("--sensitivity", type=float, metavar="V/A", help="Of the probe whose current was saved in volts."),
    click.option(
        "--factor",
        type=_Factor(),
        multiple=True,
        help="What a channel's values are to be multiplied with; may be given for several.",
    ),
    click.option("--clock-offset", type=float, metavar="S", help="Seconds that are added to the times of the windows."),
    click.option(
        "--find-windows",
        is_flag=True,
        default=None,
        help="Find the windows in the trace itself: spans of higher power, bounded by steps.",
    ),
)


def import_options(command: Decorated) -> Decorated:
    """Give a verb these options; their values come as keyword arguments, None or () where they were not given."""
    for add in reversed(OPTIONS):
        command = add(command)
    return command


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as `ImportOptions` takes them.

    Raises
    ------
    click.UsageError
        Two factors for one channel.
    """
    said = {name: value for name, value in values.items() if value is not None and value != ()}
    if "factor" in said:
        factors = dict(said["factor"])
        if len(factors) < len(said["factor"]):
            raise click.UsageError("--factor is given twice for the same channel")
        said["factor"] = factors
    return said


def option_names(names: Iterable[str]) -> str:
    """The options as they are typed.

    >>> option_names(["supply_voltage", "images"])
    '--supply-voltage, --images'
    """
    return ", ".join("--" + name.replace("_", "-") for name in names)
