"""The inputs of an InfiniiVision X-Series scope: its analog channels and its pods of digital ones.

Behaviour after the 2000 X-Series Programmer's Guide.
"""

from typing import TYPE_CHECKING

from powerlab_instruments.errors import DeviceError
from powerlab_instruments.settings import Choice, Setting, Switch, Text, snapshot

if TYPE_CHECKING:
    from powerlab_instruments.scope import InfiniiVision

DIVISIONS = 8  # of the screen's height; full scale is all of them
# Codes of the converter over its eight divisions: what real files of this family show.
CODES_PER_SCREEN = 199
# DC accuracy of a 2000X is UNCONFIRMED (recalled from its data sheet): gain 3 % of full scale at 10 mV/div and above,
# 4 % below; offset 0.1 div + 2 mV + 1 % of the offset setting, at the input. That a 3000X is no worse: UNCONFIRMED.
GAIN_LIMIT = 0.03
GAIN_LIMIT_SMALL = 0.04
SMALL_SCALE = 0.010  # V/div at the input
OFFSET_LIMIT_DIVISIONS = 0.1
OFFSET_LIMIT_VOLTS = 0.002
OFFSET_LIMIT_OF_SETTING = 0.01
TIME_LIMIT = 30e-6  # 25 ppm + 5 ppm a year: UNCONFIRMED for these models
# How far from mid-screen an internal trigger level may lie, in full scales (6000 X-Series Programmer's Guide).
TRIGGER_REACH = 0.75


class Channel:
    """One analog input. Vertical numbers are in the channel's unit, after the probe ratio."""

    displayed = Switch(":CHANnel{n}:DISPlay", doc="Whether the channel is acquired.")
    probe_ratio = Setting(":CHANnel{n}:PROBe", unit="", low=0.1, high=10000, doc="Unit per volt at the input.")
    units = Choice(":CHANnel{n}:UNITs", ("VOLT", "AMP"), doc="Unit of the quantity.")
    # 1 mV/div to 5 V/div at 1:1, times the probe ratio: the scope itself is the judge of the product.
    scale = Setting(":CHANnel{n}:SCALe", unit="/div", low=1e-4, high=50000, doc="Vertical scale.")
    offset = Setting(":CHANnel{n}:OFFSet", unit="", low=-5e5, high=5e5, doc="Value at the screen's centre.")
    vernier = Switch(":CHANnel{n}:VERNier", doc="Whether the scale's knob turns in fine steps.")
    coupling = Choice(":CHANnel{n}:COUPling", ("AC", "DC"), doc="Input coupling.")
    impedance = Choice(":CHANnel{n}:IMPedance", lambda it: it.scope.impedances, doc="Input impedance: 1 Mohm, 50 ohm.")
    bandwidth_limited = Switch(":CHANnel{n}:BWLimit", doc="The 20 MHz filter.")
    inverted = Switch(":CHANnel{n}:INVert", doc="Sign change.")
    label = Text(":CHANnel{n}:LABel", 10, doc="Label on the screen.")
    trigger_level = Setting(
        ":TRIGger:EDGE:LEVel",
        of="CHANnel{n}",
        unit="",
        low=lambda it: it.offset - TRIGGER_REACH * DIVISIONS * it.scale,
        high=lambda it: it.offset + TRIGGER_REACH * DIVISIONS * it.scale,
        doc="Level at which an edge of this channel triggers, at most 0.75 of full scale from mid-screen.",
    )

    time_limit = TIME_LIMIT

    def __init__(self, scope: "InfiniiVision", n: int) -> None:
        self.scope, self.link, self.n = scope, scope.link, n

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
        if len(self.scope.impedances) > 1:
            self.impedance = "ONEM"  # 50 ohm would load the probe
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

    def full_scale(self) -> float:
        """What the screen's eight divisions show, in the channel's unit."""
        return self.scale * DIVISIONS

    def centre(self) -> float:
        """The value at the middle of the screen, in the channel's unit."""
        return self.offset

    def resolution(self) -> float:
        """One code of the converter in the channel's unit."""
        return self.scale * DIVISIONS / CODES_PER_SCREEN

    def snapshot(self) -> dict[str, str]:
        """Every declared setting with its present value."""
        return {f"channel{self.n} {name}": value for name, value in snapshot(self).items()}


class Pod:
    """Eight digital inputs: pod 1 is D0 to D7, pod 2 is D8 to D15."""

    displayed = Switch(":POD{n}:DISPlay", doc="Whether the eight inputs are acquired.")
    threshold = Setting(":POD{n}:THReshold", unit="V", low=-8, high=8, doc="Logic threshold of the eight inputs.")

    def __init__(self, scope: "InfiniiVision", n: int) -> None:
        self.link, self.n = scope.link, n

    def header(self, command: str) -> str:
        """The command with the pod's number."""
        return command.format(n=self.n)

    def snapshot(self) -> dict[str, str]:
        """Every declared setting with its present value."""
        return {f"pod{self.n} {name}": value for name, value in snapshot(self).items()}
