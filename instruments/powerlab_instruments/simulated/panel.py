"""The scope's knobs: every setting of channels, pod, time base, acquisition and trigger, and what *RST makes of them.

Commands, limits and reset values: InfiniiVision 2000 X-Series Programmer's Guide, and where that could not be read, of
its siblings; UNCONFIRMED choices are marked.
"""

from typing import ClassVar

from powerlab_instruments.simulated.digitiser import Setup, Vertical
from powerlab_instruments.simulated.forms import (
    Flag,
    NumberOrWord,
    Real,
    ScpiError,
    Text,
    Whole,
    Word,
    engineering,
)
from powerlab_instruments.simulated.scpi import Instrument, Setting, Settings, command, query

RANGE_LIMITS = 8e-3, 40.0  # V at the BNC, 8 divisions
OFFSET_LIMITS = {False: 2.0, True: 50.0}  # V at the BNC, by whether the scale is 200 mV/div or more; UNCONFIRMED
SPAN_LIMITS = 20e-9, 500.0  # s on the screen; 2 ns/div is UNCONFIRMED
REFERENCES = {"LEFT": 0.1, "CENT": 0.5, "RIGH": 0.9}  # of the screen
THRESHOLDS = {"CMOS": 2.5, "ECL": -1.3, "TTL": 1.4}  # V; CMOS and ECL as in the sibling guides
THRESHOLD_LIMIT = 8.0  # V
FASTEST = 2e9, 1e9  # samples/s with one and with both channels of a pair on

_SOURCES = Word("CHANnel<1-4>", "DIGital<0-7>", "EXTernal", "LINE")


class Panel(Instrument):
    """The settings of an MSO-X 2024A: 4 analog channels, 8 digital inputs."""

    COSMETIC: ClassVar[frozenset[str]] = frozenset({"label", "digital_label", "digital_size", "locked"})

    display = Settings("CHANnel<1-4>:DISPlay", Flag(), lambda n: n == 1)
    ranges = Settings("CHANnel<1-4>:RANGe", Real("V"), 40.0)
    offset = Settings("CHANnel<1-4>:OFFSet", Real("V"), 0.0)
    coupling = Settings("CHANnel<1-4>:COUPling", Word("AC", "DC"), "DC")
    bandwidth_limit = Settings("CHANnel<1-4>:BWLimit", Flag(), reset=False)
    impedance = Settings("CHANnel<1-4>:IMPedance", Word("ONEMeg"), "ONEM")  # this model has no 50 ohm path
    invert = Settings("CHANnel<1-4>:INVert", Flag(), reset=False)
    label = Settings("CHANnel<1-4>:LABel", Text(10), str)
    probe = Settings("CHANnel<1-4>:PROBe", Real("", 0.1, 10_000.0), 10.0)
    skew = Settings("CHANnel<1-4>:PROBe:SKEW", Real("s", -100e-9, 100e-9), 0.0)
    units = Settings("CHANnel<1-4>:UNITs", Word("VOLT", "AMPere"), "VOLT")
    vernier = Settings("CHANnel<1-4>:VERNier", Flag(), reset=False)

    digital_display = Settings("DIGital<0-7>:DISPlay", Flag(), reset=False)
    digital_threshold = Settings("DIGital<0-7>:THReshold", NumberOrWord("V", Word(*THRESHOLDS)), 1.4)
    digital_label = Settings("DIGital<0-7>:LABel", Text(10), lambda n: f"D{n}")

    timebase_mode = Setting("TIMebase:MODE", Word("MAIN", "XY", "ROLL"), "MAIN")
    span = Setting("TIMebase:RANGe", Real("s", *SPAN_LIMITS), 1e-3)
    position = Setting("TIMebase:POSition", Real("s", -500.0, 500.0), 0.0)
    reference = Setting("TIMebase:REFerence", Word("LEFT", "CENTer", "RIGHt"), "CENT")

    acquire_type = Setting("ACQuire:TYPE", Word("NORMal"), "NORM")
    acquire_mode = Setting("ACQuire:MODE", Word("RTIMe"), "RTIM")
    acquire_count = Setting("ACQuire:COUNt", Whole(2, 65536), 8)
    complete = Setting("ACQuire:COMPlete", Whole(100, 100), 100)

    trigger_mode = Setting("TRIGger:MODE", Word("EDGE"), "EDGE")
    sweep = Setting("TRIGger:SWEep", Word("AUTO", "NORMal"), "AUTO")
    holdoff = Setting("TRIGger:HOLDoff", Real("s", 40e-9, 10.0), 40e-9)  # 60 ns on siblings
    noise_reject = Setting("TRIGger:NREJect", Flag(), reset=False)
    hf_reject = Setting("TRIGger:HFReject", Flag(), reset=False)
    source = Setting("TRIGger[:EDGE]:SOURce", _SOURCES, "CHAN1")
    slope = Setting("TRIGger[:EDGE]:SLOPe", Word("POSitive", "NEGative", "EITHer", "ALTernate"), "POS")
    edge_coupling = Setting("TRIGger[:EDGE]:COUPling", Word("AC", "DC", "LFReject"), "DC")
    reject = Setting("TRIGger[:EDGE]:REJect", Word("OFF", "LFReject", "HFReject"), "OFF")

    locked = Setting("SYSTem:LOCK", Flag(), reset=False)

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.levels: dict[str, float] = {}
        super().__init__()

    def restore_defaults(self) -> None:
        """Every setting as after *RST, the trigger levels at 0."""
        super().restore_defaults()
        self.levels = dict.fromkeys(("CHAN1", "CHAN2", "CHAN3", "CHAN4", "EXT"), 0.0)

    # Channels.

    @command("CHANnel<1-4>:RANGe", Real("V"))
    def set_range(self, n: int, value: float) -> None:
        """Full scale in the channel's unit; -222 beyond what the input has at this probe ratio."""
        low, high = (limit * self.probe[n] for limit in RANGE_LIMITS)
        if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
            raise ScpiError(-222)
        self.values["ranges", (n,)] = value
        self.set_offset(n, self.offset[n])

    @command("CHANnel<1-4>:SCALe", Real("V"))
    def set_scale(self, n: int, value: float) -> None:
        """An eighth of the range; any value, as with the vernier."""
        self.set_range(n, 8 * value)

    @query("CHANnel<1-4>:SCALe")
    def scale(self, n: int) -> str:
        """Channel units per division."""
        return engineering(self.ranges[n] / 8)

    @command("CHANnel<1-4>:OFFSet", Real("V"))
    def set_offset(self, n: int, value: float) -> None:
        """The value at mid-screen, moved to the nearest one that the input has, without an error."""
        limit = OFFSET_LIMITS[self.ranges[n] / self.probe[n] >= 1.6] * self.probe[n]
        self.values["offset", (n,)] = min(max(value, -limit), limit)
        self.changed("offset")

    @command("CHANnel<1-4>:PROBe", Real("", 0.1, 10_000.0))
    def set_probe(self, n: int, value: float) -> None:
        """Channel units per volt; range, offset and trigger level are multiplied, for the input itself stays."""
        factor = value / self.probe[n]
        for name in ("ranges", "offset"):
            self.values[name, (n,)] *= factor
        self.levels[f"CHAN{n}"] *= factor
        self.values["probe", (n,)] = value
        self.changed("probe")

    @query("CHANnel<1-4>:PROBe:ID")
    def probe_identity(self, _n: int) -> str:
        """What a plain BNC probe says: nothing."""
        return "NONE"

    # Digital inputs.

    @command("DIGital<0-7>:THReshold", NumberOrWord("V", Word(*THRESHOLDS)))
    def set_threshold(self, d: int, value: float | str) -> None:
        """The level between low and high of one input, in volts."""
        volts = THRESHOLDS[value] if isinstance(value, str) else value
        if abs(volts) > THRESHOLD_LIMIT:
            raise ScpiError(-222)
        self.values["digital_threshold", (d,)] = volts
        self.changed("digital_threshold")

    @command("POD<1-1>:DISPlay", Flag())
    def set_pod_display(self, value: bool) -> None:
        """All eight inputs on or off."""
        for d in range(8):
            self.values["digital_display", (d,)] = value
        self.changed("digital_display")

    @query("POD<1-1>:DISPlay")
    def pod_display(self) -> str:
        """Whether any of the eight inputs is on."""
        return Flag().show(any(self.digital_display.values()))

    @command("POD<1-1>:THReshold", NumberOrWord("V", Word(*THRESHOLDS)))
    def set_pod_threshold(self, value: float | str) -> None:
        """The threshold of all eight inputs."""
        for d in range(8):
            self.set_threshold(d, value)

    @query("POD<1-1>:THReshold")
    def pod_threshold(self) -> str:
        """The threshold of D0, which stands for the pod."""
        return engineering(float(self.digital_threshold[0]))

    # Time base.

    @command("TIMebase:SCALe", Real("s", SPAN_LIMITS[0] / 10, SPAN_LIMITS[1] / 10))
    def set_time_scale(self, value: float) -> None:
        """A tenth of the range; values off the 1-2-5 sequence are taken."""
        self.span = 10 * value
        self.changed("span")

    @query("TIMebase:SCALe")
    def time_scale(self) -> str:
        """Seconds per division."""
        return engineering(self.span / 10)

    @command("TIMebase:DELay", Real("s", -500.0, 500.0))
    def set_delay(self, value: float) -> None:
        """An older name of `:TIMebase:POSition`."""
        self.position = value
        self.changed("position")

    @query("TIMebase:DELay")
    def delay(self) -> str:
        """An older name of `:TIMebase:POSition?`."""
        return engineering(self.position)

    # Trigger.

    @command("TRIGger[:EDGE]:LEVel", Real("V"), Word("CHANnel<1-4>", "EXTernal"), optional=1)
    def set_level(self, value: float, source: str | None = None) -> None:
        """The trigger level of a source in its unit; at most 0.75 of full scale from mid-screen."""
        source = source or self.source
        if source not in self.levels:
            raise ScpiError(-221)  # digital inputs have a threshold instead
        if source.startswith("CHAN"):
            n = int(source[-1])
            if abs(value - self.offset[n]) > 0.75 * self.ranges[n]:
                raise ScpiError(-222)
        elif abs(value) > 8.0:
            raise ScpiError(-222)
        self.levels[source] = value
        self.changed("level")

    @query("TRIGger[:EDGE]:LEVel", Word("CHANnel<1-4>", "EXTernal"), optional=1)
    def level(self, source: str | None = None) -> str:
        """The trigger level of a source."""
        try:
            return engineering(self.levels[source or self.source])
        except KeyError:
            raise ScpiError(-221) from None

    # What follows from the settings.

    def plan(self, *, shared: bool) -> int:
        """How many samples of each channel the screen will hold; `shared` memory is that of free run.

        A model: all memory for a channel alone in its pair (1 and 2, 3 and 4), half of it for both, half again
        when the scope runs freely; the rate is that of the memory over the screen, or the converter's.
        """
        shown = self.display
        paired = (shown[1] and shown[2]) or (shown[3] and shown[4])
        depth = self.memory // (2 if paired else 1) // (2 if shared else 1)
        return max(1, min(depth, int(FASTEST[paired] * self.span * (1 + 1e-9))))

    def setup(self, *, shared: bool) -> Setup:
        """The settings as an acquisition is armed with them."""
        shown, ranges, offset, probe = self.display, self.ranges, self.offset, self.probe
        invert, coupling, thresholds = self.invert, self.coupling, self.digital_threshold
        n = int(self.source[-1]) if self.source.startswith("CHAN") else 1
        return Setup(
            span=self.span,
            left=self.position - REFERENCES[self.reference] * self.span,
            points=self.plan(shared=shared),
            channels={
                n: Vertical(ranges[n], offset[n], probe[n], invert[n], coupling[n] == "AC")
                for n in range(1, 5)
                if shown[n]
            },
            digital={d: float(thresholds[d]) for d in range(8) if self.digital_display[d]},
            marker_threshold=float(thresholds[0]),
            source=self.source,
            slope=self.slope,
            level=self.levels[f"CHAN{n}"] / probe[n],
            automatic=self.sweep == "AUTO",
        )
