"""Having the board draw more, as far as this machine can: all its cores busy, and the marker high."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from powerlab.marker import Marker


@contextmanager
def busy(marker: Marker | None) -> Iterator[None]:
    """Keep every core of this machine busy while the body runs. The marker is what a simulated board works on."""
    done = threading.Event()
    cores = [threading.Thread(target=_work, args=(done,), daemon=True) for _ in range(os.cpu_count() or 1)]
    for core in cores:
        core.start()
    try:
        if marker is not None:
            marker.high()
        yield
    finally:
        done.set()
        if marker is not None:
            marker.low()
        for core in cores:
            core.join()


def _work(done: threading.Event) -> None:
    data = bytes(1 << 20)
    while not done.is_set():
        hashlib.sha256(data)  # of so much data, it lets other threads run
