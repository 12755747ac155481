"""The pause between two runs: a given time, and on until the board's temperature has come back or stands still."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from powerlab.capture import Stop
from powerlab.workload.place import Place
from powerlab.workload.process import WorkloadProcess
from powerlab_traces.log import Log

# The rule: temperature changes by less than 1 degree a minute, or is back to what it was before the first run.
STEADY: Final = 1.0 / 60  # degrees a second
BACK: Final = 2.0  # degrees above that count as back
LOOK: Final = 20.0  # s over which a change is judged: sensors show whole or half degrees
LONGEST: Final = 300.0  # s that are waited for a temperature; a board that has not settled then never will
TICK: Final = 1.0  # s between two looks at whether to stop

BOARD_LOG: Final = "board_state"  # of `powerlab.board.watch`


class Cooled(NamedTuple):
    """How long was waited, in s, and the board's temperature then, in degrees Celsius.

    None where nobody was to wait, and where no temperature is known.
    """

    seconds: float | None
    temperature: float | None


class Thermometer(Protocol):
    """Something that knows how hot the board is."""

    def temperature(self) -> float | None:
        """The hottest part's degrees Celsius; None where nothing says."""
        ...


class BoardThermometer:
    """The board's own sensors, read by a workload's process that runs nothing; for the time of a pause only."""

    def __init__(self, place: Place | None) -> None:
        self._process = WorkloadProcess(place=place)

    def temperature(self) -> float | None:
        """See `Thermometer`."""
        return hottest(self._process.noted())

    def close(self) -> None:
        """End the process."""
        self._process.close()


def hottest(logs: tuple[Log, ...]) -> float | None:
    """The highest of the temperatures that were read last; None where there are none."""
    found = [
        float(values[-1])
        for log in logs
        if log.name == BOARD_LOG and log.rows
        for name, values in log.columns.items()
        if name.endswith("_temperature") and isinstance(values[-1], int | float)
    ]
    return max(found, default=None)


def cool_down(
    seconds: float,
    thermometer: Thermometer,
    first: float | None,
    *,
    stop: Stop,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Cooled:
    """Wait `seconds`, then until the temperature is back near `first` or steady, for `LONGEST` seconds at most."""
    began = now()

    def wait(span: float) -> None:
        until = now() + span
        while not stop.asked and (left := until - now()) > 0:
            sleep(min(TICK, left))

    before = thermometer.temperature()
    wait(seconds)
    then = thermometer.temperature()
    while then is not None and not stop.asked and now() - began < LONGEST:
        if first is not None and then <= first + BACK:
            break
        before = then
        wait(LOOK)
        then = thermometer.temperature()
        if then is None or abs(then - before) < STEADY * LOOK:
            break
    return Cooled(now() - began, then)
