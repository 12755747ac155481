"""The catalogue: our drivers, those of other packages, and what becomes of broken ones."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from powerlab_instruments import catalogue
from powerlab_instruments.catalogue import driver_for, drivers, open_instrument, problems, register
from powerlab_instruments.errors import WrongInstrument
from powerlab_instruments.identity import Identity
from powerlab_instruments.instrument import Instrument
from powerlab_instruments.roles import missing
from powerlab_instruments.scope import InfiniiVision
from powerlab_instruments.supply import E364xA

SCOPE = "AGILENT TECHNOLOGIES,MSO-X 2024A,MY61410204,02.65.2021102830"
SUPPLY = "Agilent Technologies,E3645A,0,1.7-5.0-1.0"
METER = "LAB WORKS,LW-6,123,1.0"

DRIVER = """
from powerlab_instruments.instrument import Instrument


class Meter(Instrument):
    family = "Lab Works LW-6 multimeter"
    role = {role!r}
    makers = ({maker!r},)
    models = ({model!r},)
    error_queue_depth = 0


nothing = 42
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a package with an entry point on the path, as an installer would."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def make(package: str, module: str, target: str) -> None:
        (tmp_path / f"{package}.py").write_text(module)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{catalogue.GROUP}]\nours = {package}:{target}\n")

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


def meter(role: str = "meter", maker: str = "LAB WORKS", model: str = "LW-6") -> str:
    return DRIVER.format(role=role, maker=maker, model=model)


def test_every_model_has_its_driver() -> None:
    found = drivers()
    assert found["MSO-X 2024A"] is found["DSO-X 3104T"] is InfiniiVision
    assert found["E3640A"] is found["E3645A"] is E364xA
    assert driver_for(Identity.parse(SCOPE)) is InfiniiVision
    assert driver_for(Identity.parse("KEYSIGHT TECHNOLOGIES,DSOX3034T,MY1,07.50")) is InfiniiVision
    assert driver_for(Identity.parse("HEWLETT-PACKARD,E3640A,0,1.4-5.0-1.0")) is E364xA
    assert driver_for(Identity.parse("RIGOL TECHNOLOGIES,E3645A,0,1")) is None
    assert driver_for(Identity.parse(METER)) is None
    assert problems() == ()


@pytest.mark.parametrize(("answer", "role", "kind"), [(SCOPE, "scope", InfiniiVision), (SUPPLY, "supply", E364xA)])
def test_who_answers_decides_the_driver(transcript, answer: str, role: str, kind: type[Instrument]) -> None:
    instrument = open_instrument(transcript([("*IDN?", answer)]), role)  # asked once
    assert type(instrument) is kind
    assert str(instrument.identity) == answer


@pytest.mark.parametrize(
    ("answer", "role", "words"),
    [
        (SCOPE, "supply", r"AGILENT TECHNOLOGIES MSO-X 2024A, a scope, and not the supply: nothing was set\."),
        (SUPPLY, "scope", "the scope may be a Keysight InfiniiVision 2000 or 3000 X-Series$"),
        ("RIGOL TECHNOLOGIES,DS1054Z,DS1,00.04", "scope", "RIGOL TECHNOLOGIES DS1054Z, for which there is no driver"),
        (SCOPE, "meter", "no driver plays the role 'meter'"),
        ("+0", "scope", r"TRANSCRIPT: '\+0' is no answer to \*IDN\?.*nothing was set"),
    ],
)
def test_a_wrong_instrument_is_asked_nothing_more(transcript, answer: str, role: str, words: str) -> None:
    with pytest.raises(WrongInstrument, match=words) as raised:
        open_instrument(transcript([("*IDN?", answer)]), role)
    assert "\n" not in str(raised.value)


def test_a_driver_of_another_package_is_found(transcript, install: Install) -> None:
    install("lab_meter", meter(), "Meter")
    assert drivers()["LW-6"].family == "Lab Works LW-6 multimeter"
    assert open_instrument(transcript([("*IDN?", METER)]), "meter").model == "LW-6"
    assert problems() == ()
    with pytest.raises(WrongInstrument, match="LW-6, a meter, and not the scope"):
        open_instrument(transcript([("*IDN?", METER)]), "scope")


@pytest.mark.parametrize(
    ("module", "target", "words"),
    [
        ("import no_such_module", "Meter", "cannot be imported .No module named 'no_such_module'"),
        ("raise RuntimeError('two\\nlines')", "Meter", r"cannot be imported .two lines\)$"),
        ("this is no Python", "Meter", "cannot be imported"),
        (meter(), "Missing", "cannot be imported .*Missing"),
        (meter(), "nothing", "is no subclass of powerlab_instruments.instrument.Instrument$"),
        (meter(role="supply"), "Meter", "lacks current_limit, limits, .*voltage$"),
        (meter(role="scope"), "Meter", "lacks arm, channel, "),
        (meter().replace("    error_queue_depth = 0\n", ""), "Meter", "lacks error_queue_depth$"),
    ],
)
def test_a_broken_package_is_one_line_and_stops_nothing(
    transcript, install: Install, module: str, target: str, words: str
) -> None:
    install("lab_broken", module, target)
    assert len(problems()) == 1
    line = problems()[0]
    assert line.startswith(f"the driver 'ours' of lab_broken is left out: lab_broken:{target} ")
    with pytest.raises(WrongInstrument, match=words) as raised:  # which says so where it may be the reason
        open_instrument(transcript([("*IDN?", METER)]), "meter")
    assert "lab_broken" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert open_instrument(transcript([("*IDN?", SUPPLY)]), "supply").model == "E3645A"


def test_the_built_in_driver_wins(install: Install) -> None:
    install("lab_copy", meter(maker="AGILENT", model="E3645A"), "Meter")
    assert drivers()["E3645A"] is E364xA
    assert driver_for(Identity.parse(SUPPLY)) is E364xA


def test_a_script_registers_its_driver(transcript, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_registered", [])

    @register
    class Meter(Instrument):
        family, role, makers, models, error_queue_depth = "LW-6", "meter", ("LAB WORKS",), ("LW-6",), 0

    assert register(Meter) is Meter
    assert drivers()["LW-6"] is Meter
    assert open_instrument(transcript([("*IDN?", METER)]), "meter").errors() == ()  # it has no queue to ask for
    with pytest.raises(TypeError, match="lacks current_limit"):

        @register
        class Nameless(Instrument):
            family, role, makers, models, error_queue_depth = "LW-7", "supply", ("LAB WORKS",), ("LW-7",), 0


def test_a_subclass_of_ours_has_all_its_role_needs() -> None:
    assert missing(InfiniiVision, "scope") == missing(E364xA, "supply") == []
    assert missing(E364xA, "a role of one's own") == []
    assert {"arm", "fetch"} <= set(missing(E364xA, "scope"))
