"""`powerlab calibrate` on the simulated bench: what it is worth, what it refuses, and what makes it void."""

import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

import powerlab as pl
from powerlab.calibrating import Load, calibrate
from powerlab.calibration import CalibrationEntry, CalibrationFile
from powerlab.cli import run
from powerlab.load import busy
from powerlab.marker import NoMarker, WireMarker
from powerlab.progress import Silence
from powerlab_analysis.calibration import CalibrationRefused
from powerlab_analysis.model import CALIBRATION
from powerlab_analysis.result import Result
from powerlab_instruments.errors import DeviceError
from powerlab_instruments.simulated.board import Board
from powerlab_traces.clock import HostClock
from powerlab_traces.store import open_run

AUTO = "full_scale = 0.8\ncentre = 0.4", 'full_scale = "auto"'


def leave(desk) -> None:
    desk.edit('output = "on"', 'output = "leave"')
    desk.switch_on()


def stored(desk, *arguments: str) -> CalibrationEntry:
    assert run(["calibrate", *arguments]) == 0
    found = CalibrationFile.load(desk.calibration).calibration
    assert found is not None
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run(["calibrate", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()[-1]


def terms(result: Result) -> dict[str, float]:
    return {it.name: it.uncertainty for it in result.budgets["power_total"]}


def holds_truth(result: Result) -> bool:
    return abs(result.power_total.value - result.truth.power) <= result.power_total.U95


def true_gain(desk) -> float:
    """Of probe and scope, as the simulated supply's readings show it."""
    sim = desk.simulator
    return (1 + sim.probe.gain_error) * (1 + sim.digitiser.gains[0]) / (1 + sim.supply.off_by.current_reading[0])


# What it is worth.


def test_the_commands_alone_shrink_the_uncertainty_about_sevenfold(desk: Callable) -> None:
    it = desk(seed=5)
    leave(it)
    plain = it.capture("plain.h5", 10)
    calibration = stored(it)
    calibrated = it.capture("calibrated.h5", 10)
    assert 6 < plain.power_total.U95 / calibrated.power_total.U95 < 12
    assert holds_truth(plain)
    assert holds_truth(calibrated)
    assert terms(calibrated).keys() >= {CALIBRATION.name, "offset drift"}
    assert not {"probe gain", "probe offset", "scope gain", "scope offset"} & terms(calibrated).keys()
    assert not calibrated.verdicts
    # The run holds raw codes as ever, and what was applied.
    run_file = open_run("calibrated.h5")
    [(_, line)] = calibration.screens
    assert run_file.chain.lines == (line,)
    assert dt.datetime.fromisoformat(run_file.chain.calibrated) <= dt.datetime.now(dt.UTC)
    assert run_file.chain.calibration_age < 60
    assert run_file.records[0].current.offset == open_run("plain.h5").records[0].current.offset == line.screen


def test_zero_and_calibration_together_are_worth_more(desk: Callable) -> None:
    it = desk(seed=5)
    leave(it)
    plain = it.capture("plain.h5")
    it.edit('output = "leave"', 'output = "on"')
    it.simulator.supply.output = False
    it.simulator.supply.changed("output")
    stored(it, "--power")
    assert not it.simulator.supply.output
    both = it.capture("both.h5")
    assert holds_truth(both)
    assert plain.power_total.U95 / both.power_total.U95 > 8
    assert "noise of the zero" in terms(both)


def test_the_line_is_that_of_probe_and_scope(desk: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    it = desk(seed=7)
    entry = stored(it, "--power", "--temperature", "22.5")
    [(screen, line)] = entry.screens
    assert entry.temperature == 22.5
    assert line.full_scale == screen.full_scale == 0.8
    assert line.gain == pytest.approx(true_gain(it), abs=3 * line.gain_u)
    assert line.gain_u < 1e-3
    assert [point.load for point in entry.points[0]] == ["idle", "busy"]
    assert entry.residuals[0] == pytest.approx((0, 0), abs=1e-9)
    out = capsys.readouterr().out
    assert out.startswith("SIMULATED")
    assert f"{line.gain:.5f}" in out
    # A zero was measured on the way.
    [zero] = CalibrationFile.load(it.calibration).zeros
    assert zero.how == "output off"


def test_every_screen_that_holds_the_loads_has_a_line(desk: Callable) -> None:
    it = desk(seed=8)
    it.edit(*AUTO)
    entry = stored(it, "--power")
    assert len(entry.screens) >= 3
    for _, line in entry.screens:
        assert line.gain == pytest.approx(true_gain(it), abs=4 * line.gain_u)
    result = it.capture("r.h5")
    assert CALIBRATION.name in terms(result)
    assert holds_truth(result)
    assert not any("calibration" in note for note in result.notes)


@pytest.mark.parametrize("auto", [True, False], ids=["screen chosen", "screen given"])
@pytest.mark.parametrize("zeroed", [True, False], ids=["zeroed", "not zeroed"])
def test_the_truth_lies_within_u95(open_virtual: Callable, tmp_path: Path, auto: bool, zeroed: bool) -> None:
    benches, inside, ratios = 11, 0, []
    for seed in range(benches):
        virtual = open_virtual(
            lambda text: text.replace(*AUTO) if auto else text, seed=100 * auto + 50 * zeroed + seed, memory=100_000
        )
        bench = virtual.bench
        if not zeroed:
            it = bench.file.supply
            bench.supply.prepare_output(
                voltage=it.voltage, current_limit=it.current_limit, over_voltage=it.over_voltage
            )
            bench.supply.switch_on()
            bench.clock.sleep(2)
        calibrate(bench, loads(virtual), Silence(), power=True)
        result = pl.analyse(virtual.capture(tmp_path / f"{seed}.h5", windows=4, seed=seed))
        assert CALIBRATION.name in terms(result)
        assert result.power_total.U95 < 0.3
        inside += holds_truth(result)
        ratios.append(abs(result.power_total.value - result.truth.power) / result.power_total.U95)
        bench.close()
    assert inside >= 0.9 * benches, ratios
    assert max(ratios) > 0.1  # no wider than a multiple of what is needed


def loads(virtual) -> list[Load]:
    marker = WireMarker(virtual.wire, virtual.bench.clock)

    @contextmanager
    def high() -> Iterator[None]:
        marker.high()
        yield
        marker.low()

    return [Load("idle", nullcontext), Load("busy", high)]


def test_several_turns(desk: Callable) -> None:
    it = desk(seed=9, turns=5)
    it.edit("current_limit = 2.0", "current_limit = 1.5")
    [(_, line)] = stored(it, "--power").screens
    assert line.gain == pytest.approx(true_gain(it), abs=3 * line.gain_u)
    result = it.capture("r.h5")
    assert terms(result)["offset drift"] == pytest.approx(19 * 0.001 / 3**0.5, rel=0.01)
    assert holds_truth(result)


def test_a_resumed_run_keeps_the_calibration_it_began_with(desk: Callable) -> None:
    it = desk(seed=1)
    stored(it, "--power")
    first = it.capture("r.h5", 3)
    chain = open_run("r.h5").chain
    stored(it, "--power")
    capture = ["capture", "--model", "vgg16", "--windows", "6", "-o", "r.h5", "--bench", "bench.toml", "--resume"]
    assert run(capture) == 0
    resumed = open_run("r.h5")
    assert resumed.chain.lines == chain.lines
    assert resumed.chain.calibrated == chain.calibrated
    assert len(resumed.windows) == 6
    if resumed.chain.calibrated != CalibrationFile.load(it.calibration).calibration.taken.isoformat(timespec="seconds"):
        assert any("those that the run began with" in note for note in resumed.notes)
    assert holds_truth(pl.analyse("r.h5"))
    assert first.kept


def test_what_is_said_to_programs(desk: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    desk()
    assert run(["calibrate", "--power", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "powerlab.calibrate/1"
    assert found["file"] == "bench.calibration.json"
    assert found["simulated"] is True
    assert {"taken", "conditions", "temperature", "screens", "points", "residuals"} == found["calibration"].keys()
    assert run(["bench", "check"]) == 0
    out = capsys.readouterr().out
    assert "calibr.  " in out
    assert " s old" in out


# What is measured.


def test_the_users_own_loads(desk: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    it = desk(seed=2)
    asked: list[str] = []

    def user(text: str) -> None:
        asked.append(text)
        now = it.simulator.clock.now()
        it.simulator.board.marker.edge(now, high="2 of 3" in text)

    monkeypatch.setattr("powerlab.verbs.calibrate.wait_for_user", user)
    entry = stored(it, "--power", "--points", "3")
    assert asked == ["set load 1 of 3", "set load 2 of 3", "set load 3 of 3"]
    assert [round(point.supply, 1) for point in entry.points[0]] == [0.1, 0.7, 0.1]
    assert any(entry.residuals[0])


def test_a_resistor_is_connected_and_taken_off_when_asked(desk: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    it = desk(seed=2)
    asked: list[str] = []
    demand = Board.demand
    monkeypatch.setattr("powerlab.verbs.calibrate.wait_for_user", asked.append)
    monkeypatch.setattr(Board, "demand", lambda *some: demand(*some) + (19**2 / 47 if len(asked) == 1 else 0))
    entry = stored(it, "--power", "--resistor")
    assert [point.load for point in entry.points[0]] == ["idle", "resistor"]
    assert entry.points[0][1].supply - entry.points[0][0].supply == pytest.approx(19 / 47, abs=0.002)
    assert len(asked) == 2
    assert "take the resistor off" in asked[1]


def test_a_busy_machine_raises_the_marker_and_lowers_it_whatever_happens() -> None:
    levels: list[bool] = []

    class Line(NoMarker):
        def high(self) -> int:
            levels.append(True)
            return super().high()

        def low(self) -> int:
            levels.append(False)
            return super().low()

    with pytest.raises(ZeroDivisionError), busy(Line(HostClock())):
        raise ZeroDivisionError
    assert levels == [True, False]
    with busy(None):
        pass


# What is refused.


def test_a_board_that_is_off_stays_off_without_power(desk: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    it = desk()
    assert "the board is off" in refused(capsys)
    it.edit('output = "on"', 'output = "leave"')
    assert "the output is off" in refused(capsys, "--power")
    assert not it.simulator.supply.output
    assert not it.calibration.exists()


def test_unsteady_loads_are_refused_with_the_numbers(
    desk: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    it = desk()
    stored(it, "--power")
    before = it.calibration.read_bytes()
    demand = Board.demand
    # It draws more and more: 5 % of itself each second.
    monkeypatch.setattr(
        Board, "demand", lambda board, origin, s: demand(board, origin, s) * (1 + 0.05 * ((origin * 1e-9 + s) % 8))
    )
    line = refused(capsys, "--power")
    assert "is not steady: the supply's readings differ by" in line
    assert "the tenths of the scope's record by" in line
    assert line.count("(limit") == 2
    assert it.calibration.read_bytes() == before
    assert not it.simulator.supply.output


def test_a_supply_that_does_not_see_the_load(open_virtual: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    virtual = open_virtual()
    bench = virtual.bench
    monkeypatch.setattr(type(bench.supply), "measured_current", 0.068)
    with pytest.raises(CalibrationRefused, match="too close together"):
        calibrate(bench, loads(virtual)[:1] * 2, Silence(), power=True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("turns = 1", "turns = 2", "the scope shows 0.4"),
        ("sensitivity = 0.1", "sensitivity = 0.01", "switch and turns"),
        ("full_scale = 0.8\ncentre = 0.4", "full_scale = 0.4\ncentre = 0.15", "clips on the screen"),
    ],
)
def test_a_bench_that_is_not_as_its_file_says(
    desk: Callable, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    it = desk(seed=2)
    it.edit(old, new)
    if "sensitivity" in old:
        it.edit("full_scale = 0.8\ncentre = 0.4", "full_scale = 16\ncentre = 7")
    assert said in refused(capsys, "--power")
    assert not it.calibration.exists()
    assert not it.simulator.supply.output


def test_a_supply_that_limits_is_no_reference(desk: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    it = desk()
    it.edit("current_limit = 2.0", "current_limit = 0.5")
    assert "the supply limits its current" in refused(capsys, "--power")
    assert not it.simulator.supply.output


def test_a_zero_that_the_loads_do_not_meet(open_virtual: Callable) -> None:
    virtual = open_virtual(seed=3)
    bench, sim = virtual.bench, virtual.simulator
    probe = sim.probe
    on = bench.power_on

    def moved() -> None:
        """Somebody turns the thumbwheel while the board boots."""
        sim.digitiser.probe = dataclasses.replace(probe, offset=probe.offset + 0.03)
        on()

    bench.power_on = moved
    with pytest.raises(CalibrationRefused, match="meets zero current .* zero again"):
        calibrate(bench, loads(virtual), Silence(), power=True)
    assert bench.calibration.calibration is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--load", "idle,gpu"], "'gpu' is no load"),
        (["--points", "1"], "--points"),
        (["--points", "2", "--resistor"], "give one of"),
        (["--length", "0s"], "--length"),
        (["--power", "--load", "idle,idle"], "too close together"),
        (["--power", "--length", "100ms"], "readings in 0.1 s"),
    ],
)
def test_options_that_do_not_go(
    desk: Callable, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    it = desk()
    assert said in refused(capsys, *arguments)
    assert not it.calibration.exists()


@pytest.mark.parametrize("was_on", [True, False])
def test_an_interrupted_calibration_leaves_board_and_file_as_they_were(
    desk: Callable, monkeypatch: pytest.MonkeyPatch, was_on: bool
) -> None:
    it = desk()
    stored(it, "--power")
    before = it.calibration.read_bytes()
    if was_on:
        it.switch_on()

    @contextmanager
    def interrupted(_marker) -> Iterator[None]:
        assert it.simulator.supply.output
        yield
        raise KeyboardInterrupt

    monkeypatch.setattr("powerlab.verbs.calibrate.busy", interrupted)
    assert run(["calibrate", "--power"]) == 130
    assert it.simulator.supply.output is was_on
    assert it.calibration.read_bytes() == before
    assert not list(it.folder.glob("*.part"))


def test_a_board_that_nobody_feeds_any_more(open_virtual: Callable) -> None:
    virtual = open_virtual()
    bench = virtual.bench

    @contextmanager
    def trip() -> Iterator[None]:
        virtual.simulator.supply.trip()
        yield

    with pytest.raises(DeviceError, match="no longer feeds the board"):
        calibrate(bench, [loads(virtual)[0], Load("trip", trip)], Silence(), power=True)


# What makes it void.


def change(desk, **conditions: object) -> None:
    said = json.loads(desk.calibration.read_text())
    said["calibration"]["conditions"] |= conditions
    desk.calibration.write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"turns": 3}, "turns was 3 and is 1"),
        ({"sensitivity": 0.01}, "sensitivity was 0.01 and is 0.1"),
        ({"scope": "another"}, "scope was another and is"),
        ({"supply": "another"}, "supply was another and is"),
        ({"channel": 2}, "channel was 2 and is 1"),
    ],
)
def test_a_bench_that_has_changed_is_not_calibrated(desk: Callable, changed: dict[str, object], said: str) -> None:
    it = desk(seed=6)
    stored(it, "--power")
    change(it, **changed)
    result = it.capture("r.h5", 2)
    [note] = [note for note in result.notes if "calibration was not used" in note]
    assert said in note
    assert "probe gain" in terms(result)
    assert open_run("r.h5").chain.lines == ()
    assert holds_truth(result)


def test_another_screen_is_not_calibrated(desk: Callable) -> None:
    it = desk(seed=6)
    stored(it, "--power")
    it.edit("full_scale = 0.8\ncentre = 0.4", "full_scale = 1.6\ncentre = 0.6")
    result = it.capture("r.h5", 2)
    assert any("the calibration was not used: it is of another screen" in note for note in result.notes)
    assert "probe gain" in terms(result)


def test_an_old_calibration_is_applied_and_said_to_be_old(desk: Callable) -> None:
    it = desk(seed=6)
    taken = stored(it, "--power").taken - dt.timedelta(hours=30)
    said = json.loads(it.calibration.read_text())
    said["calibration"]["taken"] = taken.isoformat()
    it.calibration.write_text(json.dumps(said))
    result = it.capture("r.h5", 2)
    assert [verdict.name for verdict in result.verdicts] == ["calibration-old"]
    assert any("the calibration is 30 h old" in note for note in result.notes)
    assert CALIBRATION.name in terms(result)
    assert holds_truth(result)


def test_a_zero_that_is_not_on_the_screen_is_said_and_the_loads_do(
    desk: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    it = desk(seed=3)
    it.simulator.digitiser.probe = dataclasses.replace(it.simulator.probe, offset=-0.09)
    assert run(["zero"]) == 2
    assert "clips on the screen 0 A to 0.8 A" in capsys.readouterr().err
    stored(it, "--power")
    assert "without a zero: the zero is about" in capsys.readouterr().err
    assert CalibrationFile.load(it.calibration).zeros == ()
    result = it.capture("r.h5")
    assert CALIBRATION.name in terms(result)
    assert holds_truth(result)
