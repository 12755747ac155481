"""Differences of two runs with known errors: what is common cancels, what is not does not."""

import dataclasses

import numpy as np
import pytest

from powerlab_analysis.analysis import analyse
from powerlab_analysis.compare import compare
from powerlab_analysis.measured import Measured, Source
from powerlab_analysis.model import CALIBRATION, CALIBRATION_FIT, OFFSET_DRIFT
from powerlab_traces.chain import CurrentChain, SupplyLimits

CHAIN = CurrentChain(
    probe="1146B",
    sensitivity=0.1,
    turns=1,
    gain_limit=0.03,
    offset_limit=0.05,
    drift_limit=0.005,
    scope_gain_limit=0.016,
    scope_offset_limit=0.03,
    resolution=3.125e-3,
    time_limit=25e-6,
    full_scale=0.8,
    centre=0.4,
    peak_current=10.0,
)
SUPPLY = SupplyLimits(0.0005, 0.005, 0.0015, 0.005, 0.0, 0.0)
SCOPE = {"scope": "AGILENT TECHNOLOGIES,MSO-X 2024A,MY1,02.50", "supply": "Agilent Technologies,E3645A,0,1.7-5.0-1.0"}
VOLTAGE = 19.0


@dataclasses.dataclass
class Wrong:
    """The errors of one bench."""

    gain: float
    offset: float
    voltage: float

    @classmethod
    def drawn(cls, rng):
        def within(limit):
            return rng.uniform(-limit, limit)

        gain = (1 + within(CHAIN.gain_limit)) * (1 + within(CHAIN.scope_gain_limit) / CHAIN.full_scale) - 1
        voltage = VOLTAGE + within(SUPPLY.voltage_gain_limit) * VOLTAGE + within(SUPPLY.voltage_offset_limit)
        return cls(gain, within(CHAIN.offset_limit) + within(CHAIN.scope_offset_limit), voltage)


def captured(bench, rng, wrong, level, *, zeroed=True, chain=CHAIN, instruments=SCOPE, samples=400):
    """Analyse a run on a bench that is wrong in this way; its offset drifts anew after the zero."""
    it = bench.but(
        chain=chain, supply=SUPPLY, gain=wrong.gain, offset=wrong.offset, noise=0.01, voltage=wrong.voltage, rng=rng
    )
    records = [it.record(0, "zero", np.zeros(800), before=it.reading(regulation="off"))] if zeroed else []
    # Between any two moments by the limit at most: since its zero, or else from run to run.
    since = rng.uniform(-1, 1) * CHAIN.drift_limit / (1 if zeroed else 2)
    later = it.but(offset=wrong.offset + since)
    k = len(records)
    records.append(later.record(k, "idle", np.full(800, 0.3)))
    active, windows, _ = later.active(k + 1, rng.normal(level, 0.003, 6), samples=samples)
    records += [active, later.record(k + 2, "idle", np.full(800, 0.3))]
    return analyse(it.run(records, windows, instruments=instruments))


def of(comparison, name):
    return next(it for it in comparison.differences if it.name == name)


@pytest.mark.parametrize("zeroed", [True, False])
@pytest.mark.parametrize("second", [0.52, 0.65])
def test_the_interval_of_a_difference_holds_the_truth(bench, zeroed, second):
    draws = 100
    held = dict.fromkeys(("power_total", "energy_per_image", "power_net"), 0)
    ratio, errors = 0, []
    for seed in range(draws):
        rng = np.random.default_rng([seed, zeroed, round(1000 * second)])
        wrong = Wrong.drawn(rng)
        found = compare(*(captured(bench, rng, wrong, it, zeroed=zeroed, samples=60) for it in (0.5, second)))
        true = VOLTAGE * (second - 0.5)
        scale = {"power_total": 1.0, "power_net": 1.0, "energy_per_image": 60 * bench.interval / 4}
        for name in held:
            it = of(found, name).difference
            held[name] += abs(it.value - true * scale[name]) <= it.U95
        it = of(found, "power_total")
        errors.append((it.difference.value - true) / it.difference.U95)
        ratio += abs(it.ratio.value - second / 0.5) <= it.ratio.U95
    assert min(*held.values(), ratio) >= 88, (held, ratio)  # 95 less three standard deviations
    assert 0.25 < np.std(errors) < 0.75  # nor wider than that takes


def test_common_errors_cancel(bench):
    rng = np.random.default_rng(1)
    wrong = Wrong.drawn(rng)
    first, second = (captured(bench, rng, wrong, it) for it in (0.5, 0.55))
    found = of(compare(first, second), "power_total")
    assert 0.4 * found.apart > found.difference.U95
    assert found.significant is True
    assert {"probe gain", "scope gain", "voltage readback"} <= set(found.common)
    assert not {"noise", "spread over windows", "offset drift"} & set(found.common)
    assert {"offset drift (first)", "offset drift (second)"} <= {it.name for it in found.budget}


def test_a_run_against_itself_is_no_difference(bench):
    rng = np.random.default_rng(2)
    result = captured(bench, rng, Wrong.drawn(rng), 0.5)
    found = compare(result, result)
    assert not found.differing
    assert [it.significant for it in found.differences] == [False] * 8
    assert all(it.difference.value == 0 for it in found.differences)


OTHER = {
    "supply": ({}, SCOPE | {"supply": "Agilent Technologies,E3645A,1,1.7-5.0-1.0"}, {"voltage readback"}),
    "screen": ({"full_scale": 1.6}, SCOPE, {"scope gain"}),
    "probe": ({"probe": "N2780B"}, SCOPE, {"probe gain"}),
}


@pytest.mark.parametrize(("name", "change", "instruments", "apart"), [(it, *OTHER[it]) for it in OTHER])
def test_what_is_not_the_same_is_said_and_does_not_cancel(bench, name, change, instruments, apart):
    rng = np.random.default_rng(3)
    first, second = (captured(bench, rng, Wrong(0.01, 0.02, VOLTAGE), it) for it in (0.5, 0.6))
    setup = dataclasses.replace(
        second.setup, chain=dataclasses.replace(second.setup.chain, **change), instruments=instruments
    )
    found = compare(first, dataclasses.replace(second, setup=setup))
    assert found.differing == (name,)
    found, same = (of(it, "power_total") for it in (found, compare(first, second)))
    assert not apart & set(found.common)
    assert apart <= set(same.common)
    assert found.difference.U95 > same.difference.U95


def test_an_unknown_full_scale_cancels_no_scope_gain(bench):
    rng = np.random.default_rng(4)
    wrong, old = Wrong.drawn(rng), dataclasses.replace(CHAIN, full_scale=0.0)
    found = compare(*(captured(bench, rng, wrong, it, chain=old) for it in (0.5, 0.52)))
    assert found.differing == ("screen",)
    assert "scope gain" not in of(found, "power_total").common


def test_a_supply_without_a_serial_number_is_known_by_the_scope_beside_it(bench):
    rng = np.random.default_rng(5)
    first = captured(bench, rng, Wrong.drawn(rng), 0.5)

    def beside_another_scope(supply):
        ours, others = (
            dataclasses.replace(first, setup=dataclasses.replace(first.setup, instruments=it))
            for it in (SCOPE | {"supply": supply}, {"scope": SCOPE["scope"].replace("MY1", "MY2"), "supply": supply})
        )
        return compare(ours, others)

    found = beside_another_scope(SCOPE["supply"])
    assert found.differing == ("scope", "supply")
    assert of(found, "energy_per_image").common == ()
    found = beside_another_scope("MAKER,MODEL,MY3,1.0")
    assert found.differing == ("scope",)
    assert "voltage readback" in of(found, "power_total").common


def test_one_calibration_is_common_two_share_the_supply(bench):
    rng = np.random.default_rng(8)
    result = captured(bench, rng, Wrong.drawn(rng), 0.5)
    fit = Source(f"{CALIBRATION_FIT}, gain (0.8 A screen)", fitted=True)
    calibrated = {"power_total": Measured(9.5, {CALIBRATION: 0.05, fit: 0.03, OFFSET_DRIFT: 0.02})}

    def of_day(day):
        chain = dataclasses.replace(result.setup.chain, calibrated=day)
        return dataclasses.replace(result, measured=calibrated, setup=dataclasses.replace(result.setup, chain=chain))

    same, other = (compare(of_day("monday"), of_day(it)) for it in ("monday", "tuesday"))
    assert of(same, "power_total").common == (CALIBRATION.name, fit.name)
    assert of(other, "power_total").common == (CALIBRATION.name,)
    assert (same.differing, other.differing) == ((), ("calibration",))


def test_what_one_run_lacks_is_not_compared(bench):
    record, windows, _ = bench.active(0, [0.6, 0.61])
    bare = analyse(bench.run([record], windows))
    whole = captured(bench, np.random.default_rng(6), Wrong(0.0, 0.0, VOLTAGE), 0.6)
    found = compare(whole, bare)
    assert set(found.unknown) == {"power_idle", "power_net", "energy_per_image_net"}
    assert found.unknown["power_net"] == "the second run does not know it"
    refused = captured(bench, np.random.default_rng(6), Wrong(1.0, 0.0, VOLTAGE), 0.35)
    assert compare(refused, whole).unknown["power_total"].startswith("the first run refuses it: the idle current is")


def test_a_lower_bound_decides_nothing(bench):
    rng = np.random.default_rng(7)
    result = captured(bench, rng, Wrong.drawn(rng), 0.5)
    record, windows, _ = bench.active(1, [0.6, 0.61, 0.6])
    record = dataclasses.replace(record, clipped=np.array([60]))
    bound = analyse(bench.run([bench.record(0, "idle", np.full(500, 0.3)), record], windows))
    found = compare(result, bound)
    assert of(found, "power_total").significant is None
    assert of(found, "time_per_batch").significant is not None


def test_one_zero_for_both_runs_is_one_error_but_for_what_it_drifts_between_them(bench):
    rng = np.random.default_rng(9)
    result = captured(bench, rng, Wrong.drawn(rng), 0.5)

    def with_zero(when):
        chain = dataclasses.replace(result.setup.chain, zeroed=when)
        return dataclasses.replace(result, setup=dataclasses.replace(result.setup, chain=chain))

    same, other = (of(compare(with_zero("at 9"), with_zero(it)), "power_total") for it in ("at 9", "at 10"))
    drift = result.measured["power_total"].parts[OFFSET_DRIFT]
    assert OFFSET_DRIFT.name in same.common
    assert OFFSET_DRIFT.name not in other.common
    assert {it.name: it.uncertainty for it in same.budget}["offset drift between the runs (second)"] == pytest.approx(
        drift
    )
    both = {it.name: it.uncertainty for it in other.budget}
    assert both["offset drift (first)"] == both["offset drift (second)"] == pytest.approx(drift)
    assert not any(name.startswith("offset drift between the runs") for name in both)
    # Nothing is wrong with a zero of its own for each run.
    assert compare(with_zero("at 9"), with_zero("at 10")).differing == ()
