"""How an E364xA supply regulates its output: limits, constant current, over-voltage crowbar, readback, status.

E364xA User's and Service Guide; where that does not say, the E3631A and E3632A guides of the same firmware family.
What neither settles is marked UNCONFIRMED.
"""

import numpy as np

from powerlab_instruments.simulated.board import Board
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.forms import (
    Flag,
    NumberOrWord,
    Real,
    ScpiError,
    Whole,
    Word,
    counted,
    fixed_exponent,
)
from powerlab_instruments.simulated.scpi import Instrument, Setting, command, query
from powerlab_instruments.simulated.source import Source
from powerlab_instruments.simulated.supplies import PROTECTION_MIN, SupplyErrors, SupplyModel, off

PROGRAMMING_TIME = 0.05  # s from a command to the output changing (siblings: below 50 ms)
READING_TIME = 0.08  # s a MEASure? takes (siblings: below 100 ms)
READING_STEPS = 2e-3, 1e-3  # V, A; resolution of a reading, UNCONFIRMED
CC_BIT, CV_BIT, OVP_BIT = 1, 2, 512  # questionable status; bit 0 is called Voltage: it is the unregulated one

SPAN = Word("MINimum", "MAXimum")


class Regulation(Instrument):
    """A supply whose output follows its levels, and which knows how it does.

    Time that it is busy is real only on a bench in real time. In virtual time it has settled when it looks at its
    output, for there it may take all the time it needs; the board's leads settle by the clock all the same.
    """

    # Levels after *RST are those of the model: see `restore_defaults`.
    voltage = Setting("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", Real("V", style=fixed_exponent), 0.0)
    current = Setting("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", Real("A", style=fixed_exponent), 0.0)
    range = Setting("[SOURce:]VOLTage:RANGe", Word("LOW", "HIGH"), "")
    protection = Setting("[SOURce:]VOLTage:PROTection[:LEVel]", Real("V", style=fixed_exponent), 0.0)
    protected = Setting("[SOURce:]VOLTage:PROTection:STATe", Flag(), reset=True)
    output = Setting("OUTPut[:STATe]", Flag(), reset=False)

    def __init__(self, board: Board, clock: SimulatedClock, random: np.random.Generator, model: SupplyModel) -> None:
        self.board, self.clock, self.model = board, clock, model
        self.off_by = SupplyErrors.drawn(random)
        self.tripped = self._feeding = False
        self._question_event = self._question_enable = 0
        self._since = clock.now()  # up to when the question event register has taken in what happened
        super().__init__()

    def restore_defaults(self) -> None:
        """Every setting as after *RST."""
        super().restore_defaults()
        self.range, self.current, self.protection = (
            self.model.low.name,
            self.model.low.current,
            self.model.protection_max,
        )

    def reset(self) -> None:
        """The output goes off and a tripped crowbar is released."""
        self.tripped = False
        self.program()

    # The output.

    def changed(self, name: str) -> None:
        """What acts on the output does so as soon as it is programmed."""
        if name in ("voltage", "current", "range", "protection", "protected", "output"):
            self.program()

    def program(self, delay: float = 0.0) -> None:
        """Bring what the settings say to the output, `delay` seconds after the time that takes."""
        self.clock.work(PROGRAMMING_TIME, self.cancelled)
        self._feed(delay)

    def trip(self) -> None:
        """Fire the crowbar, as if the voltage had risen from outside."""
        with self.lock:
            self._latch(self.clock.now())
            self.tripped = True
            self._question_event |= OVP_BIT
            self._feed()

    def _feed(self, delay: float = 0.0) -> None:
        """Put on the board's leads what the settings say, and let the crowbar see it."""
        now = self.clock.now()
        self._latch(now)  # what has been fed until now
        voltage = off(self.voltage, self.off_by.voltage) if self.output else 0.0
        if self.output and self.protected and voltage > self.protection:
            self.tripped = True
            self._question_event |= OVP_BIT
        self._feeding = self.output and not self.tripped
        at = now + round(delay * 1e9)
        # The crowbar is a short; everything else takes its time.
        before = None if self.tripped else self.board.offered(at)
        limit = max(0.0, off(self.current, self.off_by.current))
        self.board.feed(Source(at, max(0.0, voltage) if self._feeding else 0.0, limit, before))

    def _looking_at(self) -> int:
        """The moment that a look at the output now is of, in ns."""
        now = self.clock.now()
        return max(now, self.board.source(now).settled) if self.clock.virtual else now

    def condition(self) -> int:
        """0 off or crowbarred, 1 constant current, 2 constant voltage."""
        if not self._feeding:
            return 0
        moment = self._looking_at()
        return CC_BIT if self.board.limited(moment, moment) else CV_BIT

    def _latch(self, now: int) -> None:
        """Take into the event register how the output was regulated since the last time."""
        if self._feeding:
            self._question_event |= self.condition()
            if self.board.limited(self._since, now):
                self._question_event |= CC_BIT
        self._since = now

    # Protection.

    @command("[SOURce:]VOLTage:PROTection[:LEVel]", NumberOrWord("V", SPAN))
    def set_protection(self, value: float | str) -> None:
        """The crowbar's level, one for both ranges."""
        levels: dict[float | str, float] = {"MIN": PROTECTION_MIN, "MAX": self.model.protection_max}
        level = float(levels.get(value, value))
        if not PROTECTION_MIN <= level <= self.model.protection_max:
            raise ScpiError(-222)
        self.protection = level
        self.changed("protection")

    @query("[SOURce:]VOLTage:PROTection[:LEVel]", SPAN, optional=1)
    def get_protection(self, word: str | None = None) -> str:
        """The crowbar's level, or its limits."""
        values = {"MIN": PROTECTION_MIN, "MAX": self.model.protection_max, None: self.protection}
        return fixed_exponent(values[word])

    @query("[SOURce:]VOLTage:PROTection:TRIPped")
    def get_tripped(self) -> str:
        """Whether the crowbar shorts the output."""
        return Flag().show(self.tripped)

    @command("[SOURce:]VOLTage:PROTection:CLEar")
    def clear_protection(self) -> None:
        """Release the crowbar: the output comes back as it was, and trips again if the cause is still there."""
        self.tripped = False
        self.program()

    # Readings.

    def _reading(self) -> tuple[float, float]:
        """Volts at the sense terminals and amperes, the mean over the time a reading takes."""
        start = self._looking_at()
        self.clock.work(READING_TIME, self.cancelled)
        moments = np.linspace(0.0, READING_TIME, 400, endpoint=False)
        current, voltage, _ = self.board.draw(start, moments)
        terminals = voltage + current * self.board.lead_resistance
        return float(terminals.mean()), float(current.mean())

    @query("MEASure[:VOLTage][:DC]")
    def measure_voltage(self) -> str:
        """The voltage read back."""
        volts = off(self._reading()[0], self.off_by.voltage_reading)
        return fixed_exponent(round(volts / READING_STEPS[0]) * READING_STEPS[0])

    @query("MEASure:CURRent[:DC]")
    def measure_current(self) -> str:
        """The current read back."""
        amperes = off(self._reading()[1], self.off_by.current_reading)
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
