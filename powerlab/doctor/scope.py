"""Checks of the scope: it takes the settings of a capture, and its records come whole and as fast as wanted."""

from powerlab.doctor.checks import Check, Verdict, advice, ok, wrong
from powerlab.doctor.patient import Patient
from powerlab_instruments.channel import Channel
from powerlab_instruments.scope import InfiniiVision

LONGEST_TRIAL = 2.0  # s; a longer record is not taken for a look


def scope_checks() -> tuple[Check[Patient], ...]:
    """Both change scope settings."""
    return (
        Check("scope set-up", _set_up, needs=("scope answers", "bench.toml")),
        Check("scope record", _record, needs=("scope set-up",)),
    )


def _set_up(patient: Patient) -> Verdict:
    patient.set_up_scope()
    marker = patient.file.marker
    for name, has, should in _settings(patient):
        if has != should:
            return wrong(
                f"{name} was set to {should} and reads {has}",
                "does another program, or somebody at its front panel, use the scope?",
            )
    return ok(
        f"channel {patient.channel.n} in A at {patient.probe.ratio:g} A/V, screen {patient.screen}, trigger on "
        + (
            "nothing, for no marker reaches it"
            if marker.source is None
            else f"{marker.input} above {marker.threshold:g} V"
        )
    )


def _settings(patient: Patient) -> tuple[tuple[str, object, object], ...]:
    """Name, present and right value of what a capture stands on, as far as the driver lets it be read back."""
    scope, channel, marker = patient.scope, patient.channel, patient.file.marker
    if not (isinstance(scope, InfiniiVision) and isinstance(channel, Channel)):
        return ()
    pods: tuple[tuple[str, object, object], ...] = ()
    if marker.bit is not None:  # a scope without digital inputs must not be asked for them
        pods = (
            ("digital inputs", scope.pod(1).displayed, True),
            ("threshold", f"{scope.pod(1).threshold:.3g}", f"{marker.threshold:.3g}"),
        )
    return (
        (f"channel {channel.n}", channel.displayed, True),
        ("coupling", channel.coupling, "DC"),
        ("units", channel.units, "AMP"),
        ("probe ratio", f"{channel.probe_ratio:.4g}", f"{patient.probe.ratio:.4g}"),
        ("inverted", channel.inverted, False),
        ("trigger source", scope.trigger_source, marker.source or "EXT"),
        *pods,
    )


def _record(patient: Patient) -> Verdict:
    """What the scope delivers for the wanted record, and whether a block of it comes through whole."""
    wanted = patient.file.scope
    base = patient.scope.time_base(wanted.record, wanted.sample_rate)
    trial = min(base.span, LONGEST_TRIAL)
    started = patient.clock.now()
    wave = patient.record(patient.source, trial)
    took = max(0.0, (patient.clock.now() - started) * 1e-9 - trial)
    found = f"{base.span:.6g} s at {base.rate:.6g} 1/s; {len(wave.codes)} samples came whole within {took:.2g} s"
    if base.rate < wanted.sample_rate * (1 - 1e-3):
        # The memory is what limits: the rate goes with 1 / duration.
        shorter = wanted.record * base.rate / wanted.sample_rate
        return advice(f"{found}: fewer than sample_rate = {wanted.sample_rate:g}", f"write record = {shorter:.3g}")
    if not base.whole:
        return advice(
            f"{found}: no whole multiple of sample_rate = {wanted.sample_rate:g}, so that all of them are stored",
            f"write sample_rate = {base.rate / round(base.rate / wanted.sample_rate):.6g}",
        )
    if base.span > wanted.record * (1 + 1e-6):
        return advice(
            f"{found}; a record of {wanted.record:g} s has no whole multiple of sample_rate = {wanted.sample_rate:g}",
            f"write record = {base.span:.6g}",
        )
    return ok(f"{found}, {base.fold} summed into each stored one" if base.fold > 1 else f"{found}, each of them stored")
