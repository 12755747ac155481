"""Where a run comes from: who measured what, with what, and when."""

import datetime as dt
import importlib.metadata
import platform
from collections.abc import Mapping

from powerlab.bench import Bench
from powerlab_traces.run import Provenance

SOFTWARE = ("powerlab", "numpy", "pyvisa", "pyvisa-py", "h5py")


def provenance(bench: Bench, *, model: str, batch: int | None, workload: Mapping[str, str]) -> Provenance:
    """The provenance of a run on this bench, as it is set up now."""
    return Provenance(
        created=now(),
        simulated=bench.simulated,
        model=model,
        batch=batch,
        marker_bit=bench.file.marker.bit,
        instruments={
            "scope": str(bench.scope.identity),
            "supply": str(bench.supply.identity),
            "probe": bench.file.probe.model,
        },
        settings=bench.settings(),
        bench=bench.text,
        workload=workload,
        software={name: importlib.metadata.version(name) for name in SOFTWARE},
        host={
            "system": platform.platform(),
            "machine": platform.machine(),
            "python": platform.python_version(),
        },
    )


def now() -> str:
    """The time as ISO 8601, with its offset."""
    return dt.datetime.now(dt.UTC).astimezone().isoformat(timespec="seconds")
