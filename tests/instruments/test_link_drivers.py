"""Both drivers over the lines that they are not used on elsewhere: VXI-11 and RS-232."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from powerlab_instruments import adapterline, conformance, transports
from powerlab_instruments.catalogue import open_instrument
from powerlab_instruments.errors import InstrumentError, NoAnswer
from powerlab_instruments.link import Visa
from powerlab_instruments.roles import Scope, Supply
from powerlab_instruments.rs232 import Rs232
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.faults import Fault
from powerlab_instruments.simulated.wire import VirtualClock, Wire
from tests.instruments.test_every_driver import SCOPE, SUPPLY

BOARD = 4
NO_PTY = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")


@contextmanager
def bench(**options: object) -> Iterator[tuple[SimulatedBench, VirtualClock, Visa]]:
    options = {"virtual": True, "seed": 5, "memory": 100_000, "portmapper_port": 0, "gpib_board": BOARD} | options
    with SimulatedBench(**options) as sim, Wire(sim.resources.wire) as wire, Visa() as visa:
        yield sim, VirtualClock(wire), visa


def record(scope: Scope, clock: VirtualClock, *sources: str) -> list[np.ndarray]:
    scope.prepare((1,), digital_threshold=1.4)
    scope.arm(2.0, clock)
    scope.force_trigger()
    clock.sleep(2)
    scope.wait(5, clock)
    return [scope.fetch(source).codes for source in sources]


def test_a_record_is_the_same_over_vxi11_and_a_raw_socket() -> None:
    fetched = []
    for name in ("scope_vxi11", "scope"):
        with bench(vxi11=True, memory=1_000_000) as (sim, clock, visa):
            resource = sim.scope_vxi11 if name == "scope_vxi11" else sim.resources.scope
            scope = open_instrument(visa.open(resource), "scope")
            fetched.append(record(scope, clock, "CHAN1", "POD1"))
            assert scope.screenshot().startswith(b"\x89PNG")
            assert scope.errors() == ()
    for over_vxi11, over_socket in zip(*fetched, strict=True):
        assert len(over_vxi11) == 1_000_000
        assert np.array_equal(over_vxi11, over_socket)


def test_the_scope_conforms_over_vxi11() -> None:
    with bench(vxi11=True, memory=10_000) as (sim, clock, visa):
        conformance.check(open_instrument(visa.open(sim.scope_vxi11), "scope"), clock, SCOPE)


@NO_PTY
def test_the_supply_conforms_over_rs232() -> None:
    with bench(serial=True) as (sim, clock, visa):
        conformance.check(open_instrument(visa.open(sim.resources.supply), "supply"), clock, SUPPLY)
        assert not sim.supply.errors  # no -410, and nothing refused for being in local


def test_device_clear_over_vxi11_frees_a_scope_that_waits() -> None:
    with bench(vxi11=True) as (sim, clock, visa):
        scope = open_instrument(visa.open(sim.scope_vxi11, timeout=0.2), "scope")
        scope.prepare((1,), digital_threshold=1.4)
        scope.link.write(":DIGitize CHANnel1")
        with pytest.raises(NoAnswer):
            scope.link.query("*OPC?")
        scope.recover(clock)
        assert scope.link.query(":RSTate?") == "STOP"
        assert scope.errors() == ()


def test_another_client_s_lock_is_an_error_and_then_over() -> None:
    with bench(vxi11=True) as (sim, clock, visa):
        scope = open_instrument(visa.open(sim.scope_vxi11, timeout=0.2), "scope")
        sim.faults.plan(Fault("scope", "lock", at="SING", seconds=2))
        scope.link.write(":SINGle")
        while not sim.faults.begun:
            time.sleep(0.001)
        with pytest.raises(NoAnswer, match="does no other program hold it"):
            scope.link.query(":RSTate?")
        scope.recover(clock, patience=5)  # which sleeps on the bench's clock
        assert scope.link.query(":RSTate?") in {"SING", "STOP"}


@pytest.mark.parametrize("kind", ["short", "garbage", "drop"])
def test_what_goes_wrong_with_a_record_over_vxi11_is_an_error_and_can_be_asked_again(kind: str) -> None:
    with bench(vxi11=True) as (sim, clock, visa):
        scope = open_instrument(visa.open(sim.scope_vxi11, timeout=0.3), "scope")
        [good] = record(scope, clock, "CHAN1")
        sim.faults.plan(Fault("scope", kind, at="WAV.*DATA"))
        with pytest.raises(InstrumentError):
            scope.fetch("CHAN1")
        scope.recover(clock)
        assert np.array_equal(scope.fetch("CHAN1").codes, good)


def test_a_preamble_that_is_only_nought_is_asked_for_again() -> None:
    with bench(short_preamble=True) as (sim, clock, visa):
        scope = open_instrument(visa.open(sim.resources.scope), "scope")
        [codes] = record(scope, clock, "CHAN1")
        assert len(codes) == 100_000
        [codes] = record(scope, clock, "CHAN1")
        assert len(codes) == 100_000
        record(scope, clock)
        assert scope.link.query(":WAVeform:PREamble?") == "+0"
        assert len(scope.link.query(":WAVeform:PREamble?").split(",")) == 10


@NO_PTY
def test_over_rs232_the_supply_is_remote_while_it_is_ours() -> None:
    with bench(serial=True) as (sim, clock, visa):
        assert not sim.supply._remote
        supply = open_instrument(visa.open(sim.resources.supply), "supply")
        assert sim.supply._remote
        supply.prepare_output(voltage=19, current_limit=2, over_voltage=21)
        supply.switch_on()
        assert supply.measured_voltage == pytest.approx(19, abs=0.05)
        supply.recover(clock)
        assert supply.output
        supply.switch_off()
        assert supply.errors() == ()
        visa.close()
        assert not sim.supply._remote


@NO_PTY
@pytest.mark.parametrize("kind", ["silent", "late", "garbage", "short"])
@pytest.mark.parametrize("serial", [True, False])
def test_after_a_silence_of_the_supply_no_answer_is_taken_for_another(
    monkeypatch: pytest.MonkeyPatch, kind: str, serial: bool
) -> None:
    monkeypatch.setattr(adapterline, "PROLOGIX_READ_TIMEOUT_MS", 200)
    monkeypatch.setattr(adapterline, "PROLOGIX_SPARE_MS", 100)
    with bench(serial=serial) as (sim, clock, visa):
        link = visa.open(sim.resources.supply, timeout=0.3, adapter=sim.resources.adapter or None)
        supply: Supply = open_instrument(link, "supply")
        supply.prepare_output(voltage=19, current_limit=2, over_voltage=21)
        sim.faults.plan(Fault("supply", kind, at="VOLT.*TRIP", seconds=0.4))
        if serial or kind != "late":  # in virtual time the adapter has all the time there is
            with pytest.raises(InstrumentError):
                assert supply.tripped is None
        supply.recover(clock)
        for _ in range(3):
            assert supply.voltage == 19
            assert supply.current_limit == 2
        assert supply.errors() == ()


@NO_PTY
def test_a_lost_adapter_is_found_again() -> None:
    with bench() as (sim, clock, visa):
        link = visa.open(sim.resources.supply, timeout=0.3, adapter=sim.resources.adapter)
        supply = open_instrument(link, "supply")
        sim.faults.plan(Fault("supply", "refuse", at="MEAS", seconds=3))
        with pytest.raises(NoAnswer):
            assert supply.measured_voltage is None
        supply.recover(clock, patience=10)  # its sleep on the bench's clock is what lets the refusal pass
        assert supply.measured_voltage == pytest.approx(0, abs=0.02)


@NO_PTY
@pytest.mark.parametrize(("parity", "bits", "letter"), [("none", 8, "N"), ("even", 7, "E"), ("odd", 7, "O")])
def test_the_serial_port_is_set_as_the_bench_file_says(
    monkeypatch: pytest.MonkeyPatch, parity: str, bits: int, letter: str
) -> None:
    import termios

    def without_parity(file: int, when: int, settings: list) -> None:
        settings[2] = settings[2] & ~(termios.PARENB | termios.PARODD) | termios.CS8
        set_all(file, when, settings)

    set_all = termios.tcsetattr
    with bench(serial=True) as (sim, _, visa):
        settings = Rs232(9600, parity, "none")  # type: ignore[arg-type]
        if parity != "none":  # a pseudo-terminal cannot do it, and says so
            with pytest.raises(NoAnswer, match="Invalid argument"):
                visa.open(sim.resources.supply, rs232=settings)
            monkeypatch.setattr(termios, "tcsetattr", without_parity)
        link = visa.open(sim.resources.supply, rs232=settings)
        port = transports.session_of(link._transport.device).interface
        assert (port.baudrate, port.bytesize, port.parity, port.stopbits, port.rtscts) == (9600, bits, letter, 2, False)
        assert "E3645A" in link.query("*IDN?")


@NO_PTY
def test_another_speed_than_the_supply_s_is_a_silence() -> None:
    with bench(serial=True) as (sim, _, visa):
        with pytest.raises(NoAnswer):
            visa.open(sim.resources.supply, timeout=0.2, rs232=Rs232(4800)).query("*IDN?")
        assert list(sim.supply.errors) == [511]


@NO_PTY
def test_with_a_handshake_a_ctrl_c_gets_past_a_supply_that_holds_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(serial=True) as (sim, _, visa):
        link = visa.open(sim.resources.supply, rs232=Rs232(9600, "none", "rts_cts"))
        assert not link._transport.paced
        port = transports.session_of(link._transport.device).interface
        done: list[object] = []
        # A pseudo-terminal has no modem lines.
        monkeypatch.setattr(type(port), "rts", property(None, lambda _, on: done.append(on)))
        write = type(port).write
        monkeypatch.setattr(type(port), "write", lambda it, data: (done.append((data, it.rtscts)), write(it, data))[1])
        link.recover()
        assert done == [False, (b"\x03", False), True]
        assert port.rtscts
        assert "E3645A" in link.query("*IDN?")


@NO_PTY
def test_at_9600_baud_nothing_is_lost() -> None:
    with bench(serial=True, baud_paced=True, virtual=False) as (sim, _, visa):
        link = visa.open(sim.resources.supply)
        link.write("SYST:REM")
        longest: list[int] = []
        receive = sim.supply.receive

        def counted(message: bytes, cancelled: threading.Event) -> bytes:
            longest.append(len(message))
            return receive(message, cancelled)

        sim.supply.receive = counted
        for volts in range(1, 6):
            link.write(f"VOLT {volts}")
        assert float(link.query("VOLT?")) == 5
        assert link.query("SYST:ERR?") == '+0,"No error"'
        assert len(longest) == 12  # each command, and the question whether it is done
