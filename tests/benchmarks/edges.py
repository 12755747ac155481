"""How far windows' edges lie from the truth, by each alignment, and whether their stated uncertainty says so.

    python tests/benchmarks/edges.py [--cases 300] [--seed 0] [--only pattern]

Plants windows in traces of plain numpy: ramps of several shapes, ripple, layers of unlike power and droop like those of
a real board, noise from a tenth of the step to all of it, two clocks that run apart, a host that stamps late. Prints
for each case how many windows were kept, the median and the largest of each record's worst edge, how often that lies
beyond what is promised (a sample, 50 us, 0.5 ms; 5 ms for the search without any times), how often an edge lies within
its U95, 1.96 standard uncertainties, and the median of these. Without a wire there are cases that promise nothing but
an honest uncertainty: ramps of 0.1 to 20 ms, ripple, batches with gaps in a window, windows of unlike length, a host
that stamps late by up to milliseconds.
Exit status 1 where at 3:1 or better more than 1 % of records break the promise, or where the coverage is less than 95 %
by more than chance explains.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from powerlab_analysis.alignment import Alignment, Tie, align
from powerlab_analysis.changepoint import Found, find_windows
from powerlab_traces.chain import SupplyReading
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

INTERVAL = 20e-6  # s
SECONDS = 2.0
PRE = 0.2  # s before the trigger
EPOCH = 10**12  # ns of the host's clock at the trigger
RATIOS = (10.0, 5.0, 3.0, 2.0, 1.5, 1.0)  # of step to noise, per sample
RAMPS = (1e-4, 3e-4, 1e-3, 3e-3, 5e-3, 1e-2, 2e-2)  # s
STEP = 60  # codes
# s; at a step-to-noise ratio of 3 or better
LIMITS = {Tie.MARKER: 2 * INTERVAL, Tie.TRIGGER: 50e-6, Tie.PATTERN: 0.5e-3}
SEARCHED = 5e-3  # s
RARE = 0.01  # of records that may break the promise: one window with a slow ramp, where its uncertainty says so
LEAST = 0.95  # of edges within their U95
CHANCE = 2.6  # standard deviations of a count that are put down to chance


@dataclass(frozen=True)
class Plan:
    """What windows are planted in, by default what most boards and hosts do.

    `ratio` is that of the step to the noise of a sample, `ramp` (s) the least and the greatest length of a ramp,
    `shape` its kind, any of them if "". `jitter` (s) is the standard deviation of a host's stamp, `unequal` by how much
    windows differ in length, relatively, `ripple` the amplitude of a sine of 1.4 kHz. A window is interrupted
    `interrupted` times for some milliseconds, as between batches.
    """

    ratio: float = 3.0
    ramp: tuple[float, float] = (2e-4, 5e-3)
    shape: str = ""
    jitter: float = 1e-4
    unequal: float = 0.02
    ripple: float = 0.025
    interrupted: int = 0
    windows: int = 25


MORE = {
    "ripple of 15 %": Plan(ripple=0.15),
    "the same, 10:1": Plan(10.0, ripple=0.15),
    "gaps in windows": Plan(interrupted=2),
    "unequal windows": Plan(unequal=0.6),
    "jitter of 0.3 ms": Plan(jitter=3e-4),
    "jitter of 1 ms": Plan(jitter=1e-3),
}


@dataclass(frozen=True)
class Planted:
    """A record, the host's windows in it, and where they really were, in s on the record's clock [n, 2]."""

    record: Record
    hosts: tuple[HostWindow, ...]
    truth: np.ndarray


def planted(rng: np.random.Generator, plan: Plan) -> Planted:
    """A record with windows."""
    length, gap = float(np.exp(rng.uniform(np.log(0.04), np.log(0.6)))), float(np.exp(rng.uniform(-5.3, -2.5)))
    most = int((SECONDS - PRE - 0.1) / (length * (1 + plan.unequal) + gap))
    number = int(rng.integers(1, min(most, plan.windows) + 1))
    lengths = length * rng.uniform(1 - plan.unequal, 1 + plan.unequal, number)
    starts = np.concatenate([[0.0], np.cumsum(lengths + gap)[:-1]])
    truth = np.stack([starts, starts + lengths], axis=1)
    current = _current(rng, truth, plan)
    noise = rng.normal(0.0, 1 / plan.ratio, len(current))
    codes = np.round((0.15 + current + noise) * STEP).astype(np.int32)
    trace = Trace(codes, INTERVAL, "A", start=-PRE, scale=1 / STEP)
    times = trace.times
    high = ((times[:, None] >= truth[:, 0]) & (times[:, None] < truth[:, 1])).any(axis=1)
    rate = 1 + rng.uniform(-25e-6, 25e-6)
    stamps = EPOCH + np.round((truth * rate + rng.normal(0.0, plan.jitter, truth.shape)) * 1e9).astype(np.int64)
    hosts = tuple(HostWindow(int(start), int(stop), k, 0, 1) for k, (start, stop) in enumerate(stamps))
    reading = SupplyReading(time=0, voltage=19.0, current=0.3, regulation="CV", limited=False)
    # Fetching takes from nothing to a second.
    fetched = EPOCH + round((SECONDS - PRE + rng.uniform(0.0, 1.0)) * 1e9)
    armed = EPOCH - round(rng.uniform(0.0, 0.05) * 1e9)
    marker = Trace(high.astype(np.uint8), INTERVAL, "", start=-PRE)
    record = Record(0, RecordKind.ACTIVE, trace, marker, np.zeros(0, np.int64), armed, fetched, reading, reading)
    return Planted(record, hosts, truth)


def _current(rng: np.random.Generator, truth: np.ndarray, plan: Plan) -> np.ndarray:
    """What a board with a step of 1 draws: ramps, droop, layers and ripple."""
    seconds = -PRE + (np.arange(round(SECONDS / INTERVAL)) + 0.5) * INTERVAL
    shape = plan.shape or rng.choice(["sharp", "exponential", "straight"])
    up, down = np.exp(rng.uniform(*np.log(plan.ramp), 2))
    current = np.zeros(len(seconds))
    left = 0.0
    bounds = [*truth[1:, 0], math.inf]
    for (start, stop), following in zip(truth.tolist(), bounds, strict=True):
        first, fall, after = np.searchsorted(seconds, [start, stop, following])
        since, gone = seconds[first:fall] - start, seconds[fall:after] - stop
        level = 1 + 0.005 * rng.standard_normal()
        if shape == "sharp":
            current[first:fall] = level
        elif shape == "straight":
            current[first:fall] = np.minimum(left + since / up, level)
            current[fall:after] = np.maximum(current[fall - 1] - gone / down, 0.0)
        else:
            current[first:fall] = level + (left - level) * np.exp(-since / up)
            current[fall:after] = current[fall - 1] * np.exp(-gone / down)
        structure = -0.02 * (1 - np.exp(-since / 0.4)) + 0.015 * ((since / 0.0173).astype(int) & 1)
        for pause in rng.uniform(0.1, 0.9, plan.interrupted) * (stop - start):
            structure[(since >= pause) & (since < pause + 4e-3)] = -0.5
        current[first:fall] *= 1 + structure + plan.ripple * np.sin(2 * np.pi * 1400 * since)
        left = float(current[after - 1])
    return current


def aligned(case: Planted, tie: Tie) -> Alignment:
    """The windows by one alignment; the marker is not looked at where it is not that."""
    bit = 0 if tie is Tie.MARKER else None
    return align(case.record, case.hosts, bit, tie)


def errors(case: Planted, found: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the kept windows' edges and their standard uncertainties, in s [n, 2]."""
    edges = np.array([[it.window.start, it.window.stop] for it in found.kept]).reshape(-1, 2)
    own = np.array([[it.edges.start, it.edges.stop] for it in found.kept]).reshape(-1, 2)
    shift = np.array([it.edges.shift for it in found.kept]).reshape(-1, 1)
    truth = case.truth[[it.host.index for it in found.kept]].reshape(-1, 2)
    return edges - truth, np.hypot(own, shift)


def blind_errors(case: Planted, found: Found) -> tuple[np.ndarray, np.ndarray] | None:
    """The same for windows that were searched; None unless just the planted ones were found."""
    edges = np.array([[it.start, it.stop] for it in found.windows]).reshape(-1, 2)
    if len(edges) != len(case.truth) or np.abs(edges - case.truth).max() > 0.02:
        return None
    return edges - case.truth, np.array([[it.start, it.stop] for it in found.edges])


@dataclass
class Row:
    """What came of the cases of one alignment at one step-to-noise ratio."""

    windows: int = 0
    kept: int = 0
    largest: list[float] = field(default_factory=list)  # of each record, s
    u: list[float] = field(default_factory=list)  # the median of each record, s
    inside: list[bool] = field(default_factory=list)  # whether an edge of each record lies within its U95

    def add(self, case: Planted, found: tuple[np.ndarray, np.ndarray] | None, rng: np.random.Generator) -> None:
        """Count one record; of its edges, which are off together, one says whether the uncertainty is right."""
        self.windows += len(case.hosts)
        if found is None or not found[0].size:
            return
        error, u = found
        self.kept += len(error)
        self.largest.append(float(np.abs(error).max()))
        pick = int(rng.integers(error.size))
        self.u.append(float(np.median(u)))
        self.inside.append(bool(abs(error.flat[pick]) <= 1.96 * u.flat[pick]))

    @property
    def coverage(self) -> float:
        """Share of edges within their U95."""
        return float(np.mean(self.inside))

    def beyond(self, limit: float) -> float:
        """Share of records with an edge further off than this."""
        return float(np.mean(np.array(self.largest) > limit + 1e-9))


def row(tie: Tie | None, plan: Plan, cases: int, seed: int) -> Row:
    """Plant and align so many records; None searches for windows without any times."""
    # What a trigger promises is of a host that stamps exactly; its own jitter comes on top, and is stated.
    plan = replace(plan, jitter=0.0) if tie is Tie.TRIGGER else plan
    found = Row()
    for number in range(cases):
        rng = np.random.default_rng((seed, number))
        case = planted(rng, plan)
        if tie is None:
            found.add(case, blind_errors(case, find_windows(case.record.current)), rng)
        else:
            found.add(case, errors(case, aligned(case, tie)), rng)
    return found


def plans() -> Iterator[tuple[Tie | None, str, Plan]]:
    """The rows of the table: each alignment at each ratio; without a wire what else boards and hosts may do."""
    for tie in (*Tie, None):
        for ratio in RATIOS:
            yield tie, f"{ratio:g}:1", Plan(ratio)
    for shape in ("exponential", "straight"):
        for ramp in RAMPS:
            yield Tie.PATTERN, f"{ramp * 1e3:g} ms {shape}", Plan(ramp=(ramp, ramp), shape=shape)
    for ratio in (3.0, 1.0):
        slow = Plan(ratio, ramp=(5e-3, 5e-3), shape="exponential", windows=1)
        yield Tie.PATTERN, f"one, 5 ms, {ratio:g}:1", slow
    for name, plan in MORE.items():
        yield Tie.PATTERN, name, plan


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100, help="records for each row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[*Tie, "searched"], help="one alignment only")
    options = parser.parse_args()
    wrong = []
    heads = ("windows", "kept", "median", "largest", "beyond", "in U95", "median u", "s/record")
    print(f"{'alignment':>11}{'case':>20}" + "".join(f"{head:>11}" for head in heads))
    for tie, case, plan in plans():
        name, limit = (tie.value, LIMITS[tie]) if tie else ("searched", SEARCHED)
        if options.only not in (None, name):
            continue
        started = time.process_time()
        found = row(tie, plan, options.cases, options.seed)
        took = (time.process_time() - started) / options.cases
        middle, most, u = (
            f"{it * 1e6:.0f} us" for it in (np.median(found.largest), max(found.largest), np.median(found.u))
        )
        print(
            f"{name:>11}{case:>20}{found.windows:11}{found.kept / found.windows:11.1%}{middle:>11}{most:>11}"
            f"{found.beyond(limit):11.1%}{found.coverage:11.1%}{u:>11}{took:11.3f}",
            flush=True,
        )
        margin = CHANCE * math.sqrt(LEAST * (1 - LEAST) / len(found.inside))
        if found.coverage < LEAST - margin:
            wrong.append(f"{name}, {case}: {found.coverage:.1%} within U95, should be {LEAST:.0%} or more")
        promised = plan in (Plan(10.0), Plan(5.0), Plan(3.0))
        if promised and found.beyond(limit) > RARE:
            wrong.append(f"{name}, {case}: {found.beyond(limit):.1%} of records beyond {limit * 1e6:g} us")
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
