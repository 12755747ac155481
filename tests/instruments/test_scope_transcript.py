"""The scope driver's commands, against transcripts typed from the 2000 X-Series Programmer's Guide.

Only such a transcript catches a wrong command that the simulator, by the same mistake, would accept.
"""

import numpy as np
import pytest

from powerlab_instruments.errors import AcquisitionError, DeviceError, OutOfRange, WrongInstrument
from powerlab_instruments.scope import MSOX2024A

IDN = ("*IDN?", "AGILENT TECHNOLOGIES,MSO-X 2024A,MY61410204,02.65.2021102830")
NO_ERROR = (":SYSTem:ERRor?", '+0,"No error"')


def test_another_instrument_is_asked_nothing_more(transcript) -> None:
    line = transcript([("*IDN?", "RIGOL TECHNOLOGIES,DS1054Z,DS1,00.04")])
    with pytest.raises(WrongInstrument, match="nothing was set"):
        MSOX2024A(line)


def test_the_error_queue_is_read_to_its_end(transcript) -> None:
    line = transcript(
        [
            IDN,
            (":SYSTem:ERRor?", '-113,"Undefined header"'),
            (":SYSTem:ERRor?", '-222,"Data out of range"'),
            NO_ERROR,
        ]
    )
    with pytest.raises(DeviceError, match=r"refused a test: -113.*; -222"):
        MSOX2024A(line).check("a test")


def test_a_probe_channel_gets_ratio_and_unit_before_scale(transcript) -> None:
    line = transcript(
        [
            IDN,
            (":CHANnel1:DISPlay 1", None),
            (":CHANnel1:COUPling DC", None),
            (":CHANnel1:INVert 0", None),
            (":CHANnel1:BWLimit 1", None),
            (":CHANnel1:UNITs AMP", None),
            (":CHANnel1:PROBe 10", None),
            (":CHANnel1:SCALe 0.1", None),
            (":CHANnel1:OFFSet 0.4", None),
            (":CHANnel1:SCALe?", "+100.0E-03"),
            (":CHANnel1:OFFSet?", "+400.000E-03"),
        ]
    )
    MSOX2024A(line).channel(1).set_up(ratio=10, units="AMP", full_scale=0.8, centre=0.4)


def test_a_clamped_offset_is_noticed(transcript) -> None:
    line = transcript(
        [
            IDN,
            (":CHANnel1:DISPlay 1", None),
            (":CHANnel1:COUPling DC", None),
            (":CHANnel1:INVert 0", None),
            (":CHANnel1:BWLimit 1", None),
            (":CHANnel1:UNITs AMP", None),
            (":CHANnel1:PROBe 10", None),
            (":CHANnel1:SCALe 0.1", None),
            (":CHANnel1:OFFSet 90", None),
            (":CHANnel1:SCALe?", "+100.0E-03"),
            (":CHANnel1:OFFSet?", "+20.0E+00"),
        ]
    )
    with pytest.raises(DeviceError, match="offset 90 was asked for and the scope took 20"):
        MSOX2024A(line).channel(1).set_up(ratio=10, units="AMP", full_scale=0.8, centre=90)


def test_a_single_acquisition_is_armed_waited_for_and_read_raw(transcript, clock) -> None:
    preamble = "+0,+0,+4,+1,+2.00000000E-006,-2.00000065E-001,+0,+4.02010000E-003,+4.00000000E-001,+128"
    line = transcript(
        [
            IDN,
            (":TIMebase:RANGe 2", None),
            NO_ERROR,
            (":AER?", "+1"),  # clears what was latched before
            (":SINGle", None),
            (":AER?", "+0"),
            (":OPERegister:CONDition?", "+8"),
            (":AER?", "+1"),
            (":OPERegister:CONDition?", "+40"),  # running and waiting for the trigger
            (":OPERegister:CONDition?", "+8"),
            (":OPERegister:CONDition?", "+0"),
            (":OPERegister:CONDition?", "+0"),
            (":WAVeform:SOURce CHAN1", None),
            (":WAVeform:FORMat BYTE", None),
            (":WAVeform:UNSigned 1", None),
            (":WAVeform:BYTeorder LSBFirst", None),
            (":WAVeform:POINts MAX", None),
            (":WAVeform:POINts:MODE RAW", None),
            NO_ERROR,
            (":WAVeform:PREamble?", "+0"),  # now and then, right after an acquisition
            (":WAVeform:PREamble?", preamble),
            (":WAVeform:DATA?", bytes([0x0A, 128, 129, 255])),
            NO_ERROR,
        ]
    )
    scope = MSOX2024A(line)
    scope.arm(2.0, clock)
    assert clock.now() >= 0.2e9  # the part before the trigger has been filled
    scope.wait(5, clock)
    wave = scope.fetch("CHAN1", "A")
    np.testing.assert_array_equal(wave.codes, [10, 128, 129, 255])
    assert wave.preamble.points == 4


def test_a_running_scope_is_not_read(transcript) -> None:
    line = transcript([IDN, (":OPERegister:CONDition?", "+8")])
    with pytest.raises(AcquisitionError, match="is running"):
        MSOX2024A(line).fetch("CHAN1")


def test_no_trigger_stops_the_scope_and_names_the_marker(transcript, clock) -> None:
    polls = [(":OPERegister:CONDition?", "+40")] * 7
    line = transcript([IDN, *polls, (":STOP", None)])
    with pytest.raises(AcquisitionError, match="no trigger came"):
        MSOX2024A(line).wait(0.1, clock)


def test_a_short_block_is_no_record(transcript) -> None:
    preamble = "+0,+0,+4,+1,+2.0E-006,-2.0E-001,+0,+4.0E-003,+4.0E-001,+128"
    line = transcript(
        [
            IDN,
            (":OPERegister:CONDition?", "+0"),
            (":WAVeform:SOURce POD1", None),
            (":WAVeform:FORMat BYTE", None),
            (":WAVeform:UNSigned 1", None),
            (":WAVeform:BYTeorder LSBFirst", None),
            (":WAVeform:POINts MAX", None),
            (":WAVeform:POINts:MODE RAW", None),
            NO_ERROR,
            (":WAVeform:PREamble?", preamble),
            (":WAVeform:DATA?", b"\x00\x01"),
        ]
    )
    with pytest.raises(AcquisitionError, match="2 samples of POD1 where its preamble says 4"):
        MSOX2024A(line).fetch("POD1")


def test_a_screenshot_keeps_its_colours(transcript) -> None:
    line = transcript([IDN, (":HARDcopy:INKSaver 0", None), (":DISPlay:DATA? PNG,COLor", b"\x89PNG\n"), NO_ERROR])
    assert MSOX2024A(line).screenshot() == b"\x89PNG\n"


def test_limits_are_checked_before_anything_is_sent(transcript) -> None:
    scope = MSOX2024A(transcript([IDN]))
    with pytest.raises(OutOfRange, match="time_range = 501 s"):
        scope.time_range = 501
    with pytest.raises(OutOfRange, match="give one of AUTO, NORM"):
        scope.trigger_sweep = "SINGLE"
    with pytest.raises(OutOfRange, match="give 1 to 4"):
        scope.channel(5)
    with pytest.raises(OutOfRange, match="give one of"):
        scope.trigger_source = "DIG8"  # this scope has one pod; asking for D8 hangs it


def test_small_scales_have_a_larger_gain_error(transcript) -> None:
    replies = [(":CHANnel1:SCALe?", "+10.0E-03"), (":CHANnel1:PROBe?", "+10.0E+00"), (":CHANnel1:SCALe?", "+10.0E-03")]
    assert MSOX2024A(transcript([IDN, *replies])).channel(1).gain_limit() == pytest.approx(0.04 * 0.08)
    replies = [(":CHANnel1:SCALe?", "+100.0E-03"), (":CHANnel1:PROBe?", "+10E+00"), (":CHANnel1:SCALe?", "+100.0E-03")]
    assert MSOX2024A(transcript([IDN, *replies])).channel(1).gain_limit() == pytest.approx(0.03 * 0.8)
