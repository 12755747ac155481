"""The process that watches: memory 60 times a second, the board's state once a second.

It is started as a module (`powerlab.board.watch` does), runs at low priority, keeps what it has seen until it is asked,
and ends when its stdin closes. Requests and answers are JSON objects, one a line:

`{"phase": "windows", "framework": 123}`
    What the workload does from now on; `framework`, where there is one, is the most bytes that the framework has had.
    Answered with `{}` when all that is due now has been read: nothing expensive is read later, but at the next phase.
`{"follow": 4711}`
    The process to watch, with its descendants, in place of the one before. Answered with `{}`.
`{"samples": true}`
    Answered with what was seen since the last time: `memory`, rows of `COLUMNS`; `state`, rows of the columns in
    `columns`, whose `units` stand beside; the last of them is read now.

Times are nanoseconds of `time.perf_counter_ns`, bytes are bytes, and null is what is not known.
"""

import gc
import json
import os
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

from powerlab.board import memory
from powerlab.board.memory import Proportional, Resident
from powerlab.board.nvidia import Gpus
from powerlab.board.state import Source, Value, sources

COLUMNS: Final = ("host_ns", "phase", "samples", "system", "rss", "pss", "framework", "device")
BEFORE: Final = "before"  # the phase in which the workload's process holds nothing yet
QUIET: Final = frozenset({"loaded", "between"})  # phases in which nothing is timed
PERIOD: Final = 1 / 60  # s between two readings of memory: at 50 Hz none may come late
ROW: Final = 0.25  # s that one row of memory holds the largest values of
LATER: Final = 60.0  # s after which a row holds
LATER_ROW: Final = 2.0  # s, for runs of a day
MOST_ROWS: Final = 20_000  # that are kept while nobody asks for them
STATE_PERIOD: Final = 1.0  # s
SHARE: Final = 0.01  # of its time may go into reading PSS
NICENESS: Final = 10


class System(Protocol):
    """See `powerlab.board.memory.SystemMemory`."""

    def used(self) -> int | None:
        """Bytes in use."""
        ...


class Process(Protocol):
    """See `powerlab.board.memory.ProcessMemory`."""

    def find(self) -> None:
        """Look which processes there are."""
        ...

    def resident(self) -> Resident | None:
        """What they have in memory."""
        ...

    def proportional(self) -> Proportional | None:
        """The same, with what is shared divided among its users."""
        ...

    def close(self) -> None:
        """Let go of the processes."""
        ...


@dataclass(slots=True)
class Row:
    """The largest values of some readings in one phase."""

    at: int  # ns, the first reading
    phase: str
    samples: int = 0
    system: int | None = None
    rss: int | None = None
    device: int | None = None

    def take(self, system: int | None, rss: int | None, device: int | None) -> None:
        """Count one reading."""
        self.samples += 1
        self.system, self.rss = _larger(self.system, system), _larger(self.rss, rss)
        self.device = _larger(self.device, device)

    def said(self) -> list[Value]:
        """The row as it is answered."""
        return [self.at, self.phase, self.samples, self.system, self.rss, None, None, self.device]


class MemoryWatch:
    """The rows of memory.

    The first row is of the time before the workload: what the process itself had then is not in its `system`. PSS is
    read only when a quiet phase begins, and then only if that costs less than `SHARE` of the time.
    """

    def __init__(self, system: System, process: Process, gpus: Gpus) -> None:
        self._system, self._process, self._gpus = system, process, gpus
        self._rows: deque[list[Value]] = deque(maxlen=MOST_ROWS)
        self._row: Row | None = None
        self._phase = BEFORE
        self._pss_due = 0  # ns
        used, own = system.used(), process.resident()
        if used is not None and own is not None:
            used -= own.rss - own.shared
        row = Row(time.perf_counter_ns(), BEFORE)
        row.take(used, None, gpus.memory())
        self._before, self._began = [row.said()], row.at

    def read(self) -> None:
        """Read once."""
        at = time.perf_counter_ns()
        length = ROW if at - self._began < LATER * 1e9 else LATER_ROW
        if self._row is not None and at - self._row.at >= length * 1e9:
            self._finish()
        if self._row is None:
            self._row = Row(at, self._phase)
        resident = self._process.resident()
        self._row.take(self._system.used(), None if resident is None else resident.rss, self._gpus.memory())

    def enter(self, phase: str, framework: int | None) -> None:
        """Another phase begins."""
        self._finish()
        self._phase = phase
        if phase in QUIET:
            self._process.find()
            self._share(framework)
        self.read()

    def follow(self, process: Process) -> None:
        """Watch another process."""
        self._finish()
        self._process.close()
        self._process = process

    def taken(self) -> list[list[Value]]:
        """The rows since the last time."""
        self._finish()
        rows = [*self._before, *self._rows]
        self._before = []
        self._rows.clear()
        return rows

    def _share(self, framework: int | None) -> None:
        began = time.perf_counter_ns()
        found = None
        if began >= self._pss_due:
            found = self._process.proportional()
            took = time.perf_counter_ns() - began
            self._pss_due = began + int(took / SHARE)
        if found is not None or framework is not None:
            rss, pss = (None, None) if found is None else found
            self._rows.append([began, self._phase, 0, None, rss, pss, framework, None])

    def _finish(self) -> None:
        if self._row is not None:
            self._rows.append(self._row.said())
            self._row = None


class StateWatch:
    """The rows of the board's state."""

    def __init__(self, columns: tuple[Source, ...]) -> None:
        self.columns = columns
        self._rows: deque[list[Value]] = deque(maxlen=MOST_ROWS)

    def read(self) -> None:
        """Read once."""
        if self.columns:
            self._rows.append([time.perf_counter_ns(), *(it.read() for it in self.columns)])

    def taken(self) -> list[list[Value]]:
        """The rows since the last time, and one of now."""
        self.read()
        rows = list(self._rows)
        self._rows.clear()
        return rows


def _larger(first: int | None, second: int | None) -> int | None:
    return second if first is None else first if second is None else max(first, second)


class Sampler:
    """Reads in turn, and answers."""

    def __init__(self, pid: int) -> None:
        gpus = Gpus()
        if sys.platform == "linux":
            self._memory = MemoryWatch(memory.SystemMemory(), memory.ProcessMemory(pid, without=[os.getpid()]), gpus)
            columns = sources()
        else:
            from powerlab.board import elsewhere  # noqa: PLC0415 - psutil is needed on other systems only

            self._memory = MemoryWatch(elsewhere.SystemMemory(), _process(pid), gpus)
            columns = tuple(elsewhere.sources())
        self._state = StateWatch((*columns, *gpus.sources()))

    def run(self, requests: "SimpleQueue[bytes | None]") -> None:
        """Go on until there is nobody left to ask."""
        _say({})
        due = state_due = time.perf_counter()
        while True:
            try:
                line = requests.get(timeout=max(0.0, due - time.perf_counter()))
            except Empty:
                self._memory.read()
                now = time.perf_counter()
                if now >= state_due:
                    self._state.read()
                    state_due = now + STATE_PERIOD
                due = max(due + PERIOD, now)  # what came late is not made up for
                continue
            if line is None:
                return
            _say(self._answer(json.loads(line)))

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "phase" in request:
            self._memory.enter(request["phase"], request.get("framework"))
        if "follow" in request:
            self._memory.follow(_process(request["follow"]))
        if "samples" not in request:
            return {}
        columns = self._state.columns
        return {
            "memory": self._memory.taken(),
            "columns": ["host_ns", *(it.name for it in columns)],
            "units": {it.name: it.unit for it in columns if it.unit},
            "state": self._state.taken(),
        }


def _process(pid: int) -> Process:
    if sys.platform == "linux":
        return memory.ProcessMemory(pid, without=[os.getpid()])
    from powerlab.board import elsewhere  # noqa: PLC0415 - psutil is needed on other systems only

    return elsewhere.ProcessMemory(pid, (os.getpid(),))


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _listen(requests: "SimpleQueue[bytes | None]") -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    requests.put(None)


def main() -> None:
    """Watch the process that the command line names."""
    pid = int(sys.argv[1])
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    gc.disable()  # nothing here refers to itself, and a collection would only take time
    requests: SimpleQueue[bytes | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    try:
        Sampler(pid).run(requests)
    except BrokenPipeError:
        os._exit(0)  # whoever started it has gone, and would not want to hear of it


if __name__ == "__main__":
    main()
