"""`powerlab capture --protocol`: as much as the protocol asks for, where the user does not say it."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import MagicMock

import pytest

import powerlab as pl
import powerlab.verbs.capture as verb
from powerlab.capture import Plan
from powerlab.cli import run
from powerlab_traces.errors import PowerlabError


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Plan]:
    """The plan that a command line makes; nothing is captured."""
    plans: list[Plan] = []

    def note(_bench: object, _workload: object, plan: Plan, *_rest: object, **_more: object) -> None:
        plans.append(plan)
        raise PowerlabError("planned")

    monkeypatch.setattr(verb, "simulated_bench", lambda **_: MagicMock())
    monkeypatch.setattr(verb, "WorkloadProcess", lambda **_: nullcontext())
    monkeypatch.setattr(verb, "capture", note)

    def plan_of(*arguments: str) -> Plan:
        assert run(["capture", "--model", "vgg16", "-o", str(tmp_path / "r.h5"), *arguments]) == 2
        return plans.pop()

    return plan_of


def asked(plan: Plan) -> tuple[object, ...]:
    return (plan.wanted, plan.duration, plan.least, plan.idle, plan.warmup)


def test_a_protocol_says_how_much(planned: Callable[..., Plan]) -> None:
    assert asked(planned()) == (10, None, 0, 1.0, 3)
    assert asked(planned("--protocol", "quick")) == (10, None, 0, 1.0, 3)
    assert asked(planned("--protocol", "paper")) == (None, 61.2, 5, 60.0, 10)
    assert asked(planned("--protocol", "mlperf-tiny")) == (None, pytest.approx(10.2), 10, 1.0, 3)


def test_what_the_user_says_counts(planned: Callable[..., Plan]) -> None:
    plan = planned("--protocol", "paper", "--windows", "3", "--idle", "2s", "--warmup", "0")
    assert asked(plan) == (3, None, 0, 2.0, 0)
    assert asked(planned("--protocol", "paper", "--duration", "5s"))[:3] == (None, 5.0, 0)


def test_a_duration_is_not_enough_before_there_are_enough_windows(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(memory=100_000)
    path = virtual.capture(tmp_path / "r.h5", seconds=0.4, windows=None, duration=0.5, least=5)
    assert len(pl.analyse(path).kept) == 5


def test_a_capture_by_a_protocol_satisfies_it(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(memory=100_000)
    path = virtual.capture(tmp_path / "r.h5", seconds=0.9, windows=None, duration=10.2, least=10)
    assert [it.name for it in pl.analyse(path, "mlperf-tiny").verdicts] == ["few-captures"]


def test_an_unknown_protocol_is_named(tmp_path: Path) -> None:
    with pytest.raises(PowerlabError, match="no protocol is called 'mlperf'; there are quick, paper, mlperf-tiny"):
        pl.analyse(tmp_path / "r.h5", "mlperf")
