"""The bench under examination: opened piece by piece, so that what is broken does not hide what is not."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

from powerlab.asking import line_of
from powerlab.bench import SIMULATED_SERIAL, set_up_trigger
from powerlab.benchfile import BenchFile
from powerlab.load import busy
from powerlab.marker import Marker, open_marker
from powerlab_instruments.errors import DeviceError
from powerlab_instruments.link import Visa, VisaLink
from powerlab_instruments.probe import CurrentProbe1146B
from powerlab_instruments.roles import Scope, ScopeChannel, Supply
from powerlab_instruments.screen import Screen, screens
from powerlab_instruments.supply import E364xA
from powerlab_instruments.waveform import Waveform
from powerlab_traces.clock import Clock, HostClock

LOOK = 0.5  # s of the record of a steady current
SETTLE = 0.1  # s a load runs before it is measured
PRE_TRIGGER = 0.1  # of a record: one division, with the time reference at the left
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the supply was set to before it was changed for the examination."""

    range: str
    voltage: float
    current_limit: float
    over_voltage: float
    over_voltage_on: bool

    @classmethod
    def of(cls, supply: E364xA) -> Self:
        """As they are now."""
        return cls(supply.range, supply.voltage, supply.current_limit, supply.over_voltage, supply.over_voltage_on)


@dataclass(frozen=True, slots=True)
class Seen:
    """One steady current, in A in the lead, as supply and scope see it."""

    supply: float
    scope: float
    unsteady: float  # by how much the supply's readings before and after differ, A
    lowest: float  # of the scope's samples
    highest: float
    clipped: bool


class Patient:
    """A bench that is looked at. Nothing is opened until a check does; `close` leaves the supply as it was found.

    `power` allows switching a board on that is off, where bench.toml says `output = "on"`. Scope settings are changed
    and stay so.
    """

    scope: Scope
    supply: Supply
    probe: CurrentProbe1146B
    channel: ScopeChannel
    screen: Screen
    marker: Marker
    seen: tuple[Seen, ...]

    def __init__(
        self,
        file: BenchFile,
        *,
        name: str = "bench.toml",
        power: bool = False,
        clock: Clock | None = None,
        marker: Callable[[str, Clock], Marker] = open_marker,
    ) -> None:
        self.file, self.name, self.power = file, name, power
        self.clock: Clock = clock or HostClock()
        self.zero: tuple[Screen, float] | None = None  # a screen, and what the probe shows on it without current (A)
        self._open_marker = marker
        self._links: dict[str, tuple[Visa, VisaLink]] = {}
        self._closing = ExitStack()  # run backwards, each whatever became of the others

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the supply as it was found, the marker low, and let go of everything. Ctrl-C cannot cut it short."""
        with undisturbed():
            self._closing.close()

    @property
    def simulated(self) -> bool:
        """Whether the scope is a simulated one, as far as one was found."""
        scope = getattr(self, "scope", None)
        return scope is not None and scope.identity.serial.startswith(SIMULATED_SERIAL)

    def link(self, role: str) -> VisaLink:
        """The line to the scope or the supply; opened when first used."""
        if role not in self._links:
            visa, place = Visa(self.file.visa_library), line_of(self.file, role)
            self._closing.callback(visa.close)
            try:
                link = visa.open(place.resource, timeout=self.file.timeout, adapter=place.adapter, rs232=place.rs232)
            except BaseException:
                visa.close()
                raise
            self._links[role] = visa, link
        return self._links[role][1]

    def hang_up(self, role: str) -> None:
        """Close the line, so that it can be looked at in another way."""
        if role in self._links:
            self._links.pop(role)[0].close()

    def settle_probe(self) -> None:
        """The probe that bench.toml describes, and the first screen of a capture: its own, or the widest."""
        self.probe = CurrentProbe1146B(self.file.probe.sensitivity, self.file.probe.turns)
        scope = self.file.scope
        if scope.full_scale is None or scope.centre is None:
            self.screen = screens(self.probe, self.file.supply.current_limit)[0]
        else:
            self.screen = Screen(scope.full_scale, scope.centre)

    def set_up_scope(self) -> None:
        """Set the scope up as a capture does."""
        self.channel = self.scope.channel(self.file.scope.channel)
        set_up_trigger(self.scope, self.file)
        self.show(self.screen)

    def show(self, screen: Screen) -> None:
        """Set the probe's channel to a screen."""
        self.screen = screen
        self.probe.set_up(self.channel, full_scale=screen.full_scale, centre=screen.centre)
        self.scope.check("the probe's channel")

    def record(self, source: str, duration: float, meanwhile: Callable[[], None] = lambda: None) -> Waveform:
        """A record of `duration` seconds that is triggered by hand; `meanwhile` runs after its trigger.

        `source` is "CHAN1" to "CHAN4" or "POD1".
        """
        self.scope.arm(duration, self.clock)
        self.scope.force_trigger()
        triggered = self.clock.now()
        meanwhile()
        self.clock.sleep((1 - PRE_TRIGGER) * duration - (self.clock.now() - triggered) * 1e-9)
        self.scope.wait(self.file.timeout, self.clock)
        return self.scope.fetch(source, "" if source == "POD1" else "A")

    def look(self, *, loaded: bool = False) -> Seen:
        """The current now, idle or loaded: a record of the scope between two readings of the supply."""
        with self.load() if loaded else nullcontext():
            self.clock.sleep(SETTLE)
            before = self.supply.measured_current
            wave = self.record(self.source, LOOK)
            after = self.supply.measured_current
        values = wave.trace().values
        return Seen(
            supply=(before + after) / 2,
            scope=float(values.mean()),
            unsteady=abs(after - before),
            lowest=float(values.min()),
            highest=float(values.max()),
            clipped=bool(len(wave.clipped())),
        )

    @property
    def source(self) -> str:
        """The probe's channel, as a source of records."""
        return f"CHAN{self.file.scope.channel}"

    def raise_marker(self) -> Marker:
        """Open the marker of bench.toml, low; it is closed with the bench."""
        self.marker = self._open_marker(self.file.marker.output, self.clock)
        self._closing.callback(self.marker.close)
        return self.marker

    def load(self) -> AbstractContextManager[None]:
        """Have the board draw more, as far as this machine can, with the marker high if it is open."""
        return busy(getattr(self, "marker", None))

    def power_on(self) -> None:
        """Switch the board on as a capture does, limits first, and wait for its boot time."""
        supply = self.file.supply
        found = Limits.of(self.supply) if isinstance(self.supply, E364xA) else None
        self._closing.callback(self._power_off, found)  # first: what fails half-way must be undone too
        self.supply.prepare_output(
            voltage=supply.voltage, current_limit=supply.current_limit, over_voltage=supply.over_voltage
        )
        self.supply.switch_on()
        self.clock.sleep(supply.boot_time)

    def _power_off(self, found: Limits | None) -> None:
        """Switch off, and only when that is sure put the supply's settings back."""
        try:
            self.supply.make_safe(self.clock)
        except DeviceError:  # a question that was cut off leaves entries in the error queue, and now they are read
            self.supply.make_safe(self.clock)
        if found is not None and isinstance(self.supply, E364xA):
            _restore(self.supply, found)


def _restore(supply: E364xA, found: Limits) -> None:
    """Put the settings back, through values that both ranges allow."""
    if supply.range != found.range:
        supply.voltage = 0
        supply.current_limit = min(found.current_limit, *(it.current for it in supply.ranges))
        supply.range = found.range
    supply.voltage = found.voltage
    supply.current_limit = found.current_limit
    supply.over_voltage = found.over_voltage
    supply.over_voltage_on = found.over_voltage_on
    supply.check("its former settings")


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let a termination, or a terminal that hangs up, end this as Ctrl-C does: the board must not stay on."""
    with _handlers(_interrupt):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Finish what is begun here, whoever asks to stop."""
    with _handlers(signal.SIG_IGN):
        yield


@contextmanager
def _handlers(handler: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    before = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, former in before.items():
            with contextlib.suppress(TypeError):  # one that was not installed from Python
                signal.signal(number, former)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
