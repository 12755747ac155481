"""The simulated E3645A against the facts of its guides: raw messages in, raw answers out."""

import pytest

from powerlab_instruments.simulated.bench import SimulatedBench
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
    assert supply(b"STAT:QUES?;:SYST:ERR?") == b'+2;-113,"Undefined header"\n'


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
    assert supply(b"STAT:QUES?") == b"+2\n"
    bench.board.marker.edge(100 * MS, high=True)
    bench.board.marker.edge(300 * MS, high=False)
    bench.clock.advance(200 * MS)
    assert supply(b"STAT:QUES:COND?") == b"+1\n"
    assert float(supply(b"MEAS:CURR?")) == pytest.approx(0.5, abs=0.02)
    assert float(supply(b"MEAS:VOLT?")) < 16
    bench.clock.advance(600 * MS)
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
