"""`powerlab study` and `powerlab recommend` from end to end."""

import json

import pytest

from powerlab.cli import run
from powerlab.study.table import Status


def test_study_and_recommend(small_study, tmp_path, capsys):
    folder = small_study()
    assert run(["study", str(folder), "-o", str(tmp_path / "report"), "--margin", "8%", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["simulated"] is True
    assert set(found["digests"]) == {"results.csv", "runs/enet-b2-r1.h5", "runs/enet-b2-r2.h5", "runs/vgg16-b2-r1.h5"}
    assert all(len(it) == 64 for it in found["digests"].values())
    assert found["points"][2]["missing"] == "out of memory: it needs 5 GB"
    assert "--margin 8%" in (tmp_path / "report" / "report.html").read_text()

    assert run(["recommend", str(folder), "--max-latency", "300ms", "--min-top1", "60", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(it["model"], it["meets"]) for it in found["candidates"]] == [("enet", "qualifies"), ("vgg16", "fails")]
    assert found["candidates"][0]["held"]["max_latency"]["margin_U95"] > 1
    assert found["missing"] == [{"model": "vgg16", "batch": 64, "why": "out of memory: it needs 5 GB"}]

    assert run(["recommend", str(folder), "--max-latency", "1ms"]) == 1
    said = capsys.readouterr().out
    assert "qualifies: none" in said
    assert "nearest: ENet with batch 2" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study", "nowhere"], "holds no results.csv"),
        (["recommend", "nowhere", "--min-top1", "70"], "holds no results.csv"),
        (["recommend", "nowhere"], "nothing is asked for"),
        (["recommend", "nowhere", "--max-energy", "50 W"], "is no amount in J"),
        (["study", "nowhere", "--margin", "5"], "is no margin"),
    ],
)
def test_slips_are_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_study_without_a_measurement(small_study, tmp_path, capsys):
    folder = small_study(status=Status.FAILED, run="", reason="no bench")
    assert run(["study", str(folder), "-o", str(tmp_path / "report")]) == 1
    said = capsys.readouterr().out
    assert said.startswith("SIMULATED")
    assert "0 of 3 points were measured" in said
    assert "cannot tell" in said
