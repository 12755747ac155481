"""What the scope sends of its records: the :WAVeform subsystem.

InfiniiVision 2000 X-Series Programmer's Guide, :WAVeform commands; number styles as real units send them.
"""

import numpy as np
from numpy.typing import NDArray

from powerlab_instruments.simulated.acquisition import Acquisition
from powerlab_instruments.simulated.digitiser import CENTRE, CODES, HOLE
from powerlab_instruments.simulated.forms import Flag, NumberOrWord, ScpiError, Whole, Word, counted
from powerlab_instruments.simulated.runcontrol import RunControl
from powerlab_instruments.simulated.scpi import Setting, command, query
from powerlab_instruments.simulated.sweep import MOST_SEGMENTS

MEASUREMENT_RECORD = 62_500  # points at most in NORMal mode and while running
AVERAGED_RECORD = 7_680  # the same for averages, as a DSO-X 2024A has sent them; the guide says 1000
NO_DATA = 109
FORMATS = {"BYTE": 0, "WORD": 1, "ASC": 4}  # the first preamble field
TYPES = {"NORM": 0, "PEAK": 1, "AVER": 2, "HRES": 3}  # the second one
FINE = {"AVER", "HRES"}  # kinds of acquisition with more than eight bits
_MODES = Word("NORMal", "MAXimum", "RAW")

Codes = NDArray[np.uint8] | NDArray[np.uint16]


class Readout(RunControl):
    """A scope whose records can be read."""

    waveform_source = Setting("WAVeform:SOURce", Word("CHANnel<1-4>", "POD<1-2>"), "CHAN1")
    subsource = Setting("WAVeform:SOURce:SUBSource", Word("NONE"), "NONE")
    format = Setting("WAVeform:FORMat", Word("BYTE", "WORD", "ASCii"), "BYTE")
    byte_order = Setting("WAVeform:BYTeorder", Word("LSBFirst", "MSBFirst"), "MSBF")
    unsigned = Setting("WAVeform:UNSigned", Flag(), reset=True)
    points_mode = Setting("WAVeform:POINts:MODE", _MODES, "NORM")
    view = Setting("WAVeform:VIEW", Word("MAIN"), "MAIN")

    short_preamble = False  # a quirk, which `Scope` may have
    _described: Acquisition | None = None  # the record whose preamble has been asked for

    def restore_defaults(self) -> None:
        """Every setting as after *RST, 1000 waveform points."""
        super().restore_defaults()
        self.points_wanted: int | None = 1000  # None: all there are

    # Which record, and how much of it.

    def _record(self) -> Acquisition:
        self.need_records()
        if self.state == "RUN" and not self._has_source(self.finished) and self._has_source(self.acquisition):
            self._await_first()
        if self.finished is None or self.state == "SING":
            raise ScpiError(NO_DATA)
        if self._of_pod() and not self.unsigned:
            raise ScpiError(-221)  # the guide asks for UNSigned ON; which error it is otherwise is UNCONFIRMED
        return self.finished

    def _has_source(self, record: Acquisition | None) -> bool:
        """Whether the source is in a record, or will be."""
        if record is None:
            return False
        if self._of_pod():
            return any(d // 8 + 1 == int(self.waveform_source[-1]) for d in record.setup.digital)
        return int(self.waveform_source[-1]) in record.setup.channels

    def _await_first(self) -> None:
        """A scope that has just been set running with this source answers when it has recorded it.

        How a real one does it is UNCONFIRMED; it takes so long over its commands that nobody comes too early. NORMal
        sweep may never record, and virtual time goes on only when it is told to: there is no data then.
        """
        record = self.acquisition
        assert record is not None
        if record.setup.automatic and not self.clock.virtual:
            self.clock.wait_until(lambda: record.done_at(self.clock.now()), self.cancelled, 0.01)
            self.settle()

    def _of_pod(self) -> bool:
        return self.waveform_source.startswith("POD")

    def _raw(self) -> bool:
        """Whether the raw record is sent: it is there only while stopped."""
        return self.points_mode == "MAX" and self.state == "STOP"

    def _selection(self, record: Acquisition) -> tuple[int, float]:
        """How many points are sent, and from every how many-th sample.

        While running the measurement record is sent without an error, whatever the mode. A smaller count of the raw
        record leaves samples out, one of the measurement record is mapped anew. Averages have no raw record.
        """
        total = record.setup.points
        wanted = min(self.points_wanted or total, total)
        if self._raw():
            stride = -(-total // wanted)
            return (0 if record.setup.kind == "AVER" else total // stride), stride
        reduction = -(-total // (AVERAGED_RECORD if record.setup.kind == "AVER" else MEASUREMENT_RECORD))
        available = total // reduction
        count = min(wanted, available)
        return count, reduction * available / count

    def _codes(self, record: Acquisition) -> Codes:
        """What is sent, as bytes, or as words where the record is finer [points], of peak detect [2 points]."""
        count, step = self._selection(record)
        kind, analog = record.setup.kind, not self._of_pod()
        try:
            codes = record.codes(self.waveform_source, fine=analog and kind in FINE and not self._raw())
        except KeyError:
            raise ScpiError(NO_DATA) from None
        if count == record.setup.points:
            return codes
        pairs = codes.reshape(record.setup.points, -1)
        places = (np.arange(count) * step).astype(np.int64)
        if analog and count and not self._raw():
            if kind == "PEAK":
                extremes = (np.minimum.reduceat(pairs[:, 0], places), np.maximum.reduceat(pairs[:, 1], places))
                return np.stack(extremes, axis=1).ravel()
            if kind == "HRES":
                sums = np.add.reduceat(codes, places, dtype=np.int64)
                means = (sums // np.diff(places, append=len(codes))).astype(np.uint16) & np.uint16(0xFFF0)
                means[codes[places] == HOLE] = HOLE
                return means
        return pairs[places].ravel()

    @command("WAVeform:POINts:MODE", _MODES)
    def set_points_mode(self, mode: str) -> None:
        """NORMal: the measurement record; MAXimum: the raw record when stopped. RAW reads back as MAX."""
        self.points_mode = "MAX" if mode == "RAW" else mode

    @command("WAVeform:POINts", NumberOrWord("", _MODES))
    def set_points(self, wanted: float | str) -> None:
        """How many points to send, or all of a mode. -222 below 100 or above what was acquired."""
        if isinstance(wanted, str):
            self.points_wanted = None
            self.set_points_mode(wanted)
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
        """Points, x increment, x origin, y increment, y origin and y reference of what would be sent.

        The x increment of a pair of peak detect is that of a point (Keysight's example script; the guide has it
        otherwise, UNCONFIRMED).
        """
        record = self._record()
        count, step = self._selection(record)
        x = (count, record.setup.interval * step, record.origin)
        if self._of_pod():
            return *x, 1.0, 0.0, 0
        steps = 256 if self.format == "WORD" else 1
        vertical = record.setup.channels.get(int(self.waveform_source[-1]))
        if vertical is None:
            raise ScpiError(NO_DATA)
        return *x, vertical.range / CODES / steps, vertical.offset, CENTRE * steps if self.unsigned else 0

    @query("WAVeform:PREamble")
    def preamble(self) -> str:
        """Format, type, points, count; x increment, origin, reference; y increment, origin, reference."""
        record = self._record()
        if self.short_preamble and record is not self._described:
            self._described = record
            return "+0"
        points, x_step, x_origin, y_step, y_origin, y_reference = self._scaling()
        setup = record.setup
        return (
            f"{FORMATS[self.format]:+d},{TYPES[setup.kind]:+d},{points:+d},{setup.averages:+d},"
            f"{_scientific(x_step)},{_scientific(x_origin)},+0,"
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
        return self._record().setup.kind

    @query("WAVeform:COUNt")
    def waveform_count(self) -> str:
        """How many acquisitions were averaged."""
        return counted(self._record().setup.averages)

    # Segments.

    @command("ACQuire:SEGMented:INDex", Whole(1, MOST_SEGMENTS))
    def show_segment(self, index: int) -> None:
        """Bring one of the segments to the screen, from where it is read; -222 for one that was not taken."""
        self.need_segments()
        if index > len(self.segments):
            raise ScpiError(-222)
        self.finished = self.segments[index - 1]

    @query("ACQuire:SEGMented:INDex")
    def segment_shown(self) -> str:
        """Which segment is on the screen."""
        shown = [place for place, segment in enumerate(self.segments) if segment is self.finished]
        return counted(1 + sum(shown))

    @query("WAVeform:SEGMented:COUNt")
    def segments_taken(self) -> str:
        """How many segments were taken: none without the licence."""
        return counted(len(self.segments))

    @query("WAVeform:SEGMented:TTAG")
    def segment_time(self) -> str:
        """Seconds from the first segment's trigger to that of the segment on the screen, on the scope's clock."""
        self.need_segments()
        record = self._record()
        if not self.segments:
            raise ScpiError(NO_DATA)
        first, this = self.segments[0].trigger, record.trigger
        assert first is not None
        assert this is not None
        return _scientific((this - first) * 1e-9 * (1 + self.digitiser.time_error))

    # Data.

    @query("WAVeform:DATA")
    def data(self) -> bytes:
        """The points as a definite-length block with eight digits of length."""
        codes = self._codes(self._record())
        if self.format == "ASC":
            payload = self._as_text(codes)
        elif self.format == "BYTE":
            if codes.dtype == np.uint16:
                codes = (codes >> 8).astype(np.uint8)
            payload = (codes if self.unsigned else codes ^ np.uint8(CENTRE)).tobytes()  # two's complement
        else:
            words = codes.astype(np.uint16, copy=False)
            if codes.dtype == np.uint8 and not self._of_pod():
                words <<= 8  # analog codes are shifted left, a pod's byte stays the low one
            if not self.unsigned:
                words = words ^ np.uint16(CENTRE << 8)
            payload = words.astype("<u2" if self.byte_order == "LSBF" else ">u2", copy=False).tobytes()
        return b"#8%08d" % len(payload) + payload

    def _as_text(self, codes: Codes) -> bytes:
        _, _, _, step, origin, _ = self._scaling()
        if self._of_pod():
            return ",".join(str(code) for code in codes.tolist()).encode()
        levels = codes.astype(np.float64) / (256 if codes.dtype == np.uint16 else 1)
        texts = [f"{value:+.5E}" for value in ((levels - CENTRE) * step + origin).tolist()]
        for hole in np.flatnonzero(codes == HOLE):
            texts[hole] = "9.9e+37"
        return ",".join(texts).encode()


def _scientific(value: float) -> str:
    """A scaling value as the 2000 X-Series sends it: eight decimals and three digits of exponent.

    >>> _scientific(1e-9)
    '+1.00000000E-009'
    """
    mantissa, exponent = f"{value:+.8E}".split("E")
    return f"{mantissa}E{int(exponent):+04d}"
