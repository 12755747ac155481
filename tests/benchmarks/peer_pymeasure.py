"""PyMeasure's KeysightDSOX1102G reads a whole record in text, the way it has: median seconds and points, as JSON."""

import json
import statistics
import sys
import time

import numpy as np
from pymeasure.instruments.keysight import KeysightDSOX1102G

scope = KeysightDSOX1102G(sys.argv[1], read_termination="\n", write_termination="\n")
scope.adapter.connection.timeout = 30_000
taken = []
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    scope.waveform_source = "channel1"
    scope.waveform_points_mode = "raw"
    preamble = scope.waveform_preamble
    values = np.array(scope.waveform_data)
    taken.append(time.perf_counter() - started)
sys.stdout.write(json.dumps({"seconds": statistics.median(taken), "points": len(values)}) + "\n")
