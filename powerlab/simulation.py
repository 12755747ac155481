"""The simulated bench as a process of its own, and the bench file that leads to it."""

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import NamedTuple, Self

from powerlab.bench import Bench
from powerlab.benchfile import BenchFile
from powerlab_instruments.simulated.wire import VirtualClock, Wire
from powerlab_traces.clock import HostClock
from powerlab_traces.errors import PowerlabError

END_TIMEOUT = 20.0  # s

BENCH = """\
# A simulated bench: nothing in it is real.
[scope]
resource = "{scope}"
full_scale = {full_scale}
centre = {centre}

[probe]
sensitivity = 0.1
turns = {turns}

[supply]
resource = "{supply}"
{adapter}voltage = 19.0
current_limit = 2.0
over_voltage = 21.0
output = "on"
boot_time = 0.5

[simulated]
wire = "{wire}"

[marker]
output = "wire:{wire}"
"""


class BoardPower(NamedTuple):
    """A simulated board's power at rest, and above that while a batch runs (W), and the time it takes to get there (s).

    `full_scale` and `centre` are those of the scope's screen that holds its current, in A.
    """

    idle: float
    active: float
    ramp: float
    full_scale: float
    centre: float


def bench_text(
    *,
    scope: str,
    supply: str,
    wire: str,
    adapter: str = "",
    scope_vxi11: str = "",
    turns: int = 1,
    full_scale: float = 0.8,
    centre: float = 0.4,
) -> str:
    """A bench.toml that leads to the simulated bench with these resources; over VXI-11 to a scope that has it."""
    return BENCH.format(
        scope=scope_vxi11 or scope,
        adapter=f'adapter = "{adapter}"\n' if adapter else "",
        supply=supply,
        wire=wire,
        turns=turns,
        full_scale=full_scale,
        centre=centre,
    )


class SimulatorProcess:
    """`python -m powerlab_instruments.simulated`, serving until this is closed.

    `resources` are the bench's addresses by role: scope, adapter, supply, wire, and scope_vxi11, those that it has.

    Raises
    ------
    PowerlabError
        It does not start, or a port is taken; in one line, as it said it.
    """

    def __init__(self, arguments: tuple[str, ...] = ()) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        # A session of its own: a Ctrl-C in the terminal is for the capture, which still needs its bench then.
        self._process = subprocess.Popen(
            # -P: a file in the current folder must not stand in for one of the standard library.
            [sys.executable, "-P", "-m", "powerlab_instruments.simulated", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            last = self._said.read().strip().splitlines()[-1:] or [f"exit status {self._process.returncode}"]
            self.close()
            raise PowerlabError(f"the simulated bench did not start: {last[0]}")
        self.resources: dict[str, str] = json.loads(line)

    def close(self) -> None:
        """End the simulator: it serves as long as its input is open."""
        if self._process.poll() is None:
            try:
                self._process.communicate(timeout=END_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def simulated_bench(
    *,
    seed: int = 0,
    session: int = 0,
    board: BoardPower | None = None,
    virtual: bool = False,
    memory: int = 1_000_000,
    turns: int = 1,
    model: str = "MSO-X 2024A",
    supply_model: str = "E3645A",
    vxi11: bool = False,
    serial: bool = False,
) -> Bench:
    """Start a simulated bench in a process of its own and open it; closing the bench ends it.

    `seed` draws every error of its instruments, another `session` with them other noise. `board` says what its board
    draws, None for the default. With `virtual` its time passes only where this process sleeps on
    the bench's clock, so that a record costs milliseconds. `memory` is the scope's depth in points (1 000 000 or
    100 000), `turns` those of the lead through its probe, `model` and `supply_model` its instruments. With `vxi11`
    the scope is spoken to over VXI-11 in place of a raw socket, with `serial` the supply over RS-232 in place of
    GPIB (not on Windows).

    Raises
    ------
    PowerlabError
        It does not start, or there are no such instruments.
    """
    numbers: dict[str, object] = {
        "seed": seed,
        "session": session,
        "memory": memory,
        "turns": turns,
        "model": model,
        "supply-model": supply_model,
    }
    full_scale, centre = 0.8, 0.4  # A
    if board is not None:
        numbers |= {"idle-power": board.idle, "active-power": board.active, "ramp": board.ramp}
        full_scale, centre = board.full_scale, board.centre
    switches = {"virtual": virtual, "vxi11": vxi11, "serial": serial}
    arguments = (
        *(f"--{name}={value}" for name, value in numbers.items()),
        *(f"--{name}" for name, wanted in switches.items() if wanted),
    )
    simulator = SimulatorProcess(arguments)
    with ExitStack() as opened:
        opened.callback(simulator.close)
        text = bench_text(turns=turns, full_scale=full_scale, centre=centre, **simulator.resources)
        clock = VirtualClock(opened.enter_context(Wire(simulator.resources["wire"]))) if virtual else HostClock()
        return Bench(BenchFile.parse(text, "the simulated bench"), text, clock=clock, on_close=opened.pop_all().close)
    raise AssertionError  # an ExitStack swallows nothing
