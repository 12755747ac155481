"""Captures that are killed, or run out of disk, at any instant: is every acknowledged record back, bit for bit?

    python tests/benchmarks/kills.py [--kills 200] [--full-disks 50] [--seed 0] [--jobs 2]

Each case is a capture on the simulated bench in virtual time, in a process of its own, which says on stdout which
record is on the disk, with its digest. It is killed (SIGKILL) after a random time, while capturing or while the run
file is assembled, or its files may not grow beyond a random size. Then, in half of the cases, a first `recover` is
killed, too. Prints what was lost and exits with 1 if anything was.
"""

import argparse
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py

from powerlab_traces.store import check_run, open_run, recover

ROOT = Path(__file__).parents[2]
PATHS = [str(ROOT / part) for part in (".", "instruments", "traces", "analysis")]
LONGEST = 3.0  # s from the first record on after which a capture is killed; it takes about two to end by itself
LARGEST = 1_500_000  # bytes that a file may grow to; a capture's are about a million

CAPTURE = f"""
import sys
sys.path[:0] = {PATHS!r}
import dataclasses, hashlib
from pathlib import Path
from powerlab.bench import Bench
from powerlab.benchfile import BenchFile
from powerlab.capture import Plan, Stop, capture
from powerlab.marker import WireMarker
from powerlab.progress import Silence
from powerlab.simulation import bench_text
from powerlab.workload.synthetic import SyntheticWorkload
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.wire import VirtualClock, Wire
from powerlab_traces.store import RunWriter

append = RunWriter.append
def acknowledged(self, record, windows):
    append(self, record, windows)
    print(record.index, hashlib.sha256(record.current.codes).hexdigest(), len(windows), flush=True)
RunWriter.append = acknowledged

with SimulatedBench(seed=int(sys.argv[2]), virtual=True, memory=100_000) as sim, Wire(sim.resources.wire) as wire:
    text = bench_text(**dataclasses.asdict(sim.resources))
    clock = VirtualClock(wire)
    with Bench(BenchFile.parse(text, "bench.toml"), text, clock=clock) as bench:
        work = SyntheticWorkload(clock, WireMarker(wire, clock), 0.4, spread=0.02)
        plan = Plan("synthetic", 2, windows=32, idle=0.5)
        capture(bench, work, plan, Path(sys.argv[1]), progress=Silence(), stop=Stop())
"""
RECOVER = (
    f"import sys; sys.path[:0] = {PATHS!r}; from pathlib import Path; from powerlab_traces.store import recover; "
    "recover(Path(sys.argv[1]))"
)


def killed(path: Path, draw: random.Random) -> list[str]:
    """A capture that is killed; what it had acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", CAPTURE, str(path), str(draw.randrange(1000))],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = [process.stdout.readline()]
        time.sleep(draw.uniform(0, LONGEST))
        process.kill()
        return [line for line in [*said, *process.stdout] if line.endswith("\n")]


def starved(path: Path, draw: random.Random) -> list[str]:
    """A capture whose files may not grow beyond a random size; what it had acknowledged."""
    limit = draw.randrange(1000, LARGEST)

    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", CAPTURE, str(path), str(draw.randrange(1000))],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False, preexec_fn=small_disk,
    )  # fmt: skip
    return [line for line in done.stdout.splitlines(keepends=True) if line.endswith("\n")]


def brought_back(path: Path, draw: random.Random) -> None:
    """Recover a run, once in two with a first attempt that is killed."""
    if draw.random() < 0.5:
        with subprocess.Popen([sys.executable, "-c", RECOVER, str(path)], stderr=subprocess.DEVNULL) as process:
            time.sleep(draw.uniform(0.2, 1.0))
            process.kill()
    if not path.exists():
        recover(path)


def fate(seed: int, kind: str) -> tuple[int, str]:
    """How many records one case had acknowledged, and what is wrong afterwards; an empty text if nothing is."""
    draw = random.Random(f"{kind} {seed}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.h5"
        said = [line.split() for line in (killed if kind == "kill" else starved)(path, draw)]
        if not said and not path.exists():
            return 0, ""
        try:
            brought_back(path, draw)
            run = open_run(path)
            back = {record.index: record for record in run.records}
            with h5py.File(path) as file:  # as plain h5py sees it
                rows = sum(
                    file["entry"][name]["current"].shape[0] for name in file["entry"] if name.startswith("stack")
                )
            wrong = list(check_run(path))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what this looks for
            return len(said), f"seed {seed}: {error!r} after {len(said)} records"
        lost = [
            index
            for index, digest, windows in said
            if int(index) not in back
            or hashlib.sha256(back[int(index)].current.codes).hexdigest() != digest
            or sum(it.record == int(index) for it in run.windows) != int(windows)
        ]
        if lost or wrong or rows != len(back):
            return len(said), f"seed {seed}: lost {lost}, {rows} rows of {len(back)} records, {wrong}"
        if refused_by_h5dump(path):
            return len(said), f"seed {seed}: h5dump refuses it"
    return len(said), ""


def refused_by_h5dump(path: Path) -> bool:
    """Whether h5dump is installed and refuses the file."""
    try:
        done = subprocess.run(
            ["h5dump", "-H", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
    except FileNotFoundError:
        return False
    return done.returncode != 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--full-disks", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    failed = 0
    for kind, count in (("kill", options.kills), ("full disk", options.full_disks)):
        with ThreadPoolExecutor(options.jobs) as pool:
            seeds = range(options.seed, options.seed + count)
            found = list(pool.map(lambda seed, kind=kind: fate(seed, kind), seeds))
        for _, wrong in found:
            if wrong:
                print(wrong)
        failed += sum(bool(wrong) for _, wrong in found)
        records, losses = sum(n for n, _ in found), sum(bool(wrong) for _, wrong in found)
        print(f"{kind}: {count} captures, {records} records acknowledged, {losses} cases with a loss", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
