"""Marker outputs: edges, stamps, and a line that is left low."""

import os
import pty
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from powerlab.marker import MarkerError, SerialMarker, open_marker
from powerlab_traces.errors import PowerlabError
from tests.powerlab.ticks import Ticks


class Bench:
    """What the wire's other end hears."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        self.heard = b""
        self.connection: socket.socket | None = None
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self) -> None:
        self.connection, _ = self.server.accept()
        with self.connection:
            while chunk := self.connection.recv(4096):
                self.heard += chunk

    def lines(self) -> list[str]:
        """All that came until the other side hung up."""
        self.thread.join(5)
        assert not self.thread.is_alive()
        return self.heard.decode().splitlines()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    with socket.socket() as knock:  # a bench nobody has called still waits
        knock.connect_ex(bench.server.getsockname())
    bench.server.close()
    bench.thread.join(5)


def test_without_a_line_there_are_times():
    marker = open_marker("none", Ticks())
    assert (marker.high(), marker.low(), marker.high()) == (1, 2, 3)
    marker.close()


class TestWire:
    def test_edges_travel_with_their_stamps(self, bench: Bench):
        marker = open_marker(f"wire:{bench.address}", Ticks())
        assert (marker.high(), marker.low()) == (1, 2)
        marker.close()
        assert bench.lines()[:2] == ["H 1", "L 2"]

    def test_is_left_low(self, bench: Bench):
        marker = open_marker(f"wire:{bench.address}", Ticks())
        marker.high()
        marker.close()
        marker.close()
        assert bench.lines() == ["H 1", "L 2"]

    def test_nobody_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(PowerlabError, match=f"no simulated bench answers at '{address}' .*refused"):
            open_marker(f"wire:{address}")

    def test_a_bench_that_goes_away(self, bench: Bench):
        marker = open_marker(f"wire:{bench.address}")
        marker.high()
        while bench.connection is None:
            pass
        bench.connection.shutdown(socket.SHUT_RDWR)
        bench.thread.join(5)
        # The system may still take the first edge, for it learns from it that nobody listens any more.
        with suppress(PowerlabError):
            marker.low()
            time.sleep(0.05)
        with pytest.raises(PowerlabError, match=f"bench at {bench.address} has gone"):
            marker.low()
        marker.close()


class TestSerial:
    """pyserial's `loop://` wires a port to itself: RTS comes back as CTS, DTR as DSR."""

    def level(self, marker: SerialMarker, line: str) -> bool:
        return marker._port.cts if line == "rts" else marker._port.dsr

    @pytest.mark.parametrize("line", ["rts", "dtr"])
    @pytest.mark.parametrize(("suffix", "high"), [("", True), ("-inverted", False)])
    def test_the_line_follows(self, line: str, suffix: str, high: bool):
        marker = open_marker(f"serial:loop://:{line}{suffix}", Ticks())
        assert isinstance(marker, SerialMarker)
        assert self.level(marker, line) is not high, "low when opened"
        assert marker.high() == 1
        assert self.level(marker, line) is high
        assert marker.low() == 2
        assert self.level(marker, line) is not high
        marker.close()

    @pytest.mark.parametrize(("suffix", "high"), [("", True), ("-inverted", False)])
    def test_is_left_low(self, suffix: str, high: bool):
        marker = open_marker(f"serial:loop://:rts{suffix}")
        assert isinstance(marker, SerialMarker)
        marker.high()
        marker.close()
        marker.close()
        assert marker._port.rts is not high

    def test_a_port_that_is_not_there(self):
        with pytest.raises(MarkerError, match=r"serial:/dev/nowhere: cannot drive rts .*check the name"):
            open_marker("serial:/dev/nowhere:rts")

    def test_a_terminal_without_modem_lines(self):
        ours, theirs = pty.openpty()
        try:
            with pytest.raises(MarkerError, match="cannot drive dtr"):
                open_marker(f"serial:{os.ttyname(theirs)}:dtr")
        finally:
            os.close(ours)
            os.close(theirs)

    def test_an_unknown_scheme(self):
        with pytest.raises(MarkerError, match="smoke"):
            open_marker("serial:smoke://signals:rts")


@pytest.mark.parametrize(
    "spec",
    [
        "", "gpio", "none:x", "wire", "wire:", "wire:host", "wire::4000", "wire:host:0", "wire:host:65536",
        "wire:host:port", "serial", "serial:/dev/ttyUSB0", "serial::rts", "serial:/dev/ttyUSB0:cts",
    ],
)  # fmt: skip
def test_what_names_no_marker_gets_the_forms(spec: str):
    with pytest.raises(MarkerError, match=r"wire:HOST:PORT, serial:PORT:rts") as caught:
        open_marker(spec)
    assert repr(spec) in str(caught.value)
