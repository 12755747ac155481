"""Analysis of a run of 100 records, 10 million samples, by each alignment, beside one pass over its codes."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import powerlab as pl
from powerlab_traces.chain import CurrentChain, SupplyLimits, SupplyReading
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Provenance
from powerlab_traces.store import RunWriter
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

REPEATS = 5
RECORDS = 100
SAMPLES = 100_000  # a record
INTERVAL = 2e-5  # s
START = -0.2  # s after the trigger
FOLD = 10  # samples of the marker in one of the current's
PERIOD = 2_500_000_000  # ns from one record to the next
CHAIN = CurrentChain("1146B", 0.1, 1, 0.03, 0.05, 0.005, 0.048, 0.06, 0.008, 3e-5)
SUPPLY = SupplyLimits(0.0005, 0.005, 0.0015, 0.005, 0.1, 0.02)
# By each alignment, what bench.toml says of the marker, and the most seconds that the analysis may take.
WIRED = {
    "marker": ('[marker]\noutput = "DTR"\ninput = "D0"\n', 0.5),
    "trigger": ('[marker]\noutput = "DTR"\ninput = "EXT"\n', 1.0),
    "pattern": ('[marker]\noutput = "none"\ninput = "none"\n', 1.0),
}


def recorded(index: int, windows: int) -> tuple[Record, list[HostWindow]]:
    """Windows of a board that takes 3 ms to come up and 4 ms to go down, in noise of a fifth of its step."""
    random = np.random.default_rng((index, windows))
    since = START + (np.arange(SAMPLES) + 0.5) * INTERVAL
    level, high = np.full(SAMPLES, 0.1), np.zeros(SAMPLES * FOLD, np.uint8)
    length = 1.6 / windows - 5e-3
    at, left = 0.0, 0.0
    hosts = []
    for number in range(windows):
        stop = at + length * random.uniform(0.99, 1.0)
        first, last = np.searchsorted(since, [at, stop])
        up, down = since[first:last] - at, since[last:] - stop
        level[first:last] = 0.1 + (1 + (left - 1) * np.exp(-up / 3e-3)) * (1 + 0.025 * np.sin(8796.0 * up))
        level[last:] = 0.1 + (level[last - 1] - 0.1) * np.exp(-down / 4e-3)
        edges = [math.ceil((it - START) / INTERVAL * FOLD) for it in (at, stop)]
        high[edges[0] : edges[1]] = 1
        start_ns, stop_ns = (index * PERIOD + round((it + random.normal(0, 5e-5)) * 1e9) for it in (at, stop))
        hosts.append(HostWindow(start_ns, stop_ns, index * windows + number, index, 2))
        left = math.exp(-4e-3 / 4e-3)
        at = stop + 4e-3
    codes = np.rint((level + random.normal(0, 0.2, SAMPLES)) * 1500 + 500).clip(0, 2550).astype(np.uint16)
    reading = SupplyReading(index * PERIOD, 18.994, 0.56, "CV", limited=False)
    record = Record(
        index=index,
        kind=RecordKind.ACTIVE,
        current=Trace(codes, INTERVAL, "A", START, 4e-4, -0.2),
        marker=Trace(high, INTERVAL / FOLD, "", START),
        clipped=np.empty(0, np.int64),
        armed=index * PERIOD - 300_000_000,
        fetched=index * PERIOD + 1_900_000_000,
        before=reading,
        after=reading,
    )
    return record, hosts


def run_of(path: Path, by: str, windows: int) -> Path:
    """A run file whose windows are tied to the current by what `by` names."""
    provenance = Provenance("2026-01-02T03:04:05+01:00", True, "vgg16", 2, 0 if by == "marker" else None)
    writer = RunWriter(path)
    writer.describe(replace(provenance, bench=WIRED[by][0]), CHAIN, SUPPLY)
    for index in range(RECORDS):
        record, hosts = recorded(index, windows)
        writer.append(record if by == "marker" else replace(record, marker=None), hosts)
    writer.finish()
    return path


def median(work: Callable[[], object]) -> float:
    work()
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


@pytest.mark.parametrize("windows", [4, 20])
@pytest.mark.parametrize("by", list(WIRED))
def test_analysis_of_100_records(tmp_path: Path, by: str, windows: int) -> None:
    path = run_of(tmp_path / "run.h5", by, windows)
    run = pl.open_run(path)
    codes = [record.current.codes for record in run.records]

    def read() -> None:
        for record in run.records:
            assert len(record.current.codes) == SAMPLES

    def summed() -> None:
        for row in codes:
            values = row * 4e-4 - 0.2
            assert values.mean() < values.std() * 1e3

    ours, reading, bare = median(lambda: pl.analyse(path)), median(read), median(summed)
    print(
        f"\n100 records of 100 000 samples, {windows} windows each, by {by}: analysed in {ours:.3f} s; reading them "
        f"takes {reading:.3f} s, mean and deviation by numpy {bare:.3f} s, ratio {ours / bare:.1f}"
    )
    result = pl.analyse(path)
    assert (len(result.kept), result.alignment) == (RECORDS * windows, by)
    assert ours < WIRED[by][1]
