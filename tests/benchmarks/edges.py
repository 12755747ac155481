"""How far windows' edges lie from the truth, by each alignment, and whether their stated uncertainty says so.

    python tests/benchmarks/edges.py [--cases 300] [--seed 0]

Plants windows in traces of plain numpy: ramps of several shapes, ripple, layers of unlike power and droop like those of
a real board, noise from a tenth to two thirds of the step, two clocks that run apart, and a host that stamps late. Prints
for each alignment and step-to-noise ratio how many windows were kept, the median and the largest error of an edge, and
how often it lies within twice its standard uncertainty. Then the same for the search without any times.
Exit status 1 where an error is larger than promised (a sample, 50 us, 0.5 ms at 3:1 or better) or the coverage lies
outside 90 to 99 % (99.9 % for triggers, whose uncertainty must provide for slower hosts) by more than chance explains.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass

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


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong = []
    print(f"{'alignment':10}{'step:noise':>10}{'windows':>9}{'kept':>7}{'median':>10}{'largest':>10}{'in 2 u':>8}{'s/record':>10}")
    for tie in (*Tie, None):
        for ratio in RATIOS:
            rng = np.random.default_rng((options.seed, round(ratio * 10)))
            sizes, inside, number, kept = [], [], 0, 0
            started = time.perf_counter()
            for _ in range(options.cases):
                # Stamps are exact for the promise on triggers: what the host's jitter adds is not the alignment's.
                case = planted(rng, ratio, jitter=0.0 if tie is Tie.TRIGGER else 1e-5)
                found = blind_errors(case, find_windows(case.record.current)) if tie is None else errors(
                    case, aligned(case, tie)
                )
                number += len(case.hosts)
                if found is None or not len(found[0]):
                    continue
                kept += len(found[0])
                sizes.append(np.abs(found[0]).max())
                pick = rng.integers(found[0].size)  # one edge a record: those of one record are off together
                inside.append(abs(found[0].flat[pick]) <= 2 * found[1].flat[pick])
            took = (time.perf_counter() - started) / options.cases
            name = "searched" if tie is None else tie.value
            share = float(np.mean(inside)) if inside else math.nan
            print(
                f"{name:10}{ratio:10g}{number:9}{kept / number:7.1%}{np.median(sizes) * 1e6:7.0f} us"
                f"{np.max(sizes) * 1e6:7.0f} us{share:8.1%}{took:10.3f}"
            )
            if tie is None:
                continue
            over = int(np.sum(np.array(sizes) > LIMITS[tie] + 1e-9))
            if ratio >= 3 and over:
                wrong.append(f"{name} at {ratio:g}:1: {over} of {len(sizes)} records beyond {LIMITS[tie] * 1e6:g} us")
            margin = CHANCE * math.sqrt(0.05 * 0.95 / max(len(inside), 1))
            if share < 0.90 - margin:
                wrong.append(f"{name} at {ratio:g}:1: {share:.1%} within 2 u")
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
