"""A record of 100 000 points, read, decoded and scaled: ours beside a bare socket with numpy, PyMeasure and python-ivi.

All against one simulated scope in a process of its own. What the simulator itself takes to write a record as text is
measured with a bare socket and left out of PyMeasure's time.
"""

import json
import socket
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from powerlab.simulation import SimulatorProcess
from powerlab_instruments.link import Visa
from powerlab_instruments.scope import InfiniiVision
from powerlab_instruments.simulated.wire import VirtualClock, Wire
from powerlab_instruments.waveform import Preamble, Waveform
from tests.foreign_clients.run import environment

HERE = Path(__file__).parent
FOLDER = HERE / ".peers"  # the peers' virtual environment
POINTS = 100_000
REPEATS = 51
SLOW_REPEATS = 5


@pytest.fixture(scope="module")
def peers() -> Path:
    """The Python that has the peers; made on first use, with packages from the index."""
    ready = FOLDER / "ready"
    if ready.exists():
        return Path(ready.read_text(encoding="utf-8"))
    try:
        python = environment(FOLDER)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"the peers cannot be installed, is there a package index? ({error})")
    ready.write_text(str(python), encoding="utf-8")
    return python


def medians(*works: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Seconds that each takes; they take turns, so that what else the machine does falls on all of them."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(repeats + 1):
        for work, times in zip(works, taken, strict=True):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
    return [statistics.median(times[1:]) for times in taken]  # the first one warms up


class Bare:
    """A socket and nothing else."""

    def __init__(self, resource: str) -> None:
        host, port = resource.split("::")[1:3]
        self._socket = socket.create_connection((host, int(port)))

    def close(self) -> None:
        self._socket.close()

    def say(self, message: bytes) -> None:
        self._socket.sendall(message)

    def block(self) -> memoryview:
        """The payload of the block that a question for the data is answered with."""
        self._socket.sendall(b":WAV:DATA?\n")
        got = bytearray()
        while len(got) < 10 or len(got) < int(got[2:10]) + 11:
            got += self._socket.recv(1 << 18)
        return memoryview(got)[10:-1]


def peer(python: Path, script: str, resource: str) -> tuple[float, int]:
    """Median seconds and points of a peer."""
    done = subprocess.run(
        [str(python), str(HERE / script), resource, str(SLOW_REPEATS)],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    found = json.loads(done.stdout)
    return found["seconds"], found["points"]


def test_a_record_read_decoded_and_scaled(peers: Path) -> None:
    with (
        SimulatorProcess(("--virtual", "--memory", str(POINTS))) as simulator,
        Wire(simulator.resources["wire"]) as wire,
        Visa() as visa,
    ):
        resource, clock = simulator.resources["scope"], VirtualClock(wire)
        scope = InfiniiVision(visa.open(resource))
        scope.prepare((1,), digital_threshold=None)
        scope.arm(2.0, clock)
        scope.force_trigger()
        clock.sleep(2)
        scope.wait(5, clock)
        assert len(scope.fetch("CHAN1", "A").codes) == POINTS
        preamble = Preamble.parse(scope.link.query(":WAVeform:PREamble?"))

        def whole() -> np.ndarray:
            return scope.fetch("CHAN1", "A").trace().values

        def ours() -> np.ndarray:
            codes = np.frombuffer(scope.link.query_block(":WAVeform:DATA?"), np.uint8)
            return Waveform(codes, preamble, "A").trace().values

        bare = Bare(resource)

        def theirs() -> np.ndarray:
            codes = np.frombuffer(bare.block(), np.uint8)
            return codes.astype(np.float64) * preamble.y_increment + (
                preamble.y_origin - preamble.y_reference * preamble.y_increment
            )

        assert len(ours()) == POINTS
        assert np.allclose(ours(), theirs())
        fast, least, all_of_it = medians(ours, theirs, whole)
        bare.say(b":WAV:FORM ASC\n")
        [text] = medians(bare.block, repeats=SLOW_REPEATS)
        measure, measured = peer(peers, "peer_pymeasure.py", resource)
        ivi, fetched = peer(peers, "peer_ivi.py", resource)
        bare.close()
    print(
        f"\n{POINTS} points read, decoded and scaled: ours {fast * 1e3:.2f} ms, a bare socket with numpy "
        f"{least * 1e3:.2f} ms, ratio {fast / least:.2f}; with set-up, preamble and error checks "
        f"{all_of_it * 1e3:.2f} ms.\n"
        f"PyMeasure in text, {measured} points, with set-up and preamble: {measure * 1e3:.0f} ms, of which the "
        f"simulator's {text * 1e3:.0f} ms; without them {(measure - text) / all_of_it:.0f} times ours.\n"
        f"python-ivi, {fetched} points, with set-up and preamble: {ivi * 1e3:.0f} ms, {ivi / all_of_it:.0f} times ours"
    )
    assert measured == POINTS
    assert fast <= 1.5 * least
    assert measure - text >= 50 * all_of_it
    assert ivi >= 20 * all_of_it
