"""Faults injected at a chosen message: each kind over the transport it spoils."""

import json
import math
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
import pyvisa
from hypothesis import given
from hypothesis import strategies as st

from powerlab_instruments.simulated.__main__ import main
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.faults import GARBAGE, KINDS, Fault, Faults, FaultTextError
from powerlab_traces.errors import PowerlabError
from tests.instruments.simulated.conftest import port_of

S = 1_000_000_000


@pytest.fixture
def line(bench, connect):
    return connect(bench.resources.scope)


@given(
    st.sampled_from(["scope", "supply"]),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["", ":WAV:DATA", "OUTP ON", r"MEAS:\w+"]),
    st.integers(1, 5),
    st.integers(0, 5),
    st.floats(0, 100) | st.just(math.inf),
)
def test_a_fault_can_be_written_down(instrument, kind, at, nth, times, seconds):
    text = f"{instrument} {kind} at='{at}' nth={nth} times={times} seconds={seconds!r}"
    assert Fault.parse(text) == Fault(instrument, kind, at, nth, times, seconds)


@pytest.mark.parametrize(
    "text",
    ["", "scope", "probe silent", "scope angry", "scope silent WAV", "scope silent at=(", "scope silent nth=x",
     "scope silent when=now", "scope 'silent"],
)  # fmt: skip
def test_a_fault_that_is_none_is_refused(text):
    with pytest.raises(FaultTextError):
        Fault.parse(text)


@given(st.integers(1, 4), st.integers(0, 4), st.lists(st.booleans(), max_size=12))
def test_a_fault_begins_with_the_nth_match_and_lasts_for_so_many_messages(nth, times, matches):
    faults = Faults()
    faults.plan(Fault("scope", "silent", at="hit", nth=nth, times=times))
    struck = [faults.strike("scope", b":HIT?" if match else b":MISS?") is not None for match in matches]
    assert faults.strike("supply", b":HIT?") is None
    where = [i for i, match in enumerate(matches) if match]
    first = where[nth - 1] if len(where) >= nth else len(matches)
    last = len(matches) if times == 0 else first + times
    assert struck == [first <= i < last for i in range(len(matches))]
    assert len(faults.begun) == any(struck)


def test_a_bench_cannot_have_every_fault():
    with pytest.raises(PowerlabError, match="cannot do lock"):  # it has no VXI-11
        SimulatedBench(faults=[Fault("scope", "lock")])


def test_silence(bench, line):
    bench.faults.plan(Fault("scope", "silent", at="SCAL 5", times=2))
    line.send(b":CHAN1:SCAL 5\n*IDN?\n")
    assert line.silent()
    assert line.ask(b":CHAN1:SCAL?\n") == b"+5.00E+00\n"  # that of *RST: the message was never processed
    bench.faults.plan(Fault("scope", "silent", times=0))
    line.send(b"*IDN?\n*IDN?\n")
    assert line.silent()
    bench.faults.forget()
    assert line.ask(b"*IDN?\n").startswith(b"AGILENT")


def test_garbage_and_an_answer_cut_short(bench, line):
    bench.faults.plan(Fault("scope", "garbage", nth=2))
    assert line.ask(b"*IDN?\n").startswith(b"AGILENT")
    assert line.ask(b"*IDN?\n") == GARBAGE
    assert line.ask(b":STOP;:SING;*OPC?\n") == b"1\n"
    bench.clock.advance(S)
    bench.faults.plan(Fault("scope", "short", at="DATA"))
    line.send(b":WAV:POIN 1000;:WAV:DATA?\n")
    cut = line.file.read(505)
    assert cut.startswith(b"#800001000")
    assert line.silent()
    assert line.ask(b"*OPC?\n") == b"1\n"


def test_an_answer_that_comes_late(bench, line):
    bench.faults.plan(Fault("scope", "late", at="IDN", seconds=0.1))
    line.send(b"*IDN?\n")
    assert line.silent(0.05)
    assert line.ask(b"*OPC?\n").startswith(b"AGILENT")  # out of step from now on
    assert line.file.readline() == b"1\n"


@pytest.mark.parametrize("instrument", ["scope", "supply"])
def test_a_dropped_connection(bench, connect, instrument):
    resource = bench.resources.scope if instrument == "scope" else bench.resources.adapter
    read = b"" if instrument == "scope" else b"++read eoi\n"
    line = connect(resource)
    bench.faults.plan(Fault(instrument, "drop", at="IDN"))
    assert line.ask(b"*OPC?\n" + read) == b"1\n"
    assert line.ask(b"*IDN?\n") == b""
    assert connect(resource).ask(b"*OPC?\n" + read) == b"1\n"


def test_refused_connections_for_a_while(bench, connect, line):
    bench.faults.plan(Fault("scope", "refuse", at="STOP", seconds=2))
    assert line.ask(b":STOP\n") == b""
    refused = None
    while refused is None:  # the port closes a moment after the line
        try:
            connect(bench.resources.scope).close()
        except ConnectionError as error:
            refused = error
    bench.clock.advance(2 * S)
    answer = b""
    while not answer:
        try:
            answer = connect(bench.resources.scope).ask(b":RST?\n")
        except ConnectionError:
            time.sleep(0.001)
    assert answer == b"RUN\n"  # what was sent with it never came


def test_a_bench_ends_while_it_refuses():
    before = set(threading.enumerate())
    with (
        SimulatedBench(virtual=True, faults=[Fault("scope", "refuse")]) as bench,
        socket.create_connection(("127.0.0.1", port_of(bench.resources.scope))) as other,
    ):
        other.sendall(b"*IDN?\n")
        assert other.recv(1) == b""
    assert set(threading.enumerate()) == before


def test_the_crowbar_at_a_message_to_the_scope(bench, supply, line):
    supply(b"APPL 19,2;:OUTP ON")
    bench.faults.plan(Fault("scope", "ovp", at="SING"))
    assert line.ask(b":SING;:RST?\n") == b"SING\n"
    assert supply(b"VOLT:PROT:TRIP?") == b"1\n"
    assert abs(float(supply(b"MEAS:VOLT?"))) < 0.1


def test_constant_current_for_a_while(bench, supply, line):
    supply(b"APPL 19,2;:OUTP ON")
    bench.clock.advance(S)
    assert supply(b"STAT:QUES?") == b"+3\n"
    bench.faults.plan(Fault("scope", "cc", at="SING", seconds=0.5))
    assert line.ask(b":SING;*OPC?\n") == b"1\n"
    assert supply(b"STAT:QUES:COND?") == b"+1\n"
    assert float(supply(b"MEAS:VOLT?")) < 5
    assert float(supply(b"MEAS:CURR?")) == pytest.approx(2, abs=0.03)
    bench.clock.advance(2 * S)
    assert supply(b"STAT:QUES:COND?;EVEN?;EVEN?") == b"+2;+3;+2\n"


def test_the_adapter_gets_nothing_from_a_silent_supply_and_the_bench_ends_all_the_same(connect):
    with SimulatedBench(virtual=True, faults=[Fault("supply", "late", at="CURR"), Fault("supply", "silent")]) as bench:
        adapter = connect(bench.resources.adapter)
        assert adapter.ask(b"VOLT?\n++read eoi\n++ver\n").startswith(b"Prologix")
        adapter.send(b"CURR?\n++read eoi\n")
        time.sleep(0.02)


def test_a_process_takes_faults(capsys):
    with subprocess.Popen(
        [sys.executable, "-m", "powerlab_instruments.simulated", "--virtual", "--vxi11", "--portmapper-port", "0",
         "--supply-model", "E3644A", "--fault", "scope garbage at=IDN"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        resources = json.loads(process.stdout.readline())
        with (
            closing(pyvisa.ResourceManager("@py")) as visa,
            closing(visa.open_resource(resources["scope_vxi11"], open_timeout=5000)) as scope,
        ):
            scope.write("*IDN?")
            assert scope.read_raw() == GARBAGE
        process.stdin.close()
        assert process.wait(5) == 0
    assert main(["--fault", "scope sleepy"]) == 2
    assert main(["--fault", "scope lock"]) == 2
    assert main(["--supply-model", "E3631A"]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 3)
