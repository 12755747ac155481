"""The state of boards, from trees of files as their kernels have them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.board.state import Value, sources

Write = Callable[[dict[str, str]], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")

    return write


def read(root: Path) -> dict[str, Value]:
    return {it.name: it.read() for it in sources(root)}


JETSON = {
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1510400",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "729600",
    "sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq": "729600",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq": "1510400",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "schedutil",
    "sys/devices/system/cpu/cpufreq/policy4/scaling_max_freq": "1200000",
    "sys/devices/system/cpu/cpufreq/policy4/scaling_governor": "performance",
    "sys/class/devfreq/17000000.gpu/cur_freq": "624750000",
    "sys/class/devfreq/17000000.gpu/max_freq": "918000000",
    "sys/class/devfreq/15340000.vic/cur_freq": "115200000",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
    "sys/class/thermal/thermal_zone0/temp": "51312",
    "sys/class/thermal/thermal_zone1/type": "gpu-thermal",
    "sys/class/thermal/thermal_zone1/temp": "",  # the GPU is off: reading says "resource temporarily unavailable"
    "sys/class/thermal/cooling_device0/type": "pwm-fan",
    "sys/class/thermal/cooling_device0/cur_state": "2",
    "sys/class/thermal/cooling_device1/type": "cpufreq-cpu0",
    "sys/class/thermal/cooling_device1/cur_state": "3",
    "sys/class/hwmon/hwmon0/name": "pwmfan",
    "sys/class/hwmon/hwmon0/pwm1": "51",
    "sys/class/hwmon/hwmon0/pwm1_enable": "1",
    "sys/class/hwmon/hwmon1/name": "pwm_tach",
    "sys/class/hwmon/hwmon1/rpm": "1770",
    "sys/class/hwmon/hwmon2/name": "soctherm_oc",
    "sys/class/hwmon/hwmon2/oc1_event_cnt": "0",
    "sys/class/hwmon/hwmon2/oc3_event_cnt": "42",
    "var/lib/nvpmodel/status": "pmode:0002",
    "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=15W >",
}


def test_a_jetson(write: Write, tmp_path: Path):
    write(JETSON)
    assert read(tmp_path) == {
        "cpu0_clock": 1510.4e6,
        "cpu1_clock": 729.6e6,
        "cpu10_clock": 729.6e6,
        "policy0_limit": 1510.4e6,
        "policy4_limit": 1200e6,
        "governor": "performance, schedutil",
        "15340000_vic_clock": 115.2e6,
        "15340000_vic_limit": None,
        "gpu_clock": 624.75e6,
        "gpu_limit": 918e6,
        "cpu_thermal_temperature": pytest.approx(51.312),
        "gpu_thermal_temperature": None,
        "pwmfan_fan": 0.2,
        "pwm_tach_fan_speed": 1770.0,
        "oc1_throttle_events": 0,
        "oc3_throttle_events": 42,
        "cpufreq_cpu0_cooling": 3.0,
        "power_mode": "15W (2)",
    }


def test_an_old_jetson(write: Write, tmp_path: Path):
    write({
        "sys/devices/pwm-fan/cur_pwm": "255",
        "sys/devices/pwm-fan/rpm_measured": "3000",
        "sys/class/devfreq/57000000.gm20b/cur_freq": "998400000",
        "var/lib/nvpmodel/status": "pmode:0001 fmode:fanNull",
    })  # fmt: skip
    found = read(tmp_path)
    assert (found["pwm_fan"], found["pwm_fan_speed"]) == (1.0, 3000.0)
    assert (found["gpu_clock"], found["power_mode"]) == (998.4e6, "1")


@pytest.mark.parametrize(("said", "flags", "events"), [("50005", 5, 2), ("0", 0, 0), ("f0000", 0, 4)])
def test_a_raspberry_pi(write: Write, tmp_path: Path, said: str, flags: int, events: int):
    write({"sys/devices/platform/soc/soc:firmware/get_throttled": said})
    assert read(tmp_path) == {"firmware_throttle_flags": flags, "firmware_throttle_events": events}


def test_a_computer(write: Write, tmp_path: Path):
    write({
        **{f"sys/devices/system/cpu/cpu{it}/thermal_throttle/core_throttle_count": str(it) for it in range(4)},
        "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": "7",
        "sys/class/thermal/thermal_zone0/type": "acpitz",
        "sys/class/thermal/thermal_zone0/temp": "27800",
        "sys/class/thermal/thermal_zone1/type": "acpitz",
        "sys/class/thermal/thermal_zone1/temp": "-5000",
        "sys/class/hwmon/hwmon0/name": "acpitz",  # the zones once more
        "sys/class/hwmon/hwmon0/temp1_input": "27800",
        "sys/class/hwmon/hwmon1/name": "coretemp",
        "sys/class/hwmon/hwmon1/temp1_input": "44000",
        "sys/class/hwmon/hwmon1/temp1_label": "Package id 0",
        "sys/class/hwmon/hwmon1/temp2_input": "43000",
        "sys/class/hwmon/hwmon2/name": "thinkpad",
        "sys/class/hwmon/hwmon2/fan1_input": "2700",
        "sys/class/hwmon/hwmon2/fan2_input": "2800",
        "sys/class/thermal/cooling_device0/type": "Processor",
        "sys/class/thermal/cooling_device0/cur_state": "0",
    })  # fmt: skip
    assert read(tmp_path) == {
        "core_throttle_events": 6,
        "package_throttle_events": 7,
        "acpitz_temperature": 27.8,
        "acpitz2_temperature": -5.0,
        "coretemp_package_id_0_temperature": 44.0,
        "coretemp_temperature": 43.0,
        "thinkpad_fan_speed": 2700.0,
        "thinkpad2_fan_speed": 2800.0,
        "processor_cooling": 0.0,
    }


def test_what_cannot_be_read_later_is_not_known(write: Write, tmp_path: Path):
    write(JETSON)
    found = sources(tmp_path)
    for name in JETSON:
        (tmp_path / name).unlink()
    assert {it.read() for it in found} == {None}


def test_a_machine_that_says_nothing(tmp_path: Path):
    assert sources(tmp_path) == ()
