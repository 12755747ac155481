"""Runs to store: records of planted codes."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from powerlab_traces.chain import CurrentChain, ScreenLine, ScreenZero, SupplyLimits, SupplyReading
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Provenance
from powerlab_traces.trace import Trace


@dataclasses.dataclass(frozen=True)
class Planted:
    """What the tests store: one description, and records made of given codes."""

    chain = CurrentChain(
        *("1146B", 0.1, 2, 0.03, 0.025, 0.0025, 0.024, 0.03, 0.004, 3e-5),
        zeros=(ScreenZero(-0.1, 0.021, 3e-5, 400.5), ScreenZero(-0.2, 0.019, 4e-5, 300.5)),
        zeroed="2026-01-02T02:04:05+01:00",
        lines=(ScreenLine(-0.1, 0.8, 1.021, 0.0213, 1e-3, 4e-4, -0.7),),
        calibrated="2026-01-01T03:04:05+01:00",
    )
    supply = SupplyLimits(0.0005, 0.005, 0.0015, 0.005, 0.1, 0.02)
    provenance = Provenance(
        created="2026-01-02T03:04:05+01:00",
        simulated=True,
        model="vgg16",
        batch=2,
        marker_bit=0,
        instruments={"scope": "AGILENT TECHNOLOGIES,MSO-X 2024A,SIM1,02.65"},
        settings={"scope": {"time_range": "2 s"}, "supply": {"output": "on"}},
        bench='[scope]\nresource = "x"\n',
        workload={"seed": "0"},
        software={"powerlab": "0.1.0"},
        host={"system": "Linux"},
    )

    @staticmethod
    def record(
        index: int,
        codes: np.ndarray | Sequence[int],
        kind: RecordKind = RecordKind.ACTIVE,
        *,
        marker: bool = True,
        scale: float = 0.0004,
        start: float = -0.2,
    ) -> Record:
        codes = np.asarray(codes, np.uint16)
        at = index * 10**9  # ns
        reading = SupplyReading(at + 5, 19.0, 0.7, "CV", limited=False)
        return Record(
            index=index,
            kind=kind,
            current=Trace(codes, 2e-5, "A", start=start, scale=scale, offset=-0.1),
            marker=Trace(np.ones(len(codes) * 10, np.uint8), 2e-6, "", start=start) if marker else None,
            clipped=np.array([1], np.int64),
            armed=at + 10,
            fetched=at + 20,
            before=reading,
            after=dataclasses.replace(reading, time=at + 30, regulation="CC", limited=True),
        )

    @classmethod
    def noisy(cls, index: int, samples: int = 1000, **more: object) -> Record:
        """A record of codes drawn from its index."""
        return cls.record(index, np.random.default_rng(index).integers(400, 2100, samples), **more)


@pytest.fixture(scope="session")
def planted() -> Planted:
    return Planted()
