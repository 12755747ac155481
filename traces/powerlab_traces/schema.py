"""Names and numbers of the run file, version 2. No other module spells any of them.

The layout is HDF5 with NeXus classes (NXroot / NXentry / NXdata) and CF attributes (`scale_factor`, `add_offset`,
`units`): a stored integer times `scale_factor` plus `add_offset` is the value in `units`. See docs/file-format.md.
"""

from typing import Final

FORMAT: Final = "powerlab run"
VERSION: Final = 2
LIBRARY: Final = "v108"  # of HDF5: the oldest that reads a run file, and the first to keep checksums of its headers
JOURNAL: Final = ".journal"  # suffix of a run that is still being captured, or was cut off
UNFINISHED: Final = ".part"  # suffix of a run file that is being assembled from its journal

# root attributes
FORMAT_NAME: Final = "format"
FORMAT_VERSION: Final = "format_version"
SIMULATED: Final = "simulated"

ENTRY: Final = "entry"
RECORDS: Final = "records"  # group of columns [records]
WINDOWS: Final = "windows"  # group of columns [windows]
TRUTH: Final = "truth"  # group of columns [windows]; simulated runs only
LOGS: Final = "logs"  # group of groups of columns: what was noted beside the records
OUTCOME: Final = "outcome"  # attribute of the entry: how the capture ended
CHAIN: Final = "current_chain"  # attributes: the fields of CurrentChain
SUPPLY: Final = "supply_limits"  # attributes: the fields of SupplyLimits
PROVENANCE: Final = "provenance"  # attributes, and a group of attributes for each mapping
NOTES: Final = "notes"  # utf-8 strings [n]
BENCH: Final = "bench"  # utf-8 string: bench.toml
OVERVIEW: Final = "overview"  # group: the whole run in amperes, for a first look
STACK: Final = "stack_{}"  # group: the records of one length, rate and scale
IMPORTED: Final = "imported"  # group: a capture of another program, in place of all the rest

# columns of the records
KIND: Final = "kind"
INDEX: Final = "index"
SEGMENT: Final = "segment"  # which run of powerlab took it: 0, and one more each time the capture was resumed
STACK_NUMBER: Final = "stack"
ROW: Final = "row"  # in the stack
ARMED: Final = "armed_ns"  # host's monotonic clock
FETCHED: Final = "fetched_ns"
TRIGGER: Final = "trigger_ns"  # start of its first window, or when it was armed
START: Final = "start_s"  # time of the first sample after the trigger
MARKER_START: Final = "marker_start_s"
DIGEST: Final = "sha256"  # hexadecimal, of the current's codes as little-endian bytes
MARKER_DIGEST: Final = "marker_sha256"
SUM: Final = "sum"  # of the current's codes, exact
LEAST: Final = "least"  # code
LARGEST: Final = "largest"  # code
CLIPPED_COUNT: Final = "clipped_count"
BEFORE: Final = "{}_before"  # a column of the supply's reading before the record
AFTER: Final = "{}_after"
# and, in the same group, one number for each clipped sample of the run, record after record
CLIPPED: Final = "clipped_sample"

# a stack
CURRENT: Final = "current"  # integer codes [rows, n]
TIME: Final = "time"  # s after the trigger [n]: of the first record; see `start_s` for the others
MARKER: Final = "marker"  # bytes [rows, m], bit d is digital input Dd
MARKER_TIME: Final = "marker_time"  # packed like a trace [m]
RECORD: Final = "record"  # number of the record in each row [rows]
PLACES: Final = "current_places"  # group: where the chunks of the current lie in the file [rows, chunks]
BLOCKS: Final = "blocks_{}"  # group: least, largest and exact sum of each block of that many samples [rows, blocks]

BYTE: Final = "byte"  # where a chunk begins

# a trace
INTERVAL: Final = "interval_s"
SCALE: Final = "scale_factor"
OFFSET: Final = "add_offset"
UNIT: Final = "units"
OWN_UNIT: Final = "unit"  # the same as a text of fixed length: see `store.columns.put`

# columns
START_NS: Final = "start_ns"
STOP_NS: Final = "stop_ns"
IMAGES: Final = "images"
LABEL: Final = "label"
ENERGY: Final = "energy_J"
READ: Final = "supply_ns"
VOLTAGE: Final = "supply_V"
AMPERES: Final = "supply_A"
REGULATION: Final = "supply_regulation"
LIMITED: Final = "supply_limited"

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
NX_AXES: Final = "axes"
NX_AUXILIARY: Final = "auxiliary_signals"

# a capture of another program
SOURCE_FORMAT: Final = "source_format"  # attributes
RULE: Final = "rule"
STATISTIC: Final = "statistic"
CLOCK: Final = "clock"
ORIGIN: Final = "origin"  # ISO 8601
SUPPLY_VOLTAGE: Final = "supply_voltage_V"
IMPORTED_BY: Final = "imported_by"
RECORD_GROUP: Final = "record_{}"  # group: traces of one record, with their axes of time
TRACES: Final = "traces"  # group of columns [traces]
SOURCES: Final = "sources"  # group of columns [source files]
UNKNOWN: Final = "unknown"  # group of columns: what the user has to say
OPTIONS: Final = "options"  # utf-8 string: JSON of the options that were given
DATASET: Final = "dataset"  # columns
NAME: Final = "name"
ROLE: Final = "role"
SAMPLES: Final = "samples"
TIMES: Final = "times"  # dataset with the time of each sample; empty where they are even
STOP: Final = "stop_s"
SIZE: Final = "size"  # bytes
LACKING: Final = "lacking"
WHY: Final = "why"
OPTION: Final = "option"
