"""What the paper concludes for whoever has to choose a network, and which networks nobody should choose."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from powerlab.study.claims.claim import FEWEST_NETWORKS, Answer, Claim, Evidence, counted, text, untold
from powerlab.study.claims.power import ANSWERS
from powerlab.study.points import Point
from powerlab.study.selection import at_batch, panel_batches
from powerlab_analysis.dominance import Dominated, dominated
from powerlab_analysis.equivalence import within
from powerlab_analysis.measured import Measured
from powerlab_analysis.regression import regression

MARGIN: Final = 0.05  # of the exponent of energy in time, which is 1 where power is constant


@dataclass(frozen=True, slots=True)
class Need:
    """An accuracy that is asked for (percent), and of the networks that have it the slowest and that of least energy.

    `ratio` is the energy per image of the slowest over the least.
    """

    top1: float
    slowest: Point
    least: Point
    ratio: Measured


def choice_claims(points: Sequence[Point]) -> tuple[Claim, ...]:
    """Energy follows time; the slowest network that meets a need; networks that others beat."""
    batch = max(panel_batches(points, "energy_per_image"), default=1)
    return _energy(points, batch), _slowest(points, batch), _dominated(points, batch)


def needs(points: Sequence[Point], batch: int) -> tuple[Need, ...]:
    """For the accuracy of each network, the choice among those that have at least it; none where there is no choice."""
    known = [it for it in at_batch(points, batch, "energy_per_image") if it.top1 is not None]
    found = []
    for top1 in sorted({it.top1 or 0.0 for it in known}):
        meeting = [it for it in known if (it.top1 or 0.0) >= top1]
        if len(meeting) > 1:
            slowest = max(meeting, key=lambda it: it.measured["time_per_image"].value)
            least = min(meeting, key=lambda it: it.measured["energy_per_image"].value)
            found.append(Need(top1, slowest, least, _energy_of(slowest) / _energy_of(least)))
    return tuple(found)


def beaten(points: Sequence[Point], batch: int) -> tuple[Dominated[str], ...]:
    """Networks that another beats in accuracy and in energy per image."""
    known = {it.label: it for it in at_batch(points, batch, "energy_per_image") if it.top1 is not None}
    return dominated(
        {label: it.top1 or 0.0 for label, it in known.items()},
        {label: it.measured["energy_per_image"] for label, it in known.items()},
    )


def _energy_of(point: Point) -> Measured:
    return point.measured["energy_per_image"]


def _energy(points: Sequence[Point], batch: int) -> Claim:
    says = "Power being constant, net energy per image is proportional to time per image."
    paper, evidence = "implied; no numbers", (Evidence.SUMMARY,)
    known = [
        it for it in at_batch(points, batch, "energy_per_image_net") if it.measured["energy_per_image_net"].value > 0
    ]
    energies = [it.measured["energy_per_image_net"] for it in known]
    logs = [
        Measured(math.log(it.value), {source: part / it.value for source, part in it.parts.items()}) for it in energies
    ]
    line = regression([math.log(it.measured["time_per_image"].value) for it in known], logs)
    if line is None:
        why = f"{counted(len(known), 'network')} at batch {batch}; {FEWEST_NETWORKS} are needed"
        return untold("energy-time", says, paper, evidence, why)
    said = line.slope.quantity("")
    answer = ANSWERS[within(line.slope - 1.0, MARGIN)]
    ours = f"energy ~ time to the power of {str(said).replace('  ', ' ').strip()}"
    why = (
        f"proportional means an exponent of 1 within +-{MARGIN:g}, its whole interval; {line.n} networks, batch {batch}"
    )
    return Claim("energy-time", says, ours, paper, evidence, answer, why, {"exponent": said})


def _slowest(points: Sequence[Point], batch: int) -> Claim:
    says = "Where energy counts, the slowest network that meets the need is the one to take."
    paper, evidence = "a rule; no numbers", (Evidence.NOTES, Evidence.RECALL)
    found = needs(points, batch)
    if len(found) < FEWEST_NETWORKS - 1:
        why = f"{len(found)} needs leave a choice at batch {batch}; {FEWEST_NETWORKS - 1} are needed"
        return untold("slowest-network", says, paper, evidence, why)
    dearer = [it for it in found if (it.ratio - 1.0).value > (it.ratio - 1.0).U95]
    worst = max(found, key=lambda it: it.ratio.value)
    ratio = text(worst.ratio.quantity(""))
    ours = (
        f"for {len(dearer)} of {len(found)} accuracies it takes more energy per image than another that has them; "
        f"at worst {ratio} times ({worst.slowest.label} for {worst.least.label})"
    )
    answer = Answer.DIFFERS if dearer else Answer.AGREES
    why = (
        "energy per image is power times time: at equal power the fastest takes the least"
        if dearer
        else ("it takes more in no case, beyond U95")
    )
    return Claim("slowest-network", says, ours, paper, evidence, answer, why, {"worst": worst.ratio.quantity("")})


def _dominated(points: Sequence[Point], batch: int) -> Claim:
    says = "VGG is the most expensive, and others are as accurate for less."
    paper, evidence = "VGG stands alone; no numbers", (Evidence.SUMMARY,)
    known = [it for it in at_batch(points, batch, "energy_per_image") if it.top1 is not None]
    if len(known) < FEWEST_NETWORKS or not any(it.model.startswith("vgg") for it in known):
        why = f"{counted(len(known), 'network')} at batch {batch}, and a VGG must be among {FEWEST_NETWORKS}"
        return untold("dominated", says, paper, evidence, why)
    names = [it.name for it in beaten(points, batch)]
    vggs = [it.label for it in known if it.model.startswith("vgg")]
    answer = Answer.AGREES if set(vggs) <= set(names) else Answer.DIFFERS
    why = f"beaten: another is at least as accurate and takes less energy per image, beyond U95; batch {batch}"
    return Claim("dominated", says, f"beaten: {', '.join(names) or 'none'}", paper, evidence, answer, why)
