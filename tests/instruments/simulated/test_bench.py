"""The whole bench over its real transports: pyvisa, the marker wire, and a process of its own."""

import dataclasses
import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import pytest
import pyvisa

from powerlab_instruments.simulated import regulation
from powerlab_instruments.simulated.__main__ import main
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.listener import PortBusyError
from powerlab_instruments.simulated.wire import VirtualClock, Wire, WireError
from powerlab_traces.clock import Clock
from tests.instruments.simulated.conftest import port_of, speaker

BOARD = 11  # pyvisa-py keeps one table of boards for the whole program


@pytest.fixture
def visa():
    with closing(pyvisa.ResourceManager("@py")) as manager:
        yield manager


def test_a_full_acquisition_over_visa(visa):
    with SimulatedBench(seed=3, virtual=True, gpib_board=BOARD) as bench, Wire(bench.resources.wire) as wire:
        clock: Clock = VirtualClock(wire)
        with (
            closing(visa.open_resource(bench.resources.adapter)),
            closing(visa.open_resource(bench.resources.supply, write_termination="\n")) as supply,
            closing(visa.open_resource(bench.resources.scope, read_termination="\n", write_termination="\n")) as scope,
        ):
            assert "E3645A" in supply.query("*IDN?")
            supply.write("APPL 19,2")
            supply.write("OUTP ON")
            assert supply.query("STAT:QUES:COND?").strip() == "+2"
            volts = float(supply.query("MEAS:VOLT?"))
            assert "MSO-X 2024A" in scope.query("*IDN?")
            for line in (
                "*RST", ":STOP", ":CHAN1:UNIT AMP", ":CHAN1:PROB 10", ":CHAN1:SCAL 0.15", ":CHAN1:OFFS 0.4",
                ":DIG0:DISP 1", ":TIM:RANG 2", ":TIM:REF LEFT", ":TRIG:SWE NORM", ":TRIG:SOUR DIG0", ":SING",
            ):  # fmt: skip
                scope.write(line)
            assert scope.query(":OPER:COND?") == "+8"
            clock.sleep(0.4)
            assert scope.query(":OPER:COND?") == "+40"
            for _ in range(3):
                wire.high(clock.now())
                clock.sleep(0.25)
                wire.low(clock.now())
                clock.sleep(0.25)
            clock.sleep(1)
            assert scope.query(":OPER:COND?") == "+0"
            scope.write(":WAV:POIN MAX")
            scope.write(":WAV:POIN:MODE RAW")
            step, origin = float(scope.query(":WAV:XINC?")), float(scope.query(":WAV:XOR?"))
            y_step, y_origin = float(scope.query(":WAV:YINC?")), float(scope.query(":WAV:YOR?"))
            codes = scope.query_binary_values(":WAV:DATA?", datatype="B", container=np.array)
            scope.write(":WAV:SOUR POD1")
            pod = scope.query_binary_values(":WAV:DATA?", datatype="B", container=np.array)
            assert scope.query(":SYST:ERR?") == '+0,"No error"'
        truth = wire.truth()
    assert [window.stop - window.start for window in truth] == [250_000_000] * 3
    current = (codes.astype(float) - 128) * y_step + y_origin
    levels = np.diff(pod.astype(int), prepend=0)
    rises, falls = np.flatnonzero(levels == 1), np.flatnonzero(levels == -1)
    assert origin + rises[0] * step == pytest.approx(0, abs=step)
    idle = current[: rises[0]].mean() - 1.30 / 19  # what probe and scope show too much; the board's idle is known
    for window, rise, fall in zip(truth, rises, falls, strict=True):
        measured = volts * (current[rise:fall] - idle).sum() * step
        assert measured == pytest.approx(window.energy, rel=0.055)  # 3 % of the probe and 2 % of the scope


def test_the_adapter_of_pyvisa_needs_more_than_its_50_ms(visa, monkeypatch):
    assert regulation.READING_TIME > 0.05
    monkeypatch.setattr(regulation, "READING_TIME", 0.3)  # 80 ms would do, but not on a busy machine
    with (
        SimulatedBench(gpib_board=BOARD) as bench,
        closing(visa.open_resource(bench.resources.adapter)) as adapter,
        closing(visa.open_resource(bench.resources.supply, write_termination="\n")) as supply,
    ):
        adapter.timeout = 400
        with pytest.raises(pyvisa.errors.VisaIOError):
            supply.query("MEAS:VOLT?")
        assert supply.query("SYST:ERR?").startswith("-410")
        adapter.write("++read_tmo_ms 3000")
        assert float(supply.query("MEAS:VOLT?")) == pytest.approx(0, abs=0.01)


def test_in_real_time_a_record_takes_its_time(visa):
    with SimulatedBench() as bench, Wire(bench.resources.wire) as wire:
        scope = visa.open_resource(bench.resources.scope, read_termination="\n", write_termination="\n")
        with closing(scope):
            scope.write(":STOP;:DIG0:DISP 1;:TIM:RANG 0.2;:TRIG:SWE NORM;SOUR DIG0;:SING;:WAV:POIN MAX")
            time.sleep(0.12)
            assert scope.query(":OPER:COND?") == "+40"
            start = time.perf_counter_ns()
            wire.high(start)
            wire.low(start + 20_000_000)
            assert scope.query(":OPER:COND?;:RST?") in ("+8;SING", "+40;SING")  # the edge may be on its way
            time.sleep(0.11)
            assert scope.query(":RST?") == "STOP"
            assert bench.scope.finished.trigger == start
            scope.write(":WAV:SOUR POD1")
            pod = scope.query_binary_values(":WAV:DATA?", datatype="B", container=np.array)
        assert pod.sum() * 0.2 / len(pod) == pytest.approx(0.02, rel=1e-4)


def test_a_source_that_was_just_put_on_the_screen_of_a_running_scope_is_waited_for():
    with SimulatedBench() as bench:
        say = speaker(bench.scope)
        say(b"*RST;:TIM:RANG 1e-3;:VIEW POD1;:WAV:SOUR POD1;POIN:MODE NORM")
        assert say(b":WAV:DATA?").startswith(b"#800001000")
        say(b":TRIG:SWE NORM;SOUR DIG0;:VIEW CHAN2;:WAV:SOUR CHAN2")
        assert say(b":WAV:DATA?") == b""  # it may never trigger
        assert say(b":SYST:ERR?").startswith(b"+109")


def test_a_client_may_go_on_sending_or_go_while_the_scope_waits(bench, connect, wire):
    line, other = connect(bench.resources.scope), connect(bench.resources.scope)
    assert line.ask(b"*OPC?\n") == other.ask(b"*OPC?\n")
    threads = threading.active_count()
    line.send(b":STOP;:TRIG:SWE NORM;SOUR DIG0;:TIM:RANG 0.1;:DIG\n*OPC?\n:RS")
    while threading.active_count() == threads:
        time.sleep(0.001)
    line.send(b"T?\n*IDN?\n")
    assert line.silent()
    wire.advance(1_000_000_000)
    wire.high(1_500_000_000)
    wire.advance(3_000_000_000)
    assert [line.file.readline() for _ in range(3)] == [b"1\n", b"STOP\n", line.ask(b"*IDN?\n")]
    assert threading.active_count() == threads
    line.send(b":DIG\n")
    while threading.active_count() == threads:
        time.sleep(0.001)
    line.close()  # which frees the scope
    assert other.ask(b":RST?\n") == b"STOP\n"


def test_the_first_preamble_of_a_record_may_be_short(bench, wire):
    with SimulatedBench(virtual=True, short_preamble=True) as quirky:
        for it, short in ((bench, False), (quirky, True)):
            say = speaker(it.scope)
            for _ in range(2):
                say(b":SING;:TRIG:FORC")
                it.clock.advance(it.clock.now() + 1_000_000_000)
                assert (say(b":WAV:PRE?") == b"+0\n") == short
                assert say(b":WAV:PRE?").count(b",") == 9


def test_the_wire_takes_several_clients_and_says_what_is_wrong(bench, connect):
    with Wire(bench.resources.wire) as one, Wire(bench.resources.wire) as other:
        one.high(0)
        one.advance(5)
        other.low(1_000_000)
        assert other.now() == 5
        [window] = other.truth()
        assert dataclasses.astuple(window) == (0, 1_000_000, 0.0)  # the supply is off
        assert one.truth() == (window,)
    raw = connect(bench.resources.wire)
    assert raw.ask(b"WHAT 5\n").startswith(b"error: 'WHAT 5' is no line")
    assert raw.ask(b"H soon\n").startswith(b"error: ")
    assert raw.ask(b"T 77\n") == b"ok\n"
    assert json.loads(raw.ask(b"TRUTH\n")) == [{"start": 0, "stop": 1_000_000, "energy": 0.0}]


def test_the_wire_of_a_real_time_bench_cannot_advance_it():
    with SimulatedBench() as bench, Wire(bench.resources.wire) as wire:
        with pytest.raises(WireError, match="real time"):
            wire.advance(1)
        assert abs(wire.now() - time.perf_counter_ns()) < 1_000_000_000


def test_a_wire_to_nobody_says_what_to_start():
    with SimulatedBench() as bench:
        address = bench.resources.wire
        wire = Wire(address)
    with pytest.raises(WireError, match=r"no simulated bench answers at .*powerlab_instruments\.simulated"):
        Wire(address)
    with pytest.raises(WireError, match="no simulated bench"):
        Wire("nonsense")
    with wire, pytest.raises(WireError, match="has gone"):
        wire.now()


def test_a_busy_port_is_named():
    with SimulatedBench() as bench:
        port = port_of(bench.resources.scope)
        with pytest.raises(PortBusyError, match=rf"port {port} .* scope .*another port"):
            SimulatedBench(scope_port=port)


def test_a_closed_bench_leaves_no_thread_and_frees_its_ports(connect):
    before = set(threading.enumerate())
    with SimulatedBench(virtual=True) as bench:
        lines = [connect(name) for name in (bench.resources.scope, bench.resources.adapter, bench.resources.wire)]
        lines[0].send(b":STOP;:TRIG:SWE NORM;SOUR DIG0;:DIG\n")
        time.sleep(0.02)
        port = port_of(bench.resources.scope)
    assert set(threading.enumerate()) == before
    with SimulatedBench(scope_port=port):
        pass


@pytest.mark.parametrize("end", ["stdin", signal.SIGTERM, signal.SIGINT])
def test_a_bench_process_serves_until_it_is_told_to_end(end):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "powerlab_instruments.simulated", "--seed", "5", "--virtual"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        resources = json.loads(process.stdout.readline())
        assert set(resources) == {"scope", "adapter", "supply", "wire"}
        with Wire(resources["wire"]) as wire:
            wire.advance(3)
            assert wire.now() == 3
        if end == "stdin":
            process.stdin.close()
        else:
            process.send_signal(end)
        assert process.wait(5) == 0
        assert process.stderr.read() == ""


def test_a_busy_port_ends_the_process_with_one_line(capsys):
    with SimulatedBench() as bench:
        assert main(["--wire-port", str(port_of(bench.resources.wire))]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    assert "marker wire" in error
