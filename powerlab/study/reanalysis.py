"""The run files of a study, analysed again on all processors."""

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Final

from powerlab_analysis.analysis import analyse
from powerlab_analysis.result import Result
from powerlab_traces.errors import PowerlabError
from powerlab_traces.run import Provenance
from powerlab_traces.store import open_run

FEWEST_TO_SHARE: Final = 4  # runs: to start processes for fewer takes longer than to analyse them


@dataclass(frozen=True, slots=True)
class Reanalysis:
    """One run file: its result without the windows one by one, or `why` there is none.

    `digest` is the SHA-256 of the file, "" where it cannot be read.
    """

    run: str
    digest: str
    result: Result | None
    provenance: Provenance | None
    why: str = ""


def reanalyse(folder: Path, runs: Sequence[str], done: Callable[[float], None]) -> tuple[Reanalysis, ...]:
    """Analyse these files of a folder, in their order; `done` is told the share that is finished."""
    found: list[Reanalysis] = []
    for it in _each(folder, runs):
        found.append(it)
        done(len(found) / len(runs))
    return tuple(found)


def _each(folder: Path, runs: Sequence[str]) -> Iterator[Reanalysis]:
    if len(runs) < FEWEST_TO_SHARE:
        yield from starmap(_reanalysis, ((folder, run) for run in runs))
        return
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Forked workers would share locks of whatever threads this process has.
    with ProcessPoolExecutor(min(processors, len(runs)), mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(partial(_reanalysis, folder), runs)


def _reanalysis(folder: Path, run: str) -> Reanalysis:
    path, digest = folder / run, ""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        opened = open_run(path)
        result = analyse(opened)
    except (PowerlabError, OSError) as error:
        return Reanalysis(run, digest, None, None, str(error))
    return Reanalysis(run, digest, replace(result, kept=(), dropped=(), windows={}), opened.provenance)
