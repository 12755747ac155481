"""Who an instrument says it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from powerlab_instruments.errors import WrongInstrument

# One house under three names; real E3645A and MSO-X 2024A still say Agilent, manuals print HEWLETT-PACKARD.
KEYSIGHT = ("HEWLETT-PACKARD", "AGILENT", "KEYSIGHT")


@dataclass(frozen=True, slots=True)
class Identity:
    """The four fields of the answer to `*IDN?` (IEEE 488.2, 10.14)."""

    maker: str
    model: str
    serial: str
    firmware: str

    @classmethod
    def parse(cls, answer: str) -> Self:
        """Read an answer to `*IDN?`.

        >>> Identity.parse("AGILENT TECHNOLOGIES,MSO-X 2024A,MY61410204,02.65.2021102830").model
        'MSO-X 2024A'
        """
        fields = [field.strip() for field in answer.split(",", 3)]
        if len(fields) != 4:
            raise WrongInstrument(f"{answer!r} is no answer to *IDN?: it has {len(fields)} fields, not 4")
        return cls(*fields)

    def is_model(self, model: str) -> bool:
        """Whether this is the model, whatever its dashes, blanks and case (the scope prints `MSO-X 2024A`).

        >>> Identity("AGILENT TECHNOLOGIES", "MSO-X 2024A", "", "").is_model("msox2024a")
        True
        """
        return _plain(self.model) == _plain(model)

    def is_made_by(self, makers: Iterable[str]) -> bool:
        """Whether the maker's name begins with one of these, in any case.

        >>> Identity("Agilent Technologies", "E3645A", "0", "1.7-5.0-1.0").is_made_by(KEYSIGHT)
        True
        """
        return self.maker.upper().startswith(tuple(maker.upper() for maker in makers))

    @property
    def is_keysight(self) -> bool:
        """Whether the maker is Hewlett-Packard, Agilent or Keysight: one house under three names."""
        return self.is_made_by(KEYSIGHT)

    def __str__(self) -> str:
        return ",".join((self.maker, self.model, self.serial, self.firmware))


def _plain(model: str) -> str:
    return model.replace(" ", "").replace("-", "").upper()
