"""How long the command line takes to say what it can do, beside an interpreter that does nothing."""

import statistics
import subprocess
import sys
import time

LIMIT = 0.3  # s, for `powerlab --help`


def seconds(*arguments: str) -> float:
    """Median of eleven cold processes."""
    taken = []
    for _ in range(11):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def test_help() -> None:
    bare, ours = seconds("-c", "pass"), seconds("-m", "powerlab", "--help")
    print(f"\npowerlab --help: {ours * 1e3:.0f} ms, python -c pass: {bare * 1e3:.0f} ms, ratio {ours / bare:.1f}")
    assert ours < LIMIT
