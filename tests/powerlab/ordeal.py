"""One capture on the simulated bench that meets one fault, and what came of it.

Time is virtual, and real waiting is cut short where it is in vain: see `patience`.
"""

import dataclasses
import gc
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pyvisa_py.prologix import _PrologixIntfcSession

from powerlab import cli
from powerlab.analysing import analyse
from powerlab.bench import Bench
from powerlab.benchfile import BenchFile
from powerlab.capture import Plan, Stop, capture
from powerlab.marker import WireMarker
from powerlab.progress import Silence
from powerlab.simulation import SimulatorProcess, bench_text
from powerlab.workload import Timed
from powerlab.workload.synthetic import SyntheticWorkload
from powerlab_analysis.result import Result
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.faults import Fault
from powerlab_instruments.simulated.wire import VirtualClock, Wire
from powerlab_traces.errors import PowerlabError
from powerlab_traces.record import Record
from powerlab_traces.run import Run
from powerlab_traces.store import RunWriter, open_run
from powerlab_traces.window import HostWindow
from tests.powerlab.patience import Patience, Trouble, listeners

WINDOWS = 6
SECONDS = 0.12  # s of a window: two fit into a record
RECORD = 0.4  # s
MEMORY = 40_000  # samples of the scope: small records are quick
VOLTAGE, LIMIT, PROTECTION = 19.0, 2.0, 21.0  # what bench.toml has of the supply

# Instruments of the same maker that nobody expects on this bench.
STRANGERS = {"scope": "EDUX1052G", "supply": "E3631A"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a capture, and the message to an instrument by which a fault hits it.

    Messages are counted from `moment` on. open: before the bench is opened; ready: before the capture; powered: when
    the output is switched on; record: as the second record is begun; windows: before its windows run; wait: after
    them; last: before the last idle record; close: when the run file is finished.
    """

    name: str
    instrument: str
    at: str
    moment: str
    nth: int = 1
    was_on: bool = False  # whether the board is on before powerlab comes


@dataclass
class Ending:
    """What came of a capture."""

    was_on: bool  # the board, before
    roles: dict[str, str] = field(default_factory=dict)  # resource name -> what people call it
    error: BaseException | None = None
    line: str = ""  # what the user reads of it
    struck: bool = False  # whether the fault began
    recorded: list[tuple[Record, tuple[HostWindow, ...]]] = field(default_factory=list)  # as given to the file
    timed: list[tuple[int, int]] = field(default_factory=list)  # windows that ran
    run: Run | None = None  # as read back
    result: Result | None = None
    truth: dict[int, float] = field(default_factory=dict)  # J by the window's start
    seconds: float = 0.0  # of the bench
    output: bool = False  # how the supply is left, and whether it can still be asked
    tripped: bool = False
    ever_on: bool = False
    reachable: bool = True
    unsafe: list[str] = field(default_factory=list)  # what the output was on with and must not be
    to_stranger: list[str] = field(default_factory=list)  # messages that a wrong instrument got
    left_behind: list[str] = field(default_factory=list)


def undergo(step: Step | None, trouble: Trouble | None, folder: Path, board: int) -> Ending:
    """Capture on a bench of its own, with this GPIB board number, and let the fault strike at the step."""
    ending = Ending(was_on=step is not None and step.was_on)
    threads, files = set(threading.enumerate()), open_files()
    path = folder / "run.h5"
    if trouble is not None and trouble.kind == "kill":
        assert step is not None
        _lose_the_bench(step, path, ending, board)
    else:
        _meet(step, trouble, path, ending, board)
    if path.exists():
        ending.run, ending.result = open_run(path), analyse(path)
    ending.left_behind += [f"thread {it.name}" for it in set(threading.enumerate()) - threads]
    if open_files() > files:
        gc.collect()
        ending.left_behind += [f"{open_files() - files} open files"] if open_files() > files else []
    if str(board) in _PrologixIntfcSession.boards:
        ending.left_behind.append("the adapter's board number")
    ending.left_behind += [it.name for it in folder.iterdir() if it != path]
    return ending


def _meet(step: Step | None, trouble: Trouble | None, path: Path, ending: Ending, board: int) -> None:
    kind = "" if trouble is None else trouble.kind
    able = {"lock": {"vxi11": True, "portmapper_port": 0}, "wedge": {"wedge_every": 1e9}}.get(kind, {})
    with ExitStack() as opened:
        simulator = opened.enter_context(SimulatedBench(virtual=True, memory=MEMORY, gpib_board=board, **able))
        wire = opened.enter_context(Wire(simulator.resources.wire))
        resources = dataclasses.asdict(simulator.resources)
        if simulator.scope_vxi11:
            resources["scope"] = simulator.scope_vxi11
        spies, patience = Spies(simulator, ending), Patience(simulator)

        def reached(moment: str) -> None:
            if step is None or trouble is None or step.moment != moment:
                return
            if moment == "open" and trouble.kind == "swap":
                spies.swap(step.instrument)
                ending.struck = True
                return
            # A command has no answer that could be missed: only the question after it shows another supply.
            swapped = trouble.kind == "swap" and step.instrument == "supply" and not step.at.endswith("?")
            times = 2 if swapped else trouble.times
            fault = dataclasses.replace(trouble, instrument=step.instrument, at=step.at, nth=step.nth, times=times)
            patience.watch(fault)
            if trouble.kind != "lock":
                simulator.faults.plan(fault)

        if ending.was_on:
            for command in (f"VOLT {VOLTAGE}", f"CURR {LIMIT}", f"VOLT:PROT {PROTECTION}", "OUTP 1", "*CLS"):
                simulator.supply.receive(command.encode(), threading.Event())
            simulator.clock.advance(10**9)  # the board's inrush is long over
        with patience.patched(), spies.patched(reached):
            _capture(resources, HealingClock(wire, simulator), wire, path, ending, reached)
        supply = simulator.supply
        ending.struck = ending.struck or patience.has_struck
        ending.reachable = spies.stranger != "supply" and not patience.supply_is_lost
        ending.output, ending.tripped = supply.output, supply.tripped
        ending.truth = {window.start: window.energy for window in simulator.board.truth()}
        ending.seconds = simulator.clock.now() * 1e-9


def _lose_the_bench(step: Step, path: Path, ending: Ending, board: int) -> None:
    """Kill the simulator's process at the step; what its supply does then is not known."""
    with SimulatorProcess(("--virtual", "--memory", str(MEMORY), "--gpib-board", str(board))) as process:

        def reached(moment: str) -> None:
            if moment == step.moment:
                process._process.kill()
                process._process.wait()
                ending.struck, ending.reachable, ending.output = True, False, True

        ending.ever_on = True
        with Wire(process.resources["wire"]) as wire, Spies.of_writer(ending):
            resources = {role: process.resources[role] for role in ("scope", "adapter", "supply", "wire")}
            _capture(resources, VirtualClock(wire), wire, path, ending, reached)


def _capture(
    resources: dict[str, str],
    clock: VirtualClock,
    wire: Wire,
    path: Path,
    ending: Ending,
    reached: Callable[[str], None],
) -> None:
    text = bench_text(**resources)
    # A range that is chosen would be one more record, and the same faults.
    text = re.sub(r"full_scale = .*\n(centre = .*\n)?", "full_scale = 0.8\ncentre = 0.4\n", text)
    text = text.replace("centre = 0.4\n", f"centre = 0.4\nrecord = {RECORD}\n")
    ending.roles = {resources[role]: f"the {role}" for role in ("scope", "supply", "adapter", "wire")}
    reached("open")
    try:
        with Bench(BenchFile.parse(text, "bench.toml"), text, clock=clock) as bench:
            reached("ready")
            plan = Plan("synthetic", 2, windows=WINDOWS, idle=0.2, warmup=2)
            work = WatchedWorkload(bench, wire, ending.timed, reached)
            capture(bench, work, plan, path, progress=WatchedProgress(reached), stop=Stop())
            reached("close")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is judged later
        ending.error = error
        if isinstance(error, PowerlabError):
            ending.line = cli._one_line(error)


class WatchedProgress(Silence):
    """Tells when the second record is begun, and when the last idle one."""

    def __init__(self, reached: Callable[[str], None]) -> None:
        self._reached, self._records = reached, 0

    def step(self, text: str) -> None:
        """Look at what the capture says."""
        if text.startswith("record "):
            self._records += 1
            if self._records == 2:
                self._reached("record")
        elif text == "idle again":
            self._reached("last")


class WatchedWorkload(SyntheticWorkload):
    """Keeps what it timed, and tells when it is at its second record."""

    def __init__(self, bench: Bench, wire: Wire, timed: list[tuple[int, int]], reached: Callable[[str], None]) -> None:
        super().__init__(bench.clock, WireMarker(wire, bench.clock), SECONDS, spread=0.02)
        self._timed, self._reached, self._runs = timed, reached, 0

    def run(self, windows: int, seconds: float, gap: float = 0.005) -> tuple[Timed, ...]:
        """As any workload."""
        self._runs += 1
        if self._runs == 2:
            self._reached("windows")
        spans = super().run(windows, seconds, gap)
        self._timed += [(it.start, it.stop) for it in spans]
        if self._runs == 2:
            self._reached("wait")
        return spans


class HealingClock(VirtualClock):
    """The bench's clock. When a sleep is over, a port that is to listen again does so: its thread may be slower than
    virtual time."""

    def __init__(self, wire: Wire, simulator: SimulatedBench) -> None:
        super().__init__(wire)
        self._simulator = simulator

    def sleep(self, seconds: float) -> None:
        """Advance the bench."""
        super().sleep(seconds)
        for listener in listeners(self._simulator).values():
            for _ in range(1000):
                until = listener._refusing_until
                if (until is None and listener._socket.fileno() != -1) or (until or 0) > self._simulator.clock.now():
                    break
                threading.Event().wait(0.005)
            else:
                raise AssertionError("the port never listened again")


class Spies:
    """Look over the shoulders of the instruments and of the file's writer; do the faults that the simulator lacks."""

    def __init__(self, simulator: SimulatedBench, ending: Ending) -> None:
        self._simulator, self._ending = simulator, ending
        self.stranger = ""  # the role in which another instrument is
        self._cut = False  # whether messages may still come on the connection to the right one
        simulator.faults.act("wedge", lambda _: self._wedge(), "scope")
        simulator.faults.act("swap", lambda _: self.swap("scope"), "scope")
        simulator.faults.act("swap", lambda _: self.swap("supply"), "supply")

    def swap(self, role: str) -> None:
        """Another instrument is at the address."""
        self.stranger = role
        instrument = getattr(self._simulator, role)
        instrument.model = dataclasses.replace(instrument.model, name=STRANGERS[role])
        if role == "scope":
            self._cut = True
            listeners(self._simulator)["scope"].hang_up()

    def _wedge(self) -> None:
        lan = self._simulator.scope._lan
        for connection in lan._known:
            lan._dead.add(connection)

    @contextmanager
    def patched(self, reached: Callable[[str], None]) -> Iterator[None]:
        """Look from now on, and tell when the output is switched on."""
        simulator, ending = self._simulator, self._ending
        strike, feed = simulator.faults.strike, simulator.supply._feed

        def strike_and_see(instrument: str, message: bytes) -> Fault | None:
            fault = strike(instrument, message)
            if instrument == self.stranger and fault is None:
                # What was under way on the connection that was cut has reached nobody.
                self._cut = self._cut and b"*IDN?" not in message
                if not self._cut:
                    ending.to_stranger.append(message.decode("ascii", "replace").strip())
            return fault

        def feed_and_see(*arguments: object) -> None:
            feed(*arguments)
            it = simulator.supply
            if it.output:
                if not ending.ever_on and not ending.was_on:
                    reached("powered")
                ending.ever_on = True
                if not it.protected or (it.voltage, it.current, it.protection) != (VOLTAGE, LIMIT, PROTECTION):
                    found = f"{it.voltage} V, {it.current} A, protected at {it.protection} V: {it.protected}"
                    ending.unsafe.append(found)

        with pytest.MonkeyPatch.context() as patch, self.of_writer(ending):
            patch.setattr(simulator.faults, "strike", strike_and_see)
            patch.setattr(simulator.supply, "_feed", feed_and_see)
            yield

    @staticmethod
    @contextmanager
    def of_writer(ending: Ending) -> Iterator[None]:
        """Keep every record whose writing has succeeded."""
        append = RunWriter.append

        def append_and_see(writer: RunWriter, record: Record, windows: tuple[HostWindow, ...]) -> None:
            append(writer, record, windows)
            ending.recorded.append((record, tuple(windows)))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RunWriter, "append", append_and_see)
            yield


def open_files() -> int:
    """How many files and sockets this process has open; 0 where the system does not say."""
    found = Path("/proc/self/fd")
    return len(list(found.iterdir())) if found.is_dir() else 0
