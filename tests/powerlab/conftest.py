"""A simulated bench in virtual time, inside the test's process: no waiting, and its state can be looked at."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from powerlab.bench import Bench
from powerlab.benchfile import BenchFile
from powerlab.capture import Plan, Stop, capture
from powerlab.marker import WireMarker
from powerlab.progress import Silence
from powerlab.simulation import bench_text
from powerlab.workload.synthetic import SyntheticWorkload
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.wire import VirtualClock, Wire


@dataclasses.dataclass
class VirtualBench:
    """A simulator, the bench opened on it, and the wire that carries marker and time."""

    simulator: SimulatedBench
    bench: Bench
    wire: Wire
    text: str

    def workload(self, seconds: float, *, spread: float = 0.02, seed: int = 0) -> SyntheticWorkload:
        marker = WireMarker(self.wire, self.bench.clock)
        return SyntheticWorkload(self.bench.clock, marker, seconds, spread=spread, seed=seed)

    def capture(self, path: Path, seconds: float = 0.4, seed: int = 0, **plan: object) -> Path:
        plan = {"model": "synthetic", "batch": 2, "idle": 0.5} | plan
        return capture(
            self.bench,
            self.workload(seconds, seed=seed),
            Plan(**plan),
            path,
            progress=Silence(),
            stop=Stop(),
        )


@pytest.fixture
def open_virtual() -> Iterator[Callable[..., VirtualBench]]:
    """Open virtual benches; `edit` changes their bench.toml, the rest goes to the simulator."""
    boards = itertools.count()
    with ExitStack() as opened:

        def make(edit: Callable[[str], str] = lambda text: text, **simulator: object) -> VirtualBench:
            # Several benches in one program need GPIB boards of their own.
            sim = opened.enter_context(SimulatedBench(virtual=True, gpib_board=next(boards), **simulator))
            where = dataclasses.asdict(sim.resources) | {"scope_vxi11": sim.scope_vxi11}
            text = edit(bench_text(turns=simulator.get("turns", 1), **where))
            wire = opened.enter_context(Wire(sim.resources.wire))
            bench = opened.enter_context(Bench(BenchFile.parse(text, "bench.toml"), text, clock=VirtualClock(wire)))
            return VirtualBench(sim, bench, wire, text)

        yield make
