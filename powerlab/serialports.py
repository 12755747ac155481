"""Serial ports as the system shows them, without opening one.

Opening a port pulses its modem lines: an Arduino resets, a marker rises.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from powerlab.holders import Holder, holders_of

HINT = "--probe-serial asks every port that no other process has open"


class Refusal(NamedTuple):
    """Why a port is not spoken to: a state, the reason, what would help, and the processes that have it open."""

    state: str
    why: str
    do: str = ""
    holders: tuple[Holder, ...] = ()


def serial_ports() -> list[tuple[str, str]]:
    """Name and description of every serial port of the machine."""
    from serial.tools import list_ports  # noqa: PLC0415 - slow to import, and only for a look-round

    found = [(port.device, port.description or "") for port in list_ports.comports()]
    return [(device, "serial port" + ("" if what in ("", "n/a") else f", {what}")) for device, what in sorted(found)]


def is_serial(resource: str) -> bool:
    """Whether a resource is a serial port."""
    return resource.upper().startswith("ASRL")


def port_of(resource: str) -> str:
    """The port of a resource such as ASRL/dev/ttyUSB0::INSTR, by the system's name.

    >>> port_of("ASRL/dev/ttyUSB0::INSTR"), port_of("ASRL3::INSTR")
    ('/dev/ttyUSB0', 'COM3')
    """
    name = re.sub("^ASRL", "", resource, flags=re.IGNORECASE).partition("::")[0]
    return f"COM{name}" if name.isdigit() else name


def look_at_port(port: str, role: str = "", *, asked: bool) -> Refusal | None:
    """Why this port is not to be spoken to, or None: it is free, and asked for or an instrument's.

    `role` is what bench.toml says of it, such as "supply of bench.toml".
    """
    holders = holders_of(port)
    if holders:
        return Refusal("held", "another process has the port open", "end it, or let it go on", holders)
    if role.startswith("marker"):
        return Refusal("not asked", "the marker's line is never opened here, for it would pulse")
    lack = lacks_permission(port)
    if lack:
        return Refusal("no permission", *lack)
    if not (asked or role):
        return Refusal("not asked", "opening a serial port can reset what hangs on it", HINT)
    return None


def lacks_permission(port: str) -> tuple[str, str] | None:
    """What is wrong with the rights to a port, and the cure; None where nothing is, or where rights are not files'."""
    path = Path(port)
    if os.name != "posix" or os.access(path, os.R_OK | os.W_OK):
        return None
    if not path.exists():
        return f"there is no {port}", "is it plugged in?"
    group = path.group()
    return (
        f"{port} is not for this user",
        f"`sudo usermod -aG {group} $USER`, then log in again",
    )
