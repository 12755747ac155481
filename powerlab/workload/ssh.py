"""A workload's process on another machine, started over the system's OpenSSH client.

Keys, jump hosts, ports and names are those of the user's ssh configuration. Nothing is ever asked for: what ssh cannot
do without a question, it refuses. The process there speaks as the one here does, on the connection's two ends.
"""

import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final

from powerlab.workload import LinkLostError, WorkloadEndedError, WorkloadError
from powerlab.workload.place import ending, words

COMMAND: Final = "python3 -m powerlab workload"
ADDRESS: Final = "ssh://[user@]host[:port]"
CONNECT: Final = 10  # s to reach the machine
# A link is lost when this many questions in a row, one every so many seconds of silence, stay without an answer.
ALIVE_EVERY, ALIVE_COUNT = 2, 4
FORWARDED: Final = "Allocated port"  # and its number and more, as ssh says on stderr
SSH_FAILED: Final = 255  # exit status of ssh for its own errors; others are the command's

OPTIONS: Final = {
    "BatchMode": "yes",  # never ask
    "ConnectTimeout": CONNECT,
    "ServerAliveInterval": ALIVE_EVERY,
    "ServerAliveCountMax": ALIVE_COUNT,
    # A connection of its own: one shared with other sessions keeps their settings, and ends when they say so.
    "ControlMaster": "no",
    "ControlPath": "none",
    "RemoteCommand": "none",
    "LogLevel": "INFO",  # says which port was forwarded, and why a connection ended
}

_ADDRESS = re.compile(
    r"ssh://(?:(?P<user>[^\s@:/?#-][^\s@:/?#]*)@)?"
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>[^\s@:/?#\[\]-][^\s@:/?#\[\]]*))"
    r"(?::(?P<port>\d{1,5}))?/?"
)


@dataclass(frozen=True, slots=True)
class Board:
    """The machine under test, and how powerlab is called there.

    `command` is text for its shell, run in `folder` (the home folder unless given), where it also finds modules and
    files that the user names.

    Raises
    ------
    WorkloadError
        The address is none.

    >>> Board("ssh://me@nano:2222").destination
    ('-p', '2222', 'me@nano')
    """

    address: str
    command: str = COMMAND
    folder: str = ""

    def __post_init__(self) -> None:
        match = _ADDRESS.fullmatch(self.address)
        if match is None or not 0 < int(match["port"] or 22) < 1 << 16:
            raise WorkloadError(f"{self.address!r} is no address of a board: write it like {ADDRESS}")

    @property
    def process(self) -> str:
        """The process, as messages call it."""
        return f"the workload's process on {self.address}"

    @property
    def destination(self) -> tuple[str, ...]:
        """The address as arguments of ssh."""
        match = _ADDRESS.fullmatch(self.address)
        assert match is not None
        port = ("-p", match["port"]) if match["port"] else ()
        return (*port, (f"{match['user']}@" if match["user"] else "") + (match["host"] or match["six"]))

    def start(self, marker: str, stderr: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start ssh, which starts the process.

        Raises
        ------
        WorkloadError
            There is no ssh.
        """
        options = [it for name, value in OPTIONS.items() for it in ("-o", f"{name}={value}")]
        if (wire := _wire(marker)) is not None:
            options += ["-o", "ExitOnForwardFailure=yes", "-R", f"127.0.0.1:0:{wire}"]
        try:
            return subprocess.Popen(
                # The one that the user's PATH has, as when typed by hand.
                ["ssh", "-T", *options, *self.destination, f"sh -c {shlex.quote(self._script)}"],  # noqa: S607 - above
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,  # a Ctrl-C in the terminal must not cut the link
            )
        except OSError as error:
            raise WorkloadError(f"ssh cannot be run ({error.strerror}); install the OpenSSH client") from error

    @property
    def _script(self) -> str:
        """What the board's shell runs. That the command is not the last word has its status told, a signal's too."""
        home = re.match(r"~[\w.-]*(?:/|$)", self.folder)  # which is for the shell to understand
        head = home[0] if home else ""
        rest = self.folder[len(head) :]
        return (f"cd {head}{shlex.quote(rest) if rest else ''} && " if self.folder else "") + f"{self.command}; exit $?"

    def marker(self, spec: str, said: Callable[[], str]) -> str:
        """The simulated bench's wire ends here: the board finds it at the port that ssh forwards.

        Its edges travel with their times, so that the link delays none; the board is told what the bench's clock shows.
        """
        if (wire := _wire(spec)) is None:
            return spec
        found = re.search(rf"{FORWARDED} (\d+) for remote forward to {re.escape(wire)}", said())
        if found is None:
            raise WorkloadError(f"{self.address}: ssh did not say which port it forwards to the simulated bench")
        return f"wire:127.0.0.1:{found[1]}"

    def ended(self, doing: str, status: int, last: str, *, greeted: bool) -> WorkloadError:
        """The link was lost, the process ended, or there was never one."""
        own = status < 0 or status == SSH_FAILED
        if last.startswith(FORWARDED) or (status > 128 and "Killed" in last):
            last = ""  # no reason of an end, or the shell's word for what the status says
        why = "ssh was killed" if status < 0 else last.rstrip(".") or "ssh ended without a word"
        if own and not greeted:
            by_hand = shlex.join(["ssh", *self.destination, "true"])
            return WorkloadError(
                f"{self.address} cannot be reached: {why}; `{by_hand}` must work without asking "
                "anything: accept its host key once by hand, and use a key (ssh-copy-id, ssh-agent)"
            )
        if own:
            return LinkLostError(
                f"the link to {self.address} was lost during {doing!r}: {why}; "
                "is the board still on, and the network up?"
            )
        # A shell tells a signal as 128 and its number.
        how = ending(128 - status if status > 128 else status)
        if not greeted:
            return WorkloadError(
                f"`{self.command}` does not start on {self.address}: {how}{words(last)}; powerlab must be installed "
                "there, and `command` in [dut] of bench.toml say how it is called"
            )
        return WorkloadEndedError(f"{self.process} ended during {doing!r}: {how}{words(last)}")


def _wire(marker: str) -> str | None:
    """The address of a simulated bench's wire; None for any other marker."""
    kind, _, address = marker.partition(":")
    return address if kind == "wire" else None
