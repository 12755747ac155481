"""From a run file to its result."""

import os

from powerlab_analysis.analysis import analyse as analyse_run
from powerlab_analysis.protocols import PROTOCOLS
from powerlab_analysis.result import Result
from powerlab_traces.errors import PowerlabError
from powerlab_traces.store import open_run


def analyse(path: str | os.PathLike[str], protocol: str = "quick") -> Result:
    """The result of one run file: power and energy per batch and image, each with its U95, and the verdicts on it.

    Needs neither instruments nor torch. `protocol` says what the run must hold: "quick", "paper", "mlperf-tiny" or
    "mlperf-power" (docs/verdicts.md).

    Raises
    ------
    TraceError
        The file is missing, is no run file, or is damaged.
    PowerlabError
        There is no such protocol.
    """
    if protocol not in PROTOCOLS:
        raise PowerlabError(f"no protocol is called {protocol!r}; there are {', '.join(PROTOCOLS)}")
    return analyse_run(open_run(path), PROTOCOLS[protocol])
