"""Recording a run: records armed around windows, fetched, and made durable one by one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from powerlab.bench import Bench
from powerlab.description import Description, check_same_work
from powerlab.fetching import fetch
from powerlab.ranging import Ranging
from powerlab.recordlength import PRE_ROLL, RecordLength, room_in
from powerlab.workload import WorkloadError
from powerlab_analysis.edges import debounced, pulses
from powerlab_instruments.errors import NoAnswer
from powerlab_traces.chain import SupplyReading
from powerlab_traces.errors import PowerlabError
from powerlab_traces.log import Log
from powerlab_traces.record import Record, RecordKind
from powerlab_traces.run import Outcome
from powerlab_traces.store import RunWriter
from powerlab_traces.window import HostWindow

SHORTEST_GAP = 1e-3  # s of marker low between two windows, so that a slow record still shows it


@dataclass
class _Open:
    """The record that is armed now."""

    duration: float  # s
    before: SupplyReading
    armed: int
    triggered: int | None = None  # host's time of a trigger by hand; None where the first window's marker is it
    windows: list[HostWindow] = field(default_factory=list)


class Recording:
    """One run being recorded. Entering it sets up the bench, takes the zero and the first idle record.

    If the board is off and bench.toml lets powerlab switch it on, a zero record is taken first: with no current
    in the lead, it takes out the offsets of probe and scope. Leaving it takes the last idle record and finishes the
    file; on an error or Ctrl-C what was recorded is kept, and the file says that it ended early.

    With `resume` the run exists already, finished or cut off, and gets one more segment.

    With `full_scale = "auto"` the scope's screen is chosen in `ranging`, and the first idle record waits for that.
    """

    def __init__(
        self,
        bench: Bench,
        path: Path,
        *,
        idle: float = 1.0,
        model: str = "lab script",
        batch: int | None = None,
        workload: Mapping[str, str] | None = None,
        resume: bool = False,
    ) -> None:
        self.bench, self.path, self.idle = bench, path, idle
        self.outcome = Outcome.COMPLETE  # what the file will say
        self._resume = resume
        self._model, self._batch, self._workload = model, batch, workload or {}
        self._notes: list[str] = []
        self._next = 0  # index of the next record
        self._stored = 0
        self._lost_before = False
        self._windows = 0
        self.timed = 0.0  # s, of all windows so far
        self._length = RecordLength(bench)
        self._last_low: int | None = None
        self._open: _Open | None = None
        known = bench.known()
        self._ranging = Ranging(bench, known)
        self._known = known.on(self._ranging.screens)
        self._idle_due = True

    def __enter__(self) -> Self:
        self._writer = RunWriter(self.path, resume=self._resume)  # first: a name that cannot be written costs nothing
        try:
            self._take_up()
            self.bench.insist(self.bench.make_ready)
            powered = self.bench.powered
            if not powered:
                self._known = self._known.without_zero()  # those of the run's own records are fresher
            self._describe()
            if not powered:
                self._take_zeros()
                self.bench.power_on()
            if not self.has_choice:
                self.take_idle()
            # Once more: the board is on now.
            self._writer.describe_settings(self.bench.insist(self.bench.settings))
        except BaseException as error:
            self._end_early(error)
            raise
        return self

    def end_without(self, error: WorkloadError, outcome: Outcome) -> None:
        """Write the run of a workload that did not even load: no record, nothing set, nothing switched on."""
        self._writer = RunWriter(self.path, resume=self._resume)
        try:
            self._take_up()
            self._describe()
            self.ended_by(error, outcome)
            self._writer.finish(notes=self.bench.notes + self._notes, outcome=self.outcome)
        except BaseException:
            self._writer.abandon()
            raise

    def ended_by(self, error: WorkloadError, outcome: Outcome) -> None:
        """Note that the workload has ended so. What was recorded counts, the record that is armed is given up."""
        self.outcome = outcome
        self.note(str(error))
        self._lower_wire()
        if outcome is Outcome.LINK_LOST:
            self.bench.clock.sleep(self._length.next_window)  # the board finishes its window before it idles
        if self._open is not None:
            self.cancel_record()

    def _take_up(self) -> None:
        """Go on counting where the run to resume had come to."""
        if (earlier := self._writer.earlier) is None:
            return
        check_same_work(self.path, earlier, self._model, self._batch, self.bench)
        self._next, self._windows = earlier.next_record, len(earlier.windows)
        self._length.expect(max((it.duration for it in earlier.windows), default=0.0))
        self.timed = sum(it.duration for it in earlier.windows)

    def _describe(self) -> None:
        self._description = Description(self._writer, self.bench, self._known)
        for text in self._description.write(self._model, self._batch, self._workload):
            self.note(text)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            try:
                if self._open is not None:
                    self.close_record()
                self.take_idle()
                self._finish()
            except BaseException as late:
                self._end_early(late)
                raise
        else:
            self._end_early(error)

    @property
    def has_choice(self) -> bool:
        """Whether the scope's screen is still to be chosen, in `ranging`."""
        return self._idle_due and self._ranging.has_choice

    @contextmanager
    def ranging(self) -> Iterator[None]:
        """Choose the scope's screen by what the board draws while the body runs, before the first window.

        Let the body do what the windows will do. A record is taken on the widest screen meanwhile; it is not stored.
        Where bench.toml gives the screen, the body just runs. Without a `ranging` the widest screen stays.
        """
        if not self.has_choice:
            yield
            return
        duration = self.bench.insist(lambda: self._length.next_record)
        self.bench.insist(lambda: self._arm_now(duration))
        armed = self.bench.clock.now()
        yield
        try:
            self._wait_from(armed, duration)
            self.note(self._ranging.choose(self.bench.scope.fetch(f"CHAN{self.bench.channel.n}", "A")))
        except NoAnswer as silence:
            self.bench.recover(silence, "and the widest screen kept")
        self._screen_changed()

    @contextmanager
    def window(self, images: int = 1, label: str = "") -> Iterator[None]:
        """Time one batch of `images`: the marker is high while the body runs.

        Arms a record when none is, and a new one when the longest window so far would no longer fit. Synchronise
        your device before the body ends. A body that raises leaves no window.
        """
        self._make_room()
        start = self.bench.marker.high()
        try:
            yield
        finally:
            stop = self.bench.marker.low()
            self._last_low = stop
        self.add_window(start, stop, images, label)

    def open_record(self) -> float:
        """Arm a record; the seconds of windows that fit into it, counted from the first marker edge."""
        if self.has_choice:
            self.note(f"the scope's screen was not chosen and stayed wide, {self.bench.screen}: use Recording.ranging")
            self.take_idle()
        duration = self.bench.insist(lambda: self._length.next_record)
        self._open = self.bench.insist(lambda: self._arm(duration))
        return self.room

    def _arm(self, duration: float) -> "_Open":
        before = self.bench.supply.read(self.bench.clock)
        self.bench.check_feeding(before)
        self.bench.scope.arm(duration, self.bench.clock)
        armed = self.bench.clock.now()
        if self.bench.file.marker.source is not None:
            return _Open(duration, before, armed)
        self.bench.scope.force_trigger()
        return _Open(duration, before, armed, triggered=armed)

    def add_window(self, start: int, stop: int, images: int, label: str = "") -> None:
        """Note a window of the armed record: the host's times of its marker edges, in nanoseconds."""
        if self._open is None:
            raise RuntimeError("no record is open")
        window = HostWindow(start, stop, self._windows, self._next, images, label)
        self._open.windows.append(window)
        self._windows += 1
        self.timed += window.duration
        self._length.expect(window.duration)

    def close_record(self, pulses_of: int | None = None) -> None:
        """Wait for the armed record to end, fetch it, and bring it to the disk with its windows.

        With `pulses_of`, its windows are the pulses that the marker has in it, of so many images each.

        A record whose instruments fall silent is lost: its windows stay without a record, the bench is recovered,
        and the run goes on. The second loss in a row ends it. After a record that clipped, the next one is taken on a
        wider screen where there is a choice.
        """
        if self._open is None:
            raise RuntimeError("no record is open")
        scope, clock = self.bench.scope, self.bench.clock
        armed = self._open
        if armed.windows:
            end = (armed.triggered or armed.windows[0].start) + int((1 - PRE_ROLL) * armed.duration * 1e9)
            clock.sleep((end - clock.now()) * 1e-9)
        record = None
        try:
            # Nobody has waited for pulses yet: the record may only just have begun.
            scope.wait(self.bench.file.timeout + (0.0 if pulses_of is None else armed.duration), clock)
            ended = clock.now()
            record = self._fetch(RecordKind.ACTIVE, armed.armed, armed.before)
            if pulses_of is not None:
                self._add_pulses(record, ended, pulses_of)
                self._lower_wire()  # the program was stopped at any instant
            self._store(record, armed.windows)
            self._lost_before = False
        except NoAnswer as silence:
            if self._lost_before:
                raise
            self._lost_before = True
            self._writer.add_windows(armed.windows)
            self._open = None  # its windows are written, whatever comes
            self._next += 1  # no later record takes the number that its windows name
            self.bench.recover(silence, f"record {self._next - 1} with its windows was lost")
        self._open = None
        if record is not None and len(record.clipped) and self._ranging.widen():
            self.note(f"record {self._next - 1} clipped; from record {self._next} on the screen is {self.bench.screen}")
            self._screen_changed()

    def lose_record(self, why: str) -> None:
        """Give up the armed record, in which nobody knows where its windows lie: they stay, without a record."""
        if self._open is None:
            raise RuntimeError("no record is open")
        windows = self._open.windows
        self.cancel_record()
        self._writer.add_windows(windows)
        self.note(f"record {self._next} with its windows was given up: {why}")
        self._next += 1  # no later record takes the number that its windows name

    def cancel_record(self) -> None:
        """Give up the armed record, in which nothing ran."""
        self.bench.scope.stop()
        self._open = None

    @property
    def room(self) -> float:
        """Seconds from the first marker edge of a record, the armed or the next, to the last window's end that fits."""
        return room_in(self._length.next_record if self._open is None else self._open.duration)

    @property
    def window_count(self) -> int:
        """Windows timed so far."""
        return self._windows

    @property
    def record_count(self) -> int:
        """Records stored so far."""
        return self._stored

    @property
    def longest(self) -> float:
        """The longest window so far, or expected, in seconds; 0 when nothing is known."""
        return self._length.window

    def expect(self, longest: float) -> None:
        """Say how long windows will be (s), so that the first record is long enough."""
        self._length.expect(longest)

    def take_idle(self) -> None:
        """Take one idle record, if idle records are wanted."""
        self._idle_due = False
        if self.idle > 0:
            self.bench.check_feeding(self._take(RecordKind.IDLE, self.idle).after)

    def _make_room(self) -> None:
        clock = self.bench.clock
        if self._open is not None and self._open.windows:
            used = (clock.now() - (self._open.triggered or self._open.windows[0].start)) * 1e-9
            if used + self._length.next_window > self.room:
                self.close_record()
        if self._open is None:
            self.open_record()
        if self._last_low is not None:
            clock.sleep(SHORTEST_GAP - (clock.now() - self._last_low) * 1e-9)

    def _take_zeros(self) -> None:
        self._ranging.zero_each(lambda: self._take(RecordKind.ZERO, self.idle or self.bench.file.scope.record))

    def _take(self, kind: RecordKind, duration: float) -> Record:
        """A record without windows, triggered at once."""
        return self.bench.insist(lambda: self._take_once(kind, duration))

    def _take_once(self, kind: RecordKind, wanted: float) -> Record:
        duration = self._length.span(wanted)
        before = self.bench.supply.read(self.bench.clock)
        self._arm_now(duration)
        armed = self.bench.clock.now()
        self._wait_from(armed, duration)
        record = self._fetch(kind, armed, before)
        self._store(record, ())
        return record

    def _arm_now(self, duration: float) -> None:
        self.bench.scope.arm(duration, self.bench.clock)
        self.bench.scope.force_trigger()

    def _wait_from(self, triggered: int, duration: float) -> None:
        """Wait for a record of `duration` that was triggered at this time of the host."""
        clock = self.bench.clock
        clock.sleep((1 - PRE_ROLL) * duration - (clock.now() - triggered) * 1e-9)
        self.bench.scope.wait(self.bench.file.timeout, clock)

    def _screen_changed(self) -> None:
        self._description.write_chain()
        self._writer.describe_settings(self.bench.insist(self.bench.settings))
        self.take_idle()

    def _fetch(self, kind: RecordKind, armed: int, before: SupplyReading) -> Record:
        """Read the record that has ended, and note if it comes at another rate than wanted."""
        record, wanted = fetch(self.bench, kind, armed, before, self._next), self.bench.file.scope.sample_rate
        current = record.current
        if abs(current.sample_rate / wanted - 1) > 1e-3:
            self.note(
                f"records of {len(current) * current.interval:.3g} s come at {current.sample_rate:.6g} samples/s, "
                f"not {wanted:.6g}: what the scope delivers is no whole multiple"
            )
        return record

    def _store(self, record: Record, windows: Sequence[HostWindow]) -> None:
        """Bring a record to the disk with its windows."""
        self._writer.append(record, windows)
        self._next += 1
        self._stored += 1

    def _lower_wire(self) -> None:
        """Lower a simulated bench's marker, which who has stopped or crashed may have left high.

        A real board idles then all the same, and its line may still be in other hands.
        """
        if self.bench.file.raised.startswith("wire:"):
            with suppress(PowerlabError):
                self.bench.marker.low()

    def _add_pulses(self, record: Record, ended: int, images: int) -> None:
        """Note a window for each whole pulse of the marker in a record that ended then, on the host's clock."""
        bit = self.bench.file.marker.bit
        assert record.marker is not None
        assert bit is not None
        zero = ended - round(record.marker.stop * 1e9)
        for it in debounced(pulses(record.marker, bit), SHORTEST_GAP):
            if not (it.cut_start or it.cut_stop):
                self.add_window(zero + round(it.start * 1e9), zero + round(it.stop * 1e9), images)

    def note(self, text: str) -> None:
        """Say something that whoever reads the run should know; once is enough."""
        if text not in self._notes:
            self._notes.append(text)

    def log(self, log: Log) -> None:
        """Store what was noted beside the records; rows of the same log follow each other."""
        self._writer.add_log(log)

    def _finish(self) -> None:
        for instrument in (self.bench.scope, self.bench.supply):
            for entry in instrument.errors():
                self.note(f"{instrument.model} had {entry} in its queue at the end")
        self._writer.finish(notes=self.bench.notes + self._notes, truth=self.bench.truth(), outcome=self.outcome)
        self.bench.recorded = self.path

    def _end_early(self, error: BaseException) -> None:
        """Keep what was recorded: finish the file with a note, without asking the bench anything."""
        if self._open is not None:
            self._writer.add_windows(self._open.windows)
            self._open = None
        if self._stored == 0:
            self._writer.abandon()
            return
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
        self.note(f"ended early: {reason}")
        try:
            truth = self.bench.truth()
        except PowerlabError:  # the simulated bench may be what ended the run
            truth = None
        outcome = Outcome.STOPPED if isinstance(error, KeyboardInterrupt) else Outcome.FAILED
        self._writer.finish(notes=self.bench.notes + self._notes, truth=truth, outcome=outcome)
        error.add_note(f"what was recorded is in {self.path}")
