"""Do healthy runs get no verdict, and runs with a single defect just the one on it?

    python -m tests.benchmarks.verdicts [--benches 2000] [--planted 20] [--seed 0] [--jobs 2]

Captures two runs on each of as many healthy simulated benches in virtual time (those of coverage.py: each with its own
errors, lead, turns, screen, windows and alignment, zeroed or not, calibrated or not), and counts the verdicts on them,
each of which is a false alarm. Then plants each single defect of defects.py into some benches, and counts the
verdicts on it, by each alignment.
Exit status 1 when 1 % of the healthy runs or more are accused, or when a defect does not get its verdict, gets it with
another effect, or gets another one besides.
"""

import argparse
import itertools
import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from powerlab_analysis.alignment import Tie
from powerlab_analysis.analysis import analyse
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_traces.errors import PowerlabError
from powerlab_traces.run import Run
from tests.benchmarks.coverage import Case, captures
from tests.benchmarks.defects import OTHERS, REQUIRED, Defect, tied

MOST_FALSE = 0.01  # of the healthy runs
RUNS = 2  # of each bench


def healthy(seed: int) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The strata of a healthy bench, and the verdicts on each of its runs, or what kept it from being captured."""
    case = Case.drawn(seed)
    try:
        with captures(case) as (_, found, _):
            verdicts = [tuple(it.name for it in one.result.verdicts) for one in found]
    except PowerlabError as error:
        verdicts = [(type(error).__name__,)] * RUNS
    return tuple(filter(None, case.strata)), verdicts + [("no result",)] * (RUNS - len(verdicts))


class Long(Case):
    """One with ten windows of a quarter second in each record."""

    def text(self, sim: SimulatedBench, boot: float) -> str:
        return super().text(sim, boot).replace("record = 1.0", "record = 3.0")


def bench(seed: int) -> Run:
    """A run of a healthy bench with enough windows and a zero, to plant defects in."""
    case = replace(
        Long.drawn(seed),
        alignment="marker recorded",
        zero="before each run",
        turns=1,
        auto=False,
        windows=(20, 3),
        seconds=(0.25, 0.1),
    )
    with captures(case) as (_, found, _):
        run = found[0].run
        return replace(run, records=list(run.records), windows=list(run.windows))


def concerns(defect: Defect, run: Run) -> bool:
    """Whether a run has what the defect is of."""
    return defect.verdict != "calibration-old" or bool(run.chain.lines)


def found(run: Run, defect: Defect, tie: Tie) -> tuple[str, ...]:
    """The verdicts on a run with this defect; with their effects where these are others than they should be."""
    right = (defect.verdict, defect.effect)
    verdicts = analyse(tied(defect.plant(run), tie)).verdicts
    return tuple(it.name if (it.name, it.effect) == right else f"{it.name} ({it.effect})" for it in verdicts)


def planted(seed: int) -> list[dict[Tie, tuple[str, ...]]]:
    """The verdicts on each defect, in the order of `REQUIRED` and `OTHERS`, in one bench."""
    run = bench(seed)
    return [
        {tie: found(run, defect, tie) for tie in defect.ties if concerns(defect, run)}
        for defect in (*REQUIRED, *OTHERS)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benches", type=int, default=2000)
    parser.add_argument("--planted", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    false: defaultdict[str, Counter[str]] = defaultdict(Counter)
    wrong = 0
    every: list[Counter[tuple[Tie, tuple[str, ...]]]] = [Counter() for _ in (*REQUIRED, *OTHERS)]
    with ProcessPoolExecutor(options.jobs) as pool:
        for strata, runs in pool.map(healthy, range(options.seed, options.seed + options.benches), chunksize=5):
            for stratum, verdicts in itertools.product(strata, runs):
                false[stratum].update({"runs": 1, "accused": bool(verdicts), **Counter(verdicts)})
        for by_defect in pool.map(planted, range(options.seed, options.seed + options.planted)):
            for counts, said in zip(every, by_defect, strict=True):
                counts.update(said.items())
    accused_too_often = false["all"]["accused"] >= max(1, MOST_FALSE * RUNS * options.benches)
    print(f"Runs on {options.benches} healthy benches, how many of them are accused, and of what")
    for stratum, counts in sorted(false.items(), key=lambda it: (it[0] != "all", it[0])):
        runs, accused = counts.pop("runs"), counts.pop("accused")
        said = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        print(f"{stratum:30} {accused:3} of {runs:5} ({accused / runs:.2%})  {said}")
    print("Single defects, and how often they get just their verdict")
    for defect, counts in zip((*REQUIRED, *OTHERS), every, strict=True):
        right = sum(count for (_, said), count in counts.items() if said == (defect.verdict,))
        wrong += counts.total() - right
        print(f"{defect.about:32} {defect.verdict:16} {defect.effect:12} {right} of {counts.total()}")
        for (tie, said), count in counts.most_common():
            if said != (defect.verdict,):
                print(f"    by {tie.value}: {', '.join(said) or 'nothing'} {count}")
    return 1 if wrong or accused_too_often else 0


if __name__ == "__main__":
    sys.exit(main())
