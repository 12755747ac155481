"""What the paper says of memory: a floor, a slope, and how it grows with the batch."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from powerlab.study.claims.claim import FEWEST_NETWORKS, Answer, Claim, Evidence, against, counted, reason, text, untold
from powerlab.study.fits import memory_hinge
from powerlab.study.points import Point
from powerlab.study.selection import at_batch, by_batch, models_of, panel_batches

FLOOR: Final = (195.0, 205.0)  # MB: the paper's 200
SLOPE: Final = (1.295, 1.305)  # the paper's 1.30
FLAT: Final = 0.5  # exponent of memory in the batch, halfway between flat and in proportion
EVIDENCE: Final = (Evidence.SUMMARY, Evidence.NOTES)


def memory_claims(points: Sequence[Point]) -> tuple[Claim, ...]:
    """Floor and slope at the smallest batch, and growth with the batch."""
    return (*_hinge(points), _growth(points))


def _hinge(points: Sequence[Point]) -> tuple[Claim, Claim]:
    floor_says = "Small networks need the same memory: none less than a floor."
    slope_says = "Above the floor, memory is proportional to the size of the parameters."
    batch = next(iter(panel_batches(points, "memory_peak")), 1)
    found = memory_hinge(points, batch)
    if found is None:
        count = len(at_batch(points, batch, "memory_peak"))
        why = f"{counted(count, 'network')} at batch {batch} do not show a floor and a slope: each takes two"
        return (
            untold("memory-floor", floor_says, "200 MB", EVIDENCE, why),
            untold("memory-slope", slope_says, "1.30", EVIDENCE, why),
        )
    floor, slope = found.floor.quantity("MB"), found.slope.quantity("")
    of_floor, of_slope = against(found.floor, *FLOOR), against(found.slope, *SLOPE)
    how = f"batch {batch}, {found.n} networks, {found.rising} of them above the knee"
    return (
        Claim("memory-floor", floor_says, str(floor), "200 MB", EVIDENCE, of_floor,
              f"{reason(of_floor, '200 MB')}; {how}", {"floor": floor}),
        Claim("memory-slope", slope_says, text(slope), "1.30", EVIDENCE, of_slope,
              f"{reason(of_slope, '1.30')}; {how}", {"slope": slope}),
    )  # fmt: skip


def _growth(points: Sequence[Point]) -> Claim:
    """By the exponent with which memory grows with the batch: 0 is flat, 1 is in proportion."""
    says = "Memory is flat with the batch at first, and then grows: a knee."
    paper = "a knee; no numbers"
    first, last = [], []
    for model in models_of(points):
        having = by_batch(points, model, "memory_peak")
        if len(having) < 3:
            continue
        x = np.log(np.array(list(having), dtype=np.float64))
        y = np.log([it.memory_peak.value for it in having.values() if it.memory_peak is not None])
        exponents = np.diff(y) / np.diff(x)
        first.append(float(exponents[0]))
        last.append(float(exponents[-1]))
    if len(first) < FEWEST_NETWORKS:
        why = f"{counted(len(first), 'network')} with three batches or more; {FEWEST_NETWORKS} are needed"
        return untold("memory-batch", says, paper, (Evidence.SUMMARY,), why)
    start, end = float(np.median(first)), float(np.median(last))
    return Claim(
        "memory-batch",
        says,
        f"grows with the batch to the power of {start:.2f} at first, of {end:.2f} at last (medians)",
        paper,
        (Evidence.SUMMARY,),
        Answer.AGREES if start < FLAT < end else Answer.DIFFERS,
        f"flat is below {FLAT:g}, growing is above; {counted(len(first), 'network')}",
    )
