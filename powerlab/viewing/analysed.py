"""The analysis of a run, in a process of its own: a day takes minutes, and the page must not wait for it."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from powerlab.viewing.windows import DROPPED, KEPT, UNJUDGED, Windows, ordered
from powerlab_analysis.analysis import Basis, analyse_with_basis
from powerlab_analysis.result import Result
from powerlab_analysis.stretch import stretch
from powerlab_analysis.verdict import Verdict
from powerlab_traces.errors import PowerlabError
from powerlab_traces.record import Record
from powerlab_traces.run import Run
from powerlab_traces.store import StoredRecords, StoredRun, open_run

STEPS = 200  # of the share that is reported


@dataclass(frozen=True, slots=True, eq=False)
class Analysed:
    """What `analyse` says of a run, and what any other span of it is counted by.

    `currents` (A, as digitised) and `variances` (A^2) are of whole records [records].
    """

    basis: Basis
    windows: Windows
    verdicts: tuple[Verdict, ...]
    currents: NDArray[np.float64]
    variances: NDArray[np.float64]


class _Watched(Sequence[Record]):
    """Records that are summed up as a whole when they are read."""

    def __init__(self, records: StoredRecords, done: Callable[[float], None]) -> None:
        self._records, self._done = records, done
        self.currents, self.variances = np.full((2, len(records)), np.nan)

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        found = self._records[index]
        if isinstance(found, Record) and isinstance(index, int):
            whole = stretch(found)
            self.currents[index], self.variances[index] = whole.current, whole.variance
            if index % max(len(self) // STEPS, 1) == 0:
                self._done(index / len(self))
        return found


def analysed(path: Path, done: Callable[[float], None] = lambda _: None) -> Analysed:
    """Analyse a run file; `done` is told the share that has been read, 0 to 1.

    Raises
    ------
    TraceError
        The file cannot be read, or a record's current is not in amperes.
    """
    run = open_run(path)
    watched = _Watched(run.records, done)
    result, basis = analyse_with_basis(part_of(run, watched))
    return Analysed(basis, judged(run, result), result.verdicts, watched.currents, watched.variances)


def part_of(run: StoredRun, records: Sequence[Record], windows: Sequence[Any] | None = None) -> Run:
    """The run with other records, and other windows if any are given."""
    said = {it.name: getattr(run, it.name) for it in fields(Run)} | {"records": records}
    return Run(**(said if windows is None else said | {"windows": windows}))


def as_timed(run: StoredRun) -> Windows:
    """The windows of a run as the host timed them; nobody has judged them yet."""
    return _windows(run, [UNJUDGED] * len(run.windows))


def judged(run: StoredRun, result: Result) -> Windows:
    """The windows of a run, kept or dropped."""
    kept = {it.window.index: it for it in result.kept}
    reasons = {it.index: it.reason for it in result.dropped}
    numbers = run.windows.column("index").tolist()
    found = _windows(run, [KEPT if it in kept else DROPPED for it in numbers], [reasons.get(it, "") for it in numbers])
    begins = dict(
        zip(
            run.records.column("index").tolist(),
            (run.records.starts - run.records.column("start")).tolist(),
            strict=True,
        )
    )
    columns = {it.name: getattr(found, it.name) for it in fields(Windows)}
    for place, number in enumerate(found.index.tolist()):
        if (it := kept.get(number)) is not None:
            begin = begins[it.record]
            columns["start"][place], columns["stop"][place] = begin + it.window.start, begin + it.window.stop
            columns["energy"][place], columns["power"][place] = it.energy, it.power
    return ordered(**columns)


def _windows(run: StoredRun, fates: list[str], reasons: list[str] | None = None) -> Windows:
    column = run.windows.column
    of = column("record")
    here = np.isin(of, run.records.column("index"))
    times = np.full((2, len(of)), np.nan)  # a window whose record is missing has no place
    for row, name in zip(times, ("start", "stop"), strict=True):
        row[here] = run.records.seconds(of[here], column(name)[here])
    unknown = np.full(len(of), np.nan)
    return ordered(
        index=column("index"),
        record=of,
        start=times[0],
        stop=times[1],
        images=column("images"),
        energy=unknown,
        power=unknown.copy(),
        label=column("label").astype(object),
        fate=np.array(fates, object),
        reason=np.array(reasons or [""] * len(of), object),
    )


class Analysing:
    """A child process that analyses a run file."""

    def __init__(self, path: Path) -> None:
        self.share = 0.0
        self.found: Analysed | None = None
        self.failure: str | None = None
        context = multiprocessing.get_context("spawn")  # a copy of a process with threads may hang
        self._answers, sender = context.Pipe(duplex=False)
        self._child = context.Process(target=_child, args=(path, sender), daemon=True, name="powerlab analysis")
        self._child.start()
        sender.close()

    @property
    def ended(self) -> bool:
        """Whether there is an answer."""
        return self.found is not None or self.failure is not None

    def poll(self) -> bool:
        """Take in what the child has said since; whether that was anything."""
        heard = False
        while not self.ended and self._answers.poll():
            heard = True
            try:
                said = self._answers.recv()
            except (EOFError, OSError):
                self.failure = "the analysis ended before it was done; `powerlab analyse` says why"
                break
            if isinstance(said, float):
                self.share = said
            elif isinstance(said, str):
                self.failure = said
            else:
                self.found = cast("Analysed", said)
        if self.ended and self._child.is_alive():
            self._child.join(1.0)
        return heard

    def close(self) -> None:
        """End the child."""
        self._child.terminate()
        self._child.join()
        self._answers.close()


def _child(path: Path, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    with suppress(BrokenPipeError):
        try:
            sender.send(analysed(path, sender.send))
        except PowerlabError as error:
            sender.send(str(error))
