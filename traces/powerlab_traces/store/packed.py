"""A trace as it is stored: chunks of codes, byte-shuffled and deflated as HDF5's own filters do it.

A chunk is packed once, when it is captured, and goes into the run file as it is. Shuffle and deflate level 1: of the
filters that every HDF5 has, nothing is smaller by more than a hundredth on noisy codes, and higher levels are slower.
"""

import hashlib
import math
import zlib
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from powerlab_traces.errors import TraceError
from powerlab_traces.trace import Trace

LEVEL = 1
LARGEST_CHUNK = 1 << 15  # bytes; what a look at one sample must inflate


@dataclass(frozen=True, slots=True)
class Packed:
    """The codes of one trace in chunks of `chunk` samples, the last one filled up with zeros.

    `digest` is the SHA-256 of the codes as little-endian bytes, hexadecimal.
    """

    dtype: str  # numpy's, little-endian
    samples: int
    chunk: int
    interval: float
    unit: str
    start: float
    scale: float
    offset: float
    digest: str
    sizes: tuple[int, ...]  # bytes of each chunk
    chunks: tuple[bytes | memoryview, ...]

    @classmethod
    def of(cls, trace: Trace, workers: Executor) -> Self:
        """Pack a trace; chunks side by side on `workers`.

        Raises
        ------
        TraceError
            The trace is empty.
        """
        if not len(trace):
            raise TraceError("a record without samples cannot be stored")
        codes = np.ascontiguousarray(trace.codes, trace.codes.dtype.newbyteorder("<"))
        chunk = chunk_length(len(codes), codes.itemsize)
        digest = workers.submit(lambda: hashlib.sha256(codes.data).hexdigest())
        chunks = tuple(workers.map(lambda at: _squeeze(codes[at : at + chunk], chunk), range(0, len(codes), chunk)))
        return cls(
            dtype=codes.dtype.str,
            samples=len(codes),
            chunk=chunk,
            interval=trace.interval,
            unit=trace.unit,
            start=trace.start,
            scale=trace.scale,
            offset=trace.offset,
            digest=digest.result(),
            sizes=tuple(map(len, chunks)),
            chunks=chunks,
        )

    def said(self) -> dict[str, Any]:
        """Everything but the chunks, for the journal."""
        names = ("dtype", "samples", "chunk", "interval", "unit", "start", "scale", "offset", "digest", "sizes")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def heard(cls, said: Mapping[str, Any], data: memoryview) -> tuple[Self, memoryview]:
        """What the journal says, with its chunks from the front of `data`; and the rest of the data."""
        chunks = []
        for size in said["sizes"]:
            chunks.append(data[:size])
            data = data[size:]
        return cls(**{**said, "sizes": tuple(said["sizes"]), "chunks": tuple(chunks)}), data


def chunk_length(samples: int, itemsize: int) -> int:
    """Samples in a chunk: as many as `LARGEST_CHUNK` holds or a little less, so that the last one is nearly full.

    >>> chunk_length(100_000, 2)
    14286
    """
    return math.ceil(samples / math.ceil(samples * itemsize / LARGEST_CHUNK))


def digest_of(codes: NDArray[np.integer[Any]]) -> str:
    """The SHA-256 that `Packed.digest` holds."""
    return hashlib.sha256(np.ascontiguousarray(codes, codes.dtype.newbyteorder("<")).data).hexdigest()


def _squeeze(codes: NDArray[np.integer[Any]], length: int) -> bytes:
    """One chunk as HDF5's shuffle and deflate filters leave it."""
    if len(codes) < length:
        codes = np.concatenate([codes, np.zeros(length - len(codes), codes.dtype)])
    planes = codes.view(np.uint8).reshape(length, codes.itemsize).T
    return zlib.compress(np.ascontiguousarray(planes).data, LEVEL)
