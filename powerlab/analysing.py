"""From a run file to its result."""

import os

from powerlab_analysis.analysis import analyse as analyse_run
from powerlab_analysis.result import Result
from powerlab_traces.store import open_run


def analyse(path: str | os.PathLike[str]) -> Result:
    """The result of one run file: power and energy per batch and image, each with its U95.

    Needs neither instruments nor torch.

    Raises
    ------
    TraceError
        The file is missing, is no run file, or is damaged.
    """
    return analyse_run(open_run(path))
