"""The workload's own process: requests come in on stdin, answers go out on stdout, one JSON object a line.

It greets with `{"protocol": "powerlab.workload/2"}`. A request is `{"id": 1, "request": NAME, ...}`; its answer
`{"id": 1, "answer": ...}` or, for what the user can put right, `{"id": 1, "error": "one line", "kind": ...}`
with kind `memory` when the memory did not suffice and `other` else.

load
    `task` (the fields of `powerlab.workload.Task`), `marker` (see `powerlab.marker.open_marker`). Answers the fields
    of `powerlab.workload.Loaded`.
warmup
    `count`, `settle`. Answers the seconds of each pass.
run
    `windows`, `seconds`, `gap`. Answers the fields of `powerlab.workload.Timed` of each window, a list each.
now
    Answers the time of this machine's clock, in nanoseconds.
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
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict
from queue import SimpleQueue
from statistics import median
from typing import IO, TYPE_CHECKING, Any

from powerlab.marker import Marker, NoMarker, open_marker
from powerlab.workload import PROTOCOL, OutOfMemoryError, Task, Timed, WorkloadError
from powerlab.workload.pace import Pace, warm_up
from powerlab_traces.clock import HostClock
from powerlab_traces.errors import PowerlabError

if TYPE_CHECKING:
    from powerlab.workload.inference import Inference

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

    def __init__(self, closed: threading.Event) -> None:
        # Torch is loaded here and not with the module, for it may print and stdout must have been moved by then.
        from powerlab.workload import inference  # noqa: PLC0415 - see above

        self._make = inference.Inference
        self._inference: Inference | None = None
        self._clock = ParentClock(closed)
        self._closed = closed
        self._marker: Marker = NoMarker(self._clock)
        self._pace = Pace()

    def answer(self, request: dict[str, Any]) -> object:
        """What the named request brings about."""
        match request.get("request"):
            case "load":
                return self._load(request)
            case "warmup":
                return self._warm_up(request["count"], request["settle"])
            case "run":
                return self._run(request["windows"], request["seconds"], request["gap"])
            case "now":
                return self._clock.now()
            case "quit":
                return None
            case other:
                raise WorkloadError(f"unknown request {other!r}: send load, warmup, run, now or quit")

    def close(self) -> None:
        """Leave the marker low."""
        self._marker.close()

    def _load(self, request: dict[str, Any]) -> object:
        self._inference = None  # free its memory before the next one needs it
        self._pace = Pace()
        self._marker.close()
        self._marker = NoMarker(self._clock)
        self._marker = open_marker(request["marker"], self._clock)
        self._inference = self._make(Task.heard(request["task"]))
        return asdict(self._inference.loaded) | {"marker_seconds": self._marker_seconds()}

    def _marker_seconds(self) -> float:
        """How long driving the marker takes; it is low already, and stays so."""
        taken = []
        for _ in range(TRIES):
            before = self._clock.now()
            self._marker.low()
            taken.append((self._clock.now() - before) * 1e-9)
        return median(taken)

    def _warm_up(self, count: int, settle: float) -> list[float]:
        inference, silent = self._ready(), NoMarker(self._clock)
        seconds = warm_up(
            lambda: inference.window(silent).seconds,
            self._clock,
            count=count,
            settle=settle,
            goes_on=lambda: not self._closed.is_set(),
        )
        self._pace.warmed_up(seconds)
        return seconds

    def _run(self, windows: int, seconds: float, gap: float) -> list[Timed]:
        inference, marker = self._ready(), self._marker
        gc.disable()  # a collection of torch's many objects takes tens of milliseconds
        try:
            return self._pace.run(
                lambda: inference.window(marker),
                self._clock,
                windows=windows,
                seconds=seconds,
                gap=gap,
                goes_on=lambda: not self._closed.is_set(),
            )
        finally:
            gc.enable()

    def _ready(self) -> "Inference":
        if self._inference is None:
            raise WorkloadError("no network is loaded: load one first")
        return self._inference


def main() -> None:
    """Serve requests until told to quit or left alone."""
    # A terminal sends these to the whole group; the parent decides what becomes of the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):  # Windows has none
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    incoming, answers = _private_streams()
    requests = Requests(incoming)
    with closing(Service(requests.closed)) as service:
        _send(answers, {"protocol": PROTOCOL})
        for line in requests:
            request = json.loads(line)
            name = {"id": request.get("id")}
            try:
                _send(answers, name | {"answer": service.answer(request)})
            except PowerlabError as error:
                kind = "memory" if isinstance(error, OutOfMemoryError) else "other"
                _send(answers, name | {"error": str(error), "kind": kind})
            if request.get("request") == "quit":
                break


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
