"""A run of a whole day: 43 200 records of 100 000 samples, made of a few distinct ones in a minute or two."""

import math
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.chain import CurrentChain, SupplyLimits, SupplyReading
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Provenance
from powerlab_traces.store import RunWriter
from powerlab_traces.store.assembly import assemble, journal_of
from powerlab_traces.store.journal import Entry, Frame, Journal, read_journal
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

RECORDS = 43_200
SAMPLES = 100_000
INTERVAL = 2e-5  # s
PERIOD = 2_030_000_000  # ns from one record to the next: 2 s and the time to read it out
FOLD = 10  # marker samples in one of the current's
SCALE, OFFSET = 4.02e-4, -0.1146  # A a code, A
START = -0.2  # s after the trigger
DISTINCT = 16  # records that differ; the others repeat them
WINDOWS = 4  # a record
ROOM = 16 * 2**30  # bytes: the run twice, and what is compared with it
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
class Day:
    """The run file, and how long it took to write its journal and to assemble it (s)."""

    path: Path
    journal_bytes: int
    journal_seconds: float
    assembly_seconds: float


def record(index: int) -> tuple[Record, list[HostWindow]]:
    """One of the distinct records: four windows of VGG-16 as the simulated bench records them.

    Each code is the sum of ten 8-bit codes of the scope, each with its own noise.
    """
    random = np.random.default_rng(index)
    marker = np.zeros(SAMPLES * FOLD, np.uint8)
    level = np.full(SAMPLES, 45.0)  # 8-bit codes: the idle board
    windows, at = [], SAMPLES // 10
    for number in range(WINDOWS):
        length = int(random.normal(19_800, 200))
        since = np.arange(length) * INTERVAL
        level[at : at + length] = 200 - 85 * np.exp(-since / 4e-3) + 4 * np.sin(2 * math.pi * 1400 * since)
        marker[at * FOLD : (at + length) * FOLD] = 1
        start = int((START + at * INTERVAL) * 1e9)
        windows.append(HostWindow(start, start + int(length * INTERVAL * 1e9), number, index, 2))
        at += length + 60
    raw = np.rint(level[:, None] + random.normal(0, 3.2, (SAMPLES, FOLD))).clip(1, 254)
    reading = SupplyReading(0, 18.994, 0.56, "CV", limited=False)
    found = Record(
        index=index,
        kind=RecordKind.ACTIVE,
        current=Trace(raw.sum(1).astype(np.uint16), INTERVAL, "A", START, SCALE, OFFSET),
        marker=Trace(marker, INTERVAL / FOLD, "", START),
        clipped=np.empty(0, np.int64),
        armed=-300_000_000,
        fetched=1_650_000_000,
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
    for index in range(DISTINCT):
        writer.append(*record(index))
    writer.abandon()
    frames = [it for it in read_journal(journal_of(path)) if it.entry is Entry.RECORD]
    journal_of(path).unlink()
    return frames


def frames_of(packed: list[Frame], records: int) -> Iterator[Frame]:
    """The frames of a run of so many records, each at its own time."""
    for index in range(records):
        frame = packed[index % len(packed)]
        said, shift = dict(frame.said), index * PERIOD
        said |= {"index": index, "armed": said["armed"] + shift, "fetched": said["fetched"] + shift}
        for place in ("before", "after"):
            said[place] = {**said[place], "time": said["armed" if place == "before" else "fetched"]}
        said["windows"] = [
            {
                **it,
                "start": it["start"] + shift,
                "stop": it["stop"] + shift,
                "index": index * WINDOWS + number,
                "record": index,
            }
            for number, it in enumerate(said["windows"])
        ]
        yield Frame(Entry.RECORD, said, frame.data)


def write_journal(path: Path, packed: list[Frame], records: int) -> Path:
    """The journal of a capture of so many records."""
    journal = FastJournal(journal_of(path))
    journal.append(
        Entry.DESCRIPTION, {"provenance": asdict(PROVENANCE), "chain": asdict(CHAIN), "supply": asdict(SUPPLY)}
    )
    for frame in frames_of(packed, records):
        journal.append(frame.entry, frame.said, frame.data)
    journal.close()
    return journal.path


def write_run(path: Path, packed: list[Frame], records: int) -> Path:
    """A run of so many records."""
    assemble(write_journal(path, packed, records), path)
    return path


def codes_of(packed: int = DISTINCT) -> list[NDArray[np.uint16]]:
    """The codes of the distinct records."""
    return [record(index)[0].current.codes for index in range(packed)]


def has_room(folder: Path) -> bool:
    """Whether a day fits into a folder."""
    return shutil.disk_usage(folder).free > ROOM
