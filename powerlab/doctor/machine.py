"""Checks of this machine: what powerlab stands on, where it writes, and what it may open."""

import importlib
import importlib.metadata
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from powerlab.doctor.checks import Check, Verdict, advice, ok, skipped, wrong
from powerlab.serialports import lacks_permission, serial_ports
from powerlab_instruments.link import Visa
from powerlab_instruments.search import missing_packages

LIBRARIES = ("powerlab", "numpy", "scipy", "h5py", "pyvisa", "pyvisa-py", "pyserial", "torch")
# Prologix adapters came with pyvisa 1.15 and pyvisa-py 0.8.0, whose faults 0.8.1 mended (their change logs).
OLDEST = {"pyvisa": (1, 15), "pyvisa-py": (0, 8, 1)}
LITTLE_SPACE, NO_SPACE = 1_000_000_000, 50_000_000  # bytes; a record of 2 s takes about half a megabyte
SLOWEST_CLOCK = 1e-4  # s; a marker edge is stamped with it
TORCH_PATIENCE = 120.0  # s; a first import from a cold disk is slow


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine at hand, as far as it matters: the folder where runs go, and the VISA library that is used."""

    folder: Path = Path()
    visa_library: str = "@py"


def machine_checks() -> tuple[Check[Machine], ...]:
    """Every check of the machine, in order."""
    return (
        Check("python and libraries", _libraries),
        Check("VISA library", _visa),
        Check("optional packages", _optional),
        Check("serial library", _pyserial),
        Check("serial ports", _ports, needs=("serial library",)),
        Check("folder", _folder),
        Check("disk space", _space),
        Check("clock", _clock),
        Check("torch", _torch),
    )


def _libraries(_machine: Machine) -> Verdict:
    versions, missing, old = {}, [], []
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    for name, oldest in OLDEST.items():
        if name in versions and _numbers(versions[name]) < oldest:
            old.append(f"{name} {versions[name]} is older than {'.'.join(map(str, oldest))}")
    found = ", ".join([f"python {platform.python_version()}", *(f"{name} {it}" for name, it in versions.items())])
    if missing or old:
        absent = [f"{name} is missing" for name in missing]
        return wrong("; ".join([*absent, *old]), "install powerlab again: `python -m pip install --upgrade powerlab`")
    return ok(found)


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version.

    >>> _numbers("0.8.1.dev3+g12"), _numbers("1.16.2")
    ((0, 8, 1), (1, 16, 2))
    """
    numbers = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _visa(machine: Machine) -> Verdict:
    Visa(machine.visa_library).close()
    return ok(f"{machine.visa_library!r} loads")


def _optional(machine: Machine) -> Verdict:
    if machine.visa_library != "@py":
        return skipped("the vendor's VISA brings its own")
    missing = [f"no {package}: no {adds}" for package, adds in missing_packages().items()]
    return ok("; ".join(missing) or "all installed")


def _pyserial(_machine: Machine) -> Verdict:
    module = importlib.import_module("serial")
    if not hasattr(module, "serial_for_url"):
        return wrong(
            f"`serial` is {module.__file__}, which is not pyserial: another package of that name hides it",
            "`python -m pip uninstall serial`, then `python -m pip install --force-reinstall pyserial`",
        )
    return ok(f"pyserial {module.__version__}")


def _ports(_machine: Machine) -> Verdict:
    ports = [device for device, _ in serial_ports()]
    if not ports:
        return skipped("this machine has none")
    lacking = {port: lack for port in ports if (lack := lacks_permission(port))}
    if lacking:
        return advice(
            "; ".join(why for why, _ in lacking.values()), "if you use it: " + next(iter(lacking.values()))[1]
        )
    return ok(", ".join(ports))


def _folder(machine: Machine) -> Verdict:
    folder = machine.folder.resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".powerlab-doctor-"):
            pass
    except OSError as error:
        return wrong(f"{folder} cannot be written ({error.strerror})", "change to a folder of yours, or give -o")
    return ok(f"{folder} can be written")


def _space(machine: Machine) -> Verdict:
    free = shutil.disk_usage(machine.folder).free
    found = f"{free / 1e9:.3g} GB free"
    if free < NO_SPACE:
        return wrong(found, "make room: a run would end early")
    if free < LITTLE_SPACE:
        return advice(found, "make room before a long run: a record takes about half a megabyte")
    return ok(found)


def _clock(_machine: Machine) -> Verdict:
    resolution = time.get_clock_info("perf_counter").resolution
    first = time.perf_counter_ns()
    while (then := time.perf_counter_ns()) == first:
        pass
    step = max(resolution, (then - first) * 1e-9)
    found = f"resolution {resolution:.2g} s, read every {step:.2g} s"
    if resolution > SLOWEST_CLOCK:
        return wrong(found, "marker edges cannot be stamped with it: use another machine or system")
    return ok(found)


def _torch(_machine: Machine) -> Verdict:
    # In a process of its own, as a capture runs it: a broken torch can take its process down with it.
    code = "import torch; print(torch.__version__, torch.get_num_threads(), torch.cuda.is_available())"
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=TORCH_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return wrong(f"torch is not imported within {TORCH_PATIENCE:g} s", "look at its installation")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return wrong(f"torch cannot be imported: {last}", "install it again; without it only lab scripts can capture")
    version, threads, cuda = done.stdout.split()
    return ok(f"torch {version} with {threads} threads, CUDA {'there' if cuda == 'True' else 'not there'}")
