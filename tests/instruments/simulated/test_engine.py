"""The SCPI engine: forms of headers and parameters, paths, errors, status."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_instruments.simulated.exchange import split_messages
from powerlab_instruments.simulated.forms import Flag, Real, ScpiError, Text, Word, engineering, number
from powerlab_instruments.simulated.scpi import Instrument, Setting, Settings, command, query


class Toy(Instrument):
    IDENTITY = "MAKER,TOY,0,1.0"
    QUEUE_DEPTH = 20

    level = Setting("[SOURce:]VOLTage[:LEVel]", Real("V", 0.0, 10.0), 1.0)
    mode = Setting("[SOURce:]VOLTage:MODE", Word("FAST", "SLOWly"), "FAST")
    label = Settings("INPut<1-4>:LABel", Text(5), lambda n: f"in{n}")
    on = Settings("INPut<1-4>:STATe", Flag(), reset=False)

    @command("APPLy", Real("V"), Real("A"), optional=1)
    def apply(self, volts: float, _amperes: float = 0.0) -> None:
        self.level = volts

    @query("DATA")
    def data(self) -> bytes:
        return b"#13\n;\xff"

    @command("INPlace")
    def in_place(self) -> None:
        self.level = 9.0


@pytest.fixture
def toy() -> Toy:
    return Toy()


def say(toy: Toy, message: bytes) -> bytes:
    return toy.receive(message, threading.Event())


def errors(toy: Toy) -> list[int]:
    codes = list(toy.errors)
    toy.errors.clear()
    return codes


def any_case(word: str) -> st.SearchStrategy[str]:
    return st.tuples(*[st.sampled_from([letter.lower(), letter.upper()]) for letter in word]).map("".join)


def spelling(pattern: str) -> st.SearchStrategy[str]:
    short = "".join(letter for letter in pattern if letter.isupper())
    return st.sampled_from([short, pattern]).flatmap(any_case)


@given(
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.tuples(spelling("SOURce"), spelling("VOLTage"), spelling("LEVel")),
    st.floats(0, 10).map(lambda value: round(value, 3)),
    st.sampled_from(["", "V", " V", "e0 v"]),
)
def test_every_spelling_of_a_header_is_the_same_header(root, source, level, words, value, unit):
    toy = Toy()
    header = ":".join(word for word, kept in zip(words, (source, True, level), strict=True) if kept)
    say(toy, f"{':' if root else ''}{header} {value:.3f}{unit}\n".encode())
    assert float(say(toy, f"{header}?\r\n".encode())) == pytest.approx(value, rel=1e-5)
    assert not toy.errors


@given(st.integers(5, 6).map(lambda length: "VOLTAGE"[:length]) | st.sampled_from(["VOL", "VOLTAGES", "V"]))
def test_nothing_between_the_short_and_the_long_form_counts(word):
    toy = Toy()
    assert say(toy, f"{word}?".encode()) == b""
    assert errors(toy) == [-113]


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
def test_no_message_breaks_the_engine(text):
    toy = Toy()
    answer = say(toy, text.encode("utf-8"))
    assert answer == b"" or answer.endswith(b"\n")
    assert all(code < 0 for code in errors(toy))


@given(st.floats(1e-12, 1e12) | st.floats(-1e12, -1e-12))
def test_engineering_numbers_read_back(value):
    text = engineering(value)
    assert float(text) == pytest.approx(value, rel=1e-5)
    assert text[0] in "+-"
    assert int(text[-3:]) % 3 == 0
    assert 1 <= abs(float(text.partition("E")[0])) < 1000


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"VOLT:LEV 2;MODE SLOW;:VOLT?;VOLT:MODE?", b"+2.00E+00;SLOW\n"),  # a semicolon keeps the path
        (b"VOLT:MODE SLOW;*OPC?;MODE?", b"1;SLOW\n"),  # common commands do not change it
        (b"SOUR:VOLT:MODE SLOW;LEV 3;:VOLT?", b"+3.00E+00\n"),
        (b"INP3:LAB 'a;b';STAT ON;:INP3:LAB?;STAT?", b'"a;b";1\n'),  # the suffix belongs to the path
        (b"INPUT:LAB?", b'"in1"\n'),  # a suffix left out is 1
        (b"INP;:VOLT?", b"+9.00E+00\n"),  # but short forms may mean another word without one
        (b'INP2:LAB "say ""hi"" twice";LAB?', b'"say """\n'),
        (b"VOLT MAX;VOLT?;VOLT MIN;VOLT?", b"+10.0E+00;+0.0E+00\n"),
        (b"APPL\t4,1;:VOLT?", b"+4.00E+00\n"),
        (b"DATA?;*ESE?", b"#13\n;\xff;+0\n"),
        (b";;VOLT?;", b"+1.00E+00\n"),
    ],
)
def test_messages(toy, message, answer):
    assert say(toy, message) == answer
    assert errors(toy) == []


@pytest.mark.parametrize(
    ("message", "codes"),
    [
        (b"BAD 1", [-113]),
        (b"VOLT5", [-113]),  # no blank between header and number
        (b"VOLT:MODE:BAD?", [-113]),
        (b"DATA 1", [-113]),  # a query only
        (b"APPL?", [-113]),  # a command only
        (b"*BAD", [-113]),
        (b"ABCDEFGHIJKLM 1", [-112]),
        (b"INP5:LAB?", [-114]),
        (b"VOLT 1,2", [-108]),
        (b"VOLT? 1", [-108]),
        (b"VOLT", [-109]),
        (b"APPL 1,", [-109]),
        (b"APPL 1 2", [-103]),  # a blank instead of a comma
        (b"INP1 :LAB 'x'", [-102]),  # a blank around a colon
        (b"VOLT 1X", [-131]),
        (b"VOLT 1A2", [-120]),
        (b"VOLT LOUD", [-148]),
        (b"VOLT '1'", [-158]),
        (b"VOLT 11", [-222]),
        (b"VOLT:MODE QUICK", [-224]),
        (b"VOLT:MODE SLOWL", [-224]),
        (b"VOLT:MODE 1", [-128]),
        (b"INP1:STAT TRUE", [-224]),
        (b"INP1:STAT 2", [-222]),
        (b"INP1:LAB text", [-148]),
        (b"INP1:LAB 5", [-128]),
        (b"INP1:LAB 'open", [-151]),
        (b"BAD;VOLT 5", [-113]),  # a command error ends the message
        (b"VOLT 99;BAD", [-222, -113]),  # an execution error does not
        (b"VOLT:MODE SLOW;:MODE?", [-113]),
    ],
)
def test_mistakes_leave_their_code_and_no_answer(toy, message, codes):
    assert say(toy, message) == b""
    assert errors(toy) == codes
    assert toy.level == 1.0


def test_no_query_may_follow_an_answer_of_arbitrary_text(toy):
    assert say(toy, b"*IDN?;VOLT?") == b"MAKER,TOY,0,1.0\n"
    assert errors(toy) == [-440]
    assert say(toy, b"VOLT?;*IDN?") == b"+1.00E+00;MAKER,TOY,0,1.0\n"
    assert errors(toy) == []


def test_the_error_queue_is_first_in_first_out_and_overflows_at_its_end(toy):
    say(toy, b"VOLT 99")
    for _ in range(30):
        say(toy, b"BAD")
    assert say(toy, b"SYST:ERR?") == b'-222,"Data out of range"\n'
    answers = [say(toy, b"SYSTEM:ERROR:NEXT?") for _ in range(20)]
    assert answers == [b'-113,"Undefined header"\n'] * 18 + [b'-350,"Queue overflow"\n', b'+0,"No error"\n']


def test_event_status_and_status_byte(toy):
    assert say(toy, b"*ESR?") == b"+128\n"  # power has come on
    say(toy, b"*ESE 48;*SRE 32")
    say(toy, b"VOLT 99;BAD")
    assert say(toy, b"*STB?") == b"+96\n"
    assert say(toy, b"*ESR?") == b"+48\n"
    assert say(toy, b"*STB?;*ESR?") == b"+0;+0\n"
    assert say(toy, b"*OPC;*ESR?") == b"+1\n"
    say(toy, b"BAD")
    say(toy, b"*RST")
    assert say(toy, b"*ESR?") == b"+32\n"  # *RST leaves the registers, *CLS does not
    assert toy.errors
    say(toy, b"BAD;")
    say(toy, b"*CLS")
    assert say(toy, b"*ESR?;*ESE?;:SYST:ERR?") == b'+0;+48;+0,"No error"\n'


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("5ms", "s", 5e-3), ("3 SEC", "s", 3.0), ("1MA", "A", 1e-3), ("2 MHZ", "Hz", 2e6), ("+.5E-1kV", "V", 50.0)],
)
def test_suffixes(text, unit, value):
    assert number(text, unit) == pytest.approx(value)


def test_a_suffix_where_none_belongs():
    with pytest.raises(ScpiError) as caught:
        number("10V", "")
    assert caught.value.code == -138


_MESSAGE = (
    st.sampled_from([b"*IDN?", b":CHAN1:LAB 'a#12b'", b'DISP "#"', b"", b"VOLT #H1F", b"X #", b"Y 'open"])
    | st.binary(max_size=12).map(lambda data: b"SET #2%02d%b" % (len(data), data))
    | st.binary(max_size=12).map(lambda data: b"SET #1%d%b,'%b'" % (min(len(data), 9), data[:9], b"#13"))
)


@given(st.lists(_MESSAGE), st.integers(1, 20))
def test_messages_are_told_apart_however_their_bytes_come(messages, chunk):
    stream, found, rest = b"".join(message + b"\n" for message in messages), [], b""
    for start in range(0, len(stream), chunk):
        complete, rest = split_messages(rest + stream[start : start + chunk])
        found += complete
    assert found == messages
    assert rest == b""


@given(st.binary(max_size=60), st.integers(1, 20))
def test_no_bytes_are_lost_between_messages(stream, chunk):
    found, rest = [], b""
    for start in range(0, len(stream), chunk):
        complete, rest = split_messages(rest + stream[start : start + chunk])
        found += complete
    assert b"\n".join([*found, rest]) == stream
    assert (found, rest) == split_messages(stream)
