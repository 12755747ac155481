"""The rarer marker outputs: a GPIO line, a parallel port, a program. The devices are made up where their library is."""

import shlex
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import pytest

from powerlab.marker import MarkerError, open_marker
from powerlab_traces.extras import Missing
from tests.powerlab.ticks import Ticks

fcntl = pytest.importorskip("fcntl", reason="POSIX device files")


class Direction(Enum):
    OUTPUT = 3


class Value(Enum):
    INACTIVE = 0
    ACTIVE = 1


class Chip:
    """What of gpiod 2 is called: lines 0 to 27 of /dev/gpiochip0, of which 4 is somebody else's."""

    def __init__(self) -> None:
        self.line = SimpleNamespace(Direction=Direction, Value=Value)
        self.levels: list[int] = []  # physical
        self.released = 0
        self.gone = False

    def LineSettings(self, direction: Direction, active_low: bool, output_value: Value) -> SimpleNamespace:  # noqa: N802 - the module's name for it
        return SimpleNamespace(direction=direction, active_low=active_low, output_value=output_value)

    def request_lines(self, path: str, consumer: str, config: dict[int, SimpleNamespace]) -> "Chip":
        [(number, self.settings)] = config.items()
        if path != "/dev/gpiochip0":
            raise FileNotFoundError(2, "No such file or directory")
        if number == 4:
            raise OSError(16, "Device or resource busy")
        if number > 27:
            raise ValueError("offset out of range")
        assert consumer == "powerlab"
        assert self.settings.direction is Direction.OUTPUT
        self.number = number
        self.set_values({number: self.settings.output_value})
        return self

    def set_values(self, values: dict[int, Value]) -> None:
        if self.gone:
            raise OSError(19, "No such device")
        assert list(values) == [self.number]
        self.levels.append(values[self.number].value ^ self.settings.active_low)

    def release(self) -> None:
        self.released += 1


class TestGpio:
    @pytest.fixture
    def chip(self, monkeypatch: pytest.MonkeyPatch) -> Chip:
        chip = Chip()
        monkeypatch.setitem(sys.modules, "gpiod", chip)
        return chip

    @pytest.mark.parametrize(("suffix", "levels"), [("", [0, 1, 0, 0]), ("-inverted", [1, 0, 1, 1])])
    def test_the_line_follows_and_is_left_low(self, chip: Chip, suffix: str, levels: list[int]):
        marker = open_marker(f"gpio:/dev/gpiochip0:17{suffix}", Ticks())
        assert (marker.high(), marker.low()) == (1, 2)
        marker.close()
        marker.close()
        assert (chip.number, chip.levels, chip.released) == (17, levels, 1)

    @pytest.mark.parametrize(
        ("spec", "why"),
        [
            ("gpio:/dev/gpiochip9:17", "No such file"),
            ("gpio:/dev/gpiochip0:4", "Device or resource busy"),
            ("gpio:/dev/gpiochip0:28", "offset out of range"),
        ],
    )
    def test_a_line_that_cannot_be_taken(self, chip: Chip, spec: str, why: str):
        with pytest.raises(MarkerError, match=rf"{spec}: the line cannot be taken \({why}.*gpioinfo") as caught:
            open_marker(spec)
        assert "\n" not in str(caught.value)

    def test_a_chip_that_goes_away(self, chip: Chip):
        marker = open_marker("gpio:/dev/gpiochip0:17")
        chip.gone = True
        with pytest.raises(MarkerError, match=r"gpio:/dev/gpiochip0:17: the line cannot be driven \(No such device\)"):
            marker.high()
        marker.close()
        assert chip.released == 1

    def test_without_the_library_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(sys.modules, "gpiod", None)
        with pytest.raises(Missing, match=r"powerlab\[gpio\]"):
            open_marker("gpio:/dev/gpiochip0:17")

    def test_the_library_of_old_is_not_called(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(sys.modules, "gpiod", SimpleNamespace(Chip=object))
        with pytest.raises(MarkerError, match=r"older than 2.*powerlab\[gpio\]"):
            open_marker("gpio:/dev/gpiochip0:17")


class TestParallel:
    """A file stands for the port, and what would go to the kernel is noted."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bytes]]:
        asked: list[tuple[int, bytes]] = []
        monkeypatch.setattr(fcntl, "ioctl", lambda _file, number, data=b"": asked.append((number, data)))
        return asked

    @pytest.mark.parametrize(("suffix", "high", "low"), [("", b"\x08", b"\x00"), ("-inverted", b"\x00", b"\x08")])
    def test_the_line_follows_and_is_left_low(
        self, asked: list[tuple[int, bytes]], tmp_path: Path, suffix: str, high: bytes, low: bytes
    ):
        port = tmp_path / "parport0"
        port.touch()
        open_files = sum(1 for _ in Path("/proc/self/fd").iterdir())
        marker = open_marker(f"parallel:{port}:3{suffix}", Ticks())
        # Numbers of linux/ppdev.h: PPCLAIM, PPDATADIR, PPWDATA, PPRELEASE.
        assert asked == [(0x708B, b""), (0x40047090, bytes(4)), (0x40017086, low)]
        assert (marker.high(), marker.low()) == (1, 2)
        assert asked[3:] == [(0x40017086, high), (0x40017086, low)]
        marker.close()
        marker.close()
        assert asked[5:] == [(0x40017086, low), (0x708C, b"")]
        assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == open_files

    def test_a_port_that_is_not_there(self):
        with pytest.raises(MarkerError, match=r"parallel:/dev/parport9:0: .*No such file.*modprobe"):
            open_marker("parallel:/dev/parport9:0")

    def test_a_file_that_is_no_port(self, tmp_path: Path):
        (tmp_path / "file").touch()
        with pytest.raises(MarkerError, match=r"cannot be driven \(Inappropriate ioctl"):
            open_marker(f"parallel:{tmp_path / 'file'}:0")


PROGRAM = """
import os, sys
levels = open({levels!r}, "ab", buffering=0)
while line := sys.stdin.buffer.readline():
    levels.write(line)
    {act}
    os.write(1, line)
"""


class TestProgram:
    @pytest.fixture
    def program(self, tmp_path: Path) -> Callable[..., str]:
        def program(act: str = "pass") -> str:
            file = tmp_path / "marker.py"
            file.write_text(PROGRAM.format(levels=str(tmp_path / "levels"), act=act))
            return f"command:{shlex.quote(sys.executable)} {shlex.quote(str(file))}"

        return program

    def test_each_edge_has_been_driven_when_the_call_returns(self, program: Callable[..., str], tmp_path: Path):
        levels = tmp_path / "levels"
        marker = open_marker(program(), Ticks())
        assert levels.read_bytes() == b"0\n", "low when opened"
        assert marker.high() == 1
        assert levels.read_bytes() == b"0\n1\n"
        assert marker.low() == 2
        marker.high()
        marker.close()
        marker.close()
        assert levels.read_bytes() == b"0\n1\n0\n1\n0\n"

    @pytest.mark.parametrize(
        ("act", "why"),
        [
            ("sys.exit(3)", "it ended with status 3"),
            ("line = b'ok\\n'", "it wrote 'ok' where the echo of '0' was due"),
            ("__import__('time').sleep(60)", "no echo of '0' within 0.2 s"),
        ],
    )
    def test_one_that_does_not_echo(
        self, program: Callable[..., str], monkeypatch: pytest.MonkeyPatch, act: str, why: str
    ):
        if "no echo" in why:
            monkeypatch.setattr("powerlab.markers.program.START", 0.2)
            monkeypatch.setattr("powerlab.markers.program.GRACE", 0.2)
        with pytest.raises(MarkerError, match=why) as caught:
            open_marker(program(act))
        assert "\n" not in str(caught.value)

    def test_one_that_ends_later(self, program: Callable[..., str]):
        marker = open_marker(program("line == b'1\\n' and sys.exit(4)"))
        with pytest.raises(MarkerError, match="it ended with status 4"):
            marker.high()
        marker.close()

    @pytest.mark.parametrize("command", ["./no-such-program", "'unbalanced"])
    def test_one_that_is_not_there(self, command: str):
        with pytest.raises(MarkerError, match="cannot be started"):
            open_marker(f"command:{command}")


@pytest.mark.parametrize(
    "spec",
    [
        "gpio:/dev/gpiochip0", "gpio:/dev/gpiochip0:x", "gpio:17", "gpio:/dev/gpiochip0:17-upside-down",
        "parallel:/dev/parport0", "parallel:/dev/parport0:8", "parallel:0", "command:", "command: ",
    ],
)  # fmt: skip
def test_what_names_no_marker_gets_the_forms(spec: str):
    with pytest.raises(MarkerError, match=r"gpio:CHIP:LINE, parallel:PORT:BIT .*command:PROGRAM") as caught:
        open_marker(spec)
    assert repr(spec) in str(caught.value)
