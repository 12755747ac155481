"""A process of `powerlab.study.crew`: measures runs of a study on simulated boards.

Each line on stdin is the number of a run in the plan of the folder that is the only argument. The answer is a JSON
object: `{}` when its file is there, `{"error": "one line", "kind": ...}` when it is not. It ends with its stdin, in the
middle of a run if need be: what it has recorded until then is in the run's journal.
"""

import json
import os
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from powerlab.capture import Stop
from powerlab.progress import Silence
from powerlab.study.crew import KINDS
from powerlab.study.folder import existing_plan
from powerlab.study.places import place_of
from powerlab.study.plan import StudyPlan
from powerlab_traces.errors import PowerlabError


def main() -> None:
    """Serve until stdin ends."""
    folder = Path(sys.argv[1])
    plan = existing_plan(folder)
    assert plan is not None
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing else may speak there
    lines: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin, lines), daemon=True).start()
    while True:
        answers.write(json.dumps(_measure(plan, int(lines.get()), folder)) + "\n")
        answers.flush()


def _measure(plan: StudyPlan, order: int, folder: Path) -> dict[str, str]:
    run = plan.runs[order - 1]
    try:
        place_of(plan).measure(run, folder / run.file, progress=Silence(), stop=Stop())
    except PowerlabError as error:
        kind = next(name for name, it in KINDS.items() if isinstance(error, it))
        return {"error": "; ".join([str(error), *getattr(error, "__notes__", [])]), "kind": kind}
    return {}


def _read(stream: IO[str], lines: "SimpleQueue[str]") -> None:
    for line in stream:
        lines.put(line)
    os._exit(0)  # nobody is there any more: not even to wait for the run in flight


if __name__ == "__main__":
    main()
