"""Blocks of samples: least, largest and exact sum of each, to see and sum a long trace without reading all of it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK = 256  # samples in a block of the finest level
COARSE = 2048  # samples in a block of the second level; the record as a whole is the third
LEVELS = (BLOCK, COARSE)


class Blocks(NamedTuple):
    """A row of codes in blocks of `size` samples, the last one what is left over.

    `least` and `largest` [b] have the codes' type, `total` [b] is the exact sum as int64.
    """

    size: int
    least: NDArray[np.integer[Any]]
    largest: NDArray[np.integer[Any]]
    total: NDArray[np.int64]

    def coarser(self, size: int) -> "Blocks":
        """The same codes in larger blocks; `size` is a multiple of this one's."""
        starts = np.arange(0, len(self.total), size // self.size)
        return Blocks(
            size,
            np.minimum.reduceat(self.least, starts),
            np.maximum.reduceat(self.largest, starts),
            np.add.reduceat(self.total, starts),
        )


def blocks_of(codes: NDArray[np.integer[Any]], size: int = BLOCK) -> Blocks:
    """Cut codes [n], n > 0, into blocks.

    >>> blocks_of(np.array([3, 1, 2, 9], np.uint8), 3).total.tolist()
    [6, 9]
    """
    starts = np.arange(0, len(codes), size)
    return Blocks(
        size,
        np.minimum.reduceat(codes, starts),
        np.maximum.reduceat(codes, starts),
        np.add.reduceat(codes, starts, dtype=np.int64),
    )


class Sums(NamedTuple):
    """Some codes in four numbers, all exact."""

    samples: int
    total: int
    least: int
    largest: int

    def scaled(self, scale: float, offset: float) -> "Statistics":
        """In the unit in which a value is a code times `scale` plus `offset`."""
        mean = self.total / self.samples * scale + offset
        return Statistics(self.samples, mean, self.least * scale + offset, self.largest * scale + offset)


class Statistics(NamedTuple):
    """Some samples in four numbers; mean, least and largest in their unit."""

    samples: int
    mean: float
    least: float
    largest: float


def together(parts: Sequence[Statistics]) -> Statistics:
    """Those of all samples of one part or more."""
    if len(parts) == 1:
        return parts[0]
    samples = sum(it.samples for it in parts)
    mean = sum(it.mean * it.samples for it in parts) / samples
    return Statistics(samples, mean, min(it.least for it in parts), max(it.largest for it in parts))


def sums_of(
    span: slice, codes: Callable[[Sequence[slice]], NDArray[np.integer[Any]]], blocks: Blocks, samples: int
) -> Sums:
    """Those of the codes in `span`: whole blocks as they are, only the ends from the codes themselves.

    `span` is not empty; `codes` hands out one part or two, put together, of the row of so many `samples` that `blocks`
    are of.
    """
    size = blocks.size
    first, last = -(-span.start // size), span.stop // size
    if span.stop == samples:  # what is left over is a block, too
        last = len(blocks.total)
    if first >= last:
        ends = [span]
    else:
        ends = [it for it in (slice(span.start, first * size), slice(last * size, span.stop)) if it.start < it.stop]
    inside = codes(ends) if ends else None
    whole = slice(first, last)
    if inside is None:
        return _sums(span, blocks.total[whole], blocks.least[whole], blocks.largest[whole])
    found = _sums(span, inside, inside, inside)
    if first >= last:
        return found
    more = _sums(span, blocks.total[whole], blocks.least[whole], blocks.largest[whole])
    return Sums(found.samples, found.total + more.total, min(found.least, more.least), max(found.largest, more.largest))


def _sums(span: slice, total: NDArray[Any], least: NDArray[Any], largest: NDArray[Any]) -> Sums:
    # ufuncs in place of methods: these parts are so short that a method's detour is half of the time.
    return Sums(
        span.stop - span.start,
        int(np.add.reduce(total, dtype=np.int64)),
        int(np.minimum.reduce(least)),
        int(np.maximum.reduce(largest)),
    )
