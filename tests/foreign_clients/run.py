"""Clients that others wrote, unchanged from their published packages, against the simulated bench.

    python tests/foreign_clients/run.py [--venv FOLDER] [--only NAME] [--resource VISA_NAME]

Makes a virtual environment of its own, installs the clients there, and runs each client in a process of its own against
a simulator that is started for it as a process of this Python. One line for each: pass, FAIL with the reason, or skip
with the reason. Exit status 1 when one fails. Not part of `make test`: it needs a package index.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PACKAGES = (
    "setuptools<80",  # python-ivi has nothing but a setup.py
    "numpy",
    "pyvisa",
    "pyvisa-py",
    "pyserial",
    "python-ivi==0.14.9",
    "python-vxi11",
    "msox3000",
    "keyoscacquire",
    "PyMeasure",
)
PATIENCE = 120  # s for one client


@dataclass(frozen=True, slots=True)
class Client:
    """One client: its name, its script here, and which of the bench's resources it wants."""

    name: str
    script: str
    wants: str
    program: str = ""  # that must be on the path
    portmapper: bool = False  # whether it looks for the scope by the port mapper on port 111


CLIENTS = (
    Client("python-ivi agilentMSOX2024A (socket)", "ivi_scope.py", "scope"),
    Client("python-ivi agilentMSOX2024A (VXI-11)", "ivi_scope.py", "scope_vxi11"),
    Client("python-ivi agilentE3645A (adapter)", "ivi_supply.py", "adapter"),
    Client("msox3000 (socket)", "msox3000_scope.py", "scope"),
    Client("msox3000 (VXI-11)", "msox3000_scope.py", "scope_vxi11"),
    Client("keyoscacquire (socket)", "keyoscacquire_scope.py", "scope"),
    Client("keyoscacquire (VXI-11)", "keyoscacquire_scope.py", "scope_vxi11"),
    Client("PyMeasure KeysightDSOX1102G (socket)", "pymeasure_scope.py", "scope"),
    Client("PyMeasure KeysightDSOX1102G (VXI-11)", "pymeasure_scope.py", "scope_vxi11"),
    Client("pyvisa-shell (socket)", "pyvisa_shell.py", "scope"),
    Client("pyvisa-shell (VXI-11)", "pyvisa_shell.py", "scope_vxi11"),
    Client("lxi scpi -r", "lxi_scpi.py", "scope", "lxi"),
    Client("lxi scpi, lxi screenshot (VXI-11)", "lxi_vxi11.py", "scope_vxi11", "lxi", portmapper=True),
)


def environment(folder: Path) -> Path:
    """The Python of a virtual environment in `folder` with the clients installed."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation"]
    subprocess.run([*install, "setuptools<80", "wheel"], check=True)
    subprocess.run([*install, *PACKAGES], check=True)
    return python


@contextmanager
def simulator(words: list[str]) -> Iterator[dict[str, str]]:
    """The resources of a simulated bench of its own, so that no client finds what another has left."""
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "instruments", "traces"))
    bench = subprocess.Popen(
        [sys.executable, "-m", "powerlab_instruments.simulated", "--seed", "1", *(f"--{word}" for word in words)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip
    with bench:
        assert bench.stdin is not None
        assert bench.stdout is not None
        try:
            yield json.loads(bench.stdout.readline())
        finally:
            bench.stdin.close()


def run(client: Client, python: Path, resources: dict[str, str], folder: Path) -> tuple[str, str]:
    """`pass`, `FAIL` or `skip`, and the last line the client said."""
    resource = resources.get(client.wants)
    if resource is None:
        return "skip", f"the simulator has no {client.wants}"
    if client.portmapper and "," in resource:
        return "skip", "port 111, where it asks for the scope, is not for this user or in use"
    if client.program and shutil.which(client.program) is None:
        return "skip", f"there is no {client.program} on the path"
    command = [str(python), str(HERE / client.script), resource]
    # The client must find its own packages alone.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"MPLBACKEND": "Agg"}
    variables["PATH"] = f"{python.parent}{os.pathsep}{variables.get('PATH', '')}"
    try:
        done = subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return "FAIL", f"no end within {PATIENCE} s"
    lines = (done.stdout if done.returncode == 0 else done.stderr or done.stdout).strip().splitlines()
    return ("FAIL" if done.returncode else "pass"), (lines[-1] if lines else "said nothing")


def main() -> int:
    """Run the clients; 0 when none fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, help="keep the clients' environment here (default: a temporary folder)")
    parser.add_argument("--only", default="", help="clients whose name contains this")
    parser.add_argument("--resource", help="the scope's VISA name, in place of that of the simulator")
    parser.add_argument("--simulator", nargs="*", default=["vxi11"], help="arguments for the simulator, without --")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        python = environment((options.venv or Path(name) / "venv").absolute())
        for number, client in enumerate(CLIENTS):
            if options.only.lower() not in client.name.lower():
                continue
            folder = Path(name) / str(number)
            folder.mkdir()
            with simulator(options.simulator) as resources:
                if options.resource:
                    resources["scope_vxi11" if options.resource.endswith("INSTR") else "scope"] = options.resource
                outcome, reason = run(client, python, resources, folder)
            failed += outcome == "FAIL"
            sys.stdout.write(f"{outcome}  {client.name}: {reason}\n")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
