"""What every driver must do, against the simulated instruments over real VISA sockets."""

import math
from collections.abc import Iterator

import pytest

from powerlab_instruments.errors import OutOfRange
from powerlab_instruments.link import Visa
from powerlab_instruments.scope import MSOX2024A, Channel
from powerlab_instruments.settings import Choice, Declared, Node, Reading, Setting, Switch, declared_on
from powerlab_instruments.simulated.bench import Resources, SimulatedBench
from powerlab_instruments.supply import E3645A

DRIVERS = ["scope", "channel", "supply"]
KINDS = {"scope": MSOX2024A, "channel": Channel, "supply": E3645A}


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, Node]]:
    with SimulatedBench(virtual=True, gpib_board=3) as sim, Visa() as visa:
        where: Resources = sim.resources
        scope = MSOX2024A(visa.open(where.scope))
        supply = E3645A(visa.open(where.supply, adapter=where.adapter))
        yield {"scope": scope, "channel": scope.channel(1), "supply": supply}


def errors_of(node: Node) -> tuple[str, ...]:
    owner = MSOX2024A(node.link) if isinstance(node, Channel) else node
    return owner.errors()


@pytest.mark.parametrize("driver", DRIVERS)
def test_everything_declared_can_be_read_without_an_error(nodes: dict[str, Node], driver: str) -> None:
    node = nodes[driver]
    for it in declared_on(type(node)):
        assert it.show(node)
        assert errors_of(node) == (), it.name


@pytest.mark.parametrize("driver", DRIVERS)
def test_words_and_switches_come_back_as_set(nodes: dict[str, Node], driver: str) -> None:
    node = nodes[driver]
    for it in declared_on(type(node)):
        values = it.words if isinstance(it, Choice) else (True, False) if isinstance(it, Switch) else ()
        found = getattr(node, it.name)
        for value in values:
            setattr(node, it.name, value)
            assert getattr(node, it.name) == value, it.name
            assert errors_of(node) == (), (it.name, value)
        if values:
            setattr(node, it.name, found)


@pytest.mark.parametrize("driver", DRIVERS)
def test_numbers_come_back_as_set(nodes: dict[str, Node], driver: str) -> None:
    values = {
        "scope": {"time_range": 2.0, "time_position": 0.01, "pod_threshold": 1.65},
        "channel": {"probe_ratio": 2.0, "scale": 0.1, "offset": 0.4},
        "supply": {"voltage": 19.0, "current_limit": 2.0, "over_voltage": 21.0},
    }[driver]
    node = nodes[driver]
    assert set(values) == {it.name for it in declared_on(type(node)) if isinstance(it, Setting)}
    for name, value in values.items():
        setattr(node, name, value)
        assert getattr(node, name) == pytest.approx(value, rel=1e-3), name
        assert errors_of(node) == (), name


@pytest.mark.parametrize("driver", DRIVERS)
def test_nothing_beyond_the_limits_is_sent(nodes: dict[str, Node], driver: str) -> None:
    node = nodes[driver]
    for it in declared_on(type(node)):
        if isinstance(it, Setting):
            before = getattr(node, it.name)
            for value in (math.nextafter(it.high, math.inf), math.nextafter(it.low, -math.inf), math.nan):
                with pytest.raises(OutOfRange, match=it.name):
                    setattr(node, it.name, value)
            assert getattr(node, it.name) == before


@pytest.mark.parametrize("driver", DRIVERS)
def test_declarations_say_what_they_are(driver: str) -> None:
    found: list[Declared[object]] = list(declared_on(KINDS[driver]))
    assert found
    for it in found:
        assert it.__doc__
        if isinstance(it, Reading):
            assert it.unit in {"V", "A", "s", "Hz", "", "/div"}
        if isinstance(it, Setting):
            assert it.low < it.high
    assert len({it.command for it in found}) == len(found)  # a command is said once
