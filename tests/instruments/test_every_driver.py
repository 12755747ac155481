"""The conformance suite over every driver, and every model that can be simulated, over real VISA lines."""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from powerlab_instruments import conformance
from powerlab_instruments.catalogue import drivers, open_instrument
from powerlab_instruments.errors import DeviceError, OutOfRange
from powerlab_instruments.identity import Identity
from powerlab_instruments.link import Visa
from powerlab_instruments.scope import MODELS as SCOPES
from powerlab_instruments.scope import InfiniiVision
from powerlab_instruments.settings import Switch
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.models import MODELS as SIMULATED_SCOPES
from powerlab_instruments.simulated.supplies import SUPPLIES as SIMULATED_SUPPLIES
from powerlab_instruments.simulated.wire import VirtualClock, Wire
from powerlab_instruments.supply import MODELS as SUPPLIES
from powerlab_instruments.supply import E364xA

SCOPE = {
    "time_range": 2.0,
    "time_position": 0.01,
    "average_count": 16,
    "external_level": 1.5,
    "trigger_holdoff": 1e-3,
    "channel.probe_ratio": 2.0,
    "channel.scale": 0.1,
    "channel.offset": 0.4,
    "channel.trigger_level": 0.25,
    "pod.threshold": 1.65,
}
SUPPLY = {
    "voltage": 7.5,
    "current_limit": 0.45,
    "voltage_step": 0.5,
    "current_step": 0.01,
    "triggered_voltage": 6.0,
    "triggered_current": 0.3,
    "trigger_delay": 0.25,
    "over_voltage": 21.0,
}


@dataclasses.dataclass
class Opened:
    instrument: Any
    clock: VirtualClock
    simulator: SimulatedBench


@contextmanager
def opened(role: str, **simulated: Any) -> Iterator[Opened]:
    with (
        SimulatedBench(**{"virtual": True, "gpib_board": 3, "memory": 10_000} | simulated) as sim,
        Wire(sim.resources.wire) as wire,
        Visa() as visa,
    ):
        resources = dataclasses.asdict(sim.resources)
        adapter = (resources["adapter"] or None) if role == "supply" else None
        yield Opened(open_instrument(visa.open(resources[role], adapter=adapter), role), VirtualClock(wire), sim)


@pytest.mark.parametrize("model", SIMULATED_SCOPES)
def test_every_scope(model: str) -> None:
    with opened("scope", model=model) as it:
        assert it.instrument.model == model
        conformance.check(it.instrument, it.clock, SCOPE)


@pytest.mark.parametrize("model", SIMULATED_SUPPLIES)
def test_every_supply(model: str) -> None:
    with opened("supply", supply_model=model) as it:
        assert it.instrument.model == model
        conformance.check(it.instrument, it.clock, SUPPLY)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal stands in for the serial port")
def test_a_supply_over_rs232() -> None:
    with opened("supply", serial=True) as it:
        conformance.check(it.instrument, it.clock, SUPPLY)


# The driver's tables and the simulator's were written apart.


def test_the_scopes_have_what_the_simulated_ones_have() -> None:
    assert {model for model in SCOPES if not model.endswith("T")} == set(SIMULATED_SCOPES)
    for model, simulated in SIMULATED_SCOPES.items():
        ours = SCOPES[model]
        assert (ours.analog, ours.digital, ours.fifty_ohm) == (simulated.analog, simulated.digital, simulated.fifty_ohm)
        assert 10 * ours.fastest == pytest.approx(simulated.shortest_span)
        assert drivers()[model] is InfiniiVision
        assert InfiniiVision.model_of(Identity.parse(simulated.identity("SIM1"))) == model


def test_the_supplies_have_what_the_simulated_ones_have() -> None:
    assert set(SUPPLIES) == set(SIMULATED_SUPPLIES)
    for model, simulated in SIMULATED_SUPPLIES.items():
        ours = SUPPLIES[model]
        for found, wanted in ((ours.low, simulated.low), (ours.high, simulated.high)):
            assert (found.name, found.voltage, found.current) == (wanted.name, wanted.voltage_max, wanted.current_max)
        assert ours.over_voltage == pytest.approx(simulated.protection_max)
        assert drivers()[model] is E364xA


# What the suite does not go through.


def test_segments_come_with_their_times() -> None:
    with opened("scope", segmented=True, memory=100_000) as it:
        scope, marker, now = it.instrument, it.simulator.board.marker, it.clock.now()
        scope.prepare((1,), digital_threshold=1.4)
        scope.trigger_on("DIG0")
        scope.arm_segments(0.1, 4, it.clock)
        start = it.clock.now()
        for pulse in (50, 400, 1000, 1150):
            marker.edge(start + pulse * 1_000_000, high=True)
            marker.edge(start + (pulse + 20) * 1_000_000, high=False)
        it.clock.sleep(3)
        scope.wait(1, it.clock)
        found = scope.fetch_segments("POD1")
        assert [segment.time for segment in found] == pytest.approx([0, 0.35, 0.95, 1.1], rel=1e-4)
        for segment in found:
            trace = segment.waveform.trace()
            assert len(trace) == 25_000
            high = trace.codes & 1
            assert high.sum() * trace.interval == pytest.approx(0.02, rel=1e-2)
            assert trace.times[high.argmax()] == pytest.approx(0, abs=2 * trace.interval)
        assert now < start
        scope.arm(0.1, it.clock)  # and one record again
        scope.force_trigger()
        it.clock.sleep(0.2)
        scope.wait(1, it.clock)
        assert len(scope.fetch("CHAN1").codes) == 100_000


def test_segments_need_licence_and_memory() -> None:
    with opened("scope") as it, pytest.raises(DeviceError, match="no licence for segmented memory"):
        it.instrument.arm_segments(0.1, 4, it.clock)
    with opened("scope", segmented=True) as it:
        with pytest.raises(DeviceError, match="no memory for 11 segments"):
            it.instrument.arm_segments(0.1, 11, it.clock)
        with pytest.raises(OutOfRange):
            it.instrument.arm_segments(0.1, 1, it.clock)


def test_the_time_base_is_that_of_an_acquisition_alone() -> None:
    """Both channels of a pair halve the memory, and so does running: a Single is what counts."""
    with opened("scope", memory=1_000_000) as it:
        scope = it.instrument
        scope.prepare((1,), digital_threshold=1.4)
        assert scope.time_base(2.0, 50e3).rate == 500e3
        scope.prepare((1, 2), digital_threshold=1.4)
        found = scope.time_base(2.5, 50e3)
        assert (found.rate, found.fold, found.whole) == (200e3, 4, True)
        found = scope.time_base(3.0, 50e3)
        assert (found.rate, found.fold, found.span) == (150e3, 3, pytest.approx(10 / 3, rel=1e-5))
        found = scope.time_base(30.0, 50e3)
        assert (found.whole, found.fold, found.span) == (False, 1, 30.0)
        assert scope.errors() == ()


def test_a_supply_that_is_fed_from_outside_is_not_safe() -> None:
    with opened("supply") as it:
        supply = it.instrument
        supply.prepare_output(voltage=19, current_limit=1, over_voltage=21)
        supply.switch_on()
        it.clock.sleep(1)
        readings = iter([19.0] * 100)
        it.simulator.supply._reading = lambda: (next(readings), 0.0)  # a battery on the board
        with pytest.raises(DeviceError, match="look at the supply: the output is off and still has"):
            supply.make_safe(it.clock)
        assert not supply.output


def test_a_crowbar_is_released_with_the_output_off() -> None:
    with opened("supply") as it:
        supply = it.instrument
        supply.prepare_output(voltage=19, current_limit=1, over_voltage=21)
        supply.switch_on()
        it.simulator.supply.trip()
        assert supply.tripped
        supply.clear_over_voltage()
        assert (supply.tripped, supply.output) == (False, False)


def test_triggered_levels_and_stored_states() -> None:
    with opened("supply") as it:
        supply = it.instrument
        supply.voltage, supply.triggered_voltage, supply.triggered_current = 5, 12, 0.5
        supply.trigger()
        assert (supply.voltage, supply.current_limit) == (12, 0.5)
        supply.save_state(2, "twelve")
        supply.voltage = 3
        supply.recall_state(2)
        assert (supply.voltage, supply.state_name(2), supply.state_name(1)) == (12, "twelve", "")
        supply.range = "P60V"
        supply.voltage = 40
        supply.range = "P35V"  # which brings it down
        with pytest.raises(OutOfRange, match="its P35V range goes up to 36.05 V"):
            supply.voltage = 40


# The suite itself finds what is wrong with a driver.


class SilentlyUnsafe(E364xA):
    def make_safe(self, clock: object) -> None:
        pass


class TakesAnything(E364xA):
    makers = ("",)


class SaysACommandTwice(E364xA):
    second = Switch("OUTPut", doc="The output.")


class TurnsAbout(E364xA):
    class Inverted(Switch):
        def read(self, node: Any) -> bool:
            return not super().read(node)

    output_relay = Inverted("OUTPut:RELay", doc="Upside down.")


class SetsWithoutALook(E364xA):
    def prepare_output(self, **_: float) -> None:
        pass


class ForgetsOnRecovery(E364xA):
    def recover(self, clock: Any, patience: float = 30.0) -> None:
        super().recover(clock, patience)
        self.voltage = 1


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        (SilentlyUnsafe, "on after `make_safe`"),
        (TakesAnything, "E3645A of NOBODY is taken for E3645A"),
        (SaysACommandTwice, "declared twice"),
        (TurnsAbout, "output_relay = True reads back as False"),
        (SetsWithoutALook, "was not refused"),
        (ForgetsOnRecovery, "recovery has changed settings"),
    ],
)
def test_a_bad_driver_fails(driver: type[E364xA], words: str) -> None:
    with opened("supply") as it:
        bad = driver(it.instrument.link, it.instrument.identity)
        with pytest.raises(AssertionError, match=words):
            conformance.check(bad, it.clock, SUPPLY)
