"""python-ivi's agilentMSOX2024A: identity, set-up, waveform, measurements, screenshot, set-up block."""

import sys

import ivi
from raw_socket import RawSocket

resource = sys.argv[1]
scope = ivi.agilent.agilentMSOX2024A(
    resource if resource.endswith("INSTR") else RawSocket(resource), id_query=True, reset=True
)
assert scope.identity.instrument_model == "MSO-X 2024A", scope.identity.instrument_model
assert scope.identity.instrument_manufacturer == "AGILENT TECHNOLOGIES"

channel = scope.channels["channel1"]
channel.enabled = True
channel.probe_attenuation = 1
channel.range = 0.8
channel.offset = 0.1
channel.coupling = "dc"
channel.label = "supply"
channel.bw_limit = False
scope.timebase.range = 1e-3
scope.acquisition.type = "normal"
scope.trigger.type = "edge"
scope.trigger.source = "channel1"
scope.trigger.level = 0.05
scope.trigger.edge.slope = "positive"
scope.trigger.coupling = "dc"
scope.driver_operation.invalidate_all_attributes()
assert abs(channel.range - 0.8) < 1e-9, channel.range
assert abs(channel.offset - 0.1) < 1e-9, channel.offset
assert channel.label == "supply"
assert channel.probe_id == "NONE"
assert channel.input_impedance == 1e6
assert scope.trigger.source == "chan1", scope.trigger.source  # it hands out the answer in small letters
assert scope.trigger.coupling == "dc"
assert scope.timebase.scale == 1e-4
assert scope.acquisition.type == "normal"

scope.measurement.initiate()
waveform = channel.measurement.fetch_waveform()
assert len(waveform) == 62500, len(waveform)
assert abs(waveform[0][0] + 0.5e-3) < 1e-6, waveform[0]
assert all(-0.3 <= value <= 0.5 for _, value in waveform)
mean = channel.measurement.fetch_waveform_measurement("voltage_average")
assert abs(mean - sum(value for _, value in waveform) / len(waveform)) < 1e-4, mean
assert channel.measurement.fetch_waveform_measurement("voltage_peak_to_peak") >= 0

picture = scope.display.fetch_screenshot(format="png")
assert picture.startswith(b"\x89PNG\r\n"), picture[:10]
setup = scope.system.fetch_setup()
scope.system.load_setup(setup)
scope.utility.reset()
code, text = scope.utility.error_query()
assert code == 0, (code, text)
scope.close()
sys.stdout.write(
    f"{len(waveform)} points, mean {mean:.4f} V, a screenshot of {len(picture)} bytes, {len(setup)} bytes of set-up\n"
)
