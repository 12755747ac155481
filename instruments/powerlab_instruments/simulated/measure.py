"""The scope's automatic measurements: the :MEASure subsystem on what is on the screen.

InfiniiVision 2000 X-Series Programmer's Guide, :MEASure commands; the counters of edges and pulses that siblings have
are not there.
"""

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np

from powerlab_instruments.simulated.digitiser import CENTRE, CODES, HOLE
from powerlab_instruments.simulated.forms import Flag, NumberOrWord, Real, ScpiError, Word, engineering
from powerlab_instruments.simulated.readout import FINE, Readout
from powerlab_instruments.simulated.scpi import Setting, command, query
from powerlab_instruments.simulated.waveshape import INVALID, STANDARD, Waveform

_SOURCES = Word("CHANnel<1-4>", "DIGital<0-15>")
_QUALIFIERS = Word("CYCLe", "DISPlay", "AC", "DC", "CHANnel<1-4>", "DIGital<0-15>")
_DIGITAL = {"frequency", "period", "positive_width", "negative_width", "duty_cycle"}  # all that a bit has


def _measurement(header: str, attribute: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Command and query of one measurement: `attribute` of the source's `Waveform`."""

    def install(self: "Measure", _source: str | None = None) -> None:
        self.install()

    def measure(self: "Measure", source: str | None = None) -> str:
        return self.measured(source, attrgetter(attribute), digital=attribute in _DIGITAL)

    install.__name__, measure.__name__ = f"install_{attribute}", f"measure_{attribute}"
    header = f"MEASure:{header}"
    return command(header, _SOURCES, optional=1)(install), query(header, _SOURCES, optional=1)(measure)


def shown(value: float) -> str:
    """A result; the style of valid ones is that of settings (UNCONFIRMED).

    >>> shown(INVALID), shown(0.0015)
    ('+9.9E+37', '+1.50E-03')
    """
    return "+9.9E+37" if value >= INVALID else engineering(value)


class Measure(Readout):
    """A scope that measures. Thresholds are percents of the amplitude."""

    measure_source = Setting("MEASure:SOURce", _SOURCES, "CHAN1")
    statistics_shown = Setting("MEASure:STATistics:DISPlay", Flag(), reset=False)

    install_peak_to_peak, measure_peak_to_peak = _measurement("VPP", "peak_to_peak")
    install_maximum, measure_maximum = _measurement("VMAX", "maximum")
    install_minimum, measure_minimum = _measurement("VMIN", "minimum")
    install_amplitude, measure_amplitude = _measurement("VAMPlitude", "amplitude")
    install_top, measure_top = _measurement("VTOP", "top")
    install_base, measure_base = _measurement("VBASe", "base")
    install_frequency, measure_frequency = _measurement("FREQuency", "frequency")
    install_period, measure_period = _measurement("PERiod", "period")
    install_positive_width, measure_positive_width = _measurement("PWIDth", "positive_width")
    install_negative_width, measure_negative_width = _measurement("NWIDth", "negative_width")
    install_duty_cycle, measure_duty_cycle = _measurement("DUTYcycle", "duty_cycle")
    install_rise_time, measure_rise_time = _measurement("RISetime", "rise_time")
    install_fall_time, measure_fall_time = _measurement("FALLtime", "fall_time")
    install_overshoot, measure_overshoot = _measurement("OVERshoot", "overshoot")
    install_preshoot, measure_preshoot = _measurement("PREShoot", "preshoot")

    def restore_defaults(self) -> None:
        """Every setting as after *RST, the thresholds at 10, 50 and 90 %."""
        super().restore_defaults()
        self.thresholds = STANDARD

    def install(self) -> None:
        """Put a measurement on the screen, where nobody looks at it."""

    @command("MEASure:VAVerage", _QUALIFIERS, _QUALIFIERS, optional=2)
    def install_average(self, *_qualifiers: str) -> None:
        """See `install`."""

    @query("MEASure:VAVerage", _QUALIFIERS, _QUALIFIERS, optional=2)
    def measure_average(self, *qualifiers: str) -> str:
        """The mean over the screen or over one cycle; without a word which, over the screen (UNCONFIRMED)."""
        source, words = self._qualified(qualifiers)
        return self.measured(source, lambda waveform: waveform.average(cycle="CYCL" in words))

    @command("MEASure:VRMS", _QUALIFIERS, _QUALIFIERS, _QUALIFIERS, optional=3)
    def install_rms(self, *_qualifiers: str) -> None:
        """See `install`."""

    @query("MEASure:VRMS", _QUALIFIERS, _QUALIFIERS, _QUALIFIERS, optional=3)
    def measure_rms(self, *qualifiers: str) -> str:
        """The rms value over the screen or one cycle, with the mean or without it; DISPlay and DC without a word."""
        source, words = self._qualified(qualifiers)
        return self.measured(source, lambda waveform: waveform.rms(cycle="CYCL" in words, ac="AC" in words))

    @staticmethod
    def _qualified(qualifiers: tuple[str, ...]) -> tuple[str | None, set[str]]:
        """The source among the qualifiers, and the other words."""
        sources = [word for word in qualifiers if word.startswith(("CHAN", "DIG"))]
        return (sources[0] if sources else None), set(qualifiers)

    @command("MEASure:CLEar")
    def uninstall(self) -> None:
        """Take all measurements off the screen."""

    @command("MEASure:SOURce", _SOURCES, _SOURCES, optional=1)
    def set_sources(self, first: str, _second: str | None = None) -> None:
        """What is measured; a second source is only for delays and phases, which this scope has not got here."""
        self.measure_source = first

    @query("MEASure:SOURce")
    def sources(self) -> str:
        """Both sources (that the second one reads NONE is UNCONFIRMED)."""
        return f"{self.measure_source},NONE"

    @command(
        "MEASure:DEFine", Word("THResholds"), NumberOrWord("", Word("STANdard", "PERCent")), *[Real()] * 3, optional=3
    )
    def define(self, _what: str, kind: float | str, *percents: float) -> None:
        """Upper, middle and lower threshold in percent; -222 when they are not in order between 0 and 100.

        Older families take them without the word PERCent, as is done here, too (UNCONFIRMED).
        """
        if kind == "STAN" and not percents:
            percents = STANDARD
        elif not isinstance(kind, str):
            percents = (kind, *percents)
        if len(percents) != len(STANDARD):
            raise ScpiError(-109 if len(percents) < len(STANDARD) else -108)
        upper, middle, lower = percents
        if not 0 < lower < middle < upper < 100:
            raise ScpiError(-222)
        self.thresholds = (upper, middle, lower)

    @query("MEASure:DEFine", Word("THResholds"))
    def defined(self, _what: str) -> str:
        """The thresholds."""
        return "THR,PERC," + ",".join(engineering(share) for share in self.thresholds)

    def measured(self, source: str | None, measure: Callable[[Waveform], float], *, digital: bool = False) -> str:
        """One measurement of a source, of `measure_source` without one; -221 when a digital one has no such thing.

        While an acquisition without a record is under way it waits for that as `:DIGitize` does; a client that has
        no patience for a trigger that never comes runs into its time-out.
        """
        source = source or self.measure_source
        if source.startswith("DIG") and not digital:
            raise ScpiError(-221)
        if self.finished is None and self.acquisition is not None and not self.completed():
            return shown(INVALID)
        waveform = self.waveform(source)
        return shown(INVALID if waveform is None else measure(waveform))

    def waveform(self, source: str) -> Waveform | None:
        """What the screen shows of a source, in its unit; None when that is nothing."""
        record = self.finished
        if record is None or self.timebase_mode not in {"MAIN", "WIND"}:
            return None
        number = int(re.sub(r"\D", "", source))
        if source.startswith("DIG"):
            if number not in record.setup.digital:
                return None
            values = (record.codes(f"POD{number // 8 + 1}") >> (number % 8) & 1).astype(np.float64)
            return Waveform(values, record.origin, record.setup.span / len(values), self.thresholds)
        if (vertical := record.setup.channels.get(number)) is None:
            return None
        codes = record.codes(source, fine=record.setup.kind in FINE)
        levels = codes[codes != HOLE] / (256 if codes.dtype == np.uint16 else 1)
        values = (levels - CENTRE) * (vertical.range / CODES) + vertical.offset
        return Waveform(values, record.origin, record.setup.span / len(codes), self.thresholds)
