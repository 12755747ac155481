"""A small version of tests/benchmarks/verdicts.py: healthy benches get no verdict, single defects just their own."""

from itertools import count

import pytest

from powerlab_analysis.alignment import Tie
from powerlab_traces.run import Run
from tests.benchmarks.coverage import WIRING
from tests.benchmarks.defects import OTHERS, REQUIRED, Defect
from tests.benchmarks.verdicts import Long, bench, concerns, found, healthy


@pytest.fixture(scope="module")
def run() -> Run:
    """That of a healthy bench, calibrated and zeroed."""
    return bench(next(seed for seed in count(1) if Long.drawn(seed).calibrated))


def test_healthy_benches_get_no_verdict() -> None:
    benches = [healthy(seed) for seed in range(8)]
    assert [runs for _, runs in benches if any(runs)] == []
    kinds = {stratum for strata, _ in benches for stratum in strata}
    assert {*WIRING, "zeroed", "not zeroed", "calibrated", "not calibrated"} <= kinds


@pytest.mark.parametrize("tie", Tie)
@pytest.mark.parametrize("defect", REQUIRED, ids=lambda it: it.about)
def test_each_defect_gets_its_verdict_and_no_other(run: Run, defect: Defect, tie: Tie) -> None:
    assert found(run, defect, tie) == (defect.verdict,)


@pytest.mark.parametrize("defect", OTHERS, ids=lambda it: it.about)
def test_so_do_all_others(run: Run, defect: Defect) -> None:
    assert concerns(defect, run)
    assert found(run, defect, Tie.MARKER) == (defect.verdict,)
