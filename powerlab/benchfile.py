"""bench.toml: which instruments stand on the bench, how they are wired, and what they may do."""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from powerlab.workload import WorkloadError
from powerlab.workload.ssh import COMMAND, Board
from powerlab_instruments.rs232 import Baud, Flow, Parity, Rs232
from powerlab_traces.errors import PowerlabError


class BenchFileError(PowerlabError):
    """bench.toml is missing, is no TOML, or says something a bench cannot be."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScopeTable(_Table):
    """[scope]"""

    resource: str
    channel: int = Field(1, ge=1, le=4)  # analog input with the probe
    # A over the screen's eight divisions; None, in the file "auto", has it chosen by what the board draws
    full_scale: Annotated[float | None, Field(gt=0), BeforeValidator(lambda it: None if it == "auto" else it)] = None
    centre: float | None = None  # A at the middle of the screen
    record: float = Field(2.0, gt=0, le=500)  # s
    sample_rate: float = Field(50e3, gt=0)  # 1/s

    @model_validator(mode="after")
    def _centred(self) -> "ScopeTable":
        if (self.full_scale is None) != (self.centre is None):
            raise ValueError('give both full_scale and centre, or full_scale = "auto" without centre')
        return self


class ProbeTable(_Table):
    """[probe]"""

    model: Literal["1146B"] = "1146B"
    sensitivity: float = 0.1  # V/A, as its switch stands
    turns: int = Field(1, ge=1)  # of the lead through its jaw


class SupplyTable(_Table):
    """[supply]"""

    resource: str
    adapter: str | None = None  # a Prologix adapter in front of it
    baud: Baud = 9600  # of an ASRL resource, and so are parity and flow
    parity: Parity = "none"
    flow: Flow = "none"
    voltage: float = Field(gt=0)  # V
    current_limit: float = Field(gt=0)  # A
    over_voltage: float = Field(gt=0)  # V
    output: Literal["leave", "on"] = "leave"
    boot_time: float = Field(30.0, ge=0)  # s between output on and a board that idles
    lead_resistance: float = Field(0.0, ge=0)  # ohm, both conductors; 0 with remote sense
    lead_resistance_limit: float = Field(0.0, ge=0)  # ohm

    @property
    def rs232(self) -> Rs232:
        """How its line is set, if it is an ASRL resource."""
        return Rs232(self.baud, self.parity, self.flow)

    @model_validator(mode="after")
    def _one_line(self) -> "SupplyTable":
        serial = self.resource.upper().startswith("ASRL")
        if serial and self.adapter is not None:
            raise ValueError("an adapter leads to a GPIB resource; leave one of the two out, adapter or ASRL")
        if not serial and (said := self.model_fields_set & {"baud", "parity", "flow"}):
            raise ValueError(f"{', '.join(sorted(said))} is for RS-232, and {self.resource} is no ASRL resource")
        return self

    @model_validator(mode="after")
    def _protected(self) -> "SupplyTable":
        if self.over_voltage <= self.voltage:
            raise ValueError(f"over_voltage ({self.over_voltage:g} V) must lie above voltage ({self.voltage:g} V)")
        return self


class MarkerTable(_Table):
    """[marker]"""

    output: str  # what the workload raises: see powerlab.marker
    # The scope's input it is wired to: a digital one is recorded, EXT and an analog one only trigger.
    input: str = Field("D0", pattern="^(D[0-7]|EXT|CHAN[1-4]|none)$")
    threshold: float = Field(1.4, ge=-8, le=8)  # V

    @property
    def source(self) -> str | None:
        """What the scope triggers on; None where no marker reaches it."""
        if "none" in (self.output, self.input):
            return None
        return f"DIG{self.input[1:]}" if self.input.startswith("D") else self.input

    @property
    def bit(self) -> int | None:
        """The number of the digital input that is recorded; None where the marker is not."""
        return int(self.input[1:]) if self.source is not None and self.input.startswith("D") else None


class DutTable(_Table):
    """[dut]: the board's own computer, where the workload runs; without this table it runs on this machine"""

    address: str  # ssh://[user@]host[:port]
    command: str = COMMAND  # how powerlab is called there, as its shell takes it
    folder: str = ""  # where it is called; "" for the home folder

    @property
    def board(self) -> Board:
        """The machine that is meant."""
        return Board(self.address, self.command, self.folder)

    @model_validator(mode="after")
    def _address(self) -> "DutTable":
        try:
            _ = self.board
        except WorkloadError as error:
            raise ValueError(str(error)) from error
        return self


class SimulatedTable(_Table):
    """[simulated]"""

    wire: str  # address of the simulated bench's wire, on which its board is told of windows whatever the scope sees


class BenchFile(_Table):
    """The whole of bench.toml."""

    visa_library: str = "@py"
    timeout: float = Field(5.0, gt=0)  # s for an instrument's answer
    scope: ScopeTable
    probe: ProbeTable = Field(default_factory=lambda: ProbeTable(turns=1))
    supply: SupplyTable
    simulated: SimulatedTable | None = None
    marker: MarkerTable
    dut: DutTable | None = None

    @property
    def raised(self) -> str:
        """What the workload raises: the marker; without one, a simulated board has to be told all the same."""
        if self.marker.output == "none" and self.simulated is not None:
            return f"wire:{self.simulated.wire}"
        return self.marker.output

    def at(self, address: str | None) -> "BenchFile":
        """The same with its board at another address, if one is given; powerlab is called there as before."""
        if address is None:
            return self
        known = {} if self.dut is None else self.dut.model_dump()
        try:
            return self.model_copy(update={"dut": DutTable.model_validate(known | {"address": address})})
        except ValidationError as error:
            raise BenchFileError(f"--dut {_first(error, DutTable)}") from error

    @model_validator(mode="after")
    def _inputs_differ(self) -> "BenchFile":
        if self.marker.input == f"CHAN{self.scope.channel}":
            raise ValueError(f"marker.input = {self.marker.input!r} is the channel with the probe; give another")
        return self

    @classmethod
    def parse(cls, text: str, name: str) -> "BenchFile":
        """Read the text of a bench.toml; `name` is what messages call it.

        Raises
        ------
        BenchFileError
            With the first thing that is wrong, where it is, and what would be right.
        """
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise BenchFileError(f"{name} is no valid TOML: {error}") from error
        except ValidationError as error:
            raise BenchFileError(f"{name}: {_first(error, cls)}") from error

    @classmethod
    def load(cls, path: Path) -> tuple["BenchFile", str]:
        """Read a bench.toml; returns it with its text, which goes into every run file."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise BenchFileError(
                f"{path} cannot be read ({error.strerror}); `powerlab bench init` writes one to start from"
            ) from error
        except UnicodeDecodeError as error:
            raise BenchFileError(f"{path} is no text file; `powerlab bench init` writes one to start from") from error
        return cls.parse(text, str(path)), text


def _first(error: ValidationError, kind: type[BaseModel]) -> str:
    """The first problem in one line, with a suggestion for a misspelt key."""
    # A misspelt key comes before the missing one that it was meant to be.
    problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        *tables, key = (str(part) for part in first["loc"])
        near = difflib.get_close_matches(key, _keys(kind, tables), n=1)
        what = f"{place} is no key powerlab knows" + (f"; did you mean {near[0]}?" if near else "")
    elif first["type"] == "missing":
        what = f"{place} is missing"
    elif first["type"] == "value_error":
        what = f"{place}: {first['ctx']['error']}"
    else:
        what = f"{place} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
    others = len(problems) - 1
    return what + (f" (and {others} more)" if others else "")


def _keys(kind: type[BaseModel], tables: list[str]) -> list[str]:
    for table in tables:
        inner = kind.model_fields[table].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            kind = inner
    return list(kind.model_fields)


TEMPLATE = """\
# A powerlab bench: one board, its supply, the current probe on its lead, and the scope that digitises it.
# `powerlab bench check bench.toml` tries it without switching anything on.

visa_library = "@py"                # pyvisa-py; "" takes the vendor's VISA
timeout = 5.0                       # s, for an instrument's answer

[scope]                             # Keysight MSO-X 2024A
resource = "TCPIP0::192.168.1.20::5025::SOCKET"   # or TCPIP0::192.168.1.20::inst0::INSTR (VXI-11),
                                    # or USB0::0x0957::0x1796::MY12345678::0::INSTR
channel = 1                         # analog input with the probe
full_scale = "auto"                 # the smallest screen that holds what the board draws while the network warms up;
                                    # or A over the screen, with centre = A at mid-screen: the smaller, the smaller
                                    # the scope's gain error, but 0 A and the largest peak must both be on it
record = 2.0                        # s for each record
sample_rate = 50e3                  # 1/s; a whole fraction of what the scope delivers

[probe]                             # Keysight 1146B
model = "1146B"
sensitivity = 0.1                   # V/A, as its switch stands: 0.1 or 0.01
turns = 1                           # of the lead through the jaw; more turns, less offset error

[supply]                            # Keysight E3645A
resource = "GPIB0::5::INSTR"
adapter = "PRLGX-TCPIP0::192.168.1.21::1234::INTFC"   # leave out for a GPIB card
# resource = "ASRL/dev/ttyUSB0::INSTR"   # or RS-232, without an adapter, as the supply's front panel has it:
# baud = 9600                       # 300 to 9600; always 2 stop bits
# parity = "none"                   # 8 data bits; "even" or "odd": 7 data bits
# flow = "none"                     # each command is waited for; "rts_cts" needs a cable from the supply's DTR to the
                                    # computer's CTS, and from its RTS to the supply's DSR
voltage = 19.0                      # V
current_limit = 2.0                 # A
over_voltage = 21.0                 # V, where the supply's crowbar fires
output = "leave"                    # "leave": the board must be on already; "on": powerlab may switch it on,
                                    # takes a zero record first, and switches it off again at the end
boot_time = 30.0                    # s between output on and a board that idles
lead_resistance = 0.0               # ohm, both conductors from the sense point to the board; 0 with remote sense
lead_resistance_limit = 0.0         # ohm, how far that may be off

# [dut]                             # the board's own computer, if the networks are to run there and not on this one
# address = "ssh://user@board"      # as ssh knows it; must let you in without asking anything
# command = "python3 -m powerlab workload"   # how powerlab is called there
# folder = "~/work"                 # where; modules and weights are found from there

[marker]                            # the line that is high while a batch runs; with [dut] an output of the board
output = "serial:/dev/ttyUSB0:rts"  # what the workload raises: serial:PORT:rts or serial:PORT:dtr,
                                    # gpio:/dev/gpiochip0:17, parallel:/dev/parport0:0 (each also with -inverted),
                                    # command:PROGRAM, which reads 1 and 0, drives a line, and echoes them
                                    # or "none": windows are then found in the current itself, if it steps clearly
input = "D0"                        # the scope's digital input it is wired to; without digital inputs "EXT" or "CHAN2"
                                    # (trigger only: the host's clock says where the later windows are)
threshold = 1.4                     # V
"""
