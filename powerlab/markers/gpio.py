"""A GPIO line as the marker, by libgpiod's Python module: the extra `gpio`.

What its edges take is the way through the kernel, some microseconds. No board was at hand: it was tried against the
module itself, but against no chip.
"""

from typing import Any, Final

from powerlab.marker import MarkerError
from powerlab.markers.line import LineMarker
from powerlab_traces.clock import Clock
from powerlab_traces.extras import library

CONSUMER: Final = "powerlab"  # who the kernel says has the line


def open_gpio(chip: str, line: int, clock: Clock, *, inverted: bool) -> LineMarker:
    """Take a line of a chip such as `/dev/gpiochip0`, by its number on it, as an output that is low.

    Inverted, it is at 0 V while it is high, as behind a transistor that inverts.

    Raises
    ------
    MarkerError
        There is no such chip or line, somebody else has it, or it may not be taken.
    Missing
        The module is not installed.
    """
    name = f"gpio:{chip}:{line}"
    gpiod: Any = library("gpiod", "gpio")
    if not hasattr(gpiod, "request_lines"):
        raise MarkerError(
            f'marker {name}: gpiod here is older than 2.0; pip install "powerlab[gpio]" brings a newer one'
        )
    inactive, active = gpiod.line.Value.INACTIVE, gpiod.line.Value.ACTIVE
    settings = gpiod.LineSettings(direction=gpiod.line.Direction.OUTPUT, active_low=inverted, output_value=inactive)
    try:
        request = gpiod.request_lines(chip, consumer=CONSUMER, config={line: settings})
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MarkerError(
            f"marker {name}: the line cannot be taken ({why}); check chip and number with `gpioinfo`, who else has the "
            "line, and the permissions"
        ) from error
    values = {False: {line: inactive}, True: {line: active}}  # made once, not at each edge
    return LineMarker(name, clock, lambda high: request.set_values(values[high]), request.release)
