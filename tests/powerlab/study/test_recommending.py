"""Which points meet a need: only those whose whole intervals do."""

from dataclasses import replace

import pytest

from powerlab.amounts import amount
from powerlab.study.recommending import Meets, recommend, those
from powerlab_analysis.measured import Kind, Measured, Source
from tests.powerlab.study.planted import points

POINTS = points()


def with_time(value, u95, batch=1):
    point = next(it for it in POINTS if it.model == "enet" and it.batch == batch)
    noise = {Source("noise", Kind.RANDOM): u95 / 1.959964}
    return replace(point, measured=dict(point.measured) | {"time_per_batch": Measured(value, noise)})


def test_those_that_qualify_come_first_by_energy():
    found = recommend(POINTS, {"max_latency": 0.1, "min_top1": 70.0, "max_energy": 1.0})
    chosen = those(found, Meets.QUALIFIES)
    assert chosen
    energies = [it.point.measured["energy_per_image"].value for it in chosen]
    assert energies == sorted(energies)
    for it in chosen:
        assert it.point.measured["time_per_batch"].value + it.point.measured["time_per_batch"].U95 <= 0.1
        assert it.point.top1 >= 70
    assert found[: len(chosen)] == chosen


@pytest.mark.parametrize(
    ("value", "meets"), [(0.040, Meets.QUALIFIES), (0.0495, Meets.UNDECIDED), (0.0505, Meets.UNDECIDED),
                         (0.060, Meets.FAILS)],
)  # fmt: skip
def test_a_limit_within_the_interval_is_undecided(value, meets):
    (found,) = recommend([with_time(value, 0.001)], {"max_latency": 0.050})
    assert found.meets is meets
    assert found.held["max_latency"].margin == pytest.approx((0.050 - value) / 0.001, rel=1e-3)


def test_latency_is_that_of_the_whole_batch():
    found = recommend(POINTS, {"max_latency": 0.05})
    enet = {it.point.batch: it.meets for it in found if it.point.model == "enet"}
    assert enet[1] is Meets.QUALIFIES
    assert enet[64] is Meets.FAILS  # though an image takes 11 ms


def test_an_accuracy_has_the_uncertainty_of_its_images():
    found = recommend(POINTS, {"min_top1": 70.5})
    assert {it.point.label: it.meets for it in found}["VGG-16"] is Meets.UNDECIDED  # 70.62, +- 0.40
    assert {it.point.label: it.meets for it in found}["ResNet-34"] is Meets.QUALIFIES


def test_what_is_not_known_is_undecided():
    unknown = replace(POINTS[0], top1=None, memory_peak=None)
    for limits in ({"min_top1": 10.0}, {"max_memory": 1e12}):
        assert recommend([unknown], limits)[0].meets is Meets.UNDECIDED


def test_memory_without_scatter_is_exact():
    found = recommend(POINTS, {"max_memory": 250e6})
    meets = {(it.point.label, it.point.batch): it.meets for it in found}
    assert meets["ENet", 1] is Meets.QUALIFIES
    assert meets["VGG-16", 1] is Meets.FAILS


def test_points_without_a_measurement_are_no_candidates():
    assert not any(it.point.missing for it in recommend(POINTS, {"min_top1": 0.0}))


@pytest.mark.parametrize(("text", "unit", "value"), [("50ms", "s", 0.05), ("1.5 J", "J", 1.5), ("2e3 mJ", "J", 2.0),
                                                     ("500MB", "B", 5e8), ("3\u00b5s", "s", 3e-6)])  # fmt: skip
def test_amounts(text, unit, value):
    assert amount(text, unit) == pytest.approx(value)


@pytest.mark.parametrize("text", ["50", "50 W", "ms", "-1 s", "5 qs", "1_0 s"])
def test_what_is_no_amount(text):
    with pytest.raises(ValueError, match="is no amount"):
        amount(text, "s")
