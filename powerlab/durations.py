"""Times as people type them."""

import datetime as dt
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


def moment(text: str, now: dt.datetime) -> dt.datetime:
    """A time to come: of this day or the next, or with its date.

    >>> moment("06:30", dt.datetime(2026, 1, 2, 22, 0)).isoformat()
    '2026-01-03T06:30:00'

    Raises
    ------
    ValueError
        It is no time, or lies in the past.
    """
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            then = dt.datetime.combine(now, dt.time.fromisoformat(text.zfill(5)), tzinfo=now.tzinfo)
            return then if then > now else then + dt.timedelta(days=1)
        then = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time; write it like 06:30 or 2026-01-03T06:30") from error
    then = then if then.tzinfo or not now.tzinfo else then.replace(tzinfo=now.tzinfo)
    if then <= now:
        raise ValueError(f"{text} is over")
    return then


class Moment(click.ParamType[dt.datetime]):
    """A command-line option that takes a time of day, or a date and time."""

    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        """The local time meant."""
        try:
            return moment(str(value), dt.datetime.now().astimezone())
        except ValueError as error:
            self.fail(str(error), param, ctx)


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
