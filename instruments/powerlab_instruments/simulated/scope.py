"""The MSO-X 2024A and its siblings, complete: identity, clock, wave generator and LAN on top of all subsystems."""

import datetime as dt
import threading

from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.digitiser import Digitiser
from powerlab_instruments.simulated.forms import Flag, Real, ScpiError, Text, Whole, Word
from powerlab_instruments.simulated.lan import Lan
from powerlab_instruments.simulated.models import model_named
from powerlab_instruments.simulated.reports import Reports
from powerlab_instruments.simulated.scpi import Setting, command, query

_CHANNELS = Word("CHANnel<1-4>", "POD<1-2>", "DIGital<0-15>")
_MENUS = Word("MASK", "MEASure", "SEGMented", "LISTer", "POWer")


class Scope(Reports):
    """An Agilent InfiniiVision X-Series scope; its serial number says that it is simulated, and which one it is.

    `memory` is in samples; `model` is a name like `MSO-X 2024A` (`models.MODELS`), `number` tells this one from others
    of it. `first_answer` and `wedge_every` (s) switch on the faults of `lan.Lan`; `segmented` is the licence for
    segmented memory. With `short_preamble` the first preamble asked for of each record is only `+0`, as a DSO-X 2022A
    was seen to answer right after an acquisition.

    Raises
    ------
    UnknownModelError
        There is no such model.
    """

    # The optional generator: stored, and connected to nothing.
    generator_on = Setting("WGEN:OUTPut", Flag(), reset=False)
    generator_load = Setting("WGEN:OUTPut:LOAD", Word("ONEMeg", "FIFTy"), "FIFT")
    generator_function = Setting("WGEN:FUNCtion", Word("SINusoid", "SQUare", "RAMP", "PULSe", "NOISe", "DC"), "SIN")
    generator_frequency = Setting("WGEN:FREQuency", Real("Hz", 0.1, 20e6), 1e3)
    generator_voltage = Setting("WGEN:VOLTage", Real("V", 0.01, 5.0), 0.5)  # peak to peak; limits UNCONFIRMED
    generator_offset = Setting("WGEN:VOLTage:OFFSet", Real("V", -2.5, 2.5), 0.0)

    def __init__(
        self,
        digitiser: Digitiser,
        clock: SimulatedClock,
        memory: int,
        model: str = "MSO-X 2024A",
        *,
        first_answer: float = 0.0,
        wedge_every: float | None = None,
        segmented: bool = False,
        short_preamble: bool = False,
        number: int = 1,
    ) -> None:
        self._serial = f"SIM{number:08}"
        self.segmented, self.short_preamble = segmented, short_preamble
        self._lan = Lan(clock, first_answer, wedge_every)
        self._clock_ahead = dt.timedelta()
        super().__init__(digitiser, clock, memory, model_named(model))

    def receive(self, message: bytes, cancelled: threading.Event) -> bytes:
        """Process one program message, unless the LAN has lost its connection."""
        return super().receive(message, cancelled) if self._lan.alive(cancelled) else b""

    @query("*IDN", indefinite=True)
    def identity(self) -> str:
        """Maker, model, serial number, firmware."""
        return self.model.identity(self._serial)

    @query("SERial")
    def serial(self) -> str:
        """The serial number."""
        return self._serial

    @query("*OPT", indefinite=True)
    def options(self) -> str:
        """The digital inputs and segmented memory (its word is UNCONFIRMED) are licences; `0` is none."""
        return ",".join((["MSO"] if self.model.digital else []) + (["SGM"] if self.segmented else [])) or "0"

    @command("SYSTem:DSP", Text(75))
    def advise(self, _text: str) -> None:
        """A line on the screen, which nobody sees."""

    @command("SYSTem:MENU", _MENUS)
    def open_menu(self, _menu: str) -> None:
        """A menu on the screen, which nobody sees."""

    # The clock, which is the host's until it is set. That numbers have no plus sign is UNCONFIRMED.

    def _time(self) -> dt.datetime:
        return dt.datetime.now().astimezone() + self._clock_ahead

    @query("SYSTem:DATE")
    def date(self) -> str:
        """Year, month, day."""
        return self._time().strftime("%Y,%m,%d")

    @command("SYSTem:DATE", Whole(1970, 2099), Whole(1, 12), Whole(1, 31))
    def set_date(self, year: int, month: int, day: int) -> None:
        """Year, month, day; -222 when there is no such day."""
        now = self._time()
        try:
            self._clock_ahead += now.replace(year, month, day) - now
        except ValueError:
            raise ScpiError(-222) from None

    @query("SYSTem:TIME")
    def time(self) -> str:
        """Hours, minutes, seconds."""
        return self._time().strftime("%H,%M,%S")

    @command("SYSTem:TIME", Whole(0, 23), Whole(0, 59), Whole(0, 59))
    def set_time(self, hour: int, minute: int, second: int) -> None:
        """Hours, minutes, seconds."""
        now = self._time()
        self._clock_ahead += now.replace(hour=hour, minute=minute, second=second) - now
