"""python-ivi's agilentMSOX2024A fetches a waveform, the way it has: median seconds and points, as JSON.

It reads the measurement record, 62 500 points at most.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import ivi

sys.path.append(str(Path(__file__).parent.parent / "foreign_clients"))
from raw_socket import RawSocket

scope = ivi.agilent.agilentMSOX2024A(RawSocket(sys.argv[1]))
measurement = scope.channels["channel1"].measurement
taken = []
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    waveform = measurement.fetch_waveform()
    taken.append(time.perf_counter() - started)
sys.stdout.write(json.dumps({"seconds": statistics.median(taken), "points": len(waveform)}) + "\n")
