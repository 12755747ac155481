"""Does U95 hold the truth in 95 % of cases, and is it no wider than that takes?

    python tests/benchmarks/coverage.py [--benches 2000] [--seed 0] [--jobs 2]

Captures as many simulated benches in virtual time, each with its own gains, offsets, noise, drift, time base, lead,
turns, screen and windows, zeroed or not, calibrated or not, and compares each figure with what the board really drew.
Prints, for each stratum and figure, how often the truth lies within U95, and the median of |error| / U95 (0.5 or so
when it is as wide as needed).
Exit status 1 when a coverage lies outside 94 to 97 % by more than chance explains.
"""

import argparse
import dataclasses
import itertools
import math
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import powerlab as pl
from powerlab.bench import Bench
from powerlab.benchfile import BenchFile
from powerlab.calibrating import Load, calibrate
from powerlab.capture import Plan, Stop, capture
from powerlab.marker import WireMarker
from powerlab.progress import Silence
from powerlab.simulation import bench_text
from powerlab.workload.synthetic import SyntheticWorkload
from powerlab_analysis.result import Result
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.board import IDLE_POWER
from powerlab_instruments.simulated.wire import VirtualClock, Wire

BOARDS = itertools.count()  # GPIB boards of this process
LOWEST, HIGHEST = 0.94, 0.97  # what the coverage should be
APART = 900.0  # s between zero and windows, or calibration and windows: the probe drifts as far as it will
CHANCE = 2.6  # standard deviations of a count that are put down to chance


@dataclasses.dataclass(frozen=True)
class Case:
    """One bench and what is captured on it; drawn from its seed."""

    seed: int
    zeroed: bool
    turns: int
    auto: bool
    lead: float  # ohm
    lead_limit: float  # ohm
    windows: int
    seconds: float
    calibrated: bool

    @classmethod
    def drawn(cls, seed: int) -> "Case":
        draw = random.Random(seed)
        lead_limit = draw.choice([0.0, 0.05])
        return cls(
            seed=seed,
            zeroed=draw.random() < 0.5,
            turns=draw.choice([1, 1, 5]),
            auto=draw.random() < 0.5,
            lead=draw.choice([0.0, 0.2]),
            lead_limit=lead_limit,
            windows=draw.randint(4, 12),
            seconds=draw.uniform(0.15, 0.6),
            calibrated=draw.random() < 0.5,
        )

    @property
    def strata(self) -> tuple[str, ...]:
        return (
            "all",
            "zeroed" if self.zeroed else "not zeroed",
            ("calibrated, " if self.calibrated else "not calibrated, ") + ("zeroed" if self.zeroed else "not zeroed"),
            "calibrated" if self.calibrated else "not calibrated",
            f"turns {self.turns}",
            "screen chosen" if self.auto else "screen given",
            "lead" if self.lead else "remote sense",
            "few windows" if self.windows < 8 else "more windows",
        )


def simulated(case: Case, path: Path) -> Result:
    """Capture one case and analyse it."""
    draw = random.Random(case.seed + 1_000_003)
    # The lead is what bench.toml says, but for what its limit allows.
    true_lead = case.lead + draw.uniform(-1, 1) * case.lead_limit if case.lead else 0.0
    limit = case.lead_limit if case.lead else 0.0
    board = next(BOARDS) % 1000
    with SimulatedBench(
        seed=case.seed, virtual=True, memory=100_000, turns=case.turns, lead_resistance=true_lead, gpib_board=board
    ) as sim:
        text = bench_text(turns=case.turns, **dataclasses.asdict(sim.resources))
        text = text.replace("boot_time", f"lead_resistance = {case.lead}\nlead_resistance_limit = {limit}\nboot_time")
        if case.auto:
            text = text.replace("full_scale = 0.8\ncentre = 0.4", 'full_scale = "auto"')
        if case.turns == 5:
            text = text.replace("current_limit = 2.0", "current_limit = 1.5")
        if not case.zeroed:
            text = text.replace('output = "on"', 'output = "leave"')
        with Wire(sim.resources.wire) as wire:
            clock = VirtualClock(wire)
            file, calibration = BenchFile.parse(text, "bench.toml"), None
            with Bench(file, text, clock=clock) as bench:
                if not case.zeroed:
                    it = file.supply
                    bench.supply.prepare_output(
                        voltage=it.voltage, current_limit=it.current_limit, over_voltage=it.over_voltage
                    )
                    bench.supply.switch_on()
                    clock.sleep(2.0)
                if case.calibrated:
                    loads = [Load("idle", nullcontext), Load("busy", lambda: high(WireMarker(wire, clock)))]
                    calibrate(bench, loads, Silence(), power=True)
                    calibration = bench.calibration
            if calibration and case.zeroed:  # the zero comes first, then the board boots for so long
                text = text.replace("boot_time = 0.5", f"boot_time = {APART}")
                file = BenchFile.parse(text, "bench.toml")
            elif calibration:
                clock.sleep(APART)
            with Bench(file, text, clock=clock, calibration=calibration) as bench:
                workload = SyntheticWorkload(clock, WireMarker(wire, clock), case.seconds, spread=0.02, seed=case.seed)
                plan = Plan("synthetic", 2, windows=case.windows, idle=0.5)
                capture(bench, workload, plan, path, progress=Silence(), stop=Stop())
    return pl.analyse(path)


@contextmanager
def high(marker: WireMarker) -> Iterator[None]:
    """The load of a board that works."""
    marker.high()
    yield
    marker.low()


def errors(result: Result) -> Iterator[tuple[str, float, float]]:
    """Figure, its error and its U95."""
    assert result.truth is not None
    true_net = result.truth.power - IDLE_POWER
    for name, quantity, true in (
        ("energy per image", result.energy_per_image, result.truth.energy_per_image),
        ("total power", result.power_total, result.truth.power),
        ("idle power", result.power_idle, IDLE_POWER),
        ("net power", result.power_net, true_net),
    ):
        if quantity is not None:
            yield name, quantity.value - true, quantity.U95


def run(seed: int) -> list[tuple[str, str, float]]:
    """Stratum, figure and error / U95 of one case."""
    case = Case.drawn(seed)
    with tempfile.TemporaryDirectory() as folder:
        result = simulated(case, Path(folder) / "r.h5")
    found = []
    if result.truth is not None:
        for figure, error, width in errors(result):
            found += [(stratum, figure, error / width) for stratum in case.strata]
    else:
        found.append(("all", "no result", math.inf))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benches", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    ratios: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    with ProcessPoolExecutor(options.jobs) as pool:
        for found in pool.map(run, range(options.seed, options.seed + options.benches), chunksize=10):
            for stratum, figure, ratio in found:
                ratios[stratum, figure].append(abs(ratio))
    outside = 0
    for (stratum, figure), values in sorted(ratios.items()):
        n = len(values)
        inside = sum(it <= 1 for it in values) / n
        slack = CHANCE * math.sqrt(0.05 * 0.95 / n)
        wrong = not LOWEST - slack <= inside <= HIGHEST + slack
        outside += wrong
        print(
            f"{stratum:26} {figure:18} n = {n:5}  within U95 {inside:6.1%}  median |error|/U95 "
            f"{sorted(values)[n // 2]:.2f}{'  OUTSIDE' if wrong else ''}"
        )
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
