"""What the current of a run is counted from: the zero and the calibration that hold for the screens it was taken on."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from powerlab_analysis.calibration import CALIBRATION_LIFETIME, ZERO_LIFETIME
from powerlab_analysis.model import Model, Zero, zero_of
from powerlab_analysis.noise import Noise, pooled
from powerlab_analysis.survey import Level, Survey
from powerlab_analysis.verdict import OF_CURRENT, Effect, Verdict
from powerlab_traces.chain import CurrentChain, ScreenZero
from powerlab_traces.record import RecordKind
from powerlab_traces.run import Run


@dataclass(frozen=True, slots=True)
class Reference:
    """The model of a run's current, the noise of its own zero records (None without any), and what is to be said."""

    model: Model
    noise: Noise | None
    notes: tuple[str, ...]
    verdicts: tuple[Verdict, ...]


def reference_of(run: Run, seen: Survey) -> Reference:
    """Zero and calibration of a run.

    The zero is that of the run's own zero records, else the one that was measured before it, else that of the
    calibration as long as a zero lasts. Each is taken only if it is of every screen that idle and windows are on.
    """
    chain, notes = run.chain, list[str]()
    used = {cut.stretch.screen for cut in seen.cuts} | {level.stretch.screen for level in seen.idles}
    levels = _levels(seen, used)
    if seen.zeros and not levels:
        notes.append("the zero records are not of every setting of the scope's channel that was used: none was taken")
    zero = zero_of(levels, chain) or _stored(chain.zeros, used)
    if zero is None and chain.zeros:
        notes.append("the zero of before this run is not of every screen that was used: it was not applied")
    lines = {it.screen: it for it in chain.lines}
    if lines and used - lines.keys():
        notes.append("the calibration is not of every screen that was used: it was not applied")
        lines = {}
    offset_known = bool(lines) and zero is None and chain.calibration_age <= ZERO_LIFETIME
    if lines and zero is None and not offset_known:
        notes.append("no zero, and that of the calibration has expired: of the calibration only the gain was applied")
    before = 0.0 if levels else chain.zero_age if zero else chain.calibration_age if offset_known else 0.0
    model = Model(_drifting(chain), run.supply, zero, lines, offset_known)
    age = _zero_age(seen, [level.record for level in levels], before) if zero is not None or offset_known else 0.0
    verdicts = (*_zero_old(age), *_calibration_old(chain, applied=bool(lines)))
    return Reference(model, pooled([level.noise for level in levels]), tuple(notes), verdicts)


def _levels(seen: Survey, used: set[float]) -> Sequence[Level]:
    """The zero records of the screens that idle and windows were recorded on, none if one of these has none.

    A capture that chooses its screen takes zeros on several before it knows which.
    """
    levels = [level for level in seen.zeros if level.stretch.screen in used] if used else seen.zeros
    return levels if used <= {level.stretch.screen for level in levels} else ()


def _stored(zeros: Sequence[ScreenZero], used: set[float]) -> Zero | None:
    """The zero measured before the run, if it is of every screen that was used."""
    found = {it.screen: it for it in zeros if it.screen in used or not used}
    if not found or used - found.keys():
        return None
    return Zero(
        currents={screen: it.current for screen, it in found.items()},
        u=max(it.u for it in found.values()),
        dof=min(it.dof for it in found.values()),
        half_range=0.0,
    )


def _drifting(chain: CurrentChain) -> CurrentChain:
    """The chain with the drift that was seen, where it is more than the assumed limit.

    Never less: zeros that agree say nothing of what the offset does after the last of them.
    """
    return replace(chain, drift_limit=max(chain.seen_drift, chain.drift_limit))


def _zero_age(seen: Survey, zeros: Collection[int], before: float) -> float:
    """How far the first and the last windows (without any, records) are from the nearest zero, at most, in s.

    `zeros` are the zero records that were used; without any, the zero was measured `before` (s) the run.
    """
    outlines = seen.outlines
    judged = [it.armed for it in outlines if it.kind is RecordKind.ACTIVE] or [it.armed for it in outlines]
    if not judged:
        return 0.0
    if not zeros:
        return before + (max(judged) - min(it.armed for it in outlines)) * 1e-9
    armed = [it.armed for it in outlines if it.index in zeros]
    return max(min(abs(at - zero) for zero in armed) for at in (min(judged), max(judged))) * 1e-9


def _zero_old(age: float) -> Iterator[Verdict]:
    """On a zero that was measured too long before, or after, what it is subtracted from."""
    if age > ZERO_LIFETIME:
        yield Verdict(
            name="zero-old",
            effect=Effect.FLAG,
            text=f"windows are {age / 60:.0f} min away from the zero (limit {ZERO_LIFETIME / 60:.0f} min): it may have "
            "drifted by more than is in the budget; zero just before each run, and capture shorter ones",
            quantities=OF_CURRENT,
            value=age,
            limit=ZERO_LIFETIME,
            unit="s",
        )


def _calibration_old(chain: CurrentChain, *, applied: bool) -> Iterator[Verdict]:
    """On a calibration of another day."""
    if applied and chain.calibration_age > CALIBRATION_LIFETIME:
        yield Verdict(
            name="calibration-old",
            effect=Effect.FLAG,
            text=f"the calibration of {chain.calibrated} was {chain.calibration_age / 3600:.0f} h old (limit "
            f"{CALIBRATION_LIFETIME / 3600:.0f} h): gains drift with temperature and age; calibrate again",
            quantities=OF_CURRENT,
            value=chain.calibration_age,
            limit=CALIBRATION_LIFETIME,
            unit="s",
        )
