"""Logs taken up from the journal, part by part."""

from dataclasses import asdict

from powerlab_traces.log import Log
from powerlab_traces.store.logs import joined


def test_parts_follow_each_other():
    logs: dict[str, Log] = {}
    for part in ([1, 2], [3], []):
        joined(logs, asdict(Log("state", {"host_ns": part, "clock": [it * 1e9 for it in part]}, {"clock": "Hz"})))
    assert logs == {"state": Log("state", {"host_ns": [1, 2, 3], "clock": [1e9, 2e9, 3e9]}, {"clock": "Hz"})}


def test_what_a_part_lacks_was_not_known():
    """A run is resumed when the fan has a new name."""
    logs: dict[str, Log] = {}
    joined(logs, asdict(Log("state", {"host_ns": [1, 2], "fan": [0.5, 0.6]}, {"fan": "V"})))
    joined(logs, asdict(Log("state", {"host_ns": [3], "fan2": [0.7]}, {"fan2": "1"})))
    assert logs["state"] == Log(
        "state", {"host_ns": [1, 2, 3], "fan": [0.5, 0.6, None], "fan2": [None, None, 0.7]}, {"fan": "V", "fan2": "1"}
    )
