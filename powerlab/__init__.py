"""powerlab: what a neural-network inference costs in joules.

`import powerlab as pl` is the one public door. Its names load what they need when they are first used, so that the
import itself brings neither torch, pyvisa, h5py nor matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from powerlab.analysing import analyse
    from powerlab.bench import Bench, open_bench
    from powerlab.importing import ImportedResult, analyse_import, import_run, open_import
    from powerlab.recording import Recording
    from powerlab.simulation import simulated_bench
    from powerlab.spectra import spectrum
    from powerlab.validation.evaluation import accuracy
    from powerlab.validation.score import Accuracy
    from powerlab.windowtable import windows_table
    from powerlab_analysis.changepoint import find_windows
    from powerlab_analysis.compare import Comparison, compare
    from powerlab_analysis.quantity import Quantity
    from powerlab_analysis.result import Result
    from powerlab_analysis.spectra import Spectra
    from powerlab_traces.averaging import averaged
    from powerlab_traces.errors import PowerlabError
    from powerlab_traces.importers import Imported, ImportOptions
    from powerlab_traces.record import Record, RecordKind
    from powerlab_traces.run import Run
    from powerlab_traces.store import open_run
    from powerlab_traces.table import Table
    from powerlab_traces.trace import Trace
    from powerlab_traces.views import to_pandas, to_torch, to_xarray
    from powerlab_traces.window import Window

__version__ = "0.1.0"

_HOMES = {
    "Accuracy": "powerlab.validation.score",
    "Bench": "powerlab.bench",
    "Comparison": "powerlab_analysis.compare",
    "ImportOptions": "powerlab_traces.importers",
    "Imported": "powerlab_traces.importers",
    "ImportedResult": "powerlab.importing",
    "PowerlabError": "powerlab_traces.errors",
    "Quantity": "powerlab_analysis.quantity",
    "Record": "powerlab_traces.record",
    "RecordKind": "powerlab_traces.record",
    "Recording": "powerlab.recording",
    "Result": "powerlab_analysis.result",
    "Run": "powerlab_traces.run",
    "Spectra": "powerlab_analysis.spectra",
    "Table": "powerlab_traces.table",
    "Trace": "powerlab_traces.trace",
    "Window": "powerlab_traces.window",
    "accuracy": "powerlab.validation.evaluation",
    "analyse": "powerlab.analysing",
    "analyse_import": "powerlab.importing",
    "averaged": "powerlab_traces.averaging",
    "compare": "powerlab_analysis.compare",
    "find_windows": "powerlab_analysis.changepoint",
    "import_run": "powerlab.importing",
    "open_bench": "powerlab.bench",
    "open_import": "powerlab.importing",
    "open_run": "powerlab_traces.store",
    "simulated_bench": "powerlab.simulation",
    "spectrum": "powerlab.spectra",
    "to_pandas": "powerlab_traces.views",
    "to_torch": "powerlab_traces.views",
    "to_xarray": "powerlab_traces.views",
    "windows_table": "powerlab.windowtable",
}

__all__ = [
    "Accuracy",
    "Bench",
    "Comparison",
    "ImportOptions",
    "Imported",
    "ImportedResult",
    "PowerlabError",
    "Quantity",
    "Record",
    "RecordKind",
    "Recording",
    "Result",
    "Run",
    "Spectra",
    "Table",
    "Trace",
    "Window",
    "__version__",
    "accuracy",
    "analyse",
    "analyse_import",
    "averaged",
    "compare",
    "find_windows",
    "import_run",
    "open_bench",
    "open_import",
    "open_run",
    "simulated_bench",
    "spectrum",
    "to_pandas",
    "to_torch",
    "to_xarray",
    "windows_table",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
