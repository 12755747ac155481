"""PyMeasure's KeysightDSOX1102G: settings, whole-subsystem answers, waveform in text and binary, picture."""

import sys

import numpy as np
from pymeasure.instruments.keysight import KeysightDSOX1102G

scope = KeysightDSOX1102G(sys.argv[1], read_termination="\n", write_termination="\n")
assert "MSO-X 2024A" in scope.id
scope.factory_reset()
scope.clear_status()
found = scope.ch1.current_configuration
assert found["RANG"] == 40.0, found
assert found["PROB"] == 10.0, found
assert scope.timebase == {"MODE": "MAIN", "REF": "CENT", "MAIN:RANG": 1e-3, "POS": 0.0}, scope.timebase
scope.ch1.setup(bwlimit=False, coupling="dc", display=True, label="supply", probe_attenuation=1, scale=0.1, offset=0.1)
assert scope.ch1.label.strip('"') == "supply", scope.ch1.label
assert abs(scope.ch1.scale - 0.1) < 1e-9
scope.timebase_setup(mode="main", horizontal_range=1e-3, offset=0)
for kind in ("average", "hresolution", "peak", "normal"):
    scope.acquisition_type = kind
    assert scope.acquisition_type == kind
scope.digitize("channel1")
text, preamble = scope.download_data("channel1", points=1000)
assert len(text) == preamble["points"] == 1000, (len(text), preamble)
scope.waveform_format = "byte"
preamble = scope.waveform_preamble
codes = scope.adapter.connection.query_binary_values(":WAVeform:DATA?", datatype="B", container=np.array)
binary = (codes.astype(float) - preamble["yreference"]) * preamble["yincrement"] + preamble["yorigin"]
assert np.abs(binary - text).max() < 1e-5, np.abs(binary - text).max()
setup = scope.system_setup
scope.system_setup = setup
errors = scope.check_errors()
assert not errors, errors
picture = scope.download_image()
assert picture.startswith(b"\x89PNG"), picture[:10]
sys.stdout.write(
    f"{len(text)} points in text and binary, {len(setup)} characters of set-up, a picture of {len(picture)} bytes\n"
)
