"""Run, stop, single, digitize, and the registers that tell how far an acquisition is.

InfiniiVision 2000 X-Series Programmer's Guide, root level commands; bits as in its status chapter.
"""

from powerlab_instruments.simulated.acquisition import Acquisition
from powerlab_instruments.simulated.clock import SimulatedClock
from powerlab_instruments.simulated.digitiser import Digitiser
from powerlab_instruments.simulated.forms import ScpiError, Whole, Word, counted, engineering
from powerlab_instruments.simulated.panel import Panel
from powerlab_instruments.simulated.scpi import command, query

RUN_BIT, WAIT_BIT = 8, 32
_SOURCE = Word("CHANnel<1-4>", "POD<1-1>", "DIGital<0-7>")


class RunControl(Panel):
    """A scope that acquires. `state` is `RUN`, `STOP` or `SING`, as `:RSTate?` says it."""

    def __init__(self, digitiser: Digitiser, clock: SimulatedClock, memory: int) -> None:
        self.digitiser, self.clock = digitiser, clock
        self.state = "STOP"
        self.acquisition: Acquisition | None = None
        self.finished: Acquisition | None = None
        self._number = 0
        self._operation_event = self._operation_enable = 0
        self._triggered = self._armed = False
        self._announced: Acquisition | None = None  # whose arming the registers have taken in
        self._seen: Acquisition | None = None  # whose trigger they have taken in
        super().__init__(memory)
        self.reset()

    def reset(self) -> None:
        """Running, with nothing recorded (UNCONFIRMED that *RST leaves the 2000 X-Series running)."""
        self.finished = None
        self._start("RUN")

    def _start(self, state: str) -> None:
        self.state = state
        self._number += 1
        free = state == "RUN"
        self.acquisition = Acquisition(
            self.setup(shared=free),
            self.digitiser,
            armed=self.clock.now(),
            number=self._number,
            free_running=free,
        )
        self._operation_event |= RUN_BIT
        self._announced = self._seen = None
        if not free:
            self.finished = None  # the memory is being overwritten

    def changed(self, name: str) -> None:
        """A running acquisition starts again with the new setting; a finished one keeps its own."""
        if self.state != "STOP" and name not in self.COSMETIC:
            self._start(self.state)

    def settle(self) -> None:
        """Bring trigger, completion and event registers up to the present."""
        now, acquisition = self.clock.now(), self.acquisition
        if acquisition is None:
            return
        acquisition.look(now)
        if now >= acquisition.ready and self._announced is not acquisition:
            self._announced, self._armed = acquisition, True
            self._operation_event |= WAIT_BIT
        if acquisition.trigger is None:
            return
        if self._seen is not acquisition:
            self._seen, self._triggered = acquisition, True
        if not acquisition.done(now):
            return
        if acquisition.free_running:
            self._number += 1
            newest = acquisition.follow(now, self._number)
            self._triggered = self._triggered or newest is not acquisition
            self.acquisition = self.finished = self._announced = self._seen = newest
        else:
            self.finished, self.acquisition, self.state = acquisition, None, "STOP"

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
        """Stop; what has been recorded completely stays, a record under way is lost.

        A real scope shows what it has of an unfinished record, with holes; here it counts as none.
        """
        self.state, self.acquisition = "STOP", None

    @command("SINGle")
    def single(self) -> None:
        """Arm one acquisition and return at once."""
        if self.timebase_mode != "MAIN":
            raise ScpiError(-221)
        self._start("SING")

    @command("DIGitize", _SOURCE, _SOURCE, _SOURCE, _SOURCE, _SOURCE, optional=5)
    def digitize(self, *sources: str) -> None:
        """Acquire the sources (none: what is displayed) and process nothing else until that is complete.

        The scope is left stopped. Without a trigger only a device clear, here the end of the connection, frees it.
        Channels that are not listed go off the screen (UNCONFIRMED).
        """
        if self.timebase_mode != "MAIN":
            raise ScpiError(-221)
        if sources:
            for n in range(1, 5):
                self.values["display", (n,)] = f"CHAN{n}" in sources
            for d in range(8):
                if "POD1" not in sources:
                    self.values["digital_display", (d,)] = f"DIG{d}" in sources
                elif not any(self.digital_display.values()):
                    self.set_pod_display(value=True)
        self._start("SING")
        acquisition = self.acquisition
        assert acquisition is not None
        recheck = None if acquisition.setup.source.startswith("DIG") else 0.01
        if self.clock.wait_until(lambda: acquisition.done_at(self.clock.now()), self.cancelled, recheck):
            self.settle()
        else:
            self.stop()

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
