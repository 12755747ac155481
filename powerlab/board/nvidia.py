"""NVIDIA GPUs by their management library, where it and its Python module are: the extra `nvidia`.

The Jetsons have none that says much; their GPU is in `powerlab.board.state`.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from powerlab.board.state import Source, Value

DEVICES: Final = ("dev/nvidiactl", "Windows/System32/nvml.dll")  # one of them is there where a GPU may be
# Of the reasons for which a clock is below its maximum, those that mean throttling: heat, and brakes of the hardware.
# A GPU at its power limit, or idle, is none of them (nvml.h, nvmlClocksEventReasons).
HARDWARE_SLOWDOWN, SOFTWARE_HEAT, HARDWARE_HEAT, POWER_BRAKE = 0x8, 0x20, 0x40, 0x80
THROTTLED: Final = HARDWARE_SLOWDOWN | SOFTWARE_HEAT | HARDWARE_HEAT | POWER_BRAKE
GRAPHICS, MEMORY = 0, 2  # clocks
CELSIUS: Final = 0  # the GPU's own sensor
MEGA: Final = 1e6
PERCENT: Final = 1e-2


class Gpus:
    """The NVIDIA GPUs of this machine; none where there is no such GPU, library or module."""

    def __init__(self, root: Path = Path("/"), load: Callable[[], ModuleType | None] | None = None) -> None:
        there = any((root / it).exists() for it in DEVICES)
        self._library: Any = (load or _load)() if there else None
        self._handles: list[Any] = []
        if self._library is not None:
            self._handles = [
                handle
                for number in range(self._ask(self._library.nvmlDeviceGetCount) or 0)
                if (handle := self._ask(self._library.nvmlDeviceGetHandleByIndex, number)) is not None
            ]

    def sources(self) -> Iterator[Source]:
        """Clocks, temperature, fan and reasons for low clocks of each, named as in `powerlab.board.state`."""
        for number, handle in enumerate(self._handles):
            for name, unit, read in self._readers(handle):
                if read() is not None:  # it is none of this GPU's, such as the fan of a server's
                    yield Source(name.format(number), unit, read)

    def memory(self) -> int | None:
        """Bytes in use on all of them, by all programs; None without any."""
        found = [self._ask(self._library.nvmlDeviceGetMemoryInfo, handle) for handle in self._handles]
        used = [int(it.used) for it in found if it is not None]
        return sum(used) if used else None

    def _readers(self, handle: Any) -> Iterator[tuple[str, str, Callable[[], Value]]]:
        library = self._library

        def reader(name: str, *arguments: int, scale: float = 1.0) -> Callable[[], Value]:
            function = getattr(library, name)

            def read() -> float | None:
                found = self._ask(function, handle, *arguments)
                return None if found is None else found * scale

            return read

        def reasons() -> int | None:
            found = self._ask(library.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
            return None if found is None else int(found)

        def throttled() -> int | None:
            return None if (found := reasons()) is None else found & THROTTLED

        yield "gpu{}_clock", "Hz", reader("nvmlDeviceGetClockInfo", GRAPHICS, scale=MEGA)
        yield "gpu{}_limit", "Hz", reader("nvmlDeviceGetMaxClockInfo", GRAPHICS, scale=MEGA)
        yield "gpumemory{}_clock", "Hz", reader("nvmlDeviceGetClockInfo", MEMORY, scale=MEGA)
        yield "gpu{}_temperature", "degC", reader("nvmlDeviceGetTemperature", CELSIUS)
        yield "gpu{}_fan", "", reader("nvmlDeviceGetFanSpeed", scale=PERCENT)
        yield "gpu{}_throttle_flags", "", throttled
        yield "gpu{}_clock_reasons", "", reasons

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the library says; None where this GPU does not support the question, or is gone."""
        try:
            return function(*arguments)
        except self._library.NVMLError:
            return None


def _load() -> ModuleType | None:
    try:
        library = import_module("pynvml")
        library.nvmlInit()
    except ImportError:
        return None
    except Exception as error:  # its class is known only once the module is there
        if type(error).__name__.startswith("NVMLError"):
            return None
        raise
    return library
