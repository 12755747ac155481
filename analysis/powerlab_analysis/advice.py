"""What would make an uncertainty smaller: advice on the terms that dominate a budget."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from powerlab_analysis import model
from powerlab_analysis.result import BudgetTerm

DOMINANT: Final = 0.10  # of the variance, from which on a term is worth doing something about: 5 % of the uncertainty
MOST: Final = 3  # pieces of advice


@dataclass(frozen=True, slots=True)
class _Remedy:
    """What to do about terms whose names begin with one of `names`, and what people call these terms."""

    do: str
    subject: str
    names: tuple[str, ...]


REMEDIES: Final = (
    _Remedy("zero the probe", "the offset", (model.PROBE_OFFSET.name, model.SCOPE_OFFSET.name)),
    _Remedy(
        "zero before and after the session, which measures it, or pass more turns through the clamp",
        "the drift of the offset",
        (model.OFFSET_DRIFT.name,),
    ),
    _Remedy("record a longer zero", "its noise", ("noise of the zero",)),
    _Remedy("calibrate against the supply", "the probe's gain", (model.PROBE_GAIN.name,)),
    _Remedy(
        "take a smaller screen (full_scale), or calibrate against the supply",
        "the scope's gain",
        (model.SCOPE_GAIN.name,),
    ),
    _Remedy(
        "zero the probe if that was not done, else have the supply calibrated",
        "the supply's readback",
        (model.CALIBRATION.name,),
    ),
    _Remedy("calibrate again, at loads further apart", "the calibration", ("calibration",)),
    _Remedy("take a smaller screen (full_scale), or more turns", "quantisation", ("quantisation",)),
    _Remedy("measure for longer", "noise", ("noise",)),
    _Remedy("time more windows", "their spread", ("spread over windows",)),
    _Remedy("capture more often", "the spread over captures", ("spread over captures",)),
    _Remedy("wire the marker to a digital input", "the place of windows in the record", ("window shift",)),
    _Remedy("put more images into a window", "its edges", (model.WINDOW_EDGES.name,)),
    _Remedy(
        "measure the lead's resistance, or sense the voltage at the board", "the lead", (model.LEAD_RESISTANCE.name,)
    ),
    _Remedy("let the board settle, and record idle for longer", "the drift of idle", ("idle drift",)),
    _Remedy("let the supply settle, and sense the voltage at the board", "its change", ("voltage change",)),
    _Remedy("calibrate the supply's voltage readback", "the voltage", ("voltage readback",)),
    _Remedy("calibrate the scope's time base", "it", (model.TIME_BASE.name,)),
)


def advice(budget: Sequence[BudgetTerm]) -> Iterator[str]:
    """What to do about the terms that dominate, largest first; nothing for a budget without any.

    Terms with the same remedy count together: the offsets of probe and scope are both gone with one zero.
    """
    shares = [(sum(term.share for term in budget if _remedy(term) is remedy), remedy) for remedy in (*REMEDIES, None)]
    for share, remedy in sorted(shares, key=lambda it: -it[0])[:MOST]:
        if remedy is not None and share >= DOMINANT:
            yield f"{remedy.do}: {remedy.subject} is {share:.0%} of the variance"


def _remedy(term: BudgetTerm) -> _Remedy | None:
    return next((it for it in REMEDIES if term.name.startswith(it.names)), None)
