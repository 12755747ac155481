"""The line to an instrument, over every kind of line that the simulator has, against a peer that plays from a table."""

import gc
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from powerlab_instruments import adapterline, transports
from powerlab_instruments import link as link_module
from powerlab_instruments.errors import InstrumentError, NoAnswer
from powerlab_instruments.link import Visa, VisaLink
from powerlab_instruments.simulated import vxi11
from tests.instruments.peer import STREAMS, TRANSPORTS, Peer, Served, served

EVERY_BYTE = bytes(range(256))


@pytest.fixture(params=TRANSPORTS)
def line(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    # An adapter waits for a whole answer before it gives up; here it is not to take seconds.
    monkeypatch.setattr(adapterline, "PROLOGIX_READ_TIMEOUT_MS", 200)
    monkeypatch.setattr(adapterline, "PROLOGIX_SPARE_MS", 100)
    monkeypatch.setattr(transports, "END_OF_BLOCK_MS", 50)
    with served(request.param) as it:
        yield it


@pytest.fixture
def visa(request: pytest.FixtureRequest) -> Iterator[Visa]:
    if "line" in request.fixturenames:  # closed before its other end
        request.getfixturevalue("line")
    with Visa() as it:
        yield it


@pytest.fixture
def peer(line: Served) -> Peer:
    return line.peer


@pytest.fixture
def link(visa: Visa, line: Served) -> VisaLink:
    return line.open(visa)


def block(payload: bytes) -> bytes:
    return b"#8%08d%b\n" % (len(payload), payload)


def test_text_goes_there_and_back(link: VisaLink, peer: Peer) -> None:
    peer.answers |= {"A?": b"+1.00000000E-009\n", "B?": b' "x;y" \n'}
    link.write("SET 1")
    assert link.query("A?") == "+1.00000000E-009"
    assert link.query("B?") == '"x;y"'
    assert [it for it in peer.heard if it != "*OPC?"] == ["SET 1", "A?", "B?"]


def test_a_late_answer_is_never_taken_for_the_next_one(link: VisaLink, peer: Peer) -> None:
    def late(cancelled: threading.Event) -> bytes:
        cancelled.wait(0.5)
        return b"the late one\n"

    peer.answers |= {"SLOW?": late, "QUICK?": b"the right one\n"}
    with pytest.raises(NoAnswer, match=r"(INSTR|SOCKET) did not answer 'SLOW\?'"):
        link.query("SLOW?")
    assert link.query("QUICK?") == "the right one"
    time.sleep(0.3)
    assert link.query("QUICK?") == "the right one"


def test_an_interrupt_in_a_question_leaves_nothing_behind(link: VisaLink, peer: Peer, monkeypatch) -> None:
    def slowly(cancelled: threading.Event) -> bytes:
        cancelled.wait(0.1)
        return b"a\n"

    peer.answers |= {"A?": slowly, "B?": b"b\n"}
    adapter = getattr(transports.session_of(link._transport.device), "interface", None)

    def interrupted(*_: object, **__: object) -> bytes:
        if hasattr(adapter, "write_oob"):  # Ctrl-C may come when the adapter has been told to fetch the answer
            adapter.plus_plus_read = False
            adapter.write_oob(b"++read eoi\n")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(link._transport), "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            link.query("A?")
    assert link.query("B?") == "b"
    assert link.query("B?") == "b"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.binary(max_size=300) | st.just(b"\n" * 40) | st.just(b"#10\n" * 9) | st.just(b"\r\n\x03++"))
def test_any_payload_of_a_block_comes_back(link: VisaLink, peer: Peer, payload: bytes) -> None:
    peer.answers |= {"BLOCK?": block(payload), "X?": b"x\n"}
    assert link.query_block("BLOCK?") == payload
    assert link.query("X?") == "x"


def test_a_million_points_come_back(visa: Visa, line: Served) -> None:
    # Character by character, as pyvisa-py reads them, that many would take a quarter of a minute.
    payload = EVERY_BYTE * (40 if line.transport == "serial" else 3907)
    line.peer.answers["BLOCK?"] = block(payload)
    assert line.open(visa, timeout=5).query_block("BLOCK?") == payload


def test_an_answer_may_be_as_long_as_a_piece_is(visa: Visa, line: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyvisa-py 0.8.1 asks VXI-11 for more than there is when an answer fills its buffer exactly."""
    monkeypatch.setattr(transports, "PIECE", 64)
    monkeypatch.setattr(vxi11, "MOST_AT_ONCE", 64)
    link = line.open(visa)
    assert link._transport.piece == 64
    for length in range(200):
        line.peer.answers |= {"BLOCK?": block(EVERY_BYTE[:length]), "X?": b"x" * length + b"\n"}
        assert link.query_block("BLOCK?") == EVERY_BYTE[:length]
        assert link.query("X?") == "x" * length
    assert not line.peer.errors  # no -420, which a read for what is not there would have left


def test_a_block_without_its_line_feed_is_whole(link: VisaLink, peer: Peer, line: Served) -> None:
    peer.answers |= {"BLOCK?": b"#15hello", "X?": b"x\n"}
    assert link.query_block("BLOCK?") == b"hello"
    assert link.query("X?") == "x"
    if line.transport == "vxi11":
        assert not peer.errors


def test_text_without_its_line_feed_is_whole_where_its_end_is_seen(link: VisaLink, peer: Peer, line: Served) -> None:
    peer.answers |= {"A?": b"a", "X?": b"x\n"}
    if line.transport in STREAMS:
        with pytest.raises(NoAnswer):
            link.query("A?")
    else:
        assert link.query("A?") == "a"
    assert link.query("X?") == "x"


@pytest.mark.parametrize("answer", [b"+0\n", b"#0123\n", b"#8000x0010hello\n", b"hello\n", b"#Aabc\n", b"#\n"])
def test_what_is_no_block_says_so_and_leaves_the_line_usable(link: VisaLink, peer: Peer, answer: bytes) -> None:
    peer.answers |= {"BLOCK?": answer, "X?": b"x\n"}
    with pytest.raises(InstrumentError, match="starts no data block"):
        link.query_block("BLOCK?")
    assert link.query("X?") == "x"


def test_a_cut_block_is_a_silence_not_a_short_record(link: VisaLink, peer: Peer) -> None:
    peer.answers |= {"BLOCK?": b"#8%08d%s" % (1000, b"a" * 400), "X?": b"x\n"}
    with pytest.raises(NoAnswer):
        link.query_block("BLOCK?")
    assert link.query("X?") == "x"


def test_a_block_longer_than_it_says_is_an_error(link: VisaLink, peer: Peer) -> None:
    peer.answers |= {"BLOCK?": b"#15hello world\n", "X?": b"x\n"}
    with pytest.raises(InstrumentError, match="more than the 5 bytes it announced"):
        link.query_block("BLOCK?")
    assert link.query("X?") == "x"


def test_bytes_that_are_no_text_are_an_error_not_a_traceback(link: VisaLink, peer: Peer) -> None:
    peer.answers |= {"A?": b"\xff\xfe\n", "X?": b"x\n"}
    with pytest.raises(InstrumentError, match="no text"):
        link.query("A?")
    assert link.query("X?") == "x"


def test_text_without_an_end_is_given_up(link: VisaLink, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "LONGEST_TEXT", 100)
    link._transport.piece = 50
    peer.answers |= {"A?": b"a" * 1000 + b"\n", "X?": b"x\n"}
    with pytest.raises(InstrumentError, match="more than 100 bytes of text"):
        link.query("A?")
    assert link.query("X?") == "x"


def test_a_second_answer_is_never_taken_for_the_next_one(link: VisaLink, peer: Peer, line: Served) -> None:
    peer.answers |= {"A?": b"a\nnobody asked\n", "X?": b"x\n"}
    assert link.query("A?") == ("a\nnobody asked" if line.transport == "vxi11" else "a")
    if line.transport in {"socket", "serial"}:
        time.sleep(0.05)
        with pytest.raises(NoAnswer, match="what nobody asked for"):
            link.query("X?")
    assert link.query("X?") == "x"


def test_a_line_without_handshake_has_each_command_done_before_the_next(link: VisaLink, line: Served) -> None:
    link.write("SET 1")
    link.write("SET 2")
    if line.transport == "serial":
        assert line.peer.heard == ["SET 1", "*OPC?", "SET 2", "*OPC?"]
        line.peer.answers["*OPC?"] = b"+1.9E+01\n"
        with pytest.raises(NoAnswer, match=r"'\*OPC\?' behind it answered"):
            link.write("SET 3")


def test_the_last_word_is_said_when_the_line_is_closed(visa: Visa, line: Served) -> None:
    line.peer.answers["X?"] = b"x\n"
    link = line.open(visa)
    assert link.is_serial == (line.transport == "serial")
    link.part_with("SYST:LOC")
    assert link.query("X?") == "x"
    link.recover()
    assert "SYST:LOC" not in line.peer.heard
    link.close()
    link.close()
    deadline = time.monotonic() + 5
    while "SYST:LOC" not in line.peer.heard:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert line.peer.heard.count("SYST:LOC") == 1


def test_a_last_word_that_nobody_hears_does_not_keep_the_line_open(visa: Visa) -> None:
    with served("socket") as line:
        link = line.open(visa)
        link.part_with("BYE")
    link.close()


@pytest.mark.parametrize("transport", ["socket", "vxi11"])
def test_a_connection_that_was_cut_is_noticed_before_the_question(visa: Visa, transport: str) -> None:
    started = time.monotonic()
    with served(transport) as line:
        link = line.open(visa, timeout=5)
        link.query("*OPC?")
    with pytest.raises(NoAnswer, match="ended the connection"):
        link.query("*OPC?")
    link.close()
    assert time.monotonic() - started < 4


def test_a_dead_port_is_found_when_it_is_asked(visa: Visa) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        link = visa.open(f"TCPIP0::127.0.0.1::{nobody.getsockname()[1]}::SOCKET", timeout=0.3)
        with pytest.raises(NoAnswer, match=re.escape("'*IDN?'")):
            link.query("*IDN?")


@pytest.mark.parametrize("resource", ["nonsense", "GPIB0::99::INSTR", "", "ASRL/dev/powerlab-has-none::INSTR"])
def test_a_resource_that_is_none_is_one_line(visa: Visa, resource: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        visa.open(resource, timeout=0.3).query("*IDN?")
    assert "\n" not in str(caught.value)


# pyvisa-py leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_vxi11_port_where_nobody_listens_is_one_line(visa: Visa) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(NoAnswer, match="INSTR did not answer 'open'"):
            visa.open(f"TCPIP0::127.0.0.1,{nobody.getsockname()[1]}::inst0::INSTR", timeout=0.3)
    gc.collect()


def test_an_adapter_that_is_not_there_is_one_line(visa: Visa) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        adapter = f"PRLGX-TCPIP7::127.0.0.1::{nobody.getsockname()[1]}::INTFC"
        with pytest.raises(NoAnswer, match="PRLGX-TCPIP7"):
            visa.open("GPIB7::5::INSTR", adapter=adapter, timeout=0.3)
    with pytest.raises(InstrumentError, match="write PRLGX-TCPIP0"):
        visa.open("GPIB7::5::INSTR", adapter="TCPIP0::1.2.3.4::1234::SOCKET")


def test_two_adapters_on_one_board_number_are_refused() -> None:
    with served("adapter") as line:
        with Visa() as first, Visa() as second:
            line.open(first)
            with pytest.raises(InstrumentError, match=r"board \d+ already belongs"):
                line.open(second)
        with Visa() as third:
            line.open(third)  # the number is free again


def test_an_adapter_that_was_cut_off_is_opened_anew(visa: Visa) -> None:
    with served("adapter") as line:
        line.peer.answers["X?"] = b"x\n"
        link = line.open(visa)
        transports.session_of(link._transport._adapter).interface.shutdown(socket.SHUT_RDWR)
        with pytest.raises(NoAnswer):
            link.query("X?")
        assert link.query("X?") == "x"


def test_a_vendor_library_that_is_not_installed_says_what_works() -> None:
    with pytest.raises(InstrumentError, match='visa_library = "@py"'):
        Visa("/nowhere/libvisa.so")
