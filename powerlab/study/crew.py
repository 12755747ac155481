"""Several simulated boards at a time, each in a process of its own: they have nothing in common but the folder."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple, Self

from powerlab.capture import Stop
from powerlab.study.plan import PlannedRun
from powerlab.workload import WorkloadError
from powerlab_instruments.errors import InstrumentError
from powerlab_traces.errors import PowerlabError

KINDS: Final = {it.__name__: it for it in (WorkloadError, InstrumentError, PowerlabError)}
GRACE: Final = 20.0  # s in which a worker ends


class Measured(NamedTuple):
    """A run that a worker has tried, and the error that ended it, if one did."""

    run: PlannedRun
    error: PowerlabError | None


class Crew:
    """So many workers for the study in a folder, until this is closed. Killed with their parent, they end at once."""

    def __init__(self, folder: Path, size: int) -> None:
        self._workers = [
            subprocess.Popen(
                # -P: a file in the current folder must not stand in for one of the standard library.
                [sys.executable, "-P", "-m", "powerlab.study.worker", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # a Ctrl-C is for the sweep, which ends them after the runs in flight
            )
            for _ in range(size)
        ]

    def measure(self, runs: Sequence[PlannedRun], stop: Stop) -> Iterator[Measured]:
        """Have all runs measured, each as it is done; none is begun any more once a stop is asked for."""
        waiting: SimpleQueue[PlannedRun] = SimpleQueue()
        done: SimpleQueue[Measured | None] = SimpleQueue()
        for run in runs:
            waiting.put(run)

        def serve(worker: "subprocess.Popen[str]") -> None:
            with suppress(Empty):
                while not stop.asked:
                    run = waiting.get_nowait()
                    error = _ask(worker, run)
                    done.put(Measured(run, error))
                    if worker.poll() is not None:
                        break
            done.put(None)

        threads = [threading.Thread(target=serve, args=(it,), daemon=True) for it in self._workers]
        for it in threads:
            it.start()
        left = len(threads)
        while left:
            if (found := done.get()) is None:
                left -= 1
            else:
                yield found

    def close(self) -> None:
        """End the workers, in the middle of a run if they are."""
        for worker in self._workers:
            assert worker.stdin is not None
            with suppress(OSError):
                worker.stdin.close()
        for worker in self._workers:
            assert worker.stdout is not None
            try:
                worker.wait(GRACE)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            worker.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ask(worker: "subprocess.Popen[str]", run: PlannedRun) -> PowerlabError | None:
    """Have one run measured."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    line = ""
    with suppress(OSError, ValueError):  # it has gone, or was closed
        worker.stdin.write(f"{run.order}\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
    if not line.endswith("\n"):
        return PowerlabError(f"the process that measured {run} has ended; start the sweep again to go on")
    answer = json.loads(line)
    return KINDS[answer["kind"]](answer["error"]) if answer else None
