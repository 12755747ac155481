"""The line to an instrument, against a scripted peer on a real socket."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from powerlab_instruments.errors import InstrumentError, NoAnswer
from powerlab_instruments.link import Visa, VisaLink


class Peer:
    """Answers each line from a table; an answer may be late. Counts the connections it was given."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | Callable[[socket.socket], None]] = {}
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(line)
            self._threads.append(threading.Thread(target=self._serve, args=(line,), daemon=True))
            self._threads[-1].start()

    def _serve(self, line: socket.socket) -> None:
        with line, line.makefile("rb") as messages:
            try:
                for message in messages:
                    answer = self.answers.get(message.decode().strip(), b"")
                    if callable(answer):
                        answer(line)
                    else:
                        line.sendall(answer)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for line in self._open:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join()


@pytest.fixture
def peer() -> Iterator[Peer]:
    it = Peer()
    yield it
    it.close()


@pytest.fixture
def visa() -> Iterator[Visa]:
    with Visa() as it:
        yield it


def line_to(visa: Visa, peer: Peer, timeout: float = 0.3) -> VisaLink:
    return visa.open(f"TCPIP0::127.0.0.1::{peer.port}::SOCKET", timeout=timeout)


def test_a_late_answer_is_never_taken_for_the_next_one(visa: Visa, peer: Peer) -> None:
    def late(line: socket.socket) -> None:
        time.sleep(0.45)
        line.sendall(b"the late one\n")

    peer.answers |= {"SLOW?": late, "QUICK?": b"the right one\n"}
    link = line_to(visa, peer)
    with pytest.raises(NoAnswer, match=r"SOCKET did not answer 'SLOW\?'"):
        link.query("SLOW?")
    assert link.query("QUICK?") == "the right one"
    time.sleep(0.3)
    assert link.query("QUICK?") == "the right one"
    assert peer.connections == 2  # a raw socket has no device clear


def test_an_interrupt_in_a_question_leaves_nothing_behind(visa: Visa, peer: Peer, monkeypatch) -> None:
    peer.answers |= {"A?": b"a\n", "B?": b"b\n"}
    link = line_to(visa, peer)

    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(link._resource), "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            link.query("A?")
    assert link.query("B?") == "b"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.binary(max_size=300) | st.just(b"\n" * 40) | st.just(b"#10\n" * 9))
def test_any_payload_of_a_block_comes_back(visa: Visa, peer: Peer, payload: bytes) -> None:
    peer.answers |= {"BLOCK?": b"#8%08d%s\n" % (len(payload), payload), "X?": b"x\n"}
    link = line_to(visa, peer)
    assert link.query_block("BLOCK?") == payload
    assert link.query("X?") == "x"
    link.close()


def test_a_million_points_come_back(visa: Visa, peer: Peer) -> None:
    payload = bytes(range(256)) * 3907
    peer.answers |= {"BLOCK?": b"#8%08d%s\n" % (len(payload), payload)}
    assert line_to(visa, peer, timeout=5).query_block("BLOCK?") == payload


def test_a_block_without_its_line_feed_is_whole(visa: Visa, peer: Peer) -> None:
    peer.answers |= {"BLOCK?": b"#15hello", "X?": b"x\n"}
    link = line_to(visa, peer)
    assert link.query_block("BLOCK?") == b"hello"
    assert link.query("X?") == "x"


@pytest.mark.parametrize("answer", [b"+0\n", b"#0123\n", b"#8000x0010hello\n", b"hello\n", b"#Aabc\n"])
def test_what_is_no_block_says_so_and_leaves_the_line_usable(visa: Visa, peer: Peer, answer: bytes) -> None:
    peer.answers |= {"BLOCK?": answer, "X?": b"x\n"}
    link = line_to(visa, peer)
    with pytest.raises(InstrumentError, match="starts no data block"):
        link.query_block("BLOCK?")
    assert link.query("X?") == "x"


def test_a_cut_block_is_a_silence_not_a_short_record(visa: Visa, peer: Peer) -> None:
    peer.answers |= {"BLOCK?": b"#8%08d%s" % (1000, b"a" * 400), "X?": b"x\n"}
    link = line_to(visa, peer)
    with pytest.raises(NoAnswer):
        link.query_block("BLOCK?")
    assert link.query("X?") == "x"


def test_bytes_that_are_no_text_are_an_error_not_a_traceback(visa: Visa, peer: Peer) -> None:
    peer.answers |= {"A?": b"\xff\xfe\n", "X?": b"x\n"}
    link = line_to(visa, peer)
    with pytest.raises(InstrumentError, match="no text"):
        link.query("A?")
    assert link.query("X?") == "x"


def test_a_dead_port_is_found_when_it_is_asked(visa: Visa) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        link = visa.open(f"TCPIP0::127.0.0.1::{nobody.getsockname()[1]}::SOCKET", timeout=0.3)
        with pytest.raises(NoAnswer, match=re.escape("'*IDN?'")):
            link.query("*IDN?")


@pytest.mark.parametrize("resource", ["nonsense", "GPIB0::99::INSTR", ""])
def test_a_resource_that_is_none_is_one_line(visa: Visa, resource: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        visa.open(resource, timeout=0.3).query("*IDN?")
    assert "\n" not in str(caught.value)


def test_an_adapter_that_is_not_there_is_one_line(visa: Visa) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        adapter = f"PRLGX-TCPIP7::127.0.0.1::{nobody.getsockname()[1]}::INTFC"
        with pytest.raises(NoAnswer, match="PRLGX-TCPIP7"):
            visa.open("GPIB7::5::INSTR", adapter=adapter, timeout=0.3)
    with pytest.raises(InstrumentError, match="write PRLGX-TCPIP0"):
        visa.open("GPIB7::5::INSTR", adapter="TCPIP0::1.2.3.4::1234::SOCKET")


def test_two_adapters_on_one_board_number_are_refused(peer: Peer) -> None:
    adapter = f"PRLGX-TCPIP8::127.0.0.1::{peer.port}::INTFC"
    with Visa() as first, Visa() as second:
        first.open("GPIB8::5::INSTR", adapter=adapter)
        with pytest.raises(InstrumentError, match="board 8 already belongs"):
            second.open("GPIB8::5::INSTR", adapter=adapter)
    with Visa() as third:
        third.open("GPIB8::5::INSTR", adapter=adapter)  # the number is free again


def test_a_vendor_library_that_is_not_installed_says_what_works() -> None:
    with pytest.raises(InstrumentError, match='visa_library = "@py"'):
        Visa("/nowhere/libvisa.so")
