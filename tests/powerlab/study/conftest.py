"""A small study of real run files, captured on a bench in virtual time."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.networks import NETWORKS
from powerlab.networks.published import published
from powerlab.study.table import Row, Status, write_rows


def row(order: int, model: str, batch: int, repeat: int, **fields: object) -> Row:
    """A row as the sweep writes it."""
    network = NETWORKS[model]
    known = {
        "parameters": network.parameters,
        "macs": float(network.count.macs),
        "flops": float(network.count.flops),
        "flops_legacy": float(network.count.flops_legacy),
        "top1_published_percent": published()[model].top1_percent,
        "simulated": True,
    }
    return Row(order, model, batch, repeat, **known | fields)


@pytest.fixture
def small_study(open_virtual, tmp_path: Path) -> Callable[..., Path]:
    """Make a study: ENet twice and VGG-16 once at batch 2, and a batch of VGG-16 that did not fit."""

    def make(**changes: object) -> Path:
        folder = tmp_path / "study"
        (folder / "runs").mkdir(parents=True)
        bench = open_virtual()
        rows = []
        for order, (model, repeat, seconds) in enumerate((("enet", 1, 0.2), ("vgg16", 1, 0.4), ("enet", 2, 0.2)), 1):
            run = f"runs/{model}-b2-r{repeat}.h5"
            bench.capture(folder / run, seconds=seconds, seed=order, model=model, batch=2, windows=3)
            memory = {"memory_peak_bytes": 2e8 + 1e6 * repeat, "board": "tx1, SIMULATED"}
            rows.append(row(order, model, 2, repeat, status=Status.DONE, run=run, **memory))
        rows.append(row(4, "vgg16", 64, 1, status=Status.OUT_OF_MEMORY, reason="it needs 5 GB"))
        write_rows(folder, [dataclasses.replace(it, **changes) for it in rows])
        return folder

    return make
