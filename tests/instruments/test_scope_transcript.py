"""The scope driver's commands, against transcripts typed from the 2000 X-Series Programmer's Guide.

Only such a transcript catches a wrong command that the simulator, by the same mistake, would accept.
"""

import numpy as np
import pytest

from powerlab_instruments.errors import AcquisitionError, DeviceError, OutOfRange, WrongInstrument
from powerlab_instruments.scope import MODELS, InfiniiVision
from powerlab_instruments.timebase import TimeBase

IDN = ("*IDN?", "AGILENT TECHNOLOGIES,MSO-X 2024A,MY61410204,02.65.2021102830")
NO_ERROR = (":SYSTem:ERRor?", '+0,"No error"')


def test_another_instrument_is_asked_nothing_more(transcript) -> None:
    line = transcript([("*IDN?", "RIGOL TECHNOLOGIES,DS1054Z,DS1,00.04")])
    with pytest.raises(WrongInstrument, match="nothing was set"):
        InfiniiVision(line)


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
        InfiniiVision(line).check("a test")


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
    InfiniiVision(line).channel(1).set_up(ratio=10, units="AMP", full_scale=0.8, centre=0.4)


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
        InfiniiVision(line).channel(1).set_up(ratio=10, units="AMP", full_scale=0.8, centre=90)


def test_a_single_acquisition_is_armed_waited_for_and_read_raw(transcript, clock) -> None:
    preamble = "+0,+0,+4,+1,+2.00000000E-006,-2.00000065E-001,+0,+4.02010000E-003,+4.00000000E-001,+128"
    line = transcript(
        [
            IDN,
            (":ACQuire:MODE RTIM", None),
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
    scope = InfiniiVision(line)
    scope.arm(2.0, clock)
    assert clock.now() >= 0.2e9  # the part before the trigger has been filled
    scope.wait(5, clock)
    wave = scope.fetch("CHAN1", "A")
    np.testing.assert_array_equal(wave.codes, [10, 128, 129, 255])
    assert wave.preamble.points == 4


def test_a_running_scope_is_not_read(transcript) -> None:
    line = transcript([IDN, (":OPERegister:CONDition?", "+8")])
    with pytest.raises(AcquisitionError, match="is running"):
        InfiniiVision(line).fetch("CHAN1")


def test_no_trigger_stops_the_scope_and_names_the_marker(transcript, clock) -> None:
    polls = [(":OPERegister:CONDition?", "+40")] * 7
    line = transcript([IDN, *polls, (":STOP", None)])
    with pytest.raises(AcquisitionError, match="no trigger came"):
        InfiniiVision(line).wait(0.1, clock)


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
        InfiniiVision(line).fetch("POD1")


def test_a_screenshot_keeps_its_colours(transcript) -> None:
    line = transcript([IDN, (":HARDcopy:INKSaver 0", None), (":DISPlay:DATA? PNG,COLor", b"\x89PNG\n"), NO_ERROR])
    assert InfiniiVision(line).screenshot() == b"\x89PNG\n"


def test_limits_are_checked_before_anything_is_sent(transcript) -> None:
    scope = InfiniiVision(transcript([IDN]))
    with pytest.raises(OutOfRange, match="time_range = 501 s"):
        scope.time_range = 501
    with pytest.raises(OutOfRange, match="give one of AUTO, NORM"):
        scope.trigger_sweep = "SINGLE"
    with pytest.raises(OutOfRange, match="channel 5 on TRANSCRIPT: the MSO-X 2024A has 1 to 4"):
        scope.channel(5)
    with pytest.raises(OutOfRange, match="give one of"):
        scope.trigger_source = "DIG8"  # this scope has one pod; asking for D8 hangs it


def test_small_scales_have_a_larger_gain_error(transcript) -> None:
    replies = [(":CHANnel1:SCALe?", "+10.0E-03"), (":CHANnel1:PROBe?", "+10.0E+00"), (":CHANnel1:SCALe?", "+10.0E-03")]
    assert InfiniiVision(transcript([IDN, *replies])).channel(1).gain_limit() == pytest.approx(0.04 * 0.08)
    replies = [(":CHANnel1:SCALe?", "+100.0E-03"), (":CHANnel1:PROBe?", "+10E+00"), (":CHANnel1:SCALe?", "+100.0E-03")]
    assert InfiniiVision(transcript([IDN, *replies])).channel(1).gain_limit() == pytest.approx(0.03 * 0.8)


# The siblings. What a model has follows from its name; DSO have no digital inputs, a 3000 MSO has 16.


def idn(model: str) -> tuple[str, str]:
    return ("*IDN?", f"AGILENT TECHNOLOGIES,{model},MY57233636,02.50.2019022736")


@pytest.mark.parametrize(
    ("model", "analog", "digital"),
    [
        ("DSO-X 2002A", 2, 0),
        ("MSO-X 2014A", 4, 8),
        ("MSO-X 2022A", 2, 8),
        ("DSO-X 3104A", 4, 0),
        ("MSO-X 3012A", 2, 16),
        ("MSO-X 3054T", 4, 16),
    ],
)
def test_inputs_follow_from_the_model(transcript, model: str, analog: int, digital: int) -> None:
    scope = InfiniiVision(transcript([idn(model)]))
    assert (scope.inputs.analog, scope.inputs.digital) == (analog, digital)
    assert scope.trigger_sources == (
        *(f"CHAN{n}" for n in range(1, analog + 1)), "EXT", *(f"DIG{d}" for d in range(digital))
    )  # fmt: skip
    assert scope.record_sources[analog:] == tuple(f"POD{n + 1}" for n in range(digital // 8))


def test_what_a_model_lacks_is_refused_before_anything_is_sent(transcript) -> None:
    scope = InfiniiVision(transcript([idn("DSO-X 2002A")]))
    with pytest.raises(OutOfRange, match="channel 3 on TRANSCRIPT: the DSO-X 2002A has 1 to 2"):
        scope.channel(3)
    with pytest.raises(OutOfRange, match="pod 1 .D0 to D7. on TRANSCRIPT: the DSO-X 2002A has no digital inputs"):
        scope.pod(1)
    with pytest.raises(OutOfRange, match="channel 3"):
        scope.prepare((1, 3), digital_threshold=None)
    with pytest.raises(OutOfRange, match="no digital inputs"):
        scope.prepare((1,), digital_threshold=1.4)
    with pytest.raises(OutOfRange, match="trigger_source = 'DIG0'.*give one of CHAN1, CHAN2, EXT$"):
        scope.trigger_on("DIG0")
    for source in ("CHAN3", "POD1", "MATH"):
        with pytest.raises(OutOfRange, match=f"a record of {source}.*has CHAN1, CHAN2$"):
            scope.fetch(source)
    with pytest.raises(OutOfRange, match="impedance"):
        scope.channel(1).impedance = "FIFT"  # 1 Mohm inputs only
    with pytest.raises(OutOfRange, match="pod 2 .D8 to D15. .* has D0 to D7"):
        InfiniiVision(transcript([IDN])).pod(2)


def test_a_dso_is_prepared_without_its_pods(transcript) -> None:
    line = transcript(
        [
            idn("DSO-X 2022A"),
            (":STOP", None),
            (":CHANnel1:DISPlay 0", None),
            (":CHANnel2:DISPlay 1", None),
            (":TIMebase:MODE MAIN", None),
            (":TIMebase:REFerence LEFT", None),
            (":TIMebase:POSition 0", None),
            (":ACQuire:TYPE NORM", None),
            (":TRIGger:MODE EDGE", None),
            (":TRIGger:SWEep NORM", None),
            NO_ERROR,
        ]
    )
    InfiniiVision(line).prepare((2,), digital_threshold=None)


def test_a_fifty_ohm_input_is_set_to_one_megohm_for_the_probe(transcript) -> None:
    line = transcript(
        [
            idn("MSO-X 3034A"),
            (":CHANnel4:DISPlay 1", None),
            (":CHANnel4:COUPling DC", None),
            (":CHANnel4:IMPedance ONEM", None),  # [IVI]
            (":CHANnel4:INVert 0", None),
            (":CHANnel4:BWLimit 1", None),
            (":CHANnel4:UNITs AMP", None),
            (":CHANnel4:PROBe 10", None),
            (":CHANnel4:SCALe 0.1", None),
            (":CHANnel4:OFFSet 0.4", None),
            (":CHANnel4:SCALe?", "+100.0E-03"),
            (":CHANnel4:OFFSet?", "+400.000E-03"),
        ]
    )
    InfiniiVision(line).channel(4).set_up(ratio=10, units="AMP", full_scale=0.8, centre=0.4)


def test_every_sibling_is_known_by_its_name() -> None:
    assert len(MODELS) == 2 * (6 + 9 + 9)
    for model, inputs in MODELS.items():
        assert inputs.analog == int(model[-2])
        assert bool(inputs.digital) == model.startswith("MSO")


# Settings beyond a capture.


def test_a_trigger_level_is_that_of_its_channel(transcript) -> None:
    # :TRIGger[:EDGE]:LEVel <v>[,<source>] and ? [<source>]; a digital source has none [AMO p.679]. At most 0.75 of
    # full scale from mid-screen [CETAL]: 0.4 A +- 0.6 A.
    limits = [
        (":CHANnel1:OFFSet?", "+400.000E-03"), (":CHANnel1:SCALe?", "+100.0E-03"),
    ] * 2  # fmt: skip
    line = transcript(
        [
            IDN,
            *limits,
            (":TRIGger:EDGE:LEVel 0.65,CHANnel1", None),
            (":TRIGger:EDGE:LEVel? CHANnel1", "+650.0E-03"),
            *limits,
        ]
    )
    channel = InfiniiVision(line).channel(1)
    channel.trigger_level = 0.65
    assert channel.trigger_level == 0.65
    with pytest.raises(OutOfRange, match="trigger_level = 1.01 .*give -0.2 to 1"):
        channel.trigger_level = 1.01


def test_settings_of_trigger_and_acquisition(transcript) -> None:
    line = transcript(
        [
            IDN,
            (":TRIGger:HOLDoff 4e-08", None),  # 40 ns to 10 s [AMO]
            (":TRIGger:HOLDoff?", "+40.0E-09"),
            (":TRIGger:EDGE:COUPling LFR", None),
            (":TRIGger:NREJect 1", None),
            (":TRIGger:HFReject 1", None),  # [AMO], [SCTL]
            (":ACQuire:TYPE AVER", None),
            (":ACQuire:COUNt 65536", None),  # 2 to 65536 [UUT]
            (':CHANnel2:LABel "Jetson 5V"', None),
            (":CHANnel2:LABel?", '"Jetson 5V"'),  # quoted, up to 10 characters [AMO], [PYM]
            (":CHANnel2:VERNier 1", None),  # [CETAL]
        ]
    )
    scope = InfiniiVision(line)
    scope.trigger_holdoff = 40e-9
    assert scope.trigger_holdoff == 40e-9
    scope.trigger_coupling = "LFR"
    scope.noise_reject = scope.high_frequency_reject = True
    scope.acquire_type = "AVER"
    scope.average_count = 65536
    scope.channel(2).label = "Jetson 5V"
    assert scope.channel(2).label == "Jetson 5V"
    scope.channel(2).vernier = True
    for text in ("eleven char", 'a"b', "\u00b5V", "a\nb"):
        with pytest.raises(OutOfRange, match="label"):
            scope.channel(2).label = text
    with pytest.raises(OutOfRange, match="average_count = 1 "):
        scope.average_count = 1
    with pytest.raises(OutOfRange, match="trigger_holdoff"):
        scope.trigger_holdoff = 39e-9


# The time base: rate and depth cannot be set [UUT]; a Single has all the memory, a running scope half [UG3-270].


def test_the_time_base_is_asked_of_an_armed_scope(transcript) -> None:
    line = transcript(
        [
            IDN,
            (":ACQuire:MODE RTIM", None),
            (":TIMebase:RANGe 3", None),
            (":SINGle", None),
            (":ACQuire:SRATe?", "+333.333E+03"),  # 1 Mpt over 3 s
            (":TIMebase:RANGe 3.33333", None),
            (":SINGle", None),
            (":ACQuire:SRATe?", "+300.000E+03"),
            (":STOP", None),
            (":TIMebase:RANGe 3.33333", None),
            NO_ERROR,
        ]
    )
    found = InfiniiVision(line).time_base(3, 50e3)
    assert found == TimeBase(pytest.approx(3.33333), 300e3, 6, whole=True)
    assert found.points == 999_999


def test_a_scope_without_a_whole_multiple_keeps_the_duration(transcript) -> None:
    # 1 Mpt over 450 s is 2222 Sa/s; once 1.5 kSa/s would take 667 s, and 500 s is the longest there is.
    line = transcript(
        [
            IDN,
            (":ACQuire:MODE RTIM", None),
            (":TIMebase:RANGe 450", None),
            (":SINGle", None),
            (":ACQuire:SRATe?", "+2.22222E+03"),
            (":STOP", None),
            (":TIMebase:RANGe 450", None),
            NO_ERROR,
        ]
    )
    assert InfiniiVision(line).time_base(450, 1.5e3) == TimeBase(450, 2222.22, 1, whole=False)


# Segments: :ACQuire:MODE SEGM, :ACQuire:SEGMented:COUNt, INDex; :WAVeform:SEGMented:COUNt?, TTAG? [CETAL], [IVI].


def test_segments_are_armed_and_read_one_by_one(transcript, clock) -> None:
    preamble = "+0,+0,+2,+1,+2.00000000E-006,-2.00000065E-001,+0,+4.02010000E-003,+4.00000000E-001,+128"
    line = transcript(
        [
            IDN,
            (":ACQuire:MODE SEGM", None),
            NO_ERROR,
            (":ACQuire:SEGMented:COUNt 2", None),
            NO_ERROR,
            (":TIMebase:RANGe 0.1", None),
            NO_ERROR,
            (":AER?", "+0"),
            (":SINGle", None),
            (":AER?", "+1"),
            (":OPERegister:CONDition?", "+0"),
            (":OPERegister:CONDition?", "+0"),
            (":WAVeform:SOURce CHAN1", None),
            (":WAVeform:FORMat BYTE", None),
            (":WAVeform:UNSigned 1", None),
            (":WAVeform:BYTeorder LSBFirst", None),
            (":WAVeform:POINts MAX", None),
            (":WAVeform:POINts:MODE RAW", None),
            NO_ERROR,
            (":WAVeform:SEGMented:COUNt?", "+2"),
            (":ACQuire:SEGMented:INDex 1", None),
            (":WAVeform:SEGMented:TTAG?", "+0.00000000E+000"),
            (":WAVeform:PREamble?", preamble),
            (":WAVeform:DATA?", bytes([1, 2])),
            NO_ERROR,
            (":ACQuire:SEGMented:INDex 2", None),
            (":WAVeform:SEGMented:TTAG?", "+3.50000000E-001"),
            (":WAVeform:PREamble?", preamble),
            (":WAVeform:DATA?", bytes([3, 4])),
            NO_ERROR,
        ]
    )
    scope = InfiniiVision(line)
    scope.arm_segments(0.1, 2, clock)
    scope.wait(5, clock)
    found = scope.fetch_segments("CHAN1", "A")
    assert [it.time for it in found] == [0, 0.35]
    assert [it.waveform.codes.tolist() for it in found] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            [(":SYSTem:ERRor?", '-241,"Hardware missing"'), NO_ERROR],
            "MSO-X 2024A at TRANSCRIPT has no licence for segmented memory",
        ),
        (
            [
                NO_ERROR,
                (":ACQuire:SEGMented:COUNt 900", None),
                (":SYSTem:ERRor?", '-222,"Data out of range"'),
                NO_ERROR,
            ],
            "no memory for 900 segments .*take fewer",
        ),
        ([(":SYSTem:ERRor?", '-221,"Settings conflict"'), NO_ERROR], "refused 900 segments: -221"),
    ],
)
def test_segments_that_cannot_be_had_say_why(transcript, clock, lines, words: str) -> None:
    line = transcript([IDN, (":ACQuire:MODE SEGM", None), *lines])
    with pytest.raises(DeviceError, match=words):
        InfiniiVision(line).arm_segments(0.1, 900, clock)


@pytest.mark.parametrize("count", [0, 1, 1001])
def test_too_few_or_too_many_segments_are_refused_before_anything_is_sent(transcript, clock, count: int) -> None:
    with pytest.raises(OutOfRange, match=f"{count} segments .*give 2 to 1000"):
        InfiniiVision(transcript([IDN])).arm_segments(0.1, count, clock)


# Safety.


def test_a_scope_is_made_safe_by_stopping_it(transcript, clock) -> None:
    line = transcript([IDN, (":STOP", None), (":OPERegister:CONDition?", "+8"), (":OPERegister:CONDition?", "+0")])
    InfiniiVision(line).make_safe(clock)


def test_a_scope_that_does_not_stop_says_so(transcript, clock) -> None:
    polls = [(":OPERegister:CONDition?", "+40")] * 102
    with pytest.raises(DeviceError, match="still acquiring 2 s after :STOP; look at the scope"):
        InfiniiVision(transcript([IDN, (":STOP", None), *polls])).make_safe(clock)


def test_another_instrument_after_a_silence_is_sent_nothing(transcript, clock) -> None:
    line = transcript([IDN, idn("DSO-X 2024A")])
    scope = InfiniiVision(line)
    line.recover = lambda: None
    with pytest.raises(WrongInstrument, match="nothing more was sent"):
        scope.recover(clock)
