"""Run, stop, single, digitize, and the registers that tell how far an acquisition is.

InfiniiVision 2000 X-Series Programmer's Guide, root level commands; bits as in its status chapter.
"""

import functools

from powerlab_instruments.simulated.acquisition import Acquisition
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.digitiser import Digitiser, Setup
from powerlab_instruments.simulated.forms import Whole, Word, counted, engineering
from powerlab_instruments.simulated.models import Model
from powerlab_instruments.simulated.panel import RANGE_LIMITS, bits_of
from powerlab_instruments.simulated.scpi import command, query
from powerlab_instruments.simulated.sweep import Sweep

RUN_BIT, WAIT_BIT = 8, 32
_SOURCE = Word("CHANnel<1-4>", "POD<1-2>", "DIGital<0-15>")


class RunControl(Sweep):
    """A scope that acquires. `state` is `RUN`, `STOP` or `SING`, as `:RSTate?` says it."""

    def __init__(self, digitiser: Digitiser, clock: SimulatedClock, memory: int, model: Model) -> None:
        self.digitiser, self.clock = digitiser, clock
        self.state = "STOP"
        self.acquisition: Acquisition | None = None
        self.finished: Acquisition | None = None
        self.segments: list[Acquisition] = []
        self._number = 0
        self._operation_event = self._operation_enable = 0
        self._triggered = self._armed = False
        self._announced: Acquisition | None = None  # whose arming the registers have taken in
        self._seen: Acquisition | None = None  # whose trigger they have taken in
        super().__init__(model, memory)
        self.reset()

    def reset(self) -> None:
        """Running, with nothing recorded (UNCONFIRMED that *RST leaves the 2000 X-Series running)."""
        self.finished = None
        self.segments = []
        self._start("RUN")

    def _start(self, state: str) -> None:
        self.state = state
        free = state == "RUN" and self.acquire_mode == "RTIM"  # segments are taken until the memory is full
        self._operation_event |= RUN_BIT
        self._arm(self.setup(shared=free), self.clock.now(), free_running=free)
        if not free:
            self.finished = None  # the memory is being overwritten
            self.segments = []

    def _arm(self, setup: Setup, at: int, *, free_running: bool = False) -> None:
        self._number += 1
        self._announced = self._seen = None
        self.acquisition = Acquisition(setup, self.digitiser, armed=at, number=self._number, free_running=free_running)

    def changed(self, name: str) -> None:
        """A running acquisition starts again with the new setting; a finished one keeps its own."""
        if self.state != "STOP" and name in self.ARMED_WITH:
            self._start(self.state)

    def settle(self) -> None:
        """Bring trigger, completion and event registers up to the present."""
        while self.acquisition is not None and self._settle(self.acquisition, self.clock.now()):
            pass  # the next segment has begun, and may be complete, too

    def _settle(self, acquisition: Acquisition, now: int) -> bool:
        """The same for the acquisition under way; whether another has followed it."""
        acquisition.look(now)
        if now >= acquisition.ready and self._announced is not acquisition:
            self._announced, self._armed = acquisition, True
            self._operation_event |= WAIT_BIT
        if acquisition.trigger is None:
            return False
        if self._seen is not acquisition:
            self._seen, self._triggered = acquisition, True
        if not acquisition.done(now):
            return False
        if acquisition.free_running:
            self._number += 1
            newest = acquisition.follow(now, self._number)
            self._triggered = self._triggered or newest is not acquisition
            self.acquisition = self.finished = self._announced = self._seen = newest
            return False
        if self.acquire_mode == "SEGM":
            self.segments.append(acquisition)
            if len(self.segments) < self.segment_count:
                self._arm(acquisition.setup, acquisition.done_at(now) or now)  # dead time is taken as nought
                return True
        self._end(acquisition)
        return False

    def _end(self, record: Acquisition | None) -> None:
        """Stopped; of segments, the first one is on the screen (UNCONFIRMED)."""
        self.finished = self.segments[0] if self.segments else record
        self.state, self.acquisition = "STOP", None

    def condition(self) -> int:
        """The operation status condition: bit 3 not stopped, bit 5 armed and waiting for the trigger."""
        if self.state == "STOP" or self.acquisition is None:
            return 0
        waiting = self.clock.now() >= self.acquisition.ready and (
            self.acquisition.trigger is None or self.acquisition.free_running
        )
        return RUN_BIT | (WAIT_BIT if waiting else 0)

    def status_summary(self) -> int:
        """Bit 7 when an enabled operation event is latched, bit 0 when a trigger has come."""
        self.settle()
        return (128 if self._operation_event & self._operation_enable else 0) | (1 if self._triggered else 0)

    def clear_events(self) -> None:
        """*CLS empties the event registers."""
        self._operation_event = 0
        self._triggered = self._armed = False

    @command("RUN")
    def run(self) -> None:
        """Acquire again and again."""
        self._start("RUN")

    @command("STOP")
    def stop(self) -> None:
        """Stop; what has been recorded completely stays, of segments too. One record alone that was triggered ends
        with holes.
        """
        self.settle()
        under_way = self.acquisition
        if under_way is None:
            return
        if under_way.trigger is not None and not (self.finished or self.segments):
            under_way.cut(self.clock.now())
            self.finished = under_way
        self._end(self.finished)

    @command("SINGle")
    def single(self) -> None:
        """Arm one acquisition and return at once."""
        self.need_records()
        self._start("SING")

    @command("DIGitize", _SOURCE, _SOURCE, _SOURCE, _SOURCE, _SOURCE, optional=5)
    def digitize(self, *sources: str) -> None:
        """Acquire the sources (none: what is displayed) and process nothing else until that is complete.

        To average takes as many triggers as there are acquisitions to average; the last one stands for their signal.
        The scope is left stopped. Without a trigger only a device clear, here the end of the connection, frees it.
        Channels that are not listed go off the screen (UNCONFIRMED).
        """
        self.need_records()
        if sources:
            self._show_only(sources)
        for _ in range(self.acquire_count if self.acquire_type == "AVER" else 1):
            self._start("SING")
            if not self.completed():
                self.stop()
                return

    def _show_only(self, sources: tuple[str, ...]) -> None:
        for n in range(1, self.model.analog + 1):
            self.values["display", (n,)] = f"CHAN{n}" in sources
        for d in range(self.model.digital):
            if f"POD{d // 8 + 1}" not in sources:
                self.values["digital_display", (d,)] = f"DIG{d}" in sources
        for pod in self.pods():
            shown = self.digital_display
            if f"POD{pod}" in sources and not any(shown[d] for d in bits_of(pod)):
                self.set_pod_display(pod, value=True)

    def completed(self) -> bool:
        """Wait for the end of the acquisition under way, all segments of it, processing nothing else.

        False when cancelled before.
        """
        while (acquisition := self.acquisition) is not None:
            recheck = None if acquisition.setup.logic else 0.01
            due = functools.partial(lambda it: it.done_at(self.clock.now()), acquisition)
            if not self.clock.wait_until(due, self.cancelled, recheck):
                return False
            self.settle()
        return True

    @command("*TRG")
    def trigger_by_bus(self) -> None:
        """The same as `:DIGitize` without sources."""
        self.digitize()

    @command("AUToscale", *[_SOURCE] * 5, optional=5)
    def autoscale(self, *sources: str) -> None:
        """Fit the listed channels (none: those on the screen) to what they see, trigger on the first, run.

        A model: four divisions for what was seen of late, 100 us/div, AUTO sweep (UNCONFIRMED in every number).
        """
        listed = [int(name[-1]) for name in sources if name.startswith("CHAN")]
        channels = listed or [n for n, shown in self.display.items() if shown]
        for n in channels:
            low, high = (volts * self.probe[n] for volts in self.digitiser.extremes(n, self.clock.now(), 0.1))
            smallest, largest = (limit * self.probe[n] for limit in RANGE_LIMITS)
            self.values["display", (n,)] = True
            self.values["ranges", (n,)] = min(max(2 * (high - low), smallest), largest)
            self.set_offset(n, (high + low) / 2)
            self.levels[f"CHAN{n}"] = self.offset[n]
        if channels:
            self.source = f"CHAN{channels[0]}"
        self.timebase_mode, self.trigger_mode, self.sweep, self.span = "MAIN", "EDGE", "AUTO", 1e-3
        self._start("RUN")

    @query("RSTate")
    def run_state(self) -> str:
        """`RUN`, `STOP` or `SING`."""
        return self.state

    @command("TRIGger:FORCe")
    def force(self) -> None:
        """Take the trigger as come."""
        if self.acquisition is not None:
            self.acquisition.force(self.clock.now())

    @query("TER")
    def trigger_event(self) -> str:
        """Whether a trigger has come since this was last read."""
        value, self._triggered = self._triggered, False
        return counted(value)

    @query("AER")
    def armed_event(self) -> str:
        """Whether the trigger system has armed since this was last read."""
        value, self._armed = self._armed, False
        return counted(value)

    @query("OPERegister:CONDition")
    def operation_condition(self) -> str:
        """The live operation status register."""
        return counted(self.condition())

    @query("OPERegister[:EVENt]")
    def operation_event(self) -> str:
        """The latched operation status register, which is cleared."""
        value, self._operation_event = self._operation_event, 0
        return counted(value)

    @command("OPEE", Whole(0, 65535))
    def enable_operation(self, mask: int) -> None:
        """Which operation events reach the status byte."""
        self._operation_enable = mask

    @query("OPEE")
    def enabled_operation(self) -> str:
        """The mask of `:OPEE`."""
        return counted(self._operation_enable)

    def planned_points(self) -> int:
        """Samples of the finished record if it was taken with these settings, else of the next acquisition."""
        record = self.finished
        if self.state == "STOP" and record is not None and record.setup.span == self.span:
            return record.setup.points
        return self.plan(shared=self.state == "RUN")

    @query("ACQuire:SRATe")
    def sample_rate(self) -> str:
        """Samples per second; it follows from time base, memory and displayed channels and cannot be set."""
        return engineering(self.planned_points() / self.span)

    @query("ACQuire:POINts")
    def acquired_points(self) -> str:
        """Samples of each channel; cannot be set."""
        return counted(self.planned_points())
