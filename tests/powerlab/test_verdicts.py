"""Defects of a simulated bench, captured as they would be, get the verdict on them."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

import powerlab as pl
from powerlab.cli import run
from powerlab_analysis.result import Result
from powerlab_analysis.verdict import Effect
from powerlab_instruments.errors import NoAnswer


def captured(virtual: object, path: Path, **plan: object) -> Result:
    return pl.analyse(virtual.capture(path, **({"seconds": 0.25, "windows": 12} | plan)))


def test_a_healthy_bench_gets_none(open_virtual: Callable, tmp_path: Path) -> None:
    assert captured(open_virtual(seed=1, memory=100_000), tmp_path / "r.h5").verdicts == ()


def test_two_turns_that_bench_toml_does_not_know(
    open_virtual: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    virtual = open_virtual(
        lambda text: text.replace("turns = 2", "turns = 1").replace("0.8\ncentre = 0.4", "1.6\ncentre = 0.8"),
        turns=2,
        memory=100_000,
    )
    result = captured(virtual, tmp_path / "r.h5")
    (verdict,) = result.verdicts
    assert (verdict.name, verdict.effect) == ("probe-factor", Effect.REFUSE)
    assert "as if 2 turns were in its jaw where bench.toml says 1" in verdict.text
    assert result.energy_per_image is None
    assert run(["analyse", str(tmp_path / "r.h5")]) == 1
    out = capsys.readouterr().out
    assert "energy per image       refused: probe-factor" in out
    assert "REFUSE probe-factor: the idle current is" in out


def test_a_second_of_constant_current(
    open_virtual: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    virtual = open_virtual(seed=1, memory=100_000)
    arm, calls = virtual.bench.scope.arm, itertools.count()

    def surging(duration: float, clock: object) -> None:
        arm(duration, clock)
        if next(calls) == 3:  # zero, idle, the first record, the second
            now = virtual.simulator.clock.now()
            virtual.simulator.board.surge(now + 300_000_000, now + 1_300_000_000)

    virtual.bench.scope.arm = surging
    result = captured(virtual, tmp_path / "r.h5", windows=16)
    found = {it.name: it for it in result.verdicts}
    assert found["current-limit"].effect is Effect.LOWER_BOUND
    assert len(result.kept) >= 6
    assert {it.index for it in result.dropped} == set(found["current-limit"].windows)
    assert run(["analyse", str(tmp_path / "r.h5")]) == 0
    out = capsys.readouterr().out
    assert "energy per image       at least " in out
    assert "LOWER BOUND current-limit: windows " in out


def test_a_lost_record(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(seed=1, memory=100_000)
    fetch, calls = virtual.bench.scope.fetch, itertools.count()

    def sometimes(source: str, unit: str = "") -> object:
        if next(calls) == 4:  # zero, idle, two reads of the first record: the second record's current
            raise NoAnswer(virtual.bench.scope.link.name, ":WAVeform:DATA?", "VI_ERROR_TMO")
        return fetch(source, unit)

    virtual.bench.scope.fetch = sometimes
    (verdict,) = captured(virtual, tmp_path / "r.h5").verdicts
    assert (verdict.name, verdict.effect, verdict.records) == ("lost-record", Effect.FLAG, (3,))


def test_a_zero_that_drifts(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(seed=1, memory=100_000)
    digitiser = virtual.simulator.digitiser
    # 1 A from lowest to highest: at first 3 mA each second.
    digitiser.probe = dataclasses.replace(digitiser.probe, drift=1.0, period=1300.0, phase=0.0)
    result = captured(virtual, tmp_path / "r.h5", windows=16)
    assert "zero-drift" in {it.name for it in result.verdicts}
    assert abs(result.energy_per_image.value - result.truth.energy_per_image) <= result.energy_per_image.U95
