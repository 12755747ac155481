"""The whole run in amperes on one axis of time, coarse enough to be seen at once: what a viewer opens first."""

import h5py
import numpy as np
from numpy.typing import NDArray

from powerlab_traces import schema
from powerlab_traces.pyramid import LEVELS
from powerlab_traces.store.columns import read_columns, scale_of, unit_of

MOST_POINTS = 200_000


def write_overview(entry: h5py.Group) -> None:
    """Write mean, least and largest current of each block of the run, as plain floats; nothing for an empty run.

    Blocks are the finest of which there are not too many; in the end the records themselves. Between two records is one
    point that is no number. A record's trigger is at the host's time of its first window, or when it was armed.
    """
    records = read_columns(entry[schema.RECORDS])
    if not len(records[schema.INDEX]):
        return
    levels = {number: _Level(entry, number) for number in set(records[schema.STACK_NUMBER].tolist())}
    samples = sum(levels[number].samples for number in records[schema.STACK_NUMBER].tolist())
    size = next((it for it in LEVELS if samples / it <= MOST_POINTS), None)
    for level in levels.values():
        level.load(size)
    lengths = np.array([levels[number].length for number in records[schema.STACK_NUMBER].tolist()])
    starts = starts_of(records[schema.TRIGGER], records[schema.START], records[schema.SEGMENT], lengths)
    places = zip(records[schema.STACK_NUMBER].tolist(), records[schema.ROW].tolist(), starts.tolist(), strict=True)
    rows = [levels[number].row(row, start) for number, row, start in places]
    group = entry.create_group(schema.OVERVIEW)
    group.attrs[schema.NX_CLASS] = "NXdata"
    group.attrs[schema.NX_SIGNAL] = schema.CURRENT
    group.attrs[schema.NX_AXES] = [schema.TIME]
    group.attrs[schema.NX_AUXILIARY] = [schema.LEAST, schema.LARGEST]
    columns = np.concatenate(rows, axis=1)
    for name, values, kind in zip(
        (schema.TIME, schema.CURRENT, schema.LEAST, schema.LARGEST), columns, ("f8", "f4", "f4", "f4"), strict=True
    ):
        data = group.create_dataset(name, data=values.astype(kind), compression="gzip", shuffle=True)
        data.attrs[schema.UNIT] = "s" if name == schema.TIME else next(iter(levels.values())).unit
        if name == schema.TIME:
            data.attrs["long_name"] = "time since the first record"
            data.make_scale(name)
        else:
            data.dims[0].attach_scale(group[schema.TIME])
    entry.attrs[schema.NX_DEFAULT] = schema.OVERVIEW


def starts_of(
    triggers: NDArray[np.int64], starts: NDArray[np.float64], segments: NDArray[np.int64], lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """When each record's first sample was taken, in seconds since the first record's trigger [records].

    `triggers` are in ns of the host's clock, `starts` in s after them, `lengths` in s. That clock may have begun anew
    before a segment; such a segment follows the record before it at once, since nobody knows how long nothing was
    recorded.
    """
    found: NDArray[np.float64] = (triggers - triggers[:1]) * 1e-9 + starts
    for first in (np.flatnonzero(np.diff(segments)) + 1).tolist():
        earliest = found[first - 1] + lengths[first - 1]
        if found[first] < earliest:
            found[first:] += earliest - found[first]
    return found


class _Level:
    """The block sums of one stack, in its unit."""

    def __init__(self, entry: h5py.Group, number: int) -> None:
        self._stack = entry[schema.STACK.format(number)]
        current = self._stack[schema.CURRENT]
        self.samples = int(current.shape[1])
        self.unit = unit_of(current)
        self._interval = float(current.attrs[schema.INTERVAL])
        self._scale, self._offset = scale_of(current)
        self.length = self.samples * self._interval  # s

    def load(self, size: int | None) -> None:
        """Read the blocks of `size` samples; None makes one block of each record."""
        blocks = self._stack[schema.BLOCKS.format(size or LEVELS[-1])]
        total, least, largest = (blocks[name][:] for name in (schema.SUM, schema.LEAST, schema.LARGEST))
        edges = np.minimum(np.arange(total.shape[1] + 1) * (size or LEVELS[-1]), self.samples)
        if size is None:
            total, least, largest = (
                total.sum(1, keepdims=True),
                least.min(1, keepdims=True),
                largest.max(1, keepdims=True),
            )
            edges = np.array([0, self.samples])
        self._middles = (edges[:-1] + edges[1:]) / 2 * self._interval
        self._values = [it * self._scale + self._offset for it in (total / np.diff(edges), least, largest)]

    def row(self, row: int, start: float) -> NDArray[np.float64]:
        """Middle time (s), mean, least and largest of a record's blocks [4, blocks + 1], the last column a gap."""
        found = np.empty((4, len(self._middles) + 1))
        found[0, :-1] = start + self._middles
        found[0, -1] = start + self.samples * self._interval
        for k, values in enumerate(self._values):
            found[k + 1, :-1] = values[row]
        found[1:, -1] = np.nan
        return found
