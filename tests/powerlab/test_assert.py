"""`powerlab assert`: exit statuses, and one line for each claim or slip."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import powerlab as pl
from powerlab.cli import run


@pytest.fixture
def capture(open_virtual: Callable, tmp_path: Path) -> Path:
    return open_virtual(seed=4, memory=100_000).capture(tmp_path / "a.h5", seconds=0.3, windows=8)


def test_all_claims_must_hold(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holds = ["energy_per_image < 9 J", "power_net.U95 < 50 %", "verdicts == none", "windows >= 8"]
    assert run(["assert", str(capture), *holds]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [it.split()[0] for it in lines] == ["HOLDS"] * 4 + ["SIMULATED:"]
    assert run(["assert", str(capture), *holds, "windows >= 9"]) == 1
    assert "FAILS     windows >= 9  (windows: 8)" in capsys.readouterr().out


def test_an_interval_that_straddles_the_limit_decides_nothing(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = pl.analyse(capture).energy_per_image.value
    for sign in "<>":
        assert run(["assert", str(capture), f"energy_per_image {sign} {value * 1.001} J"]) == 1
        assert capsys.readouterr().out.startswith("UNDECIDED energy_per_image")


def test_claims_as_json(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["assert", str(capture), "energy_per_image < 9000 mJ", "power_net.U95 < 1e-3 %", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["holds"], found["simulated"]) == ("powerlab.assertion/1", False, True)
    assert [it["outcome"] for it in found["claims"]] == ["holds", "fails"]
    assert [(it["quantity"], it["limit"], it["unit"]) for it in found["claims"]] == [
        ("energy_per_image", 9.0, "J"),
        ("power_net", 1e-5, ""),
    ]


def test_a_protocol_counts(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["assert", str(capture), "verdicts == none", "--protocol", "mlperf-tiny"]) == 1
    assert "(verdicts: 3 (few-windows, short, few-captures))" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("claim", "why"),
    [("energy_per_imge < 1 J", "did you mean energy_per_image?"), ("power_net < 3 J", "write a number in W")],
)
def test_a_slip_is_told_before_the_file_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], claim: str, why: str
) -> None:
    assert run(["assert", str(tmp_path / "none.h5"), claim]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert why in line


def test_no_claim_is_no_assertion(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["assert", str(capture)]) == 2
    assert "CLAIM" in capsys.readouterr().err


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["assert", str(tmp_path / "none.h5"), "windows > 3"]) == 2
    assert "none.h5" in capsys.readouterr().err
