"""The budget against numbers worked out elsewhere: by hand, and by planting one error at a time."""

import dataclasses
import math

import numpy as np
import pytest

from powerlab_analysis.edges import EdgeUncertainty
from powerlab_analysis.measured import Measured, rectangular
from powerlab_analysis.model import DRIFT_BETWEEN, WINDOW_EDGES, Model, spread, zero_of
from powerlab_analysis.noise import Noise
from powerlab_analysis.stretch import Stretch
from powerlab_analysis.survey import Level

STEP = 1e-6


def stretch(current, seconds=2.0, variance=0.0, voltage=19.0, **more):
    return Stretch(
        **{
            "samples": round(seconds / 20e-6),
            "interval": 20e-6,
            "current": current,
            "variance": variance,
            "step": STEP,
            "screen": 0.0,
            "voltage": voltage,
            "voltage_change": 0.0,
            "supply_current": current,
        }
        | more
    )


def model(bench, zero=None, **limits):
    chain_fields = {field.name for field in dataclasses.fields(bench.chain)}
    chain = {name: value for name, value in limits.items() if name in chain_fields}
    supply = {name: value for name, value in limits.items() if name not in chain_fields}
    return Model(dataclasses.replace(bench.chain, **chain), dataclasses.replace(bench.supply, **supply), zero)


# What a relative error or one of A, V or ohm does to 0.62 A at 19 V, in W.
EFFECTS = {
    "gain_limit": 0.62 * 19,
    "offset_limit": 19,
    "scope_gain_limit": 19,
    "scope_offset_limit": 19,
    "voltage_gain_limit": 0.62 * 19,
    "voltage_offset_limit": 0.62,
    "lead_resistance_limit": 0.62**2,
    "time_limit": 0.62 * 19,
}


@pytest.mark.parametrize(("name", "effect"), EFFECTS.items())
def test_one_limit_at_a_time(bench, name, effect):
    energy = model(bench, **{name: 0.03}).energy([stretch(0.62)], Noise(1e-9, 1e-5, 1e6))
    assert energy.u == pytest.approx(rectangular(0.03) * effect * 2.0, rel=1e-5)


# The worked case of a 19 V board that draws 0.62 A for 2 s through an 1146B clamp: 3 % + 50 mA, a scope with 2 % of
# 0.8 A and 30 mA of offset, a supply that reads back to 0.05 % + 5 mV. Numbers worked out apart from this code.
READBACK = {"voltage_gain_limit": 0.0005, "voltage_offset_limit": 0.005}
CASES = {
    "A: not zeroed, scope ideal": ({"gain_limit": 0.03, "offset_limit": 0.05}, False, 0.585),
    "B: not zeroed": (
        {"gain_limit": 0.03, "offset_limit": 0.05, "scope_gain_limit": 0.016, "scope_offset_limit": 0.03},
        False,
        0.694,
    ),
    "C: zeroed, 5 mA left": (
        {
            "gain_limit": 0.03,
            "offset_limit": 0.05,
            "drift_limit": 0.005,
            "scope_gain_limit": 0.016,
            "scope_offset_limit": 0.03,
        },
        True,
        0.275,
    ),
    "F: ten turns, not zeroed, scope ideal": ({"gain_limit": 0.03, "offset_limit": 0.005}, False, 0.211),
    "F5: five turns, same": ({"gain_limit": 0.03, "offset_limit": 0.01}, False, 0.232),
}


@pytest.mark.parametrize(("limits", "zeroed", "u"), CASES.values(), ids=CASES)
def test_worked_cases(bench, limits, zeroed, u):
    quiet = Noise(0.030, 20e-6, 1e5)  # 30 mA rms, white
    chain = dataclasses.replace(bench.chain, resolution=3.125e-3, **limits)
    code = stretch(0.0, step=3.125e-3)
    zero = zero_of([Level(0, code, quiet)] if zeroed else [], chain)
    found = Model(chain, dataclasses.replace(bench.supply, **READBACK), zero)
    energy = found.energy([dataclasses.replace(code, current=0.62)], quiet)
    power = energy / found.seconds([code])
    assert power.value == pytest.approx(11.78)
    assert power.u == pytest.approx(u, abs=0.0006)
    assert energy.u == pytest.approx(2 * u, abs=0.0012)
    # Noise and dithered quantisation are far below: 1.8 mW and 50 uW.
    small = {source.name: abs(part) for source, part in power.parts.items()}
    assert small["noise"] == pytest.approx(0.0018, abs=1e-4)
    assert small["quantisation"] == pytest.approx(5.4e-5, rel=0.02)


def test_where_the_full_scale_is_known_a_scope_s_gain_error_grows_with_the_deflection(bench):
    """The worked cases charge 2 % of full scale wherever the current lies; that is case C, and B, at 0.8 A."""
    limits, _, _ = CASES["C: zeroed, 5 mA left"]
    zero = zero_of([Level(0, stretch(0.0), Noise(1e-6, 1e-5, 1e6))], bench.chain)

    def u(current, **more):
        it = model(bench, zero, **limits, **READBACK, **more)
        return (it.energy([stretch(current)], Noise(1e-6, 1e-5, 1e6)) / 2.0).u

    assert u(0.8, full_scale=0.8, centre=0.4) == pytest.approx(u(0.8), rel=1e-3)
    assert u(0.62, full_scale=0.8, centre=0.4) == pytest.approx(0.251, abs=0.001)  # and not 0.275 W


def test_undithered_quantisation_does_not_average(bench):
    quiet = Noise(1e-4, 20e-6, 1e5)
    coarse = dataclasses.replace(bench.chain, resolution=3.125e-3)
    energy = Model(coarse, bench.supply, None).energy([stretch(0.62, step=3.125e-3)] * 50, quiet)
    by_name = {source.name: part for source, part in (energy / 100.0).parts.items()}
    assert by_name["quantisation"] == pytest.approx(0.017, abs=3e-4)


def test_noise_and_dithered_quantisation_of_windows_add_in_squares(bench):
    noise = Noise(0.03, 20e-6, 1e5)
    coarse = Model(dataclasses.replace(bench.chain, resolution=3.125e-3), bench.supply, None)
    one, many = (coarse.charge([stretch(0.62, step=3.125e-3)] * n, noise).parts for n in (1, 16))
    ratios = {source.name: many[source] / part for source, part in one.items() if part}
    assert ratios == pytest.approx({"noise": 4, "quantisation": 4})


def test_a_voltage_that_moved_is_known_to_half_its_change(bench):
    energy = model(bench).energy([stretch(0.62, voltage_change=0.08)] * 3, None) / 6.0
    by_name = {source.name: part for source, part in energy.parts.items()}
    assert by_name["voltage change"] == pytest.approx(rectangular(0.04) * 0.62)


def test_a_quiet_zero_is_known_to_half_a_code_only(bench):
    coarse = dataclasses.replace(bench.chain, resolution=3.125e-3)
    zero = zero_of([Level(0, stretch(0.0, step=3.125e-3), Noise(0.0, 20e-6, 1e5))], coarse)
    assert zero is not None
    assert zero.u == pytest.approx(rectangular(3.125e-3 / 2))


def test_total_energy_is_the_sum_of_the_windows_with_lead_and_ripple(bench):
    stretches = [
        stretch(0.5, 1.0, 0.01, 19.0),
        stretch(0.7, 2.0, 0.02, 18.9),
        stretch(-0.1, 0.5, 0.0, 19.2),
    ]
    found = model(bench, lead_resistance=0.1)
    by_hand = sum((s.voltage * s.current - 0.1 * (s.current**2 + s.variance)) * s.seconds for s in stretches)
    assert found.energies(stretches).sum() == pytest.approx(by_hand)
    assert found.energy(stretches, None).value == pytest.approx(by_hand)


def test_lead_resistance_takes_from_the_gain_as_well(bench):
    # P = V I - R I^2: a gain error g changes P by g (V I - 2 R I^2).
    energy = model(bench, lead_resistance=0.5, gain_limit=0.03).energy([stretch(0.62)], None)
    by_name = {source.name: part for source, part in energy.parts.items()}
    assert by_name["probe gain"] == pytest.approx(rectangular(0.03) * 2 * (19 * 0.62 - 2 * 0.5 * 0.62**2))


def test_edges_are_a_sample_of_current_and_of_marker_at_each_end(bench):
    sample = math.hypot(20e-6, 10e-6) / math.sqrt(3)
    windows = [stretch(0.62, 0.1, edges=EdgeUncertainty(start=sample, stop=sample))] * 25
    found = model(bench)
    energy, seconds = found.energy(windows, None), found.seconds(windows)
    edge = math.sqrt(2 * ((20e-6) ** 2 + (10e-6) ** 2) / 3)
    assert {s.name: p for s, p in energy.parts.items()}["window edges"] == pytest.approx(11.78 * edge * 5)
    assert seconds.u == pytest.approx(edge * 5)
    assert (energy / seconds).parts[WINDOW_EDGES] == pytest.approx(0, abs=1e-12)


def test_a_shift_of_both_edges_moves_only_what_they_differ_by(bench):
    windows = [stretch(0.62, 0.1, edges=EdgeUncertainty(shift=1e-4), climb=0.5)] * 3
    found = model(bench)
    energy, seconds = found.energy(windows, None), found.seconds(windows)
    assert {s.name: p for s, p in energy.parts.items()}["window shift"] == pytest.approx(3 * 1e-4 * 0.5 * 19)
    assert seconds.u == 0


def test_a_time_base_error_is_one_of_energy_and_time_but_not_of_power(bench):
    found = model(bench, time_limit=1e-2)
    energy, seconds = found.energy([stretch(0.62)], None), found.seconds([stretch(0.62)])
    assert energy.u == pytest.approx(rectangular(1e-2) * energy.value, rel=1e-6)
    assert seconds.u == pytest.approx(rectangular(1e-2) * 2)
    assert (energy / seconds).u < 1e-6


def test_net_power_keeps_what_cannot_cancel(bench):
    found = model(
        bench,
        gain_limit=0.03,
        offset_limit=0.05,
        drift_limit=0.005,
        scope_gain_limit=0.016,
        scope_offset_limit=0.03,
        voltage_offset_limit=0.0145,
    )
    total = found.energy([stretch(0.62)], None) / 2.0
    idle = found.energy([stretch(0.20)], None, " (idle)") / 2.0
    net = found.net_power(total, idle, 19.0)
    assert net.value == pytest.approx(0.42 * 19)
    expected = math.hypot(
        rectangular(0.03 * 0.42 * 19),  # gain of the difference
        rectangular(0.016 * 19),  # scope gain, once
        rectangular(0.005 * 19),  # drift between the two; the offsets themselves cancel
        rectangular(0.0145 * 0.42),
    )
    assert net.u == pytest.approx(expected, rel=1e-6)
    assert net.u < math.hypot(total.u, idle.u)


def test_between_idle_and_windows_the_offset_drifts_by_no_more_than_it_has_time_for(bench):
    found = model(bench, drift_limit=0.005)
    total, idle = (found.energy([stretch(it)], None, of) / 2.0 for it, of in ((0.62, ""), (0.20, " (idle)")))

    def drift(*apart):
        return found.net_power(total, idle, 19.0, *apart).parts[DRIFT_BETWEEN]

    whole = 19 * rectangular(0.005)
    assert drift(3.0) == pytest.approx(whole * 3 / 300)
    assert drift() == drift(400.0) == pytest.approx(whole)


def test_zeros_that_move_more_than_their_limit_widen_it(bench):
    levels = [Level(0, stretch(current), Noise(0.0, 20e-6, 100)) for current in (0.010, 0.030)]
    zero = zero_of(levels, bench.chain)
    assert zero is not None
    assert zero.currents == pytest.approx({0.0: 0.020})
    assert model(bench, zero, drift_limit=0.002).drift == pytest.approx(0.010)
    assert model(bench, zero, drift_limit=0.050).drift == pytest.approx(0.050)
    assert zero_of([], bench.chain) is None


def test_each_screen_has_a_zero_of_its_own(bench):
    quiet = Noise(0.0, 20e-6, 100)
    levels = [Level(0, stretch(0.01, screen=-1), quiet), Level(1, stretch(0.03, screen=-2), quiet)]
    zeroed = model(bench, zero_of(levels, bench.chain), drift_limit=0.001)
    assert zeroed.currents([stretch(0.5, screen=-1), stretch(0.5, screen=-2)]) == pytest.approx([0.49, 0.47])
    assert zeroed.drift == pytest.approx(0.001)  # the zeros of two screens may differ: the scope's offset does


def test_spread_of_equal_windows_is_s_over_root_n():
    energies = np.array([1.0, 1.2, 0.9, 1.1])
    found = spread(energies, np.full(4, 5.0))
    assert found is not None
    source, u = found
    assert source.dof == 3
    assert u == pytest.approx(energies.std(ddof=1) / math.sqrt(4) / 5)
    assert spread(energies[:1], np.ones(1)) is None


def test_windows_of_unequal_size_but_equal_worth_do_not_spread():
    found = spread(np.array([1.0, 2.0, 5.0]), np.array([2.0, 4.0, 10.0]))
    assert found is not None
    assert found[1] == pytest.approx(0)


def test_supply_current_has_its_own_limits(bench):
    found = model(bench, current_gain_limit=0.0015, current_offset_limit=0.005)
    current = found.supply_current([stretch(0.0, supply_current=0.6), stretch(0.0, supply_current=0.64)])
    assert current.value == pytest.approx(0.62)
    assert current.u == pytest.approx(rectangular(0.93e-3 + 5e-3))  # one limit
    assert isinstance(current, Measured)
