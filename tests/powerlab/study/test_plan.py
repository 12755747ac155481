"""A plan holds every run once, in an order that its seed gives, and survives its file."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.benchfile import TEMPLATE
from powerlab.networks import NetworkError
from powerlab.study.duration import batch_seconds, run_seconds
from powerlab.study.plan import StudyPlan, file_names, models_of, order_of
from powerlab.study.planning import check_same, new_plan
from powerlab.study.table import StudyError
from powerlab.workload import WorkloadError
from powerlab_traces.errors import PowerlabError


def plan(task: dict[str, object] | None = None, **given: object) -> StudyPlan:
    return new_plan({"models": "alexnet,vgg16", "batches": (1, 4), **given}, task=task or {})


@given(
    models=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4, unique=True),
    batches=st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True),
    repeats=st.integers(1, 4),
    seed=st.integers(0, 2**64),
)
def test_every_run_once_and_every_point_once_a_round(
    models: list[str], batches: list[int], repeats: int, seed: int
) -> None:
    order = order_of(models, batches, repeats, seed)
    assert Counter(order) == Counter(
        (model, batch, repeat) for model in models for batch in batches for repeat in range(1, repeats + 1)
    )
    assert [repeat for _, _, repeat in order] == sorted(repeat for _, _, repeat in order)
    assert order == order_of(models, batches, repeats, seed)


def test_the_seed_makes_the_order() -> None:
    orders = {order_of(["a", "b", "c"], [1, 2, 4], 2, seed) for seed in range(20)}
    assert len(orders) == 20


@given(st.lists(st.text(min_size=1), max_size=6, unique=True))
def test_file_names_differ(models: list[str]) -> None:
    names = file_names(models)
    assert list(names) == models
    assert len(set(names.values())) == len(models)


def test_all_are_the_papers() -> None:
    found = models_of("all")
    assert len(found) == 14
    assert "googlenet-factorised" not in found


@pytest.mark.parametrize(("text", "said"), [(",", "names no network"), ("enet,enet", "twice")])
def test_no_networks(text: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        models_of(text)
    with pytest.raises(NetworkError, match="did you mean vgg16"):
        models_of("enet,vgg61")


def test_a_plan_survives_its_file() -> None:
    made = plan(board="tx1", repeats=2, seed=5)
    again = StudyPlan.parse(made.text().encode(), "plan.json")
    assert again == made
    assert again.model_of_device == made.model_of_device
    assert len(again.runs) == 8
    assert len({run.file for run in again.runs}) == 8
    real = plan(seed=7, task={"threads": 2, "input_shape": (3, 64, 64)})
    again = StudyPlan.parse(real.text().encode(), "plan.json")
    task = again.capture(again.runs[0]).task
    assert (task.threads, task.input_shape) == (2, (3, 64, 64))
    assert task.seed == 7 + again.runs[0].repeat - 1


@pytest.mark.parametrize("text", [b"", b"{}", b'{"schema": "powerlab.plan/2"}', b"[1]"])
def test_no_plan(text: bytes) -> None:
    with pytest.raises(StudyError, match="is no plan that this powerlab knows"):
        StudyPlan.parse(text, "plan.json")


def test_defaults() -> None:
    assert plan().asked.repeats == 3
    assert plan().asked.cooldown == 0
    assert plan(protocol="mlperf-tiny").asked.repeats == 5
    assert plan(protocol="paper").asked.warmup == 10
    paper = plan(protocol="paper")
    capture = paper.capture(paper.runs[0])
    assert capture.duration == pytest.approx(60, rel=0.05)
    assert (capture.least, capture.idle, capture.windows) == (5, 60, None)
    assert plan(protocol="paper", idle=2.0).asked.idle == 2


def test_a_bench_file_has_a_pause_and_must_stay_as_it_is(tmp_path: Path) -> None:
    bench = tmp_path / "bench.toml"
    bench.write_text(TEMPLATE)
    made = plan(bench=bench)
    assert made.asked.cooldown == 10
    assert made.simulated is None
    check_same(made, {"bench": bench}, tmp_path)
    bench.write_text(TEMPLATE.replace("19.0 ", "12.0 "))
    with pytest.raises(StudyError, match=r"bench\.toml has changed"):
        check_same(made, {}, tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"batches": (1, 2)}, "--batches was 1,4 and is 1,2"),
        ({"models": "alexnet"}, "--models was alexnet,vgg16 and is alexnet"),
        ({"repeats": 1}, "--repeats was 3 and is 1"),
        ({"duration": 3.0}, "--duration was not given and is 3"),
        ({"threads": 4}, "--threads is another"),
    ],
)
def test_another_plan_is_refused(given: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=said):
        check_same(plan(task={"threads": 2}), given, tmp_path)
    check_same(plan(task={"threads": 2}), {"batches": (1, 4), "threads": 2}, tmp_path)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"board": "tx1", "threads": 2}, StudyError, "--threads makes no sense with --board tx1"),
        ({"board": "tx1", "bench": "bench.toml"}, PowerlabError, "bench"),
        ({"board": "tx1", "models": "torchvision:resnet50"}, PowerlabError, "powerlab's own table"),
        ({"duration": 0.0}, StudyError, "--duration: "),
    ],
)
def test_what_does_not_go_together(given: dict[str, object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        plan(**given)


def test_options_that_make_no_sense_for_a_model_are_refused() -> None:
    with pytest.raises(WorkloadError, match="--compile makes no sense"):
        new_plan({"models": "net.onnx", "batches": (1,)}, task={"compile": True})


def test_durations() -> None:
    made = plan(board="tx1")
    capture, device = made.capture(made.runs[0]), made.model_of_device
    assert batch_seconds("vgg19", 64, device) == 0  # it does not fit
    assert batch_seconds("vgg16", 1, None) == pytest.approx(30.97e9 / 50e9, rel=0.01)
    # Idle twice and a zero of a second each, half a second of boot, ten batches of warm-up; ten windows in two records.
    assert run_seconds(0.2, capture, start=0.0) == pytest.approx(3 + 0.5 + 2 + 2 * 2)
    # A window of 13 s does not fit records of less than 32 s; within the 10 s given the warm-up has one batch, and
    # has three all the same.
    assert run_seconds(13.0, capture, start=0.0) == pytest.approx(3.5 + 3 * 13 + 5 * 32)
    assert json.loads(made.text())["seconds"] == made.seconds > 0
