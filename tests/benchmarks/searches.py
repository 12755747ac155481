"""Windows searched in captures of many kinds without marks: found, missed, wrong, and what their confidence is worth.

    python tests/benchmarks/searches.py [--cases 40] [--seed 0] [--only drift]

Captures have 100 to 50 000 samples a second, 5 000 to 200 000 samples, 1 to 50 windows, ramps or none, a step of 1.5 to
20 times the noise of a sample. A window found counts as right where both edges lie within a tenth of its length. Prints
for each kind of capture in how many all windows were found and nothing else, and how often an edge lies within its
U95; then, for ranges of confidence, how many of the windows found are windows.
Exit status 1 where edges lie within their U95 less often than 90 %, or windows are right less often than their
confidence says, both by more than chance explains.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter

from powerlab_analysis.changepoint import find_windows
from powerlab_traces.trace import Trace

RIGHT = 0.1  # of a window's length
LEAST = 0.9  # of edges within their U95
CHANCE = 2.6  # standard deviations of a count that are put down to chance
BINS = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.01)
KINDS = (
    *("plain", "noise 1.5:1", "noise 3:1", "one", "unequal", "levels", "drift", "coloured noise", "bursts"),
    *("two states", "layers", "cut off", "none"),
)


def capture(rng: np.random.Generator, kind: str) -> tuple[Trace, np.ndarray]:
    """A capture, and the windows that are whole in it, in s [n, 2]."""
    rate = float(np.exp(rng.uniform(np.log(100), np.log(50e3))))
    samples = int(np.exp(rng.uniform(np.log(5e3), np.log(2e5))))
    seconds, times = samples / rate, (np.arange(samples) + 0.5) / rate
    number = {"one": 1, "none": 0}.get(kind, int(np.exp(rng.uniform(0, np.log(50.99)))))
    ratio = {"noise 1.5:1": 1.5, "noise 3:1": 3.0}.get(kind, float(np.exp(rng.uniform(np.log(1.5), np.log(20)))))
    spans = _layout(rng, number, 0.75 if kind == "unequal" else rng.uniform(0, 0.3)) * seconds
    shortest = float((spans[:, 1] - spans[:, 0]).min()) if number else 0.0
    ramp = float(rng.choice([0, 0, 1]) * rng.uniform(0, 0.03)) * shortest
    values = np.zeros(samples)
    for start, stop in spans.tolist():
        height = 1 + (rng.uniform(-0.4, 0.4) if kind == "levels" else 0.01 * rng.normal())
        values += height * (_step(times - start, ramp) - _step(times - stop, ramp))
        inside = (times >= start) & (times < stop)
        if kind == "two states":
            change = start + (stop - start) * rng.uniform(0.3, 0.7)
            second = rng.uniform(0.3, 0.8) * rng.choice([-0.8, 1])
            values += second * (_step(times - change, ramp) - _step(times - stop, ramp))
        if kind == "layers":
            turns = rng.integers(3, 40)
            values += inside * 0.15 * np.sin(2 * np.pi * turns * (times - start) / (stop - start))
    if kind in ("drift", "none"):
        values += _drift(rng, times / seconds, none=kind == "none")
    if kind == "bursts":
        values += sum(
            _step(times - start, 0) * h - _step(times - stop, 0) * h for start, stop, h in _bursts(rng, spans)
        )
    first, last = 0, samples
    if kind == "cut off":
        first, last = np.searchsorted(times, [rng.uniform(*spans[0]), rng.uniform(*spans[-1])])
        first, last = (int(first), samples) if number == 1 or rng.integers(2) else (0, int(last))
    values = values[first:last] + _noise(rng, last - first, coloured=kind == "coloured noise") / ratio
    spans = spans - first / rate
    whole = (spans[:, 0] > 0) & (spans[:, 1] < (last - first) / rate)
    return Trace(np.round((values + 1) * 1000).astype(np.int64), 1 / rate, "A", scale=1e-3), spans[whole]


def _layout(rng: np.random.Generator, number: int, unequal: float) -> np.ndarray:
    """Windows in a second of which they take 30 to 90 % [n, 2], with idle before and behind."""
    duty = rng.uniform(0.3, 0.9)
    lengths = 1 + unequal * rng.uniform(-1, 1, number)
    gaps = np.exp(rng.normal(0, 0.3, number + 1))
    gaps[[0, -1]] *= 2
    parts = np.stack([gaps[:-1] / gaps.sum() * (1 - duty), lengths / max(lengths.sum(), 1) * duty], axis=1)
    return np.cumsum(parts.ravel()).reshape(-1, 2)


def _step(since: np.ndarray, ramp: float) -> np.ndarray:
    return np.clip(since / ramp, 0, 1) if ramp else (since >= 0).astype(np.float64)


def _drift(rng: np.random.Generator, time: np.ndarray, *, none: bool) -> np.ndarray:
    """Of an idle board; where there are no windows all the more, or none."""
    swing = np.sin(2 * np.pi * time * rng.uniform(0.3, 5 if none else 1))
    walk = np.cumsum(rng.normal(0, 1, len(time))) / math.sqrt(len(time))
    choices = [time, time**2, swing, *([walk, np.zeros(len(time))] if none else [])]
    return rng.uniform(0.5, 3) * choices[rng.integers(len(choices))]


def _bursts(rng: np.random.Generator, spans: np.ndarray) -> Iterator[tuple[float, float, float]]:
    """Short spans between windows: start, stop and height."""
    longest = 0.12 * float((spans[:, 1] - spans[:, 0]).min())
    for before, after in zip([0.0, *spans[:, 1].tolist()], spans[:, 0].tolist(), strict=False):
        for _ in range(rng.integers(0, 3) if after - before > 4 * longest else 0):
            at = rng.uniform(before + longest, after - 2 * longest)
            yield at, at + longest * rng.uniform(0.2, 1), rng.uniform(0.3, 1.2)


def _noise(rng: np.random.Generator, samples: int, *, coloured: bool) -> np.ndarray:
    """Of standard deviation 1: white, low-passed, or falling with the frequency."""
    white = rng.normal(0, 1, samples)
    if not coloured:
        return white
    if rng.integers(2):
        kept = math.exp(-1 / rng.uniform(1, 20))
        found = lfilter([1], [1, -kept], white)
    else:
        found = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.arange(1, samples // 2 + 2)), samples)
    return found / found.std()


@dataclass
class Tally:
    """What came of captures."""

    exact: int = 0
    there: int = 0
    found: int = 0
    right: int = 0
    inside: list[bool] = field(default_factory=list)  # whether an edge of each right window lies within its U95
    sure: list[tuple[float, bool]] = field(default_factory=list)  # of each window found: confidence, whether right
    none: list[tuple[float, bool]] = field(default_factory=list)  # the same where none was found

    def add(self, trace: Trace, truth: np.ndarray, rng: np.random.Generator) -> None:
        """Search one capture."""
        found = find_windows(trace)
        right = 0
        for window, u in zip(found.windows, found.edges, strict=True):
            error = np.array([window.start, window.stop]) - truth
            k = int(np.abs(error).max(axis=1).argmin()) if len(truth) else 0
            limit = max(5 * trace.interval, RIGHT * float(np.diff(truth[k])[0])) if len(truth) else 0.0
            is_right = bool(len(truth)) and float(np.abs(error[k]).max()) <= limit
            self.sure.append((found.confidence, is_right))
            right += is_right
            if is_right:
                edge = rng.integers(2)
                self.inside.append(abs(error[k, edge]) <= 1.96 * (u.start, u.stop)[edge])
        if not found.windows:
            self.none.append((found.confidence, not len(truth)))
        self.exact += right == len(found.windows) == len(truth)
        self.there += len(truth)
        self.found += len(found.windows)
        self.right += right


def tally(kind: str, cases: int, seed: int) -> Tally:
    """Search so many captures of a kind."""
    found = Tally()
    for number in range(cases):
        rng = np.random.default_rng((seed, KINDS.index(kind), number))
        found.add(*capture(rng, kind), rng)
    return found


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=40, help="captures of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=KINDS)
    options = parser.parse_args()
    wrong = []
    print(
        f"{'capture':>15}" + "".join(f"{it:>10}" for it in ("exact", "windows", "found", "wrong", "in U95", "s each"))
    )
    every = Tally()
    for kind in KINDS if options.only is None else [options.only]:
        started = time.process_time()
        it = tally(kind, options.cases, options.seed)
        took = (time.process_time() - started) / options.cases
        coverage = float(np.mean(it.inside)) if it.inside else math.nan
        print(
            f"{kind:>15}{it.exact / options.cases:10.1%}{it.there:10}{it.found:10}{it.found - it.right:10}"
            f"{coverage:10.1%}{took:10.2f}",
            flush=True,
        )
        every.sure += it.sure
        every.none += it.none
        if it.inside and coverage < LEAST - CHANCE * math.sqrt(LEAST * (1 - LEAST) / len(it.inside)):
            wrong.append(f"{kind}: {coverage:.1%} within U95, should be {LEAST:.0%} or more")
    for name, sure in (("windows", every.sure), ("no windows", every.none)):
        print(f"\n{name:>15}{'number':>10}{'right':>10}{'said':>10}")
        for low, high in zip((0.0, *BINS), BINS, strict=False):
            part = [it for it in sure if low <= it[0] < high]
            if not part:
                continue
            said, right = (float(np.mean([it[k] for it in part])) for k in (0, 1))
            print(f"{low:8.2f} - {min(high, 1):.2f}{len(part):10}{right:10.1%}{said:10.1%}")
            if name == "windows" and right < said - CHANCE * math.sqrt(said * (1 - said) / len(part)) - 0.01:
                wrong.append(f"confidence {low:g} to {min(high, 1):g}: {right:.1%} are right")
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
