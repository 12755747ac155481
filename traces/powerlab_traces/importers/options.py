"""What the user says of a foreign capture that the capture does not say itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from powerlab_traces.importers.source import ForeignFileError


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Answers to what a source leaves open. Each field is the option `--name` of `powerlab import`.

    Columns are named `NAME` or `NAME:UNIT`; scope channels by their label.

    Raises
    ------
    ForeignFileError
        A number is outside its range.
    """

    time: str | None = None  # column of a table
    current: str | None = None  # column, channel or signal
    voltage: str | None = None
    power: str | None = None
    marker: str | None = None  # line that is high while a window runs
    windows: Path | None = None  # table of windows, or a LoadGen log
    images: int | None = None  # a window
    supply_voltage: float | None = None  # V, for a source that holds current only
    sensitivity: float | None = None  # V/A of the probe, for a current that was saved in volts
    factor: Mapping[str, float] = field(default_factory=dict)  # channel -> what its values are to be multiplied with
    clock_offset: float = 0.0  # s, added to the times of the windows
    find_windows: bool = False  # search them in the trace, whatever windows the source has

    def __post_init__(self) -> None:
        above_zero = {"supply_voltage": "V", "sensitivity": "V/A"}
        for item in fields(self):
            value = getattr(self, item.name)
            name = option(item.name)
            if item.name in above_zero and value is not None and not (value > 0 and math.isfinite(value)):
                raise ForeignFileError(f"{name} = {value:g} {above_zero[item.name]}: give a value above 0")
        if self.images is not None and self.images < 1:
            raise ForeignFileError(f"--images = {self.images}: give 1 or more")
        if not math.isfinite(self.clock_offset):
            raise ForeignFileError(f"--clock-offset = {self.clock_offset:g} s: give a number of seconds")
        if self.find_windows and (self.windows is not None or self.marker is not None or self.clock_offset):
            raise ForeignFileError("--find-windows takes no windows from anywhere else: leave out the other options")
        for name, value in self.factor.items():
            if value == 0 or not math.isfinite(value):
                raise ForeignFileError(f"--factor {name}={value:g}: give a factor other than 0")


# What the user may say of any capture; the rest is for formats that leave it open.
OF_ANY = frozenset({"windows", "images", "marker", "supply_voltage", "clock_offset", "find_windows"})
CHANNELS = frozenset({"current", "voltage", "power"})
ALL = frozenset(each.name for each in fields(ImportOptions))


def given(options: ImportOptions) -> dict[str, Any]:
    """The options that say something, by name."""
    silent = ImportOptions()
    return {name: value for name in sorted(ALL) if (value := getattr(options, name)) != getattr(silent, name)}


def option(name: str) -> str:
    """The command-line option of a field.

    >>> option("supply_voltage")
    '--supply-voltage'
    """
    return "--" + name.replace("_", "-")
