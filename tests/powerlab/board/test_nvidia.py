"""NVIDIA GPUs, by a management library that is made up."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from powerlab.board.nvidia import Gpus


class NVMLError(Exception):
    """As the module's."""


class Library:
    """Two GPUs; the second knows neither its fan nor why its clock is low."""

    NVMLError = NVMLError

    def __init__(self) -> None:
        self.reasons = 0x4

    def nvmlInit(self) -> None:  # noqa: N802 - the module's name for it, as below
        pass

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=(handle + 1) * 1_000_000)

    def nvmlDeviceGetClockInfo(self, handle: int, clock: int) -> int:  # noqa: N802
        return {0: 1980, 2: 2619}[clock] - handle

    def nvmlDeviceGetMaxClockInfo(self, handle: int, clock: int) -> int:  # noqa: N802
        assert clock == 0
        return 1980

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802
        assert sensor == 0
        return 40 + handle

    def nvmlDeviceGetFanSpeed(self, handle: int) -> int:  # noqa: N802
        if handle:
            raise NVMLError("not supported")
        return 35

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:  # noqa: N802
        if handle:
            raise NVMLError("not supported")
        return self.reasons


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    return tmp_path


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def test_clocks_temperature_fan_and_memory(root: Path, library: Library):
    gpus = Gpus(root)
    assert {it.name: it.read() for it in gpus.sources()} == {
        "gpu0_clock": 1980e6,
        "gpu0_limit": 1980e6,
        "gpumemory0_clock": 2619e6,
        "gpu0_temperature": 40,
        "gpu0_fan": pytest.approx(0.35),
        "gpu0_throttle_flags": 0,  # at its power limit, which is none
        "gpu0_clock_reasons": 4,
        "gpu1_clock": 1979e6,
        "gpu1_limit": 1980e6,
        "gpumemory1_clock": 2618e6,
        "gpu1_temperature": 41,
    }
    assert gpus.memory() == 3_000_000


def test_heat_is_a_reason_that_throttles(root: Path, library: Library):
    library.reasons = 0x44
    found = {it.name: it.read() for it in Gpus(root).sources()}
    assert (found["gpu0_throttle_flags"], found["gpu0_clock_reasons"]) == (0x40, 0x44)


def test_no_gpu(tmp_path: Path, library: Library):
    assert (list(Gpus(tmp_path).sources()), Gpus(tmp_path).memory()) == ([], None)


def test_no_module(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Gpus(root).memory() is None


def test_no_driver(root: Path, library: Library, monkeypatch: pytest.MonkeyPatch):
    def fail() -> None:
        raise NVMLError("Driver Not Loaded")

    monkeypatch.setattr(library, "nvmlInit", fail)
    assert Gpus(root).memory() is None
