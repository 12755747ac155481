"""The scope's inputs: every setting of analog channels, external trigger and digital inputs, after *RST and since.

Commands, limits and reset values: InfiniiVision 2000 X-Series Programmer's Guide, and where that could not be read, of
its siblings; UNCONFIRMED choices are marked.
"""

import re
from typing import ClassVar

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
from powerlab_instruments.simulated.headers import Action, Node
from powerlab_instruments.simulated.models import Model
from powerlab_instruments.simulated.scpi import Instrument, Setting, Settings, command, query

RANGE_LIMITS = 8e-3, 40.0  # V at the BNC, 8 divisions
OFFSET_LIMITS = {False: 2.0, True: 50.0}  # V at the BNC, by whether the scale is 200 mV/div or more; UNCONFIRMED
THRESHOLDS = {"CMOS": 2.5, "ECL": -1.3, "TTL": 1.4}  # V; CMOS and ECL as in the sibling guides
THRESHOLD_LIMIT = 8.0  # V
EXTERNAL_RANGE = 8.0  # V
_INPUT = re.compile(r":?(CHAN(?:NEL)?|DIG(?:ITAL)?|POD)(\d+)", re.IGNORECASE)
_ANY_INPUT = Word("CHANnel<1-4>", "DIGital<0-15>", "POD<1-2>")


class Panel(Instrument):
    """The inputs of an InfiniiVision X-Series; declared are those of the largest model."""

    QUEUE_DEPTH = 30
    OVERFLOW = 350  # the sign is as the sources print it, UNCONFIRMED
    ARMED_WITH: ClassVar[frozenset[str]] = frozenset({
        "display", "ranges", "offset", "coupling", "invert", "probe", "units", "bandwidth_limit",
        "digital_display", "digital_threshold",
    })  # fmt: skip

    display = Settings("CHANnel<1-4>:DISPlay", Flag(), lambda n: n == 1)
    ranges = Settings("CHANnel<1-4>:RANGe", Real("V"), 40.0)
    offset = Settings("CHANnel<1-4>:OFFSet", Real("V"), 0.0)
    coupling = Settings("CHANnel<1-4>:COUPling", Word("AC", "DC"), "DC")
    bandwidth_limit = Settings("CHANnel<1-4>:BWLimit", Flag(), reset=False)
    impedance = Settings("CHANnel<1-4>:IMPedance", Word("ONEMeg", "FIFTy"), "ONEM")
    invert = Settings("CHANnel<1-4>:INVert", Flag(), reset=False)
    label = Settings("CHANnel<1-4>:LABel", Text(10), str)
    probe = Settings("CHANnel<1-4>:PROBe", Real("", 0.1, 10_000.0), 10.0)
    skew = Settings("CHANnel<1-4>:PROBe:SKEW", Real("s", -100e-9, 100e-9), 0.0)
    signal_type = Settings("CHANnel<1-4>:PROBe:STYPe", Word("SINGle", "DIFFerential"), "SING")
    units = Settings("CHANnel<1-4>:UNITs", Word("VOLT", "AMPere"), "VOLT")
    vernier = Settings("CHANnel<1-4>:VERNier", Flag(), reset=False)

    external_limit = Setting("EXTernal:BWLimit", Whole(0, 0), 0)  # 0 is the only value
    external_range = Setting("EXTernal:RANGe", Real("V"), EXTERNAL_RANGE)
    external_units = Setting("EXTernal:UNITs", Word("VOLT", "AMPere"), "VOLT")
    external_probe = Setting("EXTernal:PROBe", Real("", 0.1, 10_000.0), 1.0)

    digital_display = Settings("DIGital<0-15>:DISPlay", Flag(), reset=False)
    digital_threshold = Settings("DIGital<0-15>:THReshold", NumberOrWord("V", Word(*THRESHOLDS)), 1.4)
    digital_label = Settings("DIGital<0-15>:LABel", Text(10), lambda n: f"D{n}")
    digital_position = Settings("DIGital<0-15>:POSition", Whole(0, 15), 0)
    digital_size = Settings("DIGital<0-15>:SIZE", Word("SMALl", "MEDium", "LARGe"), "SMAL")
    pod_size = Settings("POD<1-2>:SIZE", Word("SMALl", "MEDium", "LARGe"), "SMAL")

    def __init__(self, model: Model) -> None:
        self.model = model
        self.levels: dict[str, float] = {}
        super().__init__()

    def restore_defaults(self) -> None:
        """Every setting as after *RST, the trigger levels at 0."""
        super().restore_defaults()
        self.levels = dict.fromkeys(("CHAN1", "CHAN2", "CHAN3", "CHAN4", "EXT"), 0.0)

    # Inputs that this model lacks.

    def lacks(self, text: str) -> int | None:
        """The error code when `text` begins with an input that this model has not got, None when it has.

        Digital inputs are a licence (-241); of a kind it has there are only so many (-114).
        """
        if (match := _INPUT.match(text)) is None:
            return None
        kind, number = match[1][:1].upper(), int(match[2])
        if kind == "C":
            return None if 1 <= number <= self.model.analog else -114
        if not self.model.digital:
            return -241
        return None if (8 * (number - 1) if kind == "P" else number) < self.model.digital else -114

    def _resolve(
        self, header: str, path: Node, suffixes: tuple[int, ...]
    ) -> tuple[Action, tuple[int, ...], Node, tuple[int, ...]]:
        if (code := self.lacks(header)) is not None:
            raise ScpiError(code)
        return super()._resolve(header, path, suffixes)

    def _perform(self, header: str, action: Action, suffixes: tuple[int, ...], tokens: list[str]) -> str | bytes | None:
        for code in map(self.lacks, tokens):
            if code is not None:
                self.error(-224 if code == -114 else code)
                return None
        return super()._perform(header, action, suffixes, tokens)

    def pods(self) -> range:
        """The numbers of the pods, eight digital inputs each."""
        return range(1, self.model.digital // 8 + 1)

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

    @command("CHANnel<1-4>:IMPedance", Word("ONEMeg", "FIFTy"))
    def set_impedance(self, n: int, value: str) -> None:
        """The 2000 X-Series has no 50 ohm path (that it answers -224 is UNCONFIRMED)."""
        if value == "FIFT" and not self.model.fifty_ohm:
            raise ScpiError(-224)
        self.values["impedance", (n,)] = value

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

    @command("EXTernal:RANGe", Real("V"))
    def set_external_range(self, value: float) -> None:
        """The one range of the input at this probe ratio."""
        if abs(value / (EXTERNAL_RANGE * self.external_probe) - 1) > 1e-6:
            raise ScpiError(-222)

    @command("EXTernal:PROBe", Real("", 0.1, 10_000.0))
    def set_external_probe(self, value: float) -> None:
        """The ratio of the external input's probe, by which its range goes."""
        self.external_probe, self.external_range = value, EXTERNAL_RANGE * value

    # Digital inputs.

    @command("DIGital<0-15>:THReshold", NumberOrWord("V", Word(*THRESHOLDS)))
    def set_threshold(self, d: int, value: float | str) -> None:
        """The level between low and high of one input, in volts."""
        volts = THRESHOLDS[value] if isinstance(value, str) else value
        if abs(volts) > THRESHOLD_LIMIT:
            raise ScpiError(-222)
        self.values["digital_threshold", (d,)] = volts
        self.changed("digital_threshold")

    @command("POD<1-2>:DISPlay", Flag())
    def set_pod_display(self, pod: int, value: bool) -> None:
        """All eight inputs on or off."""
        for d in bits_of(pod):
            self.values["digital_display", (d,)] = value
        self.changed("digital_display")

    @query("POD<1-2>:DISPlay")
    def pod_display(self, pod: int) -> str:
        """Whether any of the eight inputs is on."""
        shown = self.digital_display
        return Flag().show(any(shown[d] for d in bits_of(pod)))

    @command("POD<1-2>:THReshold", NumberOrWord("V", Word(*THRESHOLDS)))
    def set_pod_threshold(self, pod: int, value: float | str) -> None:
        """The threshold of all eight inputs."""
        for d in bits_of(pod):
            self.set_threshold(d, value)

    @query("POD<1-2>:THReshold")
    def pod_threshold(self, pod: int) -> str:
        """The threshold of the first input, which stands for the pod."""
        return engineering(float(self.digital_threshold[bits_of(pod)[0]]))

    # What is on the screen.

    def show_input(self, source: str, *, shown: bool) -> None:
        """Put `CHAN1`, `DIG3` or `POD1` on the screen or take it off."""
        number = int(re.sub(r"\D", "", source))
        if source.startswith("POD"):
            self.set_pod_display(number, shown)
        else:
            name = "display" if source.startswith("CHAN") else "digital_display"
            self.values[name, (number,)] = shown
            self.changed(name)

    @command("VIEW", _ANY_INPUT)
    def view_input(self, source: str) -> None:
        """Show an input."""
        self.show_input(source, shown=True)

    @command("BLANk", _ANY_INPUT, optional=1)
    def blank(self, source: str | None = None) -> None:
        """Take an input off the screen, without a name every one."""
        every = (*(f"CHAN{n}" for n in range(1, self.model.analog + 1)), *(f"POD{pod}" for pod in self.pods()))
        for name in (source,) if source else every:
            self.show_input(name, shown=False)

    @query("STATus", _ANY_INPUT)
    def shown(self, source: str) -> str:
        """Whether an input is on the screen; without a plus sign or with one is UNCONFIRMED."""
        number = int(re.sub(r"\D", "", source))
        if source.startswith("POD"):
            return self.pod_display(number)
        return Flag().show((self.display if source.startswith("CHAN") else self.digital_display)[number])


def bits_of(pod: int) -> range:
    """The digital inputs of a pod."""
    return range(8 * (pod - 1), 8 * pod)
