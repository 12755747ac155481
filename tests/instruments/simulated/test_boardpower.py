"""What a board draws can be given, its truth follows, and another session is the same bench with other noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.board import Board, mean_share
from powerlab_instruments.simulated.marker import Marker
from powerlab_instruments.simulated.source import Source

SECOND = 1_000_000_000


def pulsed(length: float, **power: float) -> Board:
    board = Board(Marker(), np.random.default_rng(3), **power)
    board.feed(Source(0, 19.0, 5.0))
    board.marker.edge(SECOND, high=True)
    board.marker.edge(SECOND + round(length * SECOND), high=False)
    return board


@given(length=st.floats(5e-3, 5.0), ramp=st.floats(1e-4, 5e-3), active=st.floats(1.0, 30.0))
def test_the_mean_share_is_what_the_board_draws(length: float, ramp: float, active: float) -> None:
    board = pulsed(length, idle_power=2.0, active_power=active, ramp=ramp)
    level = board._level(0)
    assert level == pytest.approx(active, rel=0.03)
    [truth] = board.truth()
    mean = truth.energy / ((truth.stop - truth.start) * 1e-9)
    # The ripple is not in it: over whole periods it is zero, and over a part of one very little.
    assert mean - 2.0 == pytest.approx(level * mean_share(length, ramp), rel=0.004)


def test_an_idle_board_draws_what_it_was_given() -> None:
    board = pulsed(1.0, idle_power=2.5)
    current, voltage, _ = board.draw(SECOND // 2, np.linspace(0, 0.4, 5))
    assert current * voltage == pytest.approx(2.5)


def test_a_strong_board_is_held_by_the_supplys_limit() -> None:
    board = pulsed(1.0, active_power=120.0)
    assert board.limited(SECOND, 2 * SECOND)
    assert not pulsed(1.0, active_power=60.0).limited(SECOND, 2 * SECOND)


def test_another_session_is_the_same_bench_with_other_noise() -> None:
    def bench(number: int, session: int) -> tuple[object, ...]:
        with SimulatedBench(seed=7, session=session, virtual=True, gpib_board=700 + number) as it:
            front = it.digitiser
            errors = (it.probe.offset, it.probe.gain_error, front.gains[0], front.offsets[0], front.time_error)
            return errors, front._noise_seed, it.board._level(0)

    first, again, other = bench(0, 0), bench(1, 0), bench(2, 5)
    assert first == again
    assert other[0] == first[0]
    assert other[1] != first[1]
    assert other[2] != first[2]
