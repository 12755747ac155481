"""A workload in a process of its own, as its parent sees it."""

import json
import os
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, Any, Final, Self

from powerlab.workload import (
    GAP,
    PROTOCOL,
    Loaded,
    OutOfMemoryError,
    Task,
    Timed,
    WorkloadEndedError,
    WorkloadError,
)
from powerlab.workload.place import Here, Place
from powerlab_traces.clocktie import Interval
from powerlab_traces.log import Log

KINDS: Final = {"memory": OutOfMemoryError, "ended": WorkloadEndedError}  # of errors that the child tells
PROMPT: Final = 30.0  # s in which what is nothing but a question is answered
LATE: Final = 10  # times the longest pass so far: as much longer windows may take than they were given
_LAST_WORDS: Final = 65536  # bytes of the process's stderr that are searched for its last line


class WorkloadProcess:
    """A network that runs in a process of its own, started at once and ended by `close` or at the end of `with`.

    `place` is where. `marker` is opened by the process at each load (`powerlab.marker.open_marker`). `timeout` is how
    many seconds a request may take beyond those it was given; windows, once it is known how long one takes, have but
    `PROMPT` seconds and a few windows more. After `grace` seconds a process that does not end is killed.

    Every method raises `WorkloadError` in one line when the process says that the user can put something right,
    `WorkloadEndedError` when it has ended or stays silent, `OutOfMemoryError` when network and batch do not fit.
    """

    def __init__(
        self, *, place: Place | None = None, marker: str = "none", timeout: float = 600.0, grace: float = 5.0
    ) -> None:
        self._place = place or Here()
        self._marker = marker
        self._timeout = timeout
        self._grace = grace
        self._number = 0
        self._greeted = False
        self._longest = 0.0  # s, of the passes so far
        # For appending, so that it can be read while the process writes.
        self._stderr: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed by close()
        try:
            self._process = self._place.start(marker, self._stderr)
        except BaseException:
            self._stderr.close()
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The number of the child, which for a place elsewhere is the link to it."""
        return self._process.pid

    def load(self, task: Task) -> Loaded:
        """Load a network there; see `Workload.load`."""
        self._longest = 0.0
        answer = self._ask("load", self._timeout, task=task.said(), marker=self._marker_there("load"))
        return Loaded(**answer | {"input_shape": tuple(answer["input_shape"])})

    def warm_up(self, count: int, settle: float = 0.0) -> tuple[float, ...]:
        """Run passes without marker; see `Workload.warm_up`."""
        late = self._timeout * max(1, count)  # nobody knows yet how long a pass takes
        seconds = tuple(self._ask("warmup", late, given=settle, count=count, settle=settle))
        self._longest = max(seconds, default=0.0)
        return seconds

    def run(self, windows: int, seconds: float, gap: float = GAP) -> tuple[Timed, ...]:
        """Run windows; see `Workload.run`."""
        late = min(self._timeout, PROMPT + LATE * self._longest) if self._longest else self._timeout
        answer = self._ask("run", late, given=seconds, windows=windows, seconds=seconds, gap=gap)
        timed = tuple(Timed(*it) for it in answer)
        self._longest = max(self._longest, *(it.seconds for it in timed), 0.0)
        return timed

    def noted(self) -> tuple[Log, ...]:
        """What memory and board were seen to do (`powerlab.board`), in times of that machine's clock."""
        return tuple(Log(**it) for it in self._ask("noted", min(self._timeout, PROMPT)))

    def now(self) -> int:
        """The time of the process's clock, in nanoseconds."""
        return int(self._ask("now", min(self._timeout, PROMPT)))

    def tell_tie(self, interval: Interval) -> None:
        """Say how the process's clock stands and runs against the bench's, for a marker that tells times."""
        after = interval.after
        self._ask("tie", min(self._timeout, PROMPT), host=after.host, here=after.board, drift=interval.drift)

    def about(self, *, devices: bool = False) -> dict[str, Any]:
        """Who is there: `powerlab.workload.about.about`."""
        return dict(self._ask("about", self._timeout, devices=devices))

    def try_marker(self) -> float:
        """Open the marker, low; how many seconds driving it takes."""
        return float(self._ask("marker", self._timeout, marker=self._marker_there("marker")))

    def close(self) -> None:
        """End the process. It finishes the window that is running and leaves the marker low."""
        if self._stderr.closed:
            return
        with suppress(OSError):  # it ended with a request unread
            self._requests.close()
        self._wait_or_kill()
        self._reader.join(self._grace)
        if not self._reader.is_alive():  # else a process that it has started holds the other end
            self._answers.close()
        self._stderr.close()

    def _ask(self, request: str, late: float, *, given: float = 0.0, **arguments: object) -> Any:
        """Send one request and wait for its answer, `late` seconds beyond those it was given."""
        if self._stderr.closed:
            raise WorkloadError(f"the workload's process is closed; start another one to {request}")
        self._greet(request)
        self._number += 1
        message = {"id": self._number, "request": request} | arguments
        try:
            self._requests.write(json.dumps(message).encode() + b"\n")
            self._requests.flush()
        except OSError as error:
            raise self._ended(request) from error
        deadline = time.monotonic() + given + late
        # The answer to a request that was interrupted may still come; it is not this one's.
        while (answer := json.loads(self._next(request, deadline, late))).get("id") != self._number:
            pass
        if "error" in answer:
            raise KINDS.get(answer["kind"], WorkloadError)(answer["error"])
        return answer["answer"]

    def _greet(self, request: str) -> None:
        """Wait for the greeting. What a shell prints before it, when somebody logs in, is skipped."""
        deadline = time.monotonic() + self._timeout
        while not self._greeted:
            try:
                found = json.loads(self._next(request, deadline, self._timeout))["protocol"]
            except (ValueError, TypeError, KeyError):
                continue
            self._greeted = True
            if found != PROTOCOL:
                self.close()
                raise WorkloadError(f"{self._place.process} speaks {found}, this powerlab {PROTOCOL}: {_older(found)}")

    def _next(self, request: str, deadline: float, late: float) -> bytes:
        """The next line of the process."""
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty as error:
            self.close()  # which lets it end what it has started, and kills it if it does not
            raise WorkloadEndedError(
                f"{self._place.process} did not answer {request!r} within {late:g} s beyond what it was given and was "
                "ended; does it hang, is its clock right, or does it need a smaller batch?"
            ) from error
        if line is None:
            raise self._ended(request)
        return line

    def _read(self) -> None:
        for line in self._answers:
            if line.endswith(b"\n"):  # a half one is none
                self._lines.put(line)
        self._lines.put(None)

    def _marker_there(self, request: str) -> str:
        """The marker as the process has to name it."""
        self._greet(request)
        return self._place.marker(self._marker, self._said)

    def _said(self) -> str:
        """The end of what the process has written on stderr."""
        self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - _LAST_WORDS))
        return self._stderr.read().decode(errors="replace")

    def _ended(self, request: str) -> WorkloadError:
        """The process is no more: close, and say how it ended and what it said last."""
        self._wait_or_kill()
        last = next((line.strip() for line in reversed(self._said().split("\n")) if line.strip()), "")
        self.close()
        return self._place.ended(request, self._process.returncode, last, greeted=self._greeted)

    def _wait_or_kill(self) -> None:
        try:
            self._process.wait(self._grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _older(theirs: str) -> str:
    """Which of two versions of the protocol is the older one.

    >>> _older("powerlab.workload/1")
    'upgrade powerlab there'
    """
    version = theirs.rpartition("/")[2]
    there = not version.isdecimal() or int(version) < int(PROTOCOL.rpartition("/")[2])
    return "upgrade powerlab " + ("there" if there else "on this machine")
