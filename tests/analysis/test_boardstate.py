"""What the board says of its clocks and temperatures, judged."""

import numpy as np
import pytest

from powerlab_analysis.boardstate import board_notes, board_verdicts
from powerlab_analysis.verdict import Verdict
from powerlab_traces.log import Log
from powerlab_traces.window import HostWindow

SECOND = 1_000_000_000
ROWS = 60
# Records of 10 s with 5 s between them; windows of 1 s without a gap. The first record begins at 5 s.
WINDOWS = [
    HostWindow(int((start + k) * SECOND), int((start + k + 1) * SECOND), 10 * record + k, record, 1, "")
    for record, start in enumerate((5, 20, 35))
    for k in range(10)
]
WORKING = np.array([any(start <= it <= start + 10 for start in (5, 20, 35)) for it in range(ROWS)])


def verdicts(device: str = "cpu", **columns: object) -> list[Verdict]:
    log = Log(
        "board_state", {"host_ns": [it * SECOND for it in range(ROWS)], **{k: list(v) for k, v in columns.items()}}
    )
    return list(board_verdicts({"board_state": log}, WINDOWS, device))


def test_a_board_that_held_its_clocks():
    clock = np.where(WORKING, 1.5e9, 0.7e9)  # it idles at less, as a governor has it
    assert verdicts(
        cpu0_clock=clock,
        cpu1_clock=clock[::-1],
        policy0_limit=np.full(ROWS, 1.5e9),
        core_throttle_events=np.full(ROWS, 17),
        firmware_throttle_flags=np.zeros(ROWS),
        tcc_offset_cooling=np.full(ROWS, 3),  # set by somebody, not by heat
        processor_cooling=np.zeros(ROWS),
        cpu_temperature=np.full(ROWS, 55.0),
        governor=["schedutil"] * ROWS,
        gpu_temperature=[None] * ROWS,
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"package_throttle_events": np.arange(ROWS) // 30}, "package_throttle_events rose by 1"),
        ({"firmware_throttle_flags": [5 if it == 25 else 0 for it in range(ROWS)]}, "firmware_throttle_flags 0x5"),
        ({"cpufreq_cooling": [2 if it > 25 else 0 for it in range(ROWS)]}, "cpufreq_cooling rose to 2"),
        ({"policy0_limit": [1.2e9 if it > 25 else 1.5e9 for it in range(ROWS)]}, "fell from 1500 MHz to 1200 MHz"),
        (
            {"cpu0_clock": [1.2e9 if it > 40 else 1.5e9 for it in range(ROWS)]},
            "fell to 80% of its largest, 1500 MHz, in 5",
        ),
    ],
)
def test_each_sign_of_throttling(columns: dict[str, object], said: str):
    [found] = verdicts(**columns)
    assert found.name == "throttled"
    assert said in found.text
    assert "\n" not in found.text


@pytest.mark.parametrize(
    "columns",
    [
        {"package_throttle_events": [int(it > 50) for it in range(ROWS)]},  # long after the last window
        {"package_throttle_events": [int(it > 1) for it in range(ROWS)]},  # before the first
        {"firmware_throttle_flags": [5 * int(it == 17) for it in range(ROWS)]},  # between two records
        {"cpu0_clock": [1.2e9 if it == 22 else 1.5e9 for it in range(ROWS)]},  # one reading may be in a gap
        {
            "cpu0_clock": [0.8e9] * ROWS,
            "cpu1_clock": [1.5e9 if it < 15 else 0.8e9 for it in range(ROWS)],
        },  # cores change
        {"gpu_clock": [0.5e9 if it > 40 else 1.5e9 for it in range(ROWS)]},  # nothing ran there
        {"vic_clock": [0.5e9 if it > 40 else 1.5e9 for it in range(ROWS)]},
    ],
)
def test_what_is_no_throttling(columns: dict[str, object]):
    assert verdicts(**columns) == []


def test_on_a_gpu_its_own_clock_counts():
    fallen = [0.5e9 if it > 40 else 1.5e9 for it in range(ROWS)]
    assert verdicts("Orin", cpu0_clock=fallen, gpumemory0_clock=fallen) == []
    [found] = verdicts("Orin", gpu0_clock=fallen)
    assert "the clock of the GPU fell to 33%" in found.text


def test_a_temperature_that_rises():
    quarters = np.round((40 + np.arange(ROWS) * 3 / 60) * 4) / 4  # 3 degrees a minute, in steps of a quarter
    steady = 60 + np.random.default_rng(1).normal(0, 0.3, ROWS)
    [found] = verdicts(cpu_temperature=quarters, soc_temperature=steady)
    assert (found.name, found.unit, found.limit) == ("temperature-rising", "degC/min", 1)
    assert found.value == pytest.approx(3, rel=0.15)
    assert "cpu_temperature" in found.text


@pytest.mark.parametrize(
    "values",
    [
        40 + np.arange(ROWS) * 0.5 / 60,  # half a degree a minute
        np.where(np.arange(ROWS) > 35, 51.0, 50.0),  # one step of a coarse sensor
        60 - np.arange(ROWS) * 3 / 60,
        np.where(np.arange(ROWS) < 20, 40 + np.arange(ROWS), 60.0),  # it has settled
    ],
)
def test_one_that_does_not(values: np.ndarray):
    assert verdicts(cpu_temperature=values) == []


def test_without_log_or_windows():
    assert list(board_verdicts({}, WINDOWS, "cpu")) == []
    log = Log("board_state", {"host_ns": [0], "cpu0_clock": [1e9]})
    assert list(board_verdicts({"board_state": log}, [], "cpu")) == []
    assert list(board_verdicts({"board_state": log}, WINDOWS, "cpu")) == [], "no reading while anything ran"


@pytest.mark.parametrize(
    ("governors", "notes"),
    [(["performance"], 0), (["performance", "schedutil"], 1), (["", "ondemand, performance"], 1)],
)
def test_a_governor_that_chooses_is_noted(governors: list[str], notes: int):
    log = Log("board_state", {"host_ns": [*range(len(governors))], "governor": governors})
    assert len(list(board_notes({"board_state": log}))) == notes
    assert list(board_notes({})) == []
