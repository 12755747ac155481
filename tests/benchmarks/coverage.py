"""Does U95 hold the truth in 95 % of cases, and is it no wider than that takes?

    python tests/benchmarks/coverage.py [--benches 2000] [--seed 0] [--jobs 2] [--terms]

Captures two runs on each of as many simulated benches in virtual time. A bench has its own gains, offsets, drift,
noise, time base, lead, turns, screen and alignment, is zeroed before each run, once, twice or not at all, and
calibrated or not; its runs have their own windows and are minutes to an hour away from their zero. The errors are drawn
from within the limits of the data sheets: the same distributions that the budget supposes.

The true value is what the work costs in the long run, window for window: the spread over windows is an error, too. It
is computed from the board's own physics without the scatter of its batches.

Prints for each stratum and figure, and for the differences between both runs, how often the truth lies within U95, the
median of |error| / U95, which share of U95 would have been enough for 95 % of cases, and the root mean square of
error / u (1 where u is just right; more with few windows, whose u is itself a guess). With --terms also, for each term
of the budget, the standard uncertainty that was charged and the standard deviation of what was drawn.
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
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np

import powerlab as pl
from powerlab.bench import Bench
from powerlab.benchfile import BenchFile
from powerlab.calibrating import Load, calibrate
from powerlab.calibration import CalibrationFile
from powerlab.capture import Plan, Stop, capture
from powerlab.marker import WireMarker
from powerlab.progress import Silence
from powerlab.simulation import bench_text
from powerlab.workload import Timed
from powerlab.workload.synthetic import SyntheticWorkload
from powerlab.zeroing import NoZero, zero_entry
from powerlab_analysis import model
from powerlab_analysis.clocks import HOST_JITTER
from powerlab_analysis.compare import compare
from powerlab_analysis.measured import Measured
from powerlab_analysis.result import Result
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.board import IDLE_POWER, Board
from powerlab_instruments.simulated.supplies import off
from powerlab_instruments.simulated.wire import VirtualClock, Wire
from powerlab_traces.record import RecordKind
from powerlab_traces.run import Run

BOARDS = itertools.count()  # GPIB boards of this process
LOWEST, HIGHEST = 0.94, 0.97  # what the coverage should be
CHANCE = 3.0  # standard deviations of a count that are put down to chance
BATCH = 2
PAUSE = 0.04  # s between windows: ten time constants of the board's ramps
SPREAD = 0.02  # of the windows' lengths, half-width
# s between a zero or a calibration and the windows. A zero holds for an hour.
SOONEST, LATEST = 300.0, 3300.0
ZEROS = {"once": 1, "twice": 2}  # before the runs

# [marker] and the rest of bench.toml by alignment.
WIRING = {
    "marker recorded": {},
    "trigger only": {'output = "wire': 'input = "EXT"\noutput = "wire'},
    "no wire": {'output = "wire': 'output = "none"\n# output = "wire'},
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One bench and what is captured on it; drawn from its seed."""

    seed: int
    alignment: str
    zero: str  # "before each run", "once", "twice" (the second one counts, and both say how far it moved) or "never"
    calibrated: bool
    turns: int
    auto: bool
    lead: float  # ohm
    lead_limit: float  # ohm
    windows: tuple[int, int]
    seconds: tuple[float, float]
    away: tuple[float, float]  # s from zero or calibration to the run, or since the run before

    @classmethod
    def drawn(cls, seed: int) -> "Case":
        draw = random.Random(seed)
        return cls(
            seed=seed,
            alignment=draw.choice(list(WIRING)),
            zero=draw.choice(["before each run", "once", "twice", "never", "never"]),
            calibrated=draw.random() < 0.5,
            turns=draw.choice([1, 1, 5]),
            auto=draw.random() < 0.5,
            lead=draw.choice([0.0, 0.2]),
            lead_limit=draw.choice([0.0, 0.05]),
            windows=(draw.randint(5, 12), draw.randint(5, 12)),
            seconds=(draw.uniform(0.05, 0.2), draw.uniform(0.05, 0.2)),
            away=(draw.uniform(SOONEST, LATEST), draw.uniform(SOONEST, LATEST)),
        )

    @property
    def zeroed(self) -> bool:
        return self.zero != "never"

    @property
    def strata(self) -> tuple[str, ...]:
        zeroed = "zeroed" if self.zeroed else "not zeroed"
        calibrated = "calibrated" if self.calibrated else "not calibrated"
        return (
            "all",
            zeroed,
            calibrated,
            f"{calibrated}, {zeroed}",
            f"zeroed {self.zero}" if self.zeroed else "",
            self.alignment,
            f"turns {self.turns}",
            "screen chosen" if self.auto else "screen given",
            "lead" if self.lead else "remote sense",
            "few windows" if min(self.windows) < 8 else "more windows",
        )

    def text(self, sim: SimulatedBench, boot: float) -> str:
        """The bench.toml; with `boot` (s) powerlab switches the board on."""
        text = bench_text(turns=self.turns, **dataclasses.asdict(sim.resources))
        limit = self.lead_limit if self.lead else 0.0
        changes = {
            "boot_time = 0.5": f"lead_resistance = {self.lead}\nlead_resistance_limit = {limit}\nboot_time = {boot}",
            "centre = 0.4": "centre = 0.4\nrecord = 1.0\nsample_rate = 20e3",
            **WIRING[self.alignment],
        }
        if self.auto:
            changes |= {"full_scale = 0.8": 'full_scale = "auto"', "centre = 0.4\n": ""}
        if self.turns == 5:
            changes["current_limit = 2.0"] = "current_limit = 1.5"
        if self.zero != "before each run":
            changes['output = "on"'] = 'output = "leave"'
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        return text


class Late:
    """The wire's marker on a host that is not real-time: its stamps scatter around the edges."""

    def __init__(self, marker: WireMarker, seed: int) -> None:
        self._marker, self._random = marker, random.Random(seed)

    def high(self) -> int:
        return self._marker.high() + self._late()

    def low(self) -> int:
        return self._marker.low() + self._late()

    def close(self) -> None:
        self._marker.close()

    def _late(self) -> int:
        return round(self._random.gauss(0.0, HOST_JITTER) * 1e9)


class Spaced(SyntheticWorkload):
    """A workload whose windows all begin alike: the board has come to rest after the one before."""

    def run(self, windows: int, seconds: float, gap: float = PAUSE) -> tuple[Timed, ...]:
        return super().run(windows, seconds, gap)


class Even:
    """Levels of a board whose batches all draw the same."""

    def standard_normal(self) -> float:
        return 0.0


@dataclasses.dataclass(frozen=True)
class LongRun:
    """What the work of one run costs in the long run: J an image, and W. `kept` is what its windows really cost."""

    energy_per_image: float
    power: float
    kept: float  # J an image


@dataclasses.dataclass(frozen=True)
class Captured:
    """One run, and when (s) what its current is counted from was measured; `windows` when they were, on average."""

    run: Run
    result: Result
    truth: LongRun
    origin: float
    windows: float


@contextmanager
def high(marker: WireMarker) -> Iterator[None]:
    """The load of a board that works."""
    marker.high()
    yield
    marker.low()


@contextmanager
def captures(case: Case) -> Iterator[tuple[SimulatedBench, list[Captured], list[str]]]:
    """A case's bench, its runs, and what was lost of them."""
    draw = random.Random(case.seed + 1_000_003)
    # The lead is what bench.toml says, but for what its limit allows.
    lead = case.lead + draw.uniform(-1, 1) * case.lead_limit if case.lead else 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatedBench(
            seed=case.seed,
            virtual=True,
            memory=100_000,
            turns=case.turns,
            lead_resistance=lead,
            gpib_board=next(BOARDS) % 1000,
        ) as sim,
        Wire(sim.resources.wire) as wire,
    ):
        clock = VirtualClock(wire)
        calibration, origin = _prepared(case, sim, wire, clock)
        found, lost = [], []
        for k, (windows, seconds, away) in enumerate(zip(case.windows, case.seconds, case.away, strict=True)):
            own = case.zero == "before each run"
            clock.sleep(LATEST if own else away)
            text = case.text(sim, away)
            began = clock.now() * 1e-9
            path = Path(folder) / f"{k}.h5"
            with Bench(BenchFile.parse(text, "bench.toml"), text, clock=clock, calibration=calibration) as bench:
                marker = Late(WireMarker(wire, clock), case.seed)
                workload = Spaced(clock, marker, seconds, spread=SPREAD, seed=2 * case.seed + k)
                plan = Plan("synthetic", BATCH, windows=windows, idle=0.3, warmup=1)
                capture(bench, workload, plan, path, progress=Silence(), stop=Stop())
            run = pl.open_run(path)
            result = pl.analyse(path)
            lost += [f"{case.alignment}, window of {seconds:.2g} s: {it.reason}" for it in result.dropped]
            if result.truth is not None and "energy_per_image" in result.measured:
                truth, middle = long_run(sim, run, result, seconds)
                found.append(Captured(run, result, truth, began if own else origin, middle))
            else:
                lost.append(f"{case.alignment}, run {k}: {[it.text for it in result.verdicts]}")
        yield sim, found, lost


def _prepared(case: Case, sim: SimulatedBench, wire: Wire, clock: VirtualClock) -> tuple[CalibrationFile | None, float]:
    """The bench before the first run: zeroed, switched on and calibrated as the case says; and when that was, in s."""
    text, origin = case.text(sim, 0.5), 0.0
    with Bench(BenchFile.parse(text, "bench.toml"), text, clock=clock) as bench:
        for k in range(ZEROS.get(case.zero, 0)):
            if k:
                clock.sleep(case.away[0])
            bench.set_up_scope()
            bench.calibration = bench.calibration.with_zero(zero_entry(bench, seconds=0.3))
            origin = clock.now() * 1e-9
        if case.zero != "before each run":
            it = bench.file.supply
            bench.supply.prepare_output(
                voltage=it.voltage, current_limit=it.current_limit, over_voltage=it.over_voltage
            )
            bench.supply.switch_on()
            clock.sleep(2.0)
        if case.calibrated:
            loads = [Load("idle", nullcontext), Load("busy", lambda: high(WireMarker(wire, clock)))]
            calibrate(bench, loads, Silence(), power=True)
        if case.zero == "never":
            origin = clock.now() * 1e-9
        return bench.calibration, origin


def long_run(sim: SimulatedBench, run: Run, result: Result, seconds: float) -> tuple[LongRun, float]:
    """What the kept windows of a run would have cost, had each batch drawn the same and lasted as long; and when."""
    true = sim.board.truth()
    starts = np.array([it.start for it in true])
    hosts = {it.index: it for it in run.windows}
    kept = [true[int(np.abs(starts - hosts[it.window.index].start).argmin())] for it in result.kept]
    even = Board(sim.board.marker, Even(), lead_resistance=sim.board.lead_resistance)  # type: ignore[arg-type]
    even.feed(sim.board.source(kept[0].start))
    energy = sum(even.energy(it.start, it.stop) for it in kept)
    length = sum(it.stop - it.start for it in kept) * 1e-9
    power = energy / length
    each = energy / len(kept) + power * (seconds - length / len(kept))
    truth = LongRun(each / BATCH, each / seconds, sum(it.energy for it in kept) / len(kept) / BATCH)
    return truth, float(starts[[true.index(it) for it in kept]].mean()) * 1e-9


# What was drawn, term by term.

REST = "all others"
SPREAD_TERM, IDLE_DRIFT = "spread over windows", model.DRIFT_BETWEEN.name


def terms(case: Case, sim: SimulatedBench, it: Captured) -> dict[str, tuple[float, float]]:
    """What each term of the energy's budget really was, and its charged standard uncertainty; both relative.

    The drift between idle and windows is that of net power.
    """
    drawn = _drawn(case, sim, it)
    value = it.result.measured["energy_per_image"]
    power = it.truth.power
    relative = {name: error / power for name, error in drawn.items()}
    relative[SPREAD_TERM] = it.truth.kept / it.truth.energy_per_image - 1
    relative[REST] = value.value / it.truth.energy_per_image - 1 - sum(relative.values())
    charged = _by_name(value, relative)
    found = {name: (error, charged[name] / value.value) for name, error in relative.items()}
    if "power_net" in it.result.measured:
        net = it.result.measured["power_net"]
        idle = [record for record in it.run.records if record.kind is RecordKind.IDLE]
        at = [record.armed * 1e-9 for record in idle]
        between = _drift(sim, it.windows) - sum(_drift(sim, when) for when in at) / len(at)
        part = _by_name(net, {IDLE_DRIFT})[IDLE_DRIFT]
        voltage = sim.board.source(round(it.windows * 1e9)).voltage
        found[IDLE_DRIFT] = between * voltage / net.value, part / net.value
    return found


def _drawn(case: Case, sim: SimulatedBench, it: Captured) -> dict[str, float]:
    """The errors of mean power in W, those of gain and offset of probe, scope, supply, lead and time base."""
    chain, front = it.result.setup.chain, sim.digitiser
    zeroed = bool(it.result.setup.zeros)  # a zero that clips is not applied
    voltage = sim.board.source(round(it.windows * 1e9)).voltage
    current = it.truth.power / (voltage - it.result.setup.currents["windows"] * sim.board.lead_resistance)
    probe = sim.probe.gain_error
    scope = float(front.gains[0]) * (4 / 3 if chain.scope_gain_limit > 0.035 * chain.full_scale else 1.0)
    moved = _drift(sim, it.windows) - _drift(sim, it.origin)
    found = {
        model.VOLTAGE.name: current * (off(voltage, sim.supply.off_by.voltage_reading) - voltage),
        model.LEAD_RESISTANCE.name: -(current**2) * (case.lead - sim.board.lead_resistance),
        model.TIME_BASE.name: front.time_error * it.truth.power,
    }
    offset, at_scope = sim.probe.offset / case.turns, float(front.offsets[0]) * chain.scope_offset_limit
    if not case.calibrated:
        found[model.PROBE_GAIN.name] = probe * current * voltage
        found[model.SCOPE_GAIN.name] = scope * (current - (0.0 if zeroed else chain.centre)) * voltage
        if zeroed:
            found[model.OFFSET_DRIFT.name] = moved * voltage
        else:
            found[model.PROBE_OFFSET.name] = (offset + _drift(sim, it.windows)) * voltage
            found[model.SCOPE_OFFSET.name] = at_scope * voltage
        return found
    gain, added = sim.supply.off_by.current_reading
    [line] = [line for line in chain.lines if line.screen in it.result.setup.screens]
    seen = (1 + probe) * (1 + scope) * current
    if zeroed:
        added, shown = 0.0, seen / line.gain
    else:
        zero = (1 + scope) * (offset + _drift(sim, it.origin)) - scope * chain.centre + at_scope
        shown = (seen + zero - line.offset) / line.gain
    found[model.CALIBRATION.name] = (gain * current + added) * voltage
    found[model.CALIBRATION_FIT] = (shown - current * (1 + gain) - added) * voltage
    found[model.OFFSET_DRIFT.name] = moved * voltage
    return found


def _drift(sim: SimulatedBench, at: float) -> float:
    """By how much the probe's offset has moved, in A of the lead."""
    return sim.probe.drifted(at) / sim.probe.turns


def _by_name(value: Measured, names: Iterable[str]) -> dict[str, float]:
    """The standard uncertainties of these terms; what begins with no other name counts as the rest."""
    found = dict.fromkeys(names, 0.0)
    for source, part in value.parts.items():
        name = next((it for it in found if source.name.startswith(it)), REST)
        if name in found:
            found[name] = math.hypot(found[name], part)
    return found


# The table.

Ratio = tuple[float, float]  # error over U95, and over u


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one bench says: its ratios by figure, and its terms."""

    case: Case
    ratios: dict[str, Ratio]
    terms: tuple[dict[str, tuple[float, float]], ...]
    lost: tuple[str, ...]  # why runs had no result, or not all of their windows


def look(seed: int) -> Seen:
    """Capture, analyse and compare one case. A bench that powerlab refuses to measure on has no figures."""
    case = Case.drawn(seed)
    try:
        with captures(case) as (sim, found, lost):
            return look_at(case, sim, found, lost)
    except NoZero as refusal:
        return Seen(case, {}, (), (f"refused: {refusal}",))


def look_at(case: Case, sim: SimulatedBench, found: Sequence[Captured], lost: Sequence[str]) -> Seen:
    """What the runs of a case say."""
    ratios = dict(ratios_of(found[0])) if found else {}
    if len(found) == 2:
        ratios |= dict(_difference_ratios(*found))
    return Seen(case, ratios, tuple(terms(case, sim, it) for it in found), tuple(lost))


def _truths(it: Captured) -> dict[str, float]:
    return {
        "energy_per_image": it.truth.energy_per_image,
        "power_total": it.truth.power,
        "power_idle": IDLE_POWER,
        "power_net": it.truth.power - IDLE_POWER,
    }


def ratios_of(it: Captured) -> Iterator[tuple[str, Ratio]]:
    for name, true in _truths(it).items():
        if (value := it.result.measured.get(name)) is not None:
            yield name, ((value.value - true) / value.U95, (value.value - true) / value.u)


def _difference_ratios(first: Captured, second: Captured) -> Iterator[tuple[str, Ratio]]:
    a, b = _truths(first), _truths(second)
    for it in compare(first.result, second.result).differences:
        if it.name in a and it.name != "power_idle":
            error = it.difference.value - (b[it.name] - a[it.name])
            u = math.hypot(*(term.uncertainty for term in it.budget))
            yield f"difference of {it.name}", (error / it.difference.U95, error / u)


def table(seen: Iterable[Seen]) -> tuple[list[str], int]:
    """Lines for people, and how many of them are outside what chance explains."""
    ratios: defaultdict[tuple[str, str], list[Ratio]] = defaultdict(list)
    lost: list[str] = []
    for it in seen:
        lost += [f"bench {it.case.seed}: {why}" for why in it.lost]
        for stratum, (figure, ratio) in itertools.product(it.case.strata, it.ratios.items()):
            if stratum:
                ratios[stratum, figure].append(ratio)
    lines, outside = [], 0
    for (stratum, figure), found in sorted(ratios.items()):
        n = len(found)
        of_half, of_u = np.abs(np.array(found)).T
        inside = float((of_half <= 1).mean())
        slack = CHANCE * math.sqrt(0.05 * 0.95 / n)
        wrong = not LOWEST - slack <= inside <= HIGHEST + slack
        outside += wrong
        lines.append(
            f"{stratum:26} {figure:30} n = {n:5}  within U95 {inside:6.1%}  median |error|/U95 "
            f"{float(np.median(of_half)):.2f}  95 % within {float(np.quantile(of_half, 0.95)):.2f} U95  rms error/u "
            f"{math.sqrt(float((of_u**2).mean())):.2f}"
            f"{'  OUTSIDE' if wrong else ''}"
        )
    return [*lines, f"{len(lost)} windows or runs lost", *lost[:20]], outside


def by_term(seen: Iterable[Seen]) -> dict[str, tuple[float, float, int]]:
    """Of each term the charged and the drawn standard uncertainty, and of how many runs; both root mean squares."""
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for it in seen:
        for run in it.terms:
            for name, (drawn, charged) in run.items():
                if drawn or charged:
                    found[name].append((charged, drawn))
    return {
        name: (*np.sqrt(np.square(np.array(pairs)).mean(axis=0)).tolist(), len(pairs))
        for name, pairs in sorted(found.items())
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benches", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--terms", action="store_true")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.benches)
    with ProcessPoolExecutor(options.jobs) as pool:
        seen = list(pool.map(look, seeds, chunksize=5))
    lines, outside = table(seen)
    print("\n".join(lines))
    if options.terms:
        print(f"\n{'term of energy per image':40} {'charged':>10} {'drawn':>10} {'drawn/charged':>14} {'runs':>6}")
        for name, (charged, drawn, n) in by_term(seen).items():
            ratio = f"{drawn / charged:14.2f}" if charged else f"{'not charged':>14}"
            print(f"{name:40} {charged:10.3%} {drawn:10.3%} {ratio} {n:6}")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
