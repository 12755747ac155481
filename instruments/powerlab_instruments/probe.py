"""The Keysight 1146B AC/DC Hall current probe on a scope channel."""

from dataclasses import dataclass, replace
from typing import Self

from powerlab_instruments.errors import OutOfRange
from powerlab_instruments.roles import ScopeChannel
from powerlab_traces.chain import CurrentChain
from powerlab_traces.trace import Trace

# Gain limits are those of the probe's own verification procedure, which checks gain after the zero is subtracted.
GAIN_LIMIT = {0.1: 0.03, 0.01: 0.04}
# Largest peak current of each range and the offset are UNCONFIRMED (recalled from the data sheet).
PEAK_CURRENT = {0.1: 10.0, 0.01: 100.0}
OFFSET_LIMIT = 0.050  # A at one turn
LARGEST_ZERO = 4 * OFFSET_LIMIT  # A at one turn: the thumbwheel turned far off, and the scope's own offset
# Zero drift between two zeros of one session, probe and scope together: an assumption, to be replaced by a measurement.
DRIFT_LIMIT = 0.005  # A at one turn


@dataclass(frozen=True, slots=True)
class CurrentProbe1146B:
    """A 1146B clamp: `sensitivity` 0.1 or 0.01 V/A as its switch stands, `turns` of the lead through its jaw.

    `zero` is what it shows without current, in A of the lead: `zeroed` makes a probe that knows it. A run keeps its
    zero as a record instead, so that the raw codes stay as they were acquired.

    With n turns the probe sees n times the current: offset, drift and noise shrink by n in amperes of the lead, and
    so does the largest current; the gain error stays.
    """

    sensitivity: float = 0.1
    turns: int = 1
    zero: float = 0.0

    def __post_init__(self) -> None:
        if self.sensitivity not in GAIN_LIMIT:
            raise OutOfRange(f"probe sensitivity {self.sensitivity:g} V/A: the 1146B's switch has 0.1 and 0.01 V/A")
        if self.turns < 1:
            raise OutOfRange(f"{self.turns} turns through the probe: give 1 or more")

    @property
    def ratio(self) -> float:
        """Amperes in the lead for each volt at the probe's output."""
        return 1 / (self.sensitivity * self.turns)

    @property
    def peak_current(self) -> float:
        """Largest current in the lead, in A."""
        return PEAK_CURRENT[self.sensitivity] / self.turns

    def amperes(self, volts: float) -> float:
        """The current in the lead for a voltage at the probe's output, in A, less the zero."""
        return volts * self.ratio - self.zero

    def zeroed(self, trace: Trace) -> Self:
        """The same probe with its zero measured: the mean of a trace taken with no current in the lead.

        Raises
        ------
        OutOfRange
            The trace is not in amperes, or its mean is beyond what offsets of probe and scope can be: there is
            current in the lead.
        """
        if trace.unit != "A":
            raise OutOfRange(f"a zero needs a trace in A, not {trace.unit or 'without unit'}; set the channel up first")
        zero = float(trace.values.mean())
        if abs(zero) > LARGEST_ZERO / self.turns:
            raise OutOfRange(
                f"{zero:.3g} A is no zero of this probe (up to {LARGEST_ZERO / self.turns:g} A): open the clamp or "
                "switch the board off, and turn the thumbwheel"
            )
        return replace(self, zero=zero)

    def set_up(self, channel: ScopeChannel, *, full_scale: float, centre: float) -> None:
        """Set the scope channel so that it reads amperes in the lead; both arguments in A.

        Raises
        ------
        OutOfRange
            The screen would reach beyond what the probe can carry. Nothing was sent.
        """
        reach = max(abs(centre - full_scale / 2), abs(centre + full_scale / 2))
        if reach > self.peak_current:
            raise OutOfRange(
                f"a screen that reaches {reach:g} A is beyond the probe's {self.peak_current:g} A at "
                f"{self.sensitivity:g} V/A and {self.turns} turns"
            )
        channel.set_up(ratio=self.ratio, units="AMP", full_scale=full_scale, centre=centre)

    def chain(self, channel: ScopeChannel) -> CurrentChain:
        """Probe and channel as set up, with their data-sheet limits."""
        return CurrentChain(
            probe="1146B",
            sensitivity=self.sensitivity,
            turns=self.turns,
            gain_limit=GAIN_LIMIT[self.sensitivity],
            offset_limit=OFFSET_LIMIT / self.turns,
            drift_limit=DRIFT_LIMIT / self.turns,
            scope_gain_limit=channel.gain_limit(),
            scope_offset_limit=channel.offset_limit(),
            resolution=channel.resolution(),
            time_limit=channel.time_limit,
            full_scale=channel.full_scale(),
            centre=channel.centre(),
            peak_current=self.peak_current,
        )
