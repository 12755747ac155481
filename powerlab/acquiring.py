"""One record of a steady current that goes into no run: of a zero, or of a load to calibrate with."""

from collections.abc import Callable

from powerlab.bench import Bench
from powerlab.fetching import fetch
from powerlab.recordlength import PRE_ROLL
from powerlab_traces.record import Record, RecordKind

READ_EVERY = 0.1  # s between two readings of the supply, each of which takes it as long


def acquire(bench: Bench, kind: RecordKind, wanted: float, readings: list[float] | None = None) -> Record:
    """A record of `wanted` seconds or a little more, triggered at once, at the rate of bench.toml.

    The supply is read before and after it; with `readings`, as often as it goes while the record runs, too: its
    current (A) is appended there. An instrument that falls silent is recovered and the record taken once more.
    """
    return bench.insist(lambda: _acquire(bench, kind, wanted, readings))


def _acquire(bench: Bench, kind: RecordKind, wanted: float, readings: list[float] | None) -> Record:
    clock, scope, rate = bench.clock, bench.scope, bench.file.scope.sample_rate
    span = scope.time_base(wanted, rate).span
    before = bench.supply.read(clock)
    scope.arm(span, clock)
    scope.force_trigger()
    armed = clock.now()
    end = armed + int((1 - PRE_ROLL) * span * 1e9)
    if readings is not None:
        readings.clear()  # of an attempt that was cut off
        while clock.now() < end:
            readings.append(bench.supply.measured_current)
            clock.sleep(READ_EVERY)
    clock.sleep((end - clock.now()) * 1e-9)
    scope.wait(bench.file.timeout, clock)
    return fetch(bench, kind, armed, before)


Ask = Callable[[str], None]  # asks the user to do something, and returns when it is done
