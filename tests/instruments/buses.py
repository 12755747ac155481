"""What pyvisa-py finds beneath it on USB and on a GPIB card, played: pyusb with a USBTMC device, and linux-gpib.

pyvisa-py's own modules for them are run as they are installed; neither library is needed. USBTMC 1.0 chapter 3 (bulk
messages) for the device; the linux-gpib Python bindings for the card.
"""

import array
import importlib.util
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import pyvisa_py
from pyvisa_py.sessions import Session

USB = "USB0::0x0957::0x1796::SIM00000001::0::INSTR"
GPIB = "GPIB9::5::INSTR"
PACKET = 512  # bytes, of a high-speed bulk endpoint

Answers = Callable[[bytes], bytes]  # a message without its line feed to what it is answered


def _copy_of(name: str) -> ModuleType:
    """One of pyvisa-py's modules, run anew beside itself."""
    path = Path(pyvisa_py.__file__).parent / f"{name.replace('.', '/')}.py"
    full = f"pyvisa_py.{name}"
    spec = importlib.util.spec_from_file_location(full, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def _modules(patch: pytest.MonkeyPatch, made: dict[str, ModuleType], *copies: str) -> Iterator[None]:
    """With the modules in `made` to be imported, run copies of pyvisa-py's; everything is put back afterwards."""
    with patch.context() as context:
        context.setattr(Session, "_session_classes", dict(Session._session_classes))
        for name, module in made.items():
            context.setitem(sys.modules, name, module)
        for name in copies:
            context.setitem(sys.modules, f"pyvisa_py.{name}", sys.modules.get(f"pyvisa_py.{name}"))
            _copy_of(name)
        yield


class UsbDevice:
    """A USBTMC instrument: its answer goes in transfers as long as the host asks for, the last one with EOM."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.heard: list[bytes] = []
        self.opened = 0
        self.interrupted = 0  # times that an answer was dropped for a new message
        self._output = b""
        self._wanted: tuple[int, int] | None = None  # tag and size of what the host has asked for
        self.bulk_in = _Endpoint(0x81, self)
        self.bulk_out = _Endpoint(0x02, self)
        self.time_outs: list[int] = []  # ms that the host was ready to wait

    # Bulk messages.

    def take(self, data: bytes) -> int:
        kind, tag = data[0], data[1]
        size = struct.unpack_from("<L", data, 4)[0]
        if kind == 1:
            self.interrupted += bool(self._output)
            message = data[12 : 12 + size].rstrip(b"\n")
            self.heard.append(message)
            self._output = self._answers(message)
        else:
            self._wanted = tag, size
        return len(data)

    def give(self, _count: int, time_out: int) -> array.array:
        self.time_outs.append(time_out)
        assert self._wanted is not None
        if not self._output:
            raise sys.modules["usb"].core.USBError("timed out", errno=110)
        tag, size = self._wanted
        part, self._output = self._output[:size], self._output[size:]
        head = struct.pack("<BBBxLBxxx", 2, tag, ~tag & 0xFF, len(part), not self._output)
        return array.array("B", head + part + bytes(-len(part) % 4))

    # What pyusb shows of a device.

    manufacturer, product, serial_number = "AGILENT", "MSO-X 2024A", "SIM00000001"
    idVendor, idProduct = 0x0957, 0x1796  # noqa: N815 - pyusb's names
    bInterfaceNumber, index = 0, 0  # noqa: N815

    def __iter__(self) -> Iterator["UsbDevice"]:
        return iter([self])

    def __getitem__(self, _place: object) -> "UsbDevice":
        return self

    def is_kernel_driver_active(self, _number: int) -> bool:
        return False

    def get_active_configuration(self) -> "UsbDevice":
        self.opened += 1
        return self

    def ctrl_transfer(self, _kind: int, request: int, *_: object, **__: object) -> bytes:
        return bytes([1]) + bytes(23) if request == 7 else bytes([0x80, 0, 0, 0, 0, 0, 0, 0])  # nothing to abort


class _Endpoint:
    wMaxPacketSize = PACKET  # noqa: N815
    bmAttributes = 2  # noqa: N815 - bulk

    def __init__(self, address: int, device: UsbDevice) -> None:
        self.bEndpointAddress, self._device = address, device

    def write(self, data: bytes) -> int:
        return self._device.take(bytes(data))

    def read(self, count: int, time_out: int) -> array.array:
        return self._device.give(count, time_out)


@contextmanager
def usb(device: UsbDevice, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plug the device in."""

    class USBError(OSError):
        def __init__(self, text: str, errno: int = 5) -> None:
            super().__init__(errno, text)

    def found(_where: object, *, find_all: bool = False, custom_match: Any = None, **_wanted: object) -> Any:
        if find_all:
            return [device]
        return next(end for end in (device.bulk_in, device.bulk_out, None) if end is None or custom_match(end))

    package, core, util = ModuleType("usb"), ModuleType("usb.core"), ModuleType("usb.util")
    core.USBError, core.NoBackendError = USBError, type("NoBackendError", (ValueError,), {})  # type: ignore[attr-defined]
    core.find = lambda **_: [device]  # type: ignore[attr-defined]
    util.find_descriptor = found  # type: ignore[attr-defined]
    util.endpoint_direction = lambda address: address & 0x80  # type: ignore[attr-defined]
    util.endpoint_type = lambda attributes: attributes & 3  # type: ignore[attr-defined]
    util.build_request_type = lambda *bits: sum(bits)  # type: ignore[attr-defined]
    util.dispose_resources = lambda _device: None  # type: ignore[attr-defined]
    for name, value in (("CTRL_IN", 0x80), ("CTRL_TYPE_CLASS", 0x20), ("CTRL_RECIPIENT_INTERFACE", 1)):
        setattr(util, name, value)
    util.CTRL_RECIPIENT_ENDPOINT = 2  # type: ignore[attr-defined]
    package.core, package.util, package.USBError = core, util, USBError  # type: ignore[attr-defined]
    package.ENDPOINT_IN, package.ENDPOINT_OUT = 0x80, 0  # type: ignore[attr-defined]
    package.ENDPOINT_TYPE_BULK, package.ENDPOINT_TYPE_INTERRUPT = 2, 3  # type: ignore[attr-defined]
    made = {"usb": package, "usb.core": core, "usb.util": util}
    with _modules(patch, made, "protocols.usbutil", "protocols.usbtmc", "protocols.usbraw", "usb"):
        yield


class Card:
    """A GPIB card with one instrument, as a `Gpib` object of linux-gpib.

    Reads end with EOI; an answer that is not there is a time-out at once.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.error: type[Exception] = Exception
        self.heard: list[bytes] = []
        self.cleared = 0
        self.time_out = 0  # its number in linux-gpib's table
        self.broken = False
        self._output = b""
        self._status = self._count = 0

    def close(self) -> None:
        pass

    def timeout(self, number: int) -> None:
        self.time_out = number

    def ask(self, option: int) -> int:
        return self.time_out if option == 3 else 0

    def write(self, data: bytes) -> None:
        if self.broken:
            self._status = 0x8000
            raise self.error("no listener")
        self.heard.append(bytes(data).rstrip(b"\n"))
        self._output, self._count = self._answers(self.heard[-1]), len(data)

    def read(self, count: int) -> bytes:
        part, self._output = self._output[:count], self._output[count:]
        if not part:
            self._status = 0x4000
            raise self.error("timed out")
        self._status = 0 if self._output else 0x2000
        return part

    def clear(self) -> None:
        self.cleared, self._output = self.cleared + 1, b""

    def ibsta(self) -> int:
        return self._status

    def ibcnt(self) -> int:
        return self._count


@contextmanager
def linux_gpib(card: Card, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have linux-gpib's bindings, and this card."""
    bindings, module = ModuleType("gpib"), ModuleType("Gpib")
    bindings.GpibError = type("GpibError", (Exception,), {})  # type: ignore[attr-defined]
    card.error = bindings.GpibError
    module.Gpib = type("Gpib", (), {"__new__": lambda *_, **__: card, "close": card.close})  # type: ignore[attr-defined]
    made: dict[str, Any] = {"gpib_ctypes": None, "gpib": bindings, "Gpib": module}
    with _modules(patch, made, "gpib"):
        yield


def table(answers: dict[bytes, bytes]) -> Answers:
    """Answers from a table; an answer may be said anew by changing it."""
    return lambda message: answers.get(message, b"")
