"""A bench of plain numpy: runs whose true power, energy and errors are known because they were planted."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from powerlab_traces.chain import CurrentChain, SupplyLimits, SupplyReading
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Provenance, Run, TrueWindow
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

PERFECT_CHAIN = CurrentChain(
    probe="planted",
    sensitivity=0.1,
    turns=1,
    gain_limit=0.0,
    offset_limit=0.0,
    drift_limit=0.0,
    scope_gain_limit=0.0,
    scope_offset_limit=0.0,
    resolution=1e-9,
    time_limit=0.0,
)
PERFECT_SUPPLY = SupplyLimits(
    voltage_gain_limit=0.0,
    voltage_offset_limit=0.0,
    current_gain_limit=0.0,
    current_offset_limit=0.0,
    lead_resistance=0.0,
    lead_resistance_limit=0.0,
)


@dataclass(frozen=True)
class Bench:
    """Digitises planted currents. What it adds is wrong by `gain`, `offset` (A) and `noise` (A rms, white).

    `codes` is how many raw codes are summed into a stored one.
    """

    rng: np.random.Generator
    chain: CurrentChain = PERFECT_CHAIN
    supply: SupplyLimits = PERFECT_SUPPLY
    interval: float = 1e-4
    voltage: float = 19.0  # as read
    gain: float = 0.0
    offset: float = 0.0
    noise: float = 0.0
    codes: int = 1

    def but(self, **changes):
        return replace(self, **changes)

    def trace(self, current):
        scale = self.chain.resolution / self.codes
        seen = np.asarray(current) * (1 + self.gain) + self.offset
        if self.noise:
            seen = seen + self.rng.normal(0.0, self.noise, len(seen))
        return Trace(np.round(seen / scale).astype(np.int64), self.interval, "A", scale=scale)

    def reading(self, current=0.0, **changes):
        return SupplyReading(
            **{"time": 0, "voltage": self.voltage, "current": current, "regulation": "CV", "limited": False} | changes
        )

    def record(self, index, kind, current, marker=None, *, before=None, after=None, clipped=()):
        """`current` in A [n]; `marker` booleans [m] on the same grid, on digital input 3."""
        current = np.asarray(current, dtype=np.float64)
        return Record(
            index=index,
            kind=RecordKind(kind),
            current=self.trace(current),
            marker=None if marker is None else self.marker(marker),
            clipped=np.array(clipped, dtype=np.int64),
            armed=0,
            fetched=0,
            before=before or self.reading(float(current.mean())),
            after=after or self.reading(float(current.mean())),
        )

    def marker(self, high):
        # The other lines are busy too: only bit 3 counts.
        return Trace((np.asarray(high).astype(np.uint8) << 3) | 0b101, self.interval, "")

    def active(self, index, levels, *, idle=0.3, samples=200, gap=50, first=0, images=4, epoch=10**9, **more):
        """A record with one window for each level (A), or each row of samples; and the windows and the truth.

        True power is taken at `more["true_voltage"]`, the board's own, where the bench may read another.
        """
        volts = more.pop("true_voltage", self.voltage)
        current = [np.full(gap, idle)]
        high = [np.zeros(gap, bool)]
        windows, truth = [], []
        at = gap
        for k, level in enumerate(levels):
            inside = np.full(samples, level) if np.isscalar(level) else np.asarray(level)
            start = epoch + round(at * self.interval * 1e9)
            stop = epoch + round((at + len(inside)) * self.interval * 1e9)
            windows.append(HostWindow(start, stop, first + k, index, images, f"batch {first + k}"))
            truth.append(TrueWindow(start, stop, volts * float(inside.sum()) * self.interval))
            current += [inside, np.full(gap, idle)]
            high += [np.ones(len(inside), bool), np.zeros(gap, bool)]
            at += len(inside) + gap
        record = self.record(index, "active", np.concatenate(current), np.concatenate(high), **more)
        return record, windows, truth

    def run(self, records, windows, truth=None, **provenance):
        return Run(
            provenance=Provenance(
                **{
                    "created": "2026-01-01T00:00:00+00:00",
                    "simulated": True,
                    "model": "planted",
                    "batch": 4,
                    "marker_bit": 3,
                }
                | provenance
            ),
            chain=self.chain,
            supply=self.supply,
            records=records,
            windows=tuple(windows),
            truth=None if truth is None else tuple(truth),
        )


@pytest.fixture(scope="session")
def bench():
    """A bench without any error."""
    return Bench(np.random.default_rng(20160524))
