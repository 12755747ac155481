"""Measuring a study: run after run of its plan, whatever becomes of each."""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Final, NamedTuple

from powerlab.capture import Progress, Stop
from powerlab.study.cooling import BoardThermometer, Cooled, cool_down
from powerlab.study.crew import Crew
from powerlab.study.duration import batch_seconds, in_words, run_seconds
from powerlab.study.folder import StudyFolder
from powerlab.study.places import Place, board_of, place_of
from powerlab.study.plan import PlannedRun, StudyPlan
from powerlab.study.rows import planned_row, row_of
from powerlab.study.table import Row, Status
from powerlab.workload import WorkloadError
from powerlab_instruments.errors import InstrumentError
from powerlab_traces.errors import PowerlabError

NO_COOLING: Final = Cooled(None, None)


class Tried(NamedTuple):
    """A run that was tried, and the error that ended it, if one did."""

    run: PlannedRun
    error: PowerlabError | None
    cooled: Cooled


class WholePlan:
    """Progress over the whole plan, as `Progress` of one capture after the other; says how much time is left.

    Time left is that of the runs that were measured, scaled by what was expected of them and of those to come.
    """

    def __init__(self, plan: StudyPlan, todo: Iterable[PlannedRun], progress: Progress) -> None:
        device = plan.model_of_device
        self._progress = progress
        self._expected = {
            run: run_seconds(batch_seconds(run.model, run.batch, device), plan.capture(run)) + plan.asked.cooldown
            for run in todo
        }
        self._all = sum(self._expected.values()) or 1.0
        self._over, self._count = 0.0, 0
        self._run: PlannedRun | None = None
        self._began = time.monotonic()

    def begins(self, run: PlannedRun) -> None:
        """Say which run is measured from now on."""
        self._run = run
        self.step("starting")

    def ended(self, run: PlannedRun) -> None:
        """Say that one is over."""
        self._over += self._expected[run]
        self._count += 1
        self._progress.done(self._over / self._all)

    def step(self, text: str) -> None:
        """A step of the run that is measured."""
        number = min(self._count + 1, len(self._expected))
        self._progress.step(f"{number} of {len(self._expected)}{self._left()}: {self._run}: {text}")

    def done(self, share: float) -> None:
        """The share of the run's windows that has been timed."""
        expected = 0.0 if self._run is None else self._expected[self._run]
        self._progress.done((self._over + share * expected) / self._all)

    def _left(self) -> str:
        if not self._over:
            return ""
        seconds = (time.monotonic() - self._began) / self._over * (self._all - self._over)
        return f", about {in_words(seconds)} left"


class Failures:
    """Whether what went wrong would go wrong for every run. Then the sweep ends, and those runs stay to be measured.

    So it is when runs of two points in a row fail by the instruments or because the board cannot be reached, or those
    of two networks by the same error; and at once when it is neither instruments nor workload, as on a full disk.
    """

    def __init__(self) -> None:
        self.suspect: PlannedRun | None = None  # the run before, if it failed
        self._text = ""
        self._by_bench = False

    def hits_all(self, run: PlannedRun, error: PowerlabError) -> bool:
        """Take note of a failed run; whether every other would fail as well."""
        text, by_bench = str(error), isinstance(error, InstrumentError)
        if not isinstance(error, InstrumentError | WorkloadError):
            return True
        before = self.suspect
        common = before is not None and (
            (by_bench and self._by_bench and (before.model, before.batch) != (run.model, run.batch))
            or (text == self._text and before.model != run.model)
        )
        if not common:
            self.suspect, self._text, self._by_bench = run, text, by_bench
        return common

    def none(self) -> None:
        """A run went well."""
        self.suspect = None


class LinkLost(InstrumentError):
    """The board could not be heard while a run was measured on it."""


def sweep(study: StudyFolder, *, jobs: int, retry: bool, progress: Progress, stop: Stop) -> None:
    """Measure what the plan has and the folder has not; the table says what became of it.

    `jobs` runs are measured at a time, on simulated boards only. With `retry` runs that failed are measured again.
    A stop that is asked for ends it after the records in flight.

    Raises
    ------
    PowerlabError
        What would go wrong for every run, such as a bench that cannot be reached.
    """
    plan, todo = study.plan, study.to_measure(retry=retry)
    if not todo:
        return
    whole, failures = WholePlan(plan, todo, progress), Failures()
    tried = _many(study, todo, whole, stop, jobs) if plan.device else _one_by_one(study, todo, whole, stop)
    with closing(tried):
        for it in tried:
            row = _row(study, it)
            if row is None:  # it was stopped
                continue
            error = it.error
            if row.status is Status.LINK_LOST:
                error = LinkLost(row.reason)
            if error is None:
                failures.none()
            elif failures.hits_all(it.run, error):
                if failures.suspect is not None:
                    study.take(failures.suspect, planned_row(plan, failures.suspect))
                raise error
            study.take(it.run, replace(row, cooldown_s=it.cooled.seconds, temperature_degC=it.cooled.temperature))
            whole.ended(it.run)


def _row(study: StudyFolder, it: Tried) -> Row | None:
    """What has become of a run; None if it was stopped before it was over."""
    file = study.file(it.run)
    if it.error is not None:
        row = planned_row(study.plan, it.run)
        run = it.run.file if file.exists() else ""
        return replace(row, status=Status.FAILED, reason=" ".join(str(it.error).split()), run=run)
    return row_of(study.plan, it.run, study.path) if study.finished(it.run) else None


def _one_by_one(
    study: StudyFolder, todo: tuple[PlannedRun, ...], whole: WholePlan, stop: Stop
) -> Generator[Tried, None, None]:
    """Measure the runs one after the other, with a pause before each but the first."""
    first: float | None = None
    with _closed_after(place_of(study.plan)) as place:
        for k, run in enumerate(todo):
            if stop.asked:
                return
            whole.begins(run)
            place.ready()
            cooled = _cooled(study.plan, whole, first, stop, begins=k == 0)
            first = cooled.temperature if k == 0 else first
            if stop.asked:
                return
            try:
                place.measure(run, study.file(run), progress=whole, stop=stop)
            except PowerlabError as error:
                yield Tried(run, error, cooled)
            else:
                yield Tried(run, None, cooled)


def _many(
    study: StudyFolder, todo: tuple[PlannedRun, ...], whole: WholePlan, stop: Stop, jobs: int
) -> Generator[Tried, None, None]:
    """Measure several at a time, on simulated boards: nothing there has to cool down."""
    with Crew(study.path, min(jobs, len(todo))) as crew:
        whole.begins(todo[0])
        for it in crew.measure(todo, stop):
            whole.begins(it.run)
            yield Tried(it.run, it.error, NO_COOLING)


@contextmanager
def _closed_after(place: Place) -> Iterator[Place]:
    """A place that is closed at the end; an error that came before is not lost behind one from closing."""
    try:
        yield place
    except BaseException:
        with suppress(PowerlabError):
            place.close()
        raise
    place.close()


def _cooled(plan: StudyPlan, whole: WholePlan, first: float | None, stop: Stop, *, begins: bool) -> Cooled:
    """Pause, if the plan asks for it; before the first run only the temperature is looked at."""
    if not plan.asked.cooldown:
        return NO_COOLING
    whole.step("cooling down")
    with closing(BoardThermometer(board_of(plan))) as thermometer:
        if begins:
            return Cooled(0.0, thermometer.temperature())
        return cool_down(plan.asked.cooldown, thermometer, first, stop=stop)
