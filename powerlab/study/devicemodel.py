"""A simulated board that computes nothing: how long a batch takes on it, what it draws, and the memory it needs.

This is a model, and a simple one. It stands in for the board of arXiv 1605.07678, a Jetson TX1, so that a whole study
runs in virtual time and what comes out is known beforehand. No number of it was measured on a TX1 by us; each constant
of `TX1` says where it comes from, or what it was chosen for. Accuracies are not modelled.

Time: convolutions run at a fixed share of the peak rate; fully connected layers take as long as their weights need to
come from memory, once a batch, or as their operations do, whichever is longer; and each layer costs a launch, whatever
the batch, so that small work is inefficient. Power: a network has a full power of its own, drawn while the arithmetic
units are busy; while they wait for memory or a launch a share of it remains. Memory: what the larger of a floor and a
multiple of the weights takes, and for each image but the first what the layers put out.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType
from typing import Final, NamedTuple

from powerlab.networks import NETWORKS, Network
from powerlab_traces.errors import PowerlabError

BYTES: Final = 4  # of a number: the paper's runs were in single precision
OUTPUTS_KEPT: Final = 2  # of each layer: what it computed, and what its normalisation or non-linearity made of it


class NotModelledError(PowerlabError):
    """A network of which the device model does not know what it needs."""


class Work(NamedTuple):
    """What a network asks of a device besides its operations, counted by `powerlab.networks.operations`.

    `layers` are its convolutions and fully connected layers, `dense_parameters` and `dense_macs` those of the fully
    connected ones, and `outputs` the numbers that all of these layers put out for one image.
    """

    layers: int
    dense_parameters: int
    dense_macs: int
    outputs: int


WORK: Final[Mapping[str, Work]] = MappingProxyType(
    {
        "alexnet": Work(8, 58_631_144, 58_621_952, 648_808),
        "bn-alexnet": Work(13, 58_631_144, 58_621_952, 659_272),
        "bn-nin": Work(13, 1_025_000, 1_024_000, 1_882_600),
        "enet": Work(38, 1_025_000, 1_024_000, 3_550_952),
        "googlenet": Work(58, 1_025_000, 1_024_000, 3_227_160),
        "googlenet-factorised": Work(61, 1_025_000, 1_024_000, 3_528_216),
        "vgg16": Work(16, 123_642_856, 123_633_664, 13_556_712),
        "vgg19": Work(19, 123_642_856, 123_633_664, 14_861_288),
        "resnet18": Work(21, 513_000, 512_000, 2_484_712),
        "resnet34": Work(37, 513_000, 512_000, 3_739_112),
        "resnet50": Work(54, 2_049_000, 2_048_000, 11_114_984),
        "resnet101": Work(105, 2_049_000, 2_048_000, 16_232_936),
        "resnet152": Work(156, 2_049_000, 2_048_000, 22_555_112),
        "inception-v3": Work(95, 2_065_392, 2_064_384, 8_968_496),
        "inception-v4": Work(150, 1_537_000, 1_536_000, 15_090_184),
    }
)


class Modelled(NamedTuple):
    """One batch of a network on the device.

    `seconds` is how long it takes, `watts` the mean power above idle meanwhile, `busy` the share of the time, 0 to 1,
    in which the arithmetic units are busy. `memory` is what it needs at its peak over what was in use before, and
    `static` what is in use once the network is loaded, both in bytes.
    """

    seconds: float
    watts: float
    busy: float
    static: float
    memory: float


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """A device; `TX1` says what each number is for. SI units: operations a second, bytes a second, s, W, bytes."""

    name: str
    peak: float
    efficiency: float
    bandwidth: float
    bandwidth_share: float
    launch: float
    idle_power: float
    full_power: float
    power_spread: float
    power_draw: int
    waiting_share: float
    memory_floor: float
    memory_slope: float
    memory_before: float
    memory_room: float
    time_scatter: float
    power_per_doubling: float = 0.0  # by which power grows each time the batch doubles, relative: 0 unless planted

    @property
    def rate(self) -> float:
        """Operations a second, a multiplication and an addition being two, while the arithmetic units are busy."""
        return self.peak * self.efficiency

    def batch(self, model: str, batch: int) -> Modelled:
        """One batch of so many images of a network of powerlab's own table.

        Raises
        ------
        NotModelledError
            It is another network.
        """
        network, work = _known(model)
        assert network.count is not None
        assert network.parameters is not None
        convolutions = 2 * batch * (network.count.macs - work.dense_macs) / self.rate
        arithmetic = 2 * batch * work.dense_macs / self.rate
        streaming = BYTES * work.dense_parameters / (self.bandwidth * self.bandwidth_share)
        seconds = convolutions + max(arithmetic, streaming) + self.launch * work.layers
        busy = (convolutions + arithmetic) / seconds
        watts = self.network_power(model) * (self.waiting_share + (1 - self.waiting_share) * busy)
        static = max(self.memory_floor, self.memory_slope * BYTES * network.parameters)
        return Modelled(
            seconds=seconds,
            watts=watts * (1 + self.power_per_doubling * math.log2(batch)),
            busy=busy,
            static=static,
            memory=static + (batch - 1) * BYTES * OUTPUTS_KEPT * work.outputs,
        )

    def network_power(self, model: str) -> float:
        """The power above idle, in watts, at which a network keeps the arithmetic units busy: drawn by its name."""
        digest = hashlib.sha256(f"{self.power_draw} {model}".encode()).digest()
        share = (int.from_bytes(digest[:8], "big") + 0.5) / 2**64
        return self.full_power + self.power_spread * NormalDist().inv_cdf(share)

    def fits(self, it: Modelled) -> bool:
        """Whether the device has the memory for it."""
        return it.memory <= self.memory_room


TX1: Final = DeviceModel(
    name="tx1",
    # 256 cores, two operations a cycle, at the GPU's highest clock of 998 MHz: the FP32 peak of public descriptions.
    peak=0.511e12,
    # Chosen so that VGG-16 takes about 0.2 s an image, as the paper says; 204 Gflop/s are what NVIDIA's Caffe reached
    # with AlexNet at batch 16 (194) and Caffe with VGG-16 (198) by public repositories of the time.
    efficiency=0.40,
    # LPDDR4 of the board: its public figure.
    bandwidth=25.6e9,
    # Chosen so that AlexNet is about three times as fast an image at batch 64 as it is alone, as the paper says.
    bandwidth_share=0.8,
    # Chosen so that GoogLeNet takes what NVIDIA's Caffe took by the same repositories: 28, 22, 19, 17 ms an image at
    # batch 2, 4, 8, 16.
    launch=0.42e-3,
    # The paper's, by people who noted it down; the text itself was not seen.
    idle_power=1.30,
    full_power=11.8,
    power_spread=0.7,
    # Chosen among many so that the paper's fourteen networks together have just that mean and standard deviation.
    power_draw=1647,
    # Chosen so that power hardly depends on the batch from 4 on, and falls where a network is slow by being small, as
    # the paper saw of AlexNet at batch 1.
    waiting_share=0.75,
    # The paper's: never below 200 MB, and 1.30 times the weights.
    memory_floor=200e6,
    memory_slope=1.30,
    # The system and its page tables on a board of 4 GB; chosen.
    memory_before=0.9e9,
    # Chosen so that 16 is the largest batch that all networks can have, as in the paper.
    memory_room=3.2e9,
    # Batches differ by up to so much, relative; chosen.
    time_scatter=0.003,
)

BOARDS: Final[Mapping[str, DeviceModel]] = MappingProxyType({TX1.name: TX1})


def _known(model: str) -> tuple[Network, Work]:
    if model not in WORK:
        raise NotModelledError(
            f"model {model!r} cannot run on a simulated board: its model knows the networks of powerlab's own table "
            f"only, {', '.join(WORK)}"
        )
    return NETWORKS[model], WORK[model]
