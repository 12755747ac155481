"""Runs with planted truth: does the result say what was drawn, and does its interval hold the truth?"""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab_analysis.analysis import analyse
from powerlab_traces.chain import CurrentChain, SupplyLimits
from powerlab_traces.errors import TraceError
from powerlab_traces.trace import Trace
from powerlab_traces.window import HostWindow

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
)
SUPPLY = SupplyLimits(
    voltage_gain_limit=0.0005,
    voltage_offset_limit=0.005,
    current_gain_limit=0.0015,
    current_offset_limit=0.005,
    lead_resistance=0.1,
    lead_resistance_limit=0.02,
)
QUANTITIES = (
    "time_per_batch",
    "time_per_image",
    "power_total",
    "power_idle",
    "power_net",
    "energy_per_batch",
    "energy_per_image",
    "energy_per_image_net",
)


def planned(bench, levels=(0.6, 0.62, 0.61), *, zero=True, idles=2, **more):
    """A run of a zero, an idle, an active and another idle record."""
    records, k = [], 0
    if zero:
        records.append(bench.record(k, "zero", np.zeros(500), before=bench.reading(regulation="off")))
        k += 1
    if idles:
        records.append(bench.record(k, "idle", np.full(500, 0.3)))
        k += 1
    active, windows, truth = bench.active(k, levels, **more)
    records.append(active)
    records += [bench.record(k + 1 + j, "idle", np.full(500, 0.3)) for j in range(idles - 1)]
    return bench.run(records, windows, truth)


def test_perfect_instruments_give_the_truth(bench):
    result = analyse(planned(bench))
    watts = 19.0 * np.array([0.6, 0.62, 0.61])
    assert [window.energy for window in result.kept] == pytest.approx((watts * 0.02).tolist(), rel=1e-6)
    assert [window.power for window in result.kept] == pytest.approx(watts.tolist(), rel=1e-6)
    assert result.time_per_batch.value == pytest.approx(0.02, rel=1e-9)
    assert result.time_per_image.value == pytest.approx(0.005, rel=1e-9)
    assert result.power_total.value == pytest.approx(19 * 0.61, rel=1e-6)
    assert result.power_idle.value == pytest.approx(19 * 0.3, rel=1e-6)
    assert result.power_net.value == pytest.approx(19 * 0.31, rel=1e-6)
    assert result.energy_per_batch.value == pytest.approx(19 * 0.61 * 0.02, rel=1e-6)
    assert result.energy_per_image.value == pytest.approx(19 * 0.61 * 0.005, rel=1e-6)
    assert result.energy_per_image_net.value == pytest.approx(19 * 0.31 * 0.005, rel=1e-6)
    assert result.truth.energy_per_image == pytest.approx(result.energy_per_image.value, rel=1e-6)
    assert result.truth.power == pytest.approx(result.power_total.value, rel=1e-6)
    assert (result.simulated, result.model, result.batch, result.sample_rate) == (True, "planted", 4, 1e4)
    assert [quantity.unit for quantity in (getattr(result, name) for name in QUANTITIES)] == [*"ssWWWJJJ"]


@given(levels=st.lists(st.floats(0.05, 2.0), min_size=1, max_size=6), zero=st.floats(-0.08, 0.08))
@settings(max_examples=30)
def test_window_energies_are_sums_by_brute_force(bench, levels, zero):
    crooked = bench.but(offset=zero, chain=dataclasses.replace(CHAIN, resolution=1e-3))
    run = planned(crooked, levels)
    result = analyse(run)
    seen_zero = sum(int(code) for code in run.records[0].current.codes) / 500 * 1e-3
    active = run.records[2].current
    for k, window in enumerate(result.kept):
        first = 50 + k * 250
        energy = sum(19.0 * (int(code) * 1e-3 - seen_zero) * 1e-4 for code in active.codes[first : first + 200])
        assert window.energy == pytest.approx(energy, rel=1e-9, abs=1e-12)


def test_summed_codes_give_the_same_energy(bench):
    one = bench.but(chain=dataclasses.replace(CHAIN, resolution=1e-6))
    ten = one.but(codes=10)
    assert analyse(planned(one)).energy_per_image.value == pytest.approx(
        analyse(planned(ten)).energy_per_image.value, rel=1e-6
    )


def test_the_zero_is_subtracted_and_narrows_the_interval(bench):
    crooked = bench.but(chain=CHAIN, offset=0.04, noise=0.01)
    zeroed, raw = analyse(planned(crooked)), analyse(planned(crooked, zero=False))
    assert zeroed.power_total.value == pytest.approx(19 * 0.61, abs=0.06)
    assert raw.power_total.value == pytest.approx(19 * 0.65, abs=0.06)
    assert zeroed.power_total.U95 < 0.6 * raw.power_total.U95
    assert {"probe offset", "scope offset"} <= {term.name for term in raw.budget}
    assert "offset drift" in {term.name for term in zeroed.budget}
    assert any("no zero record" in note for note in raw.notes)


def test_zeros_of_another_screen_are_left_out(bench):
    run = planned(bench)
    first = run.records[0]
    elsewhere = dataclasses.replace(first, current=dataclasses.replace(first.current, offset=-0.7))
    both = analyse(dataclasses.replace(run, records=[dataclasses.replace(elsewhere, index=9), *run.records]))
    assert both.power_total == analyse(run).power_total
    alone = analyse(dataclasses.replace(run, records=[elsewhere, *run.records[1:]]))
    assert alone.power_total == analyse(planned(bench, zero=False)).power_total
    assert any("not of every setting" in note for note in alone.notes)


def test_zero_records_at_the_end_count_for_windows_before(bench):
    crooked = bench.but(chain=CHAIN, offset=0.04)
    run = planned(crooked)
    late = dataclasses.replace(run, records=[*run.records[1:], run.records[0]])
    assert analyse(late).power_total == analyse(run).power_total


def test_the_budget_is_that_of_energy_per_image(bench):
    result = analyse(planned(bench.but(chain=CHAIN, supply=SUPPLY, noise=0.01)))
    assert math.fsum(term.share for term in result.budget) == pytest.approx(1)
    sizes = [term.uncertainty for term in result.budget]
    assert sizes == sorted(sizes, reverse=True)
    u = math.sqrt(math.fsum(size**2 for size in sizes))
    assert 2 * u <= result.energy_per_image.U95 < 5 * u
    names = [term.name for term in result.budget]
    assert len(set(names)) == len(names)
    assert {"probe gain", "scope gain", "noise", "spread over windows", "window edges", "time base"} <= set(names)
    assert {term.kind for term in result.budget} == {"systematic", "random"}


def drawn(bench, rng, *, zeroed, windows=4):
    """A run whose instruments are wrong by amounts drawn from within their limits, and what was really drawn.

    Scope gain is an error proportional to the reading, at most its limit at the full scale of 0.8 A.
    """

    def within(limit):
        return rng.uniform(-limit, limit)

    voltage = 19.0
    gain = (1 + within(CHAIN.gain_limit)) * (1 + within(CHAIN.scope_gain_limit) / 0.8) - 1
    offset = within(CHAIN.offset_limit) + within(CHAIN.scope_offset_limit)
    resistance = SUPPLY.lead_resistance + within(SUPPLY.lead_resistance_limit)
    read = voltage + within(SUPPLY.voltage_gain_limit) * voltage + within(SUPPLY.voltage_offset_limit)
    wrong = bench.but(chain=CHAIN, supply=SUPPLY, gain=gain, offset=offset, noise=0.01, voltage=read, rng=rng)
    # Since the zero both levels drift, idle and active alike by at most half of the limit from one another.
    since, between = within(CHAIN.drift_limit / 2), within(CHAIN.drift_limit / 2)
    idle, mean, scatter = 0.3, 0.6, 0.005
    levels = rng.normal(mean, scatter, windows)
    records = []
    if zeroed:
        records.append(wrong.record(0, "zero", np.zeros(800), before=wrong.reading(regulation="off")))
    steady = wrong.but(offset=offset + since)
    active, hosts, _ = wrong.but(offset=offset + since + between).active(2, levels, samples=400)
    records += [
        steady.record(1, "idle", np.full(800, idle)),
        active,
        steady.record(3, "idle", np.full(800, idle)),
    ]

    def power(current):
        return voltage * current - resistance * current**2

    seconds = 400 * bench.interval
    total, net = power(mean), power(mean) - power(idle)
    truth = {
        "time_per_batch": seconds,
        "time_per_image": seconds / 4,
        "power_total": total,
        "power_idle": power(idle),
        "power_net": net,
        "energy_per_batch": total * seconds,
        "energy_per_image": total * seconds / 4,
        "energy_per_image_net": net * seconds / 4,
    }
    return wrong.run(records, hosts), truth


@pytest.mark.parametrize("zeroed", [True, False])
def test_the_interval_holds_the_truth(bench, zeroed):
    draws = 200
    held, excess = dict.fromkeys(QUANTITIES, 0), {name: [] for name in QUANTITIES}
    for seed in range(draws):
        run, truth = drawn(bench, np.random.default_rng([seed, zeroed]), zeroed=zeroed)
        result = analyse(run)
        assert len(result.kept) == 4
        for name in QUANTITIES:
            quantity = getattr(result, name)
            error = quantity.value - truth[name]
            held[name] += abs(error) <= quantity.U95
            excess[name].append(2 * error / quantity.U95)
    assert min(held.values()) >= 0.95 * draws, held
    # Nor is the interval so wide that it says nothing: errors are of the size of the uncertainty.
    for name in ("power_total", "power_idle", "energy_per_image"):
        assert 0.5 < np.std(excess[name]) < 1.2, name


def test_net_power_is_better_known_than_its_sides_apart(bench):
    result = analyse(drawn(bench, np.random.default_rng(5), zeroed=False)[0])
    assert 0.6 * math.hypot(result.power_total.U95, result.power_idle.U95) > result.power_net.U95


def test_windows_of_equal_power_but_unequal_length_spread_in_energy(bench):
    lengths = np.array([200, 240, 220])
    record, windows, _ = bench.active(1, [np.full(n, 0.6) for n in lengths])
    result = analyse(bench.run([bench.record(0, "idle", np.full(500, 0.2)), record], windows))
    t = 4.302653  # Student's t for two degrees of freedom
    per_image = lengths.std(ddof=1) / math.sqrt(3) * bench.interval / 4
    for quantity, watts in (
        (result.time_per_image, 1.0),
        (result.energy_per_image, 19 * 0.6),
        (result.energy_per_image_net, 19 * 0.4),
    ):
        spread = t * per_image * watts
        assert abs(quantity.U95 / spread - 1) < 0.02  # edges change it a little
    assert result.power_total.U95 < 1e-6


def test_without_a_zero_the_idle_record_tells_the_noise(bench):
    noisy = bench.but(noise=0.05)
    names = {term.name for term in analyse(planned(noisy, zero=False)).budget}
    assert "noise" in names
    assert "noise" not in {term.name for term in analyse(planned(noisy, zero=False, idles=0)).budget}


@pytest.mark.parametrize("n", [2, 3, 6])
def test_the_spread_over_few_windows_holds_the_mean_nineteen_times_in_twenty(bench, n):
    rng = np.random.default_rng(n)
    held = 0
    for _ in range(300):
        levels = rng.normal(0.6, 0.02, n)
        result = analyse(planned(bench, levels, idles=0, samples=20, gap=5))
        held += abs(result.power_total.value - 19 * 0.6) <= result.power_total.U95
    assert 0.92 * 300 <= held <= 0.98 * 300


def test_correlated_noise_is_neither_lost_nor_averaged_too_well(bench):
    """One window, so that only the noise of the zero record can tell how far its mean scatters."""
    rng = np.random.default_rng(11)
    memory, n = 0.95, 2500
    decay = memory ** np.arange(150)
    errors = []
    for _ in range(120):
        kicks = rng.normal(0, 0.01, (2, n + 149))
        zero, active = (np.convolve(row, decay, mode="valid") for row in kicks)
        record, windows, _ = bench.active(1, [0.6], samples=n - 100)
        noisy = dataclasses.replace(record, current=bench.trace(record.current.values + active[: len(record.current)]))
        result = analyse(bench.run([bench.record(0, "zero", zero), noisy], windows))
        errors.append(2 * (result.power_total.value - 19 * 0.6) / result.power_total.U95)
    assert 0.75 < np.std(errors) < 1.25


def test_no_window_kept_means_no_number_but_idle_power_stays(bench):
    run = planned(bench)
    limited = dataclasses.replace(run.records[2], after=bench.reading(limited=True))
    result = analyse(dataclasses.replace(run, records=[*run.records[:2], limited, run.records[3]]))
    assert result.kept == ()
    assert [window.index for window in result.dropped] == [0, 1, 2]
    for name in QUANTITIES:
        assert (getattr(result, name) is None) == (name != "power_idle")
    assert (result.budget, result.truth, result.clock) == ((), None, None)


def test_without_idle_there_is_no_net(bench):
    result = analyse(planned(bench, idles=0))
    assert (result.power_idle, result.power_net, result.energy_per_image_net) == (None, None, None)
    assert result.energy_per_image is not None
    assert "no idle record: net power and net energy are not known" in result.notes


def test_windows_of_a_record_that_does_not_exist_are_dropped(bench):
    run = planned(bench)
    lost = HostWindow(1, 2, index=3, record=17, images=1)
    result = analyse(dataclasses.replace(run, windows=(*run.windows, lost)))
    assert [(window.index, window.reason) for window in result.dropped] == [(3, "record 17 is not in this run")]
    assert len(result.kept) == 3


@given(
    fates=st.lists(st.sampled_from(["fine", "clipped", "limited", "silent", "lost", "early end"]), max_size=5),
)
@settings(max_examples=40)
def test_every_window_of_a_run_is_accounted_for(bench, fates):
    records, windows = [], []
    for k, fate in enumerate(fates):
        record, hosts, _ = bench.active(k, [0.5, 0.6], first=2 * k)
        windows += hosts
        if fate == "clipped":
            record = dataclasses.replace(record, clipped=np.array([60]))
        if fate == "limited":
            record = dataclasses.replace(record, after=bench.reading(limited=True))
        if fate == "silent":
            record = dataclasses.replace(record, marker=None)
        if fate == "early end":
            record = dataclasses.replace(record, marker=Trace(record.marker.codes[:400], bench.interval, ""))
        if fate != "lost":
            records.append(record)
    result = analyse(bench.run(records, windows))
    accounted = [*(window.window.index for window in result.kept), *(window.index for window in result.dropped)]
    assert sorted(accounted) == list(range(2 * len(fates)))
    kept_of = {"fine": 2, "clipped": 1, "early end": 1}
    assert len(result.kept) == sum(kept_of.get(fate, 0) for fate in fates)


def test_truth_is_that_of_the_kept_windows_only(bench):
    run = planned(bench, [0.5, 0.9, 0.7])
    clipped = dataclasses.replace(run.records[2], clipped=np.array([310]))  # in the second window
    result = analyse(dataclasses.replace(run, records=[*run.records[:2], clipped, run.records[3]]))
    assert result.truth.power == pytest.approx(19 * 0.6)
    assert result.power_total.value == pytest.approx(19 * 0.6, rel=1e-6)
    unknown = dataclasses.replace(run, truth=run.truth[:2])
    assert analyse(unknown).truth is None
    assert analyse(dataclasses.replace(run, truth=None)).truth is None


def test_unequal_batches_weigh_by_their_images(bench):
    run = planned(bench, [0.5, 0.7])
    windows = tuple(dataclasses.replace(w, images=1 + 8 * k) for k, w in enumerate(run.windows))
    result = analyse(dataclasses.replace(run, windows=windows))
    assert result.energy_per_image.value == pytest.approx(19 * (0.5 + 0.7) * 0.02 / 10, rel=1e-6)
    assert result.time_per_image.value == pytest.approx(0.04 / 10)


def test_idle_that_moves_widens_net_power_and_is_said(bench):
    run = planned(bench)
    warm = bench.record(3, "idle", np.full(500, 0.4))
    result = analyse(dataclasses.replace(run, records=[*run.records[:3], warm]))
    assert result.power_idle.value == pytest.approx(19 * 0.35, rel=1e-6)
    assert pytest.approx(0.95 * 19 * 0.05, rel=1e-3) == result.power_idle.U95  # a limit of half the difference
    (verdict,) = (it for it in result.verdicts if it.name == "idle-drift")
    assert verdict.text.startswith("idle power differs by 28.6%")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"clipped": np.array([3, 4])}, "current clipped in 2 samples"),
        ({"marker": True}, "the marker was high in it"),
        ({"after": True}, "the supply went into constant current"),
    ],
)
def test_a_bad_idle_record_is_refused_and_said(bench, changes, reason):
    run = planned(bench, idles=1)
    if "marker" in changes:
        changes = {"marker": bench.marker(np.arange(500) > 400)}
    if "after" in changes:
        changes = {"after": bench.reading(limited=True)}
    bad = dataclasses.replace(run.records[1], **changes)
    result = analyse(dataclasses.replace(run, records=[run.records[0], bad, run.records[2]]))
    assert result.power_idle is None
    (verdict,) = (it for it in result.verdicts if it.records == (1,))
    assert verdict.text.startswith("idle record 1 was not used: " + reason)
    assert (verdict.effect, verdict.quantities[0]) == ("refuse", "power_idle")


def test_one_idle_record_is_said(bench):
    said = "idle was recorded once only: its drift is not known and not in the uncertainty"
    assert said in analyse(planned(bench, idles=1)).notes
    assert said not in analyse(planned(bench, idles=2)).notes


def test_one_window_is_said(bench):
    said = "one window only: the repeatability is not known and not in the uncertainty"
    assert said in analyse(planned(bench, [0.6])).notes
    assert said not in analyse(planned(bench, [0.6, 0.6])).notes


def test_what_capture_noted_is_passed_on(bench):
    run = dataclasses.replace(planned(bench), notes=("scope error -113",))
    assert analyse(run).notes[0] == "scope error -113"


def test_a_run_without_records_says_nothing(bench):
    result = analyse(bench.run([], []))
    assert (result.kept, result.dropped, result.energy_per_image, result.sample_rate) == ((), (), None, None)


def test_a_current_that_is_not_in_amperes_is_refused(bench):
    run = planned(bench)
    volts = dataclasses.replace(run.records[2], current=dataclasses.replace(run.records[2].current, unit="V"))
    with pytest.raises(TraceError, match="record 2 is in 'V', not in 'A'"):
        analyse(dataclasses.replace(run, records=[volts]))


class Lazy:
    """Records made as they are asked for, each at most once."""

    def __init__(self, make, number):
        self.make, self.number, self.asked = make, number, []

    def __len__(self):
        return self.number

    def __getitem__(self, index):
        if index >= self.number:
            raise IndexError(index)
        self.asked.append(index)
        return self.make(index)


def test_each_record_is_asked_for_once(bench):
    run = planned(bench)
    lazy = Lazy(run.records.__getitem__, len(run.records))
    assert analyse(dataclasses.replace(run, records=lazy)).energy_per_image == analyse(run).energy_per_image
    assert lazy.asked == [0, 1, 2, 3]
