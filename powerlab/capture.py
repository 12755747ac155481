"""The main job: run a network in timed windows on a bench, and write the run file."""

import datetime as dt
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Protocol

from powerlab.bench import Bench
from powerlab.recording import Recording
from powerlab.workload import Loaded, OutOfMemoryError, Task, Timed, Workload, WorkloadEndedError, WorkloadError
from powerlab.workload.pace import settled
from powerlab_traces.log import Log
from powerlab_traces.run import Outcome
from powerlab_traces.store import is_taken

DEFAULT_WINDOWS = 10
STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # Windows has no SIGHUP
EVERY = 1_000_000  # windows a record: more than can fit


@dataclass(frozen=True, slots=True)
class Plan:
    """What to capture: until `windows` windows were timed, they sum up to `duration` seconds, or it is `until`.

    A duration is not enough before there are `least` windows. With `resume` the run exists, and its windows count.
    After `warmup` passes the network is warmed up further until they have settled, for `settle` seconds at most.
    `how` says how the network computes; its model, batch, seed, weights and threads are those said here.
    """

    model: str
    batch: int
    windows: int | None = None
    duration: float | None = None
    warmup: int = 3
    idle: float = 1.0
    seed: int = 0
    weights: Path | None = None
    threads: int | None = None
    until: dt.datetime | None = None
    resume: bool = False
    least: int = 0
    settle: float = 0.0
    how: Task = field(default_factory=lambda: Task("", 1))

    @property
    def task(self) -> Task:
        """What the workload is to load."""
        return replace(
            self.how, model=self.model, batch=self.batch, seed=self.seed, weights=self.weights, threads=self.threads
        )

    @property
    def wanted(self) -> int | None:
        """Windows to time; None when only a duration was asked for."""
        open_end = self.windows is None and self.duration is None and self.until is None
        return DEFAULT_WINDOWS if open_end else self.windows


class Progress(Protocol):
    """Where a capture says what it is doing."""

    def step(self, text: str) -> None:
        """The step that begins now."""
        ...

    def done(self, share: float) -> None:
        """The share of the asked-for windows that has been timed, 0 to 1."""
        ...


class Stop:
    """Whether the user has asked to stop; the capture looks at it between records."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def stop_on_interrupt(say: Callable[[str], None]) -> Iterator[Stop]:
    """Let the first Ctrl-C ask for a stop, and the second one stop at once.

    So the record in flight is kept, and no question to an instrument is cut in two. A termination or a terminal that
    hangs up counts the same: either would otherwise end the program with the board still on.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread receives signals
        return

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        with suppress(OSError):  # a terminal that has hung up cannot be written to
            say("stopping after this record; Ctrl-C again stops at once")

    before = {number: signal.signal(number, interrupted) for number in STOPPING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def capture(bench: Bench, workload: Workload, plan: Plan, path: Path, *, progress: Progress, stop: Stop) -> Path:
    """Capture one run and return its path.

    Order: the network is loaded, the bench set up, zero and idle recorded, the network warmed up; then record by
    record as many windows as fit, until there are enough; then idle again. If the memory does not suffice or the
    workload's process ends, that is the run's outcome: its file has what was recorded until then.

    Raises
    ------
    WorkloadError
        The workload cannot do what it was asked.
    InstrumentError
        An instrument refuses or falls silent; what was recorded is kept.
    """
    if plan.how.windows_by == "marker" and bench.file.marker.bit is None:
        raise WorkloadError(
            "the marker is to say what a window is, and is not recorded: wire it to a digital input, D0 to D7, and "
            "say so in bench.toml"
        )
    progress.step(f"loading {plan.model}")
    loaded, failed = None, None
    try:
        loaded = workload.load(plan.task)
    except (OutOfMemoryError, WorkloadEndedError) as error:
        failed = error
    recording = Recording(
        bench,
        path,
        idle=plan.idle,
        model=plan.model,
        batch=plan.batch,
        workload=_said(plan, loaded),
        resume=plan.resume,
    )
    if failed is not None:
        recording.end_without(failed, failed.outcome)
        return path
    deadline = None if plan.until is None else bench.clock.now() + int(_left(plan.until) * 1e9)
    progress.step("setting up the bench, zero and idle")
    with recording:
        try:
            _warm_up(recording, workload, plan, progress)
            _take_notes(recording, workload)
            while not stop.asked and (share := _share(plan, recording.window_count, recording.timed)) < 1:
                if deadline is not None and bench.clock.now() >= deadline:
                    break
                progress.done(share)
                progress.step(f"record {recording.record_count + 1}: {recording.window_count} windows so far")
                _one_record(recording, workload, plan)
                _take_notes(recording, workload)
            progress.done(1.0)
        except (OutOfMemoryError, WorkloadEndedError) as error:
            recording.ended_by(error, error.outcome)
            with suppress(WorkloadError):  # it may be gone
                _take_notes(recording, workload)
        progress.step("idle again")
        enough = _share(plan, recording.window_count, recording.timed) >= 1
        if stop.asked and recording.outcome is Outcome.COMPLETE and not enough:
            recording.note("stopped by Ctrl-C before all windows were timed")
            recording.outcome = Outcome.STOPPED
    return path


def _said(plan: Plan, loaded: Loaded | None) -> dict[str, str]:
    """What the run file says of the workload."""
    task = plan.task
    if task.command is not None:
        return {"windows by": task.windows_by, **({} if loaded is None else loaded.details)}
    said = {
        "seed": str(task.seed),
        "weights": str(task.weights) if task.weights else "random",
        "dtype": task.dtype or "the model's own",
        "warm-up": f"{plan.warmup} passes, and until settled for {plan.settle:g} s at most",
        "window": "copies and pass" if task.copies else "pass",
    }
    said |= {name: "on" for name in ("channels_last", "compile", "autotune", "tf32") if getattr(task, name)}
    if loaded is None:
        return said
    return said | {
        "framework": loaded.framework,
        "device": loaded.device,
        "threads": str(loaded.threads),
        "input": "x".join(str(size) for size in loaded.input_shape),
        "marker takes": f"{loaded.marker_seconds * 1e6:.3g} us",
        **({} if loaded.parameters is None else {"parameters": str(loaded.parameters)}),
        **loaded.details,
    }


def _warm_up(recording: Recording, workload: Workload, plan: Plan, progress: Progress) -> None:
    """Warm the network up, so that the first record is long enough, and have the scope's screen chosen."""
    progress.step(f"warming up {plan.model}")
    warm = workload.warm_up(plan.warmup, plan.settle)
    if plan.how.windows_by != "marker":
        recording.log(Log("warm_up", {"seconds": warm}, {"seconds": "s"}))
    if warm:
        recording.expect(max(warm[1:] or warm))  # the first pass is slower than any later one
    if warm and plan.settle and not settled(warm):
        recording.note(
            f"the warm-up had not settled after {plan.settle:g} s: the last of {len(warm)} passes differ by 1 % or more"
        )
    if recording.has_choice:
        progress.step("choosing the scope's screen")
        with recording.ranging():
            workload.run(EVERY, recording.room)  # with the marker: a simulated board draws power only then


def _share(plan: Plan, windows: int, timed: float) -> float:
    shares = []
    if plan.wanted is not None:
        shares.append(windows / plan.wanted)
    if plan.duration is not None:
        enough = windows / plan.least if plan.least else 1.0
        shares.append(min(timed / plan.duration, enough))
    return max(shares, default=0.0)


def _left(until: dt.datetime) -> float:
    """Seconds from now to then."""
    return (until - dt.datetime.now(until.tzinfo)).total_seconds()


def _one_record(recording: Recording, workload: Workload, plan: Plan) -> None:
    """Run what fits into one record."""
    if plan.how.windows_by == "marker":
        before = recording.window_count
        workload.run(EVERY, recording.open_record())
        recording.close_record(pulses_of=plan.batch)
        if recording.window_count == before:
            recording.expect(recording.room)  # no whole pulse: the next record is longer
        return
    wanted = EVERY if plan.wanted is None else plan.wanted - recording.window_count
    if plan.duration is not None and recording.longest > 0:
        wanted = min(wanted, max(1, math.ceil((plan.duration - recording.timed) / recording.longest)))
    passes = workload.run(wanted, recording.open_record())
    if not passes:
        # Slower than while warming up: the record was too short after all, the next one is longer.
        recording.cancel_record()
        recording.expect(recording.room)
        return
    first = recording.window_count
    for it in passes:
        recording.add_window(it.start, it.stop, plan.batch)
    if doubt := next((it.doubt for it in passes if it.doubt), ""):
        recording.lose_record(doubt)
    else:
        recording.close_record()
    recording.log(_timings(passes, first))


def _take_notes(recording: Recording, workload: Workload) -> None:
    """Store what the workload has noted."""
    for log in workload.noted():
        recording.log(log)


def _timings(passes: tuple[Timed, ...], first: int) -> Log:
    """How long the parts of each window took."""
    parts = ("forward", "copy_in", "copy_out", "device")
    columns = {name: [getattr(it, name) for it in passes] for name in parts}
    return Log("passes", {"window": [*range(first, first + len(passes))], **columns}, dict.fromkeys(parts, "s"))


def default_path(model: str, batch: int) -> Path:
    """A name in the current folder that says what and when, and that is not taken."""
    now = dt.datetime.now().astimezone()
    stem = f"{_plain(model)}-b{batch}-{now:%Y%m%d-%H%M%S}"
    path, count = Path(f"{stem}.h5"), 1
    while is_taken(path):
        count += 1
        path = Path(f"{stem}-{count}.h5")
    return path


def _plain(model: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in model)
