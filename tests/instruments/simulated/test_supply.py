"""The simulated E3645A against the facts of its guides: raw messages in, raw answers out."""

import time

import numpy as np
import pytest

from powerlab_instruments.simulated import regulation, source
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.board import IDLE_POWER
from powerlab_instruments.simulated.supplies import SUPPLIES
from powerlab_traces.errors import PowerlabError
from tests.instruments.simulated.conftest import speaker

MS = 1_000_000


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"*IDN?", b"Agilent Technologies,E3645A,0,1.7-5.0-1.0\n"),
        (b"APPL?", b'"0.00000,2.20000"\n'),
        (b"OUTP?;OUTP:REL?", b"0;0\n"),
        (b"VOLT:RANG?", b"P35V\n"),
        (b"VOLT:PROT?;PROT:STAT?;TRIP?", b"+6.60000000E+01;1;0\n"),
        (b"VOLT?;:CURR?", b"+0.00000000E+00;+2.20000000E+00\n"),
        (b"VOLT? MAX;:CURR? MAX;:VOLT? MIN", b"+3.60500000E+01;+2.26600000E+00;+0.00000000E+00\n"),
        (b"VOLT:RANG HIGH;RANG?;:VOLT? MAX;:CURR? MAX", b"P60V;+6.18000000E+01;+1.33900000E+00\n"),
        (b"VOLT:STEP?;:VOLT:STEP? DEF", b"+1.14000000E-03;+1.14000000E-03\n"),
        (b"VOLT:PROT? MAX", b"+6.60000000E+01\n"),
        (b"TRIG:SOUR?;DEL?", b"BUS;+0.00000000E+00\n"),
        (b"DISP?;:SYST:VERS?;*TST?;*OPC?", b"1;1996.0;0;1\n"),
        (b"STAT:QUES:COND?;ENAB?", b"+0;+0\n"),
        (b"SYST:ERR?", b'+0,"No error"\n'),
    ],
)
def test_power_on_state(supply, message, answer):
    assert supply(message) == answer


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"APPL 8,1.5;:APPL?", b'"8.00000,1.50000"\n'),
        (b"APPL 8;:APPL?", b'"8.00000,2.20000"\n'),
        (b"APPL MAX,MIN;:APPL?", b'"36.05000,0.00000"\n'),
        (b"VOLT:RANG P60V;:APPL DEF,DEF;:APPL?", b'"0.00000,1.30000"\n'),
        (b"SOURCE:VOLTAGE:LEVEL:IMMEDIATE:AMPLITUDE 5;:VOLT?", b"+5.00000000E+00\n"),
        (b"VOLT 500 MV;:VOLT?", b"+5.00000000E-01\n"),
        (b"VOLT 5;:VOLT:STEP 0.5;:VOLT UP;:VOLT UP;:VOLT DOWN;:VOLT?", b"+5.50000000E+00\n"),
        (b"CURR:STEP 0.1;:CURR DOWN;:CURR?;:CURR:STEP DEF;STEP?", b"+2.10000000E+00;+4.20000000E-05\n"),
        (b'DISP:WIND1:TEXT "HELLO JETSON BOARD";TEXT?', b'"HELLO JETSO"\n'),
        (b'DISP:TEXT "A";TEXT:CLE;:DISP:TEXT?', b'""\n'),
        (b"VOLT:TRIG 7;TRIG?;:VOLT?", b"+7.00000000E+00;+0.00000000E+00\n"),
        (b"VOLT:TRIG 7;:INIT;*TRG;:VOLT?", b"+7.00000000E+00\n"),
        (b"CURR:TRIG 1;:TRIG:SOUR IMM;:INIT;:CURR?", b"+1.00000000E+00\n"),
        (b"APPL 7,1;*SAV 5;*RST;*RCL 5;APPL?", b'"7.00000,1.00000"\n'),
        (b"APPL 7,1;*RCL 2;APPL?", b'"0.00000,2.20000"\n'),  # a place never used is the reset state
        (b"APPL 30,2;:VOLT:RANG HIGH;:APPL?", b'"30.00000,1.33900"\n'),
        (b"*PSC 0;*PSC?", b"0\n"),
    ],
)
def test_commands(supply, message, answer):
    assert supply(message) == answer
    assert supply(b"SYST:ERR?") == b'+0,"No error"\n'


@pytest.mark.parametrize(
    ("message", "errors"),
    [
        (b"VOLT 36.06", [-222]),
        (b"VOLT:RANG HIGH;:CURR 1.4", [-222]),
        (b"APPL 5,3", [-222]),
        (b"APPL 40,1", [-222]),
        (b"VOLT MAX;VOLT UP", [-222]),
        (b"VOLT:PROT 67", [-222]),
        (b"VOLT:RANG P20V", [-224]),
        (b"OUTP True", [-224]),
        (b"CUR 1", [-113]),
        (b"CURREN 1", [-113]),
        (b"VOLT5", [-113]),
        (b"APPL 5 1", [-103]),
        (b"APPL 5,1,2", [-108]),
        (b"VOLT", [-109]),
        (b"DISP:TEXT HELLO", [-148]),
        (b"DISP:TEXT 5", [-128]),
        (b'DISP:TEXT "' + b"x" * 41 + b'"', [-223]),
        (b"SYST:REM", [514]),
        (b"SYST:RWL", [514]),
        (b"SYST:LOC", [514]),
        (b"*TRG", [-211]),
        (b"TRIG:SOUR IMM;:INIT;*TRG", [-211]),
        (b"*SAV 6", [-222]),
        (b"VOLT 5;CURR 1;VOLT:PROT:BAD", [-113]),
    ],
)
def test_mistakes(bench, supply, message, errors):
    assert supply(message) == b""
    assert list(bench.supply.errors) == errors


def test_a_bad_apply_changes_nothing(supply):
    supply(b"APPL 5,1")
    supply(b"APPL 6,9;:APPL 99,1.1")
    assert supply(b"APPL?") == b'"5.00000,1.00000"\n'


def test_identity_must_be_the_last_query(bench, supply):
    assert supply(b"*IDN?;VOLT?").startswith(b"Agilent")
    assert list(bench.supply.errors) == [-440]


def test_reset_leaves_errors_and_events(bench, supply):
    supply(b"APPL 19,1;:OUTP ON;:BAD")
    supply(b"*RST")
    assert bench.supply.output is False
    assert supply(b"STAT:QUES?;:SYST:ERR?") == b'+3;-113,"Undefined header"\n'


def test_readings_are_inside_the_readback_accuracy():
    for seed in range(20):
        with SimulatedBench(seed=seed, virtual=True) as bench:
            supply = speaker(bench.supply)
            supply(b"APPL 19,2;:OUTP ON")
            volts, amperes = float(supply(b"MEAS:VOLT?")), float(supply(b"MEASURE:CURRENT:DC?"))
            assert abs(volts - 19) < 19 * 5e-4 + 10e-3 + 19 * 5e-4 + 5e-3 + 2e-3
            assert abs(amperes - 1.30 / 19) < 0.0015 * 0.07 + 5e-3 + 1e-3


def test_output_off_reads_nothing(supply):
    supply(b"APPL 19,2")
    assert abs(float(supply(b"MEAS?"))) < 6e-3
    assert abs(float(supply(b"MEAS:CURR?"))) < 6e-3


def test_constant_current_shows_in_condition_and_latches_in_the_event(bench, supply):
    supply(b"APPL 19,0.5;:OUTP ON")
    assert supply(b"STAT:QUES:COND?") == b"+2\n"  # healthy is 2, not 0
    assert supply(b"STAT:QUES?") == b"+3\n"  # the board's inrush reached the limit
    bench.clock.advance(90 * MS)
    assert supply(b"STAT:QUES?;QUES?") == b"+3;+2\n"
    bench.board.marker.edge(300 * MS, high=True)
    bench.board.marker.edge(500 * MS, high=False)
    bench.clock.advance(400 * MS)
    assert supply(b"STAT:QUES:COND?") == b"+1\n"
    assert float(supply(b"MEAS:CURR?")) == pytest.approx(0.5, abs=0.02)
    assert float(supply(b"MEAS:VOLT?")) < 16
    bench.clock.advance(800 * MS)
    assert supply(b"STAT:QUES:COND?;EVEN?;EVEN?") == b"+2;+3;+2\n"


def test_constant_current_that_nobody_watched_is_latched_when_the_output_goes_off(bench, supply):
    supply(b"APPL 19,0.5;:OUTP ON;:STAT:QUES?")
    bench.board.marker.edge(100 * MS, high=True)
    bench.board.marker.edge(150 * MS, high=False)
    bench.clock.advance(600 * MS)
    supply(b"OUTP OFF")
    assert supply(b"STAT:QUES:COND?;EVEN?;EVEN?") == b"+0;+3;+0\n"


def test_the_event_reaches_the_status_byte_when_enabled(supply):
    supply(b"APPL 19,2;:OUTP ON;:STAT:QUES:ENAB 2")
    assert supply(b"*STB?") == b"+8\n"
    supply(b"*SRE 8")
    assert supply(b"*STB?") == b"+72\n"


def test_the_crowbar_shorts_latches_and_brings_the_output_back(bench, supply):
    supply(b"APPL 19,2;:OUTP ON")
    supply(b"VOLT:PROT 10")
    assert supply(b"VOLT:PROT:TRIP?;:OUTP?;:STAT:QUES:COND?") == b"1;1;+0\n"
    assert abs(float(supply(b"MEAS?"))) < 0.1
    assert int(supply(b"STAT:QUES?")) & 512
    supply(b"VOLT:PROT:CLE")
    assert supply(b"VOLT:PROT:TRIP?") == b"1\n"  # the cause is still there
    supply(b"VOLT:PROT 22;PROT:CLE")
    assert supply(b"VOLT:PROT:TRIP?;:VOLT:PROT?") == b"0;+2.20000000E+01\n"
    assert float(supply(b"MEAS?")) == pytest.approx(19, abs=0.05)
    supply(b"VOLT:PROT:STAT OFF;LEV 5")
    assert supply(b"VOLT:PROT:TRIP?") == b"0\n"
    supply(b"VOLT:PROT:STAT ON")
    assert supply(b"VOLT:PROT:TRIP?") == b"1\n"
    supply(b"*RST")
    assert supply(b"VOLT:PROT:TRIP?") == b"0\n"


def test_a_triggered_level_waits_for_its_delay(bench, supply):
    supply(b"APPL 19,2;:OUTP ON;:VOLT:TRIG 12;:TRIG:DEL 0.5;:INIT;*TRG")
    bench.clock.advance(400 * MS)
    assert float(supply(b"MEAS?")) == pytest.approx(19, abs=0.05)
    bench.clock.advance(500 * MS)
    assert float(supply(b"MEAS?")) == pytest.approx(12, abs=0.05)


def test_local_sense_reads_the_voltage_at_the_supply():
    with SimulatedBench(virtual=True, lead_resistance=2.0) as bench:
        supply = speaker(bench.supply)
        supply(b"APPL 19,2;:OUTP ON")
        bench.board.marker.edge(0, high=True)
        bench.clock.advance(500 * MS)
        assert float(supply(b"MEAS?")) == pytest.approx(19, abs=0.05)
        bench.board.marker.edge(500 * MS, high=False)
        [window] = bench.board.truth()
        current = float(supply(b"MEAS:CURR?"))
        assert window.energy / 0.5 == pytest.approx(13.1, rel=0.06)
        assert current > 0


def test_the_error_queue_holds_twenty(supply):
    for _ in range(25):
        supply(b"BAD")
    answers = [supply(b"SYST:ERR?") for _ in range(21)]
    assert answers[18:] == [b'-113,"Undefined header"\n', b'-350,"Queue overflow"\n', b'+0,"No error"\n']


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"VOLT5", -113),  # no blank between header and number
        (b"VOLTS 5", -113),
        (b"VOLT 5,6", -108),
        (b"VOLT", -109),
        (b"APPL 5 1", -103),  # a blank in place of the comma
        (b"VOLT :PROT 5", -102),
        (b"VOLT: PROT 5", -102),
        (b"TRIG:SOUR EXT", -224),
        (b"OUTPUT True", -224),
        (b"VOLT:RANG P8V", -224),  # another model's
        (b"DISP:TEXT HELLO", -148),
        (b"DISP:TEXT 5", -128),
        (b'DISP:TEXT "%b"' % (b"x" * 41), -223),
        (b"VOLT 40", -222),
        (b"VOLT:PROT 67", -222),
        (b"VOLT:PROT 0.5", -222),
        (b"*SAV 6", -222),
        (b"*TRG", -211),
        (b"VOLT 5 HZ", -131),
        (b"VOLTAGEVOLTAGE 5", -112),
        (b"SYST:REM", 514),
        (b"SYST:RWL", 514),
        (b"SYST:LOC", 514),
        (b"CAL:VOLT 5.0", 702),
        (b"CAL:CURR:LEV MIN", 702),
        (b"CAL:SEC:STAT OFF,HP003645", 703),
        (b"CAL:SEC:STAT OFF,HP00364500000000", 704),
    ],
)
def test_every_mistake_has_its_code_and_changes_nothing(bench, supply, message, code):
    before = dict(bench.supply.values)
    assert supply(message) == b""
    assert list(bench.supply.errors) == [code]
    assert bench.supply.values == before
    answer = supply(b"SYST:ERR?").decode()
    assert answer.startswith(f'{code:+d},"')


def test_calibration_is_secured_and_states_have_names(supply):
    assert supply(b"CAL:SEC:STAT?;:CAL:COUN?") == b"1;+0\n"
    supply(b"CAL:SEC:STAT ON")
    supply(b'MEM:STAT:NAME 2,"JETSON BOARD"')
    assert supply(b"MEM:STAT:NAME? 2;NAME? 3") == b'"JETSON BO";""\n'
    assert supply(b"SYST:ERR?") == b'+0,"No error"\n'


@pytest.mark.parametrize("name", SUPPLIES)
def test_a_sibling_has_ranges_and_limits_of_its_own(name):
    model = SUPPLIES[name]
    with SimulatedBench(virtual=True, supply_model=name.lower()) as bench:
        supply = speaker(bench.supply)
        assert supply(b"*IDN?").split(b",")[1] == name.encode()
        for word, selected in ((b"LOW", model.low), (b"HIGH", model.high)):
            answer = supply(b"VOLT:RANG %b;RANG?;:VOLT? MAX;:CURR? MAX" % word).decode().strip().split(";")
            assert answer[0] == selected.name
            assert float(answer[1]) == pytest.approx(1.03 * selected.voltage)
            assert float(answer[2]) == pytest.approx(1.03 * selected.current)
        supply(b"*RST")
        assert float(supply(b"CURR?")) == model.low.current
        assert float(supply(b"VOLT:PROT?")) == pytest.approx(1.1 * model.high.voltage)
        assert supply(b"SYST:ERR?") == b'+0,"No error"\n'


def test_an_unknown_supply_is_refused_with_those_there_are():
    with pytest.raises(PowerlabError, match=r"'E3631A'.*E3640A, .*E3645A"):
        SimulatedBench(supply_model="E3631A")


def test_the_output_takes_time_on_the_leads_and_the_inrush_reaches_the_limit(bench, supply):
    supply(b"APPL 19,2;:OUTP ON")
    assert float(supply(b"MEAS?")) == pytest.approx(19, abs=0.05)  # where time is virtual it waits until it can tell
    moments = np.arange(0.0, 0.2, 1e-4)
    current, voltage, limited = bench.board.draw(0, moments)
    assert limited
    assert voltage[0] < 0.1
    assert (np.diff(voltage) >= 0).all()
    assert abs(voltage[moments > source.SETTLING_TIME + 0.02] - 19).max() < 0.25
    assert current[moments < 0.009] == pytest.approx(2, abs=0.015)
    assert current[-1] == pytest.approx(IDLE_POWER / 19, rel=0.01)
    charge = float((current - IDLE_POWER / 19).sum()) * 1e-4
    assert charge == pytest.approx(source.INPUT_CAPACITANCE * 19, rel=0.05)
    bench.clock.advance(300 * MS)
    assert supply(b"STAT:QUES?;QUES?") == b"+3;+2\n"
    supply(b"OUTP OFF")
    current, voltage, limited = bench.board.draw(300 * MS, moments)
    assert not limited
    assert current.max() == 0  # the capacitors feed the board
    assert voltage[0] == pytest.approx(19, abs=0.05)
    assert voltage[moments > source.SETTLING_TIME].max() < 0.2


def test_the_crowbar_is_immediate(bench, supply):
    supply(b"APPL 19,2;:OUTP ON")
    bench.clock.advance(500 * MS)
    bench.supply.trip()
    _, voltage, _ = bench.board.draw(500 * MS, np.array([-1e-6, 0.0, 1e-6]))
    assert voltage == pytest.approx([19, 0, 0], abs=0.05)
    assert supply(b"VOLT:PROT:TRIP?;:OUTP?;:STAT:QUES?;QUES:COND?") == b"1;1;+515;+0\n"
    supply(b"VOLT:PROT:CLE")
    assert supply(b"VOLT:PROT:TRIP?;:STAT:QUES:COND?") == b"0;+2\n"


def test_in_real_time_programming_and_reading_take_their_time():
    with SimulatedBench() as bench:
        supply = speaker(bench.supply)
        start = time.perf_counter()
        supply(b"VOLT 5")
        assert time.perf_counter() - start >= regulation.PROGRAMMING_TIME
        start = time.perf_counter()
        supply(b"VOLT?;:OUTP?;*IDN?")
        assert time.perf_counter() - start < regulation.PROGRAMMING_TIME
        start = time.perf_counter()
        supply(b"MEAS:VOLT?")
        assert time.perf_counter() - start >= regulation.READING_TIME
