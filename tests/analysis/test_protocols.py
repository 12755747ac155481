"""What each protocol asks for, one thing at a time."""

import dataclasses

import numpy as np
import pytest

from powerlab_analysis.analysis import analyse
from powerlab_analysis.calibration import ZERO_LIFETIME
from powerlab_analysis.protocols import PROTOCOLS, QUICK, Protocol
from powerlab_traces.chain import CurrentChain
from powerlab_traces.log import Log

ASKS = {
    "few-windows": {"windows": 4},
    "short": {"seconds": 0.07},
    "few-captures": {"captures": 2},
    "warm-up": {"warm_up": 4},
    "few-idle-records": {"idle_records": 2},
    "short-idle": {"idle_seconds": 0.06},
    "no-zero": {"zero": True},
    "uncertainty": {"uncertainty": 1e-9},
}


def run(bench, zero_at: float | None = None, warm_up: int | None = 3):
    """Three windows of 20 ms, one idle record of 50 ms before them, and a zero so many seconds away from them."""
    records = [bench.record(0, "idle", np.full(500, 0.3))]
    active, windows, _ = bench.active(1, [0.6, 0.61, 0.6])
    records.append(dataclasses.replace(active, armed=10**12))
    if zero_at is not None:
        zero = bench.record(2, "zero", np.zeros(500))
        records.append(dataclasses.replace(zero, armed=10**12 + int(zero_at * 1e9)))
    logs = {} if warm_up is None else {"warm_up": Log("warm_up", {"seconds": [0.1] * warm_up}, {"seconds": "s"})}
    return dataclasses.replace(bench.run(records, windows), logs=logs)


def names(run, protocol):
    return {it.name for it in analyse(run, protocol).verdicts}


@pytest.mark.parametrize(("name", "asks"), ASKS.items())
def test_each_threshold_is_judged_by_itself(bench, name, asks):
    found = {it.name: it for it in analyse(run(bench), Protocol("mine", "", **asks)).verdicts}
    assert set(found) == {name}
    assert "mine" in found[name].text
    assert (found[name].effect == "refuse") == (name == "uncertainty")


@pytest.mark.parametrize("asks", [{"windows": 3}, {"seconds": 0.059}, {"warm_up": 3}, {"idle_records": 1}])
def test_what_is_just_enough_is_enough(bench, asks):
    assert not names(run(bench), Protocol("mine", "", **asks))


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_zero_ages_before_and_after_whatever_the_protocol(bench, sign):
    asks = Protocol("mine", "", zero=True)
    assert not names(run(bench, zero_at=sign * (ZERO_LIFETIME - 1)), asks)
    assert names(run(bench, zero_at=sign * (ZERO_LIFETIME + 1)), asks) == {"zero-old"}
    assert names(run(bench, zero_at=sign * (ZERO_LIFETIME + 1)), QUICK) == {"zero-old"}


def test_a_run_that_does_not_say_how_it_was_warmed_up_is_not_accused(bench):
    assert not names(run(bench, warm_up=None), Protocol("mine", "", warm_up=9))


def test_an_uncertainty_that_is_refused_leaves_no_number(bench):
    limited = bench.but(chain=CurrentChain("1146B", 0.1, 1, 0.03, 0.05, 0.005, 0.016, 0.03, 3e-3, 2e-5))
    result = analyse(run(limited), PROTOCOLS["mlperf-power"])
    assert result.power_total is result.energy_per_image is result.power_idle is None
    assert result.time_per_batch is not None
    assert "where mlperf-power rejects more than 1%" in result.refusal("energy_per_image").text


def test_quick_asks_for_nothing_of_a_sound_run(bench):
    assert analyse(run(bench)).protocol == QUICK.name == "quick"
    assert not names(run(bench), QUICK)
    assert list(PROTOCOLS) == ["quick", "paper", "mlperf-tiny", "mlperf-power"]
