"""What measuring does to the thing measured: VGG-16 with a capture around it, beside VGG-16 alone.

Both run in the same workload process in turn, with the simulated bench on the same processor: the worst case, since a
real bench brings its own.
"""

import statistics
from pathlib import Path

import powerlab as pl
from powerlab.capture import Plan, Stop, capture
from powerlab.progress import Silence
from powerlab.workload.process import WorkloadProcess

ROUNDS = 5


def test_time_per_batch_with_and_without_the_bench(tmp_path: Path) -> None:
    with pl.simulated_bench() as bench, WorkloadProcess(marker=bench.file.marker.output) as workload:
        ratios = []
        for number in range(ROUNDS):
            path = tmp_path / f"{number}.h5"
            plan = Plan("vgg16", 1, windows=12, idle=0.2)
            capture(bench, workload, plan, path, progress=Silence(), stop=Stop())
            measured = [it.window.duration for it in pl.analyse(path).kept]
            alone = workload.warm_up(12)
            ratios.append(statistics.median(measured) / statistics.median(alone))
    print(
        f"\ntime per batch, captured / alone: {', '.join(f'{it:.3f}' for it in ratios)}; "
        f"median {statistics.median(ratios):.3f}"
    )
    assert statistics.median(ratios) < 1.1
