"""A program that drives some line as the marker: for every adapter that powerlab does not know.

It is started once, reads `1` and `0` on its stdin, a line each, drives its line so, and then writes the same on its
stdout. Each edge waits for that, so that how long it takes is known; a process for each edge would take milliseconds.
"""

import os
import select
import shlex
import subprocess
from contextlib import suppress
from typing import Final

from powerlab.marker import MarkerError
from powerlab.markers.line import LineMarker
from powerlab_traces.clock import Clock

PATIENCE: Final = 1.0  # s for the echo of an edge
START: Final = 10.0  # s for the first one: an interpreter has to start
GRACE: Final = 2.0  # s to end when its stdin is closed
HIGH, LOW = b"1\n", b"0\n"


def open_program(command: str, clock: Clock) -> LineMarker:
    """Start the program and have it lower its line.

    Raises
    ------
    MarkerError
        It cannot be started, ends, or does not echo.
    """
    name = f"command:{command}"
    if os.name != "posix":
        raise MarkerError(f"marker {name}: needs a POSIX system, where pipes can be waited for; take another marker")
    try:
        process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is not for it: it ends with its stdin
        )
    except (OSError, ValueError, IndexError) as error:
        why = getattr(error, "strerror", None) or "it is no command line"
        raise MarkerError(f"marker {name}: it cannot be started ({why}); check name and permissions") from error
    program = _Program(name, process)
    try:
        program.send(LOW, START)
    except MarkerError:
        program.end()
        raise
    return LineMarker(name, clock, lambda high: program.send(HIGH if high else LOW, PATIENCE), program.end)


class _Program:
    def __init__(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._name, self._process = name, process
        self._requests, self._echoes = process.stdin, process.stdout

    def send(self, line: bytes, patience: float) -> None:
        """Have the line driven, and wait until it is."""
        with suppress(BrokenPipeError):  # how it ended is said below
            self._requests.write(line)
        heard = b""
        while not heard.endswith(b"\n"):
            if not select.select([self._echoes], [], [], patience)[0]:
                raise MarkerError(
                    f"marker {self._name}: no echo of {line.decode().strip()!r} within {patience:g} s; let it write "
                    "each line that it reads, unbuffered"
                )
            chunk = os.read(self._echoes.fileno(), 64)
            if not chunk:
                raise MarkerError(f"marker {self._name}: it ended with status {self._process.wait()}")
            heard += chunk
        if heard != line:
            raise MarkerError(
                f"marker {self._name}: it wrote {heard.decode(errors='replace').strip()!r} where the echo of "
                f"{line.decode().strip()!r} was due; let it write nothing else on stdout"
            )

    def end(self) -> None:
        with suppress(OSError):
            self._requests.close()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._echoes.close()
