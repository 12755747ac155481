"""Which screen of the scope a run is recorded on: bench.toml's, or the smallest that holds what the board draws."""

from collections.abc import Callable

from powerlab.bench import Bench
from powerlab.calibration import Known
from powerlab_analysis.survey import is_clipped
from powerlab_instruments.screen import Screen, screens, smallest
from powerlab_instruments.waveform import Waveform
from powerlab_traces.record import Record


class Ranging:
    """The screens that a run may be recorded on; the bench shows one of them.

    The scope's offset is another on each, so each has a zero record of its own, taken while the board is still off:
    before anybody knows what it will draw. Of those of one scale the one that `known` has a zero or a calibration of
    is taken again.
    """

    def __init__(self, bench: Bench, known: Known | None = None) -> None:
        self._bench, self._known = bench, known or Known()
        chosen_by_us = bench.file.scope.full_scale is None
        self._screens = self._all() if chosen_by_us else [bench.screen]

    @property
    def screens(self) -> tuple[Screen, ...]:
        """All of them, the widest first."""
        return tuple(self._screens)

    @property
    def has_choice(self) -> bool:
        """Whether there is more than one."""
        return len(self._screens) > 1

    def zero_each(self, take: Callable[[], Record]) -> None:
        """Have a zero record taken on each screen, the widest first; one on which it clips is given up.

        The zero of the widest says where the others must lie, for the probe's thumbwheel may stand anywhere.
        """
        zero = float(take().current.values.mean())
        usable = [self._bench.screen]
        for screen in self._all(zero) if self.has_choice else ():
            if screen.full_scale < usable[0].full_scale:
                self._show(screen)
                if not is_clipped(take()):
                    usable.append(screen)
        if self._bench.screen != usable[0]:
            self._show(usable[0])
        self._screens = usable

    def choose(self, wave: Waveform) -> str:
        """Show the smallest screen that holds this waveform, taken on the widest; a line on what was chosen.

        Of a calibrated bench it is the smallest calibrated one that does.
        """
        trace = wave.trace()
        lowest, highest = sorted(
            int(code) * trace.scale + trace.offset for code in (trace.codes.min(), trace.codes.max())
        )
        span = f"{lowest:.3g} A to {highest:.3g} A while ranging"
        calibrated = [it for it in self._screens if it in self._known.calibrated]
        choices = [smallest(it, lowest, highest) for it in (calibrated, self._screens)]
        fitting = None if len(wave.clipped()) else choices[0] or choices[1]
        if fitting is None:
            return f"the widest screen, {self._bench.screen}, stayed: it was {span}"
        self._show(fitting)
        return f"the scope's screen is {fitting}: it was {span}"

    def widen(self) -> bool:
        """Show the next wider screen; False if there is none."""
        wider = [it for it in self._screens if it.full_scale > self._bench.screen.full_scale]
        if wider:
            self._show(min(wider, key=lambda it: it.full_scale))
        return bool(wider)

    def _all(self, zero: float | None = None) -> list[Screen]:
        """The screens to choose from for a zero (A): of each scale the known one, if it holds the zero."""
        known = {it.full_scale: it for it in reversed(self._known.screens) if zero is None or it.holds(zero, zero)}
        found = screens(self._bench.probe, self._bench.file.supply.current_limit, zero or 0.0)
        return [known.get(it.full_scale, it) for it in found]

    def _show(self, screen: Screen) -> None:
        self._bench.insist(lambda: self._bench.show(screen))
