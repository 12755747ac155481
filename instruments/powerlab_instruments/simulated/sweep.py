"""The scope's time base, acquisition and trigger settings, and the set-up an acquisition is armed with.

Commands, limits and reset values: InfiniiVision 2000 X-Series Programmer's Guide, and where that could not be read, of
its siblings; UNCONFIRMED choices are marked.
"""

from typing import ClassVar

from powerlab_instruments.simulated.digitiser import Setup, Vertical
from powerlab_instruments.simulated.forms import Flag, Real, ScpiError, Whole, Word, engineering
from powerlab_instruments.simulated.models import Model
from powerlab_instruments.simulated.panel import Panel
from powerlab_instruments.simulated.scpi import Setting, command, query

LONGEST_SPAN = 500.0  # s on the screen
MOST_SEGMENTS = 1000
SMALLEST_SEGMENT = 1000  # samples; UNCONFIRMED: the guide says that the count depends on the memory, and not how
REFERENCES = {"LEFT": 0.1, "CENT": 0.5, "RIGH": 0.9}  # of the screen
TRIGGER_MODES = (
    "EDGE", "GLITch", "PATTern", "TV", "DELay", "EBURst", "OR", "RUNT", "SHOLd", "TRANsition", "SBUS1", "USB"
)  # fmt: skip

_SOURCES = Word("CHANnel<1-4>", "DIGital<0-15>", "EXTernal", "LINE", "WGEN")
_LEVELS = Word("CHANnel<1-4>", "EXTernal")


class Sweep(Panel):
    """When and how a scope samples: everything but its inputs."""

    ARMED_WITH: ClassVar[frozenset[str]] = Panel.ARMED_WITH | {
        "timebase_mode", "span", "position", "reference", "acquire_type", "acquire_count", "acquire_mode",
        "segment_count",
        "trigger_mode", "sweep", "source", "slope", "level",
    }  # fmt: skip

    timebase_mode = Setting("TIMebase:MODE", Word("MAIN", "WINDow", "XY", "ROLL"), "MAIN")
    span = Setting("TIMebase[:MAIN]:RANGe", Real("s"), 1e-3)
    position = Setting("TIMebase[:MAIN]:POSition", Real("s", -500.0, 500.0), 0.0)
    reference = Setting("TIMebase:REFerence", Word("LEFT", "CENTer", "RIGHt"), "CENT")
    window_span = Setting("TIMebase:WINDow:RANGe", Real("s"), 500e-6)  # half the screen; UNCONFIRMED
    window_position = Setting("TIMebase:WINDow:POSition", Real("s", -500.0, 500.0), 0.0)

    acquire_type = Setting("ACQuire:TYPE", Word("NORMal", "AVERage", "HRESolution", "PEAK"), "NORM")
    acquire_mode = Setting("ACQuire:MODE", Word("RTIMe", "SEGMented"), "RTIM")
    acquire_count = Setting("ACQuire:COUNt", Whole(2, 65536), 8)
    segment_count = Setting("ACQuire:SEGMented:COUNt", Whole(2, MOST_SEGMENTS), 2)
    complete = Setting("ACQuire:COMPlete", Whole(100, 100), 100)

    trigger_mode = Setting("TRIGger:MODE", Word(*TRIGGER_MODES), "EDGE")
    sweep = Setting("TRIGger:SWEep", Word("AUTO", "NORMal"), "AUTO")
    holdoff = Setting("TRIGger:HOLDoff", Real("s", 40e-9, 10.0), 40e-9)  # 60 ns on siblings
    noise_reject = Setting("TRIGger:NREJect", Flag(), reset=False)
    hf_reject = Setting("TRIGger:HFReject", Flag(), reset=False)
    source = Setting("TRIGger[:EDGE]:SOURce", _SOURCES, "CHAN1")
    slope = Setting("TRIGger[:EDGE]:SLOPe", Word("POSitive", "NEGative", "EITHer", "ALTernate"), "POS")
    edge_coupling = Setting("TRIGger[:EDGE]:COUPling", Word("AC", "DC", "LFReject"), "DC")
    reject = Setting("TRIGger[:EDGE]:REJect", Word("OFF", "LFReject", "HFReject"), "OFF")
    # The pulse-width trigger can be set; its reset values are UNCONFIRMED.
    glitch_source = Setting("TRIGger:GLITch:SOURce", Word("CHANnel<1-4>", "DIGital<0-15>"), "CHAN1")
    glitch_qualifier = Setting("TRIGger:GLITch:QUALifier", Word("GREaterthan", "LESSthan", "RANGe"), "LESS")
    glitch_polarity = Setting("TRIGger:GLITch:POLarity", Word("POSitive", "NEGative"), "POS")
    glitch_above = Setting("TRIGger:GLITch:GREaterthan", Real("s", 2e-9, 10.0), 30e-9)
    glitch_below = Setting("TRIGger:GLITch:LESSthan", Real("s", 2e-9, 10.0), 30e-9)

    segmented = False  # whether this unit has the licence for segmented memory

    def __init__(self, model: Model, memory: int) -> None:
        self.memory = memory
        super().__init__(model)

    # Time base.

    @command("TIMebase:MODE", Word("MAIN", "WINDow", "XY", "ROLL"))
    def set_timebase_mode(self, mode: str) -> None:
        """ROLL has its reference at the right and no trigger."""
        self.timebase_mode = mode
        if mode == "ROLL":
            self.reference = "RIGH"
        self.changed("timebase_mode")

    @command("TIMebase:REFerence", Word("LEFT", "CENTer", "RIGHt"))
    def set_reference(self, reference: str) -> None:
        """Where the trigger is on the screen; -221 for another place than the right in ROLL."""
        if self.timebase_mode == "ROLL" and reference != "RIGH":
            raise ScpiError(-221)
        self.reference = reference
        self.changed("reference")

    @command("TIMebase[:MAIN]:RANGe", Real("s"))
    def set_span(self, value: float) -> None:
        """Seconds on the screen; the zoom window never holds more."""
        if not self.model.shortest_span * (1 - 1e-9) <= value <= LONGEST_SPAN * (1 + 1e-9):
            raise ScpiError(-222)
        self.span, self.window_span = value, min(self.window_span, value)
        self.changed("span")

    @command("TIMebase[:MAIN]:SCALe", Real("s"))
    def set_time_scale(self, value: float) -> None:
        """A tenth of the range; values off the 1-2-5 sequence are taken."""
        self.set_span(10 * value)

    @query("TIMebase[:MAIN]:SCALe")
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

    @command("TIMebase:WINDow:RANGe", Real("s"))
    def set_window_span(self, value: float) -> None:
        """Seconds in the zoom window, at most those on the screen."""
        if not self.model.shortest_span * (1 - 1e-9) <= value <= self.span * (1 + 1e-9):
            raise ScpiError(-222)
        self.window_span = value

    @command("TIMebase:WINDow:SCALe", Real("s"))
    def set_window_scale(self, value: float) -> None:
        """A tenth of the zoom window's range."""
        self.set_window_span(10 * value)

    @query("TIMebase:WINDow:SCALe")
    def window_scale(self) -> str:
        """Seconds per division of the zoom window."""
        return engineering(self.window_span / 10)

    def need_records(self) -> None:
        """-221 where single records are neither taken nor read: XY and ROLL."""
        if self.timebase_mode not in {"MAIN", "WIND"}:
            raise ScpiError(-221)

    # Acquisition.

    @command("ACQuire:TYPE", Word("NORMal", "AVERage", "HRESolution", "PEAK"))
    def set_acquire_type(self, kind: str) -> None:
        """What becomes of surplus samples; -221 for averages of segments, which there are not."""
        if kind == "AVER" and self.acquire_mode == "SEGM":
            raise ScpiError(-221)
        self.acquire_type = kind
        self.changed("acquire_type")

    @command("ACQuire:MODE", Word("RTIMe", "SEGMented"))
    def set_acquire_mode(self, mode: str) -> None:
        """One record, or the memory in segments, which is a licence (-241)."""
        if mode == "SEGM":
            self.need_segments()
            if self.acquire_type == "AVER":
                raise ScpiError(-221)
        self.acquire_mode = mode
        self.changed("acquire_mode")

    @command("ACQuire:SEGMented:COUNt", Whole(2, MOST_SEGMENTS))
    def set_segments(self, count: int) -> None:
        """How many segments to take; -222 for more than the memory holds."""
        self.need_segments()
        if self.depth(shared=False) < count * SMALLEST_SEGMENT:
            raise ScpiError(-222)
        self.segment_count = count
        self.changed("segment_count")

    @command("ACQuire:SEGMented:ANALyze")
    def analyze_segments(self) -> None:
        """Measurements over all segments, which nobody sees."""
        self.need_segments()

    def need_segments(self) -> None:
        """-241 on a unit without the licence for segmented memory."""
        if not self.segmented:
            raise ScpiError(-241)

    # Trigger.

    @command("TRIGger:MODE", Word(*TRIGGER_MODES))
    def set_trigger_mode(self, mode: str) -> None:
        """Serial buses are a licence; of the others only EDGE ever finds its event here, all can be set."""
        if mode == "SBUS1":
            raise ScpiError(-241)
        self.trigger_mode = mode
        self.changed("trigger_mode")

    @query("TRIGger:MODE")
    def mode_of_trigger(self) -> str:
        """The trigger's kind; `NONE` where the time base has no use for one."""
        return "NONE" if self.timebase_mode in {"XY", "ROLL"} else self.trigger_mode

    @command("TRIGger[:EDGE]:LEVel", Real("V"), _LEVELS, optional=1)
    def set_level(self, value: float, source: str | None = None) -> None:
        """The trigger level of a source in its unit; at most 0.75 of full scale from mid-screen."""
        source = source or self.source
        if source not in self.levels:
            raise ScpiError(-221)  # digital inputs have a threshold instead
        if source.startswith("CHAN"):
            n = int(source[-1])
            if abs(value - self.offset[n]) > 0.75 * self.ranges[n]:
                raise ScpiError(-222)
        elif abs(value) > self.external_range:
            raise ScpiError(-222)
        self.levels[source] = value
        self.changed("level")

    @query("TRIGger[:EDGE]:LEVel", _LEVELS, optional=1)
    def level(self, source: str | None = None) -> str:
        """The trigger level of a source."""
        try:
            return engineering(self.levels[source or self.source])
        except KeyError:
            raise ScpiError(-221) from None

    # What follows from the settings.

    def depth(self, *, shared: bool) -> int:
        """Samples of each channel that the memory holds; `shared` memory is that of free run.

        A model: all memory for a channel alone in its pair (1 and 2, 3 and 4), half of it for both, half again
        when the scope runs freely. Peak detect keeps two values a point (that this halves the points is UNCONFIRMED).
        """
        halvings = (self._paired, shared, self.acquire_type == "PEAK")
        return self.memory >> sum(halvings)

    @property
    def _paired(self) -> bool:
        shown = self.display
        return (shown[1] and shown[2]) or (shown[3] and shown[4])

    def plan(self, *, shared: bool) -> int:
        """How many samples of each channel the screen will hold.

        The rate is that of the memory, or of a segment of it, over the screen; or the converter's.
        """
        depth = self.depth(shared=shared) // (self.segment_count if self.acquire_mode == "SEGM" else 1)
        return max(1, min(depth, int(self.model.rates[self._paired] * self.span * (1 + 1e-9))))

    def setup(self, *, shared: bool) -> Setup:
        """The settings as an acquisition is armed with them."""
        shown, ranges, offset, probe = self.display, self.ranges, self.offset, self.probe
        invert, coupling, thresholds = self.invert, self.coupling, self.digital_threshold
        n = int(self.source[-1]) if self.source.startswith("CHAN") else 1
        points = self.plan(shared=shared)
        averages = self.acquire_count if self.acquire_type == "AVER" else 1
        threshold = float(thresholds[int(self.source[3:])]) if self.source.startswith("DIG") else self.levels["EXT"]
        return Setup(
            span=self.span,
            left=self.position - REFERENCES[self.reference] * self.span,
            points=points,
            kind=self.acquire_type,
            averages=averages,
            summed=max(averages, int(max(self.model.rates) * self.span / points))
            if self.acquire_type == "HRES"
            else averages,
            channels={
                n: Vertical(ranges[n], offset[n], probe[n], invert[n], coupling[n] == "AC")
                for n in range(1, 5)
                if shown[n]
            },
            digital={d: float(thresholds[d]) for d in range(self.model.digital) if self.digital_display[d]},
            threshold=threshold,
            source=self.source if self.trigger_mode == "EDGE" else "",
            slope=self.slope,
            level=self.levels[f"CHAN{n}"] / probe[n],
            automatic=self.sweep == "AUTO" or self.timebase_mode == "ROLL",
        )
