"""Names and numbers of the run file, version 1. No other module spells any of them.

The layout is HDF5 with NeXus classes (NXroot / NXentry / NXdata) and CF attributes (`scale_factor`, `add_offset`,
`units`): a stored integer times `scale_factor` plus `add_offset` is the value in `units`.
"""

from typing import Final

FORMAT: Final = "powerlab run"
VERSION: Final = 1
UNFINISHED: Final = ".part"  # suffix of a run that is still being captured

# root attributes
FORMAT_NAME: Final = "format"
FORMAT_VERSION: Final = "format_version"
SIMULATED: Final = "simulated"

ENTRY: Final = "entry"
RECORDS: Final = "records"  # group; one group a record, named by its index with at least six digits
WINDOWS: Final = "windows"  # group of columns [windows]
TRUTH: Final = "truth"  # group of columns [windows]; simulated runs only
CHAIN: Final = "current_chain"  # attributes: the fields of CurrentChain
SUPPLY: Final = "supply_limits"  # attributes: the fields of SupplyLimits
PROVENANCE: Final = "provenance"  # attributes, and a group of attributes for each mapping
NOTES: Final = "notes"  # utf-8 strings [n]
BENCH: Final = "bench"  # utf-8 string: bench.toml

# a record
KIND: Final = "kind"
INDEX: Final = "index"
ARMED: Final = "armed_ns"  # host's monotonic clock
FETCHED: Final = "fetched_ns"
CURRENT: Final = "current"  # integer codes [n]
MARKER: Final = "marker"  # bytes [m], bit d is digital input Dd
CLIPPED: Final = "clipped"  # numbers of the current's samples [k]
READINGS: Final = "supply"  # group of columns [2]: before, after

# a trace
INTERVAL: Final = "interval_s"
START: Final = "start_s"
SCALE: Final = "scale_factor"
OFFSET: Final = "add_offset"
UNIT: Final = "units"

# columns
START_NS: Final = "start_ns"
STOP_NS: Final = "stop_ns"
IMAGES: Final = "images"
LABEL: Final = "label"
RECORD: Final = "record"
ENERGY: Final = "energy_J"
TIME: Final = "time_ns"
VOLTAGE: Final = "voltage_V"
AMPERES: Final = "current_A"
REGULATION: Final = "regulation"
LIMITED: Final = "limited"

# provenance
CREATED: Final = "created"
MODEL: Final = "model"
BATCH: Final = "batch"
MARKER_BIT: Final = "marker_bit"
INSTRUMENTS: Final = "instruments"
SETTINGS: Final = "settings"
WORKLOAD: Final = "workload"
SOFTWARE: Final = "software"
HOST: Final = "host"

NX_CLASS: Final = "NX_class"
NX_DEFAULT: Final = "default"
NX_SIGNAL: Final = "signal"
