"""How a current becomes codes, and how far each link of that chain can be trusted.

The limits are those of the instruments' data sheets, as the drivers declare them; they travel in the run file so
that an old run can be judged without its bench.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScreenZero:
    """What one screen of the scope's channel shows without current, as it was measured before the run.

    `screen` is the value of code 0, which tells one scale and offset of the channel from another.
    """

    screen: float  # A
    current: float  # A, as digitised
    u: float  # standard uncertainty from noise and quantisation, A
    dof: float


@dataclass(frozen=True, slots=True)
class ScreenLine:
    """How one screen of the scope's channel shows current, calibrated: digitised = gain * current + offset.

    The standard uncertainties are those of the fit; what the reference may be off by is not in them.
    """

    screen: float  # A, the value of code 0
    full_scale: float  # A, the screen's eight divisions
    gain: float
    offset: float  # A, as digitised
    gain_u: float
    offset_u: float  # A
    correlation: float  # of gain and offset, -1 to 1


@dataclass(frozen=True, slots=True)
class CurrentChain:
    """Probe and scope channel between the board's supply lead and the stored codes.

    All amperes are amperes in the lead (the probe's turns are divided out). Limits are half-widths of a
    rectangular distribution, as data sheets give them.
    """

    probe: str
    sensitivity: float  # V/A at the probe's output, one turn
    turns: int  # of the lead through the probe's jaw
    gain_limit: float  # probe gain, relative to the reading
    offset_limit: float  # probe offset when no zero was recorded, A in the lead
    drift_limit: float  # of probe and scope offset since the zero was recorded, A in the lead
    scope_gain_limit: float  # scope channel gain, A in the lead
    scope_offset_limit: float  # scope channel offset when no zero was recorded, A in the lead
    resolution: float  # one code of the scope's converter, A in the lead
    time_limit: float  # scope time base, relative
    full_scale: float = 0.0  # of the scope's screen, A in the lead; 0 where it is not known
    centre: float = 0.0  # current at the middle of the screen, A in the lead
    peak_current: float = 0.0  # the largest that the probe follows, A in the lead; 0 where it is not known
    zeros: tuple[ScreenZero, ...] = ()  # zero of each screen, measured before the run; none where none was applied
    zeroed: str = ""  # when, ISO 8601
    zero_age: float = 0.0  # at the start of the run, s
    seen_drift: float = 0.0  # how far the zeros of one session moved, A in the lead; 0 where it was not measured
    seen_drift_time: float = 0.0  # over which time, s
    lines: tuple[ScreenLine, ...] = ()  # calibration of each screen against the supply; none where none was applied
    calibrated: str = ""  # when, ISO 8601
    calibration_age: float = 0.0  # at the start of the run, s


@dataclass(frozen=True, slots=True)
class SupplyLimits:
    """How far the supply's own readings can be trusted, and the lead between it and the board.

    A reading x may be off by `gain * |x| + offset`. With remote sensing the voltage is that at the board
    and `lead_resistance` is 0.
    """

    voltage_gain_limit: float
    voltage_offset_limit: float  # V
    current_gain_limit: float
    current_offset_limit: float  # A
    lead_resistance: float  # ohm, both conductors together
    lead_resistance_limit: float  # ohm


@dataclass(frozen=True, slots=True)
class SupplyReading:
    """What the supply said of itself once.

    `time` is nanoseconds on the host's monotonic clock, when the readings had come in. `regulation` is
    "CV", "CC", "off" or "failed"; `limited` says that the supply was in constant current at some time since
    the reading before.
    """

    time: int
    voltage: float  # V, at the sense terminals
    current: float  # A
    regulation: str
    limited: bool
