"""A run: everything one capture recorded, as read back from its file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from powerlab_traces.chain import CurrentChain, SupplyLimits
from powerlab_traces.log import Log
from powerlab_traces.outcome import Outcome
from powerlab_traces.record import Record
from powerlab_traces.window import HostWindow

__all__ = ["Outcome", "Provenance", "Run", "TrueWindow"]


@dataclass(frozen=True, slots=True)
class TrueWindow:
    """What a simulated board really drew in one window. `start` is the host's time of the marker's rise."""

    start: int  # ns
    stop: int  # ns
    energy: float  # J at the board's input


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a run comes from: who measured what, with what, and when."""

    created: str  # ISO 8601 with offset
    simulated: bool
    model: str  # the network, or what the lab script called its work
    batch: int | None  # images a window, None where windows differ
    marker_bit: int | None  # the digital input that carried the marker
    instruments: Mapping[str, str] = field(default_factory=dict)  # role -> answer to *IDN?
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # role -> setting -> value with unit
    bench: str = ""  # bench.toml as it was
    workload: Mapping[str, str] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)  # name -> version
    host: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One capture. `records` may load each record as it is asked for."""

    provenance: Provenance
    chain: CurrentChain
    supply: SupplyLimits
    records: Sequence[Record]
    windows: Sequence[HostWindow]
    notes: tuple[str, ...] = ()  # what was odd while capturing: instrument errors, an early end
    truth: Sequence[TrueWindow] | None = None  # of a simulated run
    logs: Mapping[str, Log] = field(default_factory=dict)  # what was noted beside the records
    outcome: Outcome = Outcome.COMPLETE
