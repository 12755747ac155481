"""Where a workload's process runs: on this machine, or as `powerlab.workload.ssh` says on another."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from powerlab.workload import WorkloadEndedError, WorkloadError


class Place(Protocol):
    """How a workload's process is started somewhere, and what its end means."""

    @property
    def process(self) -> str:
        """The process, as messages call it."""
        ...

    def start(self, marker: str, stderr: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start it, with pipes to its stdin and from its stdout; `marker` is what it will be told to raise."""
        ...

    def marker(self, spec: str, said: Callable[[], str]) -> str:
        """How the process has to name this marker; `said` is what came on stderr until it greeted."""
        ...

    def ended(self, doing: str, status: int, last: str, *, greeted: bool) -> WorkloadError:
        """The error that says how it ended: its status as `Popen.returncode`, and the last line on stderr."""
        ...


class Here:
    """On this machine: a child of the same interpreter. It finds modules where this one does, then in the folder."""

    process = "the workload's process"

    def start(self, marker: str, stderr: IO[bytes]) -> "subprocess.Popen[bytes]":  # noqa: ARG002 - see `Place`
        """Start a child."""
        return subprocess.Popen(
            # -P: a file in the current folder must not stand in for one of the standard library.
            [sys.executable, "-P", "-m", "powerlab.workload.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=os.environ | {"PYTHONPATH": search_path()},
        )

    def marker(self, spec: str, said: Callable[[], str]) -> str:  # noqa: ARG002 - see `Place`
        """The same: it is on this machine."""
        return spec

    def ended(self, doing: str, status: int, last: str, *, greeted: bool) -> WorkloadError:  # noqa: ARG002 - see `Place`
        """It crashed or was killed."""
        return WorkloadEndedError(f"{self.process} ended during {doing!r}: {ending(status)}{words(last)}")


def ending(status: int) -> str:
    """How a process ended, in words.

    >>> ending(1)
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


def words(last: str) -> str:
    """What a process said last, as the end of a message."""
    return f"; its last line: {last}" if last else ""


def search_path() -> str:
    """Where the child looks for modules: where this process does, then in the current folder."""
    here = str(Path.cwd())
    return os.pathsep.join([*dict.fromkeys(place or here for place in sys.path), here])
