"""The scope on VXI-11, as pyvisa-py sees it and call by call, and the port mapper in front of it."""

import socket
import struct
import threading
import time
from contextlib import closing

import numpy as np
import pytest
import pyvisa
from hypothesis import given
from hypothesis import strategies as st

from powerlab_instruments.simulated import portmapper, rpc, vxi11
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.faults import Fault
from powerlab_instruments.simulated.listener import PortBusyError
from powerlab_instruments.simulated.wire import Wire

OPEN = {"open_timeout": 5000, "timeout": 5000}
IDN = "AGILENT TECHNOLOGIES,MSO-X 2024A,SIM"


@pytest.fixture(scope="module")
def module_bench():
    with SimulatedBench(seed=7, virtual=True, vxi11=True, portmapper_port=0) as bench:
        yield bench


@pytest.fixture
def bench(module_bench):
    module_bench.scope.receive(b"*RST;*CLS", threading.Event())
    return module_bench


@pytest.fixture(scope="module")
def visa():
    with closing(pyvisa.ResourceManager("@py")) as manager:
        yield manager


@pytest.fixture
def scope(bench, visa):
    with closing(visa.open_resource(bench.scope_vxi11, **OPEN)) as scope:
        yield scope


def core_port(bench: SimulatedBench) -> int:
    return int(bench.scope_vxi11.split("::")[1].split(",")[1])


class Caller:
    """Calls of one program over TCP, spelled out."""

    def __init__(self, port: int, program: tuple[int, int] = vxi11.CORE) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.program, self.serial = program, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def message(self, procedure: int, arguments: bytes, version: int = 2) -> bytes:
        self.serial += 1
        return struct.pack(">10I", self.serial, 0, version, *self.program, procedure, 0, 0, 0, 0) + arguments

    def raw(self, message: bytes, fragment: int = 1 << 30) -> bytes:
        """What comes after the serial number, for a record cut into fragments."""
        parts = [message[i : i + fragment] for i in range(0, len(message), fragment)]
        for i, part in enumerate(parts):
            self.socket.sendall(struct.pack(">I", len(part) | (i == len(parts) - 1) << 31) + part)
        with self.socket.makefile("rb") as file:
            (mark,) = struct.unpack(">I", file.read(4))
            assert mark >> 31
            reply = file.read(mark & 0x7FFFFFFF)
        assert reply[:8] == struct.pack(">2I", self.serial, 1)
        return reply[8:]

    def call(self, procedure: int, *arguments: int | bytes, fragment: int = 1 << 30) -> rpc.Arguments:
        packed = b"".join(rpc.words(a) if isinstance(a, int) else rpc.opaque(a) for a in arguments)
        reply = self.raw(self.message(procedure, packed), fragment)
        assert reply[:16] == bytes(16)  # accepted, no verifier, success
        return rpc.Arguments(reply[16:])

    def link(self, *, lock: int = 0, lock_timeout: int = 0, device: bytes = b"inst0") -> tuple[int, int]:
        """Error code and number."""
        results = self.call(10, 1, lock, lock_timeout, device)
        return results.signed(), results.signed()


@pytest.fixture
def caller(bench):
    with Caller(core_port(bench)) as caller:
        yield caller


def test_messages_and_answers(scope):
    assert scope.query("*IDN?").startswith(IDN)
    scope.write(":TIM:RANG 0.2\n:TIM:POS 0")
    assert scope.query(":TIM:RANG?;POS?") == "+200E-03;+0.0E+00\n"
    scope.write(":BAD")
    assert scope.query(":SYST:ERR?") == '-113,"Undefined header"\n'


@pytest.mark.parametrize("points", [1000, 50_000, 500_000])
def test_a_record_comes_in_chunks_whatever_bytes_are_in_it(bench, scope, points):
    def record() -> np.ndarray:
        assert scope.query(":SING;*OPC?") == "1\n"
        bench.clock.advance(bench.clock.now() + 5_000_000_000)
        scope.write(f":WAV:FORM BYTE;POIN:MODE RAW;:WAV:POIN {points}")
        return scope.query_binary_values(":WAV:DATA?", datatype="B", container=np.array)

    scope.write(":STOP;:TIM:RANG 2;:CHAN1:SCAL 0.02;:TRIG:SWE AUTO")
    shift = (record().mean() - 10) * float(scope.query(":WAV:YINC?"))
    scope.write(f":CHAN1:OFFS {float(scope.query(':CHAN1:OFFS?')) + shift}")
    codes = record()
    assert len(codes) == points
    assert 10 in codes  # the code of LF
    scope.write(":WAV:DATA?")
    raw = scope.read_raw()
    assert raw == b"#8%08d%b\n" % (points, codes.astype(np.uint8).tobytes())
    assert scope.query(":SYST:ERR?") == '+0,"No error"\n'


def test_an_answer_as_long_as_the_chunk_makes_pyvisa_py_read_once_more_than_there_is(scope):
    length = len(scope.query("*IDN?"))
    scope.timeout = 200
    scope.chunk_size = length
    with pytest.raises(pyvisa.errors.VisaIOError):
        scope.query("*IDN?")
    scope.chunk_size = length - 1
    assert scope.query("*IDN?").startswith(IDN)
    assert scope.query(":SYST:ERR?").startswith("-420")


def test_device_clear_frees_a_blocked_digitize(bench, scope):
    scope.write(":STOP;:TRIG:SWE NORM;SOUR DIG0;:TIM:RANG 0.1;:DIG")
    scope.timeout = 100
    with pytest.raises(pyvisa.errors.VisaIOError):
        scope.query("*OPC?")
    scope.timeout = 5000
    scope.clear()
    assert scope.query(":RST?;:SYST:ERR?") == 'STOP;+0,"No error"\n'


def test_an_unread_answer_is_interrupted_and_a_read_without_query_unterminated(scope):
    scope.write("*IDN?")
    while not scope.read_stb() & 16:  # message available
        time.sleep(0.001)
    assert scope.query(":TIM:RANG?") == "+1.00E-03\n"
    assert scope.query(":SYST:ERR?").startswith("-410")
    scope.timeout = 50
    with pytest.raises(pyvisa.errors.VisaIOError):
        scope.read()
    scope.timeout = 5000
    assert scope.query(":SYST:ERR?").startswith("-420")


def test_a_group_trigger_digitizes(bench, scope):
    scope.write(":STOP;:TRIG:SWE AUTO;:TIM:RANG 0.1")
    assert scope.query(":RST?") == "STOP\n"
    scope.assert_trigger()
    while bench.scope.state != "SING":
        time.sleep(0.001)
    with Wire(bench.resources.wire) as wire:
        wire.advance(wire.now() + 1_000_000_000)
    assert scope.query(":ACQ:POIN?;:RST?;:WAV:POIN?").startswith("+")
    assert bench.scope.finished is not None


def test_the_lock_of_one_client_shuts_another_out(bench, visa, scope):
    with closing(visa.open_resource(bench.scope_vxi11, **OPEN)) as other:
        scope.lock_excl()
        with pytest.raises(pyvisa.errors.VisaIOError):
            other.query("*IDN?")
        assert scope.query("*IDN?").startswith(IDN)
        scope.unlock()
        assert other.query("*IDN?").startswith(IDN)


def test_a_lock_ends_with_its_link_and_is_waited_for_if_asked(bench, caller):
    with Caller(core_port(bench)) as first:
        error, first_link = first.link(lock=1)
        assert error == 0
        error, _ = caller.link(lock=1)
        assert error == 11
        error, link = caller.link()
        assert error == 0
        assert caller.call(11, link, 1000, 0, 8, b"*CLS").signed() == 11
        assert caller.call(11, link, 1000, 20, 1 | 8, b"*CLS").signed() == 11
        assert caller.call(15, link, 0, 0, 1000).signed() == 11
        assert caller.call(18, link, 0, 0).signed() == 11
        assert caller.call(19, link).signed() == 12
        timer = threading.Timer(0.05, first.call, (23, first_link))
        timer.start()
        assert caller.call(11, link, 1000, 5000, 1 | 8, b"*CLS").signed() == 0
        timer.join()
    assert caller.call(18, link, 0, 0).signed() == 0
    assert caller.call(19, link).signed() == 0


def test_somebody_who_is_not_there_may_hold_the_lock(bench, scope):
    bench.faults.plan(Fault("scope", "lock", at="SING", seconds=2))
    scope.write(":SING")
    while not bench.faults.begun:
        time.sleep(0.001)
    with pytest.raises(pyvisa.errors.VisaIOError):
        scope.query("*IDN?")
    bench.clock.advance(bench.clock.now() + 2_000_000_000)
    assert scope.query("*IDN?").startswith(IDN)


def test_another_connection_aborts_a_read(bench, caller):
    _, link = caller.link()
    with Caller(core_port(bench), vxi11.ABORT) as aborting:
        assert aborting.call(1, 9999).signed() == 4
        reader = threading.Thread(target=lambda: codes.append(caller.call(12, link, 100, 5000, 0, 0, 0).signed()))
        codes: list[int] = []
        reader.start()
        while reader.is_alive():
            assert aborting.call(1, link).signed() == 0
        reader.join()
    assert codes == [23]


def test_a_read_ends_where_it_is_told_to(caller):
    _, link = caller.link()
    assert caller.call(11, link, 100, 0, 0, b"*ID").signed() == 0
    assert caller.call(11, link, 100, 0, 8, b"N?").signed() == 0
    results = caller.call(12, link, 10, 1000, 0, 0, 0)
    assert (results.signed(), results.signed(), results.opaque()) == (0, 1, b"AGILENT TE")
    results = caller.call(12, link, 100, 1000, 0, 128, ord(","))
    assert (results.signed(), results.signed(), results.opaque()) == (0, 2, b"CHNOLOGIES,")
    results = caller.call(12, link, 100, 1000, 0, 0, 0)
    assert (results.signed(), results.signed()) == (0, 4)
    assert results.opaque().startswith(b"MSO-X")
    results = caller.call(12, link, 100, 10, 0, 0, 0)
    assert (results.signed(), results.signed(), results.opaque()) == (15, 0, b"")


def test_what_is_not_there_has_its_code(caller):
    assert caller.link(device=b"inst7")[0] == 3
    assert caller.call(11, 4711, 0, 0, 8, b"*CLS").signed() == 4
    assert caller.call(25, 0, 0, 0, 0, 0).signed() == 8
    _, link = caller.link()
    for procedure in (16, 17, 13):
        assert caller.call(procedure, link, 0, 0, 0).signed() == 0
    assert caller.call(20, link, 1, b"handle").signed() == 0
    assert caller.call(23, link).signed() == 0
    assert caller.call(23, link).signed() == 4


def test_remote_procedure_calls_are_answered_by_the_book(bench, caller):
    port = core_port(bench)
    assert caller.raw(caller.message(0, b"")) == bytes(16)
    assert caller.raw(caller.message(0, b"", version=3)) == rpc.words(1, 0, 2, 2)
    assert caller.raw(caller.message(99, b"")) == bytes(12) + rpc.words(3)
    assert caller.raw(caller.message(10, b"\0\0")) == bytes(12) + rpc.words(4)
    with Caller(port, (vxi11.CORE[0], 7)) as other:
        assert other.raw(other.message(0, b"")) == bytes(12) + rpc.words(2, 1, 1)
    with Caller(port, (4711, 1)) as other:
        assert other.raw(other.message(0, b"")) == bytes(12) + rpc.words(1)
    error, link = caller.link()
    assert error == 0
    assert caller.call(11, link, 100, 0, 8, b"*CLS", fragment=7).signed() == 0
    caller.socket.sendall(rpc.words(0xFFFFFFFF))
    assert caller.socket.recv(1) == b""  # longer than anybody needs


@given(st.binary(max_size=80))
def test_no_bytes_break_the_calls(call):
    reply = rpc.answer(call, {vxi11.CORE: lambda _procedure, arguments: arguments.opaque()})
    assert reply == b"" or reply[:4] == call[:4]


@given(st.integers(-(2**31), 2**31 - 1), st.binary(max_size=20), st.integers(0, 2**32 - 1))
def test_what_is_packed_is_unpacked(signed, data, unsigned):
    packed = rpc.Arguments(rpc.words(signed) + rpc.opaque(data) + rpc.words(unsigned))
    assert (packed.signed(), packed.opaque(), packed.unsigned(), packed.rest()) == (signed, data, unsigned, b"")


@pytest.mark.parametrize("transport", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_the_port_mapper_knows_the_core_channel(bench, transport):
    mapper = portmapper.Portmapper({vxi11.CORE: 4711}, bench.clock, 0)
    with closing(mapper), Caller(mapper.port, (portmapper.PROGRAM, 2)) as caller:
        for arguments, port in (((*vxi11.CORE, 6, 0), 4711), ((*vxi11.CORE, 17, 0), 0), ((1, 1, 6, 0), 0)):
            message = caller.message(3, rpc.words(*arguments))
            if transport == socket.SOCK_STREAM:
                reply = caller.raw(message)
            else:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                    datagrams.settimeout(5)
                    datagrams.sendto(b"", ("127.0.0.1", mapper.port))  # nothing is answered nothing
                    datagrams.sendto(message, ("127.0.0.1", mapper.port))
                    reply = datagrams.recv(100)[8:]
            assert reply == bytes(16) + rpc.words(port)
        dump = caller.call(4)
        assert [dump.unsigned() for _ in range(6)] == [1, *vxi11.CORE, 6, 4711, 0]
        assert caller.raw(caller.message(1, b"")) == bytes(12) + rpc.words(3)


def test_where_111_cannot_be_had_the_name_tells_the_port(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        with pytest.raises(PortBusyError, match="port mapper"):
            SimulatedBench(vxi11=True, portmapper_port=busy)
        monkeypatch.setattr("powerlab_instruments.simulated.bench.WELL_KNOWN_PORT", busy)
        with SimulatedBench(vxi11=True, portmapper_port=busy) as bench:
            assert core_port(bench)
    with SimulatedBench(vxi11=True, portmapper_port=busy) as bench:
        assert bench.scope_vxi11 == "TCPIP0::127.0.0.1::inst0::INSTR"


def test_closing_ends_what_a_link_waits_for(connect):
    before = set(threading.enumerate())
    with SimulatedBench(vxi11=True, portmapper_port=0) as bench, Caller(core_port(bench)) as caller:
        _, link = caller.link()
        arguments = (12, link, 100, 0xFFFFFFFF, 0, 0, 0)
        caller.socket.sendall(struct.pack(">I", 1 << 31 | 40 + 24) + caller.message(12, rpc.words(*arguments[1:])))
        time.sleep(0.02)
    assert set(threading.enumerate()) == before
