"""How much memory a workload needs: what stays in use once the network is loaded, and what each image takes besides.

The log `memory` of a run says what was in use in each quarter of a second and what the workload did then (its phase).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from powerlab_traces.log import Log, Value

LOG: Final = "memory"
BEFORE, LOADED = "before", "loaded"  # phases: before there was a workload; the network is there and has not run
WINDOWS: Final = "windows"
PASSES: Final = frozenset({"warm-up", WINDOWS, "between"})


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes in use by one account of them; None is not known.

    `peak` is the most there was from loading on, `static` what there was once the network and its input were loaded,
    both over the `baseline` of before. `per_image` is what passes took over `static`, divided by the batch: what does
    not depend on the batch is in it, too.
    """

    baseline: float | None
    static: float | None
    peak: float | None
    per_image: float | None


@dataclass(frozen=True, slots=True)
class Memory:
    """A workload's use of memory by several accounts, None where there is none.

    `system` is MemTotal - MemAvailable of the machine, with what other programs took or gave back meanwhile; `process`
    the PSS of the workload's processes; `framework` what the framework's tensors took on a GPU; `device` what all
    programs took on NVIDIA GPUs. `rate` is how many readings a second there were of it while windows ran.
    """

    system: Use | None
    process: Use | None
    framework: Use | None
    device: Use | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class _Level:
    phase: str
    bytes: float


def memory_of(logs: Mapping[str, Log], batch: int | None) -> Memory | None:
    """What the run's log says of memory; None where nothing was noted. Of a resumed run the last part counts."""
    if LOG not in logs:
        return None
    columns = logs[LOG].columns
    phases = [str(it) for it in columns["phase"]]
    first = max((k for k, phase in enumerate(phases) if phase == BEFORE), default=0)
    rows = slice(first, None)
    of = {name: _levels(phases[rows], columns[name][rows]) for name in ("system", "framework", "device")}
    process = list(_shared_out(phases[rows], columns["rss"][rows], columns["pss"][rows]))
    system = _use(of["system"], _baseline(of["system"]), batch)
    if system is not None and system.static is not None and system.static < 0:
        system = None  # other programs gave back more than the workload took: it says nothing of the workload
    return Memory(
        system=system,
        process=_use(process, 0.0, batch),
        framework=_use(of["framework"], 0.0, batch),
        device=_use(of["device"], _baseline(of["device"]), batch),
        rate=_rate(phases[rows], columns["host_ns"][rows], columns["samples"][rows]),
    )


def _levels(phases: Sequence[str], values: Sequence[Value]) -> list[_Level]:
    return [_Level(phase, float(value)) for phase, value in zip(phases, values, strict=True) if value not in {None, ""}]


def _shared_out(phases: Sequence[str], rss: Sequence[Value], pss: Sequence[Value]) -> Iterator[_Level]:
    """PSS at each reading of RSS: less what others had of the shared pages when PSS was first read.

    Reading PSS itself takes too long to be done while anything is timed. What is shared are the pages of libraries,
    which are there once the network is; what passes allocate is nobody else's. Later readings would say more of who
    else has come or gone than of this workload.
    """
    others = next((float(own) - float(share) for own, share in zip(rss, pss, strict=True) if own and share), None)
    if others is not None:
        yield from (_Level(phase, float(own) - others) for phase, own in zip(phases, rss, strict=True) if own)


def _baseline(levels: Sequence[_Level]) -> float | None:
    return next((it.bytes for it in levels if it.phase == BEFORE), None)


def _use(levels: Sequence[_Level], baseline: float | None, batch: int | None) -> Use | None:
    after = [it for it in levels if it.phase != BEFORE]
    if not after:
        return None
    loaded = next((it.bytes for it in reversed(after) if it.phase == LOADED), None)
    passes = max((it.bytes for it in after if it.phase in PASSES), default=None)
    peak = max(it.bytes for it in after)
    return Use(
        baseline=baseline,
        static=None if baseline is None or loaded is None else loaded - baseline,
        peak=None if baseline is None else peak - baseline,
        per_image=None if loaded is None or passes is None or not batch else max(0.0, passes - loaded) / batch,
    )


def _rate(phases: Sequence[str], at: Sequence[Value], samples: Sequence[Value]) -> float | None:
    """Readings a second while windows ran."""
    count = span = 0.0
    for k, phase in enumerate(phases[:-1]):
        if phase == WINDOWS and samples[k]:
            count += float(samples[k] or 0)
            span += (float(at[k + 1] or 0) - float(at[k] or 0)) * 1e-9
    return count / span if span else None
