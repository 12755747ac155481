"""msox3000: identity, channel, measurements, hardcopy, waveforms, set-up."""

import contextlib
import io
import sys
from pathlib import Path

from msox3000 import MSOX3000

said = io.StringIO()
scope = MSOX3000(sys.argv[1])
with contextlib.redirect_stdout(said):  # it prints the instrument's errors and goes on
    if sys.argv[1].endswith("SOCKET"):
        scope._read_termination = "\n"  # a socket has no other mark of an end than this; VXI-11 has
    scope.open()
    name = scope.idn()
    scope.reset()
    scope.channel = "1"
    assert scope.isOutputOn()
    scope.outputOn("2")
    assert scope.isOutputOn("2")
    scope.outputOff("2")
    assert not scope.isOutputOn("2")
    scope.channelLabel("supply", "1")
    assert scope.measureVoltAverage("1") < 1
    assert scope.measureVoltPP("1") >= 0
    assert scope.measureFrequency("1") > 0
    scope.setupAutoscale("1")
    scope.annotate("a note", "CH1")
    scope.annotateOff()
    scope.hardcopy("screen.png")
    points = scope.waveform("channel.csv", "1", 1000)
    scope.outputOn("POD1")
    pod = scope.waveform("pod.csv", "POD1")
    size = scope.setupSave("setup.bin")
    scope.setupLoad("setup.bin")
    scope.setRemote()
    scope.setLocal()
    scope.close()
assert "MSO-X 2024A" in name, name
assert not said.getvalue(), said.getvalue()
assert Path("screen.png").read_bytes().startswith(b"\x89PNG")
assert points == 1000, points
sys.stdout.write(f"{points} points, {pod} of the pod, {size} bytes of set-up, no error\n")
