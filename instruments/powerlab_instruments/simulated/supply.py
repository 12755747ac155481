"""The E3645A supply: limits, regulation, over-voltage crowbar, readback.

E364xA User's and Service Guide; where that does not say, the E3631A and E3632A guides of the same firmware family.
What neither settles is marked UNCONFIRMED.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from powerlab_instruments.simulated.board import Board, Source
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.forms import (
    Flag,
    NumberOrWord,
    Real,
    ScpiError,
    Text,
    Whole,
    Word,
    counted,
    fixed_exponent,
)
from powerlab_instruments.simulated.scpi import Instrument, Setting, command, query

VOLTAGE_MAX = {"P35V": 36.05, "P60V": 61.8}  # V, 1.03 times the rating
CURRENT_MAX = {"P35V": 2.266, "P60V": 1.339}  # A
CURRENT_RATED = {"P35V": 2.2, "P60V": 1.3}  # A
VOLTAGE_STEP, CURRENT_STEP = 1.14e-3, 0.042e-3  # V, A of the converters; UNCONFIRMED: scaled from siblings
PROTECTION_LIMITS = 1.0, 66.0  # V; the lower one is UNCONFIRMED
READING_TIME = 0.08  # s a MEASure? takes (siblings: below 100 ms)
READING_STEPS = 2e-3, 1e-3  # V, A; resolution of a reading, UNCONFIRMED
TEXT_WIDTH = 11
CC_BIT, CV_BIT, OVP_BIT = 1, 2, 512  # questionable status; bit 0 is called Voltage: it is the unregulated one

_SPAN = Word("MINimum", "MAXimum")
_LEVEL = Word("MINimum", "MAXimum", "UP", "DOWN")
_APPLY = Word("MINimum", "MAXimum", "DEFault")
_STEP = Word("DEFault")


class RangeWord(Word):
    """P35V or P60V, also spelled LOW and HIGH, and always answered as the former."""

    def read(self, token: str) -> str:
        """`P35V` or `P60V`."""
        word = super().read(token)
        return {"LOW": "P35V", "HIGH": "P60V"}.get(word, word)


@dataclass(frozen=True, slots=True)
class SupplyErrors:
    """How far one supply is off, as (relative, absolute) pairs inside the specified accuracy."""

    voltage: tuple[float, float]
    current: tuple[float, float]
    voltage_reading: tuple[float, float]
    current_reading: tuple[float, float]

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "SupplyErrors":
        """Programming 0.05 % + 10 mV and 0.2 % + 10 mA, readback 0.05 % + 5 mV and 0.15 % + 5 mA."""
        limits = (5e-4, 10e-3), (2e-3, 10e-3), (5e-4, 5e-3), (1.5e-3, 5e-3)
        a, b, c, d = (
            (gain * float(random.uniform(-1, 1)), offset * float(random.uniform(-1, 1))) for gain, offset in limits
        )
        return cls(a, b, c, d)


class Supply(Instrument):
    """An Agilent E3645A on GPIB, feeding the board."""

    IDENTITY = "Agilent Technologies,E3645A,0,1.7-5.0-1.0"
    QUEUE_DEPTH = 20
    STATES: ClassVar[int] = 5  # stored states

    voltage = Setting("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", Real("V", style=fixed_exponent), 0.0)
    current = Setting("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", Real("A", style=fixed_exponent), 2.2)
    range = Setting("[SOURce:]VOLTage:RANGe", RangeWord("P35V", "P60V", "LOW", "HIGH"), "P35V")
    protection = Setting(
        "[SOURce:]VOLTage:PROTection[:LEVel]", Real("V", *PROTECTION_LIMITS, style=fixed_exponent), 66.0
    )
    protected = Setting("[SOURce:]VOLTage:PROTection:STATe", Flag(), reset=True)
    output = Setting("OUTPut[:STATe]", Flag(), reset=False)
    relay = Setting("OUTPut:RELay[:STATe]", Flag(), reset=False)
    display = Setting("DISPlay[:WINDow<1-1>][:STATe]", Flag(), reset=True)
    text = Setting("DISPlay[:WINDow<1-1>]:TEXT[:DATA]", Text(TEXT_WIDTH, 40), "")
    trigger_source = Setting("TRIGger:SOURce", Word("BUS", "IMMediate"), "BUS")
    trigger_delay = Setting("TRIGger:DELay", Real("s", 0.0, 3600.0, style=fixed_exponent), 0.0)

    def __init__(self, board: Board, clock: SimulatedClock, random: np.random.Generator) -> None:
        self.board, self.clock = board, clock
        self.off_by = SupplyErrors.drawn(random)
        self.tripped = self._armed = self._feeding = False
        self._question_event = self._question_enable = 0
        self._since = clock.now()  # up to when the question event register has taken in what happened
        self._stored: dict[int, dict[tuple[str, tuple[int, ...]], Any]] = {}
        self._power_on_clear = True
        super().__init__()

    def restore_defaults(self) -> None:
        """Every setting as after *RST."""
        super().restore_defaults()
        self.steps = {"voltage": VOLTAGE_STEP, "current": CURRENT_STEP}
        self.pending: dict[str, float] = {}  # what a trigger will set

    def reset(self) -> None:
        """The output goes off and a tripped crowbar is released."""
        self.tripped = self._armed = False
        self._feed()

    # The output.

    def _feed(self, delay: float = 0.0) -> None:
        """Put on the board's leads what the settings say, and let the crowbar see it."""
        now = self.clock.now()
        self._latch(now)  # what has been fed until now
        voltage = _off(self.voltage, self.off_by.voltage) if self.output else 0.0
        if self.output and self.protected and voltage > self.protection:
            self.tripped = True
            self._question_event |= OVP_BIT
        self._feeding = self.output and not self.tripped
        if not self._feeding:
            voltage = 0.0
        limit = max(0.0, _off(self.current, self.off_by.current))
        self.board.feed(Source(now + round(delay * 1e9), max(0.0, voltage), limit))

    def changed(self, name: str) -> None:
        """What acts on the output does so at once (the real one takes some ten ms)."""
        if name in ("voltage", "current", "range", "protection", "protected", "output"):
            self._feed()

    def condition(self) -> int:
        """0 off or crowbarred, 1 constant current, 2 constant voltage."""
        if not self._feeding:
            return 0
        now = self.clock.now()
        return CC_BIT if self.board.limited(now, now) else CV_BIT

    def _latch(self, now: int) -> None:
        """Take into the event register how the output was regulated since the last time."""
        if self._feeding:
            self._question_event |= self.condition()
            if self.board.limited(self._since, now):
                self._question_event |= CC_BIT
        self._since = now

    # Levels.

    def _limits(self, name: str) -> tuple[float, float]:
        return 0.0, (VOLTAGE_MAX if name == "voltage" else CURRENT_MAX)[self.range]

    def _level(self, name: str, value: float | str) -> float:
        """A level as a number inside the selected range; -222 outside."""
        low, high = self._limits(name)
        match value:
            case "MIN":
                return low
            case "MAX":
                return high
            case "DEF":
                return 0.0 if name == "voltage" else CURRENT_RATED[self.range]
            case "UP" | "DOWN":
                value = self.values[name, ()] + (1 if value == "UP" else -1) * self.steps[name]
        assert not isinstance(value, str)
        if not low <= value <= high:
            raise ScpiError(-222)
        return value

    @command("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", NumberOrWord("V", _LEVEL))
    def set_voltage(self, value: float | str) -> None:
        """The voltage; inside the selected range, which never changes by itself (UNCONFIRMED)."""
        self.voltage = self._level("voltage", value)
        self.changed("voltage")

    @query("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", _SPAN, optional=1)
    def get_voltage(self, word: str | None = None) -> str:
        """The voltage set, or the least and most of the selected range."""
        return fixed_exponent(self._level("voltage", word or self.voltage))

    @command("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", NumberOrWord("A", _LEVEL))
    def set_current(self, value: float | str) -> None:
        """The current limit, inside the selected range."""
        self.current = self._level("current", value)
        self.changed("current")

    @query("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", _SPAN, optional=1)
    def get_current(self, word: str | None = None) -> str:
        """The current limit set, or the least and most of the selected range."""
        return fixed_exponent(self._level("current", word or self.current))

    @command("[SOURce:]VOLTage[:LEVel][:IMMediate]:STEP[:INCRement]", NumberOrWord("V", _STEP))
    def set_voltage_step(self, value: float | str) -> None:
        """What UP and DOWN move the voltage by."""
        self.steps["voltage"] = VOLTAGE_STEP if isinstance(value, str) else self._level("voltage", value)

    @query("[SOURce:]VOLTage[:LEVel][:IMMediate]:STEP[:INCRement]", _STEP, optional=1)
    def get_voltage_step(self, word: str | None = None) -> str:
        """The voltage step, or the default one."""
        return fixed_exponent(VOLTAGE_STEP if word else self.steps["voltage"])

    @command("[SOURce:]CURRent[:LEVel][:IMMediate]:STEP[:INCRement]", NumberOrWord("A", _STEP))
    def set_current_step(self, value: float | str) -> None:
        """What UP and DOWN move the current by."""
        self.steps["current"] = CURRENT_STEP if isinstance(value, str) else self._level("current", value)

    @query("[SOURce:]CURRent[:LEVel][:IMMediate]:STEP[:INCRement]", _STEP, optional=1)
    def get_current_step(self, word: str | None = None) -> str:
        """The current step, or the default one."""
        return fixed_exponent(CURRENT_STEP if word else self.steps["current"])

    @command("[SOURce:]VOLTage:RANGe", RangeWord("P35V", "P60V", "LOW", "HIGH"))
    def set_range(self, value: str) -> None:
        """The range; levels beyond the new one's are brought down to its limits (UNCONFIRMED)."""
        self.range = value
        self.voltage = min(self.voltage, VOLTAGE_MAX[value])
        self.current = min(self.current, CURRENT_MAX[value])
        self.changed("range")

    @command("APPLy", NumberOrWord("V", _APPLY), NumberOrWord("A", _APPLY), optional=1)
    def apply(self, voltage: float | str, current: float | str | None = None) -> None:
        """Voltage and current limit; nothing changes unless both are good in the selected range."""
        volts = self._level("voltage", voltage)
        amperes = self.current if current is None else self._level("current", current)
        self.voltage, self.current = volts, amperes
        self.changed("voltage")

    @query("APPLy")
    def applied(self) -> str:
        """Both in one quoted string."""
        return f'"{self.voltage:.5f},{self.current:.5f}"'

    # Triggered levels.

    @command("[SOURce:]VOLTage[:LEVel]:TRIGgered[:AMPLitude]", NumberOrWord("V", _SPAN))
    def set_pending_voltage(self, value: float | str) -> None:
        """The voltage that a trigger will set."""
        self.pending["voltage"] = self._level("voltage", value)

    @query("[SOURce:]VOLTage[:LEVel]:TRIGgered[:AMPLitude]", _SPAN, optional=1)
    def get_pending_voltage(self, word: str | None = None) -> str:
        """The pending voltage, or the present one when none was programmed."""
        return fixed_exponent(self._level("voltage", word or self.pending.get("voltage", self.voltage)))

    @command("[SOURce:]CURRent[:LEVel]:TRIGgered[:AMPLitude]", NumberOrWord("A", _SPAN))
    def set_pending_current(self, value: float | str) -> None:
        """The current limit that a trigger will set."""
        self.pending["current"] = self._level("current", value)

    @query("[SOURce:]CURRent[:LEVel]:TRIGgered[:AMPLitude]", _SPAN, optional=1)
    def get_pending_current(self, word: str | None = None) -> str:
        """The pending current limit, or the present one when none was programmed."""
        return fixed_exponent(self._level("current", word or self.pending.get("current", self.current)))

    @command("INITiate[:IMMediate]")
    def initiate(self) -> None:
        """Arm the trigger; with source IMMediate it comes at once, without the delay."""
        self._armed = True
        if self.trigger_source == "IMM":
            self._transfer(0.0)

    @command("*TRG")
    def trigger(self) -> None:
        """A bus trigger; -211 when none is expected."""
        if not self._armed or self.trigger_source != "BUS":
            raise ScpiError(-211)
        self._transfer(self.trigger_delay)

    def _transfer(self, delay: float) -> None:
        self._armed = False
        self.voltage = self.pending.pop("voltage", self.voltage)
        self.current = self.pending.pop("current", self.current)
        self._feed(delay)

    # Protection.

    @query("[SOURce:]VOLTage:PROTection[:LEVel]", _SPAN, optional=1)
    def get_protection(self, word: str | None = None) -> str:
        """The crowbar's level, or its limits."""
        values = {"MIN": PROTECTION_LIMITS[0], "MAX": PROTECTION_LIMITS[1], None: self.protection}
        return fixed_exponent(values[word])

    @query("[SOURce:]VOLTage:PROTection:TRIPped")
    def get_tripped(self) -> str:
        """Whether the crowbar shorts the output."""
        return Flag().show(self.tripped)

    @command("[SOURce:]VOLTage:PROTection:CLEar")
    def clear_protection(self) -> None:
        """Release the crowbar: the output comes back as it was, and trips again if the cause is still there."""
        self.tripped = False
        self._feed()

    # Readings.

    def _reading(self) -> tuple[float, float]:
        """Volts at the sense terminals and amperes, the mean over the time a reading takes."""
        start = self.clock.now()
        self.clock.work(READING_TIME, self.cancelled)
        moments = np.linspace(0.0, READING_TIME, 400, endpoint=False)
        current, voltage, _ = self.board.draw(start, moments)
        terminals = voltage + current * self.board.lead_resistance
        return float(terminals.mean()), float(current.mean())

    @query("MEASure[:VOLTage][:DC]")
    def measure_voltage(self) -> str:
        """The voltage read back."""
        volts = _off(self._reading()[0], self.off_by.voltage_reading)
        return fixed_exponent(round(volts / READING_STEPS[0]) * READING_STEPS[0])

    @query("MEASure:CURRent[:DC]")
    def measure_current(self) -> str:
        """The current read back."""
        amperes = _off(self._reading()[1], self.off_by.current_reading)
        return fixed_exponent(round(amperes / READING_STEPS[1]) * READING_STEPS[1])

    # Status.

    def status_summary(self) -> int:
        """Bit 3 when an enabled questionable event is latched."""
        self._latch(self.clock.now())
        return 8 if self._question_event & self._question_enable else 0

    def clear_events(self) -> None:
        """*CLS empties the event register; the condition shows again at once."""
        self._since, self._question_event = self.clock.now(), 0

    @query("STATus:QUEStionable[:EVENt]")
    def question_event(self) -> str:
        """How the output was regulated since the last time this was read; healthy is 2."""
        self._latch(self.clock.now())
        value, self._question_event = self._question_event, 0
        return counted(value)

    @query("STATus:QUEStionable:CONDition")
    def question_condition(self) -> str:
        """How the output is regulated now."""
        return counted(self.condition())

    @command("STATus:QUEStionable:ENABle", Whole(0, 65535))
    def enable_questions(self, mask: int) -> None:
        """Which events reach the status byte."""
        self._question_enable = mask

    @query("STATus:QUEStionable:ENABle")
    def enabled_questions(self) -> str:
        """The mask of `STATus:QUEStionable:ENABle`."""
        return counted(self._question_enable)

    # The rest.

    @command("*SAV", Whole(1, STATES))
    def save(self, place: int) -> None:
        """Store the settings."""
        self._stored[place] = dict(self.values)

    @command("*RCL", Whole(1, STATES))
    def recall(self, place: int) -> None:
        """Bring settings back; a place that was never used holds those of *RST."""
        if place in self._stored:
            self.values.update(self._stored[place])
        else:
            self.restore_defaults()
        self._feed()

    @command("*PSC", Flag())
    def set_power_on_clear(self, value: bool) -> None:
        """Whether power-on clears the enable registers."""
        self._power_on_clear = value

    @query("*PSC")
    def power_on_clear(self) -> str:
        """The flag of `*PSC`."""
        return Flag().show(self._power_on_clear)

    @command("DISPlay[:WINDow<1-1>]:TEXT:CLEar")
    def clear_text(self) -> None:
        """The display shows the meter again."""
        self.text = ""

    @query("SYSTem:VERSion")
    def version(self) -> str:
        """The SCPI version; that of the E3632A family, UNCONFIRMED for this model."""
        return "1996.0"

    @command("SYSTem:BEEPer[:IMMediate]")
    def beep(self) -> None:
        """One beep, which nobody hears."""

    @command("SYSTem:REMote")
    @command("SYSTem:RWLock")
    @command("SYSTem:LOCal")
    def refuse_on_gpib(self) -> None:
        """These three are for RS-232 only."""
        raise ScpiError(514)


def _off(value: float, error: tuple[float, float]) -> float:
    return value * (1 + error[0]) + error[1]
