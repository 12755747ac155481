"""The fits of a study hold what was planted in about 95 of 100 cases, whatever the points have in common."""

import math

import numpy as np
import pytest
from scipy.optimize import linprog

from powerlab_analysis.carried import alone, carried, in_common
from powerlab_analysis.dominance import dominated
from powerlab_analysis.equivalence import Within, interval_within, within
from powerlab_analysis.hinge import hinge
from powerlab_analysis.measured import Kind, Measured, Source
from powerlab_analysis.plateau import full_utilisation
from powerlab_analysis.regression import rank_correlation, regression
from powerlab_analysis.spread import spread
from powerlab_analysis.upperbound import QUANTILE, upper_bound

GIGA = np.array([1.44, 1.30, 2.52, 1.57, 3.18, 30.97, 39.3, 3.63, 7.34, 8.2, 15.65, 23.1, 11.46, 24.57])
MEGABYTES = 4 * np.array([60.97, 60.54, 8.66, 5.86, 7.0, 138.4, 143.7, 11.7, 21.8, 25.6, 44.6, 60.3, 23.9, 42.7])
GAIN = Source("gain")
SEEDS = 200
# Of 200 cases, 95 % and what a binomial number of them scatters by, with the few per cent that approximations cost.
LEAST = 0.90


def exact(values):
    return [Measured(float(it)) for it in values]


def share(one):
    """In how many of the cases each of several things holds."""
    return np.mean([one(np.random.default_rng(seed)) for seed in range(SEEDS)], axis=0)


def holds(value, true):
    return abs(value.value - true) <= value.U95


class TestErrorsInCommon:
    def test_only_systematic_sources_of_several_values_are_in_common(self):
        noise = Source("noise", Kind.RANDOM, 5)
        values = [Measured(1.0, {GAIN: 0.1, noise: 0.2}), Measured(2.0, {GAIN: 0.2, Source("own"): 0.1})]
        assert in_common(values) == (GAIN,)
        assert [it.u for it in alone(values)] == pytest.approx([0.2, 0.1])

    def test_an_error_in_common_goes_through_the_estimate(self):
        values = [Measured(1.0, {GAIN: 0.1}), Measured(2.0, {GAIN: 0.2}), Measured(6.0, {GAIN: 0.6})]
        assert carried(lambda it: float(it.mean()), values) == {GAIN: pytest.approx(0.3)}
        assert carried(lambda it: float(it[2] / it[0]), values) == {GAIN: pytest.approx(0.0, abs=1e-12)}


class TestRegression:
    def test_an_exact_line_is_found_exactly(self):
        found = regression(GIGA, exact(5 + 6 * GIGA))
        assert found.slope.value == pytest.approx(6)
        assert found.intercept.value == pytest.approx(5)
        assert found.explained == pytest.approx(1)
        assert found.at(10).value == pytest.approx(65)
        assert found.x_for(65).value == pytest.approx(10)

    def test_its_intervals_hold_the_planted_line(self):
        def one(rng):
            gain = 0.03 * rng.uniform(-1, 1)
            times = (5 + 6 * GIGA) * (1 + rng.normal(0, 0.05, 14)) * (1 + gain)
            found = regression(GIGA, [Measured(it, {GAIN: it * 0.03 / math.sqrt(3)}) for it in times])
            return [
                holds(found.slope, 6),
                holds(found.intercept, 5),
                holds(found.at(20), 125),
                holds(found.x_for(125), 20),
                found.explained_interval[0] <= found.explained <= found.explained_interval[1],
            ]

        covered = share(one)
        assert (covered >= LEAST).all()
        assert covered[1] < 1  # and is no wider than it has to be

    def test_a_gain_in_common_is_no_scatter_and_does_not_shrink(self):
        gained = regression(GIGA, [Measured(it, {GAIN: 0.05 * it}) for it in 6 * GIGA])
        assert gained.slope.u == pytest.approx(0.05 * 6, rel=1e-6)
        assert gained.deviation == pytest.approx(0, abs=1e-9)

    def test_too_few_points_make_no_line(self):
        assert regression(GIGA[:4], exact(GIGA[:4])) is None
        assert regression([1.0] * 6, exact(range(6))) is None

    def test_rank_correlation(self):
        rho, low, high = rank_correlation(GIGA, GIGA**3)
        assert rho == pytest.approx(1)
        rho, low, high = rank_correlation([1, 2, 2, 3, 4, 5], [2.0, 1.0, 3.0, 3.0, 6.0, 5.0])
        assert rho == pytest.approx(0.8088, abs=1e-3)  # by hand, ties sharing their ranks
        assert low < rho < high


class TestHinge:
    def test_an_exact_hinge_is_found_exactly(self):
        found = hinge(MEGABYTES, exact(np.maximum(200, 1.3 * MEGABYTES)))
        assert found.floor.value == pytest.approx(200)
        assert found.slope.value == pytest.approx(1.3)
        assert found.rising == 7
        assert found.knee.value == pytest.approx(200 / 1.3)

    def test_its_intervals_hold_what_was_planted(self):
        def one(rng):
            found = hinge(MEGABYTES, exact(np.maximum(200, 1.3 * MEGABYTES) * np.exp(rng.normal(0, 0.05, 14))))
            return [holds(found.floor, 200), holds(found.slope, 1.3)]

        covered = share(one)
        assert (covered >= LEAST).all()
        assert covered.min() < 1

    def test_a_line_without_a_floor_is_no_hinge(self):
        assert hinge(MEGABYTES[:3], exact([200.0, 200.0, 200.0])) is None
        assert hinge(MEGABYTES, exact(1.3 * MEGABYTES)) is None


class TestUpperBound:
    def test_it_is_the_line_of_least_check_loss(self):
        rng = np.random.default_rng(3)
        x = rng.uniform(1, 80, 14)
        y = 80 - 0.3 * x - rng.exponential(4.0, 14)
        ones, eye = np.ones((14, 1)), np.eye(14)
        # minimise q * above + (1 - q) * below, where y = a + b x + above - below
        best = linprog(
            np.concatenate([[0, 0], np.full(14, QUANTILE), np.full(14, 1 - QUANTILE)]),
            A_eq=np.hstack([ones, x[:, None], eye, -eye]),
            b_eq=y,
            bounds=[(None, None)] * 2 + [(0, None)] * 28,
        )
        found = upper_bound(x, y)
        assert [found.intercept.value, found.slope.value] == pytest.approx(best.x[:2], abs=1e-6)

    def test_its_intervals_hold_what_was_planted(self):
        def one(rng):
            x = np.exp(rng.uniform(math.log(4), math.log(80), 14))
            below = rng.exponential(4.0, 14) + 4 * math.log(QUANTILE)  # whose quantile of 5 % is 0
            found = upper_bound(x, 80 - 0.3 * x - below)
            return [holds(found.slope, -0.3), holds(found.intercept, 80), holds(found.at(20.0), 74)]

        assert (share(one) >= LEAST).all()

    def test_the_same_points_give_the_same_interval(self):
        x, y = np.arange(10.0), 80 - np.arange(10.0) % 4
        first, second = upper_bound(x, y), upper_bound(x, y)
        assert (first.slope.u, first.intercept.u) == (second.slope.u, second.intercept.u)

    def test_too_few_points_have_no_bound(self):
        assert upper_bound(range(7), range(7)) is None
        assert upper_bound([1.0] * 9, range(9)) is None


class TestSpread:
    def test_its_intervals_hold_what_was_planted(self):
        def one(rng):
            gain = 0.05 * rng.uniform(-1, 1)
            powers = rng.normal(11.8, 0.7, 14) * (1 + gain) + rng.normal(0, 0.2, 14)
            found = spread(
                [
                    Measured(it, {GAIN: it * 0.05 / math.sqrt(3), Source(f"noise {k}", Kind.RANDOM): 0.2})
                    for k, it in enumerate(powers)
                ]
            )
            return [holds(found.mean, 11.8), found.interval[0] <= 0.7 <= found.interval[1]]

        covered = share(one)
        assert (covered >= LEAST).all()
        assert covered[1] < 1

    def test_what_measurement_adds_is_taken_off(self):
        values = [Measured(10 + k, {Source(f"noise {k}", Kind.RANDOM): 10.0}) for k in range(4)]
        assert spread(values).deviation == 0
        assert spread(values[:1]) is None


class TestEquivalence:
    @pytest.mark.parametrize(
        ("value", "u", "answer"),
        [(0.01, 0.01, Within.INSIDE), (0.2, 0.01, Within.OUTSIDE), (-0.2, 0.01, Within.OUTSIDE),
         (0.04, 0.02, Within.UNDECIDED), (0.0, 0.2, Within.UNDECIDED)],
    )  # fmt: skip
    def test_only_a_whole_interval_decides(self, value, u, answer):
        assert within(Measured(value, {Source("noise", Kind.RANDOM): u}), 0.05) is answer

    def test_an_interval_that_is_not_symmetric(self):
        assert interval_within(0.0, 0.05, 0.05) is Within.INSIDE
        assert interval_within(0.06, 0.5, 0.05) is Within.OUTSIDE
        assert interval_within(0.01, 0.5, 0.05) is Within.UNDECIDED


class TestPlateau:
    def times(self, **values):
        return {int(batch[1:]): Measured(value) for batch, value in values.items()}

    def test_the_first_batch_from_which_on_time_holds_still(self):
        assert full_utilisation(self.times(b1=3.0, b2=1.5, b4=1.05, b8=1.0, b16=1.02)) == 4
        assert full_utilisation(self.times(b1=1.0, b2=1.0)) == 1

    def test_one_batch_is_no_plateau(self):
        assert full_utilisation(self.times(b1=4.0, b2=2.0, b4=1.0)) is None
        assert full_utilisation(self.times(b8=1.0)) is None
        assert full_utilisation({}) is None

    def test_a_time_that_may_be_on_it_is(self):
        noise = Source("noise", Kind.RANDOM)
        assert full_utilisation({1: Measured(1.15, {noise: 0.2}), 2: Measured(1.0)}) == 1


class TestDominance:
    def test_the_beaten_are_named_with_the_cheapest_that_beats_them(self):
        worth = {"vgg": 70.6, "resnet": 73.3, "small": 60.0, "middle": 70.7}
        cost = {"vgg": Measured(3.0), "resnet": Measured(0.8), "small": Measured(0.1), "middle": Measured(1.0)}
        found = dominated(worth, cost)
        assert [(it.name, it.by) for it in found] == [("vgg", "resnet"), ("middle", "resnet")]
        assert found[0].saved.value == pytest.approx(2.2)

    def test_within_the_uncertainty_nobody_is_beaten(self):
        cost = {name: Measured(value, {Source(name, Kind.RANDOM): 0.2}) for name, value in (("a", 1.0), ("b", 0.9))}
        assert not dominated({"a": 70.0, "b": 71.0}, cost)

    def test_what_both_have_in_common_cancels(self):
        cost = {name: Measured(value, {GAIN: 0.3 * value}) for name, value in (("a", 1.0), ("b", 0.5))}
        assert [it.name for it in dominated({"a": 70.0, "b": 71.0}, cost)] == ["a"]
