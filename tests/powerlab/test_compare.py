"""`powerlab compare`, `analyse --together` and `--budget`, on simulated captures in virtual time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import powerlab as pl
from powerlab.cli import run

Captures = tuple[Path, Path]


@pytest.fixture
def captures(open_virtual: Callable, tmp_path: Path) -> Captures:
    """Two captures on one bench, the second with windows that take a tenth longer."""
    virtual = open_virtual(seed=4, memory=100_000)
    first = virtual.capture(tmp_path / "a.h5", seconds=0.3, windows=8)
    virtual.bench.supply.switch_off()  # so that the second capture takes a zero as well
    return first, virtual.capture(tmp_path / "b.h5", seconds=0.33, windows=8, seed=1)


def printed(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> str:
    assert run([str(it) for it in arguments]) == status
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run([str(it) for it in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line


def test_two_captures_of_one_bench(captures: Captures, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "compare", *captures, "--json"))
    assert found["schema"] == "powerlab.comparison/1"
    assert found["differing"] == []
    assert found["simulated"] is True
    energy = found["energy_per_image"]
    assert energy["significant"] is True
    assert 1.07 < energy["ratio"]["value"] < 1.13
    assert energy["difference"]["U95"] < 0.7 * energy["U95_without_common"]
    assert {"probe gain", "scope gain"} <= set(energy["common"])
    assert found["power_total"]["significant"] is False
    out = printed(capsys, "compare", *captures)
    assert "B - A" in out
    assert "so that it cancels as far as it can: " in out
    assert "SIMULATED" in out


def test_two_results_from_python(captures: Captures) -> None:
    first, second = map(pl.analyse, captures)
    found = pl.compare(first, second)
    assert isinstance(found, pl.Comparison)
    assert not found.differing
    energy = next(it for it in found.differences if it.name == "energy_per_image")
    assert energy.difference.value == pytest.approx(second.energy_per_image.value - first.energy_per_image.value)
    assert energy.significant


def test_another_seed_is_another_bench(captures: Captures, open_virtual: Callable, tmp_path: Path) -> None:
    """Whatever the seed of the workload, which is the same here."""
    other = open_virtual(seed=5, memory=100_000).capture(tmp_path / "c.h5", seconds=0.3, windows=4)
    found = pl.compare(pl.analyse(captures[0]), pl.analyse(other))
    assert found.differing == ("scope", "supply")
    energy = next(it for it in found.differences if it.name == "energy_per_image")
    assert energy.common == ()


def test_a_run_without_windows_has_nothing_to_compare(
    captures: Captures, open_virtual: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = open_virtual(lambda text: text.replace("current_limit = 2.0", "current_limit = 0.5"), memory=100_000)
    bad = limited.capture(tmp_path / "bad.h5", windows=2, idle=0.0)
    out = printed(capsys, "compare", captures[0], bad, status=1)
    assert "energy per image: the second run refuses it: windows 0 to 1 are not counted: the supply went into" in out


def test_captures_together(captures: Captures, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "analyse", *captures, "--together", "--json"))
    assert found["schema"] == "powerlab.repeats/1"
    each = [it["energy_per_image"]["value"] for it in found["captures"]]
    assert found["energy_per_image"]["value"] == pytest.approx(sum(each) / 2)
    assert found["statistics"]["energy_per_image"]["n"] == 2
    spread = next(it for it in found["budgets"]["energy_per_image"] if it["term"] == "spread over captures")
    assert spread["dof"] == 1
    out = printed(capsys, "analyse", "--together", *captures, "--budget", "power_total", "--protocol", "mlperf-tiny")
    assert "captures          " in out
    assert "uncertainty of total power" in out
    assert "FLAG few-captures: 2 captures, where mlperf-tiny asks for at least 5" in out
    assert "two or more" in refused(capsys, "analyse", captures[0], "--together")


@pytest.mark.parametrize("place", [0, 1])
def test_the_budget_alone_is_that_of_energy_per_image(
    captures: Captures, capsys: pytest.CaptureFixture[str], place: int
) -> None:
    files = [captures[0], "--budget"] if place else ["--budget", captures[0]]
    out = printed(capsys, "analyse", *files)
    assert "uncertainty of energy per image" in out
    assert "advice: calibrate against the supply: the probe's gain is" in out
    table = out.split("uncertainty of")[1]
    names = [it.split("  ")[0] for it in table.splitlines()[1:]]
    assert names.index("probe gain") < names.index("time base") < names.index("together")


def test_a_budget_of_any_quantity(captures: Captures, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "analyse", captures[0], "--budget", "power_net")
    assert "uncertainty of net power" in out
    assert "offset drift between idle and windows" in out
    assert "'power' is not one of 'time_per_batch'" in refused(capsys, "analyse", captures[0], "--budget=power")


def test_all_budgets_and_verdicts_are_in_the_json(captures: Captures, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "analyse", captures[0], "--json", "--protocol", "paper"))
    assert found["protocol"] == "paper"
    assert len(found["budgets"]) == 8
    assert found["budget"] == found["budgets"]["energy_per_image"]
    assert sum(it["share"] for it in found["budgets"]["power_net"]) == pytest.approx(1)
    assert found["windows"]["statistics"]["energy_per_image"]["n"] == 8
    assert found["energy_per_image"]["lower_bound"] is False
    short = next(it for it in found["verdicts"] if it["name"] == "short")
    assert (short["effect"], short["limit"], short["unit"]) == ("flag", 60.0, "s")
    assert 2 < short["value"] < 3
    assert json.loads(printed(capsys, "analyse", captures[0], "--json"))["verdicts"] == []


def test_a_refused_energy_is_exit_status_1(captures: Captures, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "analyse", captures[0], "--protocol", "mlperf-power", "--budget", status=1)
    assert "energy per image       refused: uncertainty" in out
    assert "REFUSE uncertainty: U95 of total power is" in out
    assert "uncertainty of energy per image: there is no value" in out


def test_another_programs_files_have_no_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = tmp_path / "x.csv"
    foreign.write_text("time,power\n0,1\n1,1\n2,1\n")
    assert "no uncertainty" in refused(capsys, "analyse", foreign, "--budget")
