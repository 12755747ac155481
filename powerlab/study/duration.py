"""About how long the runs of a study take on the bench, before any is measured."""

import math
from typing import Final

from powerlab.capture import Plan as CapturePlan
from powerlab.networks import find
from powerlab.recordlength import MARGIN, room_in
from powerlab.study.devicemodel import DeviceModel
from powerlab.workload import GAP
from powerlab.workload.pace import SETTLED

RECORD: Final = 2.0  # s, of a bench that says nothing else
SIMULATED_BOOT: Final = 0.5  # s, of a simulated board
# Where nobody knows how fast a machine is: operations a second of a desktop processor, and operations of an image of a
# network that nobody has counted. Either may be wrong by a factor of ten.
USUAL_RATE: Final = 50e9
USUAL_OPERATIONS: Final = 4e9
START: Final = 6.0  # s to start a process, load the framework and build a network


def batch_seconds(model: str, batch: int, device: DeviceModel | None) -> float:
    """How long a batch takes: as the device model says, or about, by its operations; 0 for one that does not fit."""
    if device is not None:
        it = device.batch(model, batch)
        return it.seconds if device.fits(it) else 0.0
    count = find(model).count
    return batch * (USUAL_OPERATIONS if count is None else count.flops) / USUAL_RATE


def run_seconds(
    batch: float, plan: CapturePlan, *, record: float = RECORD, boot: float = SIMULATED_BOOT, start: float = START
) -> float:
    """How long a run takes whose batches take `batch` seconds each: `boot`, zero and idle, warm-up, and its records."""
    if not batch:
        return 0.0
    settling = min(SETTLED, math.ceil(plan.settle / batch)) if plan.settle else 0
    wanted = plan.wanted or 0
    if plan.duration is not None:
        wanted = max(wanted, plan.least, math.ceil(plan.duration / batch))
    length = record
    while MARGIN * batch > room_in(length):
        length *= 2
    fit = 1 + int((room_in(length) - MARGIN * batch) / (batch + GAP))
    zero = plan.idle or record
    return start + boot + zero + 2 * plan.idle + max(plan.warmup, settling) * batch + math.ceil(wanted / fit) * length


def in_words(seconds: float) -> str:
    """A time as people say it.

    >>> in_words(42), in_words(600), in_words(9000), in_words(300000)
    ('42 s', '10 min', '2 h 30 min', '3 d 11 h')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"
