"""Verdicts on windows of one kind: whether they repeat one another."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from powerlab_analysis.measured import Measured
from powerlab_analysis.model import WINDOW_EDGES, Model, seconds_of
from powerlab_analysis.quantity import prefixed
from powerlab_analysis.rows import field
from powerlab_analysis.rows import numbers as numbers_of
from powerlab_analysis.statistics import Change, change, outliers
from powerlab_analysis.survey import Cut
from powerlab_analysis.verdict import OF_WINDOWS, Effect, Verdict, numbers

# Of power or time: the limit for the end of the warm-up by the rules that this project measures by (docs/verdicts.md).
SETTLED: Final = 0.01
EDGES: Final = 0.01  # of a time, as U95: the share of a reading that MLPerf allows an instrument


def window_verdicts(cuts: Sequence[Cut], model: Model, measured: Mapping[str, Measured]) -> Iterator[Verdict]:
    """On how long windows are, on those that stand apart, and on a level that changes."""
    yield from _short(cuts, measured)
    yield from _repeats(cuts, model)


def _short(cuts: Sequence[Cut], measured: Mapping[str, Measured]) -> Iterator[Verdict]:
    """On windows so short that their edges are most of what is not known of them."""
    time = measured.get("time_per_batch")
    if time is None:
        return
    edges = [part for source, part in time.parts.items() if source.name.startswith(WINDOW_EDGES.name)]
    relative = 2 * math.hypot(*edges) / time.value
    if relative > EDGES:
        shortest = float(seconds_of(field(cuts, "stretch")).min())
        yield Verdict(
            name="short-windows",
            effect=Effect.FLAG,
            text=f"windows as short as {prefixed(shortest, 's')}: their edges alone are worth {relative:.1%} of their "
            f"time (limit {EDGES:.0%}); put more images into a window, or sample faster",
            quantities=OF_WINDOWS,
            value=relative,
            limit=EDGES,
        )


def _repeats(cuts: Sequence[Cut], model: Model) -> Iterator[Verdict]:
    """On windows of one kind that stand apart from the others, or whose level changes."""
    hosts, stretches = field(field(cuts, "aligned"), "host"), field(cuts, "stretch")
    images = numbers_of(hosts, "images")
    if not cuts or (images != images[0]).any():
        return  # windows of unlike batches may differ
    seconds = seconds_of(stretches)
    times = (seconds / images).tolist()
    powers = (model.energies(stretches) / seconds).tolist()
    indices = field(hosts, "index")
    changes = [it if it is not None and abs(it.relative) > SETTLED else None for it in map(change, (powers, times))]
    changed = [it.at for it in changes if it is not None]
    # The smaller part is said to differ by this one verdict, not window by window as well.
    part = min(
        (range(at) if 2 * at <= len(cuts) else range(at, len(cuts)) for at in changed), key=len, default=range(0)
    )
    yield from _outliers(powers, times, indices, set(part))
    yield from _changed(changes[0], changes[1], indices, part)


def _outliers(
    powers: Sequence[float], times: Sequence[float], indices: Sequence[int], known: set[int]
) -> Iterator[Verdict]:
    apart: dict[int, float] = {}
    for values in (powers, times):
        middle = sorted(values)[len(values) // 2]
        for k in outliers(values):
            distance = abs(values[k] / middle - 1) if middle else math.inf
            if distance > SETTLED and k not in known:
                apart[k] = max(distance, apart.get(k, 0.0))
    if apart:
        yield Verdict(
            name="outlier",
            effect=Effect.FLAG,
            text=f"window{'s' * (len(apart) > 1)} {numbers(indices[k] for k in apart)} apart from the others, by up to "
            f"{max(apart.values()):.1%} in power or time (more than scatter explains, and over {SETTLED:.0%}); counted "
            "all the same: look at `powerlab plot`, and at what else the board did",
            quantities=OF_WINDOWS,
            value=max(apart.values()),
            limit=SETTLED,
            windows=tuple(sorted(indices[k] for k in apart)),
        )


def _changed(power: Change | None, time: Change | None, indices: Sequence[int], part: range) -> Iterator[Verdict]:
    found = power or time
    if found is None:
        return
    said = " and ".join(
        f"{what} {abs(it.relative):.1%} {'more' if it.relative > 0 else 'less'}"
        for what, it in (("power", power), ("time", time))
        if it is not None
    )
    throttled = power is not None and time is not None and power.relative < 0 < time.relative
    settle = "warm up longer" if part.start == 0 else "let the board settle, and look at its clocks and temperature"
    advice = "the board lowered its clocks; lock them, or cool it" if throttled else settle
    yield Verdict(
        name="throttled" if throttled else "not-settled",
        effect=Effect.FLAG,
        text=f"from window {indices[found.at]} on windows take {said} than before (limit {SETTLED:.0%}): {advice}",
        quantities=OF_WINDOWS,
        value=max(abs(it.relative) for it in (power, time) if it is not None),
        limit=SETTLED,
        windows=tuple(indices[k] for k in part),
    )
