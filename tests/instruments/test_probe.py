"""The 1146B: amperes, turns, limits."""

import numpy as np
import pytest

from powerlab_instruments.errors import OutOfRange
from powerlab_instruments.probe import CurrentProbe1146B
from powerlab_instruments.scope import InfiniiVision
from powerlab_traces.trace import Trace

IDN = ("*IDN?", "AGILENT TECHNOLOGIES,MSO-X 2024A,MY61410204,02.65.2021102830")


def test_turns_divide() -> None:
    assert CurrentProbe1146B(0.1, 1).amperes(0.062) == pytest.approx(0.62)
    assert CurrentProbe1146B(0.1, 5).amperes(0.31) == pytest.approx(0.62)
    assert CurrentProbe1146B(0.01, 1).ratio == pytest.approx(100)
    assert CurrentProbe1146B(0.1, 5).peak_current == 2.0


@pytest.mark.parametrize(("sensitivity", "turns"), [(0.2, 1), (0.1, 0)])
def test_what_the_probe_does_not_have_is_refused(sensitivity: float, turns: int) -> None:
    with pytest.raises(OutOfRange):
        CurrentProbe1146B(sensitivity, turns)


def test_a_zero_is_measured_and_taken_off() -> None:
    codes = np.array([24, 26, 25, 25], np.uint8)
    probe = CurrentProbe1146B(0.1, 1).zeroed(Trace(codes, 1e-5, "A", scale=0.001))
    assert probe.zero == pytest.approx(0.025)
    assert probe.amperes(0.062) == pytest.approx(0.595)
    with pytest.raises(OutOfRange, match="is no zero of this probe"):
        CurrentProbe1146B(0.1, 1).zeroed(Trace(codes, 1e-5, "A", scale=0.02))
    with pytest.raises(OutOfRange, match="0.025 A is no zero"):
        CurrentProbe1146B(0.1, 10).zeroed(Trace(codes, 1e-5, "A", scale=0.001))
    with pytest.raises(OutOfRange, match="needs a trace in A, not V"):
        CurrentProbe1146B(0.1, 1).zeroed(Trace(codes, 1e-5, "V"))


def test_a_screen_beyond_the_peak_current_is_refused(transcript) -> None:
    channel = InfiniiVision(transcript([IDN])).channel(1)
    with pytest.raises(OutOfRange, match="2.4 A is beyond the probe's 2 A"):
        CurrentProbe1146B(0.1, 5).set_up(channel, full_scale=3.2, centre=0.8)


def test_the_chain_divides_offset_but_not_gain_by_turns(transcript) -> None:
    def chain(turns: int) -> tuple[float, float, float]:
        line = transcript(
            [
                IDN,
                (":CHANnel1:SCALe?", "+100.0E-03"),
                (":CHANnel1:PROBe?", f"{10 / turns}"),
                (":CHANnel1:SCALe?", "+100.0E-03"),
                (":CHANnel1:SCALe?", "+100.0E-03"),
                (":CHANnel1:PROBe?", f"{10 / turns}"),
                (":CHANnel1:OFFSet?", "+400.0E-03"),
                (":CHANnel1:SCALe?", "+100.0E-03"),
                (":CHANnel1:SCALe?", "+100.0E-03"),
                (":CHANnel1:OFFSet?", "+400.0E-03"),
            ]
        )
        it = CurrentProbe1146B(0.1, turns).chain(InfiniiVision(line).channel(1))
        assert (it.full_scale, it.centre) == (0.8, 0.4)
        return it.gain_limit, it.offset_limit, it.scope_offset_limit

    gain, offset, scope = chain(1)
    assert (gain, offset) == (0.03, 0.05)
    assert scope == pytest.approx(0.01 + 0.02 + 0.004)
    gain, offset, scope = chain(5)
    assert (gain, offset) == (0.03, pytest.approx(0.01))
    assert scope == pytest.approx(0.01 + 0.004 + 0.004)
