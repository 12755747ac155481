"""Whether a run file is what it should be: its structure, digests, sums, clocks, gaps and windows."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from powerlab_traces.errors import TraceError
from powerlab_traces.pyramid import LEVELS, blocks_of
from powerlab_traces.record import Record, RecordSummary
from powerlab_traces.store.stored import StoredRun, open_run


def check_run(path: Path) -> Iterator[str]:
    """Read all of a run file; a line for each thing that is wrong, saying where. Nothing for a sound file.

    Raises
    ------
    TraceError
        It cannot be opened as a run file at all.
    """
    run = open_run(path)
    summaries = run.records.summaries
    yield from _gaps(summaries)
    yield from _clocks(summaries)
    yield from _windows(run, summaries)
    for number in range(len(run.records)):
        try:
            record = run.records[number]
            yield from _samples(run, number, record)
        except TraceError as error:
            yield f"record {summaries[number].index}: {error}"
    run.records.close()


def _samples(run: StoredRun, number: int, record: Record) -> Iterator[str]:
    """Codes against their digests and sums."""
    where, codes = f"record {record.index}", record.current.codes
    if not run.records.digest_holds(number):
        yield f"{where}: its samples are not those that were captured: the SHA-256 differs"
    if run.records.total(number) != int(codes.sum(dtype=np.int64)):
        yield f"{where}: the sum in the table of records is not that of its samples"
    for size in LEVELS:
        stored, true = run.records.blocks(number, size), blocks_of(codes, size)
        for name in ("least", "largest", "total"):
            wrong = np.flatnonzero(getattr(stored, name) != getattr(true, name))
            if len(wrong):
                yield f"{where}: {name} of block {wrong[0]} of {size} samples is wrong ({len(wrong)} such)"
    if len(record.clipped) and not 0 <= record.clipped.min() <= record.clipped.max() < len(codes):
        yield f"{where}: clipped samples are named that it does not have"


def _gaps(summaries: list[RecordSummary]) -> Iterator[str]:
    indices = [it.index for it in summaries]
    for index, count in Counter(indices).items():
        if count > 1:
            yield f"record {index} is there {count} times"
    known = sorted({-1, *indices})
    missing = [
        str(before + 1) if after == before + 2 else f"{before + 1} to {after - 1}"
        for before, after in itertools.pairwise(known)
        if after > before + 1
    ]
    if missing:
        yield f"record {', '.join(missing)} is missing: lost while it was captured, or removed"


def _clocks(summaries: list[RecordSummary]) -> Iterator[str]:
    for it in summaries:
        if not it.before.time <= it.armed <= it.fetched <= it.after.time:
            yield f"record {it.index}: the host's clock went backwards between supply reading, arming and fetching"
    for one, next_one in itertools.pairwise(summaries):
        if one.segment == next_one.segment and next_one.armed < one.fetched:
            yield f"record {next_one.index} was armed before record {one.index} was fetched"


def _windows(run: StoredRun, summaries: list[RecordSummary]) -> Iterator[str]:
    records = {it.index: it for it in summaries}
    for place, window in enumerate(run.windows):
        if window.index != place:
            yield f"window {window.index} stands where window {place} should"
        record = records.get(window.record)
        if record is not None and not record.armed <= window.start < window.stop <= record.fetched:
            yield f"window {window.index}: it lies outside the time in which its record {window.record} was armed"
    for one, next_one in itertools.pairwise(run.windows):
        same = one.record in records and next_one.record in records
        same = same and records[one.record].segment == records[next_one.record].segment
        if same and next_one.start < one.stop:
            yield f"window {next_one.index} starts before window {one.index} stops"
