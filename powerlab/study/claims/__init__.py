"""The paper's claims, held against a study."""

from collections.abc import Sequence

from powerlab.study.claims.accuracy import accuracy_claims
from powerlab.study.claims.choice import choice_claims
from powerlab.study.claims.claim import Answer, Claim, Evidence
from powerlab.study.claims.memory import memory_claims
from powerlab.study.claims.power import MARGIN, power_claims
from powerlab.study.claims.time import time_claims
from powerlab.study.points import Point

__all__ = ["MARGIN", "Answer", "Claim", "Evidence", "claims"]


def claims(points: Sequence[Point], margin: float = MARGIN) -> tuple[Claim, ...]:
    """All claims, in the order of the paper's figures. `margin` is what power may change by over all batches."""
    return (
        *time_claims(points),
        *power_claims(points, margin),
        *memory_claims(points),
        *accuracy_claims(points),
        *choice_claims(points),
    )
