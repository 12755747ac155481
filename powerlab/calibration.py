"""What a bench has been measured to be: zeros and the calibration, in a JSON file beside its bench.toml.

Both hold only under the conditions they were measured in: the same instruments, probe range, turns and screen.
"""

import datetime as dt
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from powerlab_analysis.calibration import CALIBRATION_LIFETIME, ZERO_LIFETIME, Point
from powerlab_instruments.screen import Screen
from powerlab_traces.chain import CurrentChain, ScreenLine, ScreenZero
from powerlab_traces.errors import PowerlabError

SCHEMA: Final = "powerlab.calibration/1"
KEPT_ZEROS: Final = 20  # older ones are dropped
# Zeros further apart than this are of two sessions: what lies between them is no drift but another day.
SESSION: Final = 8 * 3600.0  # s
# What `Known.put_into` writes of a chain.
KNOWN_FIELDS: Final = (
    *("zeros", "zeroed", "zero_age", "seen_drift", "seen_drift_time"),
    *("lines", "calibrated", "calibration_age"),
)


class CalibrationFileError(PowerlabError):
    """The calibration file cannot be read or written, or is none."""


def _plausible_zero(zero: ScreenZero) -> ScreenZero:
    if not (all(map(math.isfinite, (zero.screen, zero.current))) and 0 <= zero.u < math.inf and zero.dof > 0):
        raise ValueError("this is no zero")
    return zero


def _plausible_line(line: ScreenLine) -> ScreenLine:
    finite = all(map(math.isfinite, (line.screen, line.full_scale, line.offset, line.gain_u, line.offset_u)))
    if not (finite and 0.5 < line.gain < 2 and min(line.gain_u, line.offset_u) >= 0 and -1 <= line.correlation <= 1):
        raise ValueError("this is no line of a calibration")
    return line


Zero = Annotated[ScreenZero, AfterValidator(_plausible_zero)]
Line = Annotated[ScreenLine, AfterValidator(_plausible_line)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Conditions(_Table):
    """What must be the same for a zero or a calibration to hold. Instruments are named without their firmware."""

    scope: str
    channel: int
    supply: str
    probe: str
    sensitivity: float  # V/A
    turns: int

    def differences(self, other: "Conditions") -> Iterator[str]:
        """What differs in `other`, in words."""
        for name in type(self).model_fields:
            was, now = getattr(self, name), getattr(other, name)
            if was != now:
                yield f"{name} was {was} and is {now}"


class ZeroEntry(_Table):
    """The zeros of one moment, one for each screen."""

    taken: AwareDatetime
    how: Literal["output off", "clamp open"]
    conditions: Conditions
    screens: tuple[tuple[Screen, Zero], ...] = Field(min_length=1)


class CalibrationEntry(_Table):
    """A calibration against the supply's readings: the line of each screen, and what it was fitted through.

    `points` and `residuals` (A) are those of each screen, in the order of `screens`.
    """

    taken: AwareDatetime
    conditions: Conditions
    temperature: float | None = None  # of the room, degrees Celsius
    screens: tuple[tuple[Screen, Line], ...] = Field(min_length=1)
    points: tuple[tuple[Point, ...], ...]
    residuals: tuple[tuple[float, ...], ...]


class CalibrationFile(_Table):
    """All that is known of a bench; zeros in the order they were taken."""

    schema_: Literal["powerlab.calibration/1"] = Field(SCHEMA, alias="schema")
    zeros: tuple[ZeroEntry, ...] = ()
    calibration: CalibrationEntry | None = None

    @classmethod
    def load(cls, path: Path) -> "CalibrationFile":
        """Read the file; an empty one where there is none.

        Raises
        ------
        CalibrationFileError
            It cannot be read, or says what no calibration file says; with the place.
        """
        cure = "remove it, then run `powerlab zero` and `powerlab calibrate` again"
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return cls.model_validate({})
        except OSError as error:
            raise CalibrationFileError(f"{path} cannot be read ({error.strerror}); {cure}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            what = f"{place}: {first['msg']}" if place else first["msg"]
            raise CalibrationFileError(f"{path} is no calibration file of powerlab ({what}); {cure}") from error

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises
        ------
        CalibrationFileError
            The disk refuses; the file is as it was.
        """
        said = self.model_dump(mode="json", by_alias=True)
        unfinished = path.with_name(path.name + ".part")
        try:
            with unfinished.open("w", encoding="utf-8") as file:
                json.dump(said, file, indent=1, allow_nan=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise CalibrationFileError(
                f"{path} cannot be written ({error.strerror}); what was there is unchanged"
            ) from error

    def with_zero(self, entry: ZeroEntry) -> "CalibrationFile":
        """With one more zero; the oldest are dropped."""
        return self.model_copy(update={"zeros": (*self.zeros, entry)[-KEPT_ZEROS:]})

    def with_calibration(self, entry: CalibrationEntry) -> "CalibrationFile":
        """With this calibration in place of the one before."""
        return self.model_copy(update={"calibration": entry})


def calibration_path(bench: Path) -> Path:
    """Where the calibration of a bench.toml is: bench.calibration.json beside it."""
    return bench.with_suffix(".calibration.json")


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the zeros of one session lie apart (A in the lead), and over which time (s)."""

    limit: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Known:
    """What of a calibration file holds for a bench as it stands now.

    `notes` say what was not taken and why. `screens` are those that were measured, valid or expired: to show one of
    them again is what lets a zero or a calibration be used.
    """

    zero: ZeroEntry | None = None
    zero_age: float = 0.0  # s
    drift: Drift | None = None
    calibration: CalibrationEntry | None = None
    calibration_age: float = 0.0  # s
    screens: tuple[Screen, ...] = ()
    zero_notes: tuple[str, ...] = ()
    calibration_notes: tuple[str, ...] = ()
    calibrated: frozenset[Screen] = field(default_factory=frozenset)

    def without_zero(self) -> "Known":
        """The same for a run that takes zero records of its own."""
        return replace(self, zero=None, zero_age=0.0, zero_notes=())

    def on(self, screens: Sequence[Screen]) -> "Known":
        """What of it is of these screens, the only ones that a run may be recorded on."""
        if self.screens and not set(screens) & set(self.screens):
            where = ", ".join(map(str, self.screens))
            zero = f"the stored zero was not used: it is of another screen ({where}); run `powerlab zero` again"
            line = f"the calibration was not used: it is of another screen ({where}); run `powerlab calibrate` again"
            return Known(
                drift=self.drift,
                zero_notes=(zero,) if self.zero else self.zero_notes,
                calibration_notes=(line,) if self.calibration else self.calibration_notes,
            )
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not taken, and why."""
        return self.zero_notes + self.calibration_notes

    def zero_of(self, screen: Screen) -> ScreenZero | None:
        """The valid zero of a screen."""
        return next((it for shown, it in self.zero.screens if shown == screen), None) if self.zero else None

    def put_into(self, chain: CurrentChain) -> CurrentChain:
        """The chain with what is known of it."""
        return replace(
            chain,
            zeros=tuple(it for _, it in self.zero.screens) if self.zero else (),
            zeroed=self.zero.taken.isoformat(timespec="seconds") if self.zero else "",
            zero_age=self.zero_age,
            seen_drift=self.drift.limit if self.drift else 0.0,
            seen_drift_time=self.drift.seconds if self.drift else 0.0,
            lines=tuple(it for _, it in self.calibration.screens) if self.calibration else (),
            calibrated=self.calibration.taken.isoformat(timespec="seconds") if self.calibration else "",
            calibration_age=self.calibration_age,
        )


def known_of(file: CalibrationFile, conditions: Conditions, now: dt.datetime) -> Known:
    """What holds of a calibration file under these conditions at this time."""
    zeros = [it for it in file.zeros if it.conditions == conditions]
    zero = zeros[-1] if zeros else None
    zero_age = _age(zero, now)
    zero_notes: list[str] = []
    if zero is None and file.zeros:
        changed = "; ".join(file.zeros[-1].conditions.differences(conditions))
        zero_notes.append(f"the stored zero was not used: {changed}; run `powerlab zero` again")
    if zero is not None and not 0 <= zero_age <= ZERO_LIFETIME:
        zero_notes.append(
            f"the stored zero was not used: it is {age_of(zero_age)} old, and holds for {age_of(ZERO_LIFETIME)}; run "
            "`powerlab zero` again"
        )
    calibration = file.calibration
    calibration_age = _age(calibration, now)
    calibration_notes: list[str] = []
    if calibration is not None and calibration.conditions != conditions:
        changed = "; ".join(calibration.conditions.differences(conditions))
        calibration_notes.append(f"the calibration was not used: {changed}; run `powerlab calibrate` again")
        calibration = None
    if calibration is not None and calibration_age > CALIBRATION_LIFETIME:
        calibration_notes.append(f"the calibration is {age_of(calibration_age)} old; run `powerlab calibrate` again")
    # The calibration's screens first: where both show a full scale, it is the one that both gain and zero are known of.
    calibrated = [screen for screen, _ in calibration.screens] if calibration else []
    zeroed = [screen for screen, _ in zero.screens] if zero else []
    return Known(
        zero=None if zero_notes else zero,
        zero_age=0.0 if zero_notes else zero_age,
        drift=drift_of(zeros) if 0 <= zero_age <= SESSION else None,
        calibration=calibration,
        calibration_age=max(calibration_age, 0.0) if calibration else 0.0,
        screens=tuple(dict.fromkeys([*calibrated, *zeroed])),
        zero_notes=tuple(zero_notes),
        calibration_notes=tuple(calibration_notes),
        calibrated=frozenset(calibrated),
    )


def drift_of(zeros: Sequence[ZeroEntry]) -> Drift | None:
    """How far the last session's zeros lie apart at most, on whichever screen; None for less than two of them."""
    session = [it for it in zeros if (zeros[-1].taken - it.taken).total_seconds() <= SESSION]
    seconds = (session[-1].taken - session[0].taken).total_seconds() if session else 0.0
    found: dict[float, list[float]] = {}
    for entry in session:
        for _, it in entry.screens:
            found.setdefault(it.screen, []).append(it.current)
    apart = [max(values) - min(values) for values in found.values() if len(values) > 1]
    if not apart or seconds <= 0:
        return None
    return Drift(max(apart), seconds)


def age_of(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> age_of(90), age_of(7200), age_of(172800)
    ('90 s', '2 h', '2 d')
    """
    for size, unit in ((24 * 3600.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


def _age(entry: ZeroEntry | CalibrationEntry | None, now: dt.datetime) -> float:
    """Seconds since it was taken; 0 for none."""
    return (now - entry.taken).total_seconds() if entry else 0.0
