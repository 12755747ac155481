"""Which screen of the scope suits a current."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_instruments.channel import SMALL_SCALE
from powerlab_instruments.probe import CurrentProbe1146B
from powerlab_instruments.screen import Screen, screens, smallest

PROBES = st.builds(CurrentProbe1146B, st.sampled_from([0.1, 0.01]), st.integers(1, 10))


@given(probe=PROBES, largest=st.floats(0.01, 100), zero=st.floats(-0.05, 0.05))
def test_every_screen_shows_the_zero_and_stays_inside_the_probe(
    probe: CurrentProbe1146B, largest: float, zero: float
) -> None:
    found = screens(probe, largest, zero / probe.turns)
    assert found
    sizes = [it.full_scale for it in found]
    assert sizes == sorted(sizes, reverse=True)
    for it in found:
        assert it.low < zero / probe.turns < it.high <= probe.peak_current
        assert it.full_scale / 8 / probe.ratio >= SMALL_SCALE * (1 - 1e-9)
    # The widest holds the largest current, unless that is more than the probe can carry with a margin.
    assert found[0].holds(zero / probe.turns, largest) or largest > 0.5 * probe.peak_current


@given(probe=PROBES, peak=st.floats(0.01, 2.0))
def test_the_smallest_screen_that_holds_a_peak_is_taken(probe: CurrentProbe1146B, peak: float) -> None:
    found = screens(probe, 2.0)
    best = smallest(found, 0.0, peak)
    for it in found:
        room = it.high - peak  # half a division is what is asked for
        if best is None or it.full_scale < best.full_scale:
            assert room < 0.5001 * it.full_scale / 8
        elif it == best:
            assert room > 0.4999 * it.full_scale / 8


def test_what_the_facts_say_clips_is_not_taken() -> None:
    """0.62 A at 100 mA/div with zero offset (centre 0, so up to 0.4 A) clips."""
    assert not Screen(0.8, 0.0).holds(0.0, 0.62)
    chosen = smallest(screens(CurrentProbe1146B(), 2.0), 0.0, 0.62)
    assert chosen is not None
    assert chosen.full_scale == pytest.approx(0.8)
    assert chosen.centre == pytest.approx(0.35)
