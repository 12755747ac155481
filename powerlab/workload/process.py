"""A workload in a process of its own, as its parent sees it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Final, Self

from powerlab.workload import GAP, PROTOCOL, Loaded, OutOfMemoryError, Task, Timed, WorkloadEndedError, WorkloadError

KINDS: Final = {"memory": OutOfMemoryError, "ended": WorkloadEndedError}  # of errors that the child tells
_LAST_WORDS: Final = 65536  # bytes of the process's stderr that are searched for its last line


class WorkloadProcess:
    """A network that runs in a child process, started at once and ended by `close` or at the end of `with`.

    The child is this interpreter; it finds the modules its parent finds, and then those in the current folder.
    `marker` is opened by the child at each load (`powerlab.marker.open_marker`). `timeout` is how many seconds a
    request may take beyond those it was given; after `grace` seconds a child that does not end is killed.

    Every method raises `WorkloadError` in one line when the child says that the user can put something right,
    `WorkloadEndedError` when it has ended or stays silent, `OutOfMemoryError` when network and batch do not fit.
    """

    def __init__(self, *, marker: str = "none", timeout: float = 600.0, grace: float = 5.0) -> None:
        self._marker = marker
        self._timeout = timeout
        self._grace = grace
        self._number = 0
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._process = subprocess.Popen(
            # -P: a file in the current folder must not stand in for one of the standard library.
            [sys.executable, "-P", "-m", "powerlab.workload.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=os.environ | {"PYTHONPATH": _search_path()},
        )
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
        """The child's process number."""
        return self._process.pid

    def load(self, task: Task) -> Loaded:
        """Load a network in the child; see `Workload.load`."""
        answer = self._ask("load", task=task.said(), marker=self._marker)
        return Loaded(**answer | {"input_shape": tuple(answer["input_shape"])})

    def warm_up(self, count: int, settle: float = 0.0) -> tuple[float, ...]:
        """Run passes without marker; see `Workload.warm_up`."""
        return tuple(self._ask("warmup", patience=settle, count=count, settle=settle))

    def run(self, windows: int, seconds: float, gap: float = GAP) -> tuple[Timed, ...]:
        """Run windows; see `Workload.run`."""
        answer = self._ask("run", patience=seconds, windows=windows, seconds=seconds, gap=gap)
        return tuple(Timed(*it) for it in answer)

    def close(self) -> None:
        """End the child. It finishes the window that is running and leaves the marker low."""
        if self._stderr.closed:
            return
        with suppress(BrokenPipeError):  # it ended with a request unread
            self._requests.close()
        self._wait_or_kill()
        self._reader.join()
        self._answers.close()
        self._stderr.close()

    def _ask(self, request: str, *, patience: float = 0.0, **arguments: object) -> Any:
        """Send one request and wait for its answer."""
        if self._stderr.closed:
            raise WorkloadError(f"the workload's process is closed; start another one to {request}")
        self._number += 1
        message = {"id": self._number, "request": request} | arguments
        try:
            self._requests.write(json.dumps(message).encode() + b"\n")
            self._requests.flush()
        except BrokenPipeError as error:
            raise self._ended(request) from error
        deadline = time.monotonic() + self._timeout + patience
        # The answer to a request that was interrupted may still come; it is not this one's.
        while (answer := self._next(request, deadline)).get("id") != self._number:
            if answer.get("protocol", PROTOCOL) != PROTOCOL:
                self.close()
                raise WorkloadError(f"the workload speaks {answer['protocol']}, this version {PROTOCOL}")
        if "error" in answer:
            raise KINDS.get(answer["kind"], WorkloadError)(answer["error"])
        return answer["answer"]

    def _next(self, request: str, deadline: float) -> dict[str, Any]:
        """The next message of the child."""
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty as error:
            self._process.kill()
            self.close()
            raise WorkloadEndedError(
                f"the workload's process did not answer {request!r} within {self._timeout:g} s beyond what it was "
                "given and was ended; allow a longer timeout, or take a smaller batch"
            ) from error
        if line is None:
            raise self._ended(request)
        message: dict[str, Any] = json.loads(line)
        return message

    def _read(self) -> None:
        for line in self._answers:
            self._lines.put(line)
        self._lines.put(None)

    def _ended(self, request: str) -> WorkloadEndedError:
        """The child is no more: close, and say how it ended and what it said last."""
        self._wait_or_kill()
        self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - _LAST_WORDS))
        said = self._stderr.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "")
        self.close()
        status = _ending(self._process.returncode)
        return WorkloadEndedError(
            f"the workload's process ended during {request!r}: {status}" + (f"; its last line: {last}" if last else "")
        )

    def _wait_or_kill(self) -> None:
        try:
            self._process.wait(self._grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _search_path() -> str:
    """Where the child looks for modules: where this process does, then in the current folder."""
    here = str(Path.cwd())
    return os.pathsep.join([*dict.fromkeys(place or here for place in sys.path), here])


def _ending(status: int) -> str:
    """How a process ended, in words.

    >>> _ending(1)
    'exit status 1'
    """
    if status >= 0:
        return f"exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (the system does that when memory runs out; try a smaller batch)" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"
