"""Taking a run up again: its journal as it was left, or a journal made of its finished file."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from powerlab_traces import schema
from powerlab_traces.chain import CurrentChain, SupplyLimits
from powerlab_traces.errors import TraceError
from powerlab_traces.pyramid import BLOCK
from powerlab_traces.store.assembly import journal_of, part_of
from powerlab_traces.store.chainform import chain_said
from powerlab_traces.store.columns import read_column, scale_of, unit_of
from powerlab_traces.store.journal import Entry, Journal, read_journal
from powerlab_traces.store.stored import StoredRun, open_run
from powerlab_traces.window import HostWindow


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a run held when it was taken up again."""

    model: str
    batch: int | None
    marker_bit: int | None
    chain: CurrentChain
    supply: SupplyLimits
    next_record: int  # the number of the next record
    records: int
    windows: tuple[HostWindow, ...]


def take_up(path: Path) -> tuple[Journal, Earlier]:
    """The journal of a run, ready for a new segment; nobody else may write it meanwhile.

    A finished file is copied into a journal, without unpacking a sample; it stays until the new one replaces it.

    Raises
    ------
    TraceError
        There is no such run, or its file is damaged.
    OSError
        The journal cannot be written, or a capture is still writing it.
    """
    where = journal_of(path)
    finished = not where.exists()
    if finished:
        _copy_into(where, path)
    journal = Journal(where, resume=True)
    try:
        earlier = _earlier(where)
        if not finished:
            journal.append(Entry.RESUMED, {"replaces": path.exists()})
    except BaseException:
        journal.close()
        raise
    return journal, earlier


def _copy_into(journal: Path, path: Path) -> None:
    """Make the journal of a finished file. It has its name only when it is whole."""
    run = open_run(path)
    unfinished = part_of(journal)
    unfinished.unlink(missing_ok=True)
    copy = Journal(unfinished)
    try:
        for entry, said, data in _frames(path, run):
            copy.append(entry, said, *data)
        copy.append(Entry.RESUMED, {"replaces": True})
    except BaseException:
        copy.close()
        unfinished.unlink()
        raise
    copy.close()
    unfinished.rename(journal)


def _earlier(journal: Path) -> Earlier:
    description: Mapping[str, Any] | None = None
    chain: Mapping[str, Any] = {}
    indices: list[int] = []
    windows: list[HostWindow] = []
    for frame in read_journal(journal):
        if frame.entry is Entry.DESCRIPTION:
            description, chain = frame.said, frame.said["chain"]
        if frame.entry is Entry.CHAIN:
            chain = frame.said
        if frame.entry is Entry.RECORD:
            indices.append(frame.said["index"])
        if frame.entry in {Entry.RECORD, Entry.WINDOWS}:
            windows += [HostWindow(**it) for it in frame.said["windows"]]
    if description is None:
        raise TraceError(f"{journal} holds nothing that could be resumed; remove it and capture anew")
    last = max([*indices, *(it.record for it in windows)], default=-1)
    return Earlier(
        model=description["provenance"]["model"],
        batch=description["provenance"]["batch"],
        marker_bit=description["provenance"]["marker_bit"],
        chain=chain_said(chain),
        supply=SupplyLimits(**description["supply"]),
        next_record=last + 1,
        records=len(indices),
        windows=tuple(windows),
    )


def _frames(path: Path, run: StoredRun) -> Iterator[tuple[Entry, Mapping[str, Any], list[bytes]]]:
    """The frames that would have made this file."""
    yield (
        Entry.DESCRIPTION,
        {"provenance": asdict(run.provenance), "chain": asdict(run.chain), "supply": asdict(run.supply)},
        [],
    )
    with h5py.File(path, "r") as file:
        entry = file[schema.ENTRY]
        columns = {name: entry[schema.RECORDS][name][:] for name in (schema.STACK_NUMBER, schema.ROW)}
        digests = {
            name: read_column(entry[schema.RECORDS][name]).tolist() for name in (schema.DIGEST, schema.MARKER_DIGEST)
        }
        clipped = entry[schema.RECORDS][schema.CLIPPED][:]
        marker_starts = entry[schema.RECORDS][schema.MARKER_START][:].tolist()
        taken = segment = 0
        for number, it in enumerate(run.records.summaries):
            if it.segment > segment:
                segment = it.segment
                yield Entry.RESUMED, {"replaces": True}, []
            stack, row = (
                entry[schema.STACK.format(columns[schema.STACK_NUMBER][number])],
                int(columns[schema.ROW][number]),
            )
            current, data = _packed(stack[schema.CURRENT], row, it.start, digests[schema.DIGEST][number])
            marker = None
            if digests[schema.MARKER_DIGEST][number]:
                marker, more = _packed(
                    stack[schema.MARKER], row, marker_starts[number], digests[schema.MARKER_DIGEST][number]
                )
                data += more
            blocks = stack[schema.BLOCKS.format(BLOCK)]
            data += [blocks[name][row].tobytes() for name in (schema.LEAST, schema.LARGEST, schema.SUM)]
            data.append(clipped[taken : taken + it.clipped].astype("<i8").tobytes())
            taken += it.clipped
            said: dict[str, Any] = {
                "index": it.index,
                "kind": it.kind.value,
                "armed": it.armed,
                "fetched": it.fetched,
                "before": asdict(it.before),
                "after": asdict(it.after),
                "clipped": it.clipped,
                "windows": [],
                "current": current,
                "marker": marker,
            }
            yield Entry.RECORD, said, data
    yield Entry.WINDOWS, {"windows": [asdict(it) for it in run.windows]}, []
    for log in run.logs.values():
        yield Entry.LOG, asdict(log), []
    yield Entry.NOTES, {"notes": list(run.notes), "outcome": run.outcome.value}, []
    if run.truth is not None:
        yield Entry.TRUTH, {"windows": [asdict(it) for it in run.truth]}, []


def _packed(data: h5py.Dataset, row: int, start: float, digest: str) -> tuple[dict[str, Any], list[bytes]]:
    """One row as `Packed.said` describes it, and its chunks as they lie in the file."""
    samples, chunk = int(data.shape[1]), int(data.chunks[1])
    chunks = [data.id.read_direct_chunk((row, at))[1] for at in range(0, samples, chunk)]
    scale, offset = scale_of(data)
    said = {
        "dtype": np.dtype(data.dtype).str,
        "samples": samples,
        "chunk": chunk,
        "interval": float(data.attrs[schema.INTERVAL]),
        "unit": unit_of(data),
        "start": float(start),
        "scale": scale,
        "offset": offset,
        "digest": digest,
        "sizes": [len(it) for it in chunks],
    }
    return said, chunks
