"""What the paper says of accuracy: what it costs in time, in energy and in parameters."""

from collections.abc import Sequence
from typing import Final

from powerlab.study.claims.claim import Answer, Claim, Evidence, counted, untold
from powerlab.study.fits import accuracy_bound, densities
from powerlab.study.points import Point
from powerlab.study.selection import at_batch, networks_of, panel_batches
from powerlab_analysis.quantity import Quantity
from powerlab_analysis.upperbound import FEWEST

LEAD: Final = 7.0  # percentage points
NEWEST: Final = ("resnet50", "resnet101", "resnet152", "inception-v3", "inception-v4")
FAMILIES: Final = ("resnet", "inception")
DENSITIES: Final = (("alexnet", "AlexNet", 13.0), ("vgg19", "VGG-19", 24.0))  # ENet's density over theirs


def accuracy_claims(points: Sequence[Point]) -> tuple[Claim, ...]:
    """The bound of accuracy against throughput in each panel of figure 9, the lead of the newest, and density."""
    batches = panel_batches(points)
    return (*(_bound(points, batch) for batch in batches), _lead(points), *_densities(points))


def _bound(points: Sequence[Point], batch: int) -> Claim:
    name = f"accuracy-throughput-batch-{batch}"
    says = (
        f"Accuracy has an upper bound that falls linearly with images per second, hyperbolically with time "
        f"per image (batch {batch})."
    )
    paper, evidence = "a linear bound; no coefficients", (Evidence.SUMMARY, Evidence.RECALL)
    bound = accuracy_bound(points, batch)
    if bound is None:
        count = sum(it.top1 is not None for it in at_batch(points, batch, "throughput"))
        why = f"{counted(count, 'network')} with an accuracy at batch {batch}; {FEWEST} are needed"
        return untold(name, says, paper, evidence, why)
    intercept, slope = bound.intercept.quantity("%"), bound.slope.quantity("%/Hz")
    answer = Answer.UNTOLD if abs(slope.value) <= slope.U95 else Answer.AGREES if slope.value < 0 else Answer.DIFFERS
    falls = {
        Answer.AGREES: "the bound falls, beyond its U95",
        Answer.DIFFERS: "the bound rises, beyond its U95",
        Answer.UNTOLD: "the bound's slope is within its U95 of 0",
    }[answer]
    ours = f"top-1 <= ({intercept}) + ({slope}) x rate"
    found = {"intercept": intercept, "slope": slope}
    return Claim(name, says, ours, paper, evidence, answer, f"{falls}; {bound.n} networks", found)


def _lead(points: Sequence[Point]) -> Claim:
    says = "The newest ResNets and Inceptions exceed all other networks by 7 points or more."
    paper, evidence = ">= 7 points", (Evidence.SUMMARY,)
    known = {it.model: it for it in networks_of(points) if it.top1 is not None}
    newest = {model: known[model].top1 or 0.0 for model in NEWEST if model in known}
    others = [it.top1 or 0.0 for model, it in known.items() if not model.startswith(FAMILIES)]
    if not newest or not others:
        return untold("accuracy-lead", says, paper, evidence, "the networks to compare are not in the study")
    best = max(others)
    behind = [known[model].label for model, top1 in newest.items() if top1 - best < LEAD]
    answer = Answer.DIFFERS if behind else Answer.AGREES
    least, most = min(newest.values()) - best, max(newest.values()) - best
    why = f"below 7 points: {', '.join(behind)}" if behind else "all of them"
    sources = ", ".join(sorted({it.top1_source for it in known.values()}))
    ours = f"{least:.2f} to {most:.2f} points (accuracies: {sources})"
    return Claim("accuracy-lead", says, ours, paper, evidence, answer, why)


def _densities(points: Sequence[Point]) -> tuple[Claim, ...]:
    found = densities(points)
    claims = []
    for model, label, published in DENSITIES:
        name = f"density-{model}"
        says = f"ENet holds {published:g} times as much accuracy per parameter as {label}."
        paper, evidence = f"{published:g}", (Evidence.FIGURE, Evidence.NOTES)
        if "enet" not in found or model not in found:
            claims.append(untold(name, says, paper, evidence, f"ENet or {label} is not in the study"))
            continue
        ratio = found["enet"] / found[model]
        answer = Answer.AGREES if abs(ratio - published) < 0.5 else Answer.DIFFERS
        why = "rounded, the same" if answer is Answer.AGREES else "rounded, another number"
        why += "; computed from accuracies and parameters, nothing measured"
        claims.append(Claim(name, says, f"{ratio:.2f} (computed)", paper, evidence, answer, why,
                            {"ratio": Quantity(ratio, 0.0, "")}))  # fmt: skip
    return tuple(claims)
