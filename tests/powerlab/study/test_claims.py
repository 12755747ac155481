"""The paper's claims, held against points whose model is known."""

from dataclasses import replace

import numpy as np
import pytest

from powerlab.networks import NETWORKS
from powerlab.networks.published import published
from powerlab.study.claims import Answer, claims
from powerlab.study.claims.claim import against
from powerlab.study.claims.power import MEAN, power_change, power_claims
from powerlab.study.devicemodel import TX1
from powerlab.study.fits import memory_hinge, time_line, utilised
from powerlab.study.points import Point, label_of
from powerlab.study.tables import BEYOND, energy_ceilings, operations_budgets, speed_ups, tables, time_ceilings
from powerlab_analysis.measured import Kind, Measured, Source
from powerlab_analysis.spread import spread
from tests.powerlab.study.planted import GAIN, Model, points

SEEDS = 40


def answers(found):
    return {it.name: it.answer for it in found}


def held(value, true):
    return abs(value.value - true) <= value.U95


class TestPlantedTruth:
    def test_the_paper_is_borne_out_by_a_board_like_it(self):
        found = answers(claims(points()))
        for name in (
            "time-operations-batch-32", "time-vgg", "speed-up-alexnet", "power-level", "power-spread", "power-network",
            "power-batch", "memory-floor", "memory-slope", "density-alexnet", "density-vgg19",
            "energy-time", "dominated",
        ):  # fmt: skip
            assert found[name] is Answer.AGREES, name

    def test_what_follows_against_the_paper_is_said(self):
        found = {it.name: it for it in claims(points())}
        assert found["accuracy-lead"].answer is Answer.DIFFERS
        assert "ResNet-50" in found["accuracy-lead"].why
        assert found["slowest-network"].answer is Answer.DIFFERS

    def test_fits_hold_the_model_over_many_boards(self):
        """Slope, floor and level of power, each with its interval; times have no overhead, so the line is one."""
        model = Model(overhead=0.0, ramp=0.0)

        def one(seed):
            board = points(model, seed=seed, batches=(1, 2, 4))
            hinge, line = memory_hinge(board, 1), time_line(board, 4)
            full = spread([it.power for it in utilised(board).values()])
            change = power_change(board, utilised(board))
            return [
                held(hinge.floor, 200),
                held(hinge.slope, 1.30),
                held(line.slope * 1e3, 6.2),
                held(full.mean, 11.8),
                full.interval[0] <= 0.7 <= full.interval[1],
                held(change[0], 0.0),
            ]

        assert (np.mean([one(seed) for seed in range(SEEDS)], axis=0) >= 0.85).all()  # 95 %, less three deviations

    def test_power_that_grows_with_the_batch_is_found(self):
        board = points(Model(power_per_doubling=0.4))
        found = answers(claims(board))
        assert found["power-batch"] is Answer.DIFFERS
        change, networks, span = power_change(board, utilised(board))
        # Each network grows by 0.4 W a doubling on about 12.6 W; six doublings from 1 to 64.
        assert change.value == pytest.approx(0.4 * 6 / 12.6, rel=0.15)
        assert (networks, span) == (14, (1, 64))

    def test_power_that_grows_a_little_cannot_be_told(self):
        assert answers(claims(points(Model(power_per_doubling=0.09, noise=0.02))))["power-batch"] is Answer.UNTOLD

    def test_the_margin_decides(self):
        board = points(Model(power_per_doubling=0.4))
        assert answers(power_claims(board, margin=0.5))["power-batch"] is Answer.AGREES

    def test_networks_that_draw_different_powers_are_found(self):
        assert answers(claims(points(Model(power_scatter=4.0))))["power-network"] is Answer.DIFFERS

    def test_another_floor_and_slope_differ(self):
        found = answers(claims(points(Model(floor=400e6, slope=2.0))))
        assert found["memory-floor"] is Answer.DIFFERS
        assert found["memory-slope"] is Answer.DIFFERS

    def test_times_without_regard_to_operations_differ(self):
        found = answers(claims(points(Model(scatter=2.5), seed=4)))
        assert found["time-operations-batch-32"] is not Answer.AGREES

    def test_a_gain_error_that_all_share_is_no_spread_but_is_in_the_mean(self):
        narrow, wide = (points(Model(gain=gain, power_scatter=0.1), seed=1) for gain in (0.0, 0.1))
        small, large = (spread([it.power for it in utilised(it).values()]) for it in (narrow, wide))
        assert large.mean.U95 > 0.09 * MEAN
        assert small.mean.U95 < 0.2
        assert large.deviation == pytest.approx(small.deviation, rel=0.15)
        assert abs(large.mean.parts[GAIN]) > 5 * max(
            abs(it) for source, it in large.mean.parts.items() if source != GAIN
        )


class TestTooFewPoints:
    def test_nothing_is_guessed(self):
        found = claims(points(models=["vgg16", "alexnet"], batches=(1, 2)))
        told = {it.name for it in found if it.answer is not Answer.UNTOLD}
        assert told == {"time-vgg", "power-idle"}  # single numbers of a network, and of the board
        assert all(it.why for it in found)

    def test_no_point_at_all(self):
        assert all(it.answer is Answer.UNTOLD for it in claims(()))
        assert all(not it.rows for it in tables(()))

    def test_a_network_that_fits_no_batch(self):
        missing = {("vgg16", batch): "out of memory" for batch in (1, 2, 4)}
        found = answers(claims(points(batches=(1, 2, 4), missing=missing)))
        assert found["time-operations-batch-4"] is Answer.AGREES
        assert found["time-vgg"] is Answer.DIFFERS  # VGG-19 then, and 0.27 s at batch 4

    def test_one_batch_shows_no_plateau(self):
        found = answers(claims(points(batches=(8,))))
        assert found["power-level"] is found["power-batch"] is found["time-slope-batch"] is Answer.UNTOLD


class TestAgainst:
    @pytest.mark.parametrize(
        ("value", "u95", "answer"),
        [(200.0, 1.0, Answer.AGREES), (190.0, 6.0, Answer.AGREES), (180.0, 6.0, Answer.DIFFERS),
         (200.0, 150.0, Answer.UNTOLD)],
    )  # fmt: skip
    def test_intervals_that_meet_agree(self, value, u95, answer):
        assert against(Measured(value, {Source("noise", Kind.RANDOM): u95 / 1.96}), 195.0, 205.0) is answer


class TestTables:
    def test_speed_up(self):
        row = next(row for row in speed_ups(points()).rows if row[0] == "AlexNet")
        assert row[1:3] == (1, 64)
        assert row[3].value == pytest.approx(2.7, abs=0.1)

    def test_operations_for_a_frame_rate(self):
        model = Model(overhead=0.0, ramp=0.0, scatter=0.0, noise=0.0, gain=0.0)
        rows = {row[0]: row[1:] for row in operations_budgets(points(model)).rows}
        assert rows[10.0][0].value == pytest.approx(0.1 / 6.2e-3)
        assert rows[1.0] == (None, BEYOND)

    def test_the_ceilings_are_the_bound_in_other_words(self):
        board = points(Model(power_scatter=0.0, noise=0.0, gain=0.0))
        by_time = {row[0]: row[1] for row in time_ceilings(board).rows}
        by_energy = {row[0]: row[1] for row in energy_ceilings(board).rows}
        # At constant power 0.5 J are 42.4 ms.
        assert by_time[0.02].value < by_energy[0.5].value < by_time[0.05].value
        assert by_energy[1.0].value > by_energy[0.5].value


class TestDeviceModel:
    """The simulated board's own model, without instruments: claims come out as its constants imply."""

    def board(self, device):
        found = []
        for name in published():
            network = NETWORKS[name]
            for batch in (1, 2, 4, 8, 16, 32, 64):
                it = device.batch(name, batch)
                point = Point(
                    model=name,
                    label=label_of(name),
                    batch=batch,
                    parameters=network.parameters,
                    flops=network.count.flops,
                    top1=published()[name].top1_percent,
                    simulated=True,
                )
                if not device.fits(it):
                    found.append(replace(point, missing="out of memory"))
                    continue
                time, net = Measured(it.seconds / batch), Measured(it.watts)
                idle = Measured(device.idle_power)
                values = {"time_per_image": time, "time_per_batch": time * batch, "power_net": net, "power_idle": idle}
                values |= {"energy_per_image": (net + idle) * time, "energy_per_image_net": net * time}
                found.append(replace(point, measured=values, memory_peak=Measured(it.memory)))
        return tuple(found)

    def test_floor_slope_and_level(self):
        board = self.board(TX1)
        hinge = memory_hinge(board, 1)
        assert hinge.floor.value == pytest.approx(TX1.memory_floor / 1e6)
        assert hinge.slope.value == pytest.approx(TX1.memory_slope)
        powers = [TX1.network_power(name) for name in utilised(board)]
        found = spread([it.power for it in utilised(board).values()])
        # While it waits for a launch a network draws less than its full power, by a few per cent on the plateau.
        assert 0.93 * np.mean(powers) < found.mean.value <= np.mean(powers)
        assert found.interval[0] < np.std(powers, ddof=1) < found.interval[1]
        assert found.interval[0] < TX1.power_spread < found.interval[1]

    def test_the_slope_of_time_is_what_the_rate_implies(self):
        line = time_line(self.board(TX1), 16)
        assert line.slope.value == pytest.approx(1e9 / TX1.rate, rel=0.06)  # and its launches
        assert line.explained > 0.99

    def test_planted_growth_of_power_is_found(self):
        found = answers(claims(self.board(replace(TX1, power_per_doubling=0.05))))
        assert found["power-batch"] is Answer.DIFFERS
        # As it is, waiting for launches gets less with the batch, by about as much as the margin.
        assert answers(claims(self.board(TX1)))["power-batch"] is not Answer.DIFFERS
