"""What can be found without being told: what the VISA library lists, and the instruments on USB.

Nothing is sent to an instrument here. A search of pyvisa-py goes transport by transport, so that one that fails
leaves the others; its way to warn of a missing package would be a Python warning.
"""

import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyvisa
from pyvisa.errors import VisaIOError
from pyvisa.resources import MessageBasedResource

from powerlab_instruments.errors import InstrumentError

# Packages that pyvisa-py does without, and what each would add (any one of a tuple's modules will do).
OPTIONAL = {
    "pyusb": (("usb",), "instruments on USB"),
    "gpib-ctypes": (("gpib_ctypes", "gpib"), "GPIB cards"),
    "psutil": (("psutil",), "VXI-11 search beyond the default network card"),
    "zeroconf": (("zeroconf",), "HiSLIP search"),
}
SYSFS = Path("/sys/bus/usb/devices")
TEST_AND_MEASUREMENT = ("fe", "03")  # interface class and subclass of USBTMC


@dataclass(frozen=True, slots=True)
class Listing:
    """Resources that a library found by itself, and the searches that went wrong."""

    resources: tuple[str, ...]
    failures: tuple[str, ...] = ()


def missing_packages() -> dict[str, str]:
    """The optional packages that are not installed, and what each would add."""
    return {
        package: adds
        for package, (modules, adds) in OPTIONAL.items()
        if not any(importlib.util.find_spec(module) for module in modules)
    }


def listed(library: str = "@py") -> Listing:
    """Everything but serial ports that the library finds: VXI-11 and HiSLIP on the network, GPIB cards, USB.

    Takes a second for each network search.
    """
    if library != "@py":
        try:
            return Listing(_without_serial(pyvisa.ResourceManager(library).list_resources("?*")))
        except (VisaIOError, ValueError, OSError) as error:
            return Listing((), (f"VISA library {library!r} cannot search: {_first_line(error)}",))
    from pyvisa_py.sessions import Session  # noqa: PLC0415 - only where this library is the one

    pyvisa.ResourceManager(library)  # its import registers the transports
    found, failures = [], []
    for (interface, kind), session in Session.iter_valid_session_classes():
        if interface.name == "asrl" or interface.name.startswith("prlgx"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found += session.list_resources()
        except Exception as error:  # noqa: BLE001 - what a transport's library raises is not documented
            failures.append(f"the {interface.name.upper()} {kind} search failed: {_first_line(error)}")
    return Listing(_without_serial(found), tuple(failures))


def locked(resource: str, library: str = "@py", timeout: float = 5.0) -> bool:
    """Whether another client holds the lock of this resource; tries to lock it for a moment.

    Raises
    ------
    InstrumentError
        It cannot be opened, or has no locks.
    """
    device = None
    try:
        device = pyvisa.ResourceManager(library).open_resource(resource, open_timeout=int(timeout * 1000))
        assert isinstance(device, MessageBasedResource)
        device.lock_excl(timeout=0)
        device.unlock()
    except VisaIOError as error:
        if error.abbreviation == "VI_ERROR_RSRC_LOCKED":
            return True
        raise InstrumentError(f"{resource} does not say whether it is locked ({error.abbreviation})") from error
    except Exception as error:
        raise InstrumentError(f"{resource} does not say whether it is locked ({_first_line(error)})") from error
    finally:
        if device is not None:
            device.close()
    return False


@dataclass(frozen=True, slots=True)
class UsbInstrument:
    """A USB device with a test-and-measurement interface, as the kernel describes it."""

    vendor: str  # four hexadecimal digits
    product: str
    serial: str
    interface: int
    name: str
    node: str  # the device file that a program must be able to write

    @property
    def resource(self) -> str:
        """Its VISA resource."""
        return f"USB0::0x{self.vendor}::0x{self.product}::{self.serial}::{self.interface}::INSTR"

    @property
    def permitted(self) -> bool:
        """Whether this user may talk to it."""
        return os.access(self.node, os.R_OK | os.W_OK)

    @property
    def rule(self) -> str:
        """The udev rule that lets whoever sits at the machine, and the group plugdev, talk to it."""
        return (
            f'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{self.vendor}", ATTR{{idProduct}}=="{self.product}", '
            'MODE="0660", GROUP="plugdev", TAG+="uaccess"'
        )


def usb_instruments(sysfs: Path = SYSFS) -> tuple[UsbInstrument, ...]:
    """The USBTMC instruments that are plugged in, on Linux: found without pyusb and without permission."""
    if not sys.platform.startswith("linux"):
        return ()
    return tuple(_usb(sysfs))


def _usb(sysfs: Path) -> Iterator[UsbInstrument]:
    for place in sorted(sysfs.glob("*:*")):  # an interface is called after its device, 1-2:1.0 of 1-2
        device = sysfs / place.name.partition(":")[0]
        try:
            if (_said(place / "bInterfaceClass"), _said(place / "bInterfaceSubClass")) != TEST_AND_MEASUREMENT:
                continue
            yield UsbInstrument(
                vendor=_said(device / "idVendor"),
                product=_said(device / "idProduct"),
                serial=_said(device / "serial"),
                interface=int(_said(place / "bInterfaceNumber"), 16),
                name=f"{_said(device / 'manufacturer')} {_said(device / 'product')}",
                node=f"/dev/bus/usb/{int(_said(device / 'busnum')):03d}/{int(_said(device / 'devnum')):03d}",
            )
        except (OSError, ValueError):  # unplugged while it was looked at, or without a serial number: no resource
            continue


def usual(resource: str) -> str:
    """A resource as one writes it in bench.toml: board numbers said, USB numbers in hexadecimal.

    >>> usual("TCPIP::10.0.0.5::INSTR"), usual("USB0::2391::6038::MY1::0::INSTR")
    ('TCPIP0::10.0.0.5::inst0::INSTR', 'USB0::0x0957::0x1796::MY1::0::INSTR')
    """
    parts = resource.split("::")
    if re.fullmatch(r"(?:TCPIP|USB|GPIB)", parts[0], re.IGNORECASE):
        parts[0] += "0"
    kind = parts[0].upper()
    if kind.startswith("TCPIP") and len(parts) == 3 and parts[2].upper() == "INSTR":
        parts.insert(2, "inst0")
    if kind.startswith("USB") and len(parts) >= 4:
        parts[1:3] = (f"0x{int(part, 0):04X}" if part[:1].isdigit() else part for part in parts[1:3])
    return "::".join(parts)


def _without_serial(resources: Iterable[str]) -> tuple[str, ...]:
    kept = (name for name in resources if not name.upper().startswith(("ASRL", "PRLGX")))
    return tuple(dict.fromkeys(usual(name) for name in kept))


def _said(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
