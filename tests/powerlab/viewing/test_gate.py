"""Who may ask the page for anything."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import powerlab as pl
from powerlab.viewing.gate import Gate

pytest.importorskip("bokeh")

GATE = Gate(4000, "secret")
HERE = {"Host": "127.0.0.1:4000"}


@pytest.mark.parametrize("path", ["/secret", "/secret/", "/secret/static/js/bokeh.min.js", "/secret/ws"])
def test_the_page_itself_may(path: str) -> None:
    assert GATE.refusal("GET", path, HERE) is None
    assert (
        GATE.refusal("GET", path, HERE | {"Origin": "http://127.0.0.1:4000", "Sec-Fetch-Site": "same-origin"}) is None
    )


@pytest.mark.parametrize(
    ("method", "path", "headers", "why"),
    [
        ("GET", "/", {}, "no token"),
        ("GET", "/secre", {}, "no token"),
        ("GET", "/../secret", {}, "no token"),
        ("GET", "/static/js/bokeh.min.js", {}, "no token"),
        ("POST", "/secret", {}, "only be looked at"),
        ("GET", "/secret", {"Host": "powerlab.example:4000"}, "another host"),
        ("GET", "/secret", {"Host": "127.0.0.1:4001"}, "another host"),
        ("GET", "/secret/ws", {"Origin": "http://elsewhere.example"}, "another page"),
        ("GET", "/secret/ws", {"Origin": "null"}, "another page"),
        ("GET", "/secret", {"Sec-Fetch-Site": "cross-site"}, "another page"),
    ],
)
def test_others_are_refused(method: str, path: str, headers: dict[str, str], why: str) -> None:
    assert why in str(GATE.refusal(method, path, HERE | headers))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_the_server_lets_in_only_who_has_the_address(tmp_path: Path) -> None:
    path = tmp_path / "<b>run.h5"
    with pl.simulated_bench(virtual=True) as bench, bench.record(path, idle=0.2) as run, run.window():
        bench.clock.sleep(0.1)
    with subprocess.Popen(
        [sys.executable, "-m", "powerlab", "view", str(path), "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(url) as answer:
            page = answer.read().decode()
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "<b>run" not in page
        bare = url.rpartition("/")[0]
        for refused in (bare, f"{bare}/other", f"{bare}/../{path}"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(refused)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode in {0, 130}, err
    assert "Traceback" not in err


def test_what_is_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from powerlab.cli import run

    (tmp_path / "run.h5").write_bytes(b"no run")
    assert run(["view", str(tmp_path / "run.h5"), "--no-browser"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
