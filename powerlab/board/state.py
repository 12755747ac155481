"""The state of a Linux board, from the files in which kernel and firmware say it.

Column names end in what they are, so that a reader needs no list of boards:

| ending | what |
| --- | --- |
| `_clock`, `_limit` | Hz: the clock, and what it may be at most now |
| `_temperature` | degrees Celsius |
| `_fan` | share of full drive, 0 to 1 |
| `_fan_speed` | turns per minute |
| `_throttle_events` | how often it was throttled so far; only a rise says something of a run |
| `_throttle_flags` | not 0 while it is throttled |
| `_cooling` | how far a clock is held down to cool, 0 for not at all |
| `governor`, `power_mode` | names |

What a board does not have gives no column; what cannot be read now is None, as the temperature of a part that is off.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

Value = float | int | str | None

# Where the Raspberry Pi's kernel says what its firmware throttled: bits 0 to 3 hold now (too little voltage, clock
# capped, throttled, soft temperature limit), 16 to 19 say the same of all the time since power-on. UNCONFIRMED: read
# from other people's programs, on no board of ours; so are all names of the Jetsons below.
PI_THROTTLED: Final = ("sys/devices/platform/soc/soc:firmware/get_throttled", "sys/firmware/raspberrypi/get_throttled")
# The Jetsons' power mode, and what the modes are called.
NVPMODEL: Final = "var/lib/nvpmodel/status"
NVPMODEL_NAMES: Final = "etc/nvpmodel.conf"
# The drive of the fan in JetPack 4; later ones have it among the hardware monitors.
OLD_JETSON_FAN: Final = "sys/devices/pwm-fan"
FULL_FAN: Final = 255  # of `pwm` files
# Cooling by these is no throttling.
FANS: Final = re.compile("fan|pump", re.IGNORECASE)
# What GPUs are called among the devices that scale their clocks: those of the Jetsons by their chip.
GPUS: Final = re.compile("gpu|gk20a|gm20b|gp10b|gv11b|ga10b|gb10b|mali|v3d", re.IGNORECASE)
ENDINGS: Final = re.compile("(_clock|_limit|_temperature|_fan|_fan_speed|_throttle_events|_throttle_flags|_cooling|)$")


@dataclass(frozen=True, slots=True)
class Source:
    """One column: its name, its unit ("" for a text or a count) and how to read it."""

    name: str
    unit: str
    read: Callable[[], Value]


def sources(root: Path = Path("/")) -> tuple[Source, ...]:
    """Everything that this machine says of its state, no name twice."""
    found: dict[str, Source] = {}
    for source in (
        *_processors(root),
        *_devices(root),
        *_temperatures(root),
        *_monitors(root),
        *_cooling(root),
        *_throttling(root),
        *_power_mode(root),
    ):
        name, count = source.name, 1
        while name in found:
            count += 1
            name = _numbered(source.name, count)
        found[name] = Source(name, source.unit, source.read)
    return tuple(found.values())


def _processors(root: Path) -> Iterator[Source]:
    """Clocks of each processor core, limits of each group of cores that share one, and the governors."""
    cores = root / "sys/devices/system/cpu"
    for core in _sorted(cores.glob("cpu[0-9]*")):
        clock = core / "cpufreq/scaling_cur_freq"
        if clock.exists():
            yield Source(f"{core.name}_clock", "Hz", _number(clock, 1e3))
    policies = _sorted((cores / "cpufreq").glob("policy[0-9]*"))
    for policy in policies:
        yield Source(f"{policy.name}_limit", "Hz", _number(policy / "scaling_max_freq", 1e3))
    governors = [policy / "scaling_governor" for policy in policies]
    if governors:
        yield Source("governor", "", lambda: ", ".join(sorted({it for it in map(_text, governors) if it})) or None)


def _devices(root: Path) -> Iterator[Source]:
    """Clocks of GPUs, memory and whatever else scales its own."""
    for device in _sorted((root / "sys/class/devfreq").glob("*")):
        name = "gpu" if GPUS.search(device.name) else plain(device.name)
        yield Source(f"{name}_clock", "Hz", _number(device / "cur_freq"))
        yield Source(f"{name}_limit", "Hz", _number(device / "max_freq"))


def _temperatures(root: Path) -> Iterator[Source]:
    for zone in _sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        name = plain(_text(zone / "type") or zone.name)
        yield Source(f"{name}_temperature", "degC", _number(zone / "temp", 1e-3))


def _monitors(root: Path) -> Iterator[Source]:
    """Temperatures, fans and over-current events of hardware monitors, but for the thermal zones once more."""
    zones = {_text(it / "type") for it in (root / "sys/class/thermal").glob("thermal_zone*")}
    for monitor in _sorted((root / "sys/class/hwmon").glob("hwmon*")):
        chip = _text(monitor / "name") or monitor.name
        name = plain(chip)
        if chip not in {plain(it) for it in zones if it} | zones:
            for file in _sorted(monitor.glob("temp*_input")):
                label = _text(monitor / file.name.replace("_input", "_label"))
                yield Source(plain(f"{chip} {label or ''}") + "_temperature", "degC", _number(file, 1e-3))
        for file in _sorted(monitor.glob("fan*_input")) + _sorted(monitor.glob("rpm")):
            yield Source(f"{name}_fan_speed", "1/min", _number(file))
        for file in _sorted(it for it in monitor.glob("pwm*") if re.fullmatch(r"pwm\d*", it.name)):
            yield Source(f"{name}_fan", "", _number(file, 1 / FULL_FAN))
        # The Jetsons count here how often too much current, or too little voltage, throttled them.
        for file in _sorted(monitor.glob("oc*_event_cnt")):
            yield Source(f"{file.name.removesuffix('_event_cnt')}_throttle_events", "", _number(file))
    fan = root / OLD_JETSON_FAN
    if (fan / "cur_pwm").exists():
        yield Source("pwm_fan", "", _number(fan / "cur_pwm", 1 / FULL_FAN))
        yield Source("pwm_fan_speed", "1/min", _number(fan / "rpm_measured"))


def _cooling(root: Path) -> Iterator[Source]:
    """How far the kernel holds clocks down because something is hot."""
    for device in _sorted((root / "sys/class/thermal").glob("cooling_device*")):
        kind = _text(device / "type") or device.name
        if not FANS.search(kind):
            yield Source(f"{plain(kind)}_cooling", "", _number(device / "cur_state"))


def _throttling(root: Path) -> Iterator[Source]:
    """Counters of x86 processors, added up, and the flags of a Raspberry Pi."""
    for part in ("core", "package"):
        counters = list((root / "sys/devices/system/cpu").glob(f"cpu[0-9]*/thermal_throttle/{part}_throttle_count"))
        if counters:
            yield Source(f"{part}_throttle_events", "", partial(_sum, counters))
    for place in PI_THROTTLED:
        if (root / place).exists():
            file = root / place
            yield Source("firmware_throttle_flags", "", partial(_bits, file, 0))
            yield Source("firmware_throttle_events", "", partial(_ones, file, 16))
            return


def _power_mode(root: Path) -> Iterator[Source]:
    status = root / NVPMODEL
    if status.exists():
        names = _mode_names(root / NVPMODEL_NAMES)
        yield Source("power_mode", "", lambda: _mode(status, names))


def _mode(status: Path, names: dict[int, str]) -> str | None:
    """The Jetson's power mode, such as `15W (2)`. The file says `pmode:0002`."""
    match = re.search(r"pmode:0*(\d+)", _text(status) or "")
    if match is None:
        return None
    number = int(match[1])
    return f"{names[number]} ({number})" if number in names else str(number)


def _mode_names(file: Path) -> dict[int, str]:
    """What the modes are called, from lines such as `< POWER_MODEL ID=2 NAME=15W >`."""
    return {
        int(number): name for number, name in re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", _text(file) or "")
    }


def _number(file: Path, scale: float = 1.0) -> Callable[[], Value]:
    """A reader of the number in a file, in `scale` of the unit."""

    def read() -> float | None:
        try:
            return int(file.read_bytes()) * scale
        except (OSError, ValueError):
            return None

    return read


def _sum(files: list[Path]) -> int | None:
    """The sum of those that can be read: a core that was switched off takes its counter with it."""
    found = [it for file in files if (it := _integer(file)) is not None]
    return sum(found) if found else None


def _integer(file: Path) -> int | None:
    try:
        return int(file.read_bytes())
    except (OSError, ValueError):
        return None


def _bits(file: Path, first: int) -> int | None:
    """Four bits of a hexadecimal number."""
    try:
        return int(_text(file) or "", 16) >> first & 0xF
    except ValueError:
        return None


def _ones(file: Path, first: int) -> int | None:
    """How many of these bits are set."""
    return None if (bits := _bits(file, first)) is None else bits.bit_count()


def _text(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return None


def plain(name: str) -> str:
    """A name in a column's letters.

    >>> plain("17000000.ga10b"), plain("coretemp Package id 0")
    ('17000000_ga10b', 'coretemp_package_id_0')
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _numbered(name: str, count: int) -> str:
    """The name of a second column of that kind, with its ending kept.

    >>> _numbered("acpitz_temperature", 2), _numbered("pwm_fan_speed", 2)
    ('acpitz2_temperature', 'pwm2_fan_speed')
    """
    return ENDINGS.sub(rf"{count}\1", name, count=1)


def _sorted(paths: Iterable[Path]) -> list[Path]:
    """By name, numbers in it as numbers.

    >>> [str(it) for it in _sorted(iter([Path("cpu10"), Path("cpu2")]))]
    ['cpu2', 'cpu10']
    """
    return sorted(
        paths, key=lambda it: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", it.name)]
    )
