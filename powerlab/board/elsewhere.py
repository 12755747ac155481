"""Memory and state where there is neither /proc nor /sys, by psutil: on macOS and Windows.

The dependencies ask for psutil on those systems only.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from powerlab.board.memory import Proportional, Resident
from powerlab.board.state import Source, Value, plain


class SystemMemory:
    """The memory of the machine."""

    def __init__(self) -> None:
        self._psutil: Any = import_module("psutil")

    def used(self) -> int | None:
        """Bytes that could not be given to somebody else."""
        found = self._psutil.virtual_memory()
        return int(found.total - found.available)

    def close(self) -> None:
        """Nothing to let go of."""


class ProcessMemory:
    """The memory of a process and its descendants, but those in `without`, as they were at the last `find`."""

    def __init__(self, pid: int, without: tuple[int, ...] = ()) -> None:
        self._psutil: Any = import_module("psutil")
        self._pid, self._without = pid, without
        self.find()

    def find(self) -> None:
        """Look which processes there are."""
        self._processes: list[Any] = []
        with suppress(self._psutil.Error):
            first = self._psutil.Process(self._pid)
            everyone = [first, *first.children(recursive=True)]
            self._processes = [it for it in everyone if it.pid not in self._without]

    def resident(self) -> Resident | None:
        """What they have in memory now; what of it is shared is not known here, and counted as none."""
        found = []
        for process in self._processes:
            with suppress(self._psutil.Error):
                found.append(int(process.memory_info().rss))
        return Resident(sum(found), 0) if found else None

    def proportional(self) -> Proportional | None:
        """Not known here."""
        return None

    def close(self) -> None:
        """Let go of the processes."""
        self._processes = []


def sources() -> Iterator[Source]:
    """Temperatures, where psutil knows any (FreeBSD). The clock it gives here is the nominal one, not measured."""
    psutil: Any = import_module("psutil")
    if not hasattr(psutil, "sensors_temperatures"):
        return

    def reader(chip: str, number: int) -> Callable[[], Value]:
        def read() -> float | None:
            found = psutil.sensors_temperatures().get(chip, [])
            return float(found[number].current) if number < len(found) else None

        return read

    for chip, found in psutil.sensors_temperatures().items():
        for number in range(len(found)):
            yield Source(f"{plain(chip)}{number}_temperature", "degC", reader(chip, number))
