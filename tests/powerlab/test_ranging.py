"""The scope's screen chosen by what the board draws, on the simulated bench in virtual time."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

import powerlab as pl
from powerlab_traces.record import RecordKind
from powerlab_traces.store import open_run


def auto(text: str) -> str:
    return text.replace("full_scale = 0.8\ncentre = 0.4", 'full_scale = "auto"')


def screens_of(path: Path, kind: RecordKind) -> list[float]:
    """Full scale (A) of each record of this kind, from its codes' step."""
    chain = open_run(path).chain
    return [
        round(it.current.scale * round(chain.resolution / it.current.scale) * 199, 3)
        for it in open_run(path).records
        if it.kind is kind
    ]


@pytest.mark.parametrize("seed", range(6))
def test_the_chosen_screen_holds_the_board_and_the_truth_is_inside(
    open_virtual: Callable, tmp_path: Path, seed: int
) -> None:
    virtual = open_virtual(auto, seed=seed)
    path = virtual.capture(tmp_path / "r.h5", windows=6)
    result, run = pl.analyse(path), open_run(path)
    assert virtual.bench.screen.full_scale < 1.3  # the supply's limit of 2 A asks for 2.4 A
    assert len(result.kept) == 6
    assert not result.dropped
    assert abs(result.energy_per_image.value - result.truth.energy_per_image) <= result.energy_per_image.U95
    assert "offset drift" in {term.name for term in result.budget}  # the zero of this screen was found
    [said] = [note for note in run.notes if note.startswith("the scope's screen is")]
    assert "while ranging" in said
    zeros = [it.current.offset for it in run.records if it.kind is RecordKind.ZERO]
    assert len(zeros) > 2
    assert all(it.current.offset in zeros for it in run.records if it.kind is not RecordKind.ZERO)
    # Idle is recorded on the chosen screen, before the first window.
    kinds = [it.kind for it in run.records]
    assert kinds[len(zeros) :] == [RecordKind.IDLE, RecordKind.ACTIVE, RecordKind.ACTIVE, RecordKind.IDLE]


def test_the_settings_and_limits_in_the_file_are_those_of_the_chosen_screen(
    open_virtual: Callable, tmp_path: Path
) -> None:
    virtual = open_virtual(auto)
    run = open_run(virtual.capture(tmp_path / "r.h5", windows=2))
    full_scale = virtual.bench.screen.full_scale
    assert run.chain.scope_gain_limit == pytest.approx(0.03 * full_scale)
    assert float(run.provenance.settings["scope"]["channel1 scale"].split()[0]) == pytest.approx(full_scale / 8)
    assert 'full_scale = "auto"' in run.provenance.bench


def test_a_board_that_is_on_already_is_ranged_without_a_zero(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(lambda text: auto(text).replace('output = "on"', 'output = "leave"'))
    supply = virtual.bench.supply
    supply.prepare_output(voltage=19.0, current_limit=2.0, over_voltage=21.0)
    supply.switch_on()
    virtual.bench.clock.sleep(2)
    result = pl.analyse(virtual.capture(tmp_path / "r.h5", windows=3))
    assert virtual.bench.screen.full_scale < 1.3
    assert len(result.kept) == 3
    assert any("no zero record" in note for note in result.notes)


def test_a_script_that_does_not_range_stays_on_the_widest_screen_and_is_told(
    open_virtual: Callable, tmp_path: Path
) -> None:
    virtual = open_virtual(auto)
    with virtual.bench.record(tmp_path / "r.h5", idle=0.5) as run, run.window():
        virtual.bench.clock.sleep(0.3)
    result = pl.analyse(tmp_path / "r.h5")
    assert virtual.bench.screen.full_scale == pytest.approx(2.4)
    assert len(result.kept) == 1
    assert any("use Recording.ranging" in note for note in result.notes)
    assert result.power_idle is not None


def test_a_script_ranges_with_what_it_will_run(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(auto)
    with virtual.bench.record(tmp_path / "r.h5", idle=0.5) as run:
        assert run.has_choice
        with run.ranging():  # the board only idles here
            virtual.bench.clock.sleep(0.3)
        assert not run.has_choice
        assert virtual.bench.screen.full_scale == pytest.approx(0.8)  # the smallest there is
        for _ in range(12):
            with run.window():
                virtual.bench.clock.sleep(0.3)
    result = pl.analyse(tmp_path / "r.h5")
    assert len(result.kept) == 12  # the converter reaches a little beyond the screen


def test_a_clipped_record_widens_the_screen_for_the_next(open_virtual: Callable, tmp_path: Path) -> None:
    """A board that draws more in its windows than it did while ranging."""
    virtual = open_virtual(auto, seed=2)
    bench = virtual.bench
    with bench.record(tmp_path / "r.h5", idle=0.5) as run:
        with run.ranging():
            bench.clock.sleep(0.1)
        now = virtual.simulator.clock.now()
        virtual.simulator.board.surge(now, now + 20_000_000_000)  # the board takes all that the supply gives
        with run.window(label="clips"):
            bench.clock.sleep(1.5)
        bench.clock.sleep(30)
        virtual.simulator.board.surge(0, 0)
        for _ in range(3):
            with run.window():
                bench.clock.sleep(0.5)
    result, stored = pl.analyse(tmp_path / "r.h5"), open_run(tmp_path / "r.h5")
    assert result.dropped
    assert any("clipped; from record" in note for note in stored.notes)
    assert bench.screen.full_scale > 0.8
    zeros = {it.current.offset for it in stored.records if it.kind is RecordKind.ZERO}
    assert stored.records[-1].current.offset in zeros
    assert result.kept
    assert stored.chain.scope_gain_limit == pytest.approx(0.03 * bench.screen.full_scale)


def test_a_thumbwheel_far_off_moves_the_screens_with_it(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(auto)
    # 120 mA beside zero: half a division of 100 mA/div would not hold it
    virtual.simulator.digitiser.probe = dataclasses.replace(virtual.simulator.digitiser.probe, offset=-0.12)
    result = pl.analyse(virtual.capture(tmp_path / "r.h5", windows=4))
    assert len(result.kept) == 4
    assert abs(result.energy_per_image.value - result.truth.energy_per_image) <= result.energy_per_image.U95
