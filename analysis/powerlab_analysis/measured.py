"""A value with its standard uncertainty, source by source."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from powerlab_analysis.coverage import half_width
from powerlab_analysis.quantity import Quantity


class Kind(StrEnum):
    """Whether a source of uncertainty shrinks when the measurement is repeated."""

    SYSTEMATIC = "systematic"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Source:
    """Something that makes a value uncertain.

    Parts of the same source in two values are fully correlated, parts of different sources not at all. `dof`
    are the degrees of freedom behind its standard uncertainty: infinite for a data-sheet limit. What is known by a
    limit is rectangular, all else normal; a systematic source is a limit unless it was `fitted`.
    """

    name: str
    kind: Kind = Kind.SYSTEMATIC
    dof: float = math.inf
    fitted: bool = False

    @property
    def is_limit(self) -> bool:
        """Whether it is a limit of unknown sign and size, as a data sheet gives it."""
        return self.kind is Kind.SYSTEMATIC and not self.fitted


def rectangular(limit: float) -> float:
    """Standard uncertainty of a value known only to lie within +-`limit` (JCGM 100, 4.3.7)."""
    return limit / math.sqrt(3)


@dataclass(frozen=True, slots=True)
class Measured:
    """A value and, by source, what one standard uncertainty of that source would add to it.

    `parts` are signed and in the unit of `value`. Sums, differences, products and quotients propagate them to
    first order (JCGM 100, 5.1.2 and 5.2.2), so that a source common to both sides adds or cancels as it should.

    >>> gain = Source("gain")
    >>> total, idle = Measured(12.0, {gain: 0.12}), Measured(4.0, {gain: 0.04})
    >>> round((total - idle).u, 6), round((total / idle).u, 6)
    (0.08, 0.0)
    """

    value: float
    parts: Mapping[Source, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", MappingProxyType(dict(self.parts)))

    def __reduce__(self) -> tuple[type[Self], tuple[float, dict[Source, float]]]:
        """How it travels between processes; a mapping that cannot be changed does not by itself."""
        return type(self), (self.value, dict(self.parts))

    @property
    def u(self) -> float:
        """Combined standard uncertainty, in the unit of the value."""
        return math.hypot(*self.parts.values())

    @property
    def dof(self) -> float:
        """Effective degrees of freedom after Welch and Satterthwaite (JCGM 100, G.4.1)."""
        u = self.u
        # Shares of the whole, because the fourth power of a small uncertainty underflows.
        weight = sum((part / u) ** 4 / source.dof for source, part in self.parts.items()) if u > 0 else 0.0
        return 1 / weight if weight > 0 else math.inf

    @property
    def U95(self) -> float:  # noqa: N802 - its name in the field
        """The half-width of the 95 % interval of what the sources together may add, in the unit of the value."""
        limits = [math.sqrt(3) * part for source, part in self.parts.items() if source.is_limit]
        scatters = [(part, source.dof) for source, part in self.parts.items() if not source.is_limit]
        return half_width(limits, scatters)

    def quantity(self, unit: str) -> Quantity:
        """The value with the half-width of its 95 % interval, for people to read."""
        return Quantity(self.value, self.U95, unit)

    def __add__(self, other: Self | float) -> "Measured":
        return self._combined(other, lambda x, y: x + y, lambda _x, _y: (1.0, 1.0))

    def __sub__(self, other: Self | float) -> "Measured":
        return self._combined(other, lambda x, y: x - y, lambda _x, _y: (1.0, -1.0))

    def __mul__(self, other: Self | float) -> "Measured":
        return self._combined(other, lambda x, y: x * y, lambda x, y: (y, x))

    def __truediv__(self, other: Self | float) -> "Measured":
        return self._combined(other, lambda x, y: x / y, lambda x, y: (1 / y, -x / (y * y)))

    def __neg__(self) -> "Measured":
        return self * -1.0

    def __radd__(self, other: float) -> "Measured":
        return self + other

    def __rsub__(self, other: float) -> "Measured":
        return Measured(other) - self

    def __rmul__(self, other: float) -> "Measured":
        return self * other

    def __rtruediv__(self, other: float) -> "Measured":
        return Measured(other) / self

    def _combined(
        self,
        other: "Measured | float",
        operation: Callable[[float, float], float],
        slopes: Callable[[float, float], tuple[float, float]],
    ) -> "Measured":
        """The result of an operation, its parts weighted with the operation's partial derivatives."""
        right = other if isinstance(other, Measured) else Measured(other)
        by_self, by_other = slopes(self.value, right.value)
        parts = {source: by_self * part for source, part in self.parts.items()}
        for source, part in right.parts.items():
            parts[source] = parts.get(source, 0.0) + by_other * part
        return Measured(operation(self.value, right.value), parts)
