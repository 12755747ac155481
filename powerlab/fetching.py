"""Reading a record that the scope has acquired."""

from powerlab.bench import Bench
from powerlab_traces.chain import SupplyReading
from powerlab_traces.record import Record, RecordKind


def fetch(bench: Bench, kind: RecordKind, armed: int, before: SupplyReading, index: int = 0) -> Record:
    """The record that has ended, at the rate of bench.toml or the scope's own, and the supply's reading after it.

    Only one that windows ran in has a marker. `armed` is when the scope was, in ns of the host's clock.
    """
    wave = bench.scope.fetch(f"CHAN{bench.channel.n}", "A")
    pod = bench.scope.fetch("POD1") if kind is RecordKind.ACTIVE and bench.file.marker.bit is not None else None
    fetched = bench.clock.now()
    fold = wave.fold(bench.file.scope.sample_rate)
    return Record(
        index=index,
        kind=kind,
        current=wave.trace(fold),
        marker=None if pod is None else pod.trace(),
        clipped=wave.clipped(fold),
        armed=armed,
        fetched=fetched,
        before=before,
        after=bench.supply.read(bench.clock),
    )
