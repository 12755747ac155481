"""Answers to *IDN? as real units give them."""

import pytest

from powerlab_instruments.errors import WrongInstrument
from powerlab_instruments.identity import Identity

REAL = [  # seen on real units
    ("AGILENT TECHNOLOGIES,MSO-X 2024A,MY53510378,02.41.2015102200", "MSO-X 2024A"),
    ("Agilent Technologies,E3645A,0,1.7-5.0-1.0", "E3645A"),
    ("HEWLETT-PACKARD,E3645A,0,1.4-5.0-1.0", "E3645A"),
    ("KEYSIGHT TECHNOLOGIES,MSO-X 2024A,MY61410204,02.65.2021102830", "MSOX2024A"),
]


@pytest.mark.parametrize(("answer", "model"), REAL)
def test_real_units_are_known(answer: str, model: str) -> None:
    it = Identity.parse(answer)
    assert it.is_model(model)
    assert it.is_keysight
    assert str(it) == answer


def test_the_dso_is_not_the_mso() -> None:
    assert not Identity.parse("AGILENT TECHNOLOGIES,DSO-X 2024A,MY57233636,02.42").is_model("MSO-X 2024A")


def test_another_maker_is_no_keysight() -> None:
    assert not Identity.parse("RIGOL TECHNOLOGIES,E3645A,0,1").is_keysight


@pytest.mark.parametrize("answer", ["", "+0", "a,b,c"])
def test_what_is_no_identity_says_so(answer: str) -> None:
    with pytest.raises(WrongInstrument, match="no answer to"):
        Identity.parse(answer)
