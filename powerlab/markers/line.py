"""A marker that is high or low because somebody else's interface is told so."""

from collections.abc import Callable
from contextlib import suppress

from powerlab.marker import MarkerError
from powerlab_traces.clock import Clock
from powerlab_traces.errors import PowerlabError


class LineMarker:
    """A line that `drive` sets: high with True, low with False. It is low already.

    `name` is what messages call it; `release` lets go of it, once.
    """

    def __init__(self, name: str, clock: Clock, drive: Callable[[bool], None], release: Callable[[], None]) -> None:
        self._name = name
        self._clock = clock
        self._drive_line = drive
        self._release = release
        self._open = True

    def high(self) -> int:
        """Raise the line."""
        return self._drive(True)

    def low(self) -> int:
        """Lower the line."""
        return self._drive(False)

    def close(self) -> None:
        """Lower the line and let go of it."""
        if self._open:
            self._open = False
            with suppress(OSError, PowerlabError):  # what cannot be driven any more cannot be left high by us
                self._drive_line(False)
            self._release()

    def _drive(self, high: bool) -> int:
        at = self._clock.now()
        try:
            self._drive_line(high)
        except OSError as error:
            raise MarkerError(
                f"marker {self._name}: the line cannot be driven ({error.strerror or error}); is it still there?"
            ) from error
        return at
