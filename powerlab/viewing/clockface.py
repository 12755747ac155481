"""Times on the page's axis as people read and type them."""

import math
import re

from powerlab_traces.errors import PowerlabError


def spoken(seconds: float, digits: int = 6) -> str:
    """A time since the first trigger.

    >>> spoken(12.5), spoken(3725.25, 2), spoken(-0.05, 3)
    ('12.500000', '1:02:05.25', '-0.050')
    """
    sign, whole = ("-" if seconds < 0 else ""), abs(round(seconds, digits))
    if whole < 60:
        return f"{sign}{whole:.{digits}f}"
    minutes, left = divmod(whole, 60)
    width = digits + 3 if digits else 2
    hours, minutes = divmod(int(minutes), 60)
    return f"{sign}{f'{hours}:{minutes:02}' if hours else minutes}:{left:0{width}.{digits}f}"


def typed(text: str) -> float:
    """Seconds of a text such as `12.5`, `2:05.25` or `1:02:05`.

    >>> typed("1:02:05.25")
    3725.25

    Raises
    ------
    PowerlabError
        It is no time.
    """
    match = re.fullmatch(r"\s*(-?)(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)(?:\s*s)?\s*", text)
    if match is None:
        raise PowerlabError(f"{text[:40]!r} is no time: write seconds, or h:mm:ss")
    sign, hours, minutes, seconds = match.groups(default="0")
    found = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return -found if sign == "-" else found


def digits_for(span: float) -> int:
    """How many decimals of a second tell times in so long a span (s) apart."""
    return min(max(3 - math.floor(math.log10(span)), 0), 9) if span > 0 else 9
