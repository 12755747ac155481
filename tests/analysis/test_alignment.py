"""Pairing pulses with host windows: what must be kept, what must be dropped, and that nothing vanishes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.alignment import (
    BEFORE_ARMED,
    BEGAN_INSIDE,
    NO_BRACKET,
    NO_MARKER,
    Tie,
    align,
    tie_of,
)
from powerlab_analysis.pairing import AMBIGUOUS, CUT_START, CUT_STOP, MERGED, NO_PULSE, TOO_LATE
from powerlab_analysis.pattern import AMBIGUOUS as FITS_ELSEWHERE
from powerlab_analysis.pattern import NO_STEP
from powerlab_traces.run import Provenance
from powerlab_traces.window import HostWindow

INTERVAL = 1e-4
EPOCH = 5_000_000_000  # ns on the host's clock at the record's start


def host(k, start, stop, record=0):
    """A window that ran from `start` to `stop` seconds of the record."""
    return HostWindow(EPOCH + round(start * 1e9), EPOCH + round(stop * 1e9), k, record, 1 + k, f"batch {k}")


def recorded(bench, spans, seconds, **more):
    """A record whose marker is high in the spans (s)."""
    high = np.zeros(round(seconds / INTERVAL), bool)
    for start, stop in spans:
        high[max(round(start / INTERVAL), 0) : max(round(stop / INTERVAL), 0)] = True
    return bench.record(0, more.pop("kind", "active"), np.full(len(high), 0.5), high, **more)


def kept_starts(alignment):
    return {pair.host.index: pair.window.start for pair in alignment.kept}


def reasons(alignment):
    return {window.index: window.reason for window in alignment.dropped}


# Four windows whose lengths and distances tell them apart.
SPANS = [(0.05, 0.15), (0.20, 0.33), (0.37, 0.45), (0.52, 0.69)]
HOSTS = [host(k, *span) for k, span in enumerate(SPANS)]


def test_each_pulse_is_its_window(bench):
    found = align(recorded(bench, SPANS, 0.8), HOSTS, 3)
    assert found.dropped == ()
    for pair, span in zip(found.kept, SPANS, strict=True):
        assert (pair.window.start, pair.window.stop) == pytest.approx(span)
        assert (pair.window.index, pair.window.images, pair.window.label) == (
            pair.host.index,
            pair.host.images,
            pair.host.label,
        )


def test_the_host_may_count_from_anywhere(bench):
    hosts = [HostWindow(h.start - 10**12, h.stop - 10**12, h.index, 0, 1) for h in HOSTS]
    assert len(align(recorded(bench, SPANS, 0.8), hosts, 3).kept) == 4


def test_the_record_ends_in_a_window(bench):
    found = align(recorded(bench, SPANS, 0.40), HOSTS, 3)
    assert set(kept_starts(found)) == {0, 1}
    assert reasons(found) == {2: CUT_STOP, 3: TOO_LATE}


def test_the_record_ends_between_windows(bench):
    found = align(recorded(bench, SPANS, 0.48), HOSTS, 3)
    assert set(kept_starts(found)) == {0, 1, 2}
    assert reasons(found) == {3: TOO_LATE}


def test_the_record_begins_in_a_window(bench):
    shifted = [(start - 0.1, stop - 0.1) for start, stop in SPANS]
    found = align(recorded(bench, shifted, 0.7), HOSTS, 3)
    assert reasons(found) == {0: CUT_START}
    assert kept_starts(found) == pytest.approx({k: SPANS[k][0] - 0.1 for k in (1, 2, 3)})


@pytest.mark.parametrize("missing", range(4))
def test_a_missing_pulse_costs_only_its_window(bench, missing):
    found = align(recorded(bench, [s for k, s in enumerate(SPANS) if k != missing], 0.8), HOSTS, 3)
    assert reasons(found) == {missing: NO_PULSE}
    assert kept_starts(found) == pytest.approx({k: SPANS[k][0] for k in range(4) if k != missing})


@pytest.mark.parametrize("glitch", [0.01, 0.18, 0.35, 0.75])
def test_an_extra_pulse_costs_no_window(bench, glitch):
    found = align(recorded(bench, [*SPANS, (glitch, glitch + 3e-4)], 0.8), HOSTS, 3)
    assert kept_starts(found) == pytest.approx({k: span[0] for k, span in enumerate(SPANS)})
    assert found.dropped == ()


@pytest.mark.parametrize(
    ("bounce", "span"),
    [
        ((0.1996, 0.1998), (0.1996, 0.33)),  # before what looks like the rise: the line bounced after its edge
        ((0.3303, 0.3305), (0.20, 0.33)),  # after the fall
    ],
)
def test_a_bouncing_edge_is_where_the_line_first_changed_and_known_less_well(bench, bounce, span):
    found = align(recorded(bench, sorted([*SPANS, bounce]), 0.8), HOSTS, 3)
    assert found.dropped == ()
    window = found.kept[1]
    assert (window.window.start, window.window.stop) == pytest.approx(span)
    bounced, clean = sorted([window.edges.start, window.edges.stop], reverse=True)
    assert bounced > 2 * clean
    assert "bounced" in found.note
    assert all(it.edges.start == it.edges.stop == clean for it in found.kept if it is not window)


def test_a_glitch_down_in_a_window_is_filled(bench):
    pieces = [SPANS[0], (0.20, 0.25), (0.2502, 0.33), *SPANS[2:]]
    found = align(recorded(bench, pieces, 0.8), HOSTS, 3)
    assert found.dropped == ()
    assert (found.kept[1].window.start, found.kept[1].window.stop) == pytest.approx(SPANS[1])


def test_a_line_upside_down_is_read_so_and_said(bench):
    record = recorded(bench, SPANS, 0.8)
    upside_down = replace(record, marker=replace(record.marker, codes=record.marker.codes ^ 8))
    found = align(upside_down, HOSTS, 3)
    assert kept_starts(found) == pytest.approx({k: span[0] for k, span in enumerate(SPANS)})
    assert "upside down" in found.note


def test_windows_that_share_a_pulse_are_named(bench):
    pieces = [SPANS[0], (SPANS[1][0], SPANS[2][1]), SPANS[3]]
    found = align(recorded(bench, pieces, 0.8), HOSTS, 3)
    assert set(kept_starts(found)) == {0, 3}
    assert reasons(found) == {1: MERGED, 2: MERGED}


@pytest.mark.parametrize("shared", [0, 1])
def test_of_three_windows_two_that_share_a_pulse_are_named(bench, shared):
    spans = SPANS[:3]
    pieces = [*spans[:shared], (spans[shared][0], spans[shared + 1][1]), *spans[shared + 2 :]]
    found = align(recorded(bench, pieces, 0.8), HOSTS[:3], 3)
    assert reasons(found) == {shared: MERGED, shared + 1: MERGED}
    assert len(kept_starts(found)) == 1


def test_coarse_samples_of_the_marker_are_no_step_of_the_hosts_clock(bench):
    """Host and marker may differ by the host's latency and by a sample besides."""
    spans = [(0.0502 + 0.01 * k, 0.0518 + 0.01 * k) for k in range(8)]
    high = np.zeros(80, bool)
    for start, stop in spans:
        high[round(start / 2e-3 + 0.5) : round(stop / 2e-3 + 0.5)] = True  # samples of 2 ms
    record = recorded(bench, [], 0.16)
    record = replace(record, marker=replace(bench.marker(high), interval=2e-3))
    found = align(record, [host(k, *span) for k, span in enumerate(spans)], 3)
    assert found.note == ""


@pytest.mark.parametrize("step", [0.02, -0.02, 0.3])
def test_a_step_of_the_hosts_clock_costs_no_window_between_which_it_came(bench, step):
    late = [*HOSTS[:2], *(host(k, start + step, stop + step) for k, (start, stop) in list(enumerate(SPANS))[2:])]
    found = align(recorded(bench, SPANS, 0.8), late, 3)
    assert kept_starts(found) == pytest.approx({k: span[0] for k, span in enumerate(SPANS)})
    assert f"{step * 1e3:+.3g} ms" in found.note
    assert "window 2" in found.note


def test_a_step_of_the_hosts_clock_in_a_window_costs_that_window(bench):
    late = [HOSTS[0], host(1, SPANS[1][0], SPANS[1][1] + 0.02)]
    late += [host(k, start + 0.02, stop + 0.02) for k, (start, stop) in list(enumerate(SPANS))[2:]]
    found = align(recorded(bench, SPANS, 0.8), late, 3)
    assert set(kept_starts(found)) == {0, 2, 3}
    assert "but the host timed 0.15 s" in reasons(found)[1]


def test_a_regular_train_that_slips_by_one_in_the_middle_is_no_step_of_the_clock(bench):
    spans = [(0.05 + 0.1 * k, 0.10 + 0.1 * k) for k in range(6)]
    pulses = [*spans[:2], *spans[3:], (0.65, 0.651)]  # one missing, and a glitch at the end
    found = align(recorded(bench, pulses, 0.8), [host(k, *span) for k, span in enumerate(spans)], 3)
    assert kept_starts(found) == pytest.approx({k: spans[k][0] for k in (0, 1, 3, 4, 5)})


def test_one_missing_and_one_extra_are_not_paired_by_their_number(bench):
    pulses = [SPANS[0], (0.16, 0.17), SPANS[2], SPANS[3]]
    found = align(recorded(bench, pulses, 0.8), HOSTS, 3)
    assert reasons(found) == {1: NO_PULSE}
    assert set(kept_starts(found)) == {0, 2, 3}


def test_a_regular_train_with_a_pulse_missing_at_an_end_is_not_guessed(bench):
    spans = [(0.1 + 0.1 * k, 0.15 + 0.1 * k) for k in range(5)]
    hosts = [host(k, *span) for k, span in enumerate(spans)]
    found = align(recorded(bench, spans[1:], 0.8), hosts, 3)
    assert set(reasons(found).values()) == {AMBIGUOUS}


def test_a_regular_train_that_the_record_cuts_short_between_windows_starts_with_the_first(bench):
    spans = [(0.05 + 0.1 * k, 0.10 + 0.1 * k) for k in range(5)]
    found = align(recorded(bench, spans, 0.33), [host(k, *span) for k, span in enumerate(spans)], 3)
    assert kept_starts(found) == pytest.approx({k: spans[k][0] for k in range(3)})
    assert reasons(found) == {3: TOO_LATE, 4: TOO_LATE}


def test_pulses_that_the_record_cuts_need_no_window(bench):
    pulses = [(-0.02 + 0.1 * k, 0.03 + 0.1 * k) for k in range(4)]  # those of a program that marks its own
    found = align(recorded(bench, pulses, 0.3), [host(k, *span) for k, span in enumerate(pulses[1:3])], 3)
    assert kept_starts(found) == pytest.approx({0: pulses[1][0], 1: pulses[2][0]})


def test_a_regular_train_cut_at_its_first_pulse_does_not_slip_by_one(bench):
    spans = [(-0.02 + 0.1 * k, 0.03 + 0.1 * k) for k in range(5)]
    found = align(recorded(bench, spans, 0.26), [host(k, *span) for k, span in enumerate(spans)], 3)
    assert kept_starts(found) == pytest.approx({1: spans[1][0], 2: spans[2][0]})
    assert reasons(found) == {0: CUT_START, 3: TOO_LATE, 4: TOO_LATE}


def test_a_pulse_cut_at_the_start_asks_for_a_window_then_running(bench):
    spans = [(-0.02 + 0.1 * k, 0.03 + 0.1 * k) for k in range(3)]
    pulses = [*spans, (0.15, 0.1505)]  # and a glitch, so that no pairing explains everything
    found = align(recorded(bench, pulses, 0.26), [host(k, *span) for k, span in enumerate(spans)], 3)
    assert kept_starts(found) == pytest.approx({1: spans[1][0], 2: spans[2][0]})
    assert reasons(found) == {0: CUT_START}


def test_a_late_first_start_spoils_no_other(bench):
    off = [-0.0006, 0.0003, 0.0003, 0.0005]  # the last is 1.1 ms from the first, but near the most
    late = [host(k, start + off[k], stop) for k, (start, stop) in enumerate(SPANS)]
    found = align(recorded(bench, [*SPANS[:2], SPANS[3]], 0.8), late, 3)
    assert set(kept_starts(found)) == {0, 1, 3}
    assert reasons(found) == {2: NO_PULSE}


@pytest.mark.parametrize("glitch", [0.02, 0.7])
def test_a_window_is_told_from_a_glitch_by_its_length(bench, glitch):
    found = align(recorded(bench, [SPANS[1], (glitch, glitch + 0.001)], 0.8), [HOSTS[1]], 3)
    assert kept_starts(found) == pytest.approx({1: SPANS[1][0]})


def test_a_pulse_of_another_length_is_not_the_windows(bench):
    found = align(recorded(bench, [SPANS[0], (0.20, 0.28), *SPANS[2:]], 0.8), HOSTS, 3)
    assert reasons(found) == {
        1: "the marker was high for 0.08 s, but the host timed 0.13 s (they may differ by 0.0026 s)"
    }


@pytest.mark.parametrize(("late", "kept"), [(0.0009, True), (0.0013, False)])
def test_short_windows_may_differ_by_a_millisecond(bench, late, kept):
    found = align(recorded(bench, [(0.1, 0.11)], 0.8), [host(0, 0.1, 0.11 + late)], 3)
    assert bool(found.kept) is kept


def test_windows_shorter_than_the_tolerance_pair_in_order(bench):
    spans = [(0.01 + 0.001 * k, 0.0105 + 0.001 * k) for k in range(50)]
    found = align(recorded(bench, spans, 0.1), [host(k, *span) for k, span in enumerate(spans)], 3)
    assert kept_starts(found) == pytest.approx({k: span[0] for k, span in enumerate(spans)})


def test_one_pulse_cannot_be_two_windows(bench):
    spans = [(0.1, 0.1003), (0.1006, 0.1009), (0.3, 0.31)]
    found = align(recorded(bench, [spans[0], spans[2]], 0.5), [host(k, *s) for k, s in enumerate(spans)], 3)
    assert set(kept_starts(found)) <= {2}
    assert len(found.dropped) + len(found.kept) == 3


def test_clipping_inside_a_window_drops_it_and_says_how_much(bench):
    clipped = [10, 2500, 2600, 2601, 3500]  # of these three in window 1
    found = align(recorded(bench, SPANS, 0.8, clipped=clipped), HOSTS, 3)
    assert reasons(found) == {1: "current clipped in 3 samples: give the scope channel a larger range"}


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ({}, {"limited": True}, "the supply went into constant current during the record: raise its current limit"),
        ({}, {"regulation": "CC"}, "the supply was CC after the record, not CV: check its output and limits"),
        ({"regulation": "off"}, {}, "the supply was off before the record, not CV: check its output and limits"),
    ],
)
def test_a_supply_out_of_constant_voltage_drops_all(bench, before, after, reason):
    record = recorded(bench, SPANS, 0.8, before=bench.reading(**before), after=bench.reading(**after))
    assert set(reasons(align(record, HOSTS, 3)).values()) == {reason}


def test_what_was_limited_before_the_record_does_not_count(bench):
    record = recorded(bench, SPANS, 0.8, before=bench.reading(limited=True))
    assert len(align(record, HOSTS, 3).kept) == 4


def test_without_a_marker_nothing_is_kept(bench):
    silent = bench.record(0, "active", np.full(8000, 0.5))
    assert reasons(align(silent, HOSTS, 3)) == dict.fromkeys(range(4), NO_MARKER)
    assert reasons(align(recorded(bench, SPANS, 0.8), HOSTS, None)) == dict.fromkeys(range(4), NO_MARKER)
    assert reasons(align(recorded(bench, SPANS, 0.8), HOSTS, 5)) == dict.fromkeys(range(4), NO_PULSE)


def test_windows_do_not_run_in_an_idle_record(bench):
    (reason,) = set(reasons(align(recorded(bench, SPANS, 0.8, kind="idle"), HOSTS, 3)).values())
    assert reason == "record 0 was taken as idle, not with windows running"


def test_a_marker_that_outlasts_the_current_keeps_no_window_there(bench):
    whole = recorded(bench, SPANS, 0.8)
    short = bench.record(0, "active", np.full(5000, 0.5))
    record = type(whole)(0, whole.kind, short.current, whole.marker, whole.clipped, 0, 0, whole.before, whole.after)
    assert set(kept_starts(align(record, HOSTS, 3))) == {0, 1, 2}


def test_no_windows_no_answer(bench):
    found = align(recorded(bench, SPANS, 0.8), [], 3)
    assert (found.kept, found.dropped) == ((), ())


# Without a recorded marker. Windows begin at the record's time 0 where the trigger is their first edge.
ARMED, SPAN = 0.15, 0.85  # s before and after the first window's start


def seen(bench, spans, *, armed=ARMED, fetched=SPAN + 0.4, start=-0.1, noise=0.1, step=0.5, idle=0.3):
    """A noisy record of current only, from `start` to `SPAN` s; armed and fetched so long before and after 0."""
    times = start + (np.arange(round((SPAN - start) / INTERVAL)) + 0.5) * INTERVAL
    high = sum(((times >= a) & (times < b)).astype(float) for a, b in spans)
    record = bench.but(noise=noise, rng=np.random.default_rng(5)).record(0, "active", idle + step * high)
    return replace(
        record,
        current=replace(record.current, start=start),
        armed=EPOCH - round(armed * 1e9),
        fetched=EPOCH + round(fetched * 1e9),
    )


FROM_ZERO = [(start - SPANS[0][0], stop - SPANS[0][0]) for start, stop in SPANS]
ZEROED = [host(k, *span) for k, span in enumerate(FROM_ZERO)]


def test_a_trigger_places_the_first_window_and_the_hosts_clock_the_rest(bench):
    found = align(seen(bench, FROM_ZERO), ZEROED, None, Tie.TRIGGER)
    assert (found.by, found.dropped, found.note) == (Tie.TRIGGER, (), "")
    for pair, span in zip(found.kept, FROM_ZERO, strict=True):
        assert (pair.window.start, pair.window.stop) == pytest.approx(span, abs=50e-6)
        assert pair.edges.shift > 0
    assert found.kept[0].window.start == 0.0
    assert len(found.tie[0]) == 0  # nothing was seen that could compare the clocks


@pytest.mark.parametrize("step", [0.5, 0.001])
def test_times_of_another_machine_are_known_less_well(bench, step):
    record = seen(bench, FROM_ZERO, step=step, noise=0.2 if step < 0.5 else 0.01)
    near, far = (align(record, ZEROED, None, Tie.TRIGGER, u) for u in (0.0, 2e-3))
    for one, other in zip(near.kept, far.kept, strict=True):
        assert other.edges.shift**2 == pytest.approx(one.edges.shift**2 + 4e-6, rel=1e-6)


def test_a_trigger_is_believed_where_the_current_shows_nothing(bench):
    found = align(seen(bench, FROM_ZERO, step=0.001, noise=0.2), ZEROED, None, Tie.TRIGGER)
    assert len(found.kept) == 4
    assert found.kept[3].edges.shift > found.kept[0].edges.shift  # the clocks may run apart


def test_a_trigger_by_a_glitch_is_found_out_and_the_current_asked_instead(bench):
    late = [(start + 0.03, stop + 0.03) for start, stop in FROM_ZERO]
    found = align(seen(bench, late), ZEROED, None, Tie.TRIGGER)
    assert "triggered 0.03 s before the first window" in found.note
    assert kept_starts(found) == pytest.approx({k: span[0] for k, span in enumerate(late)}, abs=5e-4)


def test_a_trigger_before_the_arming_is_none(bench):
    found = align(seen(bench, FROM_ZERO, armed=-0.1), ZEROED, None, Tie.TRIGGER)
    assert set(reasons(found).values()) == {BEFORE_ARMED}


@pytest.mark.parametrize("noise", [0.05, 0.5 / 3])
def test_without_a_wire_the_current_says_where_the_windows_are(bench, noise):
    record = seen(bench, [(start + 0.07, stop + 0.07) for start, stop in FROM_ZERO], noise=noise)
    found = align(record, ZEROED, None, Tie.PATTERN)
    assert (found.by, found.dropped) == (Tie.PATTERN, ())
    for pair, (start, stop) in zip(found.kept, FROM_ZERO, strict=True):
        assert (pair.window.start, pair.window.stop) == pytest.approx((start + 0.07, stop + 0.07), abs=2e-4)
        assert 1e-6 < pair.edges.shift < 2e-4


def test_without_a_wire_a_regular_train_is_told_by_the_idle_around_it(bench):
    spans = [(0.1 * k, 0.08 + 0.1 * k) for k in range(6)]
    hosts = [host(k, *span) for k, span in enumerate(spans)]
    found = align(seen(bench, [(a + 0.05, b + 0.05) for a, b in spans]), hosts, None, Tie.PATTERN)
    assert kept_starts(found) == pytest.approx({k: a + 0.05 for k, (a, _) in enumerate(spans)}, abs=2e-4)


def test_without_a_wire_a_regular_train_that_fills_the_record_is_refused(bench):
    spans = [(0.1 * k - 0.5, 0.08 + 0.1 * k - 0.5) for k in range(20)]
    hosts = [host(k, *span) for k, span in enumerate(spans)]
    found = align(seen(bench, spans, armed=1.0), hosts, None, Tie.PATTERN)
    assert set(reasons(found).values()) == {FITS_ELSEWHERE}


def test_without_a_wire_a_flat_current_is_refused(bench):
    assert set(reasons(align(seen(bench, FROM_ZERO, step=0.0), ZEROED, None, Tie.PATTERN)).values()) == {NO_STEP}


def test_without_a_wire_a_record_that_the_host_did_not_time_is_refused(bench):
    record = seen(bench, FROM_ZERO, armed=-1.0, fetched=0.5)
    assert set(reasons(align(record, ZEROED, None, Tie.PATTERN)).values()) == {NO_BRACKET}


def test_without_a_wire_the_record_s_ends_cut_windows_off(bench):
    spans = [(start - 0.15, stop - 0.15) for start, stop in FROM_ZERO]
    found = align(seen(bench, spans, armed=0.5), ZEROED, None, Tie.PATTERN)
    assert set(kept_starts(found)) == {1, 2, 3}
    assert reasons(found) == {0: BEGAN_INSIDE}


@pytest.mark.parametrize("tie", [Tie.TRIGGER, Tie.PATTERN])
@pytest.mark.parametrize("step", [0.02, -0.02])
def test_a_step_of_the_hosts_clock_is_seen_in_the_current(bench, tie, step):
    late = [*ZEROED[:2], *(host(k, a + step, b + step) for k, (a, b) in list(enumerate(FROM_ZERO))[2:])]
    found = align(seen(bench, FROM_ZERO), late, None, tie)
    assert kept_starts(found) == pytest.approx({k: span[0] for k, span in enumerate(FROM_ZERO)}, abs=3e-4)
    assert f"{step * 1e3:+.2g}" in found.note


@pytest.mark.parametrize("tie", [Tie.TRIGGER, Tie.PATTERN])
def test_a_window_that_the_current_does_not_show_where_the_host_timed_it_is_dropped(bench, tie):
    odd = [*ZEROED[:2], host(2, FROM_ZERO[2][0], FROM_ZERO[2][1] - 0.006), ZEROED[3]]
    found = align(seen(bench, FROM_ZERO), odd, None, tie)
    assert set(kept_starts(found)) == {0, 1, 3}
    assert reasons(found)[2].startswith("the current's stop lies")


@pytest.mark.parametrize(
    ("bit", "toml", "tie"),
    [
        (0, "", Tie.MARKER),
        (None, "", Tie.PATTERN),
        (None, '[marker]\noutput = "serial:x:rts"\ninput = "EXT"', Tie.TRIGGER),
        (None, '[marker]\noutput = "serial:x:rts"\ninput = "CHAN2"', Tie.TRIGGER),
        (None, '[marker]\noutput = "serial:x:rts"\ninput = "none"', Tie.PATTERN),
        (None, '[marker]\noutput = "none"\ninput = "EXT"', Tie.PATTERN),
        (None, "no [ toml", Tie.PATTERN),
    ],
)
def test_what_ties_the_clocks_is_what_the_bench_file_says(bit, toml, tie):
    assert tie_of(Provenance("", simulated=False, model="", batch=1, marker_bit=bit, bench=toml)) is tie


@st.composite
def distinct_spans(draw):
    """Windows whose lengths and gaps all differ by more than any tolerance, so that one pairing only is right."""
    number = draw(st.integers(1, 8))
    lengths = draw(st.permutations([0.02 + 0.004 * k for k in range(2 * number)]))
    at, spans = 0.03, []
    for k in range(number):
        spans.append((at, at + lengths[2 * k]))
        at += lengths[2 * k] + lengths[2 * k + 1]
    return spans


@given(
    spans=distinct_spans(),
    seconds=st.floats(0.01, 0.8),
    missing=st.sets(st.integers(0, 7), max_size=2),
    extra=st.lists(st.floats(0.0, 0.7), max_size=2),
    jitter=st.lists(st.floats(-3e-4, 3e-4), min_size=8, max_size=8),
    ppm=st.floats(-100, 100),
)
def test_every_window_is_accounted_for_and_none_is_kept_wrongly(bench, *, spans, seconds, missing, extra, jitter, ppm):
    pulses = [span for k, span in enumerate(spans) if k not in missing]
    record = recorded(bench, [*pulses, *((at, at + 5e-4) for at in extra)], seconds)
    scale = 1 + ppm * 1e-6
    hosts = [
        host(k, start * scale + late, stop * scale + late)
        for k, ((start, stop), late) in enumerate(zip(spans, jitter, strict=False))
    ]
    found = align(record, hosts, 3)
    assert sorted([*kept_starts(found), *reasons(found)]) == list(range(len(hosts)))
    for pair in found.kept:
        start, stop = spans[pair.host.index]
        # A glitch that touches an edge lengthens the pulse by its own length, which stays within the tolerance.
        assert pair.window.start == pytest.approx(start, abs=2 * INTERVAL + 1e-3)
        assert pair.window.stop == pytest.approx(stop, abs=2 * INTERVAL + 1e-3)
    if not missing and not extra and seconds > spans[-1][1] + INTERVAL:
        assert not found.dropped


@given(
    pulses=st.lists(st.tuples(st.floats(0, 0.3), st.floats(1e-4, 0.1)), max_size=6),
    windows=st.lists(st.tuples(st.floats(0, 0.5), st.floats(1e-4, 0.1)), max_size=6),
)
def test_none_vanishes_whatever_the_marker_did(bench, pulses, windows):
    record = recorded(bench, [(at, at + length) for at, length in pulses], 0.3)
    hosts = [host(k, at, at + length) for k, (at, length) in enumerate(windows)]
    found = align(record, hosts, 3)
    assert len(found.kept) + len(found.dropped) == len(hosts)
    assert {pair.host.index for pair in found.kept}.isdisjoint(reasons(found))
    starts = list(kept_starts(found).values())
    assert len(set(starts)) == len(starts)  # no pulse is given away twice
