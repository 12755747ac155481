"""Somebody's own program as the workload: it says on its stdout when a batch begins and ends.

It prints a line `start` directly before each batch and a line `stop` directly after it, unbuffered; all other lines
are ignored. Each may be followed by the time, in nanoseconds of the monotonic clock: then a batch of which we hear
more than a millisecond late is left out. It runs batch after batch, and is stopped (SIGSTOP) while nothing of it is
measured, so that an idle record is one. Or it raises the marker itself and prints nothing; then the marker says what
a window is.

It finds the batch as `{batch}` in its command line and in `POWERLAB_BATCH`, and in `POWERLAB_MARKER` which line
bench.toml has for the marker (`powerlab.marker.open_marker` opens it).
"""

import math
import os
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from powerlab.marker import Marker
from powerlab.workload import Loaded, Task, Timed, WorkloadEndedError, WorkloadError
from powerlab.workload.place import ending

PATIENCE: Final = 60.0  # s for the first batch to begin
GRACE: Final = 2.0  # s to end when told to: less than this process is given itself
LATE: Final = 1_000_000  # ns after which we may hear of a batch
LOOK: Final = 0.2  # s between looks whether somebody still waits
START, STOP = b"start", b"stop"


class NoMoreWindows(WorkloadEndedError):
    """The program has ended."""


class Command:
    """One program that runs batches by itself; stopped until `running`, and waited for until `closed`.

    Raises
    ------
    WorkloadError
        There is no such program, or it may not be run.
    """

    def __init__(self, task: Task, marker: str, closed: threading.Event) -> None:
        self._closed = closed
        line = (task.command or "").replace("{batch}", str(task.batch))
        if os.name != "posix":
            raise WorkloadError("--command needs a POSIX system, where pipes can be waited for; give a --model")
        try:
            words = shlex.split(line)
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if task.windows_by == "marker" else subprocess.PIPE,  # nobody would read it
                bufsize=0,
                env=os.environ | {"POWERLAB_BATCH": str(task.batch), "POWERLAB_MARKER": marker},
                # Ctrl-C is its parent's business; and a stopped group that loses its parent is hung up by the system,
                # but not if it is in a session of its own.
                process_group=0,
            )
        except (OSError, ValueError, IndexError) as error:
            why = getattr(error, "strerror", None) or "it is no command line"
            raise WorkloadError(f"the command {line!r} cannot be run ({why}); look at --command") from error
        self._output = self._process.stdout
        self._line, self._rest = line, b""
        self._began = False
        self._ready = selectors.DefaultSelector()
        if self._output is not None:
            self._ready.register(self._output, selectors.EVENT_READ)
        self.loaded = Loaded(
            model=task.model,
            batch=task.batch,
            parameters=None,
            input_shape=(task.batch,),
            framework="a program of its own",
            device="its own choice",
            threads=0,
            details={"command": line},
        )
        self._signal(signal.SIGSTOP)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the program run during the body. What it had printed before is forgotten."""
        self._skip()
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)

    @property
    def pid(self) -> int:
        """The program's process number."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the program has ended."""
        return self._process.poll() is not None

    def _skip(self) -> None:
        while self._ready.select(0) and self._read():
            pass
        self._rest = b"" if self.ended else self._rest.rpartition(b"\n")[2]

    def window(self, marker: Marker) -> Timed:
        """Wait for the next batch, and raise the marker while it lasts.

        A batch that is over when it is heard of, or of which we hear late, is left out: nobody knows where it was.

        Raises
        ------
        NoMoreWindows
            The program ended; a batch that it had begun does not count.
        WorkloadError
            It says nothing of any batch.
        """
        while True:
            began = self._wait_for(START, math.inf if self._began else PATIENCE)
            if any(it.split()[:1] == [STOP] for it in self._rest.split(b"\n")[:-1]):
                continue
            start = marker.high()
            self._began = True
            try:
                ended = self._wait_for(STOP)
            finally:
                stop = marker.low()
            if all(it is None or 0 <= at - it <= LATE for it, at in ((began, start), (ended, stop))):
                return Timed(start, stop)

    def close(self) -> None:
        """End the program, and what it has started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            self._signal(signal.SIGCONT)  # a stopped one hears nothing
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
                break
        self._ready.close()
        if self._output is not None:
            self._output.close()

    def end_error(self) -> NoMoreWindows:
        """How the program ended, in words."""
        return NoMoreWindows(f"the command {self._line!r} ended: {ending(self._process.wait())}")

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _wait_for(self, word: bytes, patience: float = math.inf) -> int | None:
        """Read up to the line that begins with this word; the time in it, if it has one."""
        deadline = time.monotonic() + patience
        while True:
            line, found, rest = self._rest.partition(b"\n")
            if found:
                self._rest = rest
                said, *more = line.split() or [b""]
                if said == word:
                    return int(more[0]) if more and more[0].isdigit() else None
            if self._closed.is_set():
                raise NoMoreWindows("nobody waits for the command any more")
            if time.monotonic() > deadline:
                raise WorkloadError(
                    f"the command {self._line!r} has printed no line `start` for {PATIENCE:g} s; let it print `start` "
                    "before and `stop` after each batch, unbuffered, or raise the marker itself, --windows-by marker"
                )
            if not found and self._ready.select(LOOK) and not self._read():
                raise self.end_error()

    def _read(self) -> bool:
        """Take up what is there; whether more may come."""
        assert self._output is not None
        more = self._output.read(65536)
        self._rest += more or b""
        return bool(more)
