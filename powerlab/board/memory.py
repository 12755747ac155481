"""Memory in use, as Linux says it: of the whole machine, and of one process with all that it has started."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path("/")
PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096  # bytes
KIBI: Final = 1024
AVAILABLE: Final = b"MemAvailable:"


class Resident(NamedTuple):
    """Bytes of a process that are in memory; `shared` are those of files and of memory that others may have too."""

    rss: int
    shared: int


class Proportional(NamedTuple):
    """Bytes of a process that are in memory, and the same with each page divided by the number of its users."""

    rss: int
    pss: int


class SystemMemory:
    """The memory of the machine. A reading takes some five microseconds."""

    def __init__(self, root: Path = ROOT) -> None:
        self._file = _opened(root / "proc/meminfo")
        words = _read(self._file).split()
        self._total = int(words[1]) if words[:1] == [b"MemTotal:"] else 0
        self._place = words.index(AVAILABLE) + 1 if AVAILABLE in words else 0  # among the words; it stays there

    def used(self) -> int | None:
        """MemTotal - MemAvailable in bytes: what the page cache would not give back. None where nothing says so."""
        if not (self._total and self._place):
            return None
        return (self._total - int(_read(self._file).split(None, self._place + 1)[self._place])) * KIBI

    def close(self) -> None:
        """Let go of the file."""
        _close(self._file)


class ProcessMemory:
    """The memory of a process and its descendants, but those in `without`.

    The processes are those that there were at the last `find`.
    """

    def __init__(self, pid: int, root: Path = ROOT, without: Iterable[int] = ()) -> None:
        self._pid, self._root, self._without = pid, root, set(without)
        self._files: dict[int, int] = {}  # process -> its statm
        self.find()

    def find(self) -> None:
        """Look which processes there are. Every process of the machine is looked at, a few microseconds each."""
        found = {self._pid, *self._descendants()} - self._without
        for pid in set(self._files) - found:
            _close(self._files.pop(pid))
        for pid in found - set(self._files):
            if (file := _opened(self._root / f"proc/{pid}/statm")) is not None:
                self._files[pid] = file

    def resident(self) -> Resident | None:
        """What they have in memory now; None if none of them is left. Takes some two microseconds a process."""
        found = [
            Resident(int(words[1]) * PAGE, int(words[2]) * PAGE)
            for file in self._files.values()
            if len(words := _read(file).split()) > 2
        ]
        return Resident(*map(sum, zip(*found, strict=True))) if found else None

    def proportional(self) -> Proportional | None:
        """What they have in memory, with what is shared divided among its users. None where the kernel does not say.

        The kernel goes through all pages for that, 10 ms or more a gigabyte, and keeps a process from changing its
        address space meanwhile: not to be asked for while something is timed.
        """
        found = [it for pid in self._files if (it := _proportional(self._root / f"proc/{pid}")) is not None]
        return Proportional(*map(sum, zip(*found, strict=True))) if found else None

    def close(self) -> None:
        """Let go of the files."""
        while self._files:
            _close(self._files.popitem()[1])

    def _descendants(self) -> set[int]:
        children: dict[int, list[int]] = {}
        with suppress(OSError):
            for process in (self._root / "proc").glob("[0-9]*"):
                if (parent := _parent(process / "stat")) is not None:
                    children.setdefault(parent, []).append(int(process.name))
        found, open_ends = set[int](), [self._pid]
        while open_ends:
            more = [it for it in children.get(open_ends.pop(), []) if it not in found and it not in self._without]
            found.update(more)
            open_ends += more
        return found


def _parent(stat: Path) -> int | None:
    """The parent of a process. Its name stands in brackets and may hold anything, brackets too."""
    file = _opened(stat)
    words = _read(file).rpartition(b")")[2].split()
    _close(file)
    return int(words[1]) if len(words) > 1 else None


def _proportional(process: Path) -> Proportional | None:
    """The sums of `smaps_rollup`, or where the kernel is too old for it (before 4.14) of `smaps`."""
    for name in ("smaps_rollup", "smaps"):
        sums = {b"Rss": 0, b"Pss": 0}
        try:
            lines = (process / name).read_bytes().splitlines()
        except OSError:
            continue
        for line in lines:
            key, _, value = line.partition(b":")
            if key in sums:
                sums[key] += int(value.split()[0]) * KIBI
        if sums[b"Rss"]:
            return Proportional(sums[b"Rss"], sums[b"Pss"])
    return None


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def _read(file: int | None) -> bytes:
    """The beginning of a file that stays open; empty when there is nothing any more."""
    if file is None:
        return b""
    try:
        return os.pread(file, 512, 0)
    except OSError:
        return b""


def _close(file: int | None) -> None:
    if file is not None:
        os.close(file)
