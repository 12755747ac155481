"""How far windows' edges lie from the truth, by each alignment, and whether their stated uncertainty says so.

    python tests/benchmarks/edges.py [--cases 100] [--seed 0]

Plants windows in traces of plain numpy: ramps of several shapes, ripple, layers of unlike power and droop like those of
a real board, noise from a tenth to two thirds of the step, two clocks that run apart, a host that stamps late. Prints
for each alignment and step-to-noise ratio how many windows were kept, the median and the largest of each record's worst
edge, how often that lies beyond what is promised (a sample, 50 us, 0.5 ms), and how often an edge lies within twice its
standard uncertainty. Then the same for the search without any times (5 ms).
Exit status 1 where at 3:1 or better more than 2 % of records break the promise, or where the coverage is less than 90 %
by more than chance explains.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass, field

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
RATIOS = (10.0, 5.0, 3.0, 1.5)  # of step to noise, per sample
STEP = 60  # codes
# s; at a step-to-noise ratio of 3 or better
LIMITS = {Tie.MARKER: 2 * INTERVAL, Tie.TRIGGER: 50e-6, Tie.PATTERN: 0.5e-3}
SEARCHED = 5e-3  # s
RARE = 0.02  # of records that may break the promise: one window with a slow ramp, where its uncertainty says so
LEAST = 0.90  # of edges within twice their standard uncertainty
CHANCE = 2.6  # standard deviations of a count that are put down to chance


@dataclass(frozen=True)
class Planted:
    """A record, the host's windows in it, and where they really were, in s on the record's clock [n, 2]."""

    record: Record
    hosts: tuple[HostWindow, ...]
    truth: np.ndarray


def planted(rng: np.random.Generator, ratio: float, *, jitter: float = 1e-4) -> Planted:
    """A record with windows; the host stamps each edge with `jitter` (s, standard deviation)."""
    length, gap = float(np.exp(rng.uniform(np.log(0.04), np.log(0.6)))), float(np.exp(rng.uniform(-5.3, -2.5)))
    most = int((SECONDS - PRE - 0.1) / (length * 1.02 + gap))
    number = int(rng.integers(1, min(most, 25) + 1))
    lengths = length * rng.uniform(0.98, 1.02, number)
    starts = np.concatenate([[0.0], np.cumsum(lengths + gap)[:-1]])
    truth = np.stack([starts, starts + lengths], axis=1)
    current = _current(rng, truth)
    noise = rng.normal(0.0, 1 / ratio, len(current))
    codes = np.round((0.15 + current + noise) * STEP).astype(np.int32)
    trace = Trace(codes, INTERVAL, "A", start=-PRE, scale=1 / STEP)
    times = trace.times
    high = ((times[:, None] >= truth[:, 0]) & (times[:, None] < truth[:, 1])).any(axis=1)
    rate = 1 + rng.uniform(-25e-6, 25e-6)
    stamps = EPOCH + np.round((truth * rate + rng.normal(0.0, jitter, truth.shape)) * 1e9).astype(np.int64)
    hosts = tuple(HostWindow(int(start), int(stop), k, 0, 1) for k, (start, stop) in enumerate(stamps))
    reading = SupplyReading(time=0, voltage=19.0, current=0.3, regulation="CV", limited=False)
    # Fetching takes from nothing to a second.
    fetched = EPOCH + round((SECONDS - PRE + rng.uniform(0.0, 1.0)) * 1e9)
    armed = EPOCH - round(rng.uniform(0.0, 0.05) * 1e9)
    marker = Trace(high.astype(np.uint8), INTERVAL, "", start=-PRE)
    record = Record(0, RecordKind.ACTIVE, trace, marker, np.zeros(0, np.int64), armed, fetched, reading, reading)
    return Planted(record, hosts, truth)


def _current(rng: np.random.Generator, truth: np.ndarray) -> np.ndarray:
    """What a board with a step of 1 draws: ramps, droop, layers and ripple."""
    seconds = -PRE + (np.arange(round(SECONDS / INTERVAL)) + 0.5) * INTERVAL
    shape = rng.choice(["sharp", "exponential", "straight"])
    up, down = np.exp(rng.uniform(np.log(2e-4), np.log(5e-3), 2))
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
        current[first:fall] *= 1 + structure + 0.025 * np.sin(2 * np.pi * 1400 * since)
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
    inside: list[bool] = field(default_factory=list)  # whether an edge of each record lies within 2 u

    def add(self, case: Planted, found: tuple[np.ndarray, np.ndarray] | None, rng: np.random.Generator) -> None:
        """Count one record; of its edges, which are off together, one says whether the uncertainty is right."""
        self.windows += len(case.hosts)
        if found is None or not found[0].size:
            return
        error, u = found
        self.kept += len(error)
        self.largest.append(float(np.abs(error).max()))
        pick = int(rng.integers(error.size))
        self.inside.append(bool(abs(error.flat[pick]) <= 2 * u.flat[pick]))

    @property
    def coverage(self) -> float:
        """Share of edges within twice their standard uncertainty."""
        return float(np.mean(self.inside))

    def beyond(self, limit: float) -> float:
        """Share of records with an edge further off than this."""
        return float(np.mean(np.array(self.largest) > limit + 1e-9))


def row(tie: Tie | None, ratio: float, cases: int, seed: int) -> Row:
    """Plant and align so many records; None searches for windows without any times."""
    rng = np.random.default_rng((seed, round(ratio * 10)))
    found = Row()
    for _ in range(cases):
        # What a trigger promises is of a host that stamps exactly; its own jitter comes on top, and is stated.
        case = planted(rng, ratio, jitter=0.0 if tie is Tie.TRIGGER else 1e-4)
        if tie is None:
            found.add(case, blind_errors(case, find_windows(case.record.current)), rng)
        else:
            found.add(case, errors(case, aligned(case, tie)), rng)
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100, help="records for each row")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong = []
    heads = ("alignment", "step:noise", "windows", "kept", "median", "largest", "beyond", "in 2 u", "s/record")
    print("".join(f"{head:>11}" for head in heads))
    for tie in (*Tie, None):
        for ratio in RATIOS:
            started = time.perf_counter()
            found = row(tie, ratio, options.cases, options.seed)
            took = (time.perf_counter() - started) / options.cases
            name, limit = (tie.value, LIMITS[tie]) if tie else ("searched", SEARCHED)
            middle, most = (f"{it * 1e6:.0f} us" for it in (np.median(found.largest), max(found.largest)))
            print(
                f"{name:>11}{ratio:11g}{found.windows:11}{found.kept / found.windows:11.1%}{middle:>11}{most:>11}"
                f"{found.beyond(limit):11.1%}{found.coverage:11.1%}{took:11.3f}"
            )
            margin = CHANCE * math.sqrt(LEAST * (1 - LEAST) / len(found.inside))
            if tie and found.coverage < LEAST - margin:
                wrong.append(f"{name} at {ratio:g}:1: {found.coverage:.1%} within 2 u, should be {LEAST:.0%} or more")
            if tie and ratio >= 3 and found.beyond(limit) > RARE:
                wrong.append(f"{name} at {ratio:g}:1: {found.beyond(limit):.1%} of records beyond {limit * 1e6:g} us")
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
