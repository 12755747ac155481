"""The MSO-X 2024A: identity and the :WAVeform subsystem on top of run control and panel.

InfiniiVision 2000 X-Series Programmer's Guide, :WAVeform commands; number styles as real units send them.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from powerlab_instruments.simulated.acquisition import Acquisition
from powerlab_instruments.simulated.digitiser import CENTRE, CODES, LOW
from powerlab_instruments.simulated.forms import Flag, NumberOrWord, ScpiError, Text, Word, counted
from powerlab_instruments.simulated.panel import Panel
from powerlab_instruments.simulated.runcontrol import RunControl
from powerlab_instruments.simulated.scpi import Setting, command, query

MEASUREMENT_RECORD = 62_500  # points at most in NORMal mode and while running
NO_DATA = 109
FORMATS = {"BYTE": 0, "WORD": 1, "ASC": 4}  # the first preamble field


class Scope(RunControl):
    """An Agilent MSO-X 2024A; its serial number says that it is simulated."""

    IDENTITY = "AGILENT TECHNOLOGIES,MSO-X 2024A,SIM00000001,02.65.2021102830"
    QUEUE_DEPTH = 30
    OVERFLOW = 350  # the sign is as the sources print it, UNCONFIRMED
    COSMETIC: ClassVar[frozenset[str]] = Panel.COSMETIC | {
        "waveform_source",
        "format",
        "byte_order",
        "unsigned",
        "points_mode",
        "view",
    }

    waveform_source = Setting("WAVeform:SOURce", Word("CHANnel<1-4>", "POD<1-1>"), "CHAN1")
    format = Setting("WAVeform:FORMat", Word("BYTE", "WORD", "ASCii"), "BYTE")
    byte_order = Setting("WAVeform:BYTeorder", Word("LSBFirst", "MSBFirst"), "MSBF")
    unsigned = Setting("WAVeform:UNSigned", Flag(), reset=True)
    points_mode = Setting("WAVeform:POINts:MODE", Word("NORMal", "MAXimum", "RAW"), "NORM")
    view = Setting("WAVeform:VIEW", Word("MAIN"), "MAIN")

    def restore_defaults(self) -> None:
        """Every setting as after *RST, 1000 waveform points."""
        super().restore_defaults()
        self.points_wanted: int | None = 1000  # None: all there are

    @query("SERial")
    def serial(self) -> str:
        """The serial number."""
        return self.IDENTITY.split(",")[2]

    @query("*OPT", indefinite=True)
    def options(self) -> str:
        """The digital inputs are a licence."""
        return "MSO"

    @command("SYSTem:DSP", Text(75))
    def advise(self, _text: str) -> None:
        """A line on the screen, which nobody sees."""

    # Which record, and how much of it.

    def _record(self) -> Acquisition:
        if self.timebase_mode != "MAIN":
            raise ScpiError(-221)
        if self.finished is None or (self.state == "SING"):
            raise ScpiError(NO_DATA)
        return self.finished

    def _selection(self, record: Acquisition) -> tuple[int, float]:
        """How many points are sent, and from every how many-th sample.

        The raw record is there only while stopped; while running the measurement record is sent without an error.
        A smaller count of the raw record leaves samples out, one of the measurement record is mapped anew.
        """
        total = record.setup.points
        wanted = min(self.points_wanted or total, total)
        if self.points_mode == "MAX" and self.state == "STOP":
            stride = -(-total // wanted)
            return total // stride, stride
        reduction = -(-total // MEASUREMENT_RECORD)
        available = total // reduction
        count = min(wanted, available)
        return count, reduction * available / count

    def _codes(self, record: Acquisition) -> NDArray[np.uint8]:
        try:
            codes = record.codes(self.waveform_source)
        except KeyError:
            raise ScpiError(NO_DATA) from None
        count, step = self._selection(record)
        if step == 1:
            return codes
        return codes[(np.arange(count) * step).astype(np.int64)]

    @command("WAVeform:POINts:MODE", Word("NORMal", "MAXimum", "RAW"))
    def set_points_mode(self, mode: str) -> None:
        """NORMal: the measurement record; MAXimum: the raw record when stopped. RAW reads back as MAX."""
        self.points_mode = "MAX" if mode == "RAW" else mode

    @command("WAVeform:POINts", NumberOrWord("", Word("MAXimum")))
    def set_points(self, wanted: float | str) -> None:
        """How many points to send; MAXimum also sets the mode. -222 below 100 or above what was acquired."""
        if isinstance(wanted, str):
            self.points_wanted, self.points_mode = None, "MAX"
            return
        highest = self.planned_points()
        if self.points_mode == "NORM" or self.state != "STOP":
            highest = min(highest, MEASUREMENT_RECORD)
        if not 100 <= wanted <= highest:
            raise ScpiError(-222)
        self.points_wanted = round(wanted)

    @query("WAVeform:POINts")
    def points(self) -> str:
        """How many points `:WAVeform:DATA?` would send."""
        return counted(self._selection(self._record())[0])

    # Scaling.

    def _scaling(self) -> tuple[int, float, float, float, float, int]:
        """Points, x increment, x origin, y increment, y origin and y reference of what would be sent."""
        record = self._record()
        count, step = self._selection(record)
        x = (count, record.setup.interval * step, record.origin)
        steps = 256 if self.format == "WORD" else 1
        reference = CENTRE * steps if self.unsigned else 0
        if self.waveform_source == "POD1":
            return *x, 1.0, 0.0, 0
        vertical = record.setup.channels.get(int(self.waveform_source[-1]))
        if vertical is None:
            raise ScpiError(NO_DATA)
        return *x, vertical.range / CODES / steps, vertical.offset, reference

    @query("WAVeform:PREamble")
    def preamble(self) -> str:
        """Format, type, points, count; x increment, origin, reference; y increment, origin, reference."""
        points, x_step, x_origin, y_step, y_origin, y_reference = self._scaling()
        return (
            f"{FORMATS[self.format]:+d},+0,{points:+d},+1,{_scientific(x_step)},{_scientific(x_origin)},+0,"
            f"{_scientific(y_step)},{_scientific(y_origin)},{y_reference:+d}"
        )

    @query("WAVeform:XINCrement")
    def x_increment(self) -> str:
        """Seconds per point."""
        return _scientific(self._scaling()[1])

    @query("WAVeform:XORigin")
    def x_origin(self) -> str:
        """Seconds of the first point from the trigger."""
        return _scientific(self._scaling()[2])

    @query("WAVeform:XREFerence")
    def x_reference(self) -> str:
        """The point that the x origin is the time of."""
        return "+0"

    @query("WAVeform:YINCrement")
    def y_increment(self) -> str:
        """Channel units per code."""
        return _scientific(self._scaling()[3])

    @query("WAVeform:YORigin")
    def y_origin(self) -> str:
        """The value at mid-screen."""
        return _scientific(self._scaling()[4])

    @query("WAVeform:YREFerence")
    def y_reference(self) -> str:
        """The code of the value at mid-screen."""
        return counted(self._scaling()[5])

    @query("WAVeform:TYPE")
    def waveform_type(self) -> str:
        """How the record was acquired."""
        return "NORM"

    @query("WAVeform:COUNt")
    def waveform_count(self) -> str:
        """How many acquisitions were averaged."""
        return "+1"

    # Data.

    @query("WAVeform:DATA")
    def data(self) -> bytes:
        """The points as a definite-length block with eight digits of length."""
        codes = self._codes(self._record())
        if self.format == "ASC":
            payload = self._as_text(codes)
        else:
            if self.waveform_source != "POD1" and not self.unsigned:
                codes = codes - np.uint8(CENTRE)  # two's complement, the same bits
            if self.format == "WORD":
                # Analog codes are shifted left, so that the low byte is 0; a pod byte stays the low one.
                pod = self.waveform_source == "POD1"
                words = codes.astype(np.uint16) if pod else codes.astype(np.uint16) << 8
                codes = words.astype("<u2" if self.byte_order == "LSBF" else ">u2")
            payload = codes.tobytes()
        return b"#8%08d" % len(payload) + payload

    def _as_text(self, codes: NDArray[np.uint8]) -> bytes:
        _, _, _, step, origin, _ = self._scaling()
        if self.waveform_source == "POD1":
            return ",".join(str(code) for code in codes.tolist()).encode()
        values = (codes.astype(np.float64) - CENTRE) * step + origin
        texts = [f"{value:+.5E}" for value in values.tolist()]
        for hole in np.flatnonzero(codes < LOW):
            texts[hole] = "9.9E+37"
        return ",".join(texts).encode()


def _scientific(value: float) -> str:
    """A scaling value as the 2000 X-Series sends it: eight decimals and three digits of exponent.

    >>> _scientific(1e-9)
    '+1.00000000E-009'
    """
    mantissa, exponent = f"{value:+.8E}".split("E")
    return f"{mantissa}E{int(exponent):+04d}"
