"""A run of a whole day: 43 200 records of 100 000 samples, made of a few distinct ones in a minute or two.

    python tests/benchmarks/day.py FILE [RECORDS]

writes one, and says in JSON how long it took and how much memory.
"""

import json
import math
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.chain import CurrentChain, SupplyLimits, SupplyReading
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Outcome, Provenance
from powerlab_traces.store import RunWriter
from powerlab_traces.store.assembly import assemble, journal_of
from powerlab_traces.store.journal import Entry, Frame, Journal, read_journal
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

HOUR = 1800  # records
RECORDS = 24 * HOUR
SAMPLES = 100_000
INTERVAL = 2e-5  # s
PERIOD = 2_030_000_000  # ns from one record to the next: 2 s and the time to read it out
FOLD = 10  # marker samples in one of the current's
SCALE, OFFSET = 4.02e-4, -0.1146  # A a code, A
START = -0.2  # s after the trigger
PAUSE = 900 * 10**9  # ns in which nothing was recorded, after two thirds of the run
WARM = 16  # records with windows that differ, each a little warmer than the one before; the others repeat them
ZERO, IDLE = WARM, WARM + 1  # and one each without
WINDOWS = 4  # a record
CHAIN = CurrentChain("1146B", 0.1, 1, 0.03, 0.05, 0.005, 0.048, 0.06, 0.008, 3e-5)
SUPPLY = SupplyLimits(0.0005, 0.005, 0.0015, 0.005, 0.1, 0.02)
PROVENANCE = Provenance(
    created="2026-01-02T03:04:05+01:00",
    simulated=True,
    model="vgg16",
    batch=2,
    marker_bit=0,
    instruments={"scope": "AGILENT TECHNOLOGIES,MSO-X 2024A,SIM1,02.65"},
    settings={"scope": {"time_range": "2 s"}},
)


@dataclass(frozen=True, slots=True)
class Written:
    """How long it took to write a run's journal and to assemble the file (s), and the most memory so far (bytes)."""

    journal_bytes: int
    file_bytes: int
    journal_seconds: float
    assembly_seconds: float
    peak: int


def record(index: int) -> tuple[Record, list[HostWindow]]:
    """One of the distinct records: four windows of VGG-16 as the simulated bench records them, or none.

    Each code is the sum of ten 8-bit codes of the scope, each with its own noise.
    """
    random = np.random.default_rng(index)
    marker = np.zeros(SAMPLES * FOLD, np.uint8)
    level = np.full(SAMPLES, 28.5 if index == ZERO else 45.0)  # 8-bit codes: no current, or that of the idle board
    windows, at = [], SAMPLES // 10
    for number in range(WINDOWS if index < WARM else 0):
        length = int(random.normal(19_800, 200))
        since = np.arange(length) * INTERVAL
        level[at : at + length] = (
            200 + 0.5 * index - 85 * np.exp(-since / 4e-3) + 4 * np.sin(2 * math.pi * 1400 * since)
        )
        marker[at * FOLD : (at + length) * FOLD] = 1
        start = int((START + at * INTERVAL) * 1e9)
        windows.append(HostWindow(start, start + int(length * INTERVAL * 1e9), number, index, 2))
        at += length + 60
    raw = np.rint(level[:, None] + random.normal(0, 3.2, (SAMPLES, FOLD))).clip(1, 254)
    begin = START if windows else 0.0  # without a window the record is triggered as soon as it is armed
    reading = SupplyReading(0, 18.994, {ZERO: 0.0, IDLE: 0.066}.get(index, 0.56), "CV", limited=False)
    found = Record(
        index=index,
        kind={ZERO: RecordKind.ZERO, IDLE: RecordKind.IDLE}.get(index, RecordKind.ACTIVE),
        current=Trace(raw.sum(1).astype(np.uint16), INTERVAL, "A", begin, SCALE, OFFSET),
        marker=Trace(marker, INTERVAL / FOLD, "", begin),
        clipped=np.empty(0, np.int64),
        armed=-205_000_000,
        fetched=1_815_000_000,
        before=reading,
        after=reading,
    )
    return found, windows


class FastJournal(Journal):
    """A journal that leaves it to the system when its bytes reach the disk."""

    def _sync(self) -> None:
        pass


def distinct(folder: Path) -> list[Frame]:
    """The frames of the distinct records."""
    path = folder / "distinct.h5"
    writer = RunWriter(path)
    for index in range(WARM + 2):
        writer.append(*record(index))
    writer.abandon()
    frames = [it for it in read_journal(journal_of(path)) if it.entry is Entry.RECORD]
    journal_of(path).unlink()
    return frames


def which(index: int, records: int) -> int:
    """Which of the distinct records stands in a place: a zero, idle, windows that grow warmer and cooler, idle."""
    if index in {0, 1, records - 1}:
        return IDLE if index else ZERO
    warmth = (1 - math.cos(2 * math.pi * index / records)) / 2
    return min(int(warmth * (WARM - 1)) + index % 2, WARM - 1)


def frames_of(packed: list[Frame], records: int) -> Iterator[Frame]:
    """The frames of a run of so many records, each at its own time."""
    window = 0
    for index in range(records):
        frame = packed[which(index, records)]
        said, shift = dict(frame.said), index * PERIOD + (PAUSE if index > records * 2 // 3 else 0)
        said |= {"index": index, "armed": said["armed"] + shift, "fetched": said["fetched"] + shift}
        for place in ("before", "after"):
            said[place] = {**said[place], "time": said["armed" if place == "before" else "fetched"]}
        said["windows"] = [
            {
                **it,
                "start": it["start"] + shift,
                "stop": it["stop"] + shift,
                "index": window + number,
                "record": index,
            }
            for number, it in enumerate(said["windows"])
        ]
        window += len(said["windows"])
        yield Frame(Entry.RECORD, said, frame.data)


def write_journal(path: Path, packed: list[Frame], records: int) -> Path:
    """The journal of a capture of so many records."""
    journal = FastJournal(journal_of(path))
    journal.append(
        Entry.DESCRIPTION, {"provenance": asdict(PROVENANCE), "chain": asdict(CHAIN), "supply": asdict(SUPPLY)}
    )
    for frame in frames_of(packed, records):
        journal.append(frame.entry, frame.said, frame.data)
    journal.append(Entry.NOTES, {"notes": [], "outcome": Outcome.COMPLETE.value})
    journal.close()
    return journal.path


def write_run(path: Path, records: int) -> Written:
    """A run of so many records."""
    with tempfile.TemporaryDirectory() as folder:
        packed = distinct(Path(folder))
    started = time.perf_counter()
    journal = write_journal(path, packed, records)
    size, taken = journal.stat().st_size, time.perf_counter() - started
    assemble(journal, path)
    return Written(
        journal_bytes=size,
        file_bytes=path.stat().st_size,
        journal_seconds=taken,
        assembly_seconds=time.perf_counter() - started - taken,
        peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def codes_of() -> list[NDArray[np.uint16]]:
    """The codes of the distinct records."""
    return [np.array(record(index)[0].current.codes, np.uint16) for index in range(WARM + 2)]


def has_room(folder: Path, records: int) -> bool:
    """Whether a run of so many records, its journal, and as a JLS file, fits into a folder."""
    return shutil.disk_usage(folder).free > 6 * records * SAMPLES


if __name__ == "__main__":
    print(json.dumps(asdict(write_run(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else RECORDS))))
