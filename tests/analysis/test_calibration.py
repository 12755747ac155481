"""The fit against drawn points, and calibrated figures against planted truth and the worked cases."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.analysis import analyse
from powerlab_analysis.calibration import (
    CALIBRATION_LIFETIME,
    LEAST_STEP,
    ZERO_LIFETIME,
    CalibrationRefused,
    Point,
    fitted,
    judge,
    mean_of,
    parts_of,
    unsteadiness,
)
from powerlab_analysis.measured import rectangular
from powerlab_analysis.model import CALIBRATION, CALIBRATION_FIT, Model, Zero
from powerlab_analysis.noise import Noise
from powerlab_analysis.stretch import Stretch
from powerlab_traces.chain import ScreenLine, ScreenZero, SupplyLimits

SUPPLY = SupplyLimits(0.0005, 0.005, 0.0015, 0.005, 0.0, 0.0)
LIMITS = {
    "gain_limit": 0.03,
    "offset_limit": 0.05,
    "drift_limit": 0.005,
    "scope_gain_limit": 0.024,
    "scope_offset_limit": 0.034,
    "full_scale": 0.8,
    "centre": 0.4,
}
SCREEN = 0.0  # A of code 0 in planted traces
EXACT = ScreenLine(SCREEN, 0.8, 1.0, 0.0, 0.0, 0.0, 0.0)


def point(supply, seen, u=1e-3, load="a load"):
    return Point(load, supply, 0.0, seen, u)


def through(gain, offset, *supply):
    return [point(it, gain * it + offset) for it in supply]


def stretch(current, **more):
    return Stretch(
        **{
            "samples": 100_000,
            "interval": 20e-6,
            "current": current,
            "variance": 0.0,
            "step": 1e-6,
            "screen": SCREEN,
            "voltage": 19.0,
            "voltage_change": 0.0,
            "supply_current": current,
        }
        | more
    )


def model(bench, line=EXACT, zero=None, *, offset_known=True, **limits):
    chain = dataclasses.replace(bench.chain, **(LIMITS | limits))
    return Model(chain, SUPPLY, zero, {line.screen: line}, offset_known and zero is None)


def shares(value):
    return {source.name: part for source, part in value.parts.items() if abs(part) > 1e-9}


# The fit.


@given(
    st.floats(0.9, 1.1),
    st.floats(-0.1, 0.1),
    st.lists(st.floats(-2, 2), min_size=2, max_size=6),
)
def test_points_on_a_line_give_it_back(gain, offset, currents):
    if max(currents) - min(currents) < LEAST_STEP:
        with pytest.raises(CalibrationRefused, match="too close together"):
            fitted(through(gain, offset, *currents))
        return
    line = fitted(through(gain, offset, *currents))
    assert line.gain == pytest.approx(gain, abs=1e-9)
    assert line.offset == pytest.approx(offset, abs=1e-9)
    assert np.abs(line.residuals).max() < 1e-9


@pytest.mark.parametrize("points", [[], through(1, 0, 0.6), through(1, 0, 0.6, 0.63)])
def test_what_is_no_line_is_refused_in_one_line(points):
    with pytest.raises(CalibrationRefused, match="--resistor") as refused:
        fitted(points)
    assert "\n" not in str(refused.value)


def test_the_uncertainties_are_those_of_many_fits():
    """Gain, offset and their correlation, against fits through drawn points."""
    rng = np.random.default_rng(7)
    currents, u = np.array([0.07, 0.3, 0.68]), np.array([3e-4, 6e-4, 9e-4])
    fits = [
        fitted([Point("", i, 0.0, s, it) for i, s, it in zip(currents, seen, u, strict=True)])
        for seen in 1.02 * currents + 0.01 + u * rng.standard_normal((4000, 3))
    ]
    drawn = np.array([(it.gain, it.offset) for it in fits])
    assert drawn.mean(axis=0) == pytest.approx([1.02, 0.01], abs=5e-5)
    assert drawn.std(axis=0) == pytest.approx([fits[0].gain_u, fits[0].offset_u], rel=0.04)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(fits[0].correlation, abs=0.03)


def test_a_point_that_is_known_well_counts_more():
    points = [point(0.0, 0.0, 1e-4), point(1.0, 1.0, 1e-4), point(1.0, 1.1, 1e-2)]
    assert fitted(points).gain == pytest.approx(1.0, abs=1e-4)


def test_rounding_to_the_same_step_does_not_average_away():
    assert mean_of([0.5] * 1000, 1e-3) == pytest.approx((0.5, 1e-3 / math.sqrt(12)))
    mean, u = mean_of([0.49, 0.51, 0.49, 0.51], 1e-3)
    assert mean == pytest.approx(0.5)
    assert u == pytest.approx(math.hypot(0.02 / math.sqrt(3) / math.sqrt(4), 1e-3 / math.sqrt(12)))


def test_steadiness_is_a_share_or_a_few_steps_of_the_readback():
    assert unsteadiness([0.6, 0.608]) == pytest.approx((0.008, 0.00604))
    assert unsteadiness([0.07, 0.072]) == pytest.approx((0.002, 0.003))
    ramp = np.linspace(0.0, 1.0, 1000)
    assert parts_of(ramp) == pytest.approx(np.linspace(0.05, 0.95, 10), abs=1e-3)


# Whether the line is one.


@pytest.fixture
def chain(bench):
    return dataclasses.replace(bench.chain, **LIMITS)


def test_what_limits_explain_is_a_calibration(chain):
    points = [point(0.07, 0.09), point(0.4, 0.4306), point(0.68, 0.7201)]
    judge(fitted(points), points, chain, SUPPLY, 0.02)
    judge(fitted(points), points, chain, SUPPLY, None)


@pytest.mark.parametrize(
    ("points", "zero", "said"),
    [
        ([point(0.07, 0.07), point(0.4, 0.42, load="bent"), point(0.68, 0.68)], None, "load 'bent' .* off the line"),
        (through(1.08, 0.0, 0.07, 0.68), None, "shows 1.08 times .* turns"),
        (through(5.0, 0.0, 0.07, 0.68), None, "shows 5 times"),
        (through(-1.0, 0.0, 0.07, 0.68), None, "shows -1 times"),
        (through(1.0, 0.03, 0.07, 0.68), 0.0, "meets zero current 30 mA from .* zero again"),
    ],
)
def test_what_they_do_not_explain_is_refused_with_the_numbers(chain, points, zero, said):
    with pytest.raises(CalibrationRefused, match=said) as refused:
        judge(fitted(points), points, chain, SUPPLY, zero)
    assert "\n" not in str(refused.value)


# What calibrated currents are worth.


def test_worked_case_d(bench):
    """19 V, 0.62 A, 2 s: the chain calibrated end to end against the supply's reading, 5 mA of drift left."""
    coarse = stretch(0.62, step=3.125e-3)
    found = model(bench, resolution=3.125e-3)
    energy = found.energy([coarse], Noise(0.030, 20e-6, 1e5))
    power = energy / found.seconds([coarse])
    assert power.value == pytest.approx(11.78)
    current = found.charge([coarse], None) / 2.0
    assert current.u == pytest.approx(4.5e-3, rel=0.05)
    assert power.u == pytest.approx(0.085, rel=0.05)
    assert energy.u == pytest.approx(0.17, rel=0.05)
    assert power.U95 < 0.17  # two limits of a size: less than twice u


def test_worked_case_e(bench):
    """The supply's readback alone, which is what a calibration is worth without drift."""
    alone = model(bench, drift_limit=0.0)
    assert alone.supply_current([stretch(0.62)]).u == pytest.approx(3.4e-3, rel=0.05)
    assert (alone.charge([stretch(0.62)], None) / 2.0).u == pytest.approx(3.4e-3, rel=0.05)
    assert alone.supply_current([stretch(0.62)]).u * 19.0 == pytest.approx(0.065, rel=0.05)
    # With the voltage that the same supply reads. The worked case takes the two as independent (r = 0), as the model
    # does; of the current, percentage and milliamperes are one limit. Were voltage and current at worst off in the same
    # direction (r = 1), it would be 0.070 W.
    power = alone.energy([stretch(0.62)], None) / 2.0
    assert power.u == pytest.approx(math.hypot(19.0 * rectangular(0.00593), 0.62 * rectangular(0.0145)), rel=1e-3)
    assert power.u == pytest.approx(0.065, rel=0.05)


def test_calibration_shrinks_the_uncertainty_of_power_about_sevenfold(bench):
    noise = Noise(0.01, 20e-6, 1e5)
    chain = dataclasses.replace(bench.chain, **LIMITS)
    unzeroed = Model(chain, SUPPLY, None).energy([stretch(0.62)], noise)
    calibrated = model(bench).energy([stretch(0.62)], noise)
    assert 6 < unzeroed.U95 / calibrated.U95 < 10


def test_the_line_gives_the_current_back(bench):
    line = ScreenLine(SCREEN, 0.8, 1.02, 0.03, 0.0, 0.0, 0.0)
    assert model(bench, line).currents([stretch(1.02 * 0.62 + 0.03)]) == pytest.approx([0.62])
    zero = Zero({SCREEN: 0.035}, 0.0, 10, 0.0)
    assert model(bench, line, zero).currents([stretch(1.02 * 0.62 + 0.035)]) == pytest.approx([0.62])
    assert model(bench, line, offset_known=False).currents([stretch(1.02 * 0.62)]) == pytest.approx([0.62])


def test_ripple_in_the_lead_is_that_of_the_true_current(bench):
    chain = dataclasses.replace(bench.chain, **LIMITS)
    supply = dataclasses.replace(SUPPLY, lead_resistance=0.5)
    line = ScreenLine(SCREEN, 0.8, 1.02, 0.0, 0.0, 0.0, 0.0)
    found = Model(chain, supply, None, {SCREEN: line}, offset_known=True)
    lost = 19 * 0.62 - found.energies([stretch(1.02 * 0.62, variance=(1.02 * 0.1) ** 2)])[0] / 2
    assert lost == pytest.approx(0.5 * (0.62**2 + 0.1**2))


def test_with_a_zero_what_the_supply_reads_of_no_current_does_not_matter(bench):
    zero = Zero({SCREEN: 0.0}, 1e-5, 50, 0.0)
    found = shares(model(bench, zero=zero).energy([stretch(0.62)], None) / 2.0)
    assert found[CALIBRATION.name] == pytest.approx(rectangular(19 * 0.62 * 0.0015))
    assert found["voltage readback"] == pytest.approx(rectangular(0.62 * (19 * 0.0005 + 0.005)))
    assert found["offset drift"] == pytest.approx(19 * rectangular(0.005))
    assert "noise of the zero" in found
    assert not {"probe gain", "probe offset", "scope gain", "scope offset"} & found.keys()


def test_an_expired_offset_leaves_the_gain_alone(bench):
    found = shares(model(bench, offset_known=False).energy([stretch(0.62)], None) / 2.0)
    assert found["probe offset"] == pytest.approx(19 * rectangular(0.05))
    assert found["scope offset"] == pytest.approx(19 * rectangular(0.034))
    # Around mid-screen acts the scope's gain, and so where no current lies is off by half of it.
    assert found["scope gain"] == pytest.approx(-19 * rectangular(0.024) / 2)
    assert "probe gain" not in found


def test_net_power_cancels_the_supplys_offset(bench):
    found = model(bench)
    total, idle = (found.energy([stretch(it)], None, of) / 2.0 for it, of in ((0.62, ""), (0.07, " (idle)")))
    net = shares(found.net_power(total, idle, 19.0))
    assert net[CALIBRATION.name] == pytest.approx(rectangular(19 * 0.55 * 0.0015))
    assert net["voltage readback"] == pytest.approx(rectangular(0.55 * (19 * 0.0005 + 0.005)))
    assert net["offset drift between idle and windows"] == pytest.approx(19 * rectangular(0.005))
    assert "scope gain between idle and windows" not in net


def test_the_fit_is_least_uncertain_in_the_middle_of_its_points(bench):
    fit = fitted([Point("", it, 3e-4, it, 1e-4) for it in (0.07, 0.68)])
    line = ScreenLine(SCREEN, 0.8, fit.gain, fit.offset, fit.gain_u, fit.offset_u, fit.correlation)
    found = model(bench, line)

    def of_fit(current):
        parts = shares(found.charge([stretch(current)], None) / 2.0)
        return math.hypot(*(part for name, part in parts.items() if name.startswith(CALIBRATION_FIT)))

    u = math.hypot(3e-4, 1e-4)
    assert of_fit(0.375) == pytest.approx(u / math.sqrt(2), rel=1e-3)
    assert of_fit(0.07) == pytest.approx(u, rel=1e-3)
    assert of_fit(0.68) == pytest.approx(u, rel=1e-3)
    # And beyond them, by the law of propagation with the correlation of gain and offset (JCGM 100, 5.2.2).
    apart = (fit.offset_u**2 + fit.gain_u**2 + 2 * fit.correlation * fit.offset_u * fit.gain_u) ** 0.5
    assert of_fit(1.0) == pytest.approx(apart, rel=1e-3)


def test_screens_have_lines_and_fits_of_their_own(bench):
    lines = {0.0: dataclasses.replace(EXACT, gain_u=1e-3), 9.0: ScreenLine(9.0, 1.6, 1.02, 0.0, 1e-3, 0.0, 0.0)}
    chain = dataclasses.replace(bench.chain, **LIMITS)
    found = Model(chain, SUPPLY, None, lines, offset_known=True)
    both = [stretch(0.5), stretch(0.51, screen=9.0)]
    assert found.currents(both) == pytest.approx([0.5, 0.5])
    fit = {name: part for name, part in shares(found.charge(both, None)).items() if name.startswith(CALIBRATION_FIT)}
    assert list(fit) == ["calibration fit, gain (0.8 A screen)", "calibration fit, gain (1.6 A screen)"]
    assert list(fit.values()) == pytest.approx([-1e-3, -1e-3 / 1.02])


@pytest.mark.parametrize("zeroed", [True, False])
def test_the_truth_lies_inside(bench, zeroed):
    """Planted gains and offsets of probe, scope and supply, calibrated through noisy points, drifting afterwards."""
    rng = np.random.default_rng([5, zeroed])
    inside = {"total": 0, "net": 0}
    draws = 300
    for _ in range(draws):
        gain, offset = 1 + 0.04 * rng.uniform(-1, 1), 0.08 * rng.uniform(-1, 1)
        by_supply = 1 + 0.0015 * rng.uniform(-1, 1), 0.005 * rng.uniform(-1, 1)
        volts = 19 * (1 + 0.0005 * rng.uniform(-1, 1)) + 0.005 * rng.uniform(-1, 1)
        points = []
        for load in (0.07, 0.68):
            read = by_supply[0] * load + by_supply[1] + 3e-4 * rng.standard_normal()
            points.append(Point("", read, 3e-4, gain * load + offset + 1e-4 * rng.standard_normal(), 1e-4))
        fit = fitted(points)
        line = ScreenLine(SCREEN, 0.8, fit.gain, fit.offset, fit.gain_u, fit.offset_u, fit.correlation)
        zero = Zero({SCREEN: offset + 1e-4 * rng.standard_normal()}, 1e-4, 100, 0.0) if zeroed else None
        drifts = 0.005 * rng.uniform(-1, 1), 0.005 * rng.uniform(-1, 1)
        found = model(bench, line, zero)
        total, idle = (
            found.energy([stretch(gain * (current + drift) + offset, voltage=volts)], None, of) / 2.0
            for current, drift, of in ((0.62, drifts[0], ""), (0.068, drifts[1], " (idle)"))
        )
        inside["total"] += abs(total.value - 19 * 0.62) <= total.U95
        net = found.net_power(total, idle, 19.0)
        # Each drifts by its own here: what lies between idle and windows is the difference of two.
        inside["net"] += abs(net.value - 19 * (0.62 - 0.068)) <= 2 * net.U95
    assert inside["total"] >= 0.91 * draws  # 95 % less three standard deviations
    assert inside["net"] >= 0.95 * draws


# What a run says of it.


@pytest.fixture
def planted(bench):
    """A bench whose probe and scope together show 4 % and 30 mA too much."""
    return bench.but(chain=dataclasses.replace(bench.chain, **LIMITS), supply=SUPPLY, gain=0.04, offset=0.03)


LINE = ScreenLine(SCREEN, 0.8, 1.04, 0.03, 1e-4, 1e-4, -0.5)
ZERO = ScreenZero(SCREEN, 0.03, 1e-4, 50.0)


def captured(bench, *, zero_record=False, **known):
    bench = bench.but(chain=dataclasses.replace(bench.chain, **known))
    rest = bench.reading(0.3)
    records = [bench.record(0, "idle", np.full(400, 0.3), before=rest, after=rest)]
    active, windows, truth = bench.active(1, [0.6, 0.6, 0.6])
    records += [active, bench.record(2, "idle", np.full(400, 0.3), before=rest, after=rest)]
    if zero_record:
        records.append(bench.record(3, "zero", np.zeros(400)))
    return analyse(bench.run(records, windows, truth))


def terms(result):
    return {it.name for it in result.budgets["power_total"]}


def test_a_calibrated_run_gives_the_truth(planted):
    result = captured(planted, lines=(LINE,), calibrated="2026-01-01T00:00:00+00:00", calibration_age=60.0)
    assert result.power_total.value == pytest.approx(19 * 0.6, rel=1e-4)
    assert result.power_idle.value == pytest.approx(19 * 0.3, rel=1e-4)
    assert CALIBRATION.name in terms(result)
    assert "offset drift" in terms(result)
    assert not result.verdicts
    assert not result.notes


def test_an_uncalibrated_run_does_not(planted):
    result = captured(planted)
    assert result.power_total.value == pytest.approx(19 * (1.04 * 0.6 + 0.03), rel=1e-4)
    assert {"probe gain", "probe offset"} <= terms(result)


def test_a_zero_from_before_the_run_is_subtracted(planted):
    result = captured(planted, zeros=(ZERO,), zero_age=300.0)
    assert result.power_total.value == pytest.approx(19 * 1.04 * 0.6, rel=1e-4)
    assert "offset drift" in terms(result)
    assert not any("no zero record" in note for note in result.notes)
    both = captured(planted, zeros=(ZERO,), lines=(LINE,))
    assert both.power_total.value == pytest.approx(19 * 0.6, rel=1e-4)
    assert both.power_total.U95 < result.power_total.U95 / 2


def test_the_runs_own_zero_comes_first(planted):
    stale = dataclasses.replace(ZERO, current=0.2)
    result = captured(planted, zeros=(stale,), lines=(LINE,), zero_record=True)
    assert result.power_total.value == pytest.approx(19 * 0.6, rel=1e-4)


@pytest.mark.parametrize("what", ["zeros", "lines"])
def test_another_screens_is_not_applied_and_that_is_said(planted, what):
    it = {"zeros": ZERO, "lines": LINE}[what]
    result = captured(planted, **{what: (dataclasses.replace(it, screen=5.0),)})
    assert {"probe gain", "probe offset"} <= terms(result)
    assert any("not of every screen" in note for note in result.notes)


def test_a_zero_too_old_is_said(planted):
    fresh = captured(planted, zeros=(ZERO,), lines=(LINE,), zero_age=ZERO_LIFETIME - 60)
    assert not fresh.verdicts
    old = captured(planted, zeros=(ZERO,), lines=(LINE,), zero_age=ZERO_LIFETIME + 60)
    assert [it.name for it in old.verdicts] == ["zero-old"]


def test_an_old_calibration_is_applied_and_said_to_be_old(planted):
    age = CALIBRATION_LIFETIME + 3600
    result = captured(planted, lines=(LINE,), calibrated="2026-01-01", calibration_age=age, zero_record=True)
    assert [it.name for it in result.verdicts] == ["calibration-old"]
    assert "25 h old" in result.verdicts[0].text
    assert CALIBRATION.name in terms(result)


def test_the_offset_of_a_calibration_expires_like_a_zero(planted):
    result = captured(planted, lines=(LINE,), calibration_age=ZERO_LIFETIME + 60)
    assert {CALIBRATION.name, "probe offset", "scope offset"} <= terms(result)
    assert "probe gain" not in terms(result)
    assert any("only the gain was applied" in note for note in result.notes)
    assert abs(result.power_total.value - 19 * 0.6) <= result.power_total.U95


def test_the_drift_that_was_seen_counts_where_it_is_more_than_the_assumed_one(planted):
    def drift(**known):
        result = captured(planted, zeros=(ZERO,), lines=(LINE,), **known)
        return next(it.limit for it in result.budgets["power_total"] if it.name == "offset drift") / 19

    assert drift() == pytest.approx(0.005, rel=1e-3)
    # Zeros that agree say nothing of what the offset does after them.
    assert drift(seen_drift=0.001, seen_drift_time=1800.0, zero_age=600.0) == pytest.approx(0.005, rel=1e-3)
    assert drift(seen_drift=0.008, seen_drift_time=1800.0, zero_age=2000.0) == pytest.approx(0.008, rel=1e-3)
