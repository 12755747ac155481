"""Captures of benches whose scope does not record the marker: it only triggers, or does not reach the scope at all."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

import powerlab as pl
from powerlab.benchfile import BenchFile, BenchFileError
from powerlab.simulation import bench_text
from powerlab_traces.record import RecordKind

TEXT = bench_text(scope="TCPIP0::h::5025::SOCKET", supply="GPIB0::5::INSTR", wire="127.0.0.1:1")


def wired(text: str, line: str) -> str:
    """The bench.toml with the marker wired otherwise."""
    if line.startswith("output"):
        return "\n".join(line if it.startswith('output = "wire') else it for it in text.splitlines())
    return f"{text}{line}\n"


WIRING = {
    "trigger": ['input = "EXT"'],
    "pattern": ['output = "none"', 'input = "none"'],
}


@pytest.mark.parametrize(("alignment", "line"), [(name, line) for name, lines in WIRING.items() for line in lines])
def test_a_capture_without_a_recorded_marker_covers_the_truth(
    open_virtual: Callable, tmp_path: Path, alignment: str, line: str
) -> None:
    marked = pl.analyse(open_virtual(seed=4).capture(tmp_path / "marked.h5", windows=5))
    path = open_virtual(lambda text: wired(text, line), seed=4).capture(tmp_path / "r.h5", windows=5)
    active = [it for it in pl.open_run(path).records if it.kind is RecordKind.ACTIVE]
    assert all(it.marker is None for it in active)
    result = pl.analyse(path)
    assert (result.alignment, marked.alignment) == (alignment, "marker")
    assert len(result.kept) == 5
    assert not result.dropped
    assert result.truth is not None
    energy = result.energy_per_image
    assert abs(energy.value - result.truth.energy_per_image) <= energy.U95
    assert energy.value == pytest.approx(marked.energy_per_image.value, rel=1e-3)

    def unsure(of: pl.Result) -> float:
        return math.hypot(*(it.uncertainty for it in of.budget if it.name in {"window edges", "window shift"}))

    assert unsure(result) > 2 * unsure(marked)


def test_a_scope_without_digital_inputs_is_triggered_by_the_marker(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(lambda text: wired(text, 'input = "EXT"'), model="DSO-X 2024A")
    result = pl.analyse(virtual.capture(tmp_path / "r.h5", windows=3))
    assert (result.alignment, len(result.kept)) == ("trigger", 3)
    assert virtual.bench.scope.trigger_source == "EXT"
    assert virtual.bench.scope.external_level == pytest.approx(1.4)


def test_an_analog_input_may_trigger_and_is_not_shown(open_virtual: Callable) -> None:
    virtual = open_virtual(lambda text: wired(text, 'input = "CHAN2"'))
    virtual.bench.make_ready()
    scope = virtual.bench.scope
    assert scope.trigger_source == "CHAN2"
    assert scope.channel(2).trigger_level == pytest.approx(1.4)
    assert not scope.channel(2).displayed
    assert not scope.pod(1).displayed


def test_without_a_wire_a_lab_script_s_windows_fit_into_their_records(open_virtual: Callable, tmp_path: Path) -> None:
    virtual = open_virtual(lambda text: wired(text, 'output = "none"'))
    with virtual.bench.record(tmp_path / "r.h5", idle=0.5) as run:
        for _ in range(6):
            virtual.bench.clock.sleep(0.1)  # work that is not timed
            with run.window(images=1):
                virtual.bench.clock.sleep(0.35)
    result = pl.analyse(tmp_path / "r.h5")
    assert len(result.kept) == 6
    assert result.truth is not None


@pytest.mark.parametrize(
    ("line", "source", "bit"),
    [
        ('input = "D5"', "DIG5", 5),
        ('input = "EXT"', "EXT", None),
        ('input = "CHAN3"', "CHAN3", None),
        ('input = "none"', None, None),
        ('output = "none"', None, None),
    ],
)
def test_what_the_scope_triggers_on_follows_from_the_bench_file(line: str, source: str | None, bit: int | None) -> None:
    marker = BenchFile.parse(wired(TEXT, line), "bench.toml").marker
    assert (marker.source, marker.bit) == (source, bit)


def test_the_probe_s_channel_carries_no_marker() -> None:
    with pytest.raises(BenchFileError, match="'CHAN1' is the channel with the probe"):
        BenchFile.parse(wired(TEXT, 'input = "CHAN1"'), "bench.toml")


def test_a_real_bench_without_a_marker_raises_none() -> None:
    without = wired(TEXT, 'output = "none"')
    assert BenchFile.parse(without, "bench.toml").raised == "wire:127.0.0.1:1"  # a simulated board has to be told
    real = without.replace('[simulated]\nwire = "127.0.0.1:1"\n', "")
    assert BenchFile.parse(real, "bench.toml").raised == "none"
