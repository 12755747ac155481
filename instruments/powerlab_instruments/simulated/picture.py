"""A picture of the scope's screen: grid, traces, and the file formats it is sent in.

Formats and words: InfiniiVision 2000 X-Series Programmer's Guide, :DISPlay:DATA?; size and look of a 2000 X-Series.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 800, 480
LEFT, TOP, DIVISION_X, DIVISION_Y = 20, 40, 64, 48  # px; the grid has 10 by 8 divisions
GRID = (70, 70, 70)
COLOURS = {1: (255, 240, 0), 2: (0, 220, 60), 3: (60, 150, 255), 4: (255, 60, 180)}  # of the analog channels
LOGIC = (0, 200, 200)

Pixels = NDArray[np.uint8]


class Picture:
    """Red, green and blue of every pixel [HEIGHT, WIDTH, 3], with the grid drawn."""

    def __init__(self) -> None:
        self.pixels: Pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for number in range(11):
            self.pixels[TOP : TOP + 8 * DIVISION_Y + 1, LEFT + number * DIVISION_X] = GRID
        for number in range(9):
            self.pixels[TOP + number * DIVISION_Y, LEFT : LEFT + 10 * DIVISION_X + 1] = GRID

    def trace(self, divisions: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
        """Draw a trace over the whole width: heights in divisions above mid-screen [n]; NaN leaves a gap."""
        width = 10 * DIVISION_X
        columns = np.array_split(divisions, width) if len(divisions) >= width else None
        for x in range(width):
            part = columns[x] if columns else divisions[[x * len(divisions) // width]]
            part = part[np.isfinite(part)]
            if not len(part):
                continue
            high, low = (self._row(float(height)) for height in (part.max(), part.min()))
            self.pixels[high : low + 1, LEFT + x] = colour

    @staticmethod
    def _row(height: float) -> int:
        """The pixel row of a height, at most at the edge of the grid."""
        return round(TOP + (4 - min(max(height, -4.0), 4.0)) * DIVISION_Y)

    def trigger(self, place: float) -> None:
        """Mark the trigger's place on the time axis: 0 left edge, 1 right edge; outside there is no mark."""
        if 0 <= place <= 1:
            x = LEFT + round(place * 10 * DIVISION_X)
            for height in range(8):
                self.pixels[TOP - height - 1, x - height : x + height + 1] = (255, 150, 0)


def inverted(pixels: Pixels) -> Pixels:
    """As the ink saver has it: dark is light."""
    return 255 - pixels


def grey(pixels: Pixels) -> Pixels:
    """Brightness in all three colours (ITU-R BT.601 weights)."""
    brightness = np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(brightness[:, :, np.newaxis], 3, axis=2)


def png(pixels: Pixels) -> bytes:
    """A PNG file of eight bits a colour (ISO/IEC 15948)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bmp(pixels: Pixels) -> bytes:
    """A Windows bitmap of 24 bits a pixel, bottom row first."""
    return _bitmap(np.ascontiguousarray(pixels[::-1, :, ::-1]), b"", 24)


def bmp8(pixels: Pixels) -> bytes:
    """A Windows bitmap of eight bits a pixel, with a palette of three, three and two bits of red, green and blue."""
    red, green, blue = (pixels[:, :, colour].astype(np.uint8) for colour in range(3))
    numbers = (red & 0xE0) | (green >> 5 << 2) | (blue >> 6)
    palette = b"".join(
        bytes(((number & 3) * 85, (number >> 2 & 7) * 255 // 7, (number >> 5) * 255 // 7, 0)) for number in range(256)
    )
    return _bitmap(np.ascontiguousarray(numbers[::-1]), palette, 8)


def _bitmap(rows: Pixels, palette: bytes, bits: int) -> bytes:
    height, width = rows.shape[:2]
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, rows.nbytes, 0, 0, len(palette) // 4, 0)
    return struct.pack("<2sIHHI", b"BM", start + rows.nbytes, 0, 0, start) + header + palette + rows.tobytes()
