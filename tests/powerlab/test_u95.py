"""A small version of tests/benchmarks/coverage.py: does U95 hold the truth, and is each term what it is charged as?

The same cases and the same physics, but without the instruments between: records come straight from the simulated
scope's digitiser, a bench in a few milliseconds.
"""

import dataclasses
import importlib.util
import itertools
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from powerlab.calibrating import LENGTH
from powerlab_analysis.analysis import analyse
from powerlab_analysis.calibration import Point, fitted, mean_of
from powerlab_analysis.clocks import HOST_JITTER
from powerlab_analysis.model import quantisation_of_mean, zero_of
from powerlab_analysis.noise import noise_of
from powerlab_analysis.stretch import stretch
from powerlab_analysis.survey import Level
from powerlab_instruments import channel as scope_limits
from powerlab_instruments import probe as probe_limits
from powerlab_instruments.simulated.board import Board
from powerlab_instruments.simulated.digitiser import CENTRE, CODES, Digitiser, Setup, Vertical
from powerlab_instruments.simulated.marker import Marker
from powerlab_instruments.simulated.probe import Probe
from powerlab_instruments.simulated.regulation import READING_STEPS, READING_TIME
from powerlab_instruments.simulated.source import Source
from powerlab_instruments.simulated.supplies import SupplyErrors, off
from powerlab_instruments.supply import E364xA
from powerlab_traces.chain import CurrentChain, ScreenLine, ScreenZero, SupplyReading
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Provenance, Run
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "coverage.py"
BENCHES = 200
RATE = 20e3  # samples/s
IDLE = 0.3  # s
S = 1_000_000_000  # ns
LIMIT = 2.0  # A of the supply
TOML = {
    "marker recorded": "",
    "trigger only": '[marker]\noutput = "serial:a:rts"\ninput = "EXT"',
    "no wire": '[marker]\noutput = "none"',
}


class Parts:
    """The parts of a simulated bench, with what `coverage` looks at under the names of a whole one."""

    def __init__(self, case: Any, pause: float) -> None:
        draw = random.Random(case.seed + 1_000_003)
        lead = case.lead + draw.uniform(-1, 1) * case.lead_limit if case.lead else 0.0
        rng = np.random.default_rng(case.seed)
        self.case, self.pause = case, pause
        self.board = Board(Marker(), rng.spawn(1)[0], lead_resistance=lead)
        self.probe = Probe.drawn(rng, sensitivity=0.1, turns=case.turns)
        self.digitiser = Digitiser(self.board, self.probe, rng, 0)
        self.supply = SimpleNamespace(off_by=SupplyErrors.drawn(rng))
        self.now = 2 * S
        self._draw = draw
        self._records = itertools.count()
        scale = 0.15 if case.auto else 0.1  # A/div
        ratio = 10.0 / case.turns  # A/V
        self.vertical = Vertical(8 * scale, 4 * scale - 0.05, ratio, inverted=False, ac=False)
        self.chain = CurrentChain(
            probe="1146B",
            sensitivity=0.1,
            turns=case.turns,
            gain_limit=probe_limits.GAIN_LIMIT[0.1],
            offset_limit=probe_limits.OFFSET_LIMIT / case.turns,
            drift_limit=probe_limits.DRIFT_LIMIT / case.turns,
            scope_gain_limit=scope_limits.GAIN_LIMIT * self.vertical.range,
            scope_offset_limit=scope_limits.OFFSET_LIMIT_DIVISIONS * scale
            + scope_limits.OFFSET_LIMIT_VOLTS * ratio
            + scope_limits.OFFSET_LIMIT_OF_SETTING * abs(self.vertical.offset),
            resolution=self.vertical.range / CODES,
            time_limit=scope_limits.TIME_LIMIT,
            full_scale=self.vertical.range,
            centre=self.vertical.offset,
            peak_current=10.0 / case.turns,
        )
        self.limits = E364xA.limits(
            lead_resistance=case.lead, lead_resistance_limit=case.lead_limit if case.lead else 0
        )

    def switch(self, *, on: bool) -> None:
        """The supply's output, which settles at once."""
        self.board.feed(Source(self.now, off(19.0, self.supply.off_by.voltage) if on else 0.0, LIMIT))
        self.now += S

    def reading(self) -> SupplyReading:
        current, voltage, _ = self.board.draw(self.now, np.linspace(0, READING_TIME, 400, endpoint=False))
        self.now += round(READING_TIME * S)
        volts = off(float((voltage + current * self.board.lead_resistance).mean()), self.supply.off_by.voltage_reading)
        amperes = off(float(current.mean()), self.supply.off_by.current_reading)
        rounded = [round(it / step) * step for it, step in zip((volts, amperes), READING_STEPS, strict=True)]
        return SupplyReading(self.now, *rounded, regulation="CV" if volts > 1 else "off", limited=False)

    def record(self, kind: RecordKind, index: int, span: float, trigger: int) -> Record:
        """A record of `span` s that lies a tenth before its trigger (ns)."""
        setup = Setup(
            span=span,
            left=-0.1 * span,
            points=round(span * RATE),
            kind="NORM",
            averages=1,
            summed=1,
            channels={1: self.vertical},
            digital={0: 1.4},
            threshold=1.4,
            source="DIG0",
            slope="POS",
            level=0.0,
            automatic=False,
        )
        number = next(self._records)
        start, step = self.digitiser.start(setup, number), self.vertical.range / CODES
        codes = self.digitiser.analog(1, setup, trigger, start, number).astype(np.int64)
        pod = self.digitiser.pod(1, setup, trigger, start) if kind is RecordKind.ACTIVE else None
        marked = pod is not None and self.case.alignment == "marker recorded"
        before, self.now = self.reading(), trigger + round(0.9 * span * S)
        return Record(
            index=index,
            kind=kind,
            current=Trace(codes, setup.interval, "A", start, step, self.vertical.offset - CENTRE * step),
            marker=Trace(pod, setup.interval, "", start) if marked else None,
            clipped=np.flatnonzero((codes <= 1) | (codes >= 255)),
            armed=trigger - round(0.1 * span * S),
            fetched=self.now + S // 50,
            before=before,
            after=self.reading(),
        )

    def steady(self, kind: RecordKind, index: int = 0, span: float = IDLE) -> Record:
        return self.record(kind, index, span, self.now + round(0.1 * span * S))

    def zero(self) -> ScreenZero:
        record = self.steady(RecordKind.ZERO)
        level = Level(0, stretch(record), noise_of(record.current))
        found = zero_of([level], self.chain)
        assert found is not None
        return ScreenZero(level.stretch.screen, level.stretch.current, found.u, found.dof)

    def line(self) -> ScreenLine:
        """The chain calibrated at idle and at full load, as `powerlab.calibrating` does it."""
        points = []
        for load in ("idle", "busy"):
            if load == "busy":
                self.board.marker.edge(self.now, high=True)
                self.now += 3 * S
            began = self.now
            record = self.steady(RecordKind.IDLE, span=LENGTH)
            ended, self.now = self.now, began
            readings = [self.reading().current for _ in range(20)]
            self.now = ended
            if load == "busy":
                self.board.marker.edge(self.now, high=False)
                self.now += S
            whole, noise = stretch(record), noise_of(record.current)
            rounded = quantisation_of_mean(whole.seconds, whole, noise, self.chain.resolution)
            seen_u = float(np.hypot(noise.of_mean(whole.seconds), rounded))
            points.append(Point(load, *mean_of(readings, READING_STEPS[1]), whole.current, seen_u))
        fit = fitted(points)
        return ScreenLine(
            whole.screen, self.vertical.range, fit.gain, fit.offset, fit.gain_u, fit.offset_u, fit.correlation
        )

    def run(self, chain: CurrentChain, k: int) -> Run:
        """The case's run `k`, from the zero record on if it has one of its own; the board is off then, else on."""
        case, records = self.case, []
        if case.zero == "before each run":
            records.append(self.steady(RecordKind.ZERO))
            self.switch(on=True)
            self.now += round(case.away[k] * S)
        records.append(self.steady(RecordKind.IDLE, len(records)))
        at = first = self.now + S // 5
        windows = []
        for n in range(case.windows[k]):
            stop = at + round(case.seconds[k] * (1 + 0.02 * self._draw.uniform(-1, 1)) * S)
            self.board.marker.edge(at, high=True)
            self.board.marker.edge(stop, high=False)
            late = [round(self._draw.gauss(0, HOST_JITTER) * S) for _ in range(2)]
            windows.append(HostWindow(at + late[0], stop + late[1], n, len(records), 2, ""))
            at = stop + round(self.pause * S)
        trigger = first - (S // 50 if case.alignment == "no wire" else 0)
        span = ((at - trigger) / S + 0.1) / 0.9
        records.append(self.record(RecordKind.ACTIVE, len(records), span, trigger))
        records.append(self.steady(RecordKind.IDLE, len(records)))
        provenance = Provenance(
            created="2026-01-01T00:00:00+00:00",
            simulated=True,
            model="planted",
            batch=2,
            marker_bit=0 if case.alignment == "marker recorded" else None,
            instruments={"scope": f"A,MSO-X 2024A,{case.seed},1", "supply": "A,E3645A,0,1"},
            bench=TOML[case.alignment],
        )
        return Run(provenance, chain, self.limits, records, tuple(windows), truth=self.board.truth())


def captures(coverage: ModuleType, case: Any) -> tuple[Parts, list[Any]]:
    """The runs of a case, as `coverage.captures` has them; one only where the current is searched, which takes long."""
    parts = Parts(case, coverage.PAUSE)
    chain, own = parts.chain, case.zero == "before each run"
    origin = parts.now / S
    if case.zero == "once":
        chain = dataclasses.replace(chain, zeros=(parts.zero(),), zeroed="once")
    if not own or case.calibrated:
        parts.switch(on=True)
    if case.calibrated:
        chain = dataclasses.replace(chain, lines=(parts.line(),), calibrated="once")
    origin = parts.now / S if case.zero == "never" else origin
    found = []
    for k, seconds in enumerate(case.seconds if case.alignment == "marker recorded" else case.seconds[:1]):
        if own:
            parts.switch(on=False)
            parts.now += round(coverage.LATEST * S)
            origin = parts.now / S
        else:
            parts.now += round(case.away[k] * S)
        run = parts.run(chain, k)
        result = analyse(run)
        truth, middle = coverage.long_run(parts, run, result, seconds)
        found.append(coverage.Captured(run, result, truth, origin, middle))
    return parts, found


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def looks(coverage: ModuleType, benches: int) -> Iterator[Any]:
    for seed in range(benches):
        case = coverage.Case.drawn(seed)
        yield coverage.look_at(case, *captures(coverage, case), [])


pytestmark = pytest.mark.timeout(600)  # the first test waits for all benches: 30 s of a processor's time
CHANCE = 4.0  # standard deviations: less than one false alarm in ten thousand
FIGURES = ("power_total", "power_net", "energy_per_image", "power_idle")
DIFFERENCES = ("difference of power_total", "difference of power_net", "difference of energy_per_image")


@pytest.fixture(scope="module")
def seen(coverage: ModuleType) -> list[Any]:
    return list(looks(coverage, BENCHES))


def test_every_window_is_measured(seen: list[Any]) -> None:
    assert not [it for it in seen if it.lost]
    assert {name for it in seen for name in it.ratios} == {*FIGURES, *DIFFERENCES}


@pytest.mark.parametrize("figure", [*FIGURES, *DIFFERENCES])
def test_the_truth_lies_within_u95_in_every_stratum(seen: list[Any], figure: str) -> None:
    strata = {name for it in seen for name in it.case.strata if name}
    assert {"marker recorded", "trigger only", "no wire", "calibrated, zeroed", "not calibrated, not zeroed"} <= strata
    for stratum in sorted(strata):
        found = [it.ratios[figure] for it in seen if stratum in it.case.strata and figure in it.ratios]
        if not found:  # a difference needs two runs
            continue
        outside = sum(abs(of_half) > 1 for of_half, _ in found)
        mean = 0.05 * len(found)
        # Counts as small as these have a longer tail than a normal one.
        assert outside <= mean + CHANCE * np.sqrt(mean) + 1, (stratum, outside, len(found))


@pytest.mark.parametrize("figure", ["power_total", "power_net"])
def test_the_uncertainty_is_neither_a_fifth_too_large_nor_too_small(seen: list[Any], figure: str) -> None:
    of_u = np.array([it.ratios[figure][1] for it in seen])
    # Squares of a normal value scatter by sqrt(2), those of a rectangular one by less.
    assert 0.84 < np.sqrt(np.mean(of_u**2)) < 1.17


# How far a term may be off: few runs have some of them, two runs of one bench share their errors, and limits are
# known to the shape of the simulated drift only.
ROUNDED = {"calibration fit": (0.3, 1.2), "all others": (0.4, 1.3), "offset drift between idle and windows": (0, 1)}


def test_every_term_is_what_it_is_charged_as(coverage: ModuleType, seen: list[Any]) -> None:
    """A term that is left out of the budget, or drawn by nothing, shows here, however small it is."""
    terms = coverage.by_term(seen)
    assert terms.keys() == {
        *("probe gain", "probe offset", "scope gain", "scope offset", "offset drift", "time base", "lead resistance"),
        *("calibration (supply readback)", "calibration fit", "voltage readback", "spread over windows", "all others"),
        "offset drift between idle and windows",
    }
    for name, (charged, drawn, runs) in terms.items():
        least, most = ROUNDED.get(name, (1 - 3 / np.sqrt(runs), 1 + 3 / np.sqrt(runs)))
        assert least * charged <= drawn <= most * charged, (name, charged, drawn, runs)


@pytest.mark.parametrize("name", ["probe offset", "offset drift", "spread over windows"])
def test_without_a_large_term_the_truth_would_be_missed(seen: list[Any], name: str) -> None:
    """The coverage sees what it is there to see: were the term left out, runs in which it is large would fall out."""
    whole, lacking = [], []
    for it in seen:
        for terms in it.terms:
            drawn, charged = terms.get(name, (0.0, 0.0))
            rest = [(a, b) for other, (a, b) in terms.items() if "between" not in other and other != name]
            others = float(np.hypot.reduce([b for _, b in rest]))
            if charged > 1.1 * others:
                whole.append(abs(drawn + sum(a for a, _ in rest)) / np.hypot(charged, others))
                lacking.append(abs(drawn + sum(a for a, _ in rest)) / others)
    assert len(whole) >= 6
    assert np.mean(np.array(whole) > 2) < 0.2
    assert np.mean(np.array(lacking) > 2) > 0.2
