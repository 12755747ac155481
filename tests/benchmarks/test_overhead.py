"""What our own code adds to a window, and that nothing is allocated or said between the two synchronisations.

The network does nothing, so that all of a window's length is ours: the marker's edge and the stamps. The wire leads
to a listener in another process; the serial port is one end of a pseudo-terminal, which has no modem lines: the kernel
is asked for something else instead, in a call that goes the same way.
"""

import fcntl
import gc
import multiprocessing
import os
import pty
import socket
import statistics
import struct
import sys
import termios
import tracemalloc
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any

import pytest
import serial
import torch
from torch import nn

from powerlab.marker import Marker, SerialMarker, open_marker
from powerlab.workload import Task
from powerlab.workload.inference import Inference
from powerlab_traces.clock import HostClock

LIMIT = 50e-6  # s
WINDOWS = 3000


class Nothing(nn.Module):
    input_shape = (3, 8, 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images


@pytest.fixture(autouse=True)
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("overhead_nets")
    module.nothing = Nothing  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "overhead_nets", module)


def listen(server: socket.socket) -> None:
    connection, _ = server.accept()
    while connection.recv(65536):
        pass


@contextmanager
def none() -> Iterator[Marker]:
    yield open_marker("none")


@contextmanager
def wire() -> Iterator[Marker]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = multiprocessing.get_context("fork").Process(target=listen, args=(server,))
        listener.start()
        marker = open_marker(f"wire:127.0.0.1:{server.getsockname()[1]}")
        yield marker
        marker.close()
        listener.join()


class Terminal(serial.Serial):
    """A port whose modem lines are another question to the same device."""

    def _update_rts_state(self) -> None:
        fcntl.ioctl(self.fd, termios.TIOCOUTQ, struct.pack("I", 0))

    _update_dtr_state = _update_rts_state


@contextmanager
def serial_port() -> Iterator[Marker]:
    ours, theirs = pty.openpty()
    with Terminal(os.ttyname(theirs)) as port:
        yield SerialMarker(port, "rts", HostClock(), inverted=False)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("marker", [none, wire, serial_port])
def test_added_time_per_window(marker: Callable[[], Any]) -> None:
    inference = Inference(Task("overhead_nets:nothing", 1, device="cpu"))
    gc.disable()
    try:
        with marker() as line:
            for _ in range(200):
                inference.window(line)
            lengths, calls = [], []
            for _ in range(WINDOWS):
                before = perf_counter_ns()
                timed = inference.window(line)
                calls.append((perf_counter_ns() - before) * 1e-9)
                assert timed.forward is not None
                lengths.append(timed.seconds - timed.forward)
    finally:
        gc.enable()
    added, whole = statistics.median(lengths), statistics.median(calls)
    late = statistics.quantiles(lengths, n=100)[98]
    print(
        f"\n{marker.__name__}: {added * 1e6:.1f} us in a window beside its pass (median of {WINDOWS}; 99 % under "
        f"{late * 1e6:.0f} us), {whole * 1e6:.1f} us from call to return"
    )
    assert added < LIMIT
    assert whole < LIMIT


def test_nothing_is_left_allocated_by_a_window() -> None:
    """What a window allocates is its answer; from one window to the next nothing stays."""
    inference = Inference(Task("overhead_nets:nothing", 1, device="cpu"))
    line = open_marker("none")
    for _ in range(100):
        inference.window(line)
    gc.disable()
    tracemalloc.start()
    try:
        inference.window(line)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            inference.window(line)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    print(f"\n1000 windows leave {grown} bytes allocated")
    assert grown < 1000  # less than a byte a window


def test_between_the_synchronisations_lies_the_pass_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of memory in use and calls to the system, from the first synchronisation to the second."""
    inference = Inference(Task("overhead_nets:nothing", 1, device="cpu"))
    blocks: list[int] = [0] * 4000
    count = 0

    def synchronise() -> None:
        nonlocal count
        blocks[count] = sys.getallocatedblocks()
        count += 1

    object.__setattr__(inference._device, "synchronise", synchronise)
    line = open_marker("none")
    gc.disable()
    try:
        for _ in range(1000):
            inference.window(line)
    finally:
        gc.enable()
    grown = statistics.mode(after - before for before, after in zip(blocks[0:count:2], blocks[1:count:2], strict=True))
    # Held then: one number for the time, and what the pass returned.
    print(f"\nblocks held more after the pass than before it: {grown}")
    assert grown <= 2
