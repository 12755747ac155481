"""A whole capture over VXI-11 and RS-232, and `powerlab simulate` and `powerlab scpi` with them."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import powerlab as pl
from powerlab.benchfile import BenchFile, BenchFileError
from powerlab.cli import run
from powerlab.simulation import bench_text
from powerlab_instruments.rs232 import Rs232
from powerlab_traces.store import open_run

NO_PTY = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")


@NO_PTY
def test_a_capture_is_the_same_over_vxi11_and_rs232(open_virtual: Callable, tmp_path: Path) -> None:
    paths = []
    for other in (False, True):
        virtual = open_virtual(vxi11=other, serial=other, portmapper_port=0, seed=3)
        assert (virtual.bench.file.scope.resource.endswith("inst0::INSTR")) == other
        assert virtual.bench.file.supply.resource.startswith("ASRL") == other
        paths.append(virtual.capture(tmp_path / f"{other}.h5", windows=4, seed=2))
        assert not virtual.simulator.scope.errors
        assert not virtual.simulator.supply.errors
    here, there = (open_run(path) for path in paths)
    assert len(here.records) == len(there.records)
    for mine, other in zip(here.records, there.records, strict=True):
        assert np.array_equal(mine.current.codes, other.current.codes)
    assert pl.analyse(paths[0]).kept[0].energy == pl.analyse(paths[1]).kept[0].energy


@NO_PTY
def test_a_simulated_bench_in_a_script_over_vxi11_and_rs232() -> None:
    with pl.simulated_bench(virtual=True, vxi11=True, serial=True, model="DSO-X 2014A", supply_model="E3644A") as bench:
        assert bench.scope.identity.model == "DSO-X 2014A"
        assert bench.supply.identity.model == "E3644A"
        assert "inst0" in bench.file.scope.resource
        assert bench.file.supply.resource.startswith("ASRL")


@NO_PTY
def test_simulate_writes_a_bench_file_for_the_lines_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sim.toml"
    process = subprocess.Popen(
        [sys.executable, "-m", "powerlab", "simulate", "--vxi11", "--serial", "--portmapper-port", "0",
         "--model", "mso-x 2022a", "--supply-model", "E3643A", "--short-preamble", "--write-bench", str(path)],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        said = [process.stdout.readline()]
        while said[-1] and not said[-1].startswith("serving"):
            said.append(process.stdout.readline())
        resources = [line.split(maxsplit=1)[1].strip() for line in said[1:-1]]
        file, _ = BenchFile.load(path)
        assert file.scope.resource == resources[1]
        assert file.supply.resource == resources[2]
        assert file.supply.rs232 == Rs232()
        assert run(["scpi", file.scope.resource, "*IDN?"]) == 0
        assert "MSO-X 2022A" in capsys.readouterr().out
        assert run(["scpi", file.supply.resource, "VOLT 5"]) == 1
        assert "+550" in capsys.readouterr().err
        assert run(["scpi", file.supply.resource, "SYST:REM;:VOLT 5"]) == 0
        assert run(["scpi", file.supply.resource, "VOLT?", "--parity", "none", "--baud", "9600"]) == 0
        assert capsys.readouterr().out.strip() == "+5.00000000E+00"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('resource = "ASRL/dev/ttyS0::INSTR"\nadapter = "PRLGX-TCPIP0::h::1234::INTFC"', "leave one of the two out"),
        ('resource = "GPIB0::5::INSTR"\nbaud = 9600', "baud is for RS-232"),
        ('resource = "ASRL/dev/ttyS0::INSTR"\nbaud = 115200', "baud = 115200"),
        ('resource = "ASRL/dev/ttyS0::INSTR"\nflow = "dtr_dsr"', "flow = 'dtr_dsr'"),
    ],
)
def test_a_line_that_cannot_be_is_refused(line: str, why: str) -> None:
    text = bench_text(scope="TCPIP0::h::5025::SOCKET", supply="X", wire="127.0.0.1:1").replace('resource = "X"', line)
    with pytest.raises(BenchFileError, match=why):
        BenchFile.parse(text, "bench.toml")


def test_the_serial_line_is_read_from_the_bench_file() -> None:
    line = 'resource = "ASRL/dev/ttyS0::INSTR"\nbaud = 4800\nparity = "even"\nflow = "rts_cts"'
    text = bench_text(scope="TCPIP0::h::5025::SOCKET", supply="X", wire="127.0.0.1:1").replace('resource = "X"', line)
    assert BenchFile.parse(text, "bench.toml").supply.rs232 == Rs232(4800, "even", "rts_cts")
