"""What measuring does to the thing measured: a network with a capture around it, beside the same network alone.

Both run in the same workload process in turn, so that it is the same memory at the same places, with the simulated
bench and the process that watches memory and board on the same processor: the worst case, since a real bench brings its
own.
Alone means that nothing listens, no marker is raised, and the process that watches is stopped. Each capture is compared
with the mean of what lies before and behind it, so that what drifts does not count.
"""

import os
import signal
import statistics
import threading
import time
from itertools import pairwise
from pathlib import Path

import powerlab as pl
from powerlab.capture import Plan, Stop, capture
from powerlab.progress import Silence
from powerlab.workload import Task
from powerlab.workload.process import WorkloadProcess

MODEL = os.environ.get("POWERLAB_DISTURBANCE_MODEL", "vgg16")
ROUNDS = int(os.environ.get("POWERLAB_DISTURBANCE_ROUNDS", "9"))
WINDOWS = 12
LIMIT = 1.02


def watcher_of(pid: int) -> int:
    """The process that watches for the workload `pid`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            is_ours = parent == pid and b"powerlab.board.sampler" in (process / "cmdline").read_bytes()
        except OSError:
            continue
        if is_ours:
            return int(process.name)
    raise LookupError("nobody watches")


def alone(workload: WorkloadProcess, watcher: int, seconds: float) -> float:
    """The median pass while nobody watches, of those that lie within the watcher's stop."""

    def stop() -> None:
        time.sleep(0.3 * seconds)
        os.kill(watcher, signal.SIGSTOP)
        stopped.append(time.perf_counter())
        time.sleep((WINDOWS - 1) * seconds)
        os.kill(watcher, signal.SIGCONT)
        stopped.append(time.perf_counter())

    stopped: list[float] = []
    thread = threading.Thread(target=stop)
    began = time.perf_counter()
    thread.start()
    passes = workload.warm_up(WINDOWS + 2)
    thread.join()
    inside, at = [], began
    for it in passes:
        if stopped[0] <= at and at + it <= stopped[1]:
            inside.append(it)
        at += it
    return statistics.median(inside)


def test_time_per_batch_with_and_without_the_bench(tmp_path: Path) -> None:
    with pl.simulated_bench() as bench, WorkloadProcess(marker=bench.file.marker.output) as workload:
        workload.load(Task(MODEL, 1))
        seconds = statistics.median(workload.warm_up(10)[3:])
        watcher = watcher_of(workload.pid)
        bare, captured, rates = [], [], []
        for number in range(ROUNDS):
            bare.append(alone(workload, watcher, seconds))
            path = tmp_path / f"{number}.h5"
            plan = Plan(MODEL, 1, windows=WINDOWS, idle=0.2)
            capture(bench, workload, plan, path, progress=Silence(), stop=Stop())
            result = pl.analyse(path)
            captured.append(statistics.median(it.window.duration for it in result.kept))
            if result.memory is not None and result.memory.rate is not None:
                rates.append(result.memory.rate)
        bare.append(alone(workload, watcher, seconds))
    ratios = [it / statistics.mean(pair) for it, pair in zip(captured, pairwise(bare), strict=True)]
    drift = [after / before for before, after in pairwise(bare)]
    print(
        f"\n{MODEL}: {statistics.median(bare) * 1e3:.1f} ms alone; captured / alone: "
        f"{', '.join(f'{it:.3f}' for it in ratios)}; median {statistics.median(ratios):.4f}; "
        f"alone / alone before: {min(drift):.3f} to {max(drift):.3f}; memory read {min(rates, default=0):.0f} times a "
        f"second or more; load average {os.getloadavg()[0]:.2f}"
    )
    assert min(rates) >= 50
    assert statistics.median(ratios) < LIMIT
