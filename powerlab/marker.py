"""The marker: the digital line a workload raises during each window, recorded beside the current.

Every edge is stamped *directly before* it is sent, the rise as the fall. Both stamps are then early by the same
latency of the line, which makes the stamped window as long as the pulse and the pulse's delay one number that
the alignment finds. `high` returns when the edge has been handed over and the forward pass comes after that; the
fall is stamped when the pass is complete. So a stamped window always holds the whole forward pass, and besides
it only the sending of the rise.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from powerlab_traces.clock import Clock, HostClock
from powerlab_traces.errors import PowerlabError

if TYPE_CHECKING:
    from serial import SerialBase

    from powerlab_instruments.simulated.wire import Wire

SPECS: Final = (
    "none, wire:HOST:PORT, serial:PORT:rts (or dtr), gpio:CHIP:LINE, parallel:PORT:BIT (each of these three also with "
    "-inverted) or command:PROGRAM"
)


class MarkerError(PowerlabError):
    """A marker that does not exist, or a line that cannot be driven."""


class Marker(Protocol):
    """A digital line that is low outside windows."""

    def high(self) -> int:
        """Raise the line; the time just before, in nanoseconds of the marker's clock."""
        ...

    def low(self) -> int:
        """Lower the line; the time just before, in nanoseconds of the marker's clock."""
        ...

    def close(self) -> None:
        """Leave the line low and let go of it; closing twice does nothing."""
        ...


def open_marker(spec: str, clock: Clock | None = None, at_bench: Callable[[int], int] | None = None) -> Marker:
    """The marker a line of text names, low, stamped by `clock` (the machine's own unless given).

    `none` only stamps. `wire:127.0.0.1:4000` is the simulated bench's wire to its scope; `at_bench` tells what the
    bench's clock shows at a time of `clock`, where that is another machine's.
    `serial:/dev/ttyUSB0:rts` is a modem line of a serial port: asserted, it is positive on an RS-232 plug. On
    most adapters with logic-level pins it is inverted, asserted being 0 V; for those write `rts-inverted`.
    `gpio:/dev/gpiochip0:17` is a line of a board, `parallel:/dev/parport0:0` a data line of a parallel port, and
    `command:./my-marker` a program that drives one (`powerlab.markers` has what each needs).

    Raises
    ------
    MarkerError
        The text names no marker, or its serial port cannot be opened.
    powerlab_instruments.simulated.wire.WireError
        Nobody answers at the wire's address.
    """
    clock = clock or HostClock()
    kind, _, rest = spec.partition(":")
    if kind == "none" and not rest:
        return NoMarker(clock)
    if kind == "wire" and (match := re.fullmatch(r".+:(\d{1,5})", rest)) and 0 < int(match[1]) < 1 << 16:
        return _open_wire(rest, clock, at_bench)
    if kind == "serial" and (match := re.fullmatch(r"(.+):(rts|dtr)(-inverted)?", rest)):
        return _open_serial(match[1], match[2], clock, inverted=match[3] is not None)
    if kind in {"gpio", "parallel", "command"} and (marker := _open_further(kind, rest, clock)) is not None:
        return marker
    raise MarkerError(f"marker {spec!r} is none: give {SPECS}")


class NoMarker:
    """No line at all, only the times its edges would have had."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def high(self) -> int:
        """The time."""
        return self._clock.now()

    def low(self) -> int:
        """The time."""
        return self._clock.now()

    def close(self) -> None:
        """Nothing to leave."""


class WireMarker:
    """The simulated bench's wire; each edge travels with its stamp, so the pulse has no delay at all.

    The bench's virtual time goes on only when it is told to, perhaps over another connection: it is asked then whether
    it has the edge, so that edges and time stay in order.
    """

    def __init__(self, wire: "Wire", clock: Clock, at_bench: Callable[[int], int] | None = None) -> None:
        from powerlab_instruments.simulated.wire import VirtualClock  # noqa: PLC0415 - a real bench needs no simulator

        self._wire = wire
        self._clock = clock
        self._at_bench = at_bench or (lambda at: at)
        self._virtual = isinstance(clock, VirtualClock)

    def high(self) -> int:
        """Raise the wire and return the stamp sent with the edge."""
        at = self._clock.now()
        self._wire.high(self._at_bench(at))
        self._arrived()
        return at

    def low(self) -> int:
        """Lower the wire and return the stamp sent with the edge."""
        at = self._clock.now()
        self._wire.low(self._at_bench(at))
        self._arrived()
        return at

    def _arrived(self) -> None:
        if self._virtual:
            self._wire.now()  # answered after the edge

    def close(self) -> None:
        """Lower the wire and hang up. A bench that has gone has no line that could stay high."""
        with suppress(PowerlabError):
            self.low()
        self._wire.close()


class SerialMarker:
    """A modem line of a serial port."""

    def __init__(self, port: "SerialBase", line: str, clock: Clock, *, inverted: bool) -> None:
        self._port = port
        self._line = line
        self._clock = clock
        self._asserted_when_high = not inverted

    def high(self) -> int:
        """Raise the line."""
        return self._drive(self._asserted_when_high)

    def low(self) -> int:
        """Lower the line."""
        return self._drive(not self._asserted_when_high)

    def close(self) -> None:
        """Lower the line and close the port. The system then lets the line go, which is low unless inverted."""
        if self._port.is_open:
            with suppress(OSError):  # an unplugged adapter drives nothing
                setattr(self._port, self._line, not self._asserted_when_high)
            self._port.close()

    def _drive(self, asserted: bool) -> int:
        at = self._clock.now()
        try:
            setattr(self._port, self._line, asserted)
        except OSError as error:
            raise MarkerError(
                f"marker: cannot drive {self._line} of {self._port.port} ({error.strerror or error}); "
                "is the adapter still plugged in?"
            ) from error
        return at


def _open_wire(address: str, clock: Clock, at_bench: Callable[[int], int] | None) -> WireMarker:
    from powerlab_instruments.simulated.wire import Wire  # noqa: PLC0415 - a real bench needs no simulator

    return WireMarker(Wire(address), clock, at_bench)


def _open_further(kind: str, rest: str, clock: Clock) -> Marker | None:
    """The markers that few need, and whose modules are loaded only then; None where `rest` names none."""
    if kind == "command" and rest.strip():
        from powerlab.markers.program import open_program  # noqa: PLC0415 - see above

        return open_program(rest, clock)
    if kind == "gpio" and (match := re.fullmatch(r"(/.+):(\d{1,4})(-inverted)?", rest)):
        from powerlab.markers.gpio import open_gpio  # noqa: PLC0415 - see above

        return open_gpio(match[1], int(match[2]), clock, inverted=match[3] is not None)
    if kind == "parallel" and (match := re.fullmatch(r"(/.+):([0-7])(-inverted)?", rest)):
        from powerlab.markers.parallel import open_parallel  # noqa: PLC0415 - see above

        return open_parallel(match[1], int(match[2]), clock, inverted=match[3] is not None)
    return None


def _open_serial(name: str, line: str, clock: Clock, *, inverted: bool) -> SerialMarker:
    import serial  # noqa: PLC0415 - only this marker needs it

    try:
        port = serial.serial_for_url(name, do_not_open=True)
    except ValueError as error:
        raise MarkerError(f"marker serial:{name}: {error}") from error
    try:
        # Set before opening, so that the port opens with the line where low is.
        port.rts = port.dtr = inverted
        port.exclusive = True
        port.open()
        setattr(port, line, inverted)  # opening forgives a port without modem lines, this does not
    except OSError as error:
        port.close()
        raise MarkerError(
            f"marker serial:{name}: cannot drive {line} ({error.strerror or error}); "
            "check the name, the plug and the permissions"
        ) from error
    return SerialMarker(port, line, clock, inverted=inverted)
