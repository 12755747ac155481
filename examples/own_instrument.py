"""A driver for an instrument that powerlab does not know, a multimeter across the board, with a simulated twin.

Runs on the simulated bench; docs/how-to/add-an-instrument.md explains it step by step.
"""

from contextlib import closing

import numpy as np

from powerlab_instruments import conformance
from powerlab_instruments.catalogue import open_instrument, register
from powerlab_instruments.instrument import Instrument
from powerlab_instruments.link import Visa
from powerlab_instruments.settings import Reading, Setting, Switch
from powerlab_instruments.simulated import forms, scpi
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.rawsocket import RawSocket
from powerlab_instruments.simulated.wire import VirtualClock, Wire


@register
class Multimeter(Instrument):
    """A Lab Works LW-6 multimeter; commands after its programming guide."""

    family = "Lab Works LW-6 multimeter"
    role = "meter"
    makers = ("LAB WORKS",)
    models = ("LW-6",)
    error_queue_depth = 10

    range = Setting("SENSe:VOLTage:RANGe", unit="V", low=0.1, high=1000, doc="Largest voltage it shows.")
    cycles = Setting("SENSe:VOLTage:NPLCycles", unit="", low=0.02, high=100, doc="Mains periods a reading takes.")
    filtered = Switch("INPut:FILTer", doc="The low-pass filter at its input.")
    voltage = Reading("MEASure:VOLTage", unit="V", doc="Voltage between its terminals.")


class SimulatedMultimeter(scpi.Instrument):
    """What the programming guide says of an LW-6, its terminals at the simulated board."""

    QUEUE_DEPTH = 10

    range = scpi.Setting("SENSe:VOLTage:RANGe", forms.Real("V", 0.1, 1000.0), 10.0)
    cycles = scpi.Setting("SENSe:VOLTage:NPLCycles", forms.Real("", 0.02, 100.0), 1.0)
    filtered = scpi.Setting("INPut:FILTer", forms.Flag(), reset=False)

    def __init__(self, bench: SimulatedBench) -> None:
        self.bench = bench
        super().__init__()

    @scpi.query("*IDN", indefinite=True)
    def identity(self) -> str:
        return "LAB WORKS,LW-6,SIM0001,1.0"

    @scpi.query("MEASure:VOLTage")
    def measure(self) -> str:
        _, volts, _ = self.bench.board.draw(self.bench.clock.now(), np.zeros(1))
        return forms.engineering(9.9e37 if volts[0] > self.range else float(volts[0]))


with SimulatedBench(virtual=True) as bench, Wire(bench.resources.wire) as wire, Visa() as visa:
    clock = VirtualClock(wire)
    supply = open_instrument(visa.open(bench.resources.supply, adapter=bench.resources.adapter), "supply")
    twin = RawSocket(SimulatedMultimeter(bench), bench.clock, "multimeter", bench.faults, port=0)
    with closing(twin):
        meter = open_instrument(visa.open(f"TCPIP0::127.0.0.1::{twin.listener.port}::SOCKET"), "meter")
        conformance.check(meter, clock, {"range": 30.0, "cycles": 10.0})

        meter.range = 30.0
        supply.prepare_output(voltage=19.0, current_limit=2.0, over_voltage=21.0)
        supply.switch_on()
        clock.sleep(1.0)
        print(f"SIMULATED: the supply reads {supply.measured_voltage:.2f} V, the multimeter {meter.voltage:.2f} V")
        supply.make_safe(clock)
        print(f"settings for the run's file: {meter.snapshot()}")
