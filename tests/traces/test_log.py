"""Logs: columns of one length, joined row behind row, and their times as those of another clock."""

import pytest

from powerlab_traces.errors import TraceError
from powerlab_traces.log import Log

LOG = Log("passes", {"host_ns": [1, 2], "seconds": [0.5, None]}, {"seconds": "s"})


def test_rows_follow_each_other():
    assert LOG.then(LOG).columns == {"host_ns": [1, 2, 1, 2], "seconds": [0.5, None, 0.5, None]}
    with pytest.raises(TraceError, match="other columns or units"):
        LOG.then(Log("passes", {"host_ns": [1], "seconds": [1.0]}))


def test_times_of_another_clock():
    log = Log("ties", {"host_ns": [1, 2], "sent_ns": [None, 5], "seconds": [1.0, 2.0]}, {"seconds": "s"})
    assert log.at(lambda it: it + 100) == Log(
        "ties", {"host_ns": [101, 102], "sent_ns": [None, 105], "seconds": [1.0, 2.0]}, {"seconds": "s"}
    )


@pytest.mark.parametrize("columns", [{}, {"a": [1], "b": []}])
def test_columns_of_different_lengths(columns: dict[str, list[int]]):
    with pytest.raises(TraceError, match="different lengths"):
        Log("bad", columns)


def test_a_unit_of_no_column():
    with pytest.raises(TraceError, match="has units of b"):
        Log("bad", {"a": [1]}, {"b": "s"})
