"""What the paper says of power: it depends neither on the batch nor on the network."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab.study.claims.claim import FEWEST_NETWORKS, Answer, Claim, Evidence, against, counted, reason, untold
from powerlab.study.fits import Utilised, giga, utilised
from powerlab.study.points import Point
from powerlab.study.selection import by_batch, measured_points
from powerlab_analysis.carried import SCATTER, carried, numbers
from powerlab_analysis.equivalence import Within, interval_within, within
from powerlab_analysis.measured import Kind, Measured, Source
from powerlab_analysis.quantity import Quantity
from powerlab_analysis.regression import rank_correlation, regression
from powerlab_analysis.spread import Spread, spread

MARGIN: Final = 0.05  # of the power, by which it may change over all batches and still be called independent
NETWORK_MARGIN: Final = 0.10  # of the power: standard deviation between networks; the paper's own is 6 %
MEAN, DEVIATION, IDLE = 11.8, 0.7, 1.30  # W, the paper's
EVIDENCE: Final = (Evidence.NOTES, Evidence.RECALL)
ANSWERS: Final[Mapping[Within, Answer]] = {
    Within.INSIDE: Answer.AGREES,
    Within.OUTSIDE: Answer.DIFFERS,
    Within.UNDECIDED: Answer.UNTOLD,
}


def power_claims(points: Sequence[Point], margin: float = MARGIN) -> tuple[Claim, ...]:
    """Level, spread and independence of net power, and idle power. `margin` is that of the change over all batches."""
    full = utilised(points)
    found = spread([it.power for it in full.values()])
    if found is None or found.n < FEWEST_NETWORKS:
        found = None
    return (
        _level(found, len(full)),
        _deviation(found, len(full)),
        _networks(found, len(full)),
        _batch(points, full, margin),
        _operations(full, max(margin, NETWORK_MARGIN)),
        _idle(points),
    )


def few(count: int) -> str:
    """Why nothing is said of so few networks at full utilisation."""
    seen = f"{counted(count, 'network')} on a plateau of time per image over two batches or more"
    return f"{seen}; {FEWEST_NETWORKS} are needed"


def _level(found: Spread | None, count: int) -> Claim:
    says, paper = "At full utilisation all networks draw the same net power.", f"{MEAN} W"
    if found is None:
        return untold("power-level", says, paper, EVIDENCE, few(count))
    mean = found.mean.quantity("W")
    answer = against(found.mean, MEAN - DEVIATION, MEAN + DEVIATION)
    limits = f"{MEAN} W +- {DEVIATION} W"
    why = f"{reason(answer, limits)}; mean of {found.n} networks; a property of the board"
    return Claim("power-level", says, str(mean), paper, EVIDENCE, answer, why, {"mean": mean})


def _deviation(found: Spread | None, count: int) -> Claim:
    says, paper = "Networks differ little in net power at full utilisation.", f"standard deviation {DEVIATION} W"
    if found is None:
        return untold("power-spread", says, paper, EVIDENCE, few(count))
    low, high = found.interval
    inside = low <= DEVIATION + 0.05 and high >= DEVIATION - 0.05
    answer = Answer.UNTOLD if high > 3 * max(low, 1e-9) and inside else Answer.AGREES if inside else Answer.DIFFERS
    why = (
        f"the interval {'holds' if inside else 'does not hold'} {DEVIATION} W; {found.n} networks; "
        f"measurement's own {found.measured:.2g} W is taken off"
    )
    ours = f"standard deviation {found.deviation:.2f} W ({low:.2f} to {high:.2f} W)"
    half = max(found.deviation - low, high - found.deviation)
    return Claim("power-spread", says, ours, paper, EVIDENCE, answer, why,
                 {"deviation": Quantity(found.deviation, half, "W")})  # fmt: skip


def _networks(found: Spread | None, count: int) -> Claim:
    says = "Net power at full utilisation does not depend on the network."
    paper = f"standard deviation {DEVIATION / MEAN:.0%} of the mean"
    evidence = (Evidence.ABSTRACT, *EVIDENCE)
    if found is None:
        return untold("power-network", says, paper, evidence, few(count))
    low, middle, high = (it / found.mean.value for it in (found.interval[0], found.deviation, found.interval[1]))
    # A standard deviation is never below 0: only its upper end can exceed the margin, and only its lower end refute it.
    answer = ANSWERS[interval_within(low, high, NETWORK_MARGIN)]
    why = f"independent means a standard deviation below {NETWORK_MARGIN:.0%} of the mean, its whole interval"
    ours = f"standard deviation {middle:.1%} of the mean ({low:.1%} to {high:.1%})"
    half = 100 * max(middle - low, high - middle)
    numbers_ = {"relative deviation": Quantity(100 * middle, half, "%")}
    return Claim("power-network", says, ours, paper, evidence, answer, why, numbers_)


def _batch(points: Sequence[Point], full: Mapping[str, Utilised], margin: float) -> Claim:
    says = "Net power does not depend on the batch once the network keeps the device busy."
    evidence = (Evidence.ABSTRACT, Evidence.SUMMARY)
    change = power_change(points, full)
    if change is None:
        return untold("power-batch", says, "no trend", evidence, few(len(full)))
    effect, networks, span = change
    answer = ANSWERS[within(effect, margin)]
    said = (effect * 100).quantity("%")
    where = f"from batch {span[0]} to {span[1]}"
    why = f"independent means within +-{margin:.0%} {where}, the whole interval; {networks} networks on their plateaus"
    return Claim("power-batch", says, f"{said} {where}", "no trend", evidence, answer, why, {"change": said})


def power_change(points: Sequence[Point], full: Mapping[str, Utilised]) -> tuple[Measured, int, tuple[int, int]] | None:
    """The relative change of net power over all batches of the study, how many networks say so, and those batches.

    On each network's plateau the logarithm of power against that of the batch has a slope; their mean, times the
    doublings from the smallest to the largest batch, is the change. The networks' slopes scatter with what is wrong
    with each point by itself; None for too few networks.
    """
    values: list[Measured] = []
    weights: list[NDArray[np.float64]] = []  # of each network, for its own points
    for model, of in full.items():
        having = {b: it for b, it in by_batch(points, model, "power_net").items() if b >= of.point.batch}
        if len(having) < 2 or min(it.measured["power_net"].value for it in having.values()) <= 0:
            continue
        x = np.log2(np.array(list(having), dtype=np.float64))
        x -= x.mean()
        weights.append(x / float(x @ x))
        values += [it.measured["power_net"] for it in having.values()]
    if len(weights) < FEWEST_NETWORKS:
        return None
    ends = np.cumsum([len(it) for it in weights])[:-1]
    batches = sorted({it.batch for it in points})
    doublings = math.log2(batches[-1] / batches[0])

    def slopes(powers: NDArray[np.float64]) -> NDArray[np.float64]:
        each = np.split(np.log(powers), ends)
        return np.array([weight @ of for weight, of in zip(weights, each, strict=True)])

    def effect(powers: NDArray[np.float64]) -> float:
        return math.expm1(float(slopes(powers).mean()) * doublings)

    centre = numbers(values)
    of_each = slopes(centre)
    scatter = float(of_each.std(ddof=1)) / math.sqrt(len(weights)) * doublings * (1 + effect(centre))
    parts = {Source(SCATTER, Kind.RANDOM, len(weights) - 1): scatter} | carried(effect, values)
    return Measured(effect(centre), parts), len(weights), (batches[0], batches[-1])


def _operations(full: Mapping[str, Utilised], margin: float) -> Claim:
    says = "Net power at full utilisation is no function of the operations."
    paper, evidence = "no direction in the cloud", (Evidence.SUMMARY, Evidence.NOTES)
    known = [it for it in full.values() if it.point.flops]
    x = [giga(it.point) for it in known]
    line = regression(x, [it.power for it in known])
    if line is None:
        return untold("power-operations", says, paper, evidence, few(len(known)))
    mean = spread([it.power for it in known])
    assert mean is not None
    effect = line.slope * (max(x) - min(x)) / mean.mean
    rho, low, high = rank_correlation(x, [it.power.value for it in known])
    answer = ANSWERS[within(effect, margin)]
    said = (effect * 100).quantity("%")
    why = (
        f"no function means within +-{margin:.0%} over all operations, the whole interval; rank correlation {rho:.2f} "
        f"({low:.2f} to {high:.2f}); {counted(len(known), 'network')}"
    )
    ours = f"{said} from {min(x):.3g} G to {max(x):.3g} G"
    return Claim("power-operations", says, ours, paper, evidence, answer, why, {"change": said})


def _idle(points: Sequence[Point]) -> Claim:
    says, paper = "The idle board draws little.", f"{IDLE:.2f} W"
    values = [it.measured["power_idle"] for it in measured_points(points, "power_idle")]
    if not values:
        return untold("power-idle", says, paper, (Evidence.RECALL,), "no point has an idle power")
    found = spread(values)
    mean = values[0] if found is None else found.mean
    answer = against(mean, IDLE - 0.005, IDLE + 0.005)
    said = mean.quantity("W")
    why = f"{reason(answer, paper)}; mean of {len(values)} points; a property of the board"
    return Claim("power-idle", says, str(said), paper, (Evidence.RECALL,), answer, why, {"idle": said})
