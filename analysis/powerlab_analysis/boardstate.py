"""Whether the board held its clocks down or was still warming up while windows ran, by its own word.

The log `board_state` of a run has a row a second; the endings of its columns say what they are: `_clock` and `_limit`
(Hz), `_temperature` (degrees Celsius), `_throttle_events` (a count that only rises), `_throttle_flags` and `_cooling`
(0 for none), `governor`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from powerlab_analysis.verdict import OF_WINDOWS, Effect, Verdict
from powerlab_traces.log import Log, Value
from powerlab_traces.window import HostWindow

LOG: Final = "board_state"
# Of its largest while windows ran: sound clocks stay within a step or two of it under the same load.
FALLEN: Final = 0.9
IDLE_CLOCK: Final = 0.5  # of the fastest
LEAST_FALLEN: Final = 2  # rows: one may have been read between two windows
LIMIT_FALLEN: Final = 0.99
RISING: Final = 1.0  # degrees Celsius a minute: the limit for the end of the warm-up by the rules (docs/verdicts.md)
LEAST_ROWS: Final = 10  # of the second half of the run, to say how a temperature moves
SIGNIFICANT: Final = 3.0  # standard uncertainties
LOCKED: Final = "performance"


def board_verdicts(logs: Mapping[str, Log], windows: Sequence[HostWindow], device: str) -> Iterator[Verdict]:
    """Verdicts on a board that was throttled, or whose temperature still rose.

    `device` is where the network ran, as the run says it: of `cpu` the clocks of the processor count, else a GPU's.
    """
    if LOG not in logs or not windows:
        return
    state = _State(logs[LOG], windows)
    found = [*state.events(), *state.flags(), *state.cooling(), *state.limits(), *state.clocks(device)]
    if found:
        yield Verdict(
            name="throttled",
            effect=Effect.FLAG,
            text=f"the board says that it was throttled while windows ran: {'; '.join(found)}; cool it, feed it "
            "better, or lock lower clocks",
            quantities=OF_WINDOWS,
            value=len(found),
            limit=0,
        )
    yield from state.rising()


def board_notes(logs: Mapping[str, Log]) -> Iterator[str]:
    """What is not wrong, but may make a run hard to repeat: clocks that a governor chooses."""
    if LOG not in logs:
        return
    governors = sorted({str(it) for it in logs[LOG].columns.get("governor", ()) if it} - {LOCKED})
    if governors:
        yield (
            f"the processor's clock was chosen by the governor {' and '.join(governors)}: lock it "
            f"(governor {LOCKED}, on a Jetson `jetson_clocks`) to repeat the run"
        )


class _State:
    """The log, with the rows that were read while windows ran."""

    def __init__(self, log: Log, windows: Sequence[HostWindow]) -> None:
        self._log = log
        self._at = _numbers(log.columns["host_ns"])
        spans: dict[int, tuple[int, int]] = {}
        for it in windows:
            start, stop = spans.get(it.record, (it.start, it.stop))
            spans[it.record] = min(start, it.start), max(stop, it.stop)
        self._working = np.zeros(len(self._at), np.bool_)
        for start, stop in spans.values():
            self._working |= (self._at >= start) & (self._at <= stop)
        # The rows around all windows, one on either side.
        first, last = min(it[0] for it in spans.values()), max(it[1] for it in spans.values())
        before, after = np.searchsorted(self._at, [first, last], side="right")
        self._run = slice(max(0, int(before) - 1), int(after) + 1)

    def events(self) -> Iterator[str]:
        """Counters that rose."""
        for name, values in self._of("_throttle_events"):
            known = values[self._run][~np.isnan(values[self._run])]
            if len(known) > 1 and known[-1] > known[0]:
                yield f"{name} rose by {known[-1] - known[0]:g}"

    def flags(self) -> Iterator[str]:
        """Flags that were set."""
        for name, values in self._of("_throttle_flags"):
            seen = {int(it) for it in values[self._working] if it > 0}
            if seen:
                yield f"{name} {', '.join(f'0x{it:x}' for it in sorted(seen))}"

    def cooling(self) -> Iterator[str]:
        """Clocks that the system held further down than before, to cool."""
        for name, values in self._of("_cooling"):
            working = values[self._working]
            if np.isfinite(working).any() and np.nanmax(working) > max(0.0, float(np.nanmin(values))):
                yield f"{name} rose to {np.nanmax(working):g}"

    def limits(self) -> Iterator[str]:
        """Limits of clocks that were lowered."""
        for name, values in self._of("_limit"):
            working = values[self._working]
            if np.isfinite(working).any() and np.nanmin(working) < LIMIT_FALLEN * np.nanmax(values[self._run]):
                yield f"{name} fell from {_hertz(np.nanmax(values[self._run]))} to {_hertz(np.nanmin(working))}"

    def clocks(self, device: str) -> Iterator[str]:
        """The clock of what computes: of several cores that which is nearest its own largest, of several GPUs any.

        What stays far below the fastest of them is idle and counts for nothing.
        """
        kind = "cpu" if device == "cpu" else "gpu"
        found = [
            (name, values[self._working])
            for name, values in self._of("_clock")
            if name.removesuffix("_clock").rstrip("0123456789") == kind and np.isfinite(values[self._working]).any()
        ]
        if not found:
            return
        fastest = max(float(np.nanmax(values)) for _, values in found)
        busy = [(name, values) for name, values in found if np.nanmax(values) >= IDLE_CLOCK * fastest]
        shares = np.array([values / np.nanmax(values) for _, values in busy])
        share = np.fmax.reduce(shares) if kind == "cpu" else np.fmin.reduce(shares)
        fallen = np.isfinite(share) & (share < FALLEN)
        if fallen.sum() >= LEAST_FALLEN:
            least = float(share[fallen].min())
            yield (
                f"the clock of the {kind.upper()} fell to {least:.0%} of its largest, {_hertz(fastest)}, in "
                f"{int(fallen.sum())} of {len(share)} readings (limit {FALLEN:.0%})"
            )

    def rising(self) -> Iterator[Verdict]:
        """The temperature that still rose fastest in the second half of the run."""
        at = self._at[self._working] * 1e-9 / 60
        half = slice(len(at) // 2, None)
        fastest, name = 0.0, ""
        for column, values in self._of("_temperature"):
            rise = _slope(at[half], values[self._working][half])
            if rise > max(RISING, fastest):
                fastest, name = rise, column
        if name:
            yield Verdict(
                name="temperature-rising",
                effect=Effect.FLAG,
                text=f"{name} still rose by {fastest:.2g} degrees Celsius a minute in the second half of the run "
                f"(limit {RISING:g}): warm up longer",
                quantities=OF_WINDOWS,
                value=fastest,
                limit=RISING,
                unit="degC/min",
            )

    def _of(self, ending: str) -> Iterator[tuple[str, NDArray[np.float64]]]:
        for name, values in self._log.columns.items():
            if name.endswith(ending):
                yield name, _numbers(values)


def _numbers(values: Sequence[Value]) -> NDArray[np.float64]:
    return np.array([np.nan if it is None else it for it in values], dtype=np.float64)


def _slope(minutes: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """How fast values rise a minute, 0 where their scatter or their steps may be all there is to it."""
    known = ~np.isnan(values)
    minutes, values = minutes[known], values[known]
    if len(values) < LEAST_ROWS:
        return 0.0
    x = minutes - minutes.mean()
    slope = float(x @ values / (x @ x))
    steps = np.diff(np.unique(values))
    step = float(steps.min()) if len(steps) else 0.0
    rest = values - values.mean() - slope * x
    scatter = max(float(np.sqrt(rest @ rest / (len(rest) - 2))), step / np.sqrt(12))
    large = slope > SIGNIFICANT * scatter / float(np.sqrt(x @ x)) and slope * float(np.ptp(minutes)) > 2 * step
    return slope if large else 0.0


def _hertz(value: float) -> str:
    return f"{value * 1e-6:.4g} MHz"
