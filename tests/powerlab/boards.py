"""Boards to run a workload on that are this same machine: over a real sshd, or over a command in ssh's place.

Both put a program called ssh into a folder of its own, which leaves its process number in `ssh.pid`.
"""

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")

# A board's clock that is set apart, runs fast, jumps when there is a file `jump`, and stops when there is one `freeze`.
CLOCK = """
import os, sys, time
from powerlab_traces.clock import HostClock
import powerlab.workload.about as about
import powerlab.workload.child as child

here = os.path.dirname(os.path.abspath(__file__))
offset, drift = int(sys.argv[1]), float(sys.argv[2])
if "no-torch" in sys.argv:
    def version(name):
        raise about.PackageNotFoundError(name)
    about.version = version
frozen = 0

def now(self):
    global offset, frozen
    if os.path.exists(here + "/jump"):
        os.remove(here + "/jump")
        offset += 30_000_000
    real = time.perf_counter_ns()
    if os.path.exists(here + "/freeze"):
        frozen = frozen or real
        real = frozen
    return real + offset + int(real * drift)

HostClock.now = now
child.main()
"""

# Runs batches, and lets something happen in the middle of one.
PROGRAM = """
import os, signal, sys, time

what, after = sys.argv[1], int(sys.argv[2])
here = os.path.dirname(os.path.abspath(__file__))
process = os.getppid()
with open(here + "/process.pid", "w") as out:
    out.write(str(process))

def session():
    at = process
    while "sshd" not in open(f"/proc/{at}/comm").read():
        at = int(open(f"/proc/{at}/stat").read().rpartition(")")[2].split()[1])
    return at

def happen():
    match what:
        case "process killed":
            os.kill(process, signal.SIGKILL)
        case "process stopped":
            os.kill(process, signal.SIGSTOP)
        case "ssh killed":
            os.kill(int(open(here + "/ssh.pid").read()), signal.SIGKILL)
        case "session killed":
            os.kill(session(), signal.SIGKILL)
        case "clock jumps":
            open(here + "/jump", "w").close()
        case "clock stopped":
            open(here + "/freeze", "w").close()

count = 0
while True:
    print("start", flush=True)
    time.sleep(0.03)
    count += 1
    if count == after:
        happen()
    time.sleep(0.03)
    print("stop", flush=True)
    time.sleep(0.02)
"""

SSH = """#!/bin/sh
echo $$ > {folder}/ssh.pid
exec {ssh} -F {folder}/ssh_config "$@"
"""

# In place of ssh: it says what a login may say, forwards nothing, for all is one machine, and passes bytes on between
# here and a shell that runs the command.
# Its first lines are shell as well as Python, for the interpreter's path may have a space in it.
SHELL = """#!/bin/sh
''''exec "{python}" -SE "$0" "$@" # '''
import os, subprocess, sys, threading

with open("{folder}/ssh.pid", "w") as out:
    out.write(str(os.getpid()))
print("Welcome to the board.", flush=True)
for word in sys.argv[1:]:
    if word.startswith("127.0.0.1:0:"):
        wire = word.removeprefix("127.0.0.1:0:")
        print("Allocated port", wire.rpartition(":")[2], "for remote forward to", wire, file=sys.stderr, flush=True)
board = subprocess.Popen(["sh", "-c", sys.argv[-1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

def pass_on(read, write):
    while data := os.read(read, 65536):
        os.write(write, data)
    os.close(write)

threading.Thread(target=pass_on, args=(0, board.stdin.fileno()), daemon=True).start()
pass_on(board.stdout.fileno(), 1)
sys.stderr.flush()
os._exit(board.wait())
"""

SSHD_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""

SSH_CONFIG = """
IdentityFile {folder}/key
IdentitiesOnly yes
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile /dev/null
"""


@dataclass
class Lab:
    """A folder with the programs, the board's address, and the folder to put first on the PATH."""

    folder: Path
    address: str
    real: bool = False

    @property
    def path(self) -> str:
        return f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def command(self, *script: str) -> str:
        """How the board is told to start a workload; a script of the folder in place of powerlab's own."""
        where = os.pathsep.join([*sys.path, str(self.folder)])
        words = [str(self.folder / script[0]), *script[1:]] if script else ["-P", "-m", "powerlab", "workload"]
        return shlex.join(["env", f"PYTHONPATH={where}", sys.executable, *words])

    def program(self, what: str = "nothing", after: int = 0) -> str:
        return shlex.join([sys.executable, str(self.folder / "program.py"), what, str(after)])

    def clean(self) -> None:
        for name in ("jump", "freeze", "process.pid"):
            (self.folder / name).unlink(missing_ok=True)

    @property
    def process(self) -> int:
        """The number of the workload's process on the board."""
        return int((self.folder / "process.pid").read_text())


@contextmanager
def shell(folder: Path) -> Iterator[Lab]:
    """A board over a command in ssh's place."""
    yield _lab(folder, SHELL, "ssh://me@board")


@contextmanager
def sshd(folder: Path) -> Iterator[Lab]:
    """A board over a real sshd, which ends with the context."""
    assert SSHD is not None
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd confines itself, made by the system's own start of it
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kind, key, *_ = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    (folder / "ssh_config").write_text(SSH_CONFIG.format(folder=folder))
    (folder / "sshd_config").write_text(SSHD_CONFIG.format(folder=folder, port=port))
    with (
        (folder / "sshd.log").open("wb") as log,
        subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log) as server,
    ):
        try:
            _wait_for(port, server)
            yield _lab(folder, SSH, f"ssh://{getpass.getuser()}@127.0.0.1:{port}", real=True)
        finally:
            server.terminate()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        assert server.poll() is None, "sshd has ended: see sshd.log"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("sshd does not answer")


def _lab(folder: Path, script: str, address: str, *, real: bool = False) -> Lab:
    (folder / "clock.py").write_text(CLOCK)
    (folder / "program.py").write_text(PROGRAM)
    ssh = folder / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(script.format(folder=folder, ssh=shutil.which("ssh"), python=sys.executable))
    ssh.chmod(0o755)
    return Lab(folder, address, real)
