"""What a run's log says of memory: static and per image, by each account."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab_analysis.memory import Memory, Use, memory_of
from powerlab_traces.log import Log

COLUMNS = ("host_ns", "phase", "samples", "system", "rss", "pss", "framework", "device")
# A network of 500 bytes, batches of 4 that take 40 more; libraries of 60 of which others have 10.
ROWS = [
    (0, "before", 1, 1000, None, None, None, 100),
    (1_000_000_000, "loading", 15, 1700, 700, None, None, 100),  # the weights are there twice for a moment
    (2_000_000_000, "loaded", 0, None, 560, 550, 500, None),
    (2_100_000_000, "loaded", 15, 1500, 560, None, None, 900),
    (3_000_000_000, "warm-up", 60, 1540, 600, None, None, 930),
    (4_000_000_000, "windows", 60, 1530, 590, None, None, 920),
    (5_000_000_000, "between", 0, None, 570, 510, 540, None),
    (5_100_000_000, "between", 15, 1520, 580, None, None, 930),
]


def log(rows=ROWS) -> dict[str, Log]:
    return {"memory": Log("memory", dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)))}


def test_by_each_account():
    assert memory_of(log(), 4) == Memory(
        system=Use(baseline=1000, static=500, peak=700, per_image=10),
        process=Use(baseline=0, static=550, peak=690, per_image=10),
        framework=Use(baseline=0, static=500, peak=540, per_image=10),
        device=Use(baseline=100, static=800, peak=830, per_image=7.5),
        rate=60,
    )


def test_what_nobody_counts_is_not_known_and_never_zero():
    rows = [(at, phase, samples, system, rss, None, None, None) for at, phase, samples, system, rss, *_ in ROWS]
    found = memory_of(log(rows), None)
    assert found is not None
    assert (found.process, found.framework, found.device) == (None, None, None)
    assert found.system == Use(1000, 500, 700, None)


def test_texts_of_old_are_as_unknown():
    """A column of numbers and empty texts is stored as texts."""
    found = memory_of(log([tuple("" if it is None else it for it in row) for row in ROWS]), 4)
    assert found == memory_of(log(), 4)


def test_without_a_log():
    assert memory_of({}, 4) is None


def test_the_part_that_was_resumed_counts():
    later = [(at + 10**10, phase, samples, *(it and 2 * it for it in rest)) for at, phase, samples, *rest in ROWS]
    assert memory_of(log([*ROWS, *later]), 4) == memory_of(log(later), 4)


def test_a_second_capture_of_the_same_process_has_no_baseline():
    found = memory_of(log(ROWS[1:]), 4)
    assert found is not None
    assert found.system == Use(None, None, None, 10)
    assert found.process == Use(0, 550, 690, 10)


def test_one_that_did_not_fit():
    found = memory_of(log(ROWS[:2]), 4)
    assert found is not None
    assert found.system == Use(1000, None, 700, None)
    assert (found.process, found.rate) == (None, None)


def test_other_programs_that_gave_back_more_make_it_unknown():
    rows = [(*row[:3], row[3] and row[3] - 600 * (k > 1), *row[4:]) for k, row in enumerate(ROWS)]
    found = memory_of(log(rows), 4)
    assert found is not None
    assert found.system is None
    assert found.process is not None


@given(st.permutations(range(1, len(ROWS))), st.integers(1, 64))
def test_peaks_hold_what_was_loaded(order: list[int], batch: int):
    found = memory_of(log([ROWS[0], *(ROWS[k] for k in order)]), batch)
    assert found is not None
    for use in (found.process, found.framework, found.device):
        assert use is not None
        assert use.peak is not None
        assert use.static is not None
        assert use.per_image is not None
        assert use.peak >= use.static
        assert use.per_image >= 0
        assert use.peak + 1e-9 >= use.static + batch * use.per_image


def test_rate_is_of_windows_only():
    rows = [
        (0, "windows", 50, *[None] * 5),
        (10**9, "windows", 25, *[None] * 5),
        (15 * 10**8, "between", 1, *[None] * 5),
    ]
    found = memory_of(log(rows), 1)
    assert found is not None
    assert found.rate == pytest.approx(50)
