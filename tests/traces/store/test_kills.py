"""A few of the kills of tests/benchmarks/kills.py, which kills hundreds of real captures."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kills.py"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and file-size limits are POSIX's")


@pytest.mark.parametrize(("kind", "seed"), [("kill", 0), ("kill", 3), ("full disk", 1), ("full disk", 2)])
def test_a_real_capture_loses_nothing_that_it_acknowledged(kind: str, seed: int) -> None:
    spec = importlib.util.spec_from_file_location("kills", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    kills = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kills)
    acknowledged, wrong = kills.fate(seed, kind)
    assert wrong == ""
    assert acknowledged > 0
