"""Fetching and decoding a raw record: our driver beside a bare socket with numpy, and pyvisa's own block reader."""

import socket
import statistics
import time
from collections.abc import Callable

import numpy as np
import pyvisa

from powerlab_instruments.link import Visa
from powerlab_instruments.scope import InfiniiVision
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.wire import VirtualClock, Wire

REPEATS = 9


def median(work: Callable[[], object]) -> float:
    work()
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def test_fetch_of_a_million_points() -> None:
    with SimulatedBench(virtual=True) as sim, Wire(sim.resources.wire) as wire, Visa() as visa:
        clock = VirtualClock(wire)
        scope = InfiniiVision(visa.open(sim.resources.scope))
        scope.prepare((1,), digital_threshold=1.4)
        scope.arm(2.0, clock)
        scope.force_trigger()
        clock.sleep(2)
        scope.wait(5, clock)
        fetch = median(lambda: scope.fetch("CHAN1", "A"))
        assert len(scope.fetch("CHAN1", "A").codes) == 1_000_000
        ours = median(lambda: np.frombuffer(scope.link.query_block(":WAVeform:DATA?"), np.uint8))

        host, port = sim.resources.scope.split("::")[1:3]
        with socket.create_connection((host, int(port))) as line:
            line.sendall(b":WAV:SOUR CHAN1;FORM BYTE;POIN MAX;:WAV:POIN:MODE RAW\n")

            def bare() -> np.ndarray:
                line.sendall(b":WAV:DATA?\n")
                wanted, got = 1_000_011, bytearray()
                while len(got) < wanted:
                    got += line.recv(1 << 16)
                return np.frombuffer(got, np.uint8, 1_000_000, 10)

            peer = median(bare)

        theirs_line = pyvisa.ResourceManager("@py").open_resource(
            sim.resources.scope, read_termination="\n", write_termination="\n"
        )
        theirs = median(lambda: theirs_line.query_binary_values(":WAV:DATA?", datatype="B", container=np.array))
        theirs_line.close()
    print(
        f"\n1 000 000 points, read and decoded: ours {ours * 1e3:.2f} ms, bare socket {peer * 1e3:.2f} ms, ratio "
        f"{ours / peer:.2f}; pyvisa's block reader {theirs * 1e3:.2f} ms, ratio {ours / theirs:.2f}; the whole "
        f"fetch with set-up, preamble and error checks {fetch * 1e3:.2f} ms"
    )
    assert ours < theirs
