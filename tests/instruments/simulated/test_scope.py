"""The simulated MSO-X 2024A against the facts of its programming guide: raw messages in, raw answers out."""

import re
import threading

import numpy as np
import pytest

from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.digitiser import CODES
from tests.instruments.simulated.conftest import speaker

MS = 1_000_000
SECOND = 1000 * MS
CURRENT_CHANNEL = b":CHAN1:UNIT AMP;PROB 10;SCAL 0.15;OFFS 0.45;:DIG0:DISP 1"
ON_MARKER = b":TIM:RANG 2;REF LEFT;:TRIG:SOUR DIG0;SLOP POS;:TRIG:SWE NORM"


def block(answer: bytes) -> np.ndarray:
    assert answer[:2] == b"#8"
    assert answer[-1:] == b"\n"
    assert len(answer) == int(answer[2:10]) + 11
    return np.frombuffer(answer[10:-1], np.uint8)


def ready(bench: SimulatedBench):
    """A board under power, a current channel, a trigger on the marker; stopped."""
    speaker(bench.supply)(b"APPL 19,2;:OUTP ON")
    scope = speaker(bench.scope)
    assert scope(b":STOP;" + CURRENT_CHANNEL + b";" + ON_MARKER + b";:WAV:POIN MAX;POIN:MODE RAW;:SYST:ERR?") == (
        b'+0,"No error"\n'
    )
    return scope


def acquire(bench: SimulatedBench, scope, *, pulses=((0, 200), (300, 500))):
    """One single acquisition, armed now, with pulses (ms) that begin 0.3 s later; returns when the first rose."""
    scope(b":SING")
    start = bench.clock.now() + 300 * MS
    for rise, fall in pulses:
        bench.board.marker.edge(start + rise * MS, high=True)
        bench.board.marker.edge(start + fall * MS, high=False)
    bench.clock.advance(start + 3 * SECOND)
    return start


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"*IDN?", b"AGILENT TECHNOLOGIES,MSO-X 2024A,SIM00000008,02.65.2021102830\n"),
        (b":SYSTem:ERRor?", b'+0,"No error"\n'),
        (b":CHAN1:RANG?;OFFS?;COUP?;IMP?;DISP?;BWL?;INV?;LAB?;UNIT?;PROB?",
         b'+40.0E+00;+0.0E+00;DC;ONEM;1;0;0;"1";VOLT;+10.0E+00\n'),
        (b":CHANnel2:DISPlay?", b"0\n"),
        (b":CHANNEL1:SCALE?", b"+5.00E+00\n"),
        (b":TIM:MODE?;REF?;RANG?;POS?;SCAL?", b"MAIN;CENT;+1.00E-03;+0.0E+00;+100E-06\n"),
        (b":TRIG:MODE?;SWE?;NREJ?;HFR?", b"EDGE;AUTO;0;0\n"),
        (b":TRIG:EDGE:SOUR?;LEV?;SLOP?;REJ?;COUP?", b"CHAN1;+0.0E+00;POS;OFF;DC\n"),
        (b":ACQ:MODE?;TYPE?;COMP?;COUN?", b"RTIM;NORM;+100;+8\n"),
        (b":WAV:UNS?;BYT?;FORM?;SOUR?;POIN:MODE?", b"1;MSBF;BYTE;CHAN1;NORM\n"),
        (b":DIG0:DISP?;THR?;LAB?", b'0;+1.40E+00;"D0"\n'),
        (b":POD1:DISP?;THR?", b"0;+1.40E+00\n"),
        (b":RSTate?", b"RUN\n"),
        (b":SERial?", b"SIM00000008\n"),
    ],
)  # fmt: skip
def test_reset_state(scope, message, answer):
    scope(b":CHAN1:SCAL 1;:CHAN2:DISP 1;:TIM:RANG 3;:TRIG:SOUR DIG0;:WAV:UNS 0;FORM WORD;:POD1:DISP 1;THR TTL;:STOP")
    scope(b"*RST")
    assert scope(message) == answer


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b":DIG8:DISP?", b"-114"),  # eight inputs only
        (b":DIGital15:DISPlay ON", b"-114"),
        (b":POD2:DISP?", b"-114"),
        (b":CHAN5:SCAL?", b"-114"),
        (b":SYSTem:HEADer OFF", b"-113"),  # that is Infiniium
        (b":ACQ:POIN 100000", b"-113"),  # rate and depth cannot be set
        (b":ACQ:SRAT 50000", b"-113"),
        (b":CHAN1:PROB:EXT ON", b"-113"),  # other series
        (b":CHAN1:IMP FIFT", b"-224"),
        (b":CHAN1:COUP GND", b"-224"),
        (b":TRIG:SWE SINGLE", b"-224"),
        (b":TRIG:SOUR DIG9", b"-224"),
        (b":CHAN1:SCAL 100", b"-222"),
        (b":CHAN1:RANG 0.01", b"-222"),
        (b":TRIG:HOLD 1E-9", b"-222"),
        (b":TRIG:LEV 31", b"-222"),  # 0.75 of 40 V
        (b":WAV:POIN 99", b"-222"),
        (b":WAV:POIN 62501", b"-222"),
        (b":ACQ:COMP 50", b"-222"),
        (b":TRIG:SOUR DIG0;LEV 1", b"-221"),
        (b":TIM:MODE ROLL;:DIG", b"-221"),
        (b":TIM:MODE XY;:SING", b"-221"),
    ],
)  # fmt: skip
def test_what_the_instrument_refuses(scope, message, error):
    assert scope(message) == b""
    assert scope(b":SYST:ERR?").startswith(error)


def test_the_probe_ratio_multiplies_range_offset_and_trigger_level(scope):
    scope(b":CHAN1:PROB 1;SCAL 0.01;OFFS 0.02;:TRIG:LEV 0.01")
    scope(b":CHAN1:PROB 10")
    assert scope(b":CHAN1:SCAL?;OFFS?;RANG?;:TRIG:LEV?") == b"+100E-03;+200E-03;+800E-03;+100E-03\n"


def test_an_offset_out_of_reach_is_moved_without_an_error(scope):
    assert scope(b":CHAN1:PROB 1;SCAL 0.01;OFFS 5;OFFS?;:SYST:ERR?") == b'+2.00E+00;+0,"No error"\n'


def test_threshold_words_and_the_pod(scope):
    assert scope(b":POD1:THR ECL;DISP ON;:DIG3:THR?;DISP?;:DIG3:THR 2V;:DIG3:THR?;:DIG2:THR?") == (
        b"-1.30E+00;1;+2.00E+00;-1.30E+00\n"
    )


@pytest.mark.parametrize(
    ("memory", "settings", "rate"),
    [
        (1_000_000, b":TIM:RANG 2", 500e3),
        (1_000_000, b":TIM:RANG 2;:CHAN2:DISP 1", 250e3),
        (1_000_000, b":TIM:RANG 2;:CHAN3:DISP 1", 500e3),  # the other pair
        (1_000_000, b":TIM:RANG 2;:RUN", 250e3),  # free run shares the memory
        (1_000_000, b":TIM:RANG 1E-4", 2e9),
        (1_000_000, b":TIM:RANG 1E-4;:CHAN2:DISP 1", 1e9),
        (100_000, b":TIM:RANG 2", 50e3),
        (100_000, b":TIM:SCAL 0.2;:CHAN2:DISP 1", 25e3),
    ],
)
def test_sample_rate_follows_from_time_base_memory_and_channels(memory, settings, rate):
    with SimulatedBench(virtual=True, memory=memory) as bench:
        scope = speaker(bench.scope)
        scope(b":STOP;" + settings)
        assert float(scope(b":ACQ:SRAT?")) == rate
        span = float(scope(b":TIM:RANG?"))
        assert float(scope(b":ACQ:POIN?")) == rate * span


def test_an_acquisition_fills_waits_triggers_and_ends(bench):
    scope = ready(bench)
    state = lambda: scope(b":OPER:COND?;:RST?;:AER?;:TER?")  # noqa: E731 - asked six times
    scope(b"*CLS;:SING")
    assert state() == b"+8;SING;+0;+0\n"  # the part before the trigger fills
    bench.board.marker.edge(100 * MS, high=True)
    bench.board.marker.edge(110 * MS, high=False)
    bench.clock.advance(190 * MS)
    assert state() == b"+8;SING;+0;+0\n"  # an edge too early is none
    bench.clock.advance(210 * MS)
    assert state() == b"+40;SING;+1;+0\n"
    bench.clock.advance(60 * SECOND)
    assert state() == b"+40;SING;+0;+0\n"  # NORMal sweep waits as long as it takes
    bench.board.marker.edge(60 * SECOND, high=True)
    bench.clock.advance(60 * SECOND + MS)
    assert state() == b"+8;SING;+0;+1\n"
    bench.clock.advance(62 * SECOND)
    assert state() == b"+0;STOP;+0;+0\n"
    assert scope(b":OPER?;:OPER:EVEN?") == b"+40;+0\n"  # latched at the start: no sign of the end


def test_the_slope_chooses_the_edge(bench):
    scope = ready(bench)
    scope(b":TRIG:SLOP NEG")
    start = acquire(bench, scope)
    scope(b":RST?")
    assert bench.scope.finished.trigger == start + 200 * MS


def test_a_threshold_outside_the_logic_levels_never_triggers(bench):
    scope = ready(bench)
    scope(b":DIG0:THR 4")
    acquire(bench, scope)
    assert scope(b":OPER:COND?") == b"+40\n"


def test_force_and_auto_trigger_without_an_edge(bench):
    scope = ready(bench)
    scope(b":SING;:TRIG:FORC")
    bench.clock.advance(3 * SECOND)
    assert scope(b":RST?") == b"STOP\n"
    assert bench.scope.finished.trigger == pytest.approx(200 * MS, rel=1e-4)  # when the pre-trigger part was full
    scope(b":TRIG:SWE AUTO;:SING")
    bench.clock.advance(6 * SECOND)
    assert scope(b":RST?;:TER?") == b"STOP;+1\n"


def test_a_stop_before_the_end_leaves_nothing(bench):
    scope = ready(bench)
    acquire(bench, scope)
    assert scope(b":WAV:POIN?") == b"+1000000\n"
    assert scope(b":SING;:WAV:DATA?") == b""
    assert scope(b":STOP;:WAV:PRE?") == b""
    assert (
        scope(b":SYST:ERR?;ERR?;ERR?") == b'+109,"No Data For Operation";+109,"No Data For Operation";+0,"No error"\n'
    )


def test_the_current_shows_at_the_codes_the_chain_of_errors_gives(bench):
    scope = ready(bench)
    start = acquire(bench, scope)
    codes = block(scope(b":WAV:SOUR CHAN1;DATA?")).astype(float)
    fields = scope(b":WAV:PRE?").decode().split(",")
    step, first, y_step, y_origin, y_reference = (float(fields[i]) for i in (4, 5, 7, 8, 9))
    assert (step, y_step, y_origin, y_reference) == pytest.approx((2e-6, 1.2 / CODES, 0.45, 128))
    assert first == pytest.approx(-0.2 - 65e-9, abs=3e-9)
    measured = (codes - y_reference) * y_step + y_origin
    front = bench.digitiser
    seconds = (first + np.arange(len(codes)) * step) / (1 + front.time_error)
    current, _, _ = bench.board.draw(start - 1592, seconds)
    probe = bench.probe.output(current, (0.5, 2.5)) * 10
    offset = 10 * front.offsets[0] * (0.1 * 0.015 + 0.002 + 0.01 * 0.045)
    expected = (probe - 0.45) * (1 + front.gains[0]) + 0.45 + offset
    assert np.abs(measured - expected).max() < 0.07  # noise: 10 mA rms
    assert (measured - expected).mean() == pytest.approx(0, abs=1e-4)
    assert (measured - expected).std() == pytest.approx(np.hypot(0.010, y_step / 12**0.5), rel=0.03)


def test_the_marker_is_recorded_on_the_same_samples(bench):
    scope = ready(bench)
    acquire(bench, scope, pulses=((0, 200), (300, 500.0)))
    pod = block(scope(b":WAV:SOUR POD1;DATA?"))
    assert set(np.unique(pod)) == {0, 1}
    step, first = float(scope(b":WAV:XINC?")), float(scope(b":WAV:XOR?"))
    edges = np.flatnonzero(np.diff(pod.astype(int))) + 1
    times = first + edges * step
    scope_time = np.array([0, 0.2, 0.3, 0.5]) * (1 + bench.digitiser.time_error)
    assert np.all((times - scope_time >= -1e-9) & (times - scope_time < step))
    assert len(pod) == len(block(scope(b":WAV:SOUR CHAN1;DATA?")))


def test_undisplayed_inputs_and_channels_are_not_recorded(bench):
    scope = ready(bench)
    scope(b":DIG0:DISP 0;:DIG1:DISP 1")
    acquire(bench, scope)
    assert not block(scope(b":WAV:SOUR POD1;DATA?")).any()
    assert scope(b":WAV:SOUR CHAN2;DATA?") == b""
    assert scope(b":SYST:ERR?").startswith(b"+109")
    scope(b":DIG1:DISP 0")
    acquire(bench, scope)
    assert scope(b":WAV:SOUR POD1;DATA?") == b""


def test_what_the_screen_does_not_hold_is_clipped(bench):
    scope = ready(bench)
    scope(b":CHAN1:SCAL 0.1;OFFS 0")  # -0.4 to 0.4 A; the board draws 0.7 A
    acquire(bench, scope)
    codes = block(scope(b":WAV:DATA?"))
    assert codes.max() == 255
    assert (codes == 255).mean() == pytest.approx(0.2, abs=0.01)
    scope(b":CHAN1:OFFS 1.4")
    acquire(bench, scope)
    codes = block(scope(b":WAV:DATA?"))
    assert codes.min() == 1  # 0 is a hole
    assert scope(b":WAV:UNS 0;PRE?").endswith(b",+0\n")
    assert block(scope(b":WAV:DATA?")).view(np.int8).min() == -127


def test_formats_hold_the_same_values(bench):
    scope = ready(bench)
    acquire(bench, scope)
    scope(b":WAV:POIN 1000")
    byte = block(scope(b":WAV:DATA?"))
    assert len(byte) == 1000
    scope(b":WAV:FORM WORD")
    assert np.array_equal(block(scope(b":WAV:DATA?")).view(">u2"), byte.astype(int) << 8)
    scope(b":WAV:BYT LSBF")
    assert np.array_equal(block(scope(b":WAV:DATA?")).view("<u2"), byte.astype(int) << 8)
    assert scope(b":WAV:PRE?").startswith(b"+1,+0,+1000,+1,+2.00000000E-003,")
    assert scope(b":WAV:YREF?") == b"+32768\n"
    word_step = float(scope(b":WAV:YINC?"))
    scope(b":WAV:UNS OFF")
    assert np.array_equal(block(scope(b":WAV:DATA?")).view("<i2"), (byte.astype(int) - 128) << 8)
    scope(b":WAV:FORM ASC;UNS ON")
    values = [float(text) for text in bytes(block(scope(b":WAV:DATA?"))).split(b",")]
    assert values == pytest.approx((byte.astype(float) - 128) * word_step * 256 + 0.45, abs=1e-5)
    assert scope(b":WAV:PRE?").startswith(b"+4,")


def test_preamble_numbers_have_three_digits_of_exponent(bench):
    scope = ready(bench)
    acquire(bench, scope)
    assert re.fullmatch(
        rb"\+0,\+0,\+1000000,\+1,\+2\.00000000E-006,-2\.0000006\dE-001,\+0,"
        rb"\+6\.03015075E-003,\+4\.50000000E-001,\+128\n",
        scope(b":WAV:PRE?"),
    )


def test_fewer_raw_points_leave_samples_out(bench):
    scope = ready(bench)
    acquire(bench, scope)
    raw = block(scope(b":WAV:DATA?"))
    scope(b":WAV:POIN 100000")
    assert scope(b":WAV:POIN?") == b"+100000\n"
    assert np.array_equal(block(scope(b":WAV:DATA?")), raw[::10])
    assert scope(b":WAV:XINC?") == b"+2.00000000E-005\n"


def test_raw_reads_back_as_max_and_needs_a_stopped_scope(bench):
    scope = ready(bench)
    assert scope(b":WAV:POIN:MODE?") == b"MAX\n"
    scope(b":TRIG:SWE AUTO;:RUN")
    bench.clock.advance(10 * SECOND)
    assert scope(b":WAV:POIN?") == b"+62500\n"  # the measurement record, without an error
    assert len(block(scope(b":WAV:DATA?"))) == 62_500
    assert scope(b":SYST:ERR?") == b'+0,"No error"\n'
    scope(b":WAV:POIN 100000")
    assert scope(b":SYST:ERR?").startswith(b"-222")
    assert scope(b":STOP;:WAV:POIN?") == b"+500000\n"  # half the memory after free run


def test_the_measurement_record_after_reset_is_a_thousand_points(bench):
    scope = ready(bench)
    scope(b":WAV:POIN 1000;POIN:MODE NORM")
    acquire(bench, scope)
    assert scope(b":WAV:POIN?;XINC?") == b"+1000;+2.00000000E-003\n"
    assert scope(b":WAV:POIN 62500;POIN?;XINC?") == b"+62500;+3.20000000E-005\n"


def test_a_record_keeps_the_settings_it_was_taken_with(bench):
    scope = ready(bench)
    acquire(bench, scope)
    before = scope(b":WAV:PRE?;DATA?")
    scope(b":CHAN1:SCAL 1;OFFS 0;INV 1;:TIM:RANG 4")
    assert scope(b":WAV:PRE?;DATA?") == before


def test_free_run_shows_the_latest_acquisition(bench):
    scope = ready(bench)
    scope(b":RUN")
    for start in (1 * SECOND, 5 * SECOND):
        bench.board.marker.edge(start, high=True)
        bench.board.marker.edge(start + 100 * MS, high=False)
    bench.clock.advance(4 * SECOND)
    assert scope(b":TER?;:RST?;:OPER:COND?") == b"+1;RUN;+40\n"
    assert bench.scope.finished.trigger == 1 * SECOND
    bench.clock.advance(9 * SECOND)
    assert scope(b":TER?;:TER?") == b"+1;+0\n"
    assert bench.scope.finished.trigger == 5 * SECOND


def test_a_level_on_the_current_triggers(bench):
    scope = ready(bench)
    scope(b":TRIG:SOUR CHAN1;LEV 0.4")
    start = acquire(bench, scope, pulses=((0, 50),))
    assert scope(b":RST?") == b"STOP\n"
    assert start < bench.scope.finished.trigger < start + 8 * MS


def test_inversion_and_ac_coupling(bench):
    scope = ready(bench)
    acquire(bench, scope)
    plain = block(scope(b":WAV:DATA?")).astype(float)
    scope(b":CHAN1:INV 1;OFFS -0.45")
    acquire(bench, scope)
    assert np.corrcoef(plain, block(scope(b":WAV:DATA?")))[0, 1] < -0.9
    scope(b":CHAN1:INV 0;COUP AC;OFFS 0")
    acquire(bench, scope)
    assert block(scope(b":WAV:DATA?")).mean() == pytest.approx(128, abs=8)


def test_digitize_blocks_until_the_record_is_complete(bench, wire):
    scope = ready(bench)
    answers: list[bytes] = []
    blocked = threading.Thread(target=lambda: answers.append(scope(b":DIG;:RST?")))
    blocked.start()
    wire.high(300 * MS)
    wire.low(400 * MS)
    wire.advance(2 * SECOND)
    blocked.join(0.05)
    assert blocked.is_alive()
    wire.advance(3 * SECOND)
    blocked.join(5)
    assert answers == [b"STOP\n"]


def test_a_connection_that_ends_frees_a_digitize_without_trigger(bench, connect):
    first, second = connect(bench.resources.scope), connect(bench.resources.scope)
    first.send(b":STOP;:TRIG:SWE NORM;SOUR DIG0;*ESR?\n")
    assert first.file.readline().strip()
    first.send(b":DIG;*OPC?\n")
    assert first.silent()
    second.send(b":RST?\n")
    assert second.silent()  # the interface is blocked for everybody
    first.close()
    assert second.file.readline() == b"STOP\n"


def test_an_unknown_query_is_silent_on_the_socket(bench, connect):
    line = connect(bench.resources.scope)
    line.send(b":SYSTem:HEADer?\n")
    assert line.silent()
    assert line.ask(b":SYST:ERR?\r\n") == b'-113,"Undefined header"\n'


def test_the_error_queue_holds_thirty(scope):
    for _ in range(31):
        scope(b":BAD")
    answers = [scope(b":SYST:ERR?") for _ in range(31)]
    assert answers[28:] == [b'-113,"Undefined header"\n', b'+350,"Queue overflow"\n', b'+0,"No error"\n']


def test_two_benches_of_one_seed_record_the_same(bench):
    scope = ready(bench)
    acquire(bench, scope)
    data = scope(b":WAV:DATA?")
    for seed, same in [(7, True), (8, False)]:
        with SimulatedBench(seed=seed, virtual=True) as other:
            again = ready(other)
            acquire(other, again)
            assert (again(b":WAV:DATA?") == data) == same
