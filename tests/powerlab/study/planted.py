"""Points made straight from a planted model, whose slopes, floors and powers are known."""

import math
from dataclasses import dataclass, replace

import numpy as np

from powerlab.networks import NETWORKS
from powerlab.networks.published import published
from powerlab.study.points import Point, label_of
from powerlab_analysis.measured import Kind, Measured, Source

BATCHES = (1, 2, 4, 8, 16, 32, 64)
GAIN = Source("probe gain")
OFFSET = Source("probe offset")
TIME = Source("scope time base")
MISSING = {
    ("vgg16", 64): "out of memory: 4 GB",
    ("vgg19", 64): "out of memory: 4 GB",
    ("resnet152", 64): "out of memory",
}


@dataclass(frozen=True)
class Model:
    """A board: time (s) = overhead + giga * seconds_per_giga * (1 + start / batch) for each network, and so on."""

    overhead: float = 1e-3
    seconds_per_giga: float = 6.2e-3
    ramp: float = 0.25
    dense: float = 2.0  # more ramp for networks of fully connected layers
    scatter: float = 0.05  # relative, of times between networks
    power: float = 11.8
    power_scatter: float = 0.7
    power_per_doubling: float = 0.0  # W
    idle: float = 1.3
    floor: float = 200e6
    slope: float = 1.30
    memory_scatter: float = 0.03
    gain: float = 0.01  # relative limit of the probe
    noise: float = 0.004  # relative, of each point
    repeats: int = 3


def points(model=Model(), *, seed=0, models=None, batches=BATCHES, simulated=True, missing=MISSING):
    rng = np.random.default_rng(seed)
    gain = rng.uniform(-1, 1) * model.gain
    found = []
    for name in models or list(published()):
        network = NETWORKS[name]
        giga = network.count.flops / 1e9
        own_time = math.exp(rng.normal(0, model.scatter))
        own_power = rng.normal(model.power, model.power_scatter)
        own_memory = math.exp(rng.normal(0, model.memory_scatter))
        size = network.parameters * 4
        for batch in batches:
            point = Point(
                model=name,
                label=label_of(name),
                batch=batch,
                parameters=network.parameters,
                macs=network.count.macs,
                flops=network.count.flops,
                flops_legacy=network.count.flops_legacy,
                top1=published()[name].top1_percent if name in published() else None,
                simulated=simulated,
            )
            if (name, batch) in missing:
                found.append(replace(point, missing=missing[name, batch]))
                continue
            ramp = model.ramp * (1 + model.dense * ("alex" in name) * 3)
            seconds = own_time * (model.overhead + giga * model.seconds_per_giga) * (1 + ramp / batch)
            watts = own_power + model.power_per_doubling * math.log2(batch)
            noise = Source(f"spread over captures ({name}, batch {batch})", Kind.RANDOM, model.repeats - 1)

            def seen(true, limit, source, noise=noise):
                value = true * (1 + rng.normal(0, model.noise))
                return Measured(value, {noise: value * model.noise, source: value * limit / math.sqrt(3)})

            time = seen(seconds, 25e-6, TIME)
            net = seen(watts * (1 + gain), model.gain, GAIN)
            idle = Measured(model.idle * (1 + gain), {GAIN: model.idle * model.gain / math.sqrt(3)})
            found.append(
                replace(
                    point,
                    measured={
                        "time_per_image": time,
                        "time_per_batch": time * batch,
                        "power_net": net,
                        "power_idle": idle,
                        "power_total": net + idle,
                        "energy_per_image": (net + idle) * time,
                        "energy_per_batch": (net + idle) * time * batch,
                        "energy_per_image_net": net * time,
                    },
                    repeats=model.repeats,
                    memory_peak=Measured(own_memory * max(model.floor, model.slope * size) + (batch - 1) * 4e6),
                    memory_static=Measured(size),
                )
            )
    return tuple(found)
