"""A simulated bench in virtual time, inside the test's process: no waiting, and its state can be looked at."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from powerlab.analysing import analyse
from powerlab.bench import Bench
from powerlab.benchfile import BenchFile
from powerlab.capture import Plan, Stop, capture
from powerlab.cli import run
from powerlab.marker import Marker, WireMarker
from powerlab.progress import Silence
from powerlab.simulation import bench_text
from powerlab.workload.synthetic import SyntheticWorkload
from powerlab_analysis.result import Result
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


@dataclasses.dataclass
class Desk:
    """A simulator in virtual time and a folder with a bench.toml that leads to it, for the command line."""

    simulator: SimulatedBench
    clock: VirtualClock
    folder: Path

    @property
    def toml(self) -> Path:
        return self.folder / "bench.toml"

    @property
    def calibration(self) -> Path:
        return self.folder / "bench.calibration.json"

    def edit(self, old: str, new: str) -> None:
        text = self.toml.read_text()
        assert old in text
        self.toml.write_text(text.replace(old, new))

    def switch_on(self) -> None:
        """As somebody does at the supply's front panel."""
        supply = self.simulator.supply
        supply.voltage, supply.current, supply.protection, supply.protected = 19.0, 2.0, 21.0, True
        supply.output = True
        supply.changed("output")
        self.clock.sleep(2.0)

    def capture(self, name: str, windows: int = 5) -> Result:
        assert run(["capture", "--model", "vgg16", "--windows", str(windows), "-o", name, "--bench", "bench.toml"]) == 0
        return analyse(name)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    """Make a desk and stand in its folder; the argument's items go to the simulator. Time passes without waiting."""
    with ExitStack() as opened:

        def make(**simulator: object) -> Desk:
            sim = opened.enter_context(SimulatedBench(virtual=True, memory=100_000, gpib_board=500, **simulator))
            wire = opened.enter_context(Wire(sim.resources.wire))
            clock = VirtualClock(wire)

            @contextmanager
            def workload(**_: object) -> Iterator[SyntheticWorkload]:
                yield SyntheticWorkload(clock, WireMarker(wire, clock), 0.3, spread=0.02)

            @contextmanager
            def busy(_: Marker) -> Iterator[None]:
                marker = WireMarker(wire, clock)  # on the wire that carries the time, so that they stay in order
                marker.high()
                yield
                marker.low()

            monkeypatch.chdir(tmp_path)
            monkeypatch.setattr("powerlab.bench.HostClock", lambda: clock)
            monkeypatch.setattr("powerlab.verbs.capture.WorkloadProcess", workload)
            monkeypatch.setattr("powerlab.verbs.calibrate.busy", busy)
            (tmp_path / "bench.toml").write_text(
                bench_text(turns=simulator.get("turns", 1), **dataclasses.asdict(sim.resources))
            )
            return Desk(sim, clock, tmp_path)

        yield make
