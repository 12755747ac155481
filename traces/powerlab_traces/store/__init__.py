"""The run file, and the one door to h5py.

While a capture runs, each record goes to a journal beside the file's name, and is on the disk before the capture goes
on. `assembly` makes the run file of it, at the end or after a crash; `stored` reads it.
"""

from powerlab_traces.store.assembly import Recovered, recover
from powerlab_traces.store.checking import check_run
from powerlab_traces.store.records import StoredRecords
from powerlab_traces.store.stored import StoredRun, open_run
from powerlab_traces.store.writer import RunWriter, check_writable, is_taken

__all__ = [
    "Recovered",
    "RunWriter",
    "StoredRecords",
    "StoredRun",
    "check_run",
    "check_writable",
    "is_taken",
    "open_run",
    "recover",
]
