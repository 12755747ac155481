"""The device model gives what it says it was chosen for, and a planted truth is what comes out."""

from dataclasses import replace
from math import prod
from statistics import mean, stdev

import numpy as np
import pytest

from powerlab.networks import NETWORKS, find
from powerlab.networks.operations import count_operations
from powerlab.networks.published import published
from powerlab.networks.weights import outline
from powerlab.study.devicemodel import TX1, WORK, NotModelledError, Work

BATCHES = (1, 2, 4, 8, 16, 32, 64)
PAPER = tuple(published())


def per_image(model: str, batch: int) -> float:
    return TX1.batch(model, batch).seconds / batch


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_is_what_is_counted(name: str) -> None:
    network = find(name)
    layers = count_operations(outline(network), network.input_shape).layers
    weighted = [it for it in layers if it.kind in {"Conv2d", "Linear"}]
    dense = [it for it in layers if it.fully_connected]
    assert WORK[name] == Work(
        layers=len(weighted),
        dense_parameters=sum(it.parameters for it in dense),
        dense_macs=sum(it.count.macs for it in dense),
        outputs=sum(prod(it.output[1:]) for it in weighted),
    )


def test_what_the_paper_says_of_single_networks() -> None:
    assert all(0.14 < per_image("vgg16", batch) < 0.2 for batch in BATCHES)
    assert per_image("alexnet", 1) / per_image("alexnet", 64) == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize(
    ("model", "milliseconds"),
    [("alexnet", {2: 15.3, 4: 9.0, 8: 7.7, 16: 7.4}), ("googlenet", {2: 28.2, 4: 21.5, 8: 18.7, 16: 17.1})],
)
def test_near_what_is_public_of_the_board(model: str, milliseconds: dict[int, float]) -> None:
    for batch, expected in milliseconds.items():
        assert per_image(model, batch) * 1e3 == pytest.approx(expected, rel=0.15)


def test_time_is_linear_in_operations_at_batch_16() -> None:
    operations = [NETWORKS[it].count.flops for it in PAPER]
    times = [per_image(it, 16) for it in PAPER]
    assert np.corrcoef(operations, times)[0, 1] ** 2 > 0.999
    slope = np.polyfit(operations, times, 1)[0]
    assert 1 / slope == pytest.approx(TX1.rate, rel=0.02)


def test_power_of_the_papers_networks() -> None:
    full = [TX1.network_power(it) for it in PAPER]
    assert mean(full) == pytest.approx(11.8, abs=0.01)
    assert stdev(full) == pytest.approx(0.7, abs=0.01)
    for name in PAPER:
        watts = [TX1.batch(name, it).watts for it in BATCHES]
        assert watts == sorted(watts)
        assert watts[2] / watts[-1] > 0.9  # from batch 4 on it hardly depends on it
        assert watts[-1] == pytest.approx(TX1.network_power(name), rel=0.03)
    assert TX1.batch("alexnet", 1).watts < 0.85 * TX1.batch("alexnet", 64).watts


def test_memory() -> None:
    assert TX1.batch("enet", 1).memory == 200e6
    assert TX1.batch("vgg16", 1).memory == pytest.approx(1.3 * 4 * 138_357_544)
    fitting = [it for it in BATCHES if all(TX1.fits(TX1.batch(name, it)) for name in PAPER)]
    assert max(fitting) == 16
    for name in PAPER:
        one, two, three = (TX1.batch(name, it).memory for it in (1, 2, 3))
        assert three - two == pytest.approx(two - one)
        assert TX1.batch(name, 64).static == one


def test_planted_power_that_grows_with_the_batch() -> None:
    planted = replace(TX1, power_per_doubling=0.03)
    assert planted.batch("vgg16", 1).watts == TX1.batch("vgg16", 1).watts
    assert planted.batch("vgg16", 16).watts == pytest.approx(1.12 * TX1.batch("vgg16", 16).watts)


def test_another_network_is_not_modelled() -> None:
    with pytest.raises(NotModelledError, match="powerlab's own table only"):
        TX1.batch("torchvision:resnet50", 1)
