"""Answers about a whole subsystem, the only ones with headers: `:CHANnel1?`, `:TIMebase?`, `:TRIGger?` and so on.

Fields, their order and their number styles: InfiniiVision 2000 X-Series Programmer's Guide for :EXTernal, of sibling
series for the others (there UNCONFIRMED for the 2000 X-Series).
"""

from powerlab_instruments.simulated.forms import counted, engineering
from powerlab_instruments.simulated.scpi import query
from powerlab_instruments.simulated.setups import Setups

CHANNEL = ("RANG 3", "OFFS 6", "COUP", "IMP", "DISP", "BWL", "INV", "LAB", "UNIT", "PROB 2", "PROB:SKEW 3", "STYP")
TIMEBASE = ("MODE", "REF", "MAIN:RANG 3", "POS")
TRIGGER = ("MODE", "SWE", "NREJ", "HFR", "HOLD 3")
EDGE = ("SOUR", "LEV", "SLOP", "REJ", "COUP")
EXTERNAL = ("BWL", "RANG 1", "UNIT", "PROB 4")
DIGITAL = ("DISP", "THR 3", "LAB", "POS")
POD = ("DISP", "THR 3")


class Reports(Setups):
    """A scope that answers about its subsystems. A field's number is the count of digits it has there."""

    def answer_of(self, header: str) -> str:
        """What a query without parameters answers by itself."""
        action, suffixes, _, _ = self._resolve(header, self.root, ())
        return str(self._perform(header, action, suffixes, []))

    def _report(self, path: str, fields: tuple[str, ...], **given: str) -> str:
        """`:PATH:FIELD value;FIELD value`; `given` are fields (first letters) that have no query of that name."""
        parts = []
        for field in fields:
            name, _, digits = field.partition(" ")
            value = given.get(name) or self.answer_of(f":{path}:{name}?")
            parts.append(f"{name} {engineering(float(value), int(digits)) if digits else value}")
        return f":{path}:{';'.join(parts)}"

    @query("CHANnel<1-4>")
    def channel_report(self, n: int) -> str:
        """Every setting of a channel."""
        return self._report(f"CHAN{n}", CHANNEL, STYP=self.signal_type[n])

    @query("TIMebase")
    def timebase_report(self) -> str:
        """The time base."""
        return self._report("TIM", TIMEBASE)

    @query("TRIGger")
    def trigger_report(self) -> str:
        """The trigger's mode and, while that is EDGE, the edge."""
        report = self._report("TRIG", TRIGGER)
        if self.trigger_mode != "EDGE":
            return report
        return f"{report};{self.edge_report()}"

    @query("TRIGger:EDGE")
    def edge_report(self) -> str:
        """The edge trigger; of a digital source the threshold is the level."""
        level = engineering(self.levels.get(self.source, 0.0))
        return self._report("TRIG:EDGE", EDGE, LEV=level)

    @query("ACQuire")
    def acquire_report(self) -> str:
        """The acquisition."""
        return (
            f":ACQ:MODE {self.acquire_mode};TYPE {self.acquire_type};COMP {self.complete};"
            f"COUNT {self.acquire_count};SEGM:COUN {self.segment_count}"
        )

    @query("EXTernal")
    def external_report(self) -> str:
        """The external trigger input."""
        return self._report("EXT", EXTERNAL, BWL="0")

    @query("WAVeform")
    def waveform_report(self) -> str:
        """How waveforms are read."""
        points = "MAX" if self.points_wanted is None else counted(self.points_wanted)
        return self._report("WAV", ("UNS", "VIEW", "BYT", "FORM", "POIN", "SOUR", "SOUR:SUBS"), POIN=points)

    @query("DIGital<0-15>")
    def digital_report(self, d: int) -> str:
        """One digital input; its label stands in single quotes here."""
        return self._report(f"DIG{d}", DIGITAL, LAB=f"'{self.digital_label[d]}'")

    @query("POD<1-2>")
    def pod_report(self, pod: int) -> str:
        """Eight digital inputs."""
        return self._report(f"POD{pod}", POD)
