"""The workload's side of the process that watches its memory and its board."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, Any, Final, Self

from powerlab.board.sampler import COLUMNS
from powerlab.workload.place import search_path

PATIENCE: Final = 20.0  # s for an answer: reading the memory of a large process takes a while at low priority


class Watch:
    """Watches this process and its machine, from a process of its own, until it is closed.

    Should that end or fall silent, the workload goes on, and `noted` says so from then on.
    """

    def __init__(self) -> None:
        self._ended: str | None = None
        self._told = False  # that it has ended
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "powerlab.board.sampler", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": search_path()},
            start_new_session=True,  # Ctrl-C is not for it: it ends with its stdin
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(self._answers,), daemon=True)
        self._reader.start()
        self._hear()  # what was in use before the workload has been read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The number of the process that watches."""
        return self._process.pid

    def phase(self, name: str, framework: int | None = None) -> None:
        """Say what the workload does from now on; when this returns, nothing expensive is being read.

        Phases are `loading`, `loaded`, `warm-up`, `windows` and `between`. `framework` are the most bytes that the
        framework has had so far, where it knows.
        """
        self._ask({"phase": name} | ({} if framework is None else {"framework": framework}))

    def follow(self, pid: int) -> None:
        """Watch another process and its descendants."""
        self._ask({"follow": pid})

    def noted(self) -> list[dict[str, Any]]:
        """What was seen since the last time: the fields of the logs `memory`, `board_state` and `watch_ended`.

        `memory` has the largest values of each quarter of a second, after a minute of two seconds: `system` is
        MemTotal - MemAvailable of the machine, `rss` what the workload's process and its descendants have in memory,
        `device` what is in use on NVIDIA GPUs; `samples` says how many readings they are of. A row with `samples` 0 is
        one reading of `rss` and `pss`, and what the framework said of its peak. `board_state` is as
        `powerlab.board.state` says.
        """
        found = self._ask({"samples": True})
        if found is None and self._told:
            return []
        if found is None:
            self._told = True
            return [_log("watch_ended", ["host_ns", "why"], [[time.perf_counter_ns(), self._ended]], {"host_ns": "ns"})]
        units = {"host_ns": "ns", **dict.fromkeys(COLUMNS[3:], "B")}
        tables = [
            ("memory", COLUMNS, found["memory"], units),
            ("board_state", found["columns"], found["state"], {"host_ns": "ns", **found["units"]}),
        ]
        return [_log(*table) for table in tables if table[2]]

    def close(self) -> None:
        """End the process that watches."""
        with suppress(BrokenPipeError):
            self._requests.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._answers.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        if self._ended is not None:
            return None
        with suppress(BrokenPipeError):  # then there is no answer either
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any] | None:
        try:
            line = self._lines.get(timeout=PATIENCE)
        except Empty:
            self._process.kill()
            self._ended = f"the process that watches memory and board was silent for {PATIENCE:g} s and was ended"
            return None
        if not line:
            status = self._process.wait()
            self._ended = f"the process that watches memory and board ended, status {status}"
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _read(self, answers: IO[bytes]) -> None:
        for line in answers:
            if line.endswith(b"\n"):  # a half one is none
                self._lines.put(line)
        self._lines.put(b"")


def _log(name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], units: dict[str, str]) -> dict[str, Any]:
    """The fields of a log."""
    return {
        "name": name,
        "columns": dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)),
        "units": units,
    }
