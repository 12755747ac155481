"""Writing a run while it is captured."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from powerlab_traces.chain import CurrentChain, SupplyLimits
from powerlab_traces.errors import TraceError
from powerlab_traces.log import Log
from powerlab_traces.pyramid import blocks_of
from powerlab_traces.record import Record
from powerlab_traces.run import Outcome, Provenance, TrueWindow
from powerlab_traces.store.assembly import assemble, journal_of, part_of
from powerlab_traces.store.journal import Entry, Journal
from powerlab_traces.store.packed import MARKER_CHUNK, Packed
from powerlab_traces.store.reopening import Earlier, take_up
from powerlab_traces.window import HostWindow

WORKERS = 2  # threads that pack a record; nothing is measured meanwhile


class RunWriter:
    """Writes one run while it is captured. Every record is on the disk when `append` returns.

    With `resume` a run that exists, finished or cut off, gets one more segment; `earlier` says what it held.

    Raises
    ------
    TraceError
        The file exists, or cannot be written; or there is none to resume. Nothing was touched.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        self.earlier: Earlier | None = None
        if not resume:
            check_writable(path)
        try:
            if resume:
                self._journal, self.earlier = take_up(path)
            else:
                self._journal = Journal(journal_of(path))
        except BlockingIOError as error:
            raise TraceError(f"{path} is being captured right now; end that capture first") from error
        except OSError as error:
            raise TraceError(
                f"{path} cannot be written ({error.strerror}); give a name in a folder that can, with --output"
            ) from error
        self._records = self.earlier.records if self.earlier else 0
        self._workers = ThreadPoolExecutor(WORKERS, "packing")

    def describe(self, provenance: Provenance, chain: CurrentChain, supply: SupplyLimits) -> None:
        """Write where the run comes from; before the first record."""
        self._append(
            Entry.DESCRIPTION, {"provenance": asdict(provenance), "chain": asdict(chain), "supply": asdict(supply)}
        )

    def describe_chain(self, chain: CurrentChain) -> None:
        """Write how the current was digitised, in place of what was written before."""
        self._append(Entry.CHAIN, asdict(chain))

    def describe_settings(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        """Write how the instruments are set, in place of what was written before."""
        self._append(Entry.SETTINGS, {role: dict(values) for role, values in settings.items()})

    def append(self, record: Record, windows: Sequence[HostWindow]) -> None:
        """Add a record and the windows that ran in it, and bring them to the disk.

        Raises
        ------
        TraceError
            The disk refuses; what was appended before is kept.
        """
        current = Packed.of(record.current, self._workers)
        marker = None if record.marker is None else Packed.of(record.marker, self._workers, MARKER_CHUNK)
        blocks = blocks_of(record.current.codes)
        said: dict[str, Any] = {
            "index": record.index,
            "kind": record.kind.value,
            "armed": record.armed,
            "fetched": record.fetched,
            "before": asdict(record.before),
            "after": asdict(record.after),
            "clipped": len(record.clipped),
            "windows": [asdict(it) for it in windows],
            "current": current.said(),
            "marker": None if marker is None else marker.said(),
        }
        little = (
            np.ascontiguousarray(it, it.dtype.newbyteorder("<"))
            for it in (blocks.least, blocks.largest, blocks.total, record.clipped)
        )
        self._append(
            Entry.RECORD,
            said,
            *(bytes(it) for packed in (current, marker) if packed is not None for it in packed.chunks),
            *(it.tobytes() for it in little),
            doing=f"record {record.index}",
        )
        self._records += 1

    def add_windows(self, windows: Sequence[HostWindow]) -> None:
        """Add windows alone, such as those of a record that could not be fetched."""
        self._append(Entry.WINDOWS, {"windows": [asdict(it) for it in windows]})

    def add_log(self, log: Log) -> None:
        """Add the rows of a log, behind those of the same name."""
        self._append(Entry.LOG, asdict(log))

    def finish(
        self,
        *,
        notes: Sequence[str] = (),
        truth: Sequence[TrueWindow] | None = None,
        outcome: Outcome = Outcome.COMPLETE,
    ) -> Path:
        """Complete the run and give the file its name; returns the path.

        Raises
        ------
        TraceError
            Something else has taken the name meanwhile, or the disk refuses; everything recorded is kept.
        """
        self._append(Entry.NOTES, {"notes": list(notes), "outcome": outcome.value})
        if truth is not None:
            self._append(Entry.TRUTH, {"windows": [asdict(it) for it in truth]})
        try:
            assemble(self._journal.path, self.path, replaces=self.earlier is not None)
        finally:
            self._close()
        return self.path

    def abandon(self) -> None:
        """Close without a result: a journal that holds what no file holds stays, another is removed."""
        self._close()
        known = self.earlier.records if self.earlier and self.path.exists() else 0
        if self._records == known:
            self._journal.path.unlink(missing_ok=True)

    def _append(
        self, entry: Entry, said: Mapping[str, Any], *data: bytes, doing: str = "the run's description"
    ) -> None:
        try:
            self._journal.append(entry, said, *data)
        except OSError as error:
            raise TraceError(
                f"{doing} could not be written to {self._journal.path} ({error.strerror}); what was recorded before is "
                f"kept there: `powerlab recover {self.path}` makes a run file of it"
            ) from error

    def _close(self) -> None:
        self._journal.close()
        self._workers.shutdown()


def is_taken(path: Path) -> bool:
    """Whether a run of this name exists, is being captured, or was cut off."""
    return any(it.exists() for it in (path, journal_of(path), part_of(path)))


def check_writable(path: Path) -> None:
    """Find out, before a long capture, whether a run can be written under this name.

    Raises
    ------
    TraceError
        The name is taken, also by an unfinished run, or its folder is missing or read-only.
    """
    if path.exists():
        raise TraceError(f"{path} exists and is never overwritten; give another name with --output")
    if journal_of(path).exists():
        raise TraceError(
            f"{path} is being captured, or was cut off: `powerlab recover {path}` finishes it; or give another name "
            "with --output"
        )
    if part_of(path).exists():
        raise TraceError(f"{part_of(path)} exists and is never overwritten; give another name with --output")
    if not path.parent.is_dir():
        raise TraceError(f"{path} cannot be written (no folder {path.parent}); give another name with --output")
    if not os.access(path.parent, os.W_OK):
        raise TraceError(f"{path} cannot be written (no permission in {path.parent.absolute()}); choose another folder")
