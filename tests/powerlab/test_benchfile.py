"""bench.toml: what is wrong is said in one line, with the place and what would be right."""

from pathlib import Path

import pytest

from powerlab.benchfile import TEMPLATE, BenchFile, BenchFileError

GOOD = """
[scope]
resource = "TCPIP0::10.0.0.1::5025::SOCKET"
full_scale = 0.8
centre = 0.4
[supply]
resource = "GPIB0::5::INSTR"
voltage = 19.0
current_limit = 2.0
over_voltage = 21.0
[marker]
output = "serial:/dev/ttyUSB0:rts"
"""


def test_a_short_file_has_sensible_defaults() -> None:
    it = BenchFile.parse(GOOD, "bench.toml")
    assert (it.scope.record, it.scope.sample_rate, it.scope.channel) == (2.0, 50e3, 1)
    assert it.supply.output == "leave"  # a board is not powered by surprise
    assert (it.probe.sensitivity, it.probe.turns) == (0.1, 1)
    assert it.marker.bit == 0


def test_the_template_is_valid() -> None:
    assert BenchFile.parse(TEMPLATE, "bench.toml").supply.output == "leave"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("full_scale", "fullscale", r"scope.fullscale is no key powerlab knows; did you mean full_scale\?"),
        ('resource = "GPIB0::5::INSTR"\n', "", "supply.resource is missing"),
        ("full_scale = 0.8", "full_scale = -1", "scope.full_scale = -1: input should be greater than 0"),
        ("voltage = 19.0", 'voltage = "high"', "supply.voltage = 'high': input should be a valid number"),
        ("over_voltage = 21.0", "over_voltage = 18.0", r"over_voltage \(18 V\) must lie above voltage \(19 V\)"),
        ("[marker]", "[market]", "market is no key powerlab knows; did you mean marker"),
        ("[scope]", "[scope", "no valid TOML: .*line 2"),
        ('rts"', 'rts"\ninput = "D8"', "marker.input = 'D8'"),
        ("[supply]", "[probe]\nturns = 0\n[supply]", "probe.turns = 0"),
    ],
)
def test_mistakes_are_named(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(BenchFileError, match=words) as caught:
        BenchFile.parse(GOOD.replace(old, new, 1), "bench.toml")
    assert str(caught.value).startswith("bench.toml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BenchFileError, match="powerlab bench init"):
        BenchFile.load(tmp_path / "bench.toml")
    (tmp_path / "bench.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BenchFileError, match="no text file"):
        BenchFile.load(tmp_path / "bench.toml")
