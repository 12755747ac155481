"""An accuracy as people and programs read it: tables on the terminal, one JSON object."""

from dataclasses import asdict
from typing import Any, Final

import click

from powerlab.networks.published import PAPER
from powerlab.terminal import columns, pairs, printable, show
from powerlab.validation.score import Accuracy, Share

SCHEMA: Final = "powerlab.accuracy/1"


def accuracy_object(found: Accuracy, *, per_class: bool) -> dict[str, Any]:
    """The accuracy as one JSON object, schema "powerlab.accuracy/1" (docs/json.md)."""
    return {
        "schema": SCHEMA,
        "model": found.model,
        "weights": None if found.weights is None else str(found.weights),
        "data": str(found.data),
        "layout": found.layout,
        "images": {
            "listed": found.listed,
            "asked": found.asked,
            "scored": found.top1.images,
            "absent": found.absent,
        },
        "partial": found.partial,
        "top1": _share_object(found.top1),
        "top5": _share_object(found.top5),
        "published": _published_object(found),
        "classes": len(found.classes),
        "outputs": found.outputs,
        "crops": found.crops,
        "preprocessing": asdict(found.preprocessing),
        "batch": found.batch,
        "device": found.device,
        "threads": found.threads,
        "dtype": found.dtype,
        "framework": found.framework,
        "seconds": found.seconds,
        "unreadable": [{"file": str(it.path), "why": it.why} for it in found.unreadable],
        "per_class": [
            {"name": it.name, "output": it.output, "top1": _share_object(it.top1), "top5": _share_object(it.top5)}
            for it in found.classes
        ]
        if per_class
        else None,
    }


def print_accuracy(found: Accuracy, *, per_class: bool) -> None:
    """Print the shares, what they are of, what is published, and every file that could not be read."""
    table = pairs()
    if found.partial:
        table.add_row("PARTIAL", f"stopped after {found.top1.images} of {found.asked} images", style="bold")
    table.add_row("model", printable(found.model))
    table.add_row("top-1", _shown(found.top1))
    if found.top5 is not None:
        table.add_row("top-5", _shown(found.top5))
    for name, share, percent in _published_shares(found):
        verdict = _verdict(share, percent) if found.comparable else "of one crop and 1000 classes: not compared"
        table.add_row("published", f"{name} {percent:.2f} %, {verdict} ({PAPER})")
    table.add_row("images", _images(found))
    table.add_row("crops", "the centre" if found.crops == 1 else "corners and centre, and mirrored")
    table.add_row("preprocessing", str(found.preprocessing))
    table.add_row(
        "computed", f"{found.dtype} on {found.device}, {found.framework}, {found.threads} threads, batch {found.batch}"
    )
    table.add_row("weights", "the model's own" if found.weights is None else str(found.weights))
    table.add_row("data", str(found.data))
    show(table)
    if found.unreadable:
        click.echo(f"not readable, and in no number above: {len(found.unreadable)}")
        for it in found.unreadable:
            click.echo(f"  {it.path}: {printable(it.why)}")
    if per_class:
        click.echo()
        _print_classes(found)


def _images(found: Accuracy) -> str:
    text = f"{found.top1.images} of {found.listed}, in {len(found.classes)} classes"
    if found.asked < found.listed:
        text += f"; a random sample of {found.asked}"
    if found.absent:
        text += f"; {found.absent} more are in the truth file and not there"
    return text


def _print_classes(found: Accuracy) -> None:
    table = columns("class", "output", "images", "top-1 %", "top-5 %", right=("output", "images", "top-1 %", "top-5 %"))
    for it in found.classes:
        shares = [f"{share.value:.1%}"[:-1] if share and share.images else "-" for share in (it.top1, it.top5)]
        table.add_row(printable(it.name), str(it.output), str(it.top1.images), *shares)
    show(table)


def _shown(share: Share) -> str:
    return f"{share:.2%} with 95 % confidence, {share.right} of {share.images} images"


def _verdict(share: Share, percent: float) -> str:
    return "agrees" if share.agrees(percent) else "differs"


def _published_shares(found: Accuracy) -> list[tuple[str, Share, float]]:
    paper = found.published
    both = (
        [] if paper is None else [("top-1", found.top1, paper.top1_percent), ("top-5", found.top5, paper.top5_percent)]
    )
    return [(name, share, percent) for name, share, percent in both if share is not None and percent is not None]


def _published_object(found: Accuracy) -> dict[str, Any] | None:
    paper = found.published
    if paper is None:
        return None
    shares = {name: (share, percent) for name, share, percent in _published_shares(found)}
    return {
        "status": "published",
        "paper": PAPER,
        "top1_percent": paper.top1_percent,
        "top5_percent": paper.top5_percent,
        "accuracy_source": paper.accuracy_source,
        "notes": paper.notes,
        **{
            f"{key}_verdict": _verdict(*shares[name]) if found.comparable and name in shares else None
            for key, name in (("top1", "top-1"), ("top5", "top-5"))
        },
    }


def _share_object(share: Share | None) -> dict[str, Any] | None:
    """A share; None where there is none, or no image that it could be of."""
    if share is None or not share.images:
        return None
    low, high = share.interval
    return {"right": share.right, "images": share.images, "share": share.value, "low": low, "high": high}
