"""Several captures together: their mean, and an interval that holds the mean of all captures there could be."""

import dataclasses

import numpy as np
import pytest

from powerlab_analysis.analysis import analyse
from powerlab_analysis.protocols import PROTOCOLS
from powerlab_analysis.repeats import Unlike, together
from powerlab_traces.chain import CurrentChain

CHAIN = CurrentChain("1146B", 0.1, 1, 0.03, 0.05, 0.005, 0.016, 0.03, 1e-6, 2e-5, 0.8, 0.4)


def captures(bench, rng, n, between=0.01, within=0.002):
    """Captures whose level (A) differs from start to start."""
    found = []
    for level in rng.normal(0.6, between, n):
        record, windows, _ = bench.active(1, rng.normal(level, within, 4), samples=20, gap=5)
        found.append(analyse(bench.run([bench.record(0, "idle", np.full(50, 0.3)), record], windows)))
    return found


@pytest.mark.parametrize("n", [2, 3, 6])
def test_the_interval_holds_the_mean_nineteen_times_in_twenty(bench, n):
    rng = np.random.default_rng(n)
    held = alone = 0
    for _ in range(200):
        found = captures(bench, rng, n)
        mean = together(found).quantities["power_total"]
        held += abs(mean.value - 19 * 0.6) <= mean.U95
        alone += abs(found[0].power_total.value - 19 * 0.6) <= found[0].power_total.U95
    assert 0.91 * 200 <= held <= 0.99 * 200
    assert alone < 0.8 * 200  # one capture does not know how captures differ


def test_the_mean_weighs_captures_alike_and_keeps_what_they_share(bench):
    found = captures(bench.but(chain=CHAIN), np.random.default_rng(1), 3)
    repeats = together(found)
    values = [it.power_total.value for it in found]
    assert repeats.quantities["power_total"].value == pytest.approx(np.mean(values))
    assert repeats.captures["power_total"].median == pytest.approx(np.median(values))
    terms = {it.name: it for it in repeats.budgets["power_total"]}
    assert terms["probe gain"].uncertainty == pytest.approx(np.mean(values) * 0.03 / np.sqrt(3))
    assert terms["spread over captures"].uncertainty == pytest.approx(np.std(values, ddof=1) / np.sqrt(3))
    assert terms["spread over captures"].dof == 2
    assert "spread over windows" not in terms


def test_zeros_of_their_own_drift_on_their_own(bench):
    limited = bench.but(chain=dataclasses.replace(CHAIN, gain_limit=0.0, scope_gain_limit=0.0))
    zero = limited.record(2, "zero", np.zeros(50))
    found = []
    for _ in range(4):
        record, windows, _ = limited.active(1, [0.6] * 4)
        records = [limited.record(0, "idle", np.full(50, 0.3)), record, zero]
        found.append(analyse(limited.run(records, windows)))
    terms = {it.name: it.uncertainty for it in together(found).budgets["power_total"]}
    assert terms["offset drift (1)"] == pytest.approx(19 * 0.005 / np.sqrt(3) / 4)
    assert {f"offset drift ({k})" for k in range(1, 5)} <= set(terms)


def test_what_one_capture_lacks_all_lack(bench):
    found = captures(bench, np.random.default_rng(1), 2)
    record, windows, _ = bench.active(0, [0.6, 0.61])
    repeats = together([*found, analyse(bench.run([record], windows))])
    assert "power_net" not in repeats.quantities
    assert "power_total" in repeats.quantities


def test_verdicts_say_which_capture_they_are_of(bench):
    found = captures(bench, np.random.default_rng(1), 2)
    record, windows, _ = bench.active(0, [0.6, 0.61, 0.6])
    clipped = analyse(bench.run([dataclasses.replace(record, clipped=np.array([60]))], windows))
    repeats = together([*found, clipped])
    assert next(it.text for it in repeats.verdicts if it.name == "clipped").startswith("capture 3: window 0")
    assert repeats.lower_bound("energy_per_image")
    assert not repeats.lower_bound("time_per_image")


def test_enough_captures_satisfy_a_protocol(bench):
    record, windows, _ = bench.active(0, [0.6] * 60, samples=1700)
    one = analyse(bench.run([record], windows), PROTOCOLS["mlperf-tiny"])
    assert [it.name for it in one.verdicts] == ["few-captures"]
    (verdict,) = together([one] * 4).verdicts
    assert verdict.text.startswith("4 captures, where mlperf-tiny asks for at least 5: capture again")
    assert not together([one] * 5).verdicts


def test_captures_of_unlike_work_are_refused(bench):
    found = captures(bench, np.random.default_rng(1), 2)
    with pytest.raises(Unlike, match="of other with batch 4 and of planted with batch 4"):
        together([found[0], dataclasses.replace(found[1], model="other")])
    with pytest.raises(Unlike, match="two or more"):
        together(found[:1])
