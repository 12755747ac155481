"""The main job: run a network in timed windows on a bench, and write the run file."""

import datetime as dt
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from powerlab.bench import Bench
from powerlab.recording import Recording
from powerlab.workload import Workload
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
    record as many windows as fit, until there are enough; then idle again.

    Raises
    ------
    WorkloadError
        The network cannot be loaded or its process ends; what was recorded is kept.
    InstrumentError
        An instrument refuses or falls silent; what was recorded is kept.
    """
    progress.step(f"loading {plan.model}")
    loaded = workload.load(plan.model, plan.batch, seed=plan.seed, weights=plan.weights, threads=plan.threads)
    recording = Recording(
        bench,
        path,
        idle=plan.idle,
        model=plan.model,
        batch=plan.batch,
        workload={
            "framework": loaded.framework,
            "device": loaded.device,
            "threads": str(loaded.threads),
            "parameters": str(loaded.parameters),
            "input": "x".join(str(size) for size in loaded.input_shape),
            "seed": str(plan.seed),
            "weights": str(plan.weights) if plan.weights else "random",
            "warm-up": str(plan.warmup),
        },
        resume=plan.resume,
    )
    deadline = None if plan.until is None else bench.clock.now() + int(_left(plan.until) * 1e9)
    progress.step("setting up the bench, zero and idle")
    with recording:
        progress.step(f"warming up {plan.model}")
        warm = workload.warm_up(plan.warmup)
        if warm:
            recording.expect(max(warm[1:] or warm))  # the first pass is slower than any later one
        if recording.has_choice:
            progress.step("choosing the scope's screen")
            with recording.ranging():
                workload.run(EVERY, recording.room)  # with the marker: a simulated board draws power only then
        timed = recording.timed
        while not stop.asked and (share := _share(plan, recording.window_count, timed)) < 1:
            if deadline is not None and bench.clock.now() >= deadline:
                break
            progress.done(share)
            progress.step(f"record {recording.record_count + 1}: {recording.window_count} windows so far")
            timed += _one_record(recording, workload, plan, timed)
        progress.done(1.0)
        progress.step("idle again")
        if stop.asked:
            recording.note("stopped by Ctrl-C before all windows were timed")
    return path


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


def _one_record(recording: Recording, workload: Workload, plan: Plan, timed: float) -> float:
    """Run what fits into one record; the seconds its windows took, 0 if none did."""
    wanted = EVERY if plan.wanted is None else plan.wanted - recording.window_count
    if plan.duration is not None and recording.longest > 0:
        wanted = min(wanted, max(1, math.ceil((plan.duration - timed) / recording.longest)))
    spans = workload.run(wanted, recording.open_record())
    if not spans:
        # Slower than while warming up: the record was too short after all, the next one is longer.
        recording.cancel_record()
        recording.expect(recording.room)
        return 0.0
    for start, stop in spans:
        recording.add_window(start, stop, plan.batch)
    recording.close_record()
    return sum(stop - start for start, stop in spans) * 1e-9


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
