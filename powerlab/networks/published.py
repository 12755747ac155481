"""What is published of the paper's networks (arXiv 1605.07678, versions 3 and 4).

These are other people's numbers: whoever shows them says "published" beside them, and none of them is ever taken
for one that was measured or counted here. Parameters and operations are read off the vector figures that the authors
put on their own site, exact to the digits given; that the paper's PDF shows the same was not checked. Accuracies are
of one central crop, and `accuracy_source` says whose. Of time, power and memory per network no public table is known,
so there is none here.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

PAPER: Final = "arXiv 1605.07678, versions 3 and 4"
FIGURE: Final = "culurciello/culurciello.github.io at a5cfcff, assets/nets/acc_vs_net_vs_ops.svg"


@dataclass(frozen=True, slots=True)
class Published:
    """One network in the paper's figures.

    `network` is its name in `powerlab.networks.NETWORKS`, `label` that in the figures. Accuracies are in percent,
    None where none is public for the same weights; parameters in millions; operations in 1e9, multiplications and
    additions counted apart, by the rules of `Count.flops_legacy`.
    """

    network: str
    label: str
    top1_percent: float
    top5_percent: float | None
    parameters_millions: float
    operations_giga: float
    accuracy_source: str
    notes: str


@cache
def published() -> Mapping[str, Published]:
    """The paper's fourteen networks by their name here.

    >>> published()["alexnet"].operations_giga
    2.26
    """
    text = (files("powerlab.networks") / "published.csv").read_text(encoding="utf-8")
    rows = [_published(row) for row in csv.DictReader(text.splitlines())]
    return MappingProxyType({row.network: row for row in rows})


def _published(row: Mapping[str, str]) -> Published:
    return Published(
        network=row["network"],
        label=row["label"],
        top1_percent=float(row["top1_percent"]),
        top5_percent=float(row["top5_percent"]) if row["top5_percent"] else None,
        parameters_millions=float(row["parameters_millions"]),
        operations_giga=float(row["operations_giga"]),
        accuracy_source=row["accuracy_source"],
        notes=row["notes"],
    )
