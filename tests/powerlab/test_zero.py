"""`powerlab zero` on the simulated bench: what it measures, what a capture makes of it, and what makes it void."""

import dataclasses
import datetime as dt
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.calibration import (
    CalibrationEntry,
    CalibrationFile,
    CalibrationFileError,
    Conditions,
    ZeroEntry,
    age_of,
    calibration_path,
    drift_of,
    known_of,
)
from powerlab.cli import run
from powerlab_analysis.calibration import ZERO_LIFETIME
from powerlab_analysis.result import Result
from powerlab_instruments.screen import Screen
from powerlab_traces.chain import ScreenLine, ScreenZero
from powerlab_traces.store import open_run

NOW = dt.datetime(2026, 1, 2, 12, 0, tzinfo=dt.UTC)
HERE = Conditions(scope="a scope 1", channel=1, supply="a supply 0", probe="1146B", sensitivity=0.1, turns=1)
SCREEN = Screen(0.8, 0.4)


def leave(desk):
    """A board that is on, and that powerlab may not switch."""
    desk.edit('output = "on"', 'output = "leave"')
    desk.switch_on()


def zero(desk, *arguments: str) -> list[ZeroEntry]:
    assert run(["zero", *arguments]) == 0
    return list(CalibrationFile.load(desk.calibration).zeros)


def terms(result: Result) -> dict[str, float]:
    return {it.name: it.uncertainty for it in result.budgets["power_total"]}


def true_zero(desk, screen: Screen) -> float:
    """What the simulated probe and scope show of no current, in A."""
    sim, setup = desk.simulator, screen.full_scale
    volts = 0.1 * setup / 8 / 10 + 2e-3 + 0.01 * screen.centre / 10  # the limit of the scope's offset
    error = sim.digitiser.offsets[0] * volts * 10
    return screen.centre + (sim.probe.offset - screen.centre) * (1 + sim.digitiser.gains[0]) + error


def backdate(desk, seconds: float, entry: int = -1) -> None:
    said = json.loads(desk.calibration.read_text())
    taken = dt.datetime.fromisoformat(said["zeros"][entry]["taken"]) - dt.timedelta(seconds=seconds)
    said["zeros"][entry]["taken"] = taken.isoformat()
    desk.calibration.write_text(json.dumps(said))


# The verb.


def test_a_board_that_is_off_is_zeroed_at_once(desk: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    it = desk()
    [entry] = zero(it)
    out = capsys.readouterr().out
    assert out.startswith("SIMULATED")
    assert "bench.calibration.json" in out
    assert entry.how == "output off"
    assert not it.simulator.supply.output
    [(screen, found)] = entry.screens
    assert screen == SCREEN
    assert found.current == pytest.approx(true_zero(it, screen), abs=1e-3)
    assert 1e-6 < found.u < 1e-3


def test_every_screen_that_may_be_used_is_zeroed(desk: Callable) -> None:
    it = desk(seed=3)
    it.edit("full_scale = 0.8\ncentre = 0.4", 'full_scale = "auto"')
    [entry] = zero(it)
    scales = [screen.full_scale for screen, _ in entry.screens]
    assert scales == sorted(scales, reverse=True)
    assert len(scales) >= 3
    for screen, found in entry.screens:
        assert found.current == pytest.approx(true_zero(it, screen), abs=1e-3)


def test_the_object_is_alone_on_stdout(desk: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    it = desk()
    zero(it)
    capsys.readouterr()
    zero(it, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "powerlab.zero/1"
    assert found["simulated"] is True
    assert found["zero"]["how"] == "output off"
    assert found["drift"]["limit"] > 0


def test_a_capture_on_a_running_board_uses_it(desk: Callable) -> None:
    it = desk(seed=1)
    zero(it)
    leave(it)
    before = it.calibration.read_bytes()
    result = it.capture("zeroed.h5")
    it.calibration.rename("aside")
    plain = it.capture("plain.h5")
    assert "offset drift" in terms(result)
    assert "probe offset" not in terms(result)
    assert {"probe offset", "scope offset"} <= terms(plain).keys()
    assert result.power_idle.U95 < plain.power_idle.U95 / 4
    for found in (result, plain):
        assert abs(found.power_total.value - found.truth.power) <= found.power_total.U95
    assert Path("aside").read_bytes() == before
    # The run says what was applied; its codes are as ever.
    chain = open_run("zeroed.h5").chain
    [stored] = chain.zeros
    assert chain.zeroed
    assert 0 <= chain.zero_age < 60
    assert open_run("zeroed.h5").records[0].current.offset == stored.screen
    assert open_run("plain.h5").chain.zeros == ()


def test_a_zero_on_chosen_screens_is_that_of_the_one_that_is_chosen(desk: Callable) -> None:
    it = desk(seed=4)
    it.edit("full_scale = 0.8\ncentre = 0.4", 'full_scale = "auto"')
    zero(it)
    leave(it)
    result = it.capture("r.h5")
    assert "offset drift" in terms(result)
    assert not any("zero" in note for note in result.notes)


def test_turns_count(desk: Callable) -> None:
    it = desk(seed=2, turns=5)
    it.edit("current_limit = 2.0", "current_limit = 1.5")
    [entry] = zero(it)
    assert entry.conditions.turns == 5
    [(_, found)] = entry.screens
    assert abs(found.current) < 0.05 / 5 + 0.02
    leave(it)
    it.simulator.supply.current = 1.5
    result = it.capture("r.h5")
    assert terms(result)["offset drift"] == pytest.approx(19 * 0.001 / 3**0.5, rel=0.01)
    assert abs(result.power_total.value - result.truth.power) <= result.power_total.U95


# With the board on.


def test_the_clamp_is_opened_when_asked(desk: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    it = desk()
    leave(it)
    probe = it.simulator.probe
    asked: list[str] = []

    def user(text: str) -> None:
        asked.append(text)
        it.simulator.digitiser.probe = dataclasses.replace(probe, turns=0) if "open the clamp" in text else probe

    monkeypatch.setattr("powerlab.verbs.zero.wait_for_user", user)
    [entry] = zero(it)
    assert entry.how == "clamp open"
    assert len(asked) == 2
    assert "round the lead again" in asked[1]
    assert it.simulator.supply.output
    [(screen, found)] = entry.screens
    assert found.current == pytest.approx(true_zero(it, screen), abs=1e-3)


def test_a_clamp_that_stays_closed_is_found_out(
    desk: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    it = desk()
    leave(it)
    monkeypatch.setattr("powerlab.verbs.zero.wait_for_user", lambda _: None)
    assert run(["zero"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "still round the lead" in line
    assert not it.calibration.exists()


def test_the_user_may_switch_the_board_off_instead(desk: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    it = desk()
    leave(it)

    def user(_text: str) -> None:
        it.simulator.supply.output = False
        it.simulator.supply.changed("output")

    monkeypatch.setattr("powerlab.verbs.zero.wait_for_user", user)
    assert [entry.how for entry in zero(it)] == ["output off"]


def test_nobody_at_the_terminal(
    desk: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    it = desk()
    leave(it)
    with Path("/dev/null").open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert run(["zero"]) == 2
    assert "nobody is there" in capsys.readouterr().err
    assert not it.calibration.exists()
    assert it.simulator.supply.output


def test_it_switches_a_running_board_only_when_both_say_so(
    desk: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    it = desk()
    leave(it)
    assert run(["zero", "--power"]) == 2
    assert 'output = "on"' in capsys.readouterr().err
    assert it.simulator.supply.output
    it.edit('output = "leave"', 'output = "on"')
    seen: list[bool] = []
    fetch = it.simulator.digitiser.analog
    monkeypatch.setattr(
        it.simulator.digitiser,
        "analog",
        lambda *some, **more: seen.append(it.simulator.supply.output) or fetch(*some, **more),
    )
    [entry] = zero(it, "--power")
    assert entry.how == "output off"
    assert seen == [False]
    assert it.simulator.supply.output


def test_an_interrupted_zero_leaves_board_and_file_as_they_were(
    desk: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = desk()
    zero(it)
    before = it.calibration.read_bytes()
    it.switch_on()

    def interrupted(*_: object, **__: object) -> None:
        assert not it.simulator.supply.output
        raise KeyboardInterrupt

    monkeypatch.setattr("powerlab.zeroing.acquire", interrupted)
    assert run(["zero", "--power"]) == 130
    assert it.simulator.supply.output
    assert it.calibration.read_bytes() == before
    assert [path.name for path in it.folder.iterdir() if "calibration" in path.name] == ["bench.calibration.json"]


@pytest.mark.parametrize(("away", "refused"), [(0.040, False), (0.020, True)])
def test_the_tail_of_the_noise_may_clip(
    desk: Callable, capsys: pytest.CaptureFixture[str], away: float, refused: bool
) -> None:
    """A zero four standard deviations of the noise from where the scope clips, or two."""
    here = desk(seed=1)
    scope = here.simulator.digitiser
    clips = SCREEN.centre - 127 / 199 * SCREEN.full_scale
    there = clips + away - (true_zero(here, SCREEN) - here.simulator.probe.offset)
    scope.probe = dataclasses.replace(scope.probe, offset=there, drift=0.0)
    assert run(["zero"]) == (2 if refused else 0)
    assert ("and clips on the screen" in capsys.readouterr().err) is refused


def test_another_current_in_the_clamp_is_no_zero(desk: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    it = desk()
    it.simulator.digitiser.probe = dataclasses.replace(it.simulator.probe, offset=0.35)
    assert run(["zero"]) == 2
    assert "is no zero of this probe" in capsys.readouterr().err
    assert not it.calibration.exists()


# What makes it void.


def notes_of(desk, name: str = "r.h5") -> str:
    result = desk.capture(name)
    assert "probe offset" in terms(result)
    assert abs(result.power_total.value - result.truth.power) <= result.power_total.U95
    return "; ".join(result.notes)


def test_an_expired_zero_is_not_used_and_that_is_said(desk: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    it = desk()
    zero(it)
    leave(it)
    backdate(it, 2 * 3600)
    assert "the stored zero was not used: it is 2 h old, and holds for 60 min" in notes_of(it)
    assert open_run("r.h5").chain.zeros == ()
    capsys.readouterr()
    assert run(["bench", "check"]) == 0
    assert "zero     the stored zero was not used" in capsys.readouterr().out


def test_other_turns_range_or_screen_void_it(desk: Callable) -> None:
    it = desk(turns=5)
    it.edit("current_limit = 2.0", "current_limit = 1.5")
    it.edit("turns = 5", "turns = 4")
    zero(it)
    it.edit("turns = 4", "turns = 5")
    leave(it)
    it.simulator.supply.current = 1.5
    assert "turns was 4 and is 5" in notes_of(it, "turns.h5")
    zeros = json.loads(it.calibration.read_text())
    zeros["zeros"][0]["conditions"] |= {"turns": 5, "scope": "another scope"}
    it.calibration.write_text(json.dumps(zeros))
    assert "scope was another scope and is" in notes_of(it, "scope.h5")


def test_another_screen_voids_it(desk: Callable) -> None:
    it = desk()
    zero(it)
    leave(it)
    it.edit("full_scale = 0.8\ncentre = 0.4", "full_scale = 1.6\ncentre = 0.6")
    assert "it is of another screen (0 A to 0.8 A)" in notes_of(it)


# Drift.


@pytest.mark.parametrize(("moved", "counts"), [(0.002, 0.005), (0.009, 0.009)])
def test_what_two_zeros_of_a_session_differ_by_counts_where_it_is_more_than_the_limit(
    desk: Callable, capsys: pytest.CaptureFixture[str], moved: float, counts: float
) -> None:
    it = desk(seed=1)
    zero(it)
    backdate(it, 1800)
    it.simulator.digitiser.probe = dataclasses.replace(it.simulator.probe, offset=it.simulator.probe.offset + moved)
    zero(it)
    out = capsys.readouterr().out
    assert f"drift +-{moved * 1e3:.0f}" in out or f"drift +-{moved * 1e3 - 0.1:.1f}" in out
    assert "over 30 min" in out
    leave(it)
    result = it.capture("r.h5")
    assert terms(result)["offset drift"] == pytest.approx(19 * counts / 3**0.5, rel=0.15)
    assert abs(result.power_total.value - result.truth.power) <= result.power_total.U95


def entry(minutes: float, *currents: float, conditions: Conditions = HERE, screen: float = -0.1) -> ZeroEntry:
    screens = tuple((SCREEN, ScreenZero(screen + k, it, 1e-4, 50.0)) for k, it in enumerate(currents))
    return ZeroEntry(
        taken=NOW + dt.timedelta(minutes=minutes), how="output off", conditions=conditions, screens=screens
    )


def test_drift_is_the_range_over_the_session_on_any_screen() -> None:
    assert drift_of([]) is None
    assert drift_of([entry(0, 0.02)]) is None
    assert drift_of([entry(0, 0.02), entry(10, 0.03, screen=5.0)]) is None  # of two screens: no drift
    found = drift_of([entry(0, 0.020, 0.1), entry(20, 0.021, 0.1035), entry(30, 0.0195, 0.1)])
    assert found is not None
    assert (found.limit, found.seconds) == (pytest.approx(0.0035), 1800)
    found = drift_of([entry(-24 * 60, 0.9), entry(0, 0.02), entry(10, 0.02)])  # another day's is of another session
    assert found is not None
    assert (found.limit, found.seconds) == (0.0, 600)


def test_what_is_known_depends_on_time_and_conditions() -> None:
    file = CalibrationFile().with_zero(entry(0, 0.02))
    fresh = known_of(file, HERE, NOW + dt.timedelta(minutes=59))
    assert fresh.zero is not None
    assert not fresh.notes
    late = known_of(file, HERE, NOW + dt.timedelta(seconds=ZERO_LIFETIME + 1))
    assert late.zero is None
    assert late.screens == (SCREEN,)  # may be shown again all the same
    early = known_of(file, HERE, NOW - dt.timedelta(minutes=1))
    assert early.zero is None  # a clock that was set back says nothing
    elsewhere = known_of(file, HERE.model_copy(update={"sensitivity": 0.01}), NOW)
    assert elsewhere.zero is None
    assert "sensitivity was 0.1 and is 0.01" in elsewhere.notes[0]
    assert known_of(CalibrationFile(), HERE, NOW).notes == ()


# The file.


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    draw = random.Random(1)
    for number in range(20):
        line = ScreenLine(*(draw.uniform(0.6, 1.0) for _ in range(7)))
        calibration = CalibrationEntry(
            taken=NOW, conditions=HERE, screens=((SCREEN, line),), points=((),), residuals=((),)
        )
        zeros = [entry(draw.random(), *(draw.gauss(0, 1) for _ in range(3))) for _ in range(number)]
        file = CalibrationFile(zeros=tuple(zeros), calibration=calibration)
        file.save(tmp_path / "c.json")
        assert CalibrationFile.load(tmp_path / "c.json") == file
    assert CalibrationFile.load(tmp_path / "none.json") == CalibrationFile()
    assert calibration_path(Path("lab/lab2.toml")) == Path("lab/lab2.calibration.json")


def test_old_zeros_are_dropped() -> None:
    file = CalibrationFile()
    for k in range(30):
        file = file.with_zero(entry(k, 0.02))
    assert len(file.zeros) == 20
    assert file.zeros[-1] == entry(29, 0.02)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": "powerlab.calibration/2"}',
        '{"zeros": [{"taken": "yesterday"}]}',
        '{"surplus": 1}',
        CalibrationFile(zeros=(entry(0, 0.02),)).model_dump_json().replace("0.02", "NaN"),
        CalibrationFile(zeros=(entry(0, 0.02),)).model_dump_json().replace("0.0001", "-1"),
    ],
)
def test_a_bad_file_is_one_clear_line(desk: Callable, capsys: pytest.CaptureFixture[str], text: str) -> None:
    it = desk()
    it.calibration.write_text(text)
    for arguments in (["zero"], ["calibrate", "--power"], ["bench", "check"]):
        assert run(arguments) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("powerlab: bench.calibration.json is no calibration file of powerlab (")
        assert "remove it, then run `powerlab zero`" in line
    assert it.calibration.read_text() == text
    assert not it.simulator.supply.output


def test_a_line_that_no_chain_has_is_refused(tmp_path: Path) -> None:
    line = ScreenLine(-0.1, 0.8, 1.0, 0.0, 1e-3, 1e-3, 0.0)
    for name, value in (("gain", 0.0), ("gain_u", -1.0), ("correlation", 2.0)):
        said = CalibrationEntry(
            taken=NOW, conditions=HERE, screens=((SCREEN, line),), points=((),), residuals=((),)
        ).model_dump(mode="json")
        said["screens"][0][1][name] = value
        (tmp_path / "c.json").write_text(json.dumps({"calibration": said}))
        with pytest.raises(CalibrationFileError, match="no line of a calibration"):
            CalibrationFile.load(tmp_path / "c.json")


def test_a_disk_that_refuses_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "c.json.part").mkdir()
    with pytest.raises(CalibrationFileError, match="unchanged"):
        CalibrationFile().save(tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()


def test_ages_are_in_the_unit_that_suits_them() -> None:
    assert [age_of(it) for it in (5, 119, 121, 3 * 3600, 100 * 3600)] == ["5 s", "119 s", "2.02 min", "3 h", "4.17 d"]
