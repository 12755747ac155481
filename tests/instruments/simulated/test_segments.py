"""Segmented memory of the simulated scope, against the facts of its programming guide.

Segments 2 to 1000, as many as the memory holds; each with a trigger and a time tag of its own, in s after the first
trigger (:ACQuire:SEGMented, :WAVeform:SEGMented); a licence, -241 without it; no averages of segments.
"""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from powerlab_instruments.simulated.bench import SimulatedBench
from tests.instruments.simulated.conftest import speaker

MS = 1_000_000
SET_UP = b":STOP;:POD1:DISP 1;:TIM:RANG 0.1;REF LEFT;:TRIG:SOUR DIG0;SLOP POS;:TRIG:SWE NORM;:WAV:SOUR POD1;POIN MAX"


@pytest.fixture
def segmented() -> Iterator[SimulatedBench]:
    with SimulatedBench(seed=7, virtual=True, memory=100_000, segmented=True) as bench:
        yield bench


def armed(bench: SimulatedBench, count: int):
    scope = speaker(bench.scope)
    scope(SET_UP)
    assert scope(b":ACQ:MODE SEGM;SEGM:COUN %d;:SYST:ERR?" % count) == b'+0,"No error"\n'
    scope(b":SING")
    return scope


def pulse(bench: SimulatedBench, *starts: int, width: int = 20) -> None:
    """Marker pulses of `width` ms that begin so many ms from now."""
    now = bench.clock.now()
    for start in starts:
        bench.board.marker.edge(now + start * MS, high=True)
        bench.board.marker.edge(now + (start + width) * MS, high=False)


def pod(scope) -> np.ndarray:
    answer = scope(b":WAV:DATA?")
    return np.frombuffer(answer[10:-1], np.uint8)


def test_each_trigger_takes_a_segment_with_its_time(segmented):
    scope = armed(segmented, 3)
    pulse(segmented, 100, 400, 1100)
    segmented.clock.advance(segmented.clock.now() + 300 * MS)
    assert scope(b":RST?;:OPER:COND?") == b"SING;+40\n"  # the second one is waited for
    assert scope(b":WAV:SEGM:COUN?") == b"+1\n"
    segmented.clock.advance(segmented.clock.now() + 2000 * MS)  # two at once
    assert scope(b":RST?;:OPER:COND?") == b"STOP;+0\n"
    assert scope(b":WAV:SEGM:COUN?") == b"+3\n"
    tags = []
    for index in (1, 2, 3):
        scope(b":ACQ:SEGM:IND %d" % index)
        assert scope(b":ACQ:SEGM:IND?") == b"+%d\n" % index
        tags.append(float(scope(b":WAV:SEGM:TTAG?")))
        record = pod(scope)
        assert len(record) == 33_333  # a third of the memory
        assert np.flatnonzero(np.diff(record.astype(int)) > 0) == pytest.approx(3333, abs=2)  # a tenth before
    assert tags == pytest.approx([0, 0.3, 1.0], rel=1e-4)


def test_a_trigger_during_a_segment_is_missed(segmented):
    scope = armed(segmented, 2)
    pulse(segmented, 100, 150, 400)
    segmented.clock.advance(segmented.clock.now() + 3000 * MS)
    scope(b":ACQ:SEGM:IND 2")
    assert float(scope(b":WAV:SEGM:TTAG?")) == pytest.approx(0.3, rel=1e-4)


def test_stopping_keeps_the_complete_segments(segmented):
    scope = armed(segmented, 5)
    pulse(segmented, 100, 400)
    segmented.clock.advance(segmented.clock.now() + 420 * MS)  # in the middle of the second
    scope(b":STOP")
    assert scope(b":WAV:SEGM:COUN?;:SYST:ERR?") == b'+1;+0,"No error"\n'
    assert len(pod(scope)) == 20_000
    assert scope(b":ACQ:SEGM:IND 2;:SYST:ERR?").startswith(b"-222")


def test_digitize_blocks_until_all_of_them_are_taken(segmented):
    scope = speaker(segmented.scope)
    scope(SET_UP + b";:ACQ:MODE SEGM;SEGM:COUN 2")
    pulse(segmented, 100, 400)
    blocked = threading.Thread(target=scope, args=(b":DIG POD1",))
    blocked.start()
    segmented.clock.advance(segmented.clock.now() + 300 * MS)
    blocked.join(0.05)
    assert blocked.is_alive()
    segmented.clock.advance(segmented.clock.now() + 300 * MS)
    blocked.join(5)
    assert not blocked.is_alive()
    assert scope(b":RST?;:WAV:SEGM:COUN?") == b"STOP;+2\n"


def test_a_new_acquisition_forgets_the_segments(segmented):
    scope = armed(segmented, 2)
    pulse(segmented, 100, 400)
    segmented.clock.advance(segmented.clock.now() + 3000 * MS)
    scope(b":ACQ:MODE RTIM;:SING")
    assert scope(b":WAV:SEGM:COUN?") == b"+0\n"
    pulse(segmented, 100)
    segmented.clock.advance(segmented.clock.now() + 3000 * MS)
    assert len(pod(scope)) == 100_000
    assert scope(b":ACQ:SEGM:IND 1;:SYST:ERR?").startswith(b"-222")


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b":ACQ:SEGM:COUN 1", b"-222"),
        (b":ACQ:SEGM:COUN 1001", b"-222"),
        (b":ACQ:SEGM:COUN 101", b"-222"),  # 1000 samples each do not fit
        (b":CHAN1:DISP 1;:CHAN2:DISP 1;:ACQ:SEGM:COUN 51", b"-222"),
        (b":ACQ:SEGM:COUN 100", b"+0"),
        (b":ACQ:MODE SEGM;TYPE AVER", b"-221"),
        (b":ACQ:TYPE AVER;MODE SEGM", b"-221"),
        (b":WAV:SEGM:TTAG?", b"+109"),  # nothing was taken yet
    ],
)
def test_what_is_refused(segmented, message, error):
    scope = speaker(segmented.scope)
    scope(b":STOP")
    scope(message)
    assert scope(b":SYST:ERR?").startswith(error)


def test_the_licence_is_an_option(segmented, scope):
    assert speaker(segmented.scope)(b"*OPT?") == b"MSO,SGM\n"
    assert scope(b"*OPT?") == b"MSO\n"
