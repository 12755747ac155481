"""Which processes of this machine hold a device or a connection, as far as /proc lets this user see.

Without root that is one's own processes, on Linux; elsewhere nobody is found, which is no statement.
"""

import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
ESTABLISHED = "01"  # state in /proc/net/tcp
LONGEST_NAME = 60  # characters of a command line that are shown


@dataclass(frozen=True, slots=True)
class Holder:
    """A process of this machine, and its command line."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def holders_of(device: str | os.PathLike[str], proc: Path = PROC) -> tuple[Holder, ...]:
    """The other processes that have this device file open."""
    target = os.path.realpath(device)
    return tuple(_holder(proc, pid) for pid, opened in _open_files(proc) if target in opened)


def connected_to(host: str, port: int, proc: Path = PROC) -> tuple[Holder, ...]:
    """The other processes that have a TCP connection to this address, an IPv4 one or a name for it."""
    try:
        address = socket.gethostbyname(host)
    except OSError:
        return ()
    inodes = {f"socket:[{inode}]" for inode in _connections(proc, address, port)}
    if not inodes:
        return ()
    return tuple(_holder(proc, pid) for pid, opened in _open_files(proc) if inodes & opened)


def _connections(proc: Path, address: str, port: int) -> Iterator[int]:
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == ESTABLISHED and _address(fields[2]) == (address, port):
                yield int(fields[9])


def _address(text: str) -> tuple[str, int]:
    """Address and port of a line of /proc/net/tcp: each 32-bit word as this machine keeps it in memory."""
    digits, port = text.split(":")
    words = [int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8)]
    return socket.inet_ntoa(words[-1]), int(port, 16)  # of an IPv6 address that maps an IPv4 one, the last word


def _open_files(proc: Path) -> Iterator[tuple[int, set[str]]]:
    """Every other process whose open files this user may see, with those files."""
    try:
        pids = [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]
    except OSError:
        return
    for pid in pids:
        opened = set()
        try:
            for link in (proc / str(pid) / "fd").iterdir():
                opened.add(str(link.readlink()))
        except OSError:  # another user's, or gone meanwhile
            continue
        if pid != os.getpid():
            yield pid, opened


def _holder(proc: Path, pid: int) -> Holder:
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        words = []
    name = " ".join([Path(words[0]).name, *words[1:]]).strip() if words else "a process that has just ended"
    return Holder(pid, name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 3] + "...")
