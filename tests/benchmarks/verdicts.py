"""Do defects get the verdict on them, and do healthy runs get none?

    python tests/benchmarks/verdicts.py [--benches 2000] [--planted 20] [--seed 0] [--jobs 2]

Captures as many healthy simulated benches in virtual time (those of coverage.py: each with its own errors, lead, turns,
screen and windows) and counts the verdicts on them, each of which is a false alarm; then plants each single defect into
some of them. Exit status 1 when 1 % of the healthy runs or more are accused, or a defect is missed.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from coverage import Case, simulated

import powerlab as pl
from powerlab_analysis.analysis import analyse
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Run

MOST_FALSE = 0.01  # of the healthy runs


def captured(case: Case) -> Run:
    """The run of a case, in memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.h5"
        simulated(case, path)
        run = pl.open_run(path)
        return replace(run, records=list(run.records), windows=list(run.windows))


def names(run: Run) -> list[str]:
    return [it.name for it in analyse(run).verdicts]


def healthy(seed: int) -> list[str]:
    return names(captured(Case.drawn(seed)))


def _of_kind(run: Run, kind: RecordKind) -> list[Record]:
    return [it for it in run.records if it.kind is kind]


def _but(run: Run, record: Record, **changes: object) -> Run:
    changed = replace(record, **changes)
    return replace(run, records=[changed if it.index == record.index else it for it in run.records])


def _clipped(run: Run) -> Run:
    """One sample in the middle of the first record's first window."""
    record = _of_kind(run, RecordKind.ACTIVE)[0]
    window = next(it.window for it in analyse(run).kept if it.record == record.index)
    span = record.current.span_of(window)
    codes = record.current.codes.copy()
    middle = (span.start + span.stop) // 2
    codes[middle] = codes.max()
    return _but(run, record, current=replace(record.current, codes=codes), clipped=np.array([middle]))


def _lost(run: Run) -> Run:
    lost = _of_kind(run, RecordKind.ACTIVE)[-1]
    return replace(run, records=[it for it in run.records if it.index != lost.index])


def _limited(run: Run) -> Run:
    record = _of_kind(run, RecordKind.ACTIVE)[-1]
    return _but(run, record, after=replace(record.after, limited=True))


def _stepped(run: Run) -> Run:
    """20 ms on the host's clock, before the second half of the first record's windows."""
    record = _of_kind(run, RecordKind.ACTIVE)[0]
    its = sorted(it.index for it in run.windows if it.record == record.index)
    late = set(its[len(its) // 2 :])
    windows = [
        replace(it, start=it.start + 20_000_000, stop=it.stop + 20_000_000) if it.index in late else it
        for it in run.windows
    ]
    return replace(run, windows=windows)


def _scaled(run: Run, factor: float) -> Run:
    """All currents times a factor, around the true 0 A of the planted zero."""
    zero = float(np.mean([it.current.values.mean() for it in _of_kind(run, RecordKind.ZERO)]))
    changed = [
        replace(it, current=replace(it.current, scale=it.current.scale * factor, offset=_about(it, zero, factor)))
        for it in run.records
    ]
    return replace(run, records=changed)


def _about(record: Record, zero: float, factor: float) -> float:
    """The offset with which a scale that is `factor` times as large leaves `zero` where it is."""
    return record.current.offset * factor + zero * (1 - factor)


def _doubled(run: Run) -> Run:
    return _scaled(run, 2.0)


def _drifting(run: Run) -> Run:
    """20 mA more from the last idle record on, which the supply does not see; at one turn."""
    last = _of_kind(run, RecordKind.IDLE)[-1]
    step = round(0.02 / last.current.scale)
    return _but(run, last, current=replace(last.current, codes=last.current.codes.astype(np.int64) + step))


# Defect -> the verdict it must get, and how it is planted.
PLANTED: dict[str, tuple[str, Callable[[Run], Run]]] = {
    "one clipped sample": ("clipped", _clipped),
    "one lost record": ("lost-record", _lost),
    "constant current": ("current-limit", _limited),
    "a clock step of 20 ms": ("clock-step", _stepped),
    "twice the probe factor": ("probe-factor", _doubled),
    "a drifting zero": ("zero-drift", _drifting),
}


def planted(seed: int) -> dict[str, list[str]]:
    """The verdicts on each defect, in one bench with enough windows and one screen."""
    case = replace(Case.drawn(seed), zeroed=True, turns=1, auto=False, windows=10, seconds=0.25)
    run = captured(case)
    return {name: names(plant(run)) for name, (_, plant) in PLANTED.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benches", type=int, default=2000)
    parser.add_argument("--planted", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    false: Counter[str] = Counter()
    accused = missed = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        for found in pool.map(healthy, range(options.seed, options.seed + options.benches), chunksize=5):
            accused += bool(found)
            false.update(found)
        print(f"healthy: {accused} of {options.benches} accused {dict(false)}")
        every: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in PLANTED}
        for found in pool.map(planted, range(options.seed, options.seed + options.planted)):
            for name, verdicts in found.items():
                every[name][tuple(verdicts)] += 1
    for name, (wanted, _) in PLANTED.items():
        missed += sum(count for verdicts, count in every[name].items() if wanted not in verdicts)
        said = ", ".join(f"{'+'.join(verdicts) or 'nothing'} {count}" for verdicts, count in every[name].most_common())
        print(f"{name:24} {said}")
    return 1 if accused >= MOST_FALSE * options.benches or missed else 0


if __name__ == "__main__":
    sys.exit(main())
