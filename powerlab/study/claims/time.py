"""What the paper says of time: operations predict it, and a larger batch makes it shorter."""

from collections.abc import Sequence
from typing import Final

from powerlab.study.claims.claim import FEWEST_NETWORKS, Answer, Claim, Evidence, against, counted, reason, untold
from powerlab.study.fits import giga, time_line
from powerlab.study.points import Point, label_of
from powerlab.study.selection import at_batch, by_batch, panel_batches
from powerlab_analysis.measured import Measured
from powerlab_analysis.quantity import Quantity
from powerlab_analysis.regression import regression

LINEAR: Final = 0.90  # R squared, from which on operations are said to predict time
VGG: Final = (0.15, 0.25)  # s: the paper's "about 0.2 s"
SPEED_UP: Final = (2.5, 3.5)  # the paper's "about 3"
LARGEST: Final = 64  # the batch that it means


def time_claims(points: Sequence[Point]) -> tuple[Claim, ...]:
    """Linearity in each panel of figure 7, whether the slope changes with the batch, and two single numbers."""
    batches = panel_batches(points)
    return (*(_linear(points, batch) for batch in batches), _change(points, batches), _vgg(points), _alexnet(points))


def speed_up(points: Sequence[Point], model: str) -> tuple[int, int, Measured] | None:
    """A network's smallest and largest batch, and how many times faster an image is with the largest."""
    having = by_batch(points, model, "time_per_image")
    if len(having) < 2:
        return None
    first, last = min(having), max(having)
    return first, last, having[first].measured["time_per_image"] / having[last].measured["time_per_image"]


def _linear(points: Sequence[Point], batch: int) -> Claim:
    name, says = f"time-operations-batch-{batch}", f"Operations predict time per image (batch {batch})."
    paper, evidence = "linear; no coefficients", (Evidence.SUMMARY, Evidence.ABSTRACT)
    line = time_line(points, batch)
    if line is None:
        count = len(at_batch(points, batch, "time_per_image"))
        return untold(
            name, says, paper, evidence, f"{counted(count, 'network')} at batch {batch}; {FEWEST_NETWORKS} are needed"
        )
    low, high = line.explained_interval
    answer = Answer.AGREES if low >= LINEAR else Answer.DIFFERS if high < LINEAR else Answer.UNTOLD
    slope, intercept = (line.slope * 1e3).quantity("ms/G"), line.intercept.quantity("s")
    ours = f"{slope}, R2 = {line.explained:.3f} ({low:.3f} to {high:.3f}), intercept {intercept}"
    why = f"predict means R2 of {LINEAR:.2f} or more, its whole interval; {line.n} networks"
    half = max(line.explained - low, high - line.explained)
    found = {"slope": slope, "intercept": intercept, "R2": Quantity(line.explained, half, "")}
    return Claim(name, says, ours, paper, evidence, answer, why, found)


def _change(points: Sequence[Point], batches: Sequence[int]) -> Claim:
    """By the differences of each network's two times, so that what both have in common cancels."""
    says, paper = "The slope of time against operations changes with the batch.", "it changes; no numbers"
    evidence = (Evidence.RECALL,)
    if len(batches) < 2:
        return untold("time-slope-batch", says, paper, evidence, "only one batch is common to all networks")
    small, large = ({it.model: it for it in at_batch(points, batch, "time_per_image")} for batch in batches)
    both = [it for model, it in small.items() if model in large and it.flops]
    differences = [it.measured["time_per_image"] - large[it.model].measured["time_per_image"] for it in both]
    line = regression([giga(it) for it in both], differences)
    if line is None:
        return untold(
            "time-slope-batch", says, paper, evidence, f"{counted(len(both), 'network')}; {FEWEST_NETWORKS} are needed"
        )
    said = (line.slope * 1e3).quantity("ms/G")
    answer = Answer.AGREES if abs(said.value) > said.U95 else Answer.UNTOLD
    why = "the difference is larger than its U95" if answer is Answer.AGREES else "the difference is within its U95"
    ours = f"{said} more at batch {batches[0]} than at {batches[1]}"
    return Claim("time-slope-batch", says, ours, paper, evidence, answer, f"{why}; {line.n} networks", {"change": said})


def _vgg(points: Sequence[Point]) -> Claim:
    says, paper, evidence = "VGG takes about 0.2 s an image.", "about 0.2 s", (Evidence.SUMMARY,)
    for model in ("vgg16", "vgg19"):
        having = by_batch(points, model, "time_per_image")
        if having:
            batch = max(having)
            time = having[batch].measured["time_per_image"]
            said, answer = time.quantity("s"), against(time, *VGG)
            why = f"{reason(answer, '0.15 s to 0.25 s')}; a property of the board"
            ours = f"{said} ({label_of(model)}, batch {batch})"
            return Claim("time-vgg", says, ours, paper, evidence, answer, why, {"time": said})
    return untold("time-vgg", says, paper, evidence, "no VGG was measured")


def _alexnet(points: Sequence[Point]) -> Claim:
    says = f"AlexNet is about 3 times faster an image at batch {LARGEST} than at 1."
    paper, evidence = "about 3", (Evidence.SUMMARY,)
    found = speed_up(points, "alexnet")
    if found is None or found[0] != 1 or found[1] < LARGEST:
        return untold("speed-up-alexnet", says, paper, evidence, f"AlexNet was not measured at batch 1 and {LARGEST}")
    said, answer = found[2].quantity(""), against(found[2], *SPEED_UP)
    ours = f"{str(said).replace('  ', ' ').strip()} (batch {found[0]} to {found[1]})"
    why = f"{reason(answer, '2.5 to 3.5')}; a property of the board and its library"
    return Claim("speed-up-alexnet", says, ours, paper, evidence, answer, why, {"ratio": said})
