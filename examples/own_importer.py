"""An importer for files that powerlab does not know: those of a data logger that writes 16-bit milliamperes.

Makes such a file, reads it, and reads it again cut short; docs/how-to/add-an-importer.md explains it step by step.
"""

from pathlib import Path

import numpy as np

import powerlab as pl
from powerlab_traces.importers.imported import ForeignRecord, ForeignTrace, Imported, Lacking, Role, Unknown
from powerlab_traces.importers.options import OF_ANY, ImportOptions
from powerlab_traces.importers.registry import Importer, register
from powerlab_traces.importers.source import ForeignFileError, Source, identified, mapped, reading, refused
from powerlab_traces.importers.windows import completed
from powerlab_traces.run import Provenance

MAGIC = b"LOGBOX 1\n"
HEADER = 32  # bytes: the magic, then the samples a second and a line end, padded with blanks
MILLI = 1e-3


def recognises(source: Source) -> bool:
    """Whether it is a file of a LogBox, by its first bytes."""
    return source.head.startswith(MAGIC)


def read(path: Path, options: ImportOptions) -> Imported:
    """Read it: a header of 32 bytes, then the current in mA as little-endian 16-bit integers."""
    with reading(path), path.open("rb") as file:
        said = file.read(HEADER)[len(MAGIC) :].decode("ascii", "replace").strip()
    if not (said.isdigit() and 0 < int(said) <= 1_000_000):
        raise refused(path, f"its header says {said[:20]!r} samples a second")
    size = path.stat().st_size - HEADER
    if size < 0 or size % 2:
        raise refused(path, "cut short: half a sample at its end; copy it again")
    current = mapped(path, "<i2", HEADER, size // 2)
    traces = (ForeignTrace("current", Role.CURRENT, "A", current, interval=1 / int(said), scale=MILLI),)
    unknown = ()
    if options.supply_voltage is None:
        unknown = (Unknown(Lacking.POWER, f"{path}: it holds current only", "--supply-voltage V"),)
    capture = Imported(
        format="LogBox",
        records=(ForeignRecord(0, traces),),
        windows=(),
        provenance=Provenance(
            created="", simulated=False, model=path.stem, batch=None, marker_bit=None, instruments={"meter": "LogBox"}
        ),
        sources=(identified(path),),
        clock="the logger's: seconds from the first sample",
        unknown=unknown,
    )
    return completed(capture, options, path)


register(Importer("logbox", "LogBox recording (.lbx)", recognises, read, takes=OF_ANY))

# A recording of ten batches of 50 ms, 200 mA above the idle board's 100 mA; nothing of it was measured.
batches = (np.arange(10_000) % 1000 >= 500) * 200 + 100
raw = (MAGIC + b"10000\n").ljust(HEADER) + batches.astype("<i2").tobytes()
Path("SIMULATED.lbx").write_bytes(raw)
Path("windows.csv").write_text(
    "start_s,stop_s,images\n" + "".join(f"{k / 10 + 0.05:.2f},{k / 10 + 0.1:.2f},4\n" for k in range(10))
)

result = pl.analyse_import("SIMULATED.lbx", pl.ImportOptions(supply_voltage=5.0))
print(f"SIMULATED.lbx: energy per image {result.energy_per_image * 1e3:.4g} mJ, by the rule: {result.capture.rule}")

Path("cut.lbx").write_bytes(raw[:-1])
try:
    pl.open_import("cut.lbx")
except ForeignFileError as error:
    print(error)
