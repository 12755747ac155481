"""Parts of the records in one stack of the run file, and sums over them."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema
from powerlab_traces.pyramid import COARSE, Blocks, Sums, sums_of
from powerlab_traces.store.columns import scale_of, unit_of
from powerlab_traces.store.packed import planes_of
from powerlab_traces.store.source import Source
from powerlab_traces.store.stack import page_rows
from powerlab_traces.trace import Trace

MOST_PAGES = 320  # that are kept: those of a day of records, 50 MB


class StoredStack:
    """One stack, read row by row; all of it inside the source's `reading`."""

    def __init__(self, source: Source, number: int) -> None:
        self._source, self._name = source, schema.STACK.format(number)
        current = source.dataset(f"{self._name}/{schema.CURRENT}")
        self.samples, self._chunk, self._dtype = int(current.shape[1]), int(current.chunks[1]), current.dtype
        self.interval = float(current.attrs[schema.INTERVAL])
        self.unit = unit_of(current)
        self.scale, self.offset = scale_of(current)
        self._page_rows = page_rows(-(-self.samples // COARSE))
        self._pages: dict[int, _Page] = {}
        self._marker: tuple[float, str] | None = None

    def current(self, row: int, start: float, span: slice) -> Trace:
        """A part of a row's current, as amperes from `start` (s, of the row's first sample) on."""
        return Trace(
            codes=self._source.dataset(f"{self._name}/{schema.CURRENT}")[row, span],
            interval=self.interval,
            unit=self.unit,
            start=start + (span.start or 0) * self.interval,
            scale=self.scale,
            offset=self.offset,
        )

    def marker(self, row: int, start: float) -> Trace:
        """A row's marker."""
        marker = self._source.dataset(f"{self._name}/{schema.MARKER}")
        if self._marker is None:
            self._marker = float(marker.attrs[schema.INTERVAL]), unit_of(marker)
        return Trace(marker[row], *self._marker, start)

    def blocks(self, row: int, size: int) -> Blocks:
        """The blocks of `size` samples of a row."""
        if size == COARSE:
            page, line = self._page(row)
            return page.blocks(line)
        least, largest, total = (it[row] for it in self._levels(size))
        return Blocks(size, least, largest, total)

    def sums(self, row: int, span: slice) -> Sums:
        """Of the codes in a part of a row, most of it from sums of blocks; a page of these is read once."""
        page, line = self._page(row)
        return sums_of(span, functools.partial(self._codes, row, page, line), page.blocks(line), self.samples)

    def _page(self, row: int) -> tuple["_Page", int]:
        """The page that a row is in, read once, and which of its lines."""
        number, line = divmod(row, self._page_rows)
        page = self._pages.get(number)
        if page is None:
            if len(self._pages) == MOST_PAGES:
                del self._pages[next(iter(self._pages))]
            rows = slice(number * self._page_rows, (number + 1) * self._page_rows)
            page = self._pages[number] = _Page(*(it[rows] for it in self._levels(COARSE)), *self._places(rows))
        return page, line

    def _places(self, rows: slice) -> tuple[NDArray[np.uint64], NDArray[np.uint32]] | tuple[None, None]:
        """Where the chunks of some rows lie, if the file says so and another program has not moved them since."""
        group = f"{self._name}/{schema.PLACES}"
        if self._source.handle is None or not self._source.holds(group):
            return None, None
        byte, size = (self._source.dataset(f"{group}/{name}")[rows] for name in (schema.BYTE, schema.SIZE))
        codes = self._source.dataset(f"{self._name}/{schema.CURRENT}")
        true = codes.id.read_direct_chunk((rows.start, 0))
        moved = true != (0, os.pread(self._source.handle, int(size[0, 0]), int(byte[0, 0])))
        return (None, None) if moved else (byte, size)

    def _codes(self, row: int, page: "_Page", line: int, parts: Sequence[slice]) -> NDArray[Any]:
        """Some parts of a row, put together."""
        chunk, width, handle = self._chunk, self._dtype.itemsize, self._source.handle
        byte, size = page.byte, page.size
        found, at = np.empty((sum([it.stop - it.start for it in parts]), width), np.uint8), 0
        for part in parts:
            for number in range(part.start // chunk, -(-part.stop // chunk)):
                if byte is None or size is None or handle is None:
                    data = self._packed(row, number)
                else:
                    data = os.pread(handle, int(size[line, number]), int(byte[line, number]))
                planes = planes_of(data, width, chunk)
                first, last = max(part.start - number * chunk, 0), min(part.stop - number * chunk, chunk)
                for plane in range(width):  # thrice as fast as a transposed copy
                    found[at : at + last - first, plane] = planes[plane, first:last]
                at += last - first
        codes: NDArray[Any] = found.view(self._dtype)[:, 0]
        return codes

    def _packed(self, row: int, number: int) -> bytes:
        """One chunk of the current by HDF5's own index, a look into which takes longer than to read the chunk."""
        codes = self._source.dataset(f"{self._name}/{schema.CURRENT}")
        left_out, data = codes.id.read_direct_chunk((row, number * self._chunk))
        if left_out:
            raise ValueError(f"chunk {number} of row {row} was packed in another way than powerlab does")
        return bytes(data)

    def _levels(self, size: int) -> list[h5py.Dataset]:
        group = f"{self._name}/{schema.BLOCKS.format(size)}"
        return [self._source.dataset(f"{group}/{name}") for name in (schema.LEAST, schema.LARGEST, schema.SUM)]


@dataclass(frozen=True, slots=True, eq=False)
class _Page:
    """Some rows: their coarse blocks, and where their chunks lie, if that is known."""

    least: NDArray[Any]
    largest: NDArray[Any]
    total: NDArray[np.int64]
    byte: NDArray[np.uint64] | None
    size: NDArray[np.uint32] | None

    def blocks(self, line: int) -> Blocks:
        """The coarse blocks of one of the rows."""
        return Blocks(COARSE, self.least[line], self.largest[line], self.total[line])
