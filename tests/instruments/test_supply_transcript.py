"""The supply driver's commands, against transcripts typed from the E364xA User's Guide."""

import pytest

from powerlab_instruments.errors import DeviceError, NoAnswer, OutOfRange, WrongInstrument
from powerlab_instruments.supply import MODELS, E364xA

IDN = ("*IDN?", "Agilent Technologies,E3645A,0,1.7-5.0-1.0")
NO_ERROR = (":SYSTem:ERRor?", '+0,"No error"')


def idn(model: str) -> tuple[str, str]:
    return ("*IDN?", f"Agilent Technologies,{model},0,1.7-5.0-1.0")


def test_a_dual_supply_is_refused(transcript) -> None:
    with pytest.raises(WrongInstrument, match="E3646A, not a Keysight E3640A to E3645A; nothing was set"):
        E364xA(transcript([idn("E3646A")]))


def test_limits_come_before_the_output_and_are_read_back(transcript) -> None:
    line = transcript(
        [
            IDN,
            ("OUTPut?", "0"),
            ("VOLTage:RANGe?", "P60V"),
            ("VOLTage 0", None),
            ("CURRent 1.339", None),  # what either range takes
            ("VOLTage:RANGe P35V", None),
            ("VOLTage:PROTection 21", None),
            ("VOLTage:PROTection:STATe 1", None),
            ("VOLTage 19", None),
            ("VOLTage:RANGe?", "P35V"),  # which alone takes the current
            ("CURRent 2", None),
            NO_ERROR,
            ("VOLTage:RANGe?", "P35V"),
            ("VOLTage:PROTection:STATe?", "1"),
            ("VOLTage?", "+1.90000000E+01"),
            ("CURRent?", "+2.00000000E+00"),
            ("VOLTage:PROTection?", "+2.10000000E+01"),
            ("VOLTage:PROTection:STATe?", "1"),
            ("VOLTage:PROTection:TRIPped?", "0"),
            ("OUTPut 1", None),
            NO_ERROR,
        ]
    )
    supply = E364xA(line)
    supply.prepare_output(voltage=19, current_limit=2, over_voltage=21)
    supply.switch_on()


@pytest.mark.parametrize(
    ("voltage", "current", "protection", "words"),
    [
        (19, 2.3, 21, "2.266 A"),
        (40, 2.0, 45, "P60V range: give up to 61.8 V and 1.339 A"),
        (62, 1.0, 66, "61.8 V"),
        (19, 2.0, 19, "does not lie above"),
        (19, 2.0, 67, "up to 66 V"),
        (-1, 1.0, 5, "beyond"),
    ],
)
def test_impossible_limits_are_refused_before_anything_is_sent(
    transcript, voltage: float, current: float, protection: float, words: str
) -> None:
    supply = E364xA(transcript([IDN]))
    with pytest.raises(OutOfRange, match=words):
        supply.prepare_output(voltage=voltage, current_limit=current, over_voltage=protection)


def test_nothing_is_changed_under_a_running_board(transcript) -> None:
    supply = E364xA(transcript([IDN, ("OUTPut?", "1")]))
    with pytest.raises(DeviceError, match="the output is on"):
        supply.prepare_output(voltage=19, current_limit=2, over_voltage=21)


def test_a_tripped_or_unprotected_output_stays_off(transcript) -> None:
    supply = E364xA(transcript([IDN, ("VOLTage:PROTection:STATe?", "1"), ("VOLTage:PROTection:TRIPped?", "1")]))
    with pytest.raises(DeviceError, match="tripped"):
        supply.switch_on()
    supply = E364xA(transcript([IDN, ("VOLTage:PROTection:STATe?", "0")]))
    with pytest.raises(DeviceError, match="protection is off"):
        supply.switch_on()


def test_a_set_point_that_does_not_stick_is_noticed(transcript) -> None:
    line = transcript(
        [
            IDN,
            ("OUTPut?", "0"),
            ("VOLTage:RANGe?", "P35V"),
            ("VOLTage:PROTection 21", None),
            ("VOLTage:PROTection:STATe 1", None),
            ("VOLTage 19", None),
            ("VOLTage:RANGe?", "P35V"),  # which alone takes the current
            ("CURRent 2", None),
            NO_ERROR,
            ("VOLTage:RANGe?", "P35V"),
            ("VOLTage:PROTection:STATe?", "1"),
            ("VOLTage?", "+1.20000000E+01"),
        ]
    )
    with pytest.raises(DeviceError, match="voltage was set to 19 and reads 12"):
        E364xA(line).prepare_output(voltage=19, current_limit=2, over_voltage=21)


@pytest.mark.parametrize(
    ("condition", "event", "regulation", "limited"), [("2", "2", "CV", False), ("1", "3", "CC", True)]
)
def test_a_reading_tells_cv_from_cc(
    transcript, clock, condition: str, event: str, regulation: str, limited: bool
) -> None:
    # Bit 0 is named "Voltage" and means constant current; healthy CV reads 2.
    line = transcript(
        [
            IDN,
            ("MEASure:VOLTage?", "+1.89990000E+01"),
            ("MEASure:CURRent?", "+6.20000000E-01"),
            ("STATus:QUEStionable:CONDition?", condition),
            ("STATus:QUEStionable?", event),
        ]
    )
    reading = E364xA(line).read(clock)
    assert (reading.voltage, reading.current) == (18.999, 0.62)
    assert (reading.regulation, reading.limited) == (regulation, limited)


# The siblings: 1.03 x rated per range, two ranges each.


@pytest.mark.parametrize(
    ("model", "low", "high", "over_voltage"),
    [
        ("E3640A", ("P8V", 8.24, 3.09), ("P20V", 20.6, 1.545), 22),
        ("E3641A", ("P35V", 36.05, 0.824), ("P60V", 61.8, 0.515), 66),
        ("E3642A", ("P8V", 8.24, 5.15), ("P20V", 20.6, 2.575), 22),
        ("E3643A", ("P35V", 36.05, 1.442), ("P60V", 61.8, 0.824), 66),
        ("E3644A", ("P8V", 8.24, 8.24), ("P20V", 20.6, 4.12), 22),
        ("E3645A", ("P35V", 36.05, 2.266), ("P60V", 61.8, 1.339), 66),  # D S10
    ],
)
def test_limits_follow_from_the_model(transcript, model: str, low, high, over_voltage: float) -> None:
    supply = E364xA(transcript([idn(model)]))
    assert [(it.name, it.voltage, it.current) for it in supply.ranges] == [low, high]
    with pytest.raises(OutOfRange, match=f"voltage = {high[1] + 0.01:g} V .*give 0 to {high[1]:g} V"):
        supply.voltage = high[1] + 0.01
    with pytest.raises(OutOfRange, match=f"current_limit = .*give 0 to {low[2]:g} A"):
        supply.current_limit = low[2] + 0.001
    with pytest.raises(OutOfRange, match=f"over_voltage = .*give 1 to {over_voltage} V"):
        supply.over_voltage = over_voltage + 0.1
    with pytest.raises(OutOfRange, match=f"range = .*give one of {low[0]}, {high[0]}"):
        supply.range = "P9V"
    with pytest.raises(OutOfRange, match=f"beyond the {model}'s {high[0]} range"):
        supply.prepare_output(voltage=high[1] + 0.1, current_limit=0.1, over_voltage=over_voltage)


def test_forty_volts_on_an_e3640a_are_refused_before_anything_is_sent(transcript) -> None:
    supply = E364xA(transcript([idn("E3640A")]))
    with pytest.raises(OutOfRange, match="voltage = 40 V on TRANSCRIPT: give 0 to 20.6 V"):
        supply.voltage = 40
    with pytest.raises(OutOfRange, match="40 V with 1 A is beyond the E3640A's P20V range: give up to 20.6 V"):
        supply.prepare_output(voltage=40, current_limit=1, over_voltage=45)


def test_forty_volts_in_the_low_range_are_refused_before_they_are_sent(transcript) -> None:
    supply = E364xA(transcript([IDN, ("VOLTage:RANGe?", "P35V")]))
    with pytest.raises(OutOfRange, match="its P35V range goes up to 36.05 V; select the other range first"):
        supply.voltage = 40


def test_every_model_has_a_range_for_more_volts_and_one_for_more_amperes() -> None:
    for ratings in MODELS.values():
        assert ratings.low.voltage < ratings.high.voltage < ratings.over_voltage
        assert ratings.low.current > ratings.high.current


# Settings beyond a capture: A5 of the facts, the E364xA's and its siblings' user's guides.


def test_steps_triggers_and_display(transcript) -> None:
    line = transcript(
        [
            IDN,
            ("VOLTage:STEP 0.5", None),  # F S7
            ("CURRent:STEP 0.01", None),  # F S5
            ("VOLTage:TRIGgered 12", None),  # F S7, S6
            ("VOLTage:TRIGgered?", "+1.20000000E+01"),
            ("CURRent:TRIGgered 1", None),
            ("TRIGger:SOURce BUS", None),
            ("TRIGger:DELay 3600", None),  # F S6
            ("INITiate", None),
            ("TRIGger:SOURce?", "BUS"),
            ("*TRG", None),  # when not armed: -211
            NO_ERROR,
            ("DISPlay 0", None),
            ('DISPlay:TEXT "hands off!"', None),  # 11 characters, D S11
            ("DISPlay:TEXT?", '"hands off!"'),
            ("DISPlay:TEXT:CLEar", None),
            NO_ERROR,
            ("OUTPut:RELay 1", None),  # F S7
        ]
    )
    supply = E364xA(line)
    supply.voltage_step = 0.5
    supply.current_step = 0.01
    supply.triggered_voltage = 12
    assert supply.triggered_voltage == 12
    supply.triggered_current = 1
    supply.trigger_source = "BUS"
    supply.trigger_delay = 3600
    supply.trigger()
    supply.display_on = False
    supply.display_text = "hands off!"
    assert supply.display_text == "hands off!"
    supply.clear_display_text()
    supply.output_relay = True
    with pytest.raises(OutOfRange, match="up to 11 printable"):
        supply.display_text = "twelve chars"
    with pytest.raises(OutOfRange, match="trigger_delay"):
        supply.trigger_delay = 3601


def test_an_immediate_trigger_needs_no_bus_trigger(transcript) -> None:
    line = transcript([IDN, ("INITiate", None), ("TRIGger:SOURce?", "IMM"), NO_ERROR])
    E364xA(line).trigger()


def test_a_crowbar_is_released_with_the_output_off(transcript) -> None:
    # VOLTage:PROTection:CLEar brings the output back to its state before the trip (C S1).
    line = transcript(
        [
            IDN,
            ("OUTPut 0", None),
            NO_ERROR,
            ("VOLTage:PROTection:CLEar", None),
            NO_ERROR,
            ("VOLTage:PROTection:TRIPped?", "1"),
        ]
    )
    with pytest.raises(DeviceError, match="tripped again"):
        E364xA(line).clear_over_voltage()


def test_states_are_stored_and_recalled_with_the_output_off(transcript) -> None:
    line = transcript(
        [
            IDN,
            ("OUTPut?", "0"),
            ("*SAV 5", None),  # five places (C S16)
            ('MEMory:STATe:NAME 5,"Jetson"', None),  # D S10
            NO_ERROR,
            ("MEMory:STATe:NAME? 5", '"Jetson"'),
            ("OUTPut?", "0"),
            ("*RCL 5", None),
            NO_ERROR,
            ("OUTPut?", "0"),
            ("OUTPut?", "1"),
            ("OUTPut?", "1"),
        ]
    )
    supply = E364xA(line)
    supply.save_state(5, "Jetson")
    assert supply.state_name(5) == "Jetson"
    supply.recall_state(5)
    for call in (supply.save_state, supply.recall_state):
        with pytest.raises(DeviceError, match="the output is on"):
            call(1)
    for place in (0, 6):
        with pytest.raises(OutOfRange, match=f"state {place} .*give 1 to 5"):
            supply.recall_state(place)
    with pytest.raises(OutOfRange, match="up to 9"):
        supply.save_state(1, "ten letters")


def test_a_state_that_switches_on_is_switched_off(transcript) -> None:
    line = transcript(
        [
            IDN,
            ("OUTPut?", "0"),
            ("*RCL 1", None),
            NO_ERROR,
            ("OUTPut?", "1"),
            ("OUTPut 0", None),
            NO_ERROR,
        ]
    )
    with pytest.raises(DeviceError, match="stored with the output on; it was switched off again"):
        E364xA(line).recall_state(1)


# Safety.


def test_a_supply_is_safe_when_its_voltage_has_fallen(transcript, clock) -> None:
    line = transcript(
        [
            IDN,
            ("OUTPut 0", None),
            NO_ERROR,
            ("OUTPut?", "0"),
            ("MEASure:VOLTage?", "+1.20000000E+01"),  # the board's capacitors
            ("OUTPut?", "0"),
            ("MEASure:VOLTage?", "-4.00000000E-02"),
        ]
    )
    E364xA(line).make_safe(clock)
    assert 0 < clock.now() < 1e9


@pytest.mark.parametrize(
    ("output", "words"), [("1", "the output is still on"), ("0", "the output is off and still has 12 V")]
)
def test_a_supply_that_is_not_safe_says_look_at_the_supply(transcript, clock, output: str, words: str) -> None:
    voltage = ("MEASure:VOLTage?", "+1.20000000E+01")
    polls = [("OUTPut?", "1")] if output == "1" else [("OUTPut?", "0"), voltage]
    line = transcript([IDN, ("OUTPut 0", None), NO_ERROR, *polls * 52, *([voltage] if output == "0" else [])])
    with pytest.raises(DeviceError, match=f"E3645A at TRANSCRIPT could not be made safe; look at the supply: {words}"):
        E364xA(line).make_safe(clock)
    assert 5e9 < clock.now() < 6e9


def test_a_silent_supply_cannot_be_made_safe(transcript, clock) -> None:
    line = transcript([IDN])
    supply = E364xA(line)

    def silent(message: str) -> None:
        raise NoAnswer("TRANSCRIPT", message, "VI_ERROR_TMO")

    line.write = silent
    with pytest.raises(DeviceError, match="look at the supply: TRANSCRIPT did not answer 'OUTPut 0'"):
        supply.make_safe(clock)


def test_over_rs232_it_is_made_remote_first(transcript) -> None:
    # SYSTem:REMote: without it a command is refused, or worse; over GPIB it is error 514 (F S6).
    line = transcript([IDN, ("SYSTem:REMote", None)])
    said: list[str] = []
    line.is_serial, line.part_with = True, said.append
    E364xA(line)
    assert said == ["SYSTem:LOCal"]
