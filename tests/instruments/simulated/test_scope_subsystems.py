"""The simulated scope beyond a plain capture: subsystem answers, kinds of acquisition, models, set-ups, LAN faults."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.models import MODELS, UnknownModelError
from powerlab_instruments.simulated.scope import Scope
from tests.instruments.simulated.conftest import speaker
from tests.instruments.simulated.test_scope import MS, SECOND, acquire, block, ready

NO_ERROR = b'+0,"No error"\n'
CHANNEL = (
    b":CHAN%d:RANG +40.0E+00;OFFS +0.00000E+00;COUP DC;IMP ONEM;DISP %d;BWL 0;INV 0;"
    b'LAB "%s";UNIT VOLT;PROB +10E+00;PROB:SKEW +0.00E+00;STYP SING\n'
)
TRIGGER = b":TRIG:MODE EDGE;SWE AUTO;NREJ 0;HFR 0;HOLD +40.0E-09"


def words(answer: bytes) -> np.ndarray:
    return block(answer).view(">u2")


def model_scope(bench: SimulatedBench, model: str, **faults):
    scope = Scope(bench.digitiser, bench.clock, 1_000_000, model, **faults)
    return scope, speaker(scope)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b":CHANnel1?", CHANNEL % (1, 1, b"1")),
        (b":CHAN3:LAB 'a b';:CHAN3?", CHANNEL % (3, 0, b"a b")),
        (b":TIMebase?", b":TIM:MODE MAIN;REF CENT;MAIN:RANG +1.00E-03;POS +0.0E+00\n"),
        (b":TRIGger?", TRIGGER + b";:TRIG:EDGE:SOUR CHAN1;LEV +0.0E+00;SLOP POS;REJ OFF;COUP DC\n"),
        (b":TRIG:SOUR DIG3;MODE GLIT;:TRIG?", TRIGGER.replace(b"EDGE", b"GLIT") + b"\n"),
        (b":ACQuire?", b":ACQ:MODE RTIM;TYPE NORM;COMP 100;COUNT 8;SEGM:COUN 2\n"),
        (b":EXTernal?", b":EXT:BWL 0;RANG +8E+00;UNIT VOLT;PROB +1.000E+00\n"),
        (b":WAVeform?", b":WAV:UNS 1;VIEW MAIN;BYT MSBF;FORM BYTE;POIN +1000;SOUR CHAN1;SOUR:SUBS NONE\n"),
        (b":DIGital0?", b":DIG0:DISP 0;THR +1.40E+00;LAB 'D0';POS +0\n"),
        (b":POD1?", b":POD1:DISP 0;THR +1.40E+00\n"),
        (b":TIM:MAIN:RANG?;:TIM:WIND:RANG 1E-4;SCAL?", b"+1.00E-03;+10.0E-06\n"),
        (b":STATus? CHAN1;:VIEW CHAN2;:STAT? CHANnel2;:BLANk;:STAT? CHAN1", b"1;1;0\n"),
        (b":MEAS:SOUR CHAN2;SOUR?;:MEAS:DEF? THR", b"CHAN2,NONE;THR,PERC,+90.0E+00,+50.0E+00,+10.0E+00\n"),
        (b":WGEN:FUNC?;FREQ?;VOLT?;VOLT:OFFS?;:WGEN:OUTP?", b"SIN;+1.00E+03;+500E-03;+0.0E+00;0\n"),
        (b":HARD:INKS?;:DISP:LAB?;:SYST:LOCK ON;LOCK?", b"1;0;1\n"),
        (b"*OPT?", b"MSO\n"),
        (b":EXT:PROB 10;RANG?;RANG 80;:TRIG:LEV 20,EXT;LEV? EXT", b"+80.0E+00;+20.0E+00\n"),
        (b":TIM:MODE ROLL;REF?;MODE?;:TRIG:MODE?", b"RIGH;ROLL;NONE\n"),
        (b":SYST:DATE 2031,2,3;DATE?", b"2031,02,03\n"),
        (b":CHAN1:LAB '\xb5s';LAB?", b'"\xb5s"\n'),
    ],
)  # fmt: skip
def test_answers(scope, message, answer):
    assert scope(message) == answer
    assert scope(b":SYST:ERR?") == NO_ERROR


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b":ACQ:MODE SEGM", b"-241"),  # a licence
        (b":ACQ:SEGM:COUN 10", b"-241"),
        (b":WAV:SEGM:TTAG?", b"-241"),
        (b":TRIG:MODE SBUS1", b"-241"),
        (b":EXT:BWL 1", b"-222"),
        (b":EXT:RANG 1", b"-222"),
        (b":TIM:WIND:RANG 1", b"-222"),  # more than the screen
        (b":TIM:MODE ROLL;REF CENT", b"-221"),
        (b":TIM:MODE XY;:WAV:DATA?", b"-221"),
        (b":TIM:RANG 501", b"-222"),
        (b":TIM:RANG 1E-8", b"-222"),
        (b"*RCL 3", b"-256"),
        (b"*SAV 10", b"-222"),
        (b':SAVE:WAV "\\usb\\x"', b"-256"),
        (b':SAVE:SET "\\usb\\x.scp"', b"-256"),
        (b':SAVE:IMAG:STAR "x"', b"-256"),
        (b':REC:SET "x"', b"-256"),
        (b':REC:WMEM1 "x"', b"-256"),
        (b":SAVE:WAV:LENG 99", b"-222"),
        (b":SYST:SET #13abc", b"-161"),
        (b":SYST:SET #9", b"-161"),
        (b":SYST:SET 4", b"-161"),
        (b":SYST:DATE 2030,2,30", b"-222"),
        (b":MEAS:XMAX?", b"-113"),  # siblings have it
        (b":MEAS:VPP? DIG0", b"-221"),
        (b":MEAS:DEF THR,PERC,10,50,90", b"-222"),
        (b":MEAS:DEF THR,PERC,90,50", b"-109"),
        (b":CHAN1:LAB \xe9", b"-148"),
    ],
)  # fmt: skip
def test_refusals(scope, message, error):
    assert scope(message) == b""
    assert scope(b":SYST:ERR?").startswith(error)


def test_high_resolution_has_finer_words_that_bytes_cut_off(bench):
    scope = ready(bench)
    scope(b":ACQ:TYPE HRES;:WAV:FORM WORD;POIN NORM")
    acquire(bench, scope)
    assert scope(b":WAV:TYPE?;COUN?;POIN?") == b"HRES;+1;+62500\n"
    assert scope(b":WAV:PRE?").startswith(b"+1,+3,+62500,+1,")
    fine = words(scope(b":WAV:DATA?"))
    assert not (fine & 0xF).any()
    assert (fine & 0xF0).any()
    scope(b":WAV:FORM BYTE")
    assert np.array_equal(block(scope(b":WAV:DATA?")), fine >> 8)
    scope(b":WAV:POIN MAX;FORM WORD")  # the raw record is hardly averaged
    raw = words(scope(b":WAV:DATA?"))
    assert len(raw) == 1_000_000
    assert not (raw & 0xFF).any()
    assert fine[-5000:].std() < 0.7 * raw[-80_000:].std()  # the idle board


def test_averages_have_less_noise_and_no_raw_record(bench):
    scope = ready(bench)
    scope(b":WAV:POIN NORM;FORM WORD")
    acquire(bench, scope)
    one = words(scope(b":WAV:DATA?"))[-5000:] / 256  # the idle board
    scope(b":ACQ:TYPE AVER;COUN 16")
    acquire(bench, scope)
    assert scope(b":WAV:PRE?").startswith(b"+1,+2,+7633,+16,")  # 1 000 000 in steps of 131, at most 7680
    many = words(scope(b":WAV:DATA?"))[-600:] / 256
    assert many.std() == pytest.approx(one.std() / 4, rel=0.25)
    assert scope(b":WAV:POIN:MODE RAW;:WAV:POIN?;DATA?") == b"+0;#800000000\n"


def test_digitize_of_averages_takes_as_many_triggers(bench, wire):
    scope = ready(bench)
    scope(b":ACQ:TYPE AVER;COUN 3;:TIM:RANG 0.1")
    answers: list[bytes] = []
    blocked = threading.Thread(target=lambda: answers.append(scope(b":DIG;:WAV:COUN?")))
    blocked.start()
    for number in range(1, 4):
        assert blocked.is_alive()
        wire.high(number * SECOND)
        wire.low(number * SECOND + 10 * MS)
        wire.advance(number * SECOND + 500 * MS)
        blocked.join(0.05)
    blocked.join(5)
    assert answers == [b"+3\n"]


def test_peak_detect_sends_pairs_low_then_high(bench):
    scope = ready(bench)
    scope(b":ACQ:TYPE PEAK;:DIG0:DISP 1")
    acquire(bench, scope)
    for mode, count in ((b"NORM", 62_500), (b"MAX", 500_000)):
        scope(b":WAV:SOUR CHAN1;POIN " + mode)
        assert scope(b":WAV:POIN?;TYPE?") == b"+%d;PEAK\n" % count
        pairs = block(scope(b":WAV:DATA?")).reshape(count, 2).astype(int)
        assert (pairs[:, 0] <= pairs[:, 1]).all()
        assert (pairs[:, 0] < pairs[:, 1]).any()
        assert len(block(scope(b":WAV:SOUR POD1;DATA?"))) == 2 * count
    scope(b":TIM:RANG 1E-3")
    acquire(bench, scope)
    fast = block(scope(b":WAV:SOUR CHAN1;DATA?")).reshape(-1, 2)
    assert np.array_equal(fast[:, 0], fast[:, 1])  # above 500 us/div nothing more is found


def test_what_a_stop_left_out_are_holes(bench):
    scope = ready(bench)
    scope(b":SING")
    start = bench.clock.now() + 300 * MS
    bench.board.marker.edge(start, high=True)
    bench.clock.advance(start + 800 * MS)
    assert scope(b":STOP;:RST?") == b"STOP\n"
    codes = block(scope(b":WAV:DATA?"))
    holes = np.flatnonzero(codes == 0)
    assert len(holes) == pytest.approx(500_000, abs=20)  # 0.2 s before the trigger and 0.8 s after it are there
    assert np.array_equal(holes, np.arange(holes[0], 1_000_000))
    assert scope(b":WAV:FORM WORD;POIN 1000;DATA?").endswith(b"\0" * 800 + b"\n")
    texts = bytes(block(scope(b":WAV:FORM ASC;DATA?"))).split(b",")
    assert texts[499] != b"9.9e+37"
    assert set(texts[501:]) == {b"9.9e+37"}
    assert float(scope(b":MEAS:VMIN?")) > 0


def test_a_pod_is_read_unsigned(bench):
    scope = ready(bench)
    acquire(bench, scope)
    assert scope(b":WAV:SOUR POD1;UNS OFF;DATA?") == b""
    assert scope(b":SYST:ERR?").startswith(b"-221")
    pod = block(scope(b":WAV:UNS ON;POIN 100;DATA?"))
    assert pod.sum() in {19, 20, 21}
    beside = block(scope(b":WAV:FORM WORD;DATA?")).reshape(-1, 2)
    assert np.array_equal(beside[:, 1], pod)
    assert not beside[:, 0].any()
    assert scope(b":WAV:FORM ASC;DATA?").endswith(b",0,0\n")


def test_the_marker_may_be_on_another_input(bench):
    bench.digitiser.marker_input = 5
    scope = ready(bench)
    scope(b":DIG5:DISP 1;:TRIG:SOUR DIG5")
    acquire(bench, scope)
    assert set(np.unique(block(scope(b":WAV:SOUR POD1;DATA?")))) == {0, 32}


def test_the_set_up_block_and_the_places_bring_everything_back(bench, scope):
    scope(b":CHAN1:SCAL 0.3;LAB 'x;y';:TRIG:LEV 0.2;:WAV:POIN 500;:MEAS:DEF THR,PERC,80,40,20;*SAV 4")
    state = lambda: scope(b":CHAN1?;:TRIG?;:WAV?;:MEAS:DEF? THR")  # noqa: E731 - asked often
    before, learnt, setup = state(), scope(b"*LRN?"), scope(b":SYST:SET?")
    for restore in (learnt, b":SYSTem:SETup " + setup, b":SYST:SET " + setup.strip() + b"\r\n", b"*RCL 4"):
        scope(b"*RST")
        assert state() != before
        assert scope(restore) == b""
        assert state() == before
    scope(b":CHAN1:LAB 'kept';:SYST:PRES")
    assert scope(b":CHAN1:LAB?;RANG?") == b'"kept";+40.0E+00\n'
    assert scope(b":SYST:ERR?") == NO_ERROR


@given(st.binary(max_size=60))
def test_no_block_breaks_the_engine(payload):
    with SimulatedBench(virtual=True) as bench:
        scope = speaker(bench.scope)
        assert scope(b":SYST:SET #2%02d" % len(payload) + payload + b";*OPC?\n") in {b"", b"1\n"}
        assert scope(b":SYST:ERR?").startswith(b"-161")


@pytest.mark.parametrize("model", sorted(MODELS))
def test_each_model_has_its_inputs(bench, model):
    _, scope = model_scope(bench, model)
    declared = MODELS[model]
    assert scope(b"*IDN?") == f"AGILENT TECHNOLOGIES,{model},SIM00000001,02.65.2021102830\n".encode()
    assert scope(b"*OPT?") == (b"MSO\n" if model.startswith("MSO") else b"0\n")
    for header, count in ((b":CHAN%d:DISP?", declared.analog + 1), (b":DIG%d:DISP?", declared.digital)):
        scope(b"*CLS")
        answered = sum(bool(scope(header % n)) for n in range(20))
        assert answered == count - (header.startswith(b":CHAN"))
    scope(b"*CLS")
    scope(b":TRIG:SOUR CHAN%d" % (declared.analog + 1))
    assert scope(b":SYST:ERR?").startswith(b"-224")
    scope(b":POD1:DISP 1")
    assert scope(b":SYST:ERR?").startswith(b"+0" if declared.digital else b"-241")
    scope(b":CHAN1:IMP FIFT")
    assert scope(b":SYST:ERR?").startswith(b"+0" if "X 3" in model else b"-224")
    scope(b":TIM:RANG 2E-8")
    assert scope(b":SYST:ERR?").startswith(b"+0" if declared.bandwidth >= 200e6 else b"-222")


def test_a_model_that_is_none(bench):
    with pytest.raises(UnknownModelError, match="MSO-X 9999Z.*DSO-X 2002A"):
        model_scope(bench, "MSO-X 9999Z")
    assert model_scope(bench, "msox3104a")[1](b"*IDN?").split(b",")[1] == b"MSO-X 3104A"


def test_the_lan_wedges_until_the_client_connects_again(bench):
    scope, _ = model_scope(bench, "MSO-X 2024A", wedge_every=600)
    first, second = threading.Event(), threading.Event()
    assert scope.receive(b"*OPC?", first)
    bench.clock.advance(599 * SECOND)
    assert scope.receive(b"*OPC?", first)
    bench.clock.advance(600 * SECOND)
    assert scope.receive(b"*OPC?", first) == b""
    assert scope.receive(b"*OPC?", first) == b""
    assert scope.receive(b"*OPC?", second) == b"1\n"
    bench.clock.advance(1199 * SECOND)
    assert scope.receive(b"*OPC?", second) == b"1\n"
    bench.clock.advance(1200 * SECOND)
    assert scope.receive(b"*OPC?", second) == b""


def test_the_first_answer_of_a_connection_is_slow():
    with SimulatedBench() as bench:
        scope, _ = model_scope(bench, "MSO-X 2024A", first_answer=0.2)
        connection = threading.Event()
        start = bench.clock.now()
        assert scope.receive(b"*OPC?", connection)
        waited = bench.clock.now()
        assert scope.receive(b"*OPC?", connection)
        assert waited - start > 190 * MS
        assert bench.clock.now() - waited < 100 * MS


def test_autoscale_brings_the_current_on_the_screen(bench):
    scope = ready(bench)
    bench.board.marker.edge(10 * MS, high=True)
    bench.board.marker.edge(60 * MS, high=False)
    bench.clock.advance(100 * MS)
    scope(b":AUToscale CHANnel1")
    low, high = (value * 10 for value in bench.digitiser.extremes(1, 100 * MS, 0.1))
    assert float(scope(b":CHAN1:RANG?")) == pytest.approx(2 * (high - low), rel=1e-3)
    assert float(scope(b":CHAN1:OFFS?")) == pytest.approx((high + low) / 2, rel=1e-3)
    assert scope(b":RST?;:TRIG:SWE?;:TIM:RANG?;:TRIG:SOUR?") == b"RUN;AUTO;+1.00E-03;CHAN1\n"
