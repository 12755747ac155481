"""The Keysight E3640A to E3645A DC supplies that feed the board.

Behaviour after the E364xA User's and Service Guide. Limits are 1.03 x rated, per range.
"""

from dataclasses import dataclass
from typing import Any, Literal

from powerlab_instruments.errors import DeviceError, InstrumentError, OutOfRange
from powerlab_instruments.instrument import Instrument
from powerlab_instruments.settings import Choice, Reading, Setting, Switch, Text, number
from powerlab_traces.chain import SupplyLimits, SupplyReading
from powerlab_traces.clock import Clock

# Readback accuracy over the bus, 12 months, 25 C +- 5 C: current 0.15 % + 5 mA is the E3645A's own verification
# limit, and UNCONFIRMED for its siblings; voltage 0.05 % + 5 mV is printed for the family's dual-output models and
# expected to hold here.
VOLTAGE_GAIN_LIMIT = 0.0005
VOLTAGE_OFFSET_LIMIT = 0.005
CURRENT_GAIN_LIMIT = 0.0015
CURRENT_OFFSET_LIMIT = 0.005
CURRENT_RESOLUTION = 0.001  # A, of a reading: UNCONFIRMED

# Set-points are rounded to the converters' steps: 5 mV and 1 mA or better. The trip level's step is UNCONFIRMED.
SETPOINT_STEP = 0.006
PROTECTION_STEP = 0.1

# STATus:QUEStionable: bit 0 is named "Voltage" and means constant current; healthy CV reads 2.
CONSTANT_CURRENT = 1
REGULATION = {0: "off", 1: "CC", 2: "CV", 3: "failed"}


OVER_RATING = 1.03  # the largest level that can be set, in the rating
LOWEST_PROTECTION = 1.0  # V; UNCONFIRMED
STATES = range(1, 6)  # stored states; the E3631A and E363xA have three
STATE_NAME_WIDTH = 9  # characters; UNCONFIRMED
TEXT_WIDTH = 11  # characters of the display

# An output that is off must have fallen below this voltage: what a supply leaves at open terminals is less.
SAFE_VOLTAGE = 1.0  # V
FALL_PATIENCE = 5.0  # s for the board's capacitors; the supply itself takes 0.4 s without a load


@dataclass(frozen=True, slots=True)
class OutputRange:
    """One of the supply's two output ranges: the largest voltage (V) and current (A) it can be set to."""

    name: str
    voltage: float
    current: float


@dataclass(frozen=True, slots=True)
class Ratings:
    """What a model has: both output ranges, and the highest level of its over-voltage protection in V."""

    low: OutputRange
    high: OutputRange
    over_voltage: float


def _ratings(low: tuple[float, float], high: tuple[float, float], over_voltage: float) -> Ratings:
    """From volts and amperes as rated."""
    low_range, high_range = (
        OutputRange(f"P{volts:g}V", round(OVER_RATING * volts, 6), round(OVER_RATING * amperes, 6))
        for volts, amperes in (low, high)
    )
    return Ratings(low_range, high_range, over_voltage)


# All but the E3645A's are recalled from the data sheet: UNCONFIRMED.
MODELS = {
    "E3640A": _ratings((8, 3), (20, 1.5), 22),
    "E3641A": _ratings((35, 0.8), (60, 0.5), 66),
    "E3642A": _ratings((8, 5), (20, 2.5), 22),
    "E3643A": _ratings((35, 1.4), (60, 0.8), 66),
    "E3644A": _ratings((8, 8), (20, 4), 22),
    "E3645A": _ratings((35, 2.2), (60, 1.3), 66),
}


class Level(Setting):
    """A level of the output: V or A. Its limit is that of the selected range, which is asked for only where the
    ranges differ about the value.
    """

    def __init__(self, command: str, quantity: Literal["voltage", "current"], *, doc: str) -> None:
        unit = {"voltage": "V", "current": "A"}[quantity]
        super().__init__(command, unit=unit, low=0, high=lambda it: max(map(self._most, it.ranges)), doc=doc)
        self._quantity = quantity

    def _most(self, output_range: OutputRange) -> float:
        most: float = getattr(output_range, self._quantity)
        return most

    def check(self, node: Any, value: float) -> None:
        """Raise `OutOfRange` for a value beyond the limits of the model, or of the range it is in."""
        super().check(node, value)
        if value <= min(map(self._most, node.ranges)):
            return
        name = node.range
        selected = next((it for it in node.ranges if it.name == name), None)
        if selected is not None and value > self._most(selected):
            raise OutOfRange(
                f"{self.name} = {value:g} {self.unit} on {node.link}: its {name} range goes up to "
                f"{self._most(selected):g} {self.unit}; select the other range first"
            )


class E364xA(Instrument):
    """A Keysight/Agilent E3640A to E3645A: one output with two ranges, see `MODELS`."""

    family = "Keysight E3640A to E3645A"
    role = "supply"
    models = MODELS
    error_queue_depth = 20

    range = Choice("VOLTage:RANGe", lambda it: tuple(found.name for found in it.ranges), doc="Output range.")
    voltage = Level("VOLTage", "voltage", doc="Voltage set-point.")
    current_limit = Level("CURRent", "current", doc="Current limit.")
    voltage_step = Level("VOLTage:STEP", "voltage", doc="What VOLTage UP and DOWN move the voltage by.")
    current_step = Level("CURRent:STEP", "current", doc="What CURRent UP and DOWN move the limit by.")
    triggered_voltage = Level("VOLTage:TRIGgered", "voltage", doc="Voltage that a trigger sets.")
    triggered_current = Level("CURRent:TRIGgered", "current", doc="Current limit that a trigger sets.")
    trigger_source = Choice("TRIGger:SOURce", ("BUS", "IMM"), doc="Whether a trigger is waited for.")
    trigger_delay = Setting("TRIGger:DELay", unit="s", low=0, high=3600, doc="From a bus trigger to its effect.")
    over_voltage = Setting(
        "VOLTage:PROTection",
        unit="V",
        low=LOWEST_PROTECTION,
        high=lambda it: it.ratings.over_voltage,
        doc="Level at which the crowbar fires.",
    )
    over_voltage_on = Switch("VOLTage:PROTection:STATe", doc="Over-voltage protection.")
    output = Switch("OUTPut", doc="The output.")
    output_relay = Switch("OUTPut:RELay", doc="The lines for an external relay, on the RS-232 connector.")
    display_on = Switch("DISPlay", doc="The front panel's display.")
    display_text = Text("DISPlay:TEXT", TEXT_WIDTH, doc="What the display shows in place of the readings.")
    measured_voltage = Reading("MEASure:VOLTage", unit="V", doc="Voltage at the sense terminals.")
    measured_current = Reading("MEASure:CURRent", unit="A", doc="Output current.")

    @property
    def ratings(self) -> Ratings:
        """What this model has."""
        return MODELS[self.model]

    @property
    def ranges(self) -> tuple[OutputRange, OutputRange]:
        """Its two output ranges, the lower voltage first."""
        return self.ratings.low, self.ratings.high

    def take_control(self) -> None:
        """Over RS-232 settings are obeyed only after SYSTem:REMote, which over GPIB is an error."""
        if self.link.is_serial:
            self.link.write("SYSTem:REMote")
            self.link.part_with("SYSTem:LOCal")

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

        The range is the one that gives more current at this voltage: an E3645A's P35V up to its 36.05 V.

        Raises
        ------
        OutOfRange
            Beyond the range's limits, or the protection level is not above the voltage. Nothing was sent.
        DeviceError
            The output is on, or the supply has settled on something else.
        """
        low, high = self.ranges
        wanted = low if voltage <= low.voltage else high
        if not (0 <= voltage <= wanted.voltage and 0 <= current_limit <= wanted.current):
            raise OutOfRange(
                f"{voltage:g} V with {current_limit:g} A is beyond the {self.model}'s {wanted.name} range: "
                f"give up to {wanted.voltage:g} V and {wanted.current:g} A"
            )
        if not voltage < over_voltage <= self.ratings.over_voltage:
            raise OutOfRange(
                f"over-voltage protection at {over_voltage:g} V does not lie above the {voltage:g} V output: "
                f"give more than that, up to {self.ratings.over_voltage:g} V"
            )
        if self.output:
            raise DeviceError(f"{self.link}: the output is on; its limits are only changed while it is off")
        # Both values are brought inside either range before it is switched: what the supply does otherwise is
        # not documented.
        if self.range != wanted.name:
            self.voltage = 0
            self.current_limit = min(current_limit, high.current)
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

    def make_safe(self, clock: Clock) -> None:
        """Switch the output off, and read back that it is off and that the voltage has fallen.

        Raises
        ------
        DeviceError
            It does not answer, the output is not off, or something else keeps it under voltage.
        """
        try:
            self.switch_off()
            deadline = clock.now() + int(FALL_PATIENCE * 1e9)
            while (on := self.output) or abs(self.measured_voltage) > SAFE_VOLTAGE:
                if clock.now() > deadline:
                    what = "is still on" if on else f"is off and still has {self.measured_voltage:.3g} V"
                    raise DeviceError(f"the output {what} {FALL_PATIENCE:g} s after it was switched off")
                clock.sleep(0.1)
        except InstrumentError as error:
            raise DeviceError(
                f"{self.model} at {self.link} could not be made safe; look at the supply: {error}"
            ) from error

    def clear_over_voltage(self) -> None:
        """Release a tripped crowbar. The output is switched off first: by itself it would come back as it was.

        Raises
        ------
        DeviceError
            It trips again: the cause is still there.
        """
        self.switch_off()
        self.link.write("VOLTage:PROTection:CLEar")
        self.check("clearing its over-voltage protection")
        if self.tripped:
            raise DeviceError(f"{self.link}: over-voltage protection has tripped again; remove what feeds the output")

    def trigger(self) -> None:
        """Bring the triggered levels to the output: at once, or with source BUS after its delay."""
        self.link.write("INITiate")
        if self.trigger_source == "BUS":
            self.link.write("*TRG")
        self.check("a trigger")

    def clear_display_text(self) -> None:
        """Show the readings again."""
        self.link.write("DISPlay:TEXT:CLEar")
        self.check("clearing its display")

    def save_state(self, place: int, name: str = "") -> None:
        """Store the settings in place 1 to 5, under a name of up to nine characters.

        Raises
        ------
        OutOfRange
            There is no such place, or the name does not fit. Nothing was sent.
        DeviceError
            The output is on: a state stored so would switch it on whenever it is recalled.
        """
        self._must_have(place)
        if len(name) > STATE_NAME_WIDTH or not (name.isascii() and name.isprintable()) or '"' in name:
            raise OutOfRange(
                f"name {name!r} of a state on {self.link}: give up to {STATE_NAME_WIDTH} printable ASCII characters "
                "without quotation marks"
            )
        if self.output:
            raise DeviceError(f"{self.link}: the output is on; a state is stored while it is off, and recalls it so")
        self.link.write(f"*SAV {place}")
        self.link.write(f'MEMory:STATe:NAME {place},"{name}"')
        self.check(f"storing state {place}")

    def recall_state(self, place: int) -> None:
        """Bring back the settings of place 1 to 5; a place never used holds those of *RST.

        Raises
        ------
        OutOfRange
            There is no such place. Nothing was sent.
        DeviceError
            The output is on, and its levels are not changed; or the state had it on: it is off again.
        """
        self._must_have(place)
        if self.output:
            raise DeviceError(f"{self.link}: the output is on; a state is recalled while it is off")
        self.link.write(f"*RCL {place}")
        self.check(f"recalling state {place}")
        if self.output:
            self.switch_off()
            raise DeviceError(f"{self.link}: state {place} was stored with the output on; it was switched off again")

    def state_name(self, place: int) -> str:
        """The name of the state in place 1 to 5."""
        self._must_have(place)
        return self.link.query(f"MEMory:STATe:NAME? {place}").strip('"')

    def _must_have(self, place: int) -> None:
        if place not in STATES:
            raise OutOfRange(f"state {place} on {self.link}: give {STATES[0]} to {STATES[-1]}")

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
