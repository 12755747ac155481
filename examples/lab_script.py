"""Measure your own loop: any code between `run.window(...)` and its end is one window.

Runs on the simulated bench; on hardware write `pl.open_bench("bench.toml")` instead.
"""

import sys
from pathlib import Path

import numpy as np

import powerlab as pl

path = Path(sys.argv[1] if len(sys.argv) > 1 else "lab-script.h5")
weights = np.random.default_rng(0).normal(size=(1200, 1200))
batches = [np.random.default_rng(seed).normal(size=(4, 1200)) for seed in range(12)]


def net(images: np.ndarray) -> np.ndarray:
    """Something that takes a while: a few layers of a made-up network."""
    for _ in range(40):
        images = np.maximum(images @ weights, 0)
        images /= np.linalg.norm(images)
    return images


with pl.simulated_bench() as bench, bench.record(path, idle=0.5, label="made-up network") as run:
    for images in batches:
        with run.window(images=len(images), label="mine"):
            net(images)

result = pl.analyse(path)
print(f"{len(result.kept)} windows kept, {len(result.dropped)} dropped{', SIMULATED' if result.simulated else ''}")
print(f"energy per image {result.energy_per_image}")
print(f"power {result.power_total}, of which idle {result.power_idle}")
