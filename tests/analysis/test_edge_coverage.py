"""A small version of tests/benchmarks/edges.py: are edges where the alignments say, as often as they say?"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from powerlab_analysis.alignment import Tie

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "edges.py"


@pytest.fixture(scope="module")
def edges():
    spec = importlib.util.spec_from_file_location("edges_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("tie", "median"), [(Tie.MARKER, 20e-6), (Tie.TRIGGER, 50e-6), (Tie.PATTERN, 0.3e-3)])
def test_edges_are_as_good_as_promised_at_3_to_1(edges, tie, median):
    found = edges.row(tie, edges.Plan(3.0), cases=16, seed=1)
    assert found.kept == found.windows
    assert np.median(found.largest) <= median + 1e-9
    assert found.beyond(edges.LIMITS[tie]) == 0
    assert found.coverage >= 14 / 16


def test_the_uncertainty_of_a_pattern_is_not_safe_by_being_huge(edges):
    rng = np.random.default_rng(8)
    ratios = []
    for _ in range(16):
        case = edges.planted(rng, edges.Plan(1.5))
        error, u = edges.errors(case, edges.aligned(case, Tie.PATTERN))
        ratios += np.abs(error / u)[:1].ravel().tolist()
    assert 0.2 < np.median(ratios) < 1.5


@pytest.mark.parametrize(
    "plan",
    [
        {"ratio": 1.0},
        {"ratio": 1.0, "ramp": (5e-3, 5e-3), "shape": "exponential", "windows": 1},
        {"ramp": (1e-2, 1e-2), "shape": "straight"},
        {"ramp": (2e-2, 2e-2), "shape": "exponential"},
        {"interrupted": 2},
        {"jitter": 1e-3},
    ],
)
def test_without_a_wire_the_uncertainty_says_so_where_edges_are_not_known_well(edges, plan):
    assert edges.row(Tie.PATTERN, edges.Plan(**plan), cases=16, seed=2).coverage >= 14 / 16
