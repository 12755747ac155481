"""Blocks of samples: least, largest and exact sum of each, to see and sum a long trace without reading all of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 256  # samples in a block of the finest level
COARSE = 4096  # samples in a block of the second level; the record as a whole is the third
LEVELS = (BLOCK, COARSE)


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
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


def exact_sum(
    span: slice,
    codes: Callable[[slice], NDArray[np.integer[Any]]],
    totals: Callable[[slice], NDArray[np.int64]],
    size: int = BLOCK,
) -> int:
    """The sum of the codes in `span`: whole blocks from their totals, only the ends from the codes themselves."""
    first, last = -(-span.start // size), span.stop // size
    if first >= last:
        return int(codes(span).sum(dtype=np.int64))
    result = int(totals(slice(first, last)).sum())
    for end in (slice(span.start, first * size), slice(last * size, span.stop)):
        if end.start < end.stop:
            result += int(codes(end).sum(dtype=np.int64))
    return result
