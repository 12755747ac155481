"""The folder of a study, and which of its runs are there."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Final

from powerlab.study.plan import RUNS, PlannedRun, StudyPlan, plan_path
from powerlab.study.rows import planned_row, row_of
from powerlab.study.table import CSV, Row, Status, StudyError, read_rows, write_rows
from powerlab_traces.errors import TraceError
from powerlab_traces.outcome import Outcome
from powerlab_traces.store import open_run, recover
from powerlab_traces.store.assembly import journal_of, part_of
from powerlab_traces.store.journal import is_being_written

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

ASIDE: Final = "set-aside"  # in `RUNS`: runs that were cut off or that failed, and were measured again
LOCK: Final = ".sweep"
GRACE: Final = 10.0  # s
# Outcomes of a run that is over: it would not come out otherwise. The others were cut off.
OVER: Final = frozenset({Outcome.COMPLETE, Outcome.OUT_OF_MEMORY, Outcome.WORKLOAD_ENDED, Outcome.LINK_LOST})


def existing_plan(folder: Path) -> StudyPlan | None:
    """The plan that a folder holds; None where there is none.

    Raises
    ------
    StudyError
        It cannot be read, is none, or the folder is no folder.
    """
    path = plan_path(folder)
    try:
        return StudyPlan.parse(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}); give another folder with --out") from error


class StudyFolder:
    """One study on the disk, held by one sweep at a time; the table is written after each change.

    `rows` has a row for each planned run, by its order. A run file that has no row yet, because a sweep was killed
    between the two, gets one; what was cut off within a run is set aside and measured anew, for each repeat is to be
    one start of its process.

    Raises
    ------
    StudyError
        Another sweep has the folder, or it cannot be written.
    """

    def __init__(self, folder: Path, plan: StudyPlan) -> None:
        self.path, self.plan = folder, plan
        self.said = ""  # about Parquet
        try:
            (folder / RUNS).mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder / LOCK)
        except OSError as error:
            raise StudyError(f"{folder} cannot be written ({error.strerror}); give another with --out") from error
        try:
            if not plan_path(folder).exists():
                _write(plan_path(folder), plan.text())
            self.rows = dict(self._found())
            self.write()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another sweep have it."""
        os.close(self._lock)

    @property
    def measured(self) -> int:
        """How many runs have been tried, whatever came out."""
        return sum(row.status is not Status.PLANNED for row in self.rows.values())

    def write(self) -> None:
        """Write the table."""
        self.said = write_rows(self.path, [self.rows[run.order] for run in self.plan.runs])

    def file(self, run: PlannedRun) -> Path:
        """Where a run's file is."""
        return self.path / run.file

    def take(self, run: PlannedRun, row: Row) -> None:
        """Have the table say what has become of a run."""
        self.rows[run.order] = row
        self.write()

    def to_measure(self, *, retry: bool) -> tuple[PlannedRun, ...]:
        """The runs that are not measured yet, in their order; with `retry` those, too, that were and failed.

        The files that there are of them are set aside.
        """
        again = {Status.PLANNED} if not retry else set(Status) - {Status.DONE}
        found = tuple(run for run in self.plan.runs if self.rows[run.order].status in again)
        for run in found:
            self._set_aside(run)
            self.rows[run.order] = planned_row(self.plan, run)
        if found:
            self.write()
        return found

    def finished(self, run: PlannedRun) -> bool:
        """Whether the file of a run is there and says that the run is over."""
        file = self.file(run)
        return file.exists() and open_run(file).outcome in OVER

    def _found(self) -> Iterator[tuple[int, Row]]:
        known: Mapping[int, Row] = {}
        if (self.path / CSV).exists():
            known = {row.order: row for row in read_rows(self.path)}
        for run in self.plan.runs:
            row = known.get(run.order) or planned_row(self.plan, run)
            if row.status is Status.DONE and not self.file(run).exists():
                row = planned_row(self.plan, run)  # somebody has removed it
            if row.status is Status.PLANNED and self.finished(run):
                row = row_of(self.plan, run, self.path)
            yield run.order, row

    def _set_aside(self, run: PlannedRun) -> None:
        """Move what there is of a run out of the way of another try; a run that was cut off is made a file of first."""
        file = self.file(run)
        journal, aside = journal_of(file), self.path / RUNS / ASIDE
        if file.exists():
            aside.mkdir(exist_ok=True)
            file.replace(_free(aside, file))
        if journal.exists():
            aside.mkdir(exist_ok=True)
            _wait_for_its_writer(journal)
            _recover(file, _free(aside, file))
            with suppress(OSError):
                aside.rmdir()  # if nothing was worth keeping
        part_of(file).unlink(missing_ok=True)  # half a file, made of what the journal held


@contextmanager
def opened(folder: Path, plan: StudyPlan) -> Iterator[StudyFolder]:
    """A study's folder for the time of a sweep."""
    study = StudyFolder(folder, plan)
    try:
        yield study
    finally:
        study.close()


def _free(folder: Path, file: Path) -> Path:
    """A name in the folder like the file's that is not taken."""
    path, number = folder / file.name, 1
    while path.exists() or journal_of(path).exists():
        number += 1
        path = folder / f"{file.stem}-{number}{file.suffix}"
    return path


def _recover(file: Path, target: Path) -> None:
    """Make a run file of the journal of `file`; a journal that holds no more than a beginning is moved as it is."""
    try:
        recovered = recover(file, target)
    except TraceError:
        if is_being_written(journal_of(file)):
            raise
        journal_of(file).replace(journal_of(target))
    else:
        if not recovered.records:
            target.unlink()


def _wait_for_its_writer(journal: Path) -> None:
    """Wait until a process that was killed, or whose parent was, has let go of its journal."""
    deadline = time.monotonic() + GRACE
    while journal.exists() and is_being_written(journal) and time.monotonic() < deadline:
        time.sleep(0.05)


def _locked(path: Path) -> int:
    """Hold a file until this process ends, however it does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if fcntl is None:
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StudyError(f"another sweep works on {path.parent} right now; wait for its end, or stop it") from None
    return descriptor


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
