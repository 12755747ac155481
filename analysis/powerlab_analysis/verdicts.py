"""What is wrong with the data of a run. docs/verdicts.md lists every verdict with its limit, effect and source.

A verdict is about a defect. That no zero or only one idle record was taken is none: the uncertainty holds what is not
known then, and a protocol (see `protocols`) may ask for more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from powerlab_analysis.chainverdicts import chain_verdicts
from powerlab_analysis.clocks import ClockComparison
from powerlab_analysis.measured import Measured
from powerlab_analysis.model import Model
from powerlab_analysis.recordverdicts import record_verdicts
from powerlab_analysis.survey import Survey
from powerlab_analysis.verdict import Verdict, worst_first
from powerlab_analysis.windowverdicts import window_verdicts


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdicts are found from.

    `measured` are the run's quantities before any is refused; `idle_current` (A) is the idle current by the probe.
    """

    seen: Survey
    model: Model
    measured: Mapping[str, Measured]
    idle_current: Measured | None
    clock: ClockComparison | None


def verdicts_of(evidence: Evidence) -> tuple[Verdict, ...]:
    """All verdicts on a run, worst first."""
    seen, model = evidence.seen, evidence.model
    return worst_first(
        [
            *record_verdicts(seen, evidence.clock),
            *chain_verdicts(seen, model, evidence.idle_current),
            *window_verdicts(seen.cuts, model, evidence.measured),
        ]
    )
