"""The pause between runs ends when the board is cool or steady, and never takes too long."""

import math

import pytest

from powerlab.capture import Stop
from powerlab.study.cooling import LONGEST, LOOK, Cooled, cool_down, hottest
from powerlab_traces.log import Log


class Room:
    """A board whose temperature is a function of time, which passes only while somebody sleeps."""

    def __init__(self, at) -> None:
        self.at, self.now = at, 0.0

    def temperature(self) -> float | None:
        return self.at(self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def cooled(self, seconds: float, first: float | None, stop: Stop | None = None) -> Cooled:
        return cool_down(seconds, self, first, stop=stop or Stop(), now=lambda: self.now, sleep=self.sleep)


def test_a_board_that_says_nothing_has_the_pause_alone() -> None:
    assert Room(lambda _: None).cooled(10.0, None) == Cooled(pytest.approx(10.0), None)


def test_a_board_that_is_cool_again_goes_on_at_once() -> None:
    assert Room(lambda _: 41.5).cooled(10.0, 40.0) == Cooled(pytest.approx(10.0), 41.5)


def test_a_hot_board_is_waited_for() -> None:
    cooled = Room(lambda t: 40 + 30 * math.exp(-t / 30)).cooled(10.0, 40.0)
    assert cooled.temperature <= 42
    assert 70 < cooled.seconds < 110


def test_a_board_that_has_settled_elsewhere_is_not_waited_for() -> None:
    cooled = Room(lambda t: 55 + 5 * math.exp(-t / 20)).cooled(10.0, 40.0)
    assert 55 < cooled.temperature < 56
    assert cooled.seconds < 120


def test_a_board_that_never_settles_is_waited_for_five_minutes() -> None:
    cooled = Room(lambda t: 60 + 0.1 * t).cooled(10.0, 40.0)
    assert LONGEST <= cooled.seconds <= LONGEST + LOOK


def test_a_stop_ends_the_pause() -> None:
    stop = Stop()
    room = Room(lambda _: 80.0)

    def sleep(seconds: float) -> None:
        room.now += seconds
        stop.asked = room.now > 3

    room.sleep = sleep
    assert room.cooled(10.0, 40.0, stop).seconds == pytest.approx(4.0)


def test_the_hottest_sensor_that_was_read_last() -> None:
    state = Log("board_state", {"host_ns": [1, 2], "cpu_temperature": [70.0, 50.0], "gpu_temperature": [40.0, 52.5]})
    gone = Log("board_state", {"host_ns": [1], "pmic_temperature": [None]})
    other = Log("memory", {"host_ns": [1], "odd_temperature": [99.0]})
    assert hottest((other, gone, state)) == 52.5
    assert hottest((other, gone)) is None
