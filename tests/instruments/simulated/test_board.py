"""The physics: marker history, board power and energy, probe noise, and errors inside their limits."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_instruments.simulated import digitiser, probe
from powerlab_instruments.simulated.board import ACTIVE_POWER, IDLE_POWER, Board
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.digitiser import Digitiser, Setup, Vertical
from powerlab_instruments.simulated.marker import Marker
from powerlab_instruments.simulated.probe import NOISE, Probe
from powerlab_instruments.simulated.source import INPUT_CAPACITANCE, Source
from powerlab_instruments.simulated.supplies import SupplyErrors

MS = 1_000_000


def board_of(*edges: int, voltage: float = 19.0, limit: float = 2.2, lead: float = 0.0) -> Board:
    """A board fed from time 0 whose marker toggles at the edges (ms)."""
    board = Board(Marker(), np.random.default_rng(3), lead_resistance=lead)
    board.feed(Source(0, voltage, limit))
    for i, at in enumerate(edges):
        board.marker.edge(at * MS, high=i % 2 == 0)
    return board


@given(st.lists(st.integers(0, 50), unique=True, min_size=1), st.randoms())
def test_the_marker_has_one_history_in_whatever_order_its_edges_come(times, random):
    edges = [(at, i % 2 == 0) for i, at in enumerate(sorted(times))]
    shuffled = list(edges)
    random.shuffle(shuffled)
    marker = Marker()
    for at, high in edges:
        marker.edge(at, high=high)
    assert marker.edges(0, 100) == edges
    late = Marker()
    for at, high in shuffled:
        late.edge(at, high=high)
    levels = [high for _, high in late.edges(0, 100)]
    assert all(a != b for a, b in itertools.pairwise(levels))
    assert not levels or levels[0]


def test_the_marker_takes_a_late_edge_and_ignores_a_repeated_one():
    marker = Marker()
    for at, high in [(10, True), (12, True), (30, False), (20, False), (25, True)]:
        marker.edge(at, high=high)
    assert [(p.start, p.stop) for p in marker.pulses(0, 100)] == [(10, 20), (25, None)]
    assert [(p.start, p.stop) for p in marker.pulses(15, 22)] == [(10, 20)]
    assert [p.index for p in marker.completed()] == [0]
    assert marker.completed(1) == []


def test_an_idle_board_draws_its_idle_power_and_none_without_voltage():
    current, voltage, limited = board_of().draw(500 * MS, np.linspace(0, 1, 11))
    assert current * voltage == pytest.approx(IDLE_POWER)
    assert not limited
    current, voltage, _ = board_of(voltage=0.0).draw(500 * MS, np.linspace(0, 1, 11))
    assert current == pytest.approx(0)
    assert voltage == pytest.approx(0)


def test_power_rises_with_the_marker_within_milliseconds_and_falls_after_it():
    board = board_of(1000, 1300)
    moments = np.array([-0.001, 0.0, 0.003, 0.1, 0.299, 0.304, 0.4])
    power = board.demand(1000 * MS, moments)
    assert power[0] == power[1] == pytest.approx(IDLE_POWER)
    assert IDLE_POWER + 0.5 * ACTIVE_POWER < power[2] < IDLE_POWER + 0.75 * ACTIVE_POWER
    assert power[3:5] == pytest.approx(IDLE_POWER + ACTIVE_POWER, rel=0.08)
    assert IDLE_POWER + 0.25 * ACTIVE_POWER < power[5] < IDLE_POWER + 0.5 * ACTIVE_POWER
    assert power[6] == pytest.approx(IDLE_POWER, abs=1e-6)


def test_a_batch_ripples_at_1400_hz():
    moments = np.arange(40_000) * 5e-6
    power = board_of(0, 1000).demand(100 * MS, moments)
    spectrum = np.abs(np.fft.rfft(power - power.mean()))
    at = np.fft.rfftfreq(len(power), 5e-6)
    high = at > 500
    assert at[high][spectrum[high].argmax()] == pytest.approx(1400, abs=5)
    assert 2 * spectrum[high].max() / len(power) == pytest.approx(0.3, rel=0.1)


def test_power_is_the_same_however_it_is_asked_for():
    board = board_of(100, 130, 133, 150, 151, 400, 410)
    moments = np.arange(50_000) * 1e-5 + 3e-6  # never on a step, where rounding decides
    whole = board.demand(0, moments)
    parts = [board.demand(start * MS, moments[:5_000]) for start in range(0, 500, 50)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-9)


def test_batches_differ_by_half_a_per_cent():
    board = board_of(*range(0, 40_000, 50))
    energies = np.array([window.energy for window in board.truth()])
    assert len(energies) == 400
    assert 0.003 < energies.std() / energies.mean() < 0.007


@pytest.mark.parametrize(
    ("limit", "lead", "edges"),
    [
        (2.2, 0.0, (1000, 1217)),
        (0.65, 0.0, (1000, 1217)),
        (2.2, 0.4, (1000, 1217)),
        (2.2, 0.0, (1000, 1001, 1003, 1009)),
    ],
)
def test_the_true_energy_is_the_integral_of_the_noise_free_power(limit, lead, edges):
    board = board_of(*edges, limit=limit, lead=lead)
    for window in board.truth():
        count = (window.stop - window.start) // 100  # 0.1 us
        middles = (np.arange(count) + 0.5) * 1e-7
        current, voltage, _ = board.draw(window.start, middles)
        assert window.energy == pytest.approx(float((current * voltage).sum()) * 1e-7, rel=3e-5)


def test_beyond_its_limit_the_supply_keeps_the_current_and_the_voltage_falls():
    board = board_of(0, 1000, limit=0.5)
    current, voltage, limited = board.draw(500 * MS, np.linspace(0, 0.1, 100))
    assert limited
    assert current == pytest.approx(0.5)
    assert voltage.max() < 16
    assert board.limited(400 * MS, 500 * MS)
    assert not board.limited(1200 * MS, 1300 * MS)  # idle again
    assert not board_of(0, 1000).limited(0, 2000 * MS)


def test_a_lead_takes_voltage_and_the_board_its_power_all_the_same():
    board = board_of(0, 1000, lead=0.5)
    moments = np.linspace(0, 0.1, 100)
    current, voltage, _ = board.draw(500 * MS, moments)
    assert voltage + 0.5 * current == pytest.approx(19.0)
    assert current * voltage == pytest.approx(board.demand(500 * MS, moments))


def test_a_later_source_counts_from_its_time_on():
    board = board_of()
    board.feed(Source(100 * MS, 0.0, 2.2))
    current, _, _ = board.draw(0, np.array([0.0999, 0.1, 0.2]))
    assert current == pytest.approx([IDLE_POWER / 19, 0, 0])


@given(st.floats(0, 60), st.floats(0, 60), st.floats(0.1, 3))
def test_a_source_goes_from_where_it_was_to_where_it_shall_be_without_a_jump(before, voltage, limit):
    source = Source(0, voltage, limit, before)
    moments = np.linspace(0, source.settled * 1e-9 + 1e-3, 4001)
    volts, charging = source.settle(moments)
    assert volts[[0, -1]] == pytest.approx([before, voltage], abs=4e-3)
    assert abs(np.diff(volts)).max() <= abs(voltage - before) * (moments[1] / 0.01) + 1e-9
    assert charging.max() <= limit * (1 + 1e-9)
    assert float((charging[1:] + charging[:-1]).sum()) / 2 * moments[1] == pytest.approx(
        INPUT_CAPACITANCE * (voltage - before), abs=1e-4, rel=1e-3
    )


def test_settling_goes_through_a_lead_and_is_over_in_the_end():
    stepped, settled = board_of(lead=0.5), board_of(lead=0.5)
    settled.feed(Source(100 * MS, 12.0, 2.2, settled.offered(100 * MS)))
    stepped.feed(Source(100 * MS, 12.0, 2.2))
    moments = np.linspace(0, 1, 1001)
    for a, b in zip(stepped.draw(0, moments)[:2], settled.draw(0, moments)[:2], strict=True):
        assert a[moments < 0.1] == pytest.approx(b[moments < 0.1])
        assert a[moments > 0.4] == pytest.approx(b[moments > 0.4], rel=1e-4)
        assert abs(a - b)[120] > 0.01
    assert settled.offered(99 * MS) == 19.0
    assert settled.offered(100 * MS) == 19.0
    assert settled.offered(2000 * MS) == pytest.approx(12.0)


def test_a_surge_takes_all_there_is_for_a_while():
    board = board_of()
    board.surge(200 * MS, 300 * MS)
    assert not board.limited(0, 199 * MS)
    assert board.limited(0, 250 * MS)
    assert not board.limited(300 * MS, 400 * MS)
    current, voltage, limited = board.draw(0, np.array([0.1, 0.201, 0.25, 0.301, 0.4]))
    assert limited
    assert current == pytest.approx([IDLE_POWER / 19, 2.2, 2.2, IDLE_POWER / 19, IDLE_POWER / 19])
    assert voltage[1] < 5


@pytest.mark.parametrize("interval", [2e-6, 20e-6, 1e-7])
def test_probe_noise_has_its_rms_and_the_memory_of_its_bandwidth(interval):
    noise = Probe(0.1, 1, 0.0, 0.0, 0.0).noise(np.random.default_rng(1), 400_000, interval).astype(float)
    assert noise.std() == pytest.approx(NOISE[0.1] * 0.1, rel=0.03)
    neighbours = np.corrcoef(noise[1:], noise[:-1])[0, 1]
    assert neighbours == pytest.approx(np.exp(-2 * np.pi * 100e3 * interval), abs=0.02)


def test_the_probe_adds_gain_offset_and_drift_and_ends_at_its_peak():
    some = Probe(0.1, 5, 0.02, 0.03, -0.004)
    cold = some.output(np.array([0.0, 1.0]), (0.0, 0.0))
    assert cold == pytest.approx([0.003, 0.1 * (5 * 1.02 + 0.03)])
    warm = some.output(np.array([0.0, 1.0]), (325.0, 325.0))
    assert warm - cold == pytest.approx(-0.0002)  # a quarter of its period later, half of the way
    assert some.output(np.array([3.0, -3.0]), (0.0, 0.0)) == pytest.approx([1.0, -1.0])


def test_every_seed_is_inside_the_data_sheets():
    for seed in range(300):
        random = np.random.default_rng(seed)
        some = Probe.drawn(random, sensitivity=0.1, turns=1)
        front = Digitiser(board_of(), some, random, 0)
        supply = SupplyErrors.drawn(random)
        assert abs(some.gain_error) <= 0.03
        assert abs(some.offset) <= probe.OFFSET_LIMIT
        drifts = [some.drifted(at) for at in np.linspace(0, 8000, 401)]
        assert 0.9 * probe.DRIFT_LIMIT < max(drifts) - min(drifts) <= probe.DRIFT_LIMIT
        assert np.abs(np.diff(drifts)).max() <= probe.DRIFT_LIMIT * 20 / 300  # slowly
        assert some.drifted(0) == 0
        assert np.abs(front.gains).max() <= digitiser.GAIN_LIMIT
        assert abs(front.time_error) <= 30e-6
        assert abs(supply.current_reading[0]) <= 0.0015
        assert abs(supply.current_reading[1]) <= 0.005
        assert supply.current_reading[0] / 0.0015 == pytest.approx(supply.current_reading[1] / 0.005)


def test_the_converter_has_noise_of_its_own_that_dithers():
    front = Digitiser(board_of(), Probe(0.1, 1, 0.0, 0.0, 0.0), np.random.default_rng(1), 0)
    setup = Setup(
        span=1.0,
        left=0.0,
        points=20_000,
        kind="NORM",
        averages=1,
        summed=1,
        channels={2: Vertical(range=8.0, offset=0.0, probe=10.0, inverted=False, ac=False)},
        digital={},
        threshold=1.4,
        source="EXT",
        slope="POS",
        level=0.0,
        automatic=False,
    )
    codes = front.analog(2, setup, 0, 0.0, 1).astype(float)
    assert codes.std() == pytest.approx(math.hypot(digitiser.FLOOR, 1 / math.sqrt(12)), rel=0.05)


def test_time_can_only_be_advanced_where_it_is_virtual():
    clock = SimulatedClock(virtual=True)
    clock.advance(500)
    clock.advance(400)
    assert clock.now() == 500
    with pytest.raises(Exception, match="--virtual"):
        SimulatedClock().advance(1)
