"""Runs with one defect planted get the verdict on it and no other; healthy runs get none."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from powerlab_analysis.analysis import analyse
from powerlab_analysis.clocks import ClockComparison
from powerlab_analysis.protocols import PROTOCOLS
from powerlab_analysis.recordverdicts import BEGINNINGS, record_verdicts
from powerlab_analysis.result import UNITS
from powerlab_analysis.survey import survey
from powerlab_analysis.verdict import Effect, Verdict, numbers, worst_first
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
SUPPLY = SupplyLimits(
    voltage_gain_limit=0.0005,
    voltage_offset_limit=0.005,
    current_gain_limit=0.0015,
    current_offset_limit=0.005,
    lead_resistance=0.1,
    lead_resistance_limit=0.02,
)
IDLE, ACTIVE = 0.3, 0.6  # A


def instruments(bench, rng=None, **more):
    """A bench with data-sheet limits; with `rng` its errors are drawn from within them."""
    wrong = {"noise": 0.01} | more
    if rng is not None:
        within = {"gain": 0.03, "offset": 0.075}
        wrong = {name: rng.uniform(-limit, limit) for name, limit in within.items()} | wrong | {"rng": rng}
    return bench.but(chain=CHAIN, supply=SUPPLY, **wrong)


def healthy(bench, rng=None, *, zero=True, per_record=6, records=2, drift=0.0, levels=None, samples=400):
    """Zero, idle, active records and idle again; the offset moves by `drift` (A) after the first idle record."""
    rng = rng or np.random.default_rng(3)
    found, windows = [], []
    if zero:
        found.append(bench.record(0, "zero", np.zeros(1000), before=bench.reading(regulation="off")))
    found.append(bench.record(len(found), "idle", np.full(1000, IDLE)))
    later = bench.but(offset=bench.offset + drift)
    for k in range(records):
        chosen = rng.normal(ACTIVE, 0.006, per_record) if levels is None else levels[k * per_record :][:per_record]
        record, its, _ = later.active(len(found), chosen, first=len(windows), samples=samples, idle=IDLE)
        found.append(record)
        windows += its
    found.append(later.record(len(found), "idle", np.full(1000, IDLE)))
    return bench.run(found, windows)


def but(run, index, **changes):
    """The run with one record changed."""
    return dataclasses.replace(
        run, records=[dataclasses.replace(it, **changes) if it.index == index else it for it in run.records]
    )


def only(run, protocol="quick"):
    """The run's only verdict."""
    (verdict,) = analyse(run, PROTOCOLS[protocol]).verdicts
    return verdict


@pytest.mark.parametrize("zero", [True, False])
def test_healthy_runs_get_no_verdict(bench, zero):
    accused = []
    for seed in range(200):
        rng = np.random.default_rng([seed, zero])
        bad = analyse(
            healthy(instruments(bench, rng), rng, zero=zero, drift=rng.uniform(-0.0025, 0.0025), samples=60)
        ).verdicts
        accused += [it.text for it in bad if it.name != "short-windows"]  # they are that, to be quick
    assert not accused[2:], accused  # less than one in a hundred


def test_one_clipped_sample_makes_a_lower_bound(bench):
    run = but(healthy(instruments(bench)), 2, clipped=np.array([60]))
    result = analyse(run)
    (verdict,) = result.verdicts
    assert (verdict.name, verdict.effect, verdict.windows) == ("clipped", "lower bound", (0,))
    assert "window 0 is not counted: current clipped in 1 sample" in verdict.text
    assert result.lower_bound("energy_per_image") is verdict
    assert result.lower_bound("power_idle") is result.lower_bound("time_per_image") is None
    assert result.energy_per_image.value == pytest.approx(19 * ACTIVE * 0.04 / 4, rel=0.05)


def test_clipping_at_the_lower_end_is_no_lower_bound(bench):
    run = healthy(instruments(bench))
    low = int(np.argmin(run.records[2].current.codes))
    codes = run.records[2].current.codes.copy()
    codes[60] = codes[low] - 1
    trace = dataclasses.replace(run.records[2].current, codes=codes)
    assert only(but(run, 2, clipped=np.array([60]), current=trace)).effect == "flag"


def test_all_windows_clipped_is_no_number(bench):
    run = healthy(instruments(bench), records=1)
    result = analyse(but(run, 2, clipped=np.arange(len(run.records[2].current))))
    (verdict,) = result.verdicts
    assert (verdict.name, verdict.effect) == ("clipped", "refuse")
    assert result.energy_per_image is None
    assert result.refusal("energy_per_image") is verdict
    assert result.power_idle is not None


def test_a_lost_record_is_named_with_its_windows(bench):
    run = healthy(instruments(bench))
    result = analyse(dataclasses.replace(run, records=[it for it in run.records if it.index != 3]))
    (verdict,) = result.verdicts
    assert (verdict.name, verdict.effect) == ("lost-record", "flag")
    assert (verdict.records, verdict.windows) == ((3,), tuple(range(6, 12)))
    assert verdict.text.startswith("record 3 is missing from this run, and with it windows 6 to 11")
    assert len(result.kept) == 6


def test_a_lost_idle_record_is_named(bench):
    run = healthy(instruments(bench))
    verdict = only(dataclasses.replace(run, records=[it for it in run.records if it.index != 1]))
    assert (verdict.name, verdict.records, verdict.windows) == ("lost-record", (1,), ())


def test_one_second_of_constant_current(bench):
    result = analyse(but(healthy(instruments(bench)), 3, after=bench.reading(0.3, limited=True)))
    (verdict,) = result.verdicts
    assert (verdict.name, verdict.effect, verdict.windows) == ("current-limit", "lower bound", tuple(range(6, 12)))
    assert result.lower_bound("power_net") is verdict


def test_a_supply_that_tripped(bench):
    verdict = only(but(healthy(instruments(bench)), 3, after=bench.reading(0.0, regulation="off")))
    assert (verdict.name, verdict.effect) == ("supply-off", "flag")


def test_twice_the_current_is_refused(bench):
    result = analyse(healthy(instruments(bench, gain=1.0)))
    (verdict,) = result.verdicts
    assert (verdict.name, verdict.effect) == ("probe-factor", "refuse")
    assert "as if 2 turns were in its jaw where bench.toml says 1" in verdict.text
    assert [name for name in UNITS if result.quantity(name)] == ["time_per_batch", "time_per_image"]
    assert result.budgets.keys() == result.measured.keys() == {"time_per_batch", "time_per_image"}


@pytest.mark.parametrize(("gain", "said"), [(9.0, "where bench.toml says 10;"), (-0.9, "where bench.toml says 100;")])
def test_a_switch_in_the_wrong_place_is_guessed(bench, gain, said):
    assert said in only(healthy(instruments(bench, gain=gain))).text


def test_a_probe_a_little_beyond_its_limits_is_flagged(bench):
    verdict = only(healthy(instruments(bench, gain=0.15)))
    assert (verdict.name, verdict.effect) == ("probe-supply", "flag")
    assert verdict.value == pytest.approx(0.15 * IDLE, abs=0.005)


def test_zeros_that_differ(bench):
    honest = instruments(bench)
    run = healthy(honest)
    moved = instruments(bench, offset=0.03).record(5, "zero", np.zeros(1000))
    verdict = only(dataclasses.replace(run, records=[*run.records, moved]))
    assert (verdict.name, verdict.effect) == ("zero-drift", "flag")
    assert verdict.value == pytest.approx(0.015, rel=0.1)
    assert verdict.text.startswith("the zeros differ by ")
    same = honest.record(5, "zero", np.zeros(1000))
    assert not analyse(dataclasses.replace(run, records=[*run.records, same])).verdicts


def test_a_zero_that_drifts_after_it_was_taken_is_told_from_an_idle_that_moves(bench):
    verdict = only(healthy(instruments(bench), drift=0.02))
    assert verdict.name == "zero-drift"
    assert "but by 0 A by the supply" in verdict.text
    run = healthy(instruments(bench))
    warm = instruments(bench).record(4, "idle", np.full(1000, IDLE + 0.02))
    verdict = only(dataclasses.replace(run, records=[*run.records[:4], warm]))
    assert (verdict.name, verdict.effect, verdict.records) == ("idle-drift", "flag", (1, 4))


def test_a_drift_that_both_zeros_and_idle_records_show_gets_one_verdict(bench):
    run = healthy(instruments(bench), drift=0.02)
    later = instruments(bench, offset=0.02).record(5, "zero", np.zeros(1000))
    verdict = only(dataclasses.replace(run, records=[*run.records, later]))
    assert verdict.name == "zero-drift"
    assert verdict.text.startswith("the zeros differ by ")


def test_a_protocol_may_refuse_an_idle_that_drifts(bench):
    run = healthy(instruments(bench))
    warm = instruments(bench).record(4, "idle", np.full(1000, IDLE + 0.02))
    result = analyse(dataclasses.replace(run, records=[*run.records[:4], warm]), PROTOCOLS["paper"])
    assert result.power_net is None
    assert result.refusal("power_net").name == "idle-drift"
    assert result.power_total is not None


def test_a_zero_beyond_the_data_sheet(bench):
    verdict = only(healthy(instruments(bench, offset=0.2)))
    assert verdict.name == "zero-offset"
    assert "beyond the 93 mA" in verdict.text


@pytest.mark.parametrize(("centre", "accused"), [(0.4, False), (0.0, True)])
def test_where_no_current_lies_on_the_screen_is_off_by_the_channel_s_gain_as_well(bench, centre, accused):
    """Offsets of 85 mA at their limits, and 1.6 % of the screen: around its middle, 0.4 A away."""
    chain = dataclasses.replace(CHAIN, centre=centre)
    run = healthy(instruments(bench, offset=0.091).but(chain=chain))
    assert [it.name for it in analyse(run).verdicts] == ["zero-offset"] * accused


@pytest.mark.parametrize(("clipped", "used"), [(10, True), (11, False)])
def test_a_zero_may_clip_here_and_there(bench, clipped, used):
    """A hundredth of its 1000 samples."""
    run = healthy(instruments(bench))
    result = analyse(but(run, 0, clipped=np.arange(clipped)))
    assert bool(result.setup.zeros) is used
    assert result.verdicts == ()
    assert ("zero record 0 was not used: current clipped in 11 samples" in " ".join(result.notes)) is not used


def test_a_zero_has_no_samples_where_no_noise_reaches(bench):
    run = healthy(instruments(bench))
    trace = run.records[0].current
    codes = trace.codes.copy()
    codes[60] -= round(0.1 / trace.scale)  # ten standard deviations
    holed = but(run, 0, clipped=np.array([60]), current=dataclasses.replace(trace, codes=codes))
    assert not analyse(holed).setup.zeros


def test_an_idle_record_may_not_clip_at_all(bench):
    verdict = only(but(healthy(instruments(bench)), 1, clipped=np.array([60])))
    assert (verdict.name, verdict.effect, verdict.records) == ("clipped", "flag", (1,))


def test_turns_that_drive_the_probe_out_of_its_range(bench):
    turns = dataclasses.replace(CHAIN, turns=15, peak_current=10 / 15)
    result = analyse(healthy(instruments(bench).but(chain=turns)))
    (verdict,) = (it for it in result.verdicts if it.name == "over-range")
    assert verdict.effect == "lower bound"
    assert "with 15 turns the probe's range ends at 666.7 mA" in verdict.text


def test_a_current_faster_than_the_sampling(bench):
    run = healthy(instruments(bench))
    record = run.records[2]
    codes = record.current.codes + np.where(np.arange(len(record.current)) % 2, 4, -4)
    verdict = only(but(run, 2, current=dataclasses.replace(record.current, codes=codes)))
    assert verdict.name == "aliasing"
    assert verdict.value == pytest.approx(2 / 192 / 0.6 * 0.6, rel=0.2)  # half of 4 codes in one record of two


def test_a_window_that_stands_apart_is_named_and_counted(bench):
    levels = np.full(12, ACTIVE) + np.tile([0.002, -0.002, 0.001], 4)
    levels[4] = 0.7
    result = analyse(healthy(instruments(bench), levels=levels))
    (verdict,) = result.verdicts
    assert (verdict.name, verdict.effect, verdict.windows) == ("outlier", "flag", (4,))
    assert len(result.kept) == 12


def test_a_warm_up_that_is_not_over(bench):
    levels = ACTIVE * np.array([1.06, 1.05, 1.055, *np.tile([1.001, 0.999, 1.0], 3)])
    verdict = only(healthy(instruments(bench), levels=levels))
    assert (verdict.name, verdict.windows) == ("not-settled", (0, 1, 2))
    assert verdict.text.startswith("from window 3 on windows take power 5.")
    assert "warm up longer" in verdict.text


def test_a_board_that_lowers_its_clocks(bench):
    rng = np.random.default_rng(2)
    rows = [rng.normal(0.6, 0.002, 400 + k % 3) for k in range(8)] + [rng.normal(0.5, 0.002, 450) for _ in range(4)]
    verdict = only(healthy(instruments(bench), levels=rows))
    assert (verdict.name, verdict.windows) == ("throttled", (8, 9, 10, 11))
    assert "power 16." in verdict.text
    assert "time 12." in verdict.text


def test_unlike_batches_may_differ(bench):
    levels = np.repeat([0.6, 0.5], 6)
    run = healthy(instruments(bench), levels=levels)
    assert only(run).name == "not-settled"
    unlike = tuple(dataclasses.replace(it, images=1 + it.index // 6) for it in run.windows)
    assert not analyse(dataclasses.replace(run, windows=unlike)).verdicts


def test_windows_of_a_few_samples(bench):
    verdict = only(healthy(instruments(bench), samples=15))
    assert verdict.name == "short-windows"
    assert "windows as short as 1.5 ms" in verdict.text


def test_a_window_that_the_record_does_not_cover(bench):
    run = healthy(instruments(bench))
    high = run.records[2].marker.codes.copy()
    high[-60:] |= 8  # the last window goes on to the record's end
    verdict = only(but(run, 2, marker=dataclasses.replace(run.records[2].marker, codes=high)))
    assert (verdict.name, verdict.effect) == ("not-covered", "flag")


def test_a_marker_that_bounds_less_than_the_host_timed(bench):
    run = healthy(instruments(bench))
    late = tuple(dataclasses.replace(it, start=it.start - 600_000) for it in run.windows)
    verdict = only(dataclasses.replace(run, windows=late))
    assert verdict.name == "marker-host"
    assert verdict.text.startswith("the marker was high for 98.5% of the time")


@pytest.mark.parametrize("ms", [-20, 20])
def test_a_step_of_the_hosts_clock(bench, ms):
    run = healthy(instruments(bench))
    stepped = tuple(
        dataclasses.replace(it, start=it.start + ms * 10**6, stop=it.stop + ms * 10**6) if 3 <= it.index < 6 else it
        for it in run.windows
    )
    result = analyse(dataclasses.replace(run, windows=stepped))
    (verdict,) = result.verdicts
    assert (verdict.name, verdict.effect, verdict.records) == ("clock-step", "flag", (2,))
    assert verdict.text.startswith(f"the host's clock went {ms:+d} ms")
    assert len(result.kept) == 12


def test_a_marker_that_bounces(bench):
    run = healthy(instruments(bench).but(interval=2e-5), samples=2000)
    marker = run.records[2].marker
    high = marker.codes.copy()
    high[53:55] &= 0xF7  # low again for a moment, after the first rise
    verdict = only(but(run, 2, marker=dataclasses.replace(marker, codes=high)))
    assert (verdict.name, verdict.effect) == ("marker-bounce", "flag")


def test_clocks_that_differ(bench):
    run = healthy(instruments(bench), samples=3000, records=1)
    start = run.windows[0].start

    def stretched(ppm):
        host = tuple(
            dataclasses.replace(
                it,
                start=start + round((it.start - start) * (1 - ppm * 1e-6)),
                stop=start + round((it.stop - start) * (1 - ppm * 1e-6)),
            )
            for it in run.windows
        )
        return dataclasses.replace(run, windows=host)

    verdict = only(stretched(400))
    assert verdict.name == "clock-rate"
    assert verdict.text.startswith("scope and host clocks differ by +400 ppm")
    assert not analyse(stretched(50)).verdicts


@pytest.mark.parametrize(("interval", "accused"), [(1e-3, False), (1e-4, True)])
def test_coarse_samples_accuse_no_clock(bench, interval, accused):
    seen = survey(healthy(instruments(bench).but(interval=interval)))
    clock = ClockComparison(slope=0.0, slope_uncertainty=1e-5, residual=0.9e-3)
    assert [it.name for it in record_verdicts(seen, clock)] == ["clock-step"] * accused


def test_two_jittery_windows_accuse_no_clock(bench):
    run = healthy(instruments(bench), per_record=2, records=1)
    first, second = run.windows
    jittered = (first, dataclasses.replace(second, start=second.start + 100_000, stop=second.stop + 100_000))
    result = analyse(dataclasses.replace(run, windows=jittered))
    assert abs(result.clock.slope) > 1e-3
    assert not result.verdicts


def test_every_dropped_window_is_in_a_verdict(bench):
    run = healthy(instruments(bench))
    run = but(but(run, 2, clipped=np.array([60, 700])), 3, marker=None)
    result = analyse(run)
    assert {it.index for it in result.dropped} <= {k for it in result.verdicts for k in it.windows}


def test_the_worst_comes_first():
    flag, bound, refuse = (
        Verdict(name, effect, name) for name, effect in zip("abc", reversed(list(Effect)), strict=True)
    )
    assert worst_first([flag, bound, refuse]) == (refuse, bound, flag)


def test_runs_of_numbers_are_shortened():
    assert [numbers(it) for it in ([], [4], [2, 1], [9, 1, 2, 3, 3, 5])] == ["", "4", "1 to 2", "1 to 3, 5, 9"]


def test_every_verdict_is_in_the_documentation():
    root = Path(__file__).parents[2]
    page = (root / "docs/verdicts.md").read_text(encoding="utf-8")
    named = {name for _, name in BEGINNINGS}
    for module in (root / "analysis/powerlab_analysis").glob("*.py"):
        text = module.read_text(encoding="utf-8")
        named |= set(re.findall(r'(?:name="|_lacks\(\s*protocol, "|else "|"(?=probe-factor))([a-z-]+)"', text))
        named |= set(re.findall(r'name="([a-z-]+)" if', text))
    verdicts = {name for name in named if "-" in name or name in {"clipped", "outlier", "throttled", "short"}}
    assert len(verdicts) > 25
    assert [name for name in sorted(verdicts) if f"`{name}`" not in page] == []
    assert [name for name in PROTOCOLS if f"`{name}`" not in page] == []
