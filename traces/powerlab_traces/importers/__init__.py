"""Captures that other instruments and programs made (docs/decisions/0008-imported-runs.md)."""

from powerlab_traces.importers.energy import Energies, EnergyOfWindow, energies, energy_per_image
from powerlab_traces.importers.imported import (
    ForeignRecord,
    ForeignTrace,
    ForeignWindow,
    Imported,
    Lacking,
    Role,
    Rule,
    SourceFile,
    Statistic,
    Unknown,
)
from powerlab_traces.importers.options import ImportOptions
from powerlab_traces.importers.registry import Importer, importers, read, recognise
from powerlab_traces.importers.source import ForeignFileError, NotKnown, Source

__all__ = [
    "Energies",
    "EnergyOfWindow",
    "ForeignFileError",
    "ForeignRecord",
    "ForeignTrace",
    "ForeignWindow",
    "ImportOptions",
    "Imported",
    "Importer",
    "Lacking",
    "NotKnown",
    "Role",
    "Rule",
    "Source",
    "SourceFile",
    "Statistic",
    "Unknown",
    "energies",
    "energy_per_image",
    "importers",
    "read",
    "recognise",
]
