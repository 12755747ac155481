"""The Keysight InfiniiVision 2000 and 3000 X-Series scopes that digitise the probe.

Behaviour after the 2000 X-Series Programmer's Guide. Sample rate and depth of these scopes cannot be set: they follow
from the time base, so the driver sets the span and reads what came.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from powerlab_instruments.channel import Channel, Pod
from powerlab_instruments.errors import AcquisitionError, DeviceError, OutOfRange
from powerlab_instruments.instrument import Instrument
from powerlab_instruments.settings import Choice, Node, Reading, Setting, Switch, number
from powerlab_instruments.timebase import TimeBase, choose
from powerlab_instruments.waveform import Preamble, Segment, Waveform
from powerlab_traces.clock import Clock

RUNNING = 8  # bit 3 of the operation condition register: not stopped
WAITING = 32  # bit 5: armed, waiting for the trigger

LONGEST_SPAN = 500.0  # s: 50 s/div
MOST_SEGMENTS = 1000  # less where the memory does not hold them: the scope is the judge
UNLICENSED, BEYOND = "-241", "-222"  # error codes: an option that this unit has not got; data out of range
STOP_PATIENCE = 2.0  # s
EXTERNAL_RANGE = 8.0  # V at the external trigger input; UNCONFIRMED on a 2000X


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model has: analog and digital inputs, a 50 ohm path or not, its fastest sweep in s/div."""

    analog: int
    digital: int
    fifty_ohm: bool
    fastest: float


def _inputs(kind: str, number: str) -> Inputs:
    """What a name says, `MSO` and `2024A`: the second digit from the end counts the analog inputs."""
    third = number.startswith("3")
    return Inputs(
        analog=int(number[-2]),
        digital=(16 if third else 8) if kind == "MSO" else 0,
        fifty_ohm=third,
        # 5 ns/div up to 100 MHz; 2 ns/div above is UNCONFIRMED.
        fastest=5e-9 if number[1:3] in {"00", "01"} else 2e-9,
    )


_2000 = ("2002A", "2004A", "2012A", "2014A", "2022A", "2024A")
_3000 = ("3012A", "3014A", "3024A", "3032A", "3034A", "3052A", "3054A", "3102A", "3104A")
_3000T = tuple(number.replace("A", "T") for number in _3000)  # successors; that all obey the same is UNCONFIRMED
MODELS = {f"{kind}-X {it}": _inputs(kind, it) for it in (*_2000, *_3000, *_3000T) for kind in ("DSO", "MSO")}


class InfiniiVision(Instrument):
    """A Keysight/Agilent InfiniiVision X-Series scope: what it has follows from its model, see `MODELS`."""

    family = "Keysight InfiniiVision 2000 or 3000 X-Series"
    role = "scope"
    models = MODELS
    error_queue_depth = 30

    time_mode = Choice(":TIMebase:MODE", ("MAIN", "WIND", "XY", "ROLL"), doc="Time base mode.")
    time_range = Setting(
        ":TIMebase:RANGe",
        unit="s",
        low=lambda it: 10 * it.inputs.fastest,
        high=LONGEST_SPAN,
        doc="Time across the screen, 20 or 50 ns to 500 s.",
    )
    time_position = Setting(":TIMebase:POSition", unit="s", low=-500, high=500, doc="Trigger to reference.")
    time_reference = Choice(":TIMebase:REFerence", ("LEFT", "CENT", "RIGH"), doc="Reference point on the screen.")
    acquire_mode = Choice(":ACQuire:MODE", ("RTIM", "SEGM"), doc="One record, or segments of the memory (an option).")
    acquire_type = Choice(":ACQuire:TYPE", ("NORM", "AVER", "HRES", "PEAK"), doc="What becomes of surplus samples.")
    average_count = Setting(":ACQuire:COUNt", unit="", low=2, high=65536, doc="Acquisitions in an average.")
    trigger_mode = Choice(":TRIGger:MODE", ("EDGE",), doc="Trigger mode.")
    trigger_source = Choice(":TRIGger:EDGE:SOURce", lambda it: it.trigger_sources, doc="Trigger source.")
    trigger_slope = Choice(":TRIGger:EDGE:SLOPe", ("POS", "NEG", "EITH", "ALT"), doc="Trigger slope.")
    trigger_coupling = Choice(":TRIGger:EDGE:COUPling", ("AC", "DC", "LFR"), doc="Coupling of an analog trigger.")
    external_level = Setting(
        ":TRIGger:EDGE:LEVel",
        of="EXTernal",
        unit="V",
        low=-EXTERNAL_RANGE,
        high=EXTERNAL_RANGE,
        doc="Level at which the external trigger input triggers.",
    )
    trigger_sweep = Choice(":TRIGger:SWEep", ("AUTO", "NORM"), doc="Whether it triggers by itself.")
    trigger_holdoff = Setting(":TRIGger:HOLDoff", unit="s", low=40e-9, high=10, doc="Shortest time between triggers.")
    noise_reject = Switch(":TRIGger:NREJect", doc="More hysteresis of an analog trigger.")
    high_frequency_reject = Switch(":TRIGger:HFReject", doc="The 50 kHz low-pass in an analog trigger's path.")
    sample_rate = Reading(":ACQuire:SRATe", unit="Hz", doc="Rate at which the scope samples.")

    @property
    def inputs(self) -> Inputs:
        """What this model has."""
        return MODELS[self.model]

    @property
    def impedances(self) -> tuple[str, ...]:
        """What an analog input's impedance can be."""
        return ("ONEM", "FIFT") if self.inputs.fifty_ohm else ("ONEM",)

    @property
    def trigger_sources(self) -> tuple[str, ...]:
        """Every source of an edge trigger on this model."""
        analog, digital = range(1, self.inputs.analog + 1), range(self.inputs.digital)
        return (*(f"CHAN{n}" for n in analog), "EXT", *(f"DIG{d}" for d in digital))

    @property
    def record_sources(self) -> tuple[str, ...]:
        """Every source of a record on this model."""
        return (*(f"CHAN{n}" for n in range(1, self.inputs.analog + 1)), *(f"POD{n}" for n in self._pods))

    @property
    def _pods(self) -> range:
        return range(1, self.inputs.digital // 8 + 1)

    def channel(self, n: int) -> Channel:
        """Analog input n, from 1.

        Raises
        ------
        OutOfRange
            This model has not so many. Nothing was sent.
        """
        if not 1 <= n <= self.inputs.analog:
            raise OutOfRange(f"channel {n} on {self.link}: the {self.model} has 1 to {self.inputs.analog}")
        return Channel(self, n)

    def pod(self, n: int) -> Pod:
        """Eight digital inputs: pod 1 is D0 to D7, pod 2 is D8 to D15.

        Raises
        ------
        OutOfRange
            This model has not so many. Nothing was sent: asking for inputs that are not there can hang a scope.
        """
        if n not in self._pods:
            what = f"D0 to D{self.inputs.digital - 1}" if self.inputs.digital else "no digital inputs; an MSO has"
            raise OutOfRange(f"pod {n} (D{8 * n - 8} to D{8 * n - 1}) on {self.link}: the {self.model} has {what}")
        return Pod(self, n)

    def parts(self) -> Mapping[str, Node]:
        """The scope itself, its channels and its pods."""
        channels = {f"channel{n}": self.channel(n) for n in range(1, self.inputs.analog + 1)}
        return {"": self, **channels, **{f"pod{n}": self.pod(n) for n in self._pods}}

    def snapshot(self) -> dict[str, str]:
        """Every setting but those of the analog channels with its present value."""
        pods = (self.pod(n).snapshot() for n in self._pods)
        return {name: value for part in (super().snapshot(), *pods) for name, value in part.items()}

    def prepare(self, channels: tuple[int, ...], *, digital_threshold: float | None) -> None:
        """Stop, and bring everything but the vertical settings to what an acquisition needs.

        Only the given analog channels are shown: the other of a pair would halve the memory. D0 to D7 are shown if
        a threshold (V) is given.

        Raises
        ------
        OutOfRange
            This model has not got one of the inputs. Nothing was sent.
        """
        for n in channels:
            self.channel(n)
        if digital_threshold is not None:
            self.pod(1)
        self.stop()
        for n in range(1, self.inputs.analog + 1):
            self.channel(n).displayed = n in channels
        self.time_mode = "MAIN"
        self.time_reference = "LEFT"
        self.time_position = 0
        self.acquire_type = "NORM"
        for n in self._pods:
            self.pod(n).displayed = n == 1 and digital_threshold is not None
        if digital_threshold is not None:
            self.pod(1).threshold = digital_threshold
        self.trigger_mode = "EDGE"
        # AUTO would trigger by itself before the marker rises.
        self.trigger_sweep = "NORM"
        self.check("its acquisition settings")

    def trigger_on(self, source: str, slope: str = "POS", level: float | None = None) -> None:
        """Trigger on an edge of this source, e.g. "DIG0"; `level` is a channel's (in its unit) or that of "EXT" (V)."""
        self.trigger_source = source
        if level is not None and source == "EXT":
            self.external_level = level
        elif level is not None:
            self.channel(int(source.removeprefix("CHAN"))).trigger_level = level
        self.trigger_slope = slope
        self.check(f"the trigger on {source}")

    def time_base(self, duration: float, rate: float) -> TimeBase:
        """The shortest span of at least `duration` s that this scope records at a whole multiple of `rate` (1/s).

        Asks the scope, armed for one acquisition of the channels now shown, for a running one has half the memory.
        It is left stopped with that time base, and what it had recorded is lost.
        """
        self.acquire_mode = "RTIM"
        found = choose(duration, rate, LONGEST_SPAN, self._rate_of)
        self.stop()
        self.time_range = found.span
        self.check(f"a time base of {found.span:g} s")
        return found

    def _rate_of(self, span: float) -> float:
        """At which rate (1/s) one acquisition of `span` s would be recorded; leaves it armed."""
        self.time_range = span
        self.link.write(":SINGle")
        return self.sample_rate

    def arm(self, duration: float, clock: Clock) -> None:
        """Start one acquisition of `duration` seconds, a tenth of it before the trigger; return when it can trigger.

        Raises
        ------
        AcquisitionError
            The scope does not arm in time.
        """
        self.acquire_mode = "RTIM"
        self._arm(duration, clock)

    def arm_segments(self, duration: float, count: int, clock: Clock) -> None:
        """Start an acquisition of `count` segments, each of `duration` s and with a trigger of its own.

        Returns when the first can trigger. `wait` returns when all have come, `fetch_segments` reads them.

        Raises
        ------
        OutOfRange
            Fewer than 2 or more than 1000 segments. Nothing was sent.
        DeviceError
            The scope has no licence for segmented memory, or not the memory for so many.
        AcquisitionError
            The scope does not arm in time.
        """
        if not 2 <= count <= MOST_SEGMENTS:
            raise OutOfRange(f"{count} segments on {self.link}: give 2 to {MOST_SEGMENTS}")
        self.acquire_mode = "SEGM"
        # Once without the licence, the scope refuses everything about segments: each step is looked at alone.
        self._check_segments(count)
        self.link.write(f":ACQuire:SEGMented:COUNt {count}")
        self._check_segments(count)
        self._arm(duration, clock)

    def _check_segments(self, count: int) -> None:
        found = self.errors()
        if any(entry.startswith(UNLICENSED) for entry in found):
            raise DeviceError(f"{self.model} at {self.link} has no licence for segmented memory ({found[0]})")
        if any(entry.startswith(BEYOND) for entry in found):
            raise DeviceError(
                f"{self.model} at {self.link} has no memory for {count} segments ({found[0]}): take fewer"
            )
        if found:
            raise DeviceError(f"{self.model} at {self.link} refused {count} segments: {'; '.join(found)}")

    def _arm(self, duration: float, clock: Clock) -> None:
        self.time_range = duration
        self.check(f"a time base of {duration:g} s")
        self.link.query(":AER?")  # reading the event clears it
        self.link.write(":SINGle")
        started = clock.now()
        before_trigger = 0.1 * duration
        deadline = started + int((before_trigger + 5) * 1e9)
        while not (int(number(self.link, ":AER?")) or self._condition() & WAITING):
            if clock.now() > deadline:
                raise AcquisitionError(
                    f"{self.link} did not arm within {before_trigger + 5:g} s of :SINGle; look at it, then start again"
                )
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

    def make_safe(self, clock: Clock) -> None:
        """Stop, and make sure that nothing is armed any more.

        Raises
        ------
        DeviceError
            The scope is still running or armed.
        """
        self.stop()
        deadline = clock.now() + int(STOP_PATIENCE * 1e9)
        while self._condition() & (RUNNING | WAITING):
            if clock.now() > deadline:
                raise DeviceError(
                    f"{self.model} at {self.link} is still acquiring {STOP_PATIENCE:g} s after :STOP; look at the scope"
                )
            clock.sleep(0.02)

    def fetch(self, source: str, unit: str = "") -> Waveform:
        """Read the whole raw record of "CHAN1", "POD1" and so on as unsigned byte codes.

        Only a stopped scope gives the raw record; a running one silently gives a reduced one.

        Raises
        ------
        OutOfRange
            This model has no such source. Nothing was sent.
        AcquisitionError
            The scope is running, or another number of samples came than the preamble says.
        """
        self._select(source)
        return self._read(source, unit)

    def fetch_segments(self, source: str, unit: str = "") -> tuple[Segment, ...]:
        """Read every segment that was taken, oldest first, each with the time of its trigger.

        Raises
        ------
        OutOfRange, AcquisitionError
            As `fetch`, or no segment was taken.
        """
        self._select(source)
        taken = int(number(self.link, ":WAVeform:SEGMented:COUNt?"))
        if not taken:
            raise AcquisitionError(f"{self.link} has taken no segment; `arm_segments` and `wait` come first")
        found = []
        for index in range(1, taken + 1):
            self.link.write(f":ACQuire:SEGMented:INDex {index}")
            time = number(self.link, ":WAVeform:SEGMented:TTAG?")
            found.append(Segment(time, self._read(source, unit)))
        return tuple(found)

    def _select(self, source: str) -> None:
        if source not in self.record_sources:
            raise OutOfRange(
                f"a record of {source} on {self.link}: the {self.model} has {', '.join(self.record_sources)}"
            )
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

    def _read(self, source: str, unit: str) -> Waveform:
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
