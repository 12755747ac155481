"""Where the runs of a study are measured: a simulated board, a simulated bench, or the hardware.

Each run has a process of its own for its workload. A simulated bench is started for each run, too; it takes a zero
record of its own, and has its noise from the run's number in the plan, so that a run comes out the same whenever it is
measured. The hardware stays open, for a board that powerlab has switched on should not have to boot for each run.
"""

import math
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, Protocol

from powerlab.bench import Bench, open_bench
from powerlab.benchfile import BenchFile
from powerlab.capture import Progress, Stop, capture
from powerlab.marker import open_marker
from powerlab.simulation import BoardPower, simulated_bench
from powerlab.study.devicemodel import DeviceModel
from powerlab.study.modelledwork import ModelledWorkload
from powerlab.study.plan import PlannedRun, StudyPlan
from powerlab.workload.process import WorkloadProcess
from powerlab.workload.remote import RemoteWorkload
from powerlab.workload.ssh import Board
from powerlab.zeroing import measure_zero
from powerlab_analysis.calibration import ZERO_LIFETIME
from powerlab_instruments.errors import DeviceError
from powerlab_instruments.simulated.board import mean_share
from powerlab_traces.errors import PowerlabError

VOLTS: Final = 19.0  # of the simulated bench's supply
RAMP: Final = 0.3e-3  # s; chosen short, so that the model's power is what a window of the shortest batch shows
BELOW: Final = 0.1  # A on the screen below 0 A: twice the probe's largest offset
ABOVE: Final = 1.05  # times the largest power: ripple and steps
ZERO_SPARE: Final = 900.0  # s before a zero expires in which no run is started


class Place(Protocol):
    """Somewhere runs are measured."""

    def ready(self) -> None:
        """Make sure, before a run, that it could be measured; what fails here would fail for every run."""
        ...

    def measure(self, run: PlannedRun, path: Path, *, progress: Progress, stop: Stop) -> None:
        """Measure one run into a file; see `powerlab.capture.capture`."""
        ...

    def close(self) -> None:
        """Leave it as it was found."""
        ...


class SimulatedBoard:
    """The simulated board that the plan's device model describes, in virtual time."""

    def __init__(self, plan: StudyPlan, device: DeviceModel) -> None:
        self._plan, self._device = plan, device
        asked = plan.asked
        points = [device.batch(model, batch) for model in asked.models for batch in asked.batches]
        self._largest = max(it.watts for it in points if device.fits(it)) if any(map(device.fits, points)) else 0.0

    def ready(self) -> None:
        """Nothing: a bench is started for each run."""

    def measure(self, run: PlannedRun, path: Path, *, progress: Progress, stop: Stop) -> None:
        """See `Place`."""
        device, seed = self._device, self._plan.asked.seed
        it = device.batch(run.model, run.batch)
        high = ABOVE * (self._largest + device.idle_power) / VOLTS + BELOW
        full_scale = math.ceil(10 * (high + BELOW)) / 10
        power = BoardPower(
            idle=device.idle_power,
            active=it.watts / mean_share(it.seconds, RAMP),
            ramp=RAMP,
            full_scale=full_scale,
            centre=round(full_scale / 2 - BELOW, 3),
        )
        with simulated_bench(seed=seed, session=run.order, board=power, virtual=True) as bench:
            marker = open_marker(bench.file.raised, bench.clock)
            workload = ModelledWorkload(bench.clock, marker, device, it, seed=seed + run.order)
            try:
                capture(bench, workload, self._plan.capture(run), path, progress=progress, stop=stop)
            finally:
                workload.close()

    def close(self) -> None:
        """Nothing stays open."""


class SimulatedBenches:
    """Networks on this machine, or on a board's computer, while a simulated bench makes the current."""

    def __init__(self, plan: StudyPlan) -> None:
        self._plan = plan

    def ready(self) -> None:
        """Nothing: a bench is started for each run."""

    def measure(self, run: PlannedRun, path: Path, *, progress: Progress, stop: Stop) -> None:
        """See `Place`."""
        asked = self._plan.asked
        with simulated_bench(seed=asked.seed, session=run.order) as bench:
            bench.file = bench.file.at(asked.dut)
            with _workload(bench) as workload:
                capture(bench, workload, self._plan.capture(run), path, progress=progress, stop=stop)

    def close(self) -> None:
        """Nothing stays open."""


class Hardware:
    """The bench of a bench file, open from the first run on.

    With `output = "on"` and a board that is off, the zero is measured before it is switched on, and holds for the runs
    that follow; before it expires the board is switched off and on again for another. A board that was on keeps its
    power; its zero is that of the last `powerlab zero`.
    """

    def __init__(self, plan: StudyPlan) -> None:
        self._plan = plan
        self._bench: Bench | None = None
        self._expires = math.inf

    def ready(self) -> None:
        """Open the bench, or open it anew where its zero is about to expire; see `Place`."""
        if self._bench is not None and time.monotonic() > self._expires:
            self.close()
        if self._bench is not None:
            return
        asked = self._plan.asked
        assert asked.bench is not None
        bench = open_bench(asked.bench)
        try:
            bench.file = bench.file.at(asked.dut)
            self._expires = math.inf
            if not bench.powered and bench.file.supply.output == "on":
                bench.calibration = bench.calibration.with_zero(measure_zero(bench, _nobody))
                self._expires = time.monotonic() + ZERO_LIFETIME - ZERO_SPARE
        except BaseException:
            with suppress(PowerlabError):
                bench.close()
            raise
        self._bench = bench

    def measure(self, run: PlannedRun, path: Path, *, progress: Progress, stop: Stop) -> None:
        """See `Place`. After an error the bench is opened anew."""
        self.ready()
        assert self._bench is not None
        try:
            with _workload(self._bench) as workload:
                capture(self._bench, workload, self._plan.capture(run), path, progress=progress, stop=stop)
        except PowerlabError:
            with suppress(PowerlabError):  # the first error says what went wrong
                self.close()
            raise

    def close(self) -> None:
        """Switch off what was switched on, and let go of the instruments."""
        bench, self._bench = self._bench, None
        if bench is not None:
            bench.close()


def place_of(plan: StudyPlan) -> Place:
    """Where the runs of a plan are measured."""
    device = plan.model_of_device
    if device is not None:
        return SimulatedBoard(plan, device)
    return SimulatedBenches(plan) if plan.asked.bench is None else Hardware(plan)


def board_of(plan: StudyPlan) -> Board | None:
    """The machine on which the networks of a plan run; None for this one."""
    asked = plan.asked
    if asked.bench is None:
        return None if asked.dut is None else Board(asked.dut)
    dut = BenchFile.load(Path(asked.bench))[0].at(asked.dut).dut
    return None if dut is None else dut.board


def _workload(bench: Bench) -> WorkloadProcess | RemoteWorkload:
    """The workload's process, where the bench file says it runs."""
    if bench.file.dut is None:
        return WorkloadProcess(marker=bench.file.raised)
    return RemoteWorkload(bench.file.dut.board, marker=bench.file.raised, clock=bench.clock)


def _nobody(text: str) -> NoReturn:
    raise DeviceError(f"nobody is asked during a sweep: {text}; run `powerlab zero` before it")
