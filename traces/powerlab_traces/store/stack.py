"""A stack of records in the run file: those of one length, rate, scale and marker, one below the other."""

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema
from powerlab_traces.pyramid import LEVELS, Blocks
from powerlab_traces.store.columns import put_unit
from powerlab_traces.store.packed import LEVEL, Packed

GROW = 64  # rows by which a stack grows
PAGE = 8192  # block sums in a chunk, of as many records as that are


class Stack:
    """Builds one stack, row by row."""

    def __init__(self, group: h5py.Group, number: int, current: Packed, marker: Packed | None) -> None:
        self.group, self.number = group, number
        self.rows = 0
        group.attrs[schema.NX_CLASS] = "NXdata"
        group.attrs[schema.NX_SIGNAL] = schema.CURRENT
        group.attrs[schema.NX_AXES] = [schema.RECORD, schema.TIME]
        self._current = _codes(group, schema.CURRENT, current)
        self._marker = None if marker is None else _codes(group, schema.MARKER, marker)
        self._records: list[int] = []
        self._pending: dict[str, list[NDArray[Any]]] = {}

    def add(self, index: int, current: Packed, marker: Packed | None, blocks: Blocks) -> int:
        """Add one record's codes; the row it has."""
        row = self.rows
        for data, packed in ((self._current, current), (self._marker, marker)):
            if data is not None and packed is not None:
                if row == data.shape[0]:
                    data.resize(row + GROW, axis=0)
                for number, chunk in enumerate(packed.chunks):
                    data.id.write_direct_chunk((row, number * packed.chunk), bytes(chunk))
        for size in LEVELS:
            level = blocks if size == blocks.size else blocks.coarser(size)
            for name, values in (
                (schema.LEAST, level.least),
                (schema.LARGEST, level.largest),
                (schema.SUM, level.total),
            ):
                self._pending.setdefault(f"{schema.BLOCKS.format(size)}/{name}", []).append(values)
        self._records.append(index)
        self.rows += 1
        if self.rows % GROW == 0:
            self._write_blocks()
        return row

    def finish(self, current: Packed, marker: Packed | None) -> None:
        """Cut the datasets to their length, and give them their axes; the arguments are the first record's."""
        self._write_blocks()
        self._current.resize(self.rows, axis=0)
        self._current.attrs["long_name"] = "current in the supply lead"
        record = self.group.create_dataset(schema.RECORD, data=np.array(self._records, np.int64))
        # Plain seconds, for viewers that do not know CF's scale_factor.
        time = self.group.create_dataset(
            schema.TIME,
            data=current.start + np.arange(current.samples) * current.interval,
            compression="gzip",
            compression_opts=9,
            shuffle=True,
        )
        _as_axes(self._current, record, time)
        if self._marker is not None and marker is not None:
            self._marker.resize(self.rows, axis=0)
            marker_time = self.group.create_dataset(
                schema.MARKER_TIME, data=np.arange(marker.samples, dtype=np.int32), compression="gzip", shuffle=True
            )
            marker_time.attrs[schema.SCALE] = marker.interval
            marker_time.attrs[schema.OFFSET] = marker.start
            _as_axes(self._marker, record, marker_time)
        for size in LEVELS:
            blocks = self.group[schema.BLOCKS.format(size)]
            starts = blocks.create_dataset(schema.TIME, data=time[::size])
            starts.attrs[schema.UNIT] = "s"
            for name in (schema.LEAST, schema.LARGEST, schema.SUM):
                _as_axes(blocks[name], record, starts)
        self._write_places()
        record.attrs["long_name"] = "record"
        for seconds in (self.group[name] for name in (schema.TIME, schema.MARKER_TIME) if name in self.group):
            seconds.attrs[schema.UNIT] = "s"
            seconds.attrs["long_name"] = "time after the trigger"

    def _write_places(self) -> None:
        """Write where each chunk of the current lies: HDF5's own index costs a reader more than a look at a chunk."""
        rows, chunk = self.rows, self._current.chunks[1]
        chunks = -(-self._current.shape[1] // chunk)
        places = {schema.BYTE: np.zeros((rows, chunks), np.uint64), schema.SIZE: np.zeros((rows, chunks), np.uint32)}
        first, size = places.values()

        def note(it: Any) -> None:
            row, sample = it.chunk_offset
            first[row, sample // chunk] = it.byte_offset
            size[row, sample // chunk] = it.size

        self._current.id.chunk_iter(note)
        group = self.group.create_group(schema.PLACES)
        for name, values in places.items():
            group.create_dataset(
                name,
                data=values,
                chunks=(min(page_rows(chunks), rows), min(chunks, PAGE)),
                compression="gzip",
                compression_opts=LEVEL,
                shuffle=True,
            )

    def _write_blocks(self) -> None:
        for name, rows in self._pending.items():
            values = np.stack(rows)
            if name not in self.group:
                self.group.create_dataset(
                    name,
                    shape=(0, values.shape[1]),
                    maxshape=(None, values.shape[1]),
                    chunks=(page_rows(values.shape[1]), min(values.shape[1], PAGE)),
                    dtype=values.dtype,
                    compression="gzip",
                    compression_opts=LEVEL,
                    shuffle=True,
                )
            data = self.group[name]
            known = data.shape[0]
            data.resize(known + len(values), axis=0)
            data[known:] = values
        self._pending.clear()


def page_rows(blocks: int) -> int:
    """How many records of so many blocks have their sums in one chunk.

    >>> page_rows(391)
    20
    """
    return max(PAGE // blocks, 1)


def _codes(group: h5py.Group, name: str, packed: Packed) -> h5py.Dataset:
    data = group.create_dataset(
        name,
        shape=(0, packed.samples),
        maxshape=(None, packed.samples),
        chunks=(1, packed.chunk),
        dtype=packed.dtype,
        compression="gzip",
        compression_opts=LEVEL,
        shuffle=True,
    )
    if (packed.scale, packed.offset) != (1, 0):  # bits are no numbers: readers would make floats of them
        data.attrs[schema.SCALE] = packed.scale
        data.attrs[schema.OFFSET] = packed.offset
    put_unit(data, packed.unit)
    data.attrs[schema.INTERVAL] = packed.interval
    return data


def _as_axes(data: h5py.Dataset, record: h5py.Dataset, time: h5py.Dataset) -> None:
    """HDF5's dimension scales, by which netCDF readers find the axes."""
    for number, axis in enumerate((record, time)):
        if not axis.is_scale:
            axis.make_scale(axis.name.rpartition("/")[2])
        data.dims[number].attach_scale(axis)
