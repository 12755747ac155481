"""The GPIB-LAN adapter: its commands, its escapes, and the traps of its 50 ms."""

import time

import pytest

from powerlab_instruments.simulated import regulation
from powerlab_instruments.simulated.bench import SimulatedBench

IDN = b"Agilent Technologies,E3645A,0,1.7-5.0-1.0\n"


@pytest.fixture
def line(bench, connect):
    return connect(bench.resources.adapter)


def test_the_adapter_answers_for_itself(line):
    assert line.ask(b"++ver\n").startswith(b"Prologix GPIB-ETHERNET")
    assert line.ask(b"++read_tmo_ms\n") == b"50\r\n"
    assert line.ask(b"++addr\r\n") == b"5\r\n"
    assert line.ask(b"++auto 1\n++auto\n") == b"1\r\n"
    assert line.ask(b"++mode\n") == b"1\r\n"
    assert line.ask(b"++read_tmo_ms 3001\n") == b"Unrecognized command\r\n"
    assert line.ask(b"++sing\n") == b"Unrecognized command\r\n"
    assert line.ask(b"++spoll\n") == b"0\r\n"
    assert line.ask(b"++srq\n") == b"0\r\n"


def test_a_query_is_written_and_then_read(line):
    line.send(b"*IDN?\n")
    assert line.silent()  # nothing comes by itself
    assert line.ask(b"++read eoi\n") == IDN
    assert line.ask(b"++auto 1\n*IDN?\n") == IDN


def test_escaped_bytes_reach_the_instrument(line):
    assert line.ask(b"VOLT \x1b+5\x1b\nVOLT?\n++read eoi\n") == b"+5.00000000E+00\n"


def test_an_unescaped_plus_at_the_start_of_data_is_data(bench, line):
    line.send(b"+VOLT 5\n")
    assert line.ask(b"SYST:ERR?\n++read eoi\n") == b'-113,"Undefined header"\n'


def test_without_eoi_and_terminator_a_message_is_unfinished(line):
    line.send(b"++eos 3\n++eoi 0\nVOLT 5;VO\n")
    assert line.ask(b"++eos 2\nLT?\n++read\n") == b"+5.00000000E+00\n"


def test_eot_marks_the_end_of_what_was_read(line):
    line.send(b"++eot_enable 1\n++eot_char 42\n")
    assert line.ask(b"VOLT?\n++read eoi\n") == b"+0.00000000E+00\n"
    assert line.file.read(1) == b"*"


def test_an_address_without_instrument_is_silent(line):
    line.send(b"++addr 6\nVOLT 5\n++read eoi\n++spoll\n++trg\n++clr\n")
    assert line.ask(b"++addr 5\nVOLT?\n++read eoi\n") == b"+0.00000000E+00\n"


def test_a_new_message_discards_an_unread_answer(line):
    assert line.ask(b"VOLT?\nCURR?\n++read eoi\n") == b"+2.20000000E+00\n"
    assert line.ask(b"SYST:ERR?\n++read eoi\n") == b'-410,"Query INTERRUPTED"\n'


def test_a_read_with_nothing_to_say_is_unterminated(line):
    line.send(b"++read eoi\n")
    assert line.ask(b"SYST:ERR?\n++read eoi\n") == b'-420,"Query UNTERMINATED"\n'


def test_group_trigger(line):
    line.send(b"VOLT:TRIG 3;:INIT\n++trg\n")
    assert line.ask(b"VOLT?;:SYST:ERR?\n++read eoi\n") == b'+3.00000000E+00;+0,"No error"\n'


def test_device_clear_forgets_an_answer_and_the_serial_poll_tells(bench, line):
    assert line.ask(b"VOLT 3;*OPC?\n++read eoi\n") == b"1\n"
    line.send(b"CURR?\n")
    while line.ask(b"++spoll\n") != b"16\r\n":  # a serial poll does not wait for the message
        time.sleep(0.001)
    line.send(b"++clr\n")
    assert line.ask(b"++spoll\n") == b"0\r\n"
    assert line.ask(b"VOLT?;:SYST:ERR?\n++read eoi\n") == b'+3.00000000E+00;+0,"No error"\n'


def test_in_real_time_a_reading_is_slower_than_the_adapter_waits(connect, monkeypatch):
    monkeypatch.setattr(regulation, "READING_TIME", 0.3)  # 80 ms would do, but not on a busy machine
    with SimulatedBench() as bench:
        line = connect(bench.resources.adapter)
        start = time.perf_counter()
        line.send(b"MEAS:VOLT?\n++read eoi\n")
        assert line.ask(b"++ver\n").startswith(b"Prologix")  # the read gave nothing
        assert 0.05 <= time.perf_counter() - start < 0.3
        time.sleep(0.3)
        assert line.ask(b"SYST:ERR?\n++read eoi\n").startswith(b"-410")  # the answer had stayed in the supply
        assert float(line.ask(b"++read_tmo_ms 3000\nMEAS:VOLT?\n++read eoi\n")) == pytest.approx(0, abs=0.01)
        assert line.ask(b"SYST:ERR?\n++read eoi\n") == b'+0,"No error"\n'
