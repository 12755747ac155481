"""What a driver must offer to play a part on a bench: "scope" or "supply".

`powerlab` uses instruments through these protocols only, so that a driver from another package can stand in for ours.
"""

from collections.abc import Mapping
from typing import Protocol

from powerlab_instruments.identity import Identity
from powerlab_instruments.link import VisaLink
from powerlab_instruments.timebase import TimeBase
from powerlab_instruments.waveform import Waveform
from powerlab_traces.chain import SupplyLimits, SupplyReading
from powerlab_traces.clock import Clock


class Player(Protocol):
    """What every instrument of a bench offers; `powerlab_instruments.instrument.Instrument` has all of it."""

    link: VisaLink
    identity: Identity
    model: str

    def errors(self) -> tuple[str, ...]:
        """Read the error queue until it is empty, oldest first."""
        ...

    def check(self, doing: str) -> None:
        """Raise `DeviceError` if the error queue holds anything after `doing`."""
        ...

    def recover(self, clock: Clock, patience: float = 30.0) -> None:
        """Come back from a silence of up to `patience` seconds; settings are to be applied again."""
        ...

    def make_safe(self, clock: Clock) -> None:
        """Leave nothing on or armed, and make sure of it; `DeviceError` if that fails."""
        ...

    def snapshot(self) -> dict[str, str]:
        """Every setting with its present value and unit."""
        ...

    def close(self) -> None:
        """Let go of the line."""
        ...


class ScopeChannel(Protocol):
    """One analog input of a scope. Vertical numbers are in the channel's unit, after the probe ratio."""

    @property
    def n(self) -> int:
        """Its number, from 1."""
        ...

    @property
    def time_limit(self) -> float:
        """Half-width of the time base's error, relative."""
        ...

    def set_up(self, *, ratio: float, units: str, full_scale: float, centre: float) -> None:
        """Show it with this probe ratio, unit ("VOLT" or "AMP"), full scale and value at mid-screen, read back."""
        ...

    def gain_limit(self) -> float:
        """Half-width of the gain error as set up."""
        ...

    def offset_limit(self) -> float:
        """Half-width of the offset error as set up."""
        ...

    def full_scale(self) -> float:
        """What the screen shows from its lower to its upper edge, in the channel's unit."""
        ...

    def centre(self) -> float:
        """The value at the middle of the screen, in the channel's unit."""
        ...

    def resolution(self) -> float:
        """One code of the converter as set up."""
        ...

    def snapshot(self) -> dict[str, str]:
        """Every setting with its present value and unit, under names that hold the channel's number."""
        ...


class Scope(Player, Protocol):
    """What digitises the probe and the marker. Sources are "CHAN1", "POD1" (D0 to D7), "DIG0", "EXT"."""

    def channel(self, n: int) -> ScopeChannel:
        """Analog input n, from 1; `OutOfRange` if there is none."""
        ...

    def prepare(self, channels: tuple[int, ...], *, digital_threshold: float | None) -> None:
        """Stop; show these channels alone, and D0 to D7 with this threshold (V) unless it is None."""
        ...

    def trigger_on(self, source: str, slope: str = "POS", level: float | None = None) -> None:
        """Trigger on an edge of this source, and on nothing else; `level` (V) is that of an analog source or EXT."""
        ...

    def time_base(self, duration: float, rate: float) -> TimeBase:
        """The shortest span of at least `duration` s that comes at a whole multiple of `rate` (1/s)."""
        ...

    def arm(self, duration: float, clock: Clock) -> None:
        """Start one acquisition of `duration` s, a tenth of it before the trigger; return when it can trigger."""
        ...

    def force_trigger(self) -> None:
        """Trigger now."""
        ...

    def wait(self, seconds: float, clock: Clock) -> None:
        """Return when the acquisition is complete; `AcquisitionError` after `seconds`."""
        ...

    def stop(self) -> None:
        """Stop whatever is running."""
        ...

    def fetch(self, source: str, unit: str = "") -> Waveform:
        """The whole record of a channel or of D0 to D7, as acquired."""
        ...

    def screenshot(self) -> bytes:
        """The screen as a PNG."""
        ...


class Supply(Player, Protocol):
    """What feeds the board."""

    @property
    def output(self) -> bool:
        """Whether the output is on."""
        ...

    @property
    def voltage(self) -> float:
        """Voltage set-point in V."""
        ...

    @property
    def current_limit(self) -> float:
        """Current limit in A."""
        ...

    @property
    def measured_voltage(self) -> float:
        """Voltage at the sense terminals in V."""
        ...

    @property
    def measured_current(self) -> float:
        """Output current in A."""
        ...

    def prepare_output(self, *, voltage: float, current_limit: float, over_voltage: float) -> None:
        """Set voltage (V), current limit (A) and protection (V), each read back. The output must be off."""
        ...

    def switch_on(self) -> None:
        """Switch the output on."""
        ...

    def switch_off(self) -> None:
        """Switch the output off."""
        ...

    def read(self, clock: Clock) -> SupplyReading:
        """Voltage, current and regulation now."""
        ...

    def limits(self, *, lead_resistance: float = 0.0, lead_resistance_limit: float = 0.0) -> SupplyLimits:
        """How far `read` can be trusted; the lead's resistance in ohm, 0 with remote sense."""
        ...


ROLES: Mapping[str, type] = {"scope": Scope, "supply": Supply}


def missing(driver: type, role: str) -> list[str]:
    """What a driver lacks for a role, by name; nothing for a role that no bench has."""
    wanted = [base for base in ROLES.get(role, Player).__mro__ if base.__module__ == __name__]
    made_by_instance = set(Player.__annotations__)
    return sorted(
        name
        for name in {name for base in wanted for name in vars(base) if not name.startswith("_")} - made_by_instance
        if not hasattr(driver, name)
    )
