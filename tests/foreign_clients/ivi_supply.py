"""python-ivi's agilentE3645A over the simulated Prologix adapter: range, output, measurement."""

import sys
import time

import ivi
from raw_socket import RawSocket

supply = ivi.agilent.agilentE3645A(RawSocket(sys.argv[1], address=5))  # its own reset=True calls what it has not got
supply.utility.reset()
assert supply.identity.instrument_model == "E3645A", supply.identity.instrument_model
output = supply.outputs[0]
output.configure_range("voltage", 30)
output.voltage_level = 19.0
output.current_limit = 2.0
output.ovp_limit = 22.0
output.enabled = True
assert abs(output.voltage_level - 19.0) < 1e-6
assert output.enabled
time.sleep(0.3)  # the output takes a moment to settle; read at once it is still rising
volts, amperes = output.measure("voltage"), output.measure("current")
assert abs(volts - 19.0) < 0.1, volts
assert 0 < amperes < 2, amperes
output.enabled = False
code, text = supply.utility.error_query()
assert code == 0, (code, text)
supply.close()
sys.stdout.write(f"{volts:.4f} V, {amperes:.4f} A\n")
