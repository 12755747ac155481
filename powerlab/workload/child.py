"""The workload's own process: requests come in on stdin, answers go out on stdout, one JSON object a line.

It greets with `{"protocol": "powerlab.workload/2"}`. A request is `{"id": 1, "request": NAME, ...}`; its answer
`{"id": 1, "answer": ...}` or, for what the user can put right, `{"id": 1, "error": "one line", "kind": ...}`
with kind `memory` when the memory did not suffice, `ended` when the program that was measured has ended, and `other`
else.

load
    `task` (the fields of `powerlab.workload.Task`), `marker` (see `powerlab.marker.open_marker`). Answers the fields
    of `powerlab.workload.Loaded`.
warmup
    `count`, `settle`. Answers the seconds of each pass.
run
    `windows`, `seconds`, `gap`. Answers the fields of `powerlab.workload.Timed` of each window, a list each.
now
    Answers the time of this machine's clock, in nanoseconds.
tie
    `host`, `here`, `drift`: the bench's clock showed `host` ns when this one showed `here`, which runs faster by
    `drift`. A marker that tells times tells the bench's from then on.
about
    `devices`: whether they are to be looked for. Answers who is there (`powerlab.workload.about`).
noted
    Answers what `powerlab.board.watch` has seen since this was asked last: the fields of `powerlab_traces.log.Log` of
    each table, in times of this machine's clock.
marker
    `marker`. Opens it, low; answers how many seconds driving it takes.
quit
    Answers null and ends.

Whatever a library prints goes to stderr. When stdin closes the process ends after the window that is running.
It ignores Ctrl-C, which a terminal sends to it too: its parent decides. Whenever it ends, it leaves the marker
low. Other errors end it with a traceback on stderr.
"""

import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from queue import SimpleQueue
from statistics import median
from typing import IO, TYPE_CHECKING, Any

from powerlab.board.watch import Watch
from powerlab.marker import Marker, NoMarker, open_marker
from powerlab.networks import Kind, find
from powerlab.workload import PROTOCOL, OutOfMemoryError, Task, Timed, WorkloadEndedError, WorkloadError
from powerlab.workload.about import about
from powerlab.workload.command import Command, NoMoreWindows
from powerlab.workload.pace import Pace, warm_up
from powerlab_traces.clock import HostClock
from powerlab_traces.errors import PowerlabError

if TYPE_CHECKING:
    from powerlab.workload.inference import Inference
    from powerlab.workload.onnxinference import OnnxInference

    Network = Inference | OnnxInference
    Work = Network | Command

# What the process does during a request, and from its end on.
PHASES = {"load": ("loading", "loaded"), "warmup": ("warm-up", "between"), "run": ("windows", "between")}
TRIES = 101  # of the marker, to know how long driving it takes


class Requests:
    """The lines of a stream, read by a thread so that its end is noticed while windows run."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.closed = threading.Event()
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def __iter__(self) -> Iterator[bytes]:
        while (line := self._lines.get()) is not None:
            yield line

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._lines.put(line)
        self.closed.set()
        self._lines.put(None)


class ParentClock(HostClock):
    """The machine's clock; its sleep ends early when the parent has gone."""

    def __init__(self, closed: threading.Event) -> None:
        self._closed = closed

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`, or until there is nobody to wait for."""
        self._closed.wait(seconds)


class Service:
    """What the process does when asked; holds the marker and the network."""

    def __init__(self, closed: threading.Event, board: Watch) -> None:
        self._board = board
        self._work: Work | None = None
        self._by_marker = False  # whether the program raises the marker, and says nothing
        self._clock = ParentClock(closed)
        self._tie = (0, 0, 0.0)  # the bench's time, the same by this clock, and how much faster this one runs
        self._closed = closed
        self._marker: Marker = NoMarker(self._clock)
        self._pace = Pace()

    def answer(self, request: dict[str, Any]) -> object:
        """What the named request brings about."""
        known: dict[object, Callable[[], object]] = {
            "load": lambda: self._load(request),
            "warmup": lambda: self._warm_up(request["count"], request["settle"]),
            "run": lambda: self._run(request["windows"], request["seconds"], request["gap"]),
            "noted": self._board.noted,
            "now": self._clock.now,
            "tie": lambda: self._take_tie(request),
            "about": lambda: about(devices=request["devices"]),
            "marker": lambda: self._try_marker(request["marker"]),
            "quit": lambda: None,
        }
        name = request.get("request")
        if name not in known:
            raise WorkloadError(f"unknown request {name!r}: send {', '.join(map(str, known))}")
        if name not in PHASES:
            return known[name]()
        with self._phase(*PHASES[name]):
            return known[name]()

    @contextmanager
    def _phase(self, during: str, then: str) -> Iterator[None]:
        """Tell the board's watch what this process does, and let it read what takes long when that is over."""
        self._board.phase(during)
        try:
            yield
        finally:
            if self._work is None or isinstance(self._work, Command):
                self._board.phase("between")  # nobody knows when a program has loaded what it needs
            else:
                self._board.phase(then, self._work.memory_peak())

    def close(self) -> None:
        """Leave the marker low, and end a program that was started."""
        self._marker.close()
        if isinstance(self._work, Command):
            self._work.close()
        self._work = None  # free its memory before the next one needs it

    def _load(self, request: dict[str, Any]) -> object:
        self.close()
        task = Task.heard(request["task"])
        self._pace = Pace()
        self._by_marker = task.command is not None and task.windows_by == "marker"
        self._marker = NoMarker(self._clock)
        if not self._by_marker:
            self._marker = self._open_marker(request["marker"])
        if task.command is not None:
            self._work = Command(task, request["marker"], self._closed)
            self._board.follow(self._work.pid)
        else:
            self._board.follow(os.getpid())
            self._work = _network(task)
        return asdict(self._work.loaded) | {"marker_seconds": self._marker_seconds()}

    def _take_tie(self, request: dict[str, Any]) -> None:
        self._tie = (request["host"], request["here"], request["drift"])

    def _at_bench(self, at: int) -> int:
        """What the bench's clock shows when this one shows `at` ns."""
        host, here, drift = self._tie
        return host + round((at - here) * (1 - drift))

    def _try_marker(self, spec: str) -> float:
        self._marker.close()
        self._marker = self._open_marker(spec)
        return self._marker_seconds()

    def _open_marker(self, spec: str) -> Marker:
        return open_marker(spec, self._clock, self._at_bench)

    def _marker_seconds(self) -> float:
        """How long driving the marker takes; it is low already, and stays so."""
        taken = []
        for _ in range(TRIES):
            before = self._clock.now()
            self._marker.low()
            taken.append((self._clock.now() - before) * 1e-9)
        return median(taken)

    def _warm_up(self, count: int, settle: float) -> list[float]:
        work, silent = self._ready(), NoMarker(self._clock)
        if self._by_marker:
            with work.running():  # it says nothing, but has to load what it needs
                self._closed.wait(settle)
            return []
        with work.running():
            seconds = warm_up(
                lambda: work.window(silent).seconds,
                self._clock,
                count=count,
                settle=settle,
                goes_on=lambda: not self._closed.is_set(),
            )
        self._pace.warmed_up(seconds)
        return seconds

    def _run(self, windows: int, seconds: float, gap: float) -> list[Timed]:
        work, marker = self._ready(), self._marker
        if isinstance(work, Command):
            with work.running():
                return self._watch(work, windows, seconds)
        gc.disable()  # a collection of torch's many objects takes tens of milliseconds
        try:
            return self._pace.run(
                lambda: work.window(marker),
                self._clock,
                windows=windows,
                seconds=seconds,
                gap=gap,
                goes_on=lambda: not self._closed.is_set(),
            )
        finally:
            gc.enable()

    def _watch(self, command: Command, windows: int, seconds: float) -> list[Timed]:
        """The windows of a program that keeps its own pace. Those before it ends count, then it has ended."""
        if self._by_marker:
            if command.ended:  # one that ends from now on may still have marked windows
                raise command.end_error()
            self._clock.sleep(seconds)
            return []
        timed: list[Timed] = []

        def window() -> Timed:
            timed.append(command.window(self._marker))
            return timed[-1]

        try:
            return self._pace.run(
                window,
                self._clock,
                windows=windows,
                seconds=seconds,
                gap=0.0,
                goes_on=lambda: not self._closed.is_set(),
            )
        except NoMoreWindows:
            if not timed:
                raise
            return timed

    def _ready(self) -> "Work":
        if self._work is None:
            raise WorkloadError("no network is loaded: load one first")
        return self._work


def _network(task: Task) -> "Network":
    """The task's network. Torch or onnxruntime is loaded only here: it may print, and not all need it."""
    if find(task.model).kind is Kind.ONNX:
        from powerlab.workload.onnxinference import OnnxInference  # noqa: PLC0415 - see above

        return OnnxInference(task)
    from powerlab.workload.inference import Inference  # noqa: PLC0415 - see above

    return Inference(task)


def main() -> None:
    """Serve requests until told to quit or left alone."""
    # A terminal sends these to the whole group; the parent decides what becomes of the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):  # Windows has none
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    incoming, answers = _private_streams()
    requests = Requests(incoming)
    # The watch before all else: it has to know what memory was in use before there was a workload.
    with Watch() as board, closing(Service(requests.closed, board)) as service:
        _send(answers, {"protocol": PROTOCOL})
        for line in requests:
            request = json.loads(line)
            name = {"id": request.get("id")}
            try:
                _send(answers, name | {"answer": service.answer(request)})
            except PowerlabError as error:
                _send(answers, name | {"error": str(error), "kind": _kind(error)})
            if request.get("request") == "quit":
                break


def _kind(error: PowerlabError) -> str:
    match error:
        case OutOfMemoryError():
            return "memory"
        case WorkloadEndedError():
            return "ended"
    return "other"


def _private_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Take stdin and stdout away from everything else in the process: reading finds nothing, prints go to stderr.

    The file descriptors are moved, not only Python's objects, for C libraries print as well.
    """
    incoming = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, answers


def _send(answers: IO[bytes], message: dict[str, Any]) -> None:
    """Write one line. Nobody to read it is no error: the requests have ended then, too."""
    with suppress(BrokenPipeError):
        answers.write(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
