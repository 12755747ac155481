"""Kill a sweep of real inference again and again, go on each time, and see that the set of points is the same.

Six small networks by three batches run on this machine's processor in real time, the current is a simulated bench's:

    python tests/benchmarks/sweeps.py /tmp/sweeps --kills 10 --seed 1

The folder must not exist. Exit status 0 when every run of the plan was measured once, whole, by the end.
"""

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

from powerlab.study.folder import existing_plan
from powerlab.study.table import Status, read_rows
from powerlab_traces.store import check_run

MODELS = "alexnet,bn-nin,enet,googlenet,resnet18,resnet34"
HOW = ["--models", MODELS, "--batches", "1,2,4", "--repeats", "1", "--windows", "3", "--settle", "1s", "--idle", "0.5s"]
LONGEST = 25.0  # s from a start to its kill


def measured(folder: Path) -> dict[str, int]:
    """When each run file that the table calls done was written."""
    if not (folder / "results.csv").exists():
        return {}
    return {it.run: (folder / it.run).stat().st_mtime_ns for it in read_rows(folder) if it.status is Status.DONE}


def main() -> int:
    """Sweep, kill, go on; what was wrong is printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder, draw, wrong = options.folder, random.Random(options.seed), list[str]()
    began, kills = time.monotonic(), 0
    known: dict[str, int] = {}
    while True:
        arguments = HOW if not folder.exists() or draw.random() < 0.5 else []
        sweeping = subprocess.Popen(
            [sys.executable, "-m", "powerlab", "sweep", "--out", str(folder), *arguments, "--quiet"]
        )
        try:
            sweeping.wait(draw.uniform(0.5, LONGEST) if kills < options.kills else None)
        except subprocess.TimeoutExpired:
            sweeping.kill()
            sweeping.wait()
            kills += 1
        now = measured(folder)
        wrong += [f"{run} was measured again" for run, at in known.items() if now.get(run) != at]
        known = now
        print(f"{time.monotonic() - began:6.1f} s, {kills} kills, {len(now)} runs", flush=True)
        if sweeping.returncode >= 0:
            break
    if sweeping.returncode != 0:
        wrong.append(f"the last sweep ended with status {sweeping.returncode}")
    plan = existing_plan(folder)
    assert plan is not None
    files = sorted(it.name for it in (folder / "runs").iterdir() if it.is_file())
    if files != sorted(Path(run.file).name for run in plan.runs):
        wrong.append(f"the run files are not those of the plan: {files}")
    for run in plan.runs:
        if problems := [*check_run(folder / run.file)]:
            wrong.append(f"{run.file}: {problems[0]}")
    aside = [*(folder / "runs/set-aside").glob("*")]
    print(f"{len(files)} of {len(plan.runs)} runs after {kills} kills, {len(aside)} cut off and set aside")
    print("\n".join(wrong) or "the set of points is that of the plan")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
