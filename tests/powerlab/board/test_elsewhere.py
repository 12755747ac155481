"""Memory by psutil, which is made up: these tests run where it is not needed."""

import sys
from types import SimpleNamespace

import pytest

from powerlab.board import elsewhere
from powerlab.board.memory import Resident


class Error(Exception):
    """As psutil's."""


class Process:
    sizes = {1: 100, 2: 20, 3: 3}  # noqa: RUF012 - the test's own table

    def __init__(self, pid: int) -> None:
        if pid not in self.sizes:
            raise Error
        self.pid = pid

    def children(self, recursive: bool) -> list["Process"]:
        assert recursive
        return [Process(2), Process(3)]

    def memory_info(self) -> SimpleNamespace:
        if self.pid not in self.sizes:
            raise Error
        return SimpleNamespace(rss=self.sizes[self.pid])


@pytest.fixture(autouse=True)
def psutil(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    psutil = SimpleNamespace(
        Error=Error, Process=Process, virtual_memory=lambda: SimpleNamespace(total=1000, available=400)
    )
    monkeypatch.setitem(sys.modules, "psutil", psutil)
    return psutil


def test_memory(monkeypatch: pytest.MonkeyPatch):
    assert elsewhere.SystemMemory().used() == 600
    process = elsewhere.ProcessMemory(1, without=(3,))
    assert process.resident() == Resident(120, 0)
    assert process.proportional() is None
    monkeypatch.setattr(Process, "sizes", {})
    assert process.resident() is None
    assert elsewhere.ProcessMemory(1).resident() is None


def test_a_nominal_clock_is_no_state(psutil: SimpleNamespace):
    psutil.cpu_freq = lambda: SimpleNamespace(current=2400)
    assert list(elsewhere.sources()) == []


def test_temperatures(psutil: SimpleNamespace):
    psutil.sensors_temperatures = lambda: {"coretemp": [SimpleNamespace(current=41.0), SimpleNamespace(current=42.0)]}
    assert {it.name: it.read() for it in elsewhere.sources()} == {
        "coretemp0_temperature": 41.0,
        "coretemp1_temperature": 42.0,
    }
