"""What is published of the paper's networks."""

import pytest

from powerlab.networks import NETWORKS
from powerlab.networks.published import published

# Accuracy over millions of parameters, read off another of the authors' figures than the other two.
DENSITY = {
    "alexnet": 0.896,
    "bn-alexnet": 0.935,
    "bn-nin": 7.248,
    "enet": 11.672,
    "googlenet": 9.828,
    "resnet18": 5.951,
    "vgg16": 0.510,
    "vgg19": 0.492,
    "resnet34": 3.361,
    "resnet50": 2.973,
    "resnet101": 1.739,
    "resnet152": 1.292,
    "inception-v3": 3.293,
    "inception-v4": 2.537,
}


def test_the_fourteen_of_the_paper():
    assert published().keys() == DENSITY.keys()
    assert NETWORKS.keys() - published().keys() == {"googlenet-factorised"}


@pytest.mark.parametrize("name", DENSITY)
def test_accuracy_and_size_go_together(name: str):
    row = published()[name]
    assert row.top1_percent / row.parameters_millions == pytest.approx(DENSITY[name], rel=1e-3)


@pytest.mark.parametrize("name", sorted(published().keys() - {"bn-nin", "googlenet", "inception-v4"}))
def test_size_is_that_of_the_network_here(name: str):
    assert NETWORKS[name].parameters / 1e6 == pytest.approx(published()[name].parameters_millions, abs=0.0051)


def test_accuracies_are_kept_apart_by_source():
    rows = published()
    assert rows["googlenet"].top5_percent == 88.9
    assert rows["alexnet"].top5_percent is None
    assert all(row.accuracy_source for row in rows.values())
    assert "Unexplained" in rows["inception-v4"].notes
