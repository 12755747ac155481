"""The Keysight MSO-X 2024A scope that digitises the probe.

Behaviour after the 2000 X-Series Programmer's Guide. Sample rate and depth of this scope cannot be set: they follow
from the time base, so the driver sets the span and reads what came.
"""

import numpy as np

from powerlab_instruments.errors import AcquisitionError, DeviceError, OutOfRange
from powerlab_instruments.instrument import Instrument
from powerlab_instruments.link import VisaLink
from powerlab_instruments.settings import Choice, Reading, Setting, Switch, number, snapshot
from powerlab_instruments.waveform import Preamble, Waveform
from powerlab_traces.clock import Clock

DIVISIONS = 8  # of the screen's height; full scale is all of them
# DC accuracy of a 2000X is UNCONFIRMED (recalled from its data sheet): gain 3 % of full scale at 10 mV/div and above,
# 4 % below; offset 0.1 div + 2 mV + 1 % of the offset setting, at the input.
GAIN_LIMIT = 0.03
GAIN_LIMIT_SMALL = 0.04
SMALL_SCALE = 0.010  # V/div at the input
OFFSET_LIMIT_DIVISIONS = 0.1
OFFSET_LIMIT_VOLTS = 0.002
OFFSET_LIMIT_OF_SETTING = 0.01
TIME_LIMIT = 30e-6  # 25 ppm + 5 ppm a year: UNCONFIRMED for this model

RUNNING = 8  # bit 3 of the operation condition register: not stopped
WAITING = 32  # bit 5: armed, waiting for the trigger

UNIT = {"VOLT": "V", "AMP": "A"}


class Channel:
    """One analog input. Vertical numbers are in the channel's unit, after the probe ratio."""

    displayed = Switch(":CHANnel{n}:DISPlay", doc="Whether the channel is acquired.")
    probe_ratio = Setting(":CHANnel{n}:PROBe", unit="", low=0.1, high=10000, doc="Unit per volt at the input.")
    units = Choice(":CHANnel{n}:UNITs", ("VOLT", "AMP"), doc="Unit of the quantity.")
    # 1 mV/div to 5 V/div at 1:1, times the probe ratio: the scope itself is the judge of the product.
    scale = Setting(":CHANnel{n}:SCALe", unit="/div", low=1e-4, high=50000, doc="Vertical scale.")
    offset = Setting(":CHANnel{n}:OFFSet", unit="", low=-5e5, high=5e5, doc="Value at the screen's centre.")
    coupling = Choice(":CHANnel{n}:COUPling", ("AC", "DC"), doc="Input coupling.")
    bandwidth_limited = Switch(":CHANnel{n}:BWLimit", doc="The 20 MHz filter.")
    inverted = Switch(":CHANnel{n}:INVert", doc="Sign change.")

    def __init__(self, link: VisaLink, n: int) -> None:
        if not 1 <= n <= 4:
            raise OutOfRange(f"channel {n} on {link}: give 1 to 4")
        self.link, self.n = link, n

    def header(self, command: str) -> str:
        """The command with the channel's number."""
        return command.format(n=self.n)

    def set_up(self, *, ratio: float, units: str, full_scale: float, centre: float) -> None:
        """Show the channel with this probe ratio, unit, full scale (8 divisions) and value at the centre.

        Ratio and unit go first: changing the ratio rescales every vertical number. The scope moves what it cannot
        do to the nearest value without a word, so scale and offset are read back.

        Raises
        ------
        DeviceError
            The scope has settled on another scale or offset.
        """
        self.displayed = True
        self.coupling = "DC"
        self.inverted = False
        self.bandwidth_limited = True
        self.units = units
        self.probe_ratio = ratio
        self.scale = full_scale / DIVISIONS
        self.offset = centre
        for name, wanted, step in (("scale", full_scale / DIVISIONS, 0.01), ("offset", centre, 0.05)):
            got = getattr(self, name)
            if abs(got - wanted) > step * full_scale / DIVISIONS:
                raise DeviceError(
                    f"{self.link} channel {self.n}: {name} {wanted:g} was asked for and the scope took {got:g}; "
                    "choose another full scale or centre"
                )

    def gain_limit(self) -> float:
        """Half-width of the gain error in the channel's unit: a share of full scale, as data sheets give it."""
        share = GAIN_LIMIT if self.scale / self.probe_ratio >= SMALL_SCALE * (1 - 1e-6) else GAIN_LIMIT_SMALL
        return share * self.scale * DIVISIONS

    def offset_limit(self) -> float:
        """Half-width of the offset error in the channel's unit."""
        return (
            OFFSET_LIMIT_DIVISIONS * self.scale
            + OFFSET_LIMIT_VOLTS * self.probe_ratio
            + OFFSET_LIMIT_OF_SETTING * abs(self.offset)
        )

    def snapshot(self) -> dict[str, str]:
        """Every declared setting with its present value."""
        return {f"channel{self.n} {name}": value for name, value in snapshot(self).items()}


class MSOX2024A(Instrument):
    """Keysight/Agilent InfiniiVision MSO-X 2024A: four analog inputs, one pod of eight digital ones."""

    model = "MSO-X 2024A"
    error_queue_depth = 30

    time_mode = Choice(":TIMebase:MODE", ("MAIN", "WIND", "XY", "ROLL"), doc="Time base mode.")
    time_range = Setting(":TIMebase:RANGe", unit="s", low=20e-9, high=500, doc="Time across the screen.")
    time_position = Setting(":TIMebase:POSition", unit="s", low=-500, high=500, doc="Trigger to reference.")
    time_reference = Choice(":TIMebase:REFerence", ("LEFT", "CENT", "RIGH"), doc="Reference point on the screen.")
    acquire_type = Choice(":ACQuire:TYPE", ("NORM", "AVER", "HRES", "PEAK"), doc="What becomes of surplus samples.")
    trigger_mode = Choice(":TRIGger:MODE", ("EDGE",), doc="Trigger mode.")
    trigger_source = Choice(
        ":TRIGger:EDGE:SOURce",
        ("CHAN1", "CHAN2", "CHAN3", "CHAN4", "EXT", *(f"DIG{d}" for d in range(8))),
        doc="Trigger source.",
    )
    trigger_slope = Choice(":TRIGger:EDGE:SLOPe", ("POS", "NEG", "EITH", "ALT"), doc="Trigger slope.")
    trigger_sweep = Choice(":TRIGger:SWEep", ("AUTO", "NORM"), doc="Whether it triggers by itself.")
    pod_displayed = Switch(":POD1:DISPlay", doc="Whether D0 to D7 are acquired.")
    pod_threshold = Setting(":POD1:THReshold", unit="V", low=-8, high=8, doc="Logic threshold of D0 to D7.")
    sample_rate = Reading(":ACQuire:SRATe", unit="Hz", doc="Rate at which the scope samples.")

    def channel(self, n: int) -> Channel:
        """Analog input n, 1 to 4."""
        return Channel(self.link, n)

    def prepare(self, channels: tuple[int, ...], *, digital_threshold: float | None) -> None:
        """Stop, and bring everything but the vertical settings to what an acquisition needs.

        Only the given analog channels are shown: the other of a pair would halve the memory. D0 to D7 are shown if
        a threshold (V) is given.
        """
        self.link.write(":STOP")
        for n in range(1, 5):
            self.channel(n).displayed = n in channels
        self.time_mode = "MAIN"
        self.time_reference = "LEFT"
        self.time_position = 0
        self.acquire_type = "NORM"
        self.pod_displayed = digital_threshold is not None
        if digital_threshold is not None:
            self.pod_threshold = digital_threshold
        self.trigger_mode = "EDGE"
        # AUTO would trigger by itself before the marker rises.
        self.trigger_sweep = "NORM"
        self.check("its acquisition settings")

    def trigger_on(self, source: str, slope: str = "POS") -> None:
        """Trigger on an edge of this source, e.g. "DIG0"."""
        self.trigger_source = source
        self.trigger_slope = slope
        self.check(f"the trigger on {source}")

    def arm(self, duration: float, clock: Clock) -> None:
        """Start one acquisition of `duration` seconds, a tenth of it before the trigger; return when it can trigger.

        Raises
        ------
        AcquisitionError
            The scope does not arm in time.
        """
        self.time_range = duration
        self.check(f"a time base of {duration:g} s")
        self.link.query(":AER?")  # reading the event clears it
        self.link.write(":SINGle")
        started = clock.now()
        before_trigger = 0.1 * duration
        deadline = started + int((before_trigger + 5) * 1e9)
        while not (int(number(self.link, ":AER?")) or self._condition() & WAITING):
            if clock.now() > deadline:
                raise AcquisitionError(f"{self.link} did not arm within {before_trigger + 5:g} s of :SINGle")
            clock.sleep(0.01)
        # Armed is not yet ready: the part of the record before the trigger must have been filled.
        clock.sleep(before_trigger * 1.02 - (clock.now() - started) * 1e-9)

    def force_trigger(self) -> None:
        """Trigger now; returns when the scope has done so, which its answer to the check says."""
        self.link.write(":TRIGger:FORCe")
        self.check("a forced trigger")

    def wait(self, seconds: float, clock: Clock, interval: float = 0.02) -> None:
        """Return when the acquisition is complete.

        Polls the operation condition register; its event register and `:TER?` do not say "done".

        Raises
        ------
        AcquisitionError
            Still not complete after `seconds`: the message says whether a trigger came. The scope is stopped.
        """
        deadline = clock.now() + int(seconds * 1e9)
        while (condition := self._condition()) & RUNNING:
            if clock.now() > deadline:
                self.link.write(":STOP")
                why = "no trigger came; check the marker's wire" if condition & WAITING else "it is still running"
                raise AcquisitionError(f"{self.link} has no complete record after {seconds:g} s: {why}")
            clock.sleep(interval)

    def stop(self) -> None:
        """Stop whatever is running."""
        self.link.write(":STOP")

    def fetch(self, source: str, unit: str = "") -> Waveform:
        """Read the whole raw record of "CHAN1".."CHAN4" or "POD1" as unsigned byte codes.

        Only a stopped scope gives the raw record; a running one silently gives a reduced one.

        Raises
        ------
        AcquisitionError
            The scope is running, or another number of samples came than the preamble says.
        """
        if self._condition() & RUNNING:
            raise AcquisitionError(f"{self.link} is running; a raw record can only be read when it has stopped")
        # Format, byte order and sign are set each time: a stale one of another program gives plausible nonsense.
        for command in (
            f":WAVeform:SOURce {source}",
            ":WAVeform:FORMat BYTE",
            ":WAVeform:UNSigned 1",
            ":WAVeform:BYTeorder LSBFirst",
            ":WAVeform:POINts MAX",
            ":WAVeform:POINts:MODE RAW",  # after POINts MAX, which sets the mode to MAXimum
        ):
            self.link.write(command)
        self.check(f"reading {source}")
        preamble = Preamble.parse(self._preamble())
        codes = np.frombuffer(self.link.query_block(":WAVeform:DATA?"), dtype=np.uint8)
        if len(codes) != preamble.points:
            raise AcquisitionError(
                f"{self.link} sent {len(codes)} samples of {source} where its preamble says {preamble.points}"
            )
        self.check(f"reading {source}")
        return Waveform(codes, preamble, unit)

    def screenshot(self) -> bytes:
        """The screen as a PNG in its own colours; the scope would print them inverted to save ink."""
        self.link.write(":HARDcopy:INKSaver 0")
        picture = self.link.query_block(":DISPlay:DATA? PNG,COLor")
        self.check("a screenshot")
        return picture

    def _preamble(self) -> str:
        answer = self.link.query(":WAVeform:PREamble?")
        # Right after an acquisition the answer is sometimes only "+0"; the second one is whole.
        return answer if len(answer) >= 19 else self.link.query(":WAVeform:PREamble?")

    def _condition(self) -> int:
        return int(number(self.link, ":OPERegister:CONDition?"))
