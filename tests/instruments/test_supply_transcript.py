"""The supply driver's commands, against transcripts typed from the E364xA User's Guide."""

import pytest

from powerlab_instruments.errors import DeviceError, OutOfRange, WrongInstrument
from powerlab_instruments.supply import E3645A

IDN = ("*IDN?", "Agilent Technologies,E3645A,0,1.7-5.0-1.0")
NO_ERROR = (":SYSTem:ERRor?", '+0,"No error"')


def test_the_e3644a_is_refused(transcript) -> None:
    with pytest.raises(WrongInstrument, match="not a Keysight E3645A"):
        E3645A(transcript([("*IDN?", "Agilent Technologies,E3644A,0,1.7-5.0-1.0")]))


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
    supply = E3645A(line)
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
    supply = E3645A(transcript([IDN]))
    with pytest.raises(OutOfRange, match=words):
        supply.prepare_output(voltage=voltage, current_limit=current, over_voltage=protection)


def test_nothing_is_changed_under_a_running_board(transcript) -> None:
    supply = E3645A(transcript([IDN, ("OUTPut?", "1")]))
    with pytest.raises(DeviceError, match="the output is on"):
        supply.prepare_output(voltage=19, current_limit=2, over_voltage=21)


def test_a_tripped_or_unprotected_output_stays_off(transcript) -> None:
    supply = E3645A(transcript([IDN, ("VOLTage:PROTection:STATe?", "1"), ("VOLTage:PROTection:TRIPped?", "1")]))
    with pytest.raises(DeviceError, match="tripped"):
        supply.switch_on()
    supply = E3645A(transcript([IDN, ("VOLTage:PROTection:STATe?", "0")]))
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
            ("CURRent 2", None),
            NO_ERROR,
            ("VOLTage:RANGe?", "P35V"),
            ("VOLTage:PROTection:STATe?", "1"),
            ("VOLTage?", "+1.20000000E+01"),
        ]
    )
    with pytest.raises(DeviceError, match="voltage was set to 19 and reads 12"):
        E3645A(line).prepare_output(voltage=19, current_limit=2, over_voltage=21)


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
    reading = E3645A(line).read(clock)
    assert (reading.voltage, reading.current) == (18.999, 0.62)
    assert (reading.regulation, reading.limited) == (regulation, limited)
