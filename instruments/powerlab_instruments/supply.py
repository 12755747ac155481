"""The Keysight E3645A DC supply that feeds the board.

Behaviour after the E364xA User's and Service Guide. Limits are 1.03 x rated, per range.
"""

from dataclasses import dataclass

from powerlab_instruments.errors import DeviceError, OutOfRange
from powerlab_instruments.instrument import Instrument
from powerlab_instruments.settings import Choice, Reading, Setting, Switch, number
from powerlab_traces.chain import SupplyLimits, SupplyReading
from powerlab_traces.clock import Clock

# Readback accuracy over the bus, 12 months, 25 C +- 5 C: current 0.15 % + 5 mA is the E3645A's own verification
# limit; voltage 0.05 % + 5 mV is printed for the family's dual-output models and expected to hold here.
VOLTAGE_GAIN_LIMIT = 0.0005
VOLTAGE_OFFSET_LIMIT = 0.005
CURRENT_GAIN_LIMIT = 0.0015
CURRENT_OFFSET_LIMIT = 0.005

# Set-points are rounded to the converters' steps: 5 mV and 1 mA or better. The trip level's step is UNCONFIRMED.
SETPOINT_STEP = 0.006
PROTECTION_STEP = 0.1

# STATus:QUEStionable: bit 0 is named "Voltage" and means constant current; healthy CV reads 2.
CONSTANT_CURRENT = 1
REGULATION = {0: "off", 1: "CC", 2: "CV", 3: "failed"}


@dataclass(frozen=True, slots=True)
class OutputRange:
    """One of the supply's two output ranges: the largest voltage (V) and current (A) it can be set to."""

    name: str
    voltage: float
    current: float


P35V = OutputRange("P35V", 36.05, 2.266)
P60V = OutputRange("P60V", 61.8, 1.339)


class E3645A(Instrument):
    """Keysight E3645A, 80 W, 35 V / 2.2 A or 60 V / 1.3 A."""

    model = "E3645A"
    error_queue_depth = 20

    range = Choice("VOLTage:RANGe", ("P35V", "P60V"), doc="Output range.")
    voltage = Setting("VOLTage", unit="V", low=0, high=P60V.voltage, doc="Voltage set-point.")
    current_limit = Setting("CURRent", unit="A", low=0, high=P35V.current, doc="Current limit.")
    # 1 V as the lowest trip level is UNCONFIRMED.
    over_voltage = Setting("VOLTage:PROTection", unit="V", low=1, high=66, doc="Level at which the crowbar fires.")
    over_voltage_on = Switch("VOLTage:PROTection:STATe", doc="Over-voltage protection.")
    output = Switch("OUTPut", doc="The output.")
    measured_voltage = Reading("MEASure:VOLTage", unit="V", doc="Voltage at the sense terminals.")
    measured_current = Reading("MEASure:CURRent", unit="A", doc="Output current.")

    @property
    def tripped(self) -> bool:
        """Whether the over-voltage crowbar has fired: the output is shorted although it reads "on"."""
        return number(self.link, "VOLTage:PROTection:TRIPped?") != 0

    @property
    def regulation(self) -> str:
        """How the output is regulated now: "CV", "CC", "off" or "failed"."""
        return REGULATION[int(number(self.link, "STATus:QUEStionable:CONDition?")) & 3]

    def was_limited(self) -> bool:
        """Whether the supply has been in constant current at any time since this was last asked."""
        return bool(int(number(self.link, "STATus:QUEStionable?")) & CONSTANT_CURRENT)

    def prepare_output(self, *, voltage: float, current_limit: float, over_voltage: float) -> None:
        """Set range, protection, voltage and current limit, each read back. The output must be off.

        The range is the one that gives more current at this voltage: P35V up to its 36.05 V.

        Raises
        ------
        OutOfRange
            Beyond the range's limits, or the protection level is not above the voltage. Nothing was sent.
        DeviceError
            The output is on, or the supply has settled on something else.
        """
        wanted = P35V if voltage <= P35V.voltage else P60V
        if not (0 <= voltage <= wanted.voltage and 0 <= current_limit <= wanted.current):
            raise OutOfRange(
                f"{voltage:g} V with {current_limit:g} A is beyond the E3645A's {wanted.name} range: "
                f"give up to {wanted.voltage:g} V and {wanted.current:g} A"
            )
        if not voltage < over_voltage <= type(self).over_voltage.high:
            raise OutOfRange(
                f"over-voltage protection at {over_voltage:g} V does not lie above the {voltage:g} V output: "
                f"give more than that, up to {type(self).over_voltage.high:g} V"
            )
        if self.output:
            raise DeviceError(f"{self.link}: the output is on; its limits are only changed while it is off")
        # Both values are brought inside either range before it is switched: what the supply does otherwise is
        # not documented.
        if self.range != wanted.name:
            self.voltage = 0
            self.current_limit = min(current_limit, P60V.current)
            self.range = wanted.name
        self.over_voltage = over_voltage
        self.over_voltage_on = True
        self.voltage = voltage
        self.current_limit = current_limit
        self.check("its output limits")
        self._must_read_back(range=wanted.name, over_voltage_on=True)
        self._must_be_near("voltage", voltage, SETPOINT_STEP)
        self._must_be_near("current_limit", current_limit, SETPOINT_STEP)
        self._must_be_near("over_voltage", over_voltage, PROTECTION_STEP)

    def switch_on(self) -> None:
        """Switch the output on. Call `prepare_output` first.

        Raises
        ------
        DeviceError
            Over-voltage protection is not on, or has tripped, or the supply refuses.
        """
        if not self.over_voltage_on:
            raise DeviceError(f"{self.link}: over-voltage protection is off, so the output stays off")
        if self.tripped:
            raise DeviceError(
                f"{self.link}: over-voltage protection has tripped and shorts the output; remove the cause and "
                "clear it at the supply"
            )
        self.output = True
        self.check("switching its output on")

    def switch_off(self) -> None:
        """Switch the output off."""
        self.output = False
        self.check("switching its output off")

    def read(self, clock: Clock) -> SupplyReading:
        """Voltage, current and regulation now; takes about 0.2 s on the instrument."""
        voltage, current = self.measured_voltage, self.measured_current
        regulation, limited = self.regulation, self.was_limited()
        return SupplyReading(clock.now(), voltage, current, regulation, limited)

    @staticmethod
    def limits(*, lead_resistance: float = 0.0, lead_resistance_limit: float = 0.0) -> SupplyLimits:
        """How far `read` can be trusted; the lead's resistance in ohm, 0 with remote sense."""
        return SupplyLimits(
            VOLTAGE_GAIN_LIMIT,
            VOLTAGE_OFFSET_LIMIT,
            CURRENT_GAIN_LIMIT,
            CURRENT_OFFSET_LIMIT,
            lead_resistance,
            lead_resistance_limit,
        )

    def _must_read_back(self, **wanted: str | bool) -> None:
        for name, value in wanted.items():
            if getattr(self, name) != value:
                raise DeviceError(f"{self.link}: {name} was set to {value} and reads {getattr(self, name)}")

    def _must_be_near(self, name: str, wanted: float, step: float) -> None:
        got = getattr(self, name)
        if abs(got - wanted) > step:
            raise DeviceError(f"{self.link}: {name} was set to {wanted:g} and reads {got:g}")
