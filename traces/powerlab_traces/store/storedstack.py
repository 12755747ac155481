"""Parts of the records in one stack of the run file, and sums over them."""

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema
from powerlab_traces.pyramid import COARSE, Blocks, Sums, sums_of
from powerlab_traces.store.columns import scale_of, text
from powerlab_traces.store.packed import unpacked
from powerlab_traces.store.source import Source
from powerlab_traces.store.stack import page_rows
from powerlab_traces.trace import Trace

MOST_PAGES = 320  # of coarse sums that are kept: those of a day of records, 25 MB


class StoredStack:
    """One stack, read row by row; all of it inside the source's `reading`."""

    def __init__(self, source: Source, number: int) -> None:
        self._source, self._name = source, schema.STACK.format(number)
        current = source.dataset(f"{self._name}/{schema.CURRENT}")
        self.samples, self._chunk, self._dtype = int(current.shape[1]), int(current.chunks[1]), current.dtype
        self.interval = float(current.attrs[schema.INTERVAL])
        self.unit = text(current.attrs[schema.UNIT])
        self.scale, self.offset = scale_of(current)
        self._page_rows = page_rows(-(-self.samples // COARSE))
        self._pages: dict[int, list[NDArray[Any]]] = {}

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
        return Trace(marker[row], float(marker.attrs[schema.INTERVAL]), text(marker.attrs[schema.UNIT]), start)

    def blocks(self, row: int, size: int) -> Blocks:
        """The blocks of `size` samples of a row."""
        least, largest, total = (it[row] for it in self._levels(size))
        return Blocks(size, least, largest, total)

    def sums(self, row: int, span: slice) -> Sums:
        """Of the codes in a part of a row, most of it from sums of blocks; a page of these is read once."""
        codes = self._source.dataset(f"{self._name}/{schema.CURRENT}")
        number, line = divmod(row, self._page_rows)
        page = self._pages.get(number)
        if page is None:
            if len(self._pages) == MOST_PAGES:
                del self._pages[next(iter(self._pages))]
            rows = slice(number * self._page_rows, (number + 1) * self._page_rows)
            page = self._pages[number] = [it[rows] for it in self._levels(COARSE)]
        least, largest, total = page
        blocks = Blocks(COARSE, least[line], largest[line], total[line])
        return sums_of(span, lambda part: self._codes(codes, row, part), blocks, self.samples)

    def _codes(self, codes: h5py.Dataset, row: int, part: slice) -> NDArray[Any]:
        """A part of a row, the chunks of a short one without HDF5's detours, a third of the time."""
        first, last = part.start // self._chunk, (part.stop - 1) // self._chunk
        if last > first + 1:
            return _read(codes, row, part)
        found: list[NDArray[Any]] = []
        for at in range(first * self._chunk, part.stop, self._chunk):
            left_out, data = codes.id.read_direct_chunk((row, at))
            if left_out:  # a filter
                return _read(codes, row, part)
            found.append(unpacked(data, self._dtype, self._chunk))
        start = first * self._chunk
        whole = found[0] if len(found) == 1 else np.concatenate(found)
        return whole[part.start - start : part.stop - start]

    def _levels(self, size: int) -> list[h5py.Dataset]:
        group = f"{self._name}/{schema.BLOCKS.format(size)}"
        return [self._source.dataset(f"{group}/{name}") for name in (schema.LEAST, schema.LARGEST, schema.SUM)]


def _read(codes: h5py.Dataset, row: int, part: slice) -> NDArray[Any]:
    found: NDArray[Any] = codes[row, part]
    return found
