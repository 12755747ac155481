"""A data line of a parallel port as the marker, by Linux' ppdev.

Bit 0 is pin 2 of the plug, bit 7 pin 9. Written from the kernel's header; no such port was at hand: UNCONFIRMED.
"""

import os
from contextlib import suppress
from typing import Final

from powerlab.marker import MarkerError
from powerlab.markers.line import LineMarker
from powerlab_traces.clock import Clock

# linux/ppdev.h, made by _IO and _IOW of asm-generic/ioctl.h (which x86 and ARM use).
CLAIM: Final = 0x708B
RELEASE: Final = 0x708C
WRITE_DATA: Final = 0x40017086  # one byte
DATA_DIRECTION: Final = 0x40047090  # an int, 0 for output
OUTPUT: Final = bytes(4)


def open_parallel(port: str, bit: int, clock: Clock, *, inverted: bool) -> LineMarker:
    """Claim a port such as `/dev/parport0`, with all data lines low but, inverted, the marker's.

    Raises
    ------
    MarkerError
        There is no such port, somebody else has it, or this system has no ppdev.
    """
    name = f"parallel:{port}:{bit}"
    try:
        from fcntl import ioctl  # noqa: PLC0415 - Windows has none
    except ImportError as error:
        raise MarkerError(f"marker {name}: parallel ports can be driven on Linux only") from error
    data = {high: bytes([1 << bit if high is not inverted else 0]) for high in (False, True)}
    file = None
    try:
        file = os.open(port, os.O_RDWR)
        ioctl(file, CLAIM)
        ioctl(file, DATA_DIRECTION, OUTPUT)
        ioctl(file, WRITE_DATA, data[False])
    except OSError as error:
        if file is not None:
            os.close(file)
        raise MarkerError(
            f"marker {name}: the port cannot be driven ({error.strerror or error}); load the module ppdev (`modprobe "
            "ppdev`), unload lp if it has the port, and check the permissions"
        ) from error

    def drive(high: bool) -> None:
        ioctl(file, WRITE_DATA, data[high])

    def release() -> None:
        with suppress(OSError):
            ioctl(file, RELEASE)
        os.close(file)

    return LineMarker(name, clock, drive, release)
