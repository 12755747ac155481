"""Nothing that a client may send kills or hangs the simulated instruments, or goes by without an error."""

import re
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.scope import Scope
from powerlab_instruments.simulated.scpi import MESSAGES, Instrument
from powerlab_instruments.simulated.supply import Supply
from tests.instruments.simulated.conftest import Line

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def bench() -> Iterator[SimulatedBench]:
    with SimulatedBench(virtual=True, memory=10_000, segmented=True, vxi11=True, portmapper_port=0) as bench:
        yield bench


def headers(kind: type[Instrument]) -> list[str]:
    """Every header an instrument has, queries with their question mark, as the class declares them."""
    found = set()
    for base in kind.__mro__:
        for member in vars(base).values():
            if hasattr(member, "initial"):
                found |= {member.header, f"{member.header}?"}
            for header, is_query, _ in getattr(member, "scpi", ()):
                found.add(header + "?" * is_query)
    return sorted(found)


NUMBER = st.floats().map(repr) | st.integers(-3, 5000).map(str) | st.sampled_from(["1e999", "-0", "+.5E-1", "1E", "."])
WORD = st.sampled_from(
    ["ON", "OFF", "MAX", "MIN", "DEF", "UP", "CHAN1", "CHAN9", "POD1", "DIG7", "RAW", "BYTE", "ASC", "SEGM", "HRES",
     "PEAK", "NORM", "ROLL", "XY", "BUS", "IMM", "P60V", "LOW", "EXT", "PNG", "COL", "ALL", "AMP", "FALL", "WORD"]
)  # fmt: skip
ODD = st.sampled_from(["'open", '"a;b"', "#15hello", "#9999999999", "#0", "()", "1 2", "\x00", "\xff", "1V", "5 kV"])
PARAMETER = NUMBER | WORD | WORD | ODD | st.text(max_size=5)


def units(kind: type[Instrument]) -> st.SearchStrategy[str]:
    """One program message unit: nearly always a header that exists, spelt in some way, with some parameters."""

    def spelt(draw: st.DrawFn) -> str:
        header = draw(st.sampled_from(headers(kind)))
        header = re.sub(r"<\d+-\d+>", lambda _: draw(st.sampled_from(["", "1", "1", "2", "2", "9"])), header)
        header = re.sub(r"\[([^]]*)\]", lambda it: it[1] if draw(st.booleans()) else "", header)
        if draw(st.booleans()):
            header = "".join(letter for letter in header if not letter.islower())
        count = draw(st.sampled_from([0, 0, 0, 1] if header.endswith("?") else [1, 1, 1, 0, 2, 3]))
        return header + " " + ",".join(draw(st.lists(PARAMETER, min_size=count, max_size=count)))

    return st.composite(spelt)() | st.text(max_size=12)


def message(kind: type[Instrument]) -> st.SearchStrategy[bytes]:
    return st.lists(units(kind), min_size=1, max_size=4).map(
        lambda parts: ";:".join(parts).encode("latin-1", "replace").replace(b"\n", b" ")
    )


def cleared() -> threading.Event:
    """A device clear has come already: what would wait for a trigger does not."""
    event = threading.Event()
    event.set()
    return event


def check(instrument: Instrument, sent: bytes) -> None:
    instrument.receive(b"*CLS", cleared())
    answer = instrument.receive(sent, cleared())
    assert answer == b"" or answer.endswith(b"\n")
    assert all(code in MESSAGES for code in instrument.errors)
    text = sent.decode("latin-1")
    # One query that is not answered leaves an error, unless it has none to leave: it took the last one itself.
    if ";" not in text and "'" not in text and '"' not in text and text.split(None, 1)[:1] and not answer:
        assert "?" not in text.split(None, 1)[0] or instrument.errors
    assert instrument.receive(b"*IDN?", cleared()).count(b",") == 3


@FUZZ
@given(message(Scope))
def test_no_message_breaks_the_scope(bench: SimulatedBench, sent: bytes) -> None:
    check(bench.scope, sent)


@FUZZ
@given(message(Supply))
def test_no_message_breaks_the_supply(bench: SimulatedBench, sent: bytes) -> None:
    check(bench.supply, sent)


@settings(FUZZ, max_examples=60)
@given(st.lists(message(Scope) | st.binary(max_size=30), max_size=4).map(b"\n".join))
def test_no_bytes_on_a_connection_keep_the_next_one_from_being_served(bench: SimulatedBench, sent: bytes) -> None:
    with closing(Line(bench.resources.scope)) as line:
        line.send(sent + b"\n")
    with closing(Line(bench.resources.scope)) as line:
        assert line.ask(b"*IDN?\n").startswith(b"AGILENT")


@settings(FUZZ, max_examples=30)
@given(st.lists(message(Supply) | st.binary(max_size=30), max_size=4).map(b"\n".join))
def test_no_bytes_to_the_adapter_keep_it_from_serving(bench: SimulatedBench, sent: bytes) -> None:
    with closing(Line(bench.resources.adapter)) as line:  # the same one: an adapter has one client at a time
        line.send(sent + b"\n\n")
        for setting in (b"mode 1", b"auto 0", b"eoi 1", b"eos 2", b"eot_enable 0", b"read_tmo_ms 3000", b"addr 5"):
            line.send(b"++" + setting + b"\n")
        line.send(b"++clr\n*IDN?\n++read eoi\n")
        found = line.file.readline()
        while b"E3645A" not in found:  # what an earlier line had it say
            found = line.file.readline()
