"""The bench: supply, probe, scope and marker as bench.toml describes them, opened and kept safe."""

import datetime as dt
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from powerlab.benchfile import BenchFile
from powerlab.calibration import CalibrationFile, Conditions, Known, calibration_path, known_of
from powerlab.marker import Marker, MarkerError, open_marker
from powerlab_instruments.catalogue import open_instrument
from powerlab_instruments.errors import DeviceError, InstrumentError, NoAnswer
from powerlab_instruments.link import Visa
from powerlab_instruments.probe import CurrentProbe1146B
from powerlab_instruments.roles import Scope
from powerlab_instruments.screen import Screen, screens
from powerlab_instruments.supply import SETPOINT_STEP
from powerlab_traces.chain import CurrentChain, SupplyLimits, SupplyReading
from powerlab_traces.clock import Clock, HostClock
from powerlab_traces.errors import PowerlabError
from powerlab_traces.run import TrueWindow

if TYPE_CHECKING:
    from powerlab.recording import Recording

# Serial numbers that begin so are the simulated scope's: what it measures never happened.
SIMULATED_SERIAL = "SIM"

LOGIC_SCREEN = 16.0  # V over the screen of an analog input that carries the marker
# V at the external trigger input, where nothing is connected that could reach it. That its range is 8 V: UNCONFIRMED.
UNREACHED = 7.0

MAY_BE_ON = "the supply's output may still be on: look at the supply"

Answer = TypeVar("Answer")


class Bench:
    """An open bench. Opening asks every instrument who it is and sets nothing.

    Whatever ends it, `close` leaves the supply as it was found: an output that the bench switched on is switched
    off, one that was on stays on.

    Raises
    ------
    NoAnswer, WrongInstrument
        An instrument is not there, or is another one; what was opened is closed again.
    """

    def __init__(
        self,
        file: BenchFile,
        text: str,
        *,
        clock: Clock | None = None,
        on_close: Callable[[], None] | None = None,
        calibration: CalibrationFile | None = None,
    ) -> None:
        self.file, self.text = file, text
        self.calibration = calibration or CalibrationFile.model_validate({})
        self.clock: Clock = clock or HostClock()
        self.notes: list[str] = []
        self.recorded: Path | None = None  # the run that was finished last
        self._on_close = on_close
        self._switched_on = False
        self._marker: Marker | None = None
        try:
            self._visa = Visa(file.visa_library)
        except InstrumentError:
            self._closed_by_owner()
            raise
        try:
            self.probe = CurrentProbe1146B(file.probe.sensitivity, file.probe.turns)
            self.scope = open_instrument(self._visa.open(file.scope.resource, timeout=file.timeout), "scope")
            supply = file.supply
            self.supply = open_instrument(
                self._visa.open(supply.resource, timeout=file.timeout, adapter=supply.adapter, rs232=supply.rs232),
                "supply",
            )
            self.channel = self.scope.channel(file.scope.channel)
            for instrument in (self.scope, self.supply):
                for entry in instrument.errors():
                    self.notes.append(f"{instrument.model} had {entry} in its queue before the bench was opened")
        except BaseException:
            self._visa.close()
            self._closed_by_owner()
            raise
        self.screen = self._first_screen()

    def _first_screen(self) -> Screen:
        """bench.toml's, or the one that holds everything the supply may give."""
        scope = self.file.scope
        if scope.full_scale is None or scope.centre is None:
            return screens(self.probe, self.file.supply.current_limit)[0]
        return Screen(scope.full_scale, scope.centre)

    @property
    def simulated(self) -> bool:
        """Whether the scope is a simulated one."""
        return self.scope.identity.serial.startswith(SIMULATED_SERIAL)

    def make_ready(self) -> None:
        """Set up scope and probe, and bring the supply's limits to bench.toml's; switches nothing on.

        A board that is on keeps its voltage: a set-point other than bench.toml's is an error, not a change.

        Raises
        ------
        InstrumentError
            An instrument refuses, the board is off although `output = "leave"`, or it is on with other settings.
        """
        self.set_up_scope()
        supply = self.file.supply
        if not self.supply.output:
            if supply.output == "leave":
                raise DeviceError(
                    f'{self.supply.link}: the output is off; switch the board on, or write output = "on" in bench.toml'
                )
            self.supply.prepare_output(
                voltage=supply.voltage, current_limit=supply.current_limit, over_voltage=supply.over_voltage
            )
            return
        for name, wanted in (("voltage", supply.voltage), ("current_limit", supply.current_limit)):
            found = getattr(self.supply, name)
            if abs(found - wanted) > SETPOINT_STEP:
                raise DeviceError(
                    f"{self.supply.link}: the board is on with {name} {found:g}, bench.toml says {wanted:g}; powerlab "
                    "changes nothing under a running board: set one of the two"
                )

    def set_up_scope(self) -> None:
        """Set up scope and probe, and nothing else."""
        set_up_trigger(self.scope, self.file)
        self.show(self.screen)

    def show(self, screen: Screen) -> None:
        """Set the probe's channel to this screen; it stays so after a recovery, too."""
        self.screen = screen
        self.probe.set_up(self.channel, full_scale=screen.full_scale, centre=screen.centre)
        self.scope.check("the probe's channel")

    def recover(self, silence: NoAnswer, lost: str) -> None:
        """Come back from an instrument's silence, and note what it cost.

        The scope is set up again; the supply keeps its settings, which a device clear does not touch.

        Raises
        ------
        InstrumentError
            It stays silent, or refuses its settings.
        """
        if silence.resource in (self.supply.link.name, self.file.supply.adapter):
            self.supply.recover(self.clock)
        else:
            self.scope.recover(self.clock)
            self.set_up_scope()
        self.notes.append(f"{silence.resource} did not answer {silence.command!r}; recovered, {lost}")

    def insist(self, action: Callable[[], Answer]) -> Answer:
        """Do something with the instruments; when one falls silent, recover and do it once more."""
        try:
            return action()
        except NoAnswer as silence:
            self.recover(silence, "and asked again")
            return action()

    @property
    def powered(self) -> bool:
        """Whether the supply's output is on."""
        return self.supply.output

    def power_on(self) -> None:
        """Switch the board on and wait for its boot time. `make_ready` comes first."""
        self._switched_on = True  # before the command: a switch-on that fails half-way must be undone too
        self.supply.switch_on()
        if not self.powered:
            raise DeviceError(f"{self.supply.link}: the output is off although it was switched on; look at the supply")
        self.clock.sleep(self.file.supply.boot_time)

    def check_feeding(self, reading: SupplyReading) -> None:
        """Raise DeviceError if the supply, read so, no longer feeds the board: nothing more can be measured then."""
        if reading.regulation not in ("CV", "CC"):
            raise DeviceError(
                f"{self.supply.link} no longer feeds the board, its output is {reading.regulation}: look whether its "
                "over-voltage protection has tripped, remove the cause, then start again"
            )

    @property
    def marker(self) -> Marker:
        """The marker, for windows timed in this process; opened when first used.

        Raises
        ------
        MarkerError
            It cannot be opened, or is an output of the board's own computer.
        """
        if self._marker is None:
            if self.file.dut is not None and not self.file.raised.startswith("wire:"):
                raise MarkerError(
                    f"marker {self.file.raised} is an output of {self.file.dut.address}, the board of [dut]: "
                    "it cannot be driven from here"
                )
            self._marker = open_marker(self.file.raised, self.clock)
        return self._marker

    def chain(self) -> CurrentChain:
        """Probe and channel as set up, with their limits."""
        return self.probe.chain(self.channel)

    @property
    def conditions(self) -> Conditions:
        """What a zero or a calibration of this bench, as it is set up now, depends on; the screen apart."""
        named = {
            role: f"{it.maker} {it.model} {it.serial}"
            for role, it in (("scope", self.scope.identity), ("supply", self.supply.identity))
        }
        it = self.file.probe
        return Conditions(**named, channel=self.channel.n, probe=it.model, sensitivity=it.sensitivity, turns=it.turns)

    def known(self) -> Known:
        """The zero and the calibration that hold now."""
        return known_of(self.calibration, self.conditions, dt.datetime.now(dt.UTC))

    def supply_limits(self) -> SupplyLimits:
        """The supply's limits and the lead to the board."""
        supply = self.file.supply
        return self.supply.limits(
            lead_resistance=supply.lead_resistance, lead_resistance_limit=supply.lead_resistance_limit
        )

    def settings(self) -> dict[str, dict[str, str]]:
        """Every declared setting of every instrument, as it is now."""
        return {
            "scope": self.scope.snapshot() | self.channel.snapshot(),
            "supply": self.supply.snapshot(),
        }

    def truth(self) -> tuple[TrueWindow, ...] | None:
        """What a simulated board really drew while its marker was high; None on a real bench."""
        kind, _, address = self.file.raised.partition(":")
        if kind != "wire" or not self.simulated:
            return None
        from powerlab_instruments.simulated.wire import Wire  # noqa: PLC0415 - a real bench needs no simulator

        with Wire(address) as wire:
            return wire.truth()

    def record(self, path: str | os.PathLike[str], *, idle: float = 1.0, label: str = "lab script") -> "Recording":
        """A run on this bench, written to `path`: a context whose `window`s are timed, recorded and stored.

        `idle` is the length in seconds of the idle records before and after; `label` says what ran.
        """
        from powerlab.recording import Recording  # noqa: PLC0415 - a recording is made of a bench

        return Recording(self, Path(path), idle=idle, model=label)

    def close(self) -> None:
        """Leave the bench as it was found, and let go of it; may be called twice."""
        with ExitStack() as last:  # run backwards, each whatever became of the others: the output first
            last.callback(self._closed_by_owner)
            last.callback(self._visa.close)
            if self._marker is not None:
                last.callback(self._marker.close)
            if self._switched_on:
                last.callback(self._switch_off)

    def _switch_off(self) -> None:
        """Make sure that the output is off; a supply that falls silent is recovered for it, and then told again."""
        try:
            self.supply.recover(self.clock)  # asks who is there, and drops what is under way
            try:
                self.supply.make_safe(self.clock)
            except InstrumentError:
                self.supply.recover(self.clock)
                self.supply.make_safe(self.clock)
        except PowerlabError as error:
            error.add_note(MAY_BE_ON)
            if self.recorded is not None:
                error.add_note(f"what was recorded is in {self.recorded}")
            raise
        self._switched_on = False

    def _closed_by_owner(self) -> None:
        if self._on_close is not None:
            self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self.close()
        except PowerlabError as late:
            if error is None:
                raise
            # The first error says what went wrong, and must not be lost behind what it led to.
            for text in (str(late), *getattr(late, "__notes__", ())):
                if text != str(error):
                    error.add_note(text)


def set_up_trigger(scope: Scope, file: BenchFile) -> None:
    """Show the probe's channel alone, and the digital inputs if the marker is on one; trigger on the marker.

    Where no marker reaches the scope it is set to trigger on a level that nothing reaches, and triggered by hand.
    """
    marker = file.marker
    if marker.source is not None and marker.source.startswith("CHAN"):
        # A logic level on the screen; `prepare` hides the channel again, which would halve the memory of its pair.
        scope.channel(int(marker.source[-1])).set_up(ratio=1.0, units="VOLT", full_scale=LOGIC_SCREEN, centre=0.0)
    scope.prepare((file.scope.channel,), digital_threshold=None if marker.bit is None else marker.threshold)
    if marker.bit is not None:
        scope.trigger_on(f"DIG{marker.bit}")
    elif marker.source is not None:
        scope.trigger_on(marker.source, level=marker.threshold)
    else:
        scope.trigger_on("EXT", level=UNREACHED)


def open_bench(path: str | os.PathLike[str] = "bench.toml") -> Bench:
    """Open the bench that a bench.toml describes, with the zeros and the calibration stored beside it.

    Raises
    ------
    BenchFileError, CalibrationFileError
        The file, or that of its calibration, is missing or wrong; the message says where.
    InstrumentError
        An instrument is not there, or is another one.
    """
    file, text = BenchFile.load(Path(path))
    return Bench(file, text, calibration=CalibrationFile.load(calibration_path(Path(path))))
