"""The E3645A supply and its siblings, complete: levels, triggers, memory, display, and the two interfaces.

E364xA User's and Service Guide; where that does not say, the E3631A and E3632A guides of the same firmware family.
What neither settles is marked UNCONFIRMED.
"""

from typing import Any, ClassVar

import numpy as np

from powerlab_instruments.simulated.board import Board
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
    refuse_unless_word,
)
from powerlab_instruments.simulated.headers import Action
from powerlab_instruments.simulated.regulation import SPAN, Regulation
from powerlab_instruments.simulated.scpi import Setting, command, query
from powerlab_instruments.simulated.supplies import supply_named

TEXT_WIDTH = 11
STATE_NAME_WIDTH = 9  # UNCONFIRMED

_LEVEL = Word("MINimum", "MAXimum", "UP", "DOWN")
_APPLY = Word("MINimum", "MAXimum", "DEFault")
_STEP = Word("DEFault")
_RANGE = Word("P8V", "P20V", "P35V", "P60V", "LOW", "HIGH")
# Those of calibration are the E3631A's: UNCONFIRMED for this family.
_RS232_ONLY, _NOT_IN_LOCAL, _SECURED, _WRONG_CODE, _CODE_TOO_LONG = 514, 550, 702, 703, 704
_LONGEST_CODE = 12  # letters
# Commands that are obeyed over RS-232 before SYSTem:REMote; UNCONFIRMED that the others are refused.
_ALWAYS = ("go_remote", "lock_remote", "go_local", "clear_status", "beep")


class SecurityCode:
    """A bare word like `HP003645`, which nobody here knows."""

    def read(self, token: str) -> str:
        """The word; 704 when it is too long."""
        refuse_unless_word(token)
        if len(token) > _LONGEST_CODE:
            raise ScpiError(_CODE_TOO_LONG)
        return token

    def show(self, value: str) -> str:
        """Never told."""
        return value


class Supply(Regulation):
    """An Agilent E364xA, feeding the board; `model` is a name like `E3645A` (`supplies.SUPPLIES`).

    Over GPIB it is remote when it is spoken to. With `rs232` it talks over that instead and begins in local.

    Raises
    ------
    UnknownSupplyError
        There is no such model.
    """

    QUEUE_DEPTH = 20
    STATES: ClassVar[int] = 5  # stored states

    relay = Setting("OUTPut:RELay[:STATe]", Flag(), reset=False)
    display = Setting("DISPlay[:WINDow<1-1>][:STATe]", Flag(), reset=True)
    text = Setting("DISPlay[:WINDow<1-1>]:TEXT[:DATA]", Text(TEXT_WIDTH, 40), "")
    trigger_source = Setting("TRIGger:SOURce", Word("BUS", "IMMediate"), "BUS")
    trigger_delay = Setting("TRIGger:DELay", Real("s", 0.0, 3600.0, style=fixed_exponent), 0.0)

    def __init__(
        self,
        board: Board,
        clock: SimulatedClock,
        random: np.random.Generator,
        model: str = "E3645A",
        *,
        rs232: bool = False,
    ) -> None:
        self._armed = False
        self._rs232, self._remote = rs232, not rs232
        self._stored: dict[int, dict[tuple[str, tuple[int, ...]], Any]] = {}
        self._state_names: dict[int, str] = {}
        self._power_on_clear = True
        super().__init__(board, clock, random, supply_named(model))

    @query("*IDN", indefinite=True)
    def identity(self) -> str:
        """Maker, model, 0, firmware."""
        return self.model.identity

    def restore_defaults(self) -> None:
        """Every setting as after *RST."""
        super().restore_defaults()
        self.steps = self.model.steps
        self.pending: dict[str, float] = {}  # what a trigger will set

    def reset(self) -> None:
        """No trigger is awaited."""
        self._armed = False
        super().reset()

    # Levels.

    def _limits(self, name: str) -> tuple[float, float]:
        selected = self.model.ranges[self.range]
        return 0.0, selected.voltage_max if name == "voltage" else selected.current_max

    def _level(self, name: str, value: float | str) -> float:
        """A level as a number inside the selected range; -222 outside."""
        low, high = self._limits(name)
        match value:
            case "MIN":
                return low
            case "MAX":
                return high
            case "DEF":
                return 0.0 if name == "voltage" else self.model.ranges[self.range].current
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

    @query("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", SPAN, optional=1)
    def get_voltage(self, word: str | None = None) -> str:
        """The voltage set, or the least and most of the selected range."""
        return fixed_exponent(self._level("voltage", word or self.voltage))

    @command("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", NumberOrWord("A", _LEVEL))
    def set_current(self, value: float | str) -> None:
        """The current limit, inside the selected range."""
        self.current = self._level("current", value)
        self.changed("current")

    @query("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", SPAN, optional=1)
    def get_current(self, word: str | None = None) -> str:
        """The current limit set, or the least and most of the selected range."""
        return fixed_exponent(self._level("current", word or self.current))

    @command("[SOURce:]VOLTage[:LEVel][:IMMediate]:STEP[:INCRement]", NumberOrWord("V", _STEP))
    def set_voltage_step(self, value: float | str) -> None:
        """What UP and DOWN move the voltage by."""
        self.steps["voltage"] = self.model.steps["voltage"] if isinstance(value, str) else self._level("voltage", value)

    @query("[SOURce:]VOLTage[:LEVel][:IMMediate]:STEP[:INCRement]", _STEP, optional=1)
    def get_voltage_step(self, word: str | None = None) -> str:
        """The voltage step, or the default one."""
        return fixed_exponent(self.model.steps["voltage"] if word else self.steps["voltage"])

    @command("[SOURce:]CURRent[:LEVel][:IMMediate]:STEP[:INCRement]", NumberOrWord("A", _STEP))
    def set_current_step(self, value: float | str) -> None:
        """What UP and DOWN move the current by."""
        self.steps["current"] = self.model.steps["current"] if isinstance(value, str) else self._level("current", value)

    @query("[SOURce:]CURRent[:LEVel][:IMMediate]:STEP[:INCRement]", _STEP, optional=1)
    def get_current_step(self, word: str | None = None) -> str:
        """The current step, or the default one."""
        return fixed_exponent(self.model.steps["current"] if word else self.steps["current"])

    @command("[SOURce:]VOLTage:RANGe", _RANGE)
    def set_range(self, value: str) -> None:
        """The range; levels beyond the new one's are brought down to its limits (UNCONFIRMED)."""
        name = {"LOW": self.model.low.name, "HIGH": self.model.high.name}.get(value, value)
        if name not in self.model.ranges:
            raise ScpiError(-224)
        self.range = name
        self.voltage, self.current = (
            min(self.voltage, self._limits("voltage")[1]),
            min(self.current, self._limits("current")[1]),
        )
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

    @command("[SOURce:]VOLTage[:LEVel]:TRIGgered[:AMPLitude]", NumberOrWord("V", SPAN))
    def set_pending_voltage(self, value: float | str) -> None:
        """The voltage that a trigger will set."""
        self.pending["voltage"] = self._level("voltage", value)

    @query("[SOURce:]VOLTage[:LEVel]:TRIGgered[:AMPLitude]", SPAN, optional=1)
    def get_pending_voltage(self, word: str | None = None) -> str:
        """The pending voltage, or the present one when none was programmed."""
        return fixed_exponent(self._level("voltage", word or self.pending.get("voltage", self.voltage)))

    @command("[SOURce:]CURRent[:LEVel]:TRIGgered[:AMPLitude]", NumberOrWord("A", SPAN))
    def set_pending_current(self, value: float | str) -> None:
        """The current limit that a trigger will set."""
        self.pending["current"] = self._level("current", value)

    @query("[SOURce:]CURRent[:LEVel]:TRIGgered[:AMPLitude]", SPAN, optional=1)
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
        self.program(delay)

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
        self.program()

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

    @command("MEMory:STATe:NAME", Whole(1, STATES), Text(STATE_NAME_WIDTH, 40))
    def name_state(self, place: int, name: str) -> None:
        """Name a stored state."""
        self._state_names[place] = name

    @query("MEMory:STATe:NAME", Whole(1, STATES))
    def state_name(self, place: int) -> str:
        """The name of a stored state."""
        return Text(STATE_NAME_WIDTH).show(self._state_names.get(place, ""))

    # Remote and local, which GPIB does with lines of its own.

    def _perform(self, header: str, action: Action, suffixes: tuple[int, ...], tokens: list[str]) -> str | bytes | None:
        """Queries are answered in local, too; settings are refused there."""
        if not (self._remote or header.endswith("?") or action.name in _ALWAYS):
            self.error(_NOT_IN_LOCAL)
            return None
        return super()._perform(header, action, suffixes, tokens)

    def _go(self, *, remote: bool) -> None:
        if not self._rs232:
            raise ScpiError(_RS232_ONLY)
        self._remote = remote

    @command("SYSTem:REMote")
    def go_remote(self) -> None:
        """Settings are obeyed, the front panel is dead except for its Local key."""
        self._go(remote=True)

    @command("SYSTem:RWLock")
    def lock_remote(self) -> None:
        """The same with a dead Local key."""
        self._go(remote=True)

    @command("SYSTem:LOCal")
    def go_local(self) -> None:
        """The front panel is alive."""
        self._go(remote=False)

    # Calibration is secured, and nobody here has the code.

    @command("CALibration:VOLTage[:DATA]", Real("V"))
    @command("CALibration:CURRent[:DATA]", Real("A"))
    def refuse_calibration_value(self, _value: float) -> None:
        """Not while it is secured."""
        raise ScpiError(_SECURED)

    @command("CALibration:VOLTage:LEVel", Word("MINimum", "MIDdle", "MAXimum"))
    @command("CALibration:CURRent:LEVel", Word("MINimum", "MIDdle", "MAXimum"))
    @command("CALibration:SECure:CODE", SecurityCode())
    def refuse_calibration_word(self, _word: str) -> None:
        """Not while it is secured."""
        raise ScpiError(_SECURED)

    @command("CALibration:SECure:STATe", Flag(), SecurityCode(), optional=1)
    def unsecure_calibration(self, secured: bool, _code: str = "") -> None:
        """Any code is the wrong one."""
        if not secured:
            raise ScpiError(_WRONG_CODE)

    @query("CALibration:SECure:STATe")
    def calibration_secured(self) -> str:
        """`1`."""
        return "1"

    @query("CALibration:COUNt")
    def calibration_count(self) -> str:
        """How often it was calibrated: never."""
        return counted(0)
