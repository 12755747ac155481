"""What is read off between two cursors."""

from dataclasses import dataclass

from powerlab_analysis.quantity import Quantity


@dataclass(frozen=True, slots=True)
class Reading:
    """What a trace holds from one cursor to the other.

    `recorded` (s) is how much of the span was recorded: `energy` (J), and the mean `power` (W) and `current` (A), are
    of that alone, None where they are not known. `u95` are the half-widths of their 95 % intervals by name, as far as
    they are known. `remarks` say why something is missing, or not the whole truth.
    """

    start: float
    stop: float
    recorded: float = 0.0
    samples: int = 0
    current: float | None = None
    power: float | None = None
    energy: float | None = None
    u95: tuple[tuple[str, float], ...] = ()
    lower_bound: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds from one cursor to the other."""
        return self.stop - self.start

    def quantity(self, name: str) -> Quantity | None:
        """`current`, `power` or `energy` with its U95; None where either is not known."""
        value, known = getattr(self, name), dict(self.u95)
        return Quantity(value, known[name], UNITS[name]) if value is not None and name in known else None


UNITS = {"current": "A", "power": "W", "energy": "J"}
