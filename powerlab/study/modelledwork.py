"""The workload of a simulated board: windows that pass on the bench's clock, as long as its device model says."""

from dataclasses import replace
from typing import Final

from powerlab.marker import Marker
from powerlab.networks import NETWORKS
from powerlab.study.devicemodel import DeviceModel, Modelled
from powerlab.workload import GAP, Loaded, OutOfMemoryError, Task, Timed
from powerlab.workload.synthetic import SyntheticWorkload
from powerlab_analysis.memory import BEFORE, LOADED, LOG, WINDOWS
from powerlab_traces.clock import Clock
from powerlab_traces.log import Log

MEGA: Final = 1e6


class ModelledWorkload(SyntheticWorkload):
    """A network on a modelled device: what it takes of time and memory is `DeviceModel.batch`'s, nothing is computed.

    `seed` draws how far each batch lies from the model's time, within the device's scatter.
    """

    def __init__(self, clock: Clock, marker: Marker, device: DeviceModel, it: Modelled, *, seed: int = 0) -> None:
        super().__init__(clock, marker, it.seconds, spread=device.time_scatter, seed=seed)
        self._device, self._it = device, it
        self._noted: list[tuple[int, str, float]] = []

    def load(self, task: Task) -> Loaded:
        """Take as much memory as the network needs; see `Workload.load`.

        Raises
        ------
        OutOfMemoryError
            The device does not have it.
        """
        device, it = self._device, self._it
        self._note(BEFORE, 0.0)
        if not device.fits(it):
            raise OutOfMemoryError(
                f"{task.model} with batch {task.batch} needs {it.memory / MEGA:.0f} MB, and the simulated board "
                f"{device.name} has {device.memory_room / MEGA:.0f} MB left; take a smaller batch"
            )
        loaded = super().load(task)
        self._note(LOADED, it.static)
        network = NETWORKS[task.model]
        return replace(
            loaded,
            parameters=network.parameters,
            input_shape=(task.batch, *(network.input_shape or ())),
            framework="none: a device model, nothing is computed",
            device=f"{device.name}, SIMULATED",
        )

    def run(self, windows: int, seconds: float, gap: float = GAP) -> tuple[Timed, ...]:
        """Let windows pass; see `Workload.run`."""
        self._note(WINDOWS, self._it.memory)
        return super().run(windows, seconds, gap)

    def noted(self) -> tuple[Log, ...]:
        """The memory in use at each step, as a watch over a real board would have seen it."""
        rows, self._noted = self._noted, []
        if not rows:
            return ()
        at, phases, used = zip(*rows, strict=True)
        unknown = [None] * len(rows)
        columns = {
            "host_ns": list(at),
            "phase": list(phases),
            "samples": [1] * len(rows),
            "system": list(used),
            **dict.fromkeys(("rss", "pss", "framework", "device"), unknown),
        }
        units = {"host_ns": "ns", **dict.fromkeys(("system", "rss", "pss", "framework", "device"), "B")}
        return (Log(LOG, columns, units),)

    def _note(self, phase: str, used: float) -> None:
        self._noted.append((self._clock.now(), phase, self._device.memory_before + used))
