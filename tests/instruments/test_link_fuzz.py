"""Whatever an instrument sends, the line gives the right value or a clear error, in time, and then goes on rightly.

What the right value is, is worked out here from the bytes alone.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from powerlab_instruments import adapterline, transports
from powerlab_instruments.errors import InstrumentError
from powerlab_instruments.instrument import read_errors
from powerlab_instruments.link import Visa, VisaLink
from powerlab_instruments.settings import number
from powerlab_instruments.waveform import Preamble
from tests.instruments.peer import STREAMS, TRANSPORTS, Served, served

TIMEOUT = 0.05  # s
LATE = 0.1  # s
LONGEST = 2.0  # s that anything may take: a few time-outs, on a machine that has other things to do

FUZZ = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

PAYLOAD = st.binary(max_size=40) | st.sampled_from([b"\n", b"\r\n" * 5, b"#15hello\n", bytes(range(256))])
BLOCK = PAYLOAD.map(lambda data: b"#8%08d%b\n" % (len(data), data))
WRONG_LENGTH = st.builds(lambda data, count: b"#3%03d%b\n" % (count, data), PAYLOAD, st.integers(0, 60))
NUMBER = st.floats(allow_nan=False).map(lambda value: b"%+.8E\n" % value)
TEXT = st.text(max_size=20).map(lambda text: text.encode() + b"\n")
ANSWER = BLOCK | WRONG_LENGTH | NUMBER | TEXT | st.binary(max_size=40)
CUT = st.builds(lambda answer, share: answer[: int(share * len(answer))], ANSWER, st.floats(0, 1))
DOUBLE = st.builds(lambda first, second: first + second, ANSWER, ANSWER)
SENT = ANSWER | CUT | DOUBLE


@pytest.fixture(scope="module", params=TRANSPORTS)
def line(request: pytest.FixtureRequest) -> Iterator[tuple[Served, VisaLink]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapterline, "PROLOGIX_READ_TIMEOUT_MS", int(TIMEOUT * 1000))
        patch.setattr(adapterline, "PROLOGIX_SPARE_MS", int(TIMEOUT * 500))
        patch.setattr(transports, "SILENCE_MS", 20)
        patch.setattr(transports, "END_OF_BLOCK_MS", 20)
        with served(request.param) as it, Visa() as visa:
            yield it, it.open(visa, TIMEOUT)


def on_the_wire(answer: bytes, transport: str) -> bytes:
    """What comes of an answer: RS-232 has CR LF at its end."""
    return answer.removesuffix(b"\n") + b"\r\n" if transport == "serial" and answer.endswith(b"\n") else answer


def text_of(sent: bytes, transport: str) -> str | None:
    """What an answer in text is: on a stream its first line, else all of it; None if that is no text."""
    if transport in STREAMS:
        sent, end, _ = sent.partition(b"\n")
        if not end:
            return None
    elif not sent:
        return None
    try:
        return sent.decode("ascii").strip()
    except UnicodeDecodeError:
        return None


def payload_of(sent: bytes) -> bytes | None:
    """The payload of a block that is whole and has nothing behind it but the end of the line."""
    if not re.match(rb"#[1-9]", sent):
        return None
    head = 2 + int(sent[1:2])
    if len(sent) < head or not sent[2:head].isdigit() or len(sent) < head + int(sent[2:head]):
        return None
    payload, rest = sent[head : head + int(sent[2:head])], sent[head + int(sent[2:head]) :]
    return payload if not rest or rest.startswith((b"\n", b"\r")) else None


def right_or_error(ask: Callable[[], object]) -> object:
    """The answer, or None for an error of one line; never another kind of exception."""
    try:
        return ask()
    except InstrumentError as error:
        said = str(error)
    assert "\n" not in said
    return None


def asked(ask: Callable[[str], object], message: str) -> object:
    """The same, and in time."""
    started = time.monotonic()
    answer = right_or_error(lambda: ask(message))
    assert time.monotonic() - started < LONGEST
    return answer


def goes_on(link: VisaLink, served: Served, value: str) -> None:
    """The next answers are the right ones; the first may be an error, where something was left on the line.

    So may a few more on a machine so busy that an answer takes longer than the link waits; a wrong one may not.
    """
    served.peer.answers["NEXT?"] = value.encode() + b"\n"
    found: list[object] = []
    while len(found) < 3 or (found[-1] != value and len(found) < 10):
        found.append(asked(link.query, "NEXT?"))
    assert set(found) <= {value, None}
    assert found[-1] == value


@FUZZ
@given(SENT, st.integers(0, 10**6))
def test_text(line: tuple[Served, VisaLink], sent: bytes, value: int) -> None:
    it, link = line
    it.peer.answers["Q?"] = sent
    sent = on_the_wire(sent, it.transport)
    assert asked(link.query, "Q?") in {text_of(sent, it.transport), None}
    goes_on(link, it, f"value {value}")


@FUZZ
@given(SENT, st.integers(0, 10**6))
def test_blocks(line: tuple[Served, VisaLink], sent: bytes, value: int) -> None:
    it, link = line
    it.peer.answers["Q?"] = sent
    sent = on_the_wire(sent, it.transport)
    got = asked(link.query_block, "Q?")
    right = payload_of(sent)
    assert got in {right, None}
    if right is not None and sent.endswith(b"\n") and sent.count(b"#") == 1 and it.transport != "serial":
        assert got == right  # not an error either: it came at once
    goes_on(link, it, f"value {value}")


@settings(FUZZ, max_examples=8)
@given(ANSWER, st.booleans(), st.integers(0, 10**6))
def test_late_answers(line: tuple[Served, VisaLink], sent: bytes, block: bool, value: int) -> None:
    it, link = line

    def late(cancelled: threading.Event) -> bytes:
        cancelled.wait(LATE)
        return sent

    it.peer.answers["Q?"] = late
    on_it = on_the_wire(sent, it.transport)
    right = payload_of(on_it) if block else text_of(on_it, it.transport)
    assert asked(link.query_block if block else link.query, "Q?") in {right, None}
    goes_on(link, it, f"value {value}")


class Said:
    """A line on which one answer has come."""

    name = "LINE"

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def __str__(self) -> str:
        return self.name

    def query(self, _message: str) -> str:
        return self.answer


ODD = st.text(max_size=60) | st.lists(
    st.floats().map(repr) | st.integers().map(str) | st.sampled_from(["+0", "9.9E+37", "", "1e400", "-1E-1000"]),
    max_size=12,
).map(",".join)


@settings(max_examples=300)
@given(ODD)
def test_what_is_read_into_an_answer_is_right_or_an_error(answer: str) -> None:
    link = Said(answer.strip())
    value = right_or_error(lambda: number(link, "Q?"))
    assert value is None or (value == float(answer) and abs(value) < 9.9e36)
    right_or_error(lambda: read_errors(link, 3))
    preamble = right_or_error(lambda: Preamble.parse(answer))
    assert preamble is None or preamble.points == float(answer.split(",")[2])
