"""A trace as it is stored: chunks of codes, byte-shuffled and deflated as HDF5's own filters do it.

A chunk is packed once, when it is captured, and goes into the run file as it is. Of the filters that every HDF5 has,
shuffle and deflate make noisy codes smallest. Noise repeats nothing, so deflate looks for runs alone (`Z_RLE`), unless
the first chunk says that looking for more pays; and it makes a table of code lengths for each byte plane (`MEMORY`).
Both cost a reader nothing, and such a chunk is as small as one seven times as long packed at level 9.
"""

import hashlib
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
MEMORY = 5  # zlib's memLevel: a block of deflate is 2048 bytes long, a plane of a chunk of 16-bit codes
CHUNK = 1 << 12  # bytes of a chunk of the current; what a look at one sample must inflate
PARTS = 4  # of a trace that are packed side by side
MARKER_CHUNK = 1 << 18  # bytes of a chunk of the marker: nearly nothing when packed, and read as a whole
# By chunk size. Runs are copied from one byte back, which inflates at a third of the speed: a marker is nothing but
# runs, and takes a kilobyte a chunk more without `Z_RLE`.
STRATEGIES = {CHUNK: (zlib.Z_RLE, zlib.Z_DEFAULT_STRATEGY), MARKER_CHUNK: (zlib.Z_DEFAULT_STRATEGY,)}


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
    def of(cls, trace: Trace, workers: Executor, size: int = CHUNK) -> Self:
        """Pack a trace in chunks of `size` bytes, side by side on `workers`.

        Raises
        ------
        TraceError
            The trace is empty.
        """
        if not len(trace):
            raise TraceError("a record without samples cannot be stored")
        codes = np.ascontiguousarray(trace.codes, trace.codes.dtype.newbyteorder("<"))
        chunk = min(size // codes.itemsize, len(codes))
        digest = workers.submit(lambda: hashlib.sha256(codes.data).hexdigest())
        shuffled = _shuffle(codes, chunk)
        strategy = min(STRATEGIES[size], key=lambda it: len(_squeeze(shuffled[0], it)))
        parts = np.array_split(shuffled, PARTS)
        packed = workers.map(lambda part: [_squeeze(planes, strategy) for planes in part], parts)
        chunks = tuple(chunk for part in packed for chunk in part)
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


def planes_of(data: bytes, width: int, chunk: int) -> NDArray[np.uint8]:
    """The byte planes of one chunk of so many codes of `width` bytes [width, chunk], without HDF5's detours.

    Raises
    ------
    ValueError
        The chunk is damaged.
    """
    try:
        return np.frombuffer(zlib.decompress(data, zlib.MAX_WBITS, chunk * width), np.uint8).reshape(width, chunk)
    except zlib.error as error:
        raise ValueError(f"a chunk cannot be inflated ({error})") from error


def digest_of(codes: NDArray[np.integer[Any]]) -> str:
    """The SHA-256 that `Packed.digest` holds."""
    return hashlib.sha256(np.ascontiguousarray(codes, codes.dtype.newbyteorder("<")).data).hexdigest()


def _shuffle(codes: NDArray[np.integer[Any]], chunk: int) -> NDArray[np.uint8]:
    """The codes as HDF5's shuffle filter leaves them: byte planes of each chunk [chunks, itemsize, chunk]."""
    padded = np.zeros((-(-len(codes) // chunk), chunk), codes.dtype)
    padded.reshape(-1)[: len(codes)] = codes
    planes = padded.view(np.uint8).reshape(-1, chunk, codes.itemsize).transpose(0, 2, 1)
    return np.ascontiguousarray(planes)


def _squeeze(planes: NDArray[np.uint8], strategy: int) -> bytes:
    """One chunk as HDF5's deflate filter may leave it."""
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, MEMORY, strategy)
    return deflate.compress(planes.data) + deflate.flush()
