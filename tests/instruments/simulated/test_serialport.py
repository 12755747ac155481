"""The supply on RS-232: what crosses the pseudo-terminal, and what being in local means."""

import os
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import pyvisa

from powerlab_instruments.simulated import serialport
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.faults import Fault
from powerlab_traces.errors import PowerlabError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")

IDN = b"Agilent Technologies,E3645A,0,1.7-5.0-1.0\r\n"


class Terminal:
    """The host's end of the line, byte by byte."""

    def __init__(self, resource: str) -> None:
        self.file = os.open(resource.removeprefix("ASRL").removesuffix("::INSTR"), os.O_RDWR | os.O_NOCTTY)

    def send(self, data: bytes) -> None:
        os.write(self.file, data)

    def line(self) -> bytes:
        data = b""
        while not data.endswith(b"\n"):
            data += os.read(self.file, 1)
        return data

    def ask(self, data: bytes) -> bytes:
        self.send(data)
        return self.line()

    def close(self) -> None:
        os.close(self.file)


@pytest.fixture
def bench():
    with SimulatedBench(seed=7, virtual=True, serial=True) as bench:
        yield bench


@pytest.fixture
def terminal(bench):
    with closing(Terminal(bench.resources.supply)) as terminal:
        yield terminal


@pytest.fixture
def visa():
    with closing(pyvisa.ResourceManager("@py")) as manager:
        yield manager


def test_over_visa_it_must_be_told_to_be_remote(bench, visa):
    assert bench.resources.adapter == ""
    supply = visa.open_resource(
        bench.resources.supply, read_termination="\r\n", write_termination="\n", timeout=5000,
        stop_bits=pyvisa.constants.StopBits.two,
    )  # fmt: skip
    with closing(supply):
        assert "E3645A" in supply.query("*IDN?")  # queries are answered in local
        supply.write("VOLT 5")
        assert supply.query("VOLT?") == "+0.00000000E+00"
        assert supply.query("SYST:ERR?") == '+550,"Command not allowed in local"'
        supply.write("SYST:REM")
        supply.write("APPL 19,2")
        supply.write("OUTP ON")
        assert supply.query("APPL?") == '"19.00000,2.00000"'
        assert float(supply.query("MEAS:VOLT?")) == pytest.approx(19, abs=0.05)
        assert supply.query("SYST:ERR?") == '+0,"No error"'


def test_remote_locked_and_local(terminal):
    assert terminal.ask(b"*CLS;:SYST:RWL;:VOLT 3;:VOLT?\n") == b"+3.00000000E+00\r\n"
    assert terminal.ask(b"SYST:LOC;:VOLT 4;:VOLT?\r\n") == b"+3.00000000E+00\r\n"
    assert terminal.ask(b"SYST:ERR?;ERR?\n") == b'+550,"Command not allowed in local";+0,"No error"\r\n'


def test_answers_come_in_order_and_end_in_cr_lf(terminal):
    terminal.send(b"*IDN?\nVOLT?\n\n*ID")
    assert terminal.line() == IDN
    assert terminal.line() == b"+0.00000000E+00\r\n"
    assert terminal.ask(b"N?\n") == IDN


def test_control_c_clears(bench, terminal):
    bench.faults.plan(Fault("supply", "late", at="CURR"))
    terminal.send(b"CURR?\n")
    while not bench.faults.begun:
        time.sleep(0.001)
    terminal.send(b"VOLT?\nGARB\x03")
    assert terminal.ask(b"*IDN?\n").endswith(IDN)  # the answer cleared was late, and may be half on its way
    assert terminal.ask(b"SYST:ERR?\n") == b'+0,"No error"\r\n'


def test_a_host_that_never_reads_is_waited_for_and_cleared(terminal):
    written = 0
    os.set_blocking(terminal.file, False)
    try:
        while True:
            written += os.write(terminal.file, b"*IDN?\n" * 10)
            time.sleep(0.0005)
    except BlockingIOError:
        pass
    assert written > serialport.BUFFER  # what no modem line can stop, the system's buffers did
    os.set_blocking(terminal.file, True)
    assert terminal.line() == IDN


def test_a_host_with_another_speed_is_not_understood(bench, visa):
    options = {"read_termination": "\r\n", "write_termination": "\n", "timeout": 100}
    with closing(visa.open_resource(bench.resources.supply, baud_rate=4800, **options)) as supply:
        with pytest.raises(pyvisa.errors.VisaIOError):
            supply.query("*IDN?")
        supply.baud_rate, supply.timeout = 9600, 5000
        assert supply.query("SYST:ERR?") == '+511,"RS-232 framing error"'
        assert "E3645A" in supply.query("*IDN?")


def test_a_pulled_cable_is_silent_until_it_is_back(bench, terminal):
    bench.faults.plan(Fault("supply", "refuse", at="APPL", seconds=3))
    terminal.send(b"APPL?\n")
    while not bench.faults.begun:
        time.sleep(0.001)
    terminal.send(b"*IDN?\n")
    time.sleep(0.02)
    bench.clock.advance(3_000_000_000)
    assert terminal.ask(b"VOLT?\n") == b"+0.00000000E+00\r\n"
    with pytest.raises(PowerlabError, match="cannot do drop"):
        bench.faults.plan(Fault("supply", "drop"))


def test_characters_take_their_time_if_they_are_to():
    with (
        SimulatedBench(serial=True, baud_paced=True) as bench,
        closing(Terminal(bench.resources.supply)) as terminal,
    ):
        start = time.perf_counter()
        answer = terminal.ask(b"*IDN?\n")
        assert answer == IDN
        assert time.perf_counter() - start >= (len(answer) + 6) * 11 / 9600


def test_closing_leaves_no_thread_and_no_terminal(visa):
    before = set(threading.enumerate())
    with SimulatedBench(serial=True) as bench:
        path = bench.resources.supply.removeprefix("ASRL").removesuffix("::INSTR")
        bench.faults.plan(Fault("supply", "late"))
        with closing(Terminal(bench.resources.supply)) as terminal:
            terminal.send(b"VOLT?\n" * 40)
            time.sleep(0.02)
    assert set(threading.enumerate()) == before
    assert not Path(path).exists()
