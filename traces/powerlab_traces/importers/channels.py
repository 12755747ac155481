"""Which channel of a scope carries what: said by its unit or by the user, never guessed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from powerlab_traces.importers.imported import ForeignRecord, ForeignTrace, Lacking, Role, Unknown
from powerlab_traces.importers.options import ImportOptions
from powerlab_traces.importers.source import refused


def assigned(
    path: Path, records: tuple[ForeignRecord, ...], options: ImportOptions, mistrusted: Mapping[str, str]
) -> tuple[tuple[ForeignRecord, ...], tuple[Unknown, ...]]:
    """The records with a role for each channel, and what is unknown of their power.

    A channel in amperes is the current, one in watts the power, if it is the only one; a channel in volts is the
    current only with --current and the probe's --sensitivity, and the supply's voltage only with --voltage.
    `mistrusted` says of channels why their factor cannot be trusted; --factor NAME=F settles it.

    Raises
    ------
    ForeignFileError
        An option names a channel that is not there, or one in the wrong unit.
    """
    if not records:
        return records, ()
    names = [trace.name for trace in records[0].traces]
    _check_names(path, names, options)
    roles = _roles(path, records[0], options)
    unknown = [
        Unknown(Lacking.POWER, f"{path}: {mistrusted[name]}", f"--factor {name}=F (1 leaves the values as saved)")
        for name, role in roles.items()
        if name in mistrusted and name not in options.factor and role is not Role.MARKER
    ]
    found = set(roles.values())
    if Role.CURRENT not in found and Role.POWER not in found:
        unknown.append(
            Unknown(
                Lacking.POWER,
                f"{path}: no single channel is in amperes or watts ({_listed(records[0])})",
                "--current CHANNEL, with --sensitivity V/A where it was saved in volts",
            )
        )
    elif Role.POWER not in found and Role.VOLTAGE not in found and options.supply_voltage is None:
        unknown.append(
            Unknown(
                Lacking.POWER, f"{path}: the supply's voltage is not known", "--supply-voltage V or --voltage CHANNEL"
            )
        )
    change = _changer(path, roles, options)
    return tuple(replace(record, traces=tuple(map(change, record.traces))) for record in records), tuple(unknown)


def _roles(path: Path, record: ForeignRecord, options: ImportOptions) -> dict[str, Role]:
    """The role of each channel that has one."""
    roles: dict[str, Role] = {}
    for role, name in (
        (Role.CURRENT, options.current),
        (Role.VOLTAGE, options.voltage),
        (Role.POWER, options.power),
        (Role.MARKER, options.marker),
    ):
        if name is not None:
            if name in roles:
                raise refused(path, f"channel {name!r} cannot be {roles[name].value} and {role.value} at once")
            roles[name] = role
    for role, unit in ((Role.CURRENT, "A"), (Role.POWER, "W")):
        if role not in roles.values():
            alone = [trace.name for trace in record.traces if trace.unit == unit and trace.name not in roles]
            if len(alone) == 1:
                roles[alone[0]] = role
    return roles


def _check_names(path: Path, names: list[str], options: ImportOptions) -> None:
    given = [options.current, options.voltage, options.power, options.marker, *options.factor]
    for name in given:
        if name is not None and name not in names:
            raise refused(path, f"there is no channel {name!r}; it has {', '.join(map(repr, names[:20]))}")


def _changer(path: Path, roles: Mapping[str, Role], options: ImportOptions) -> Callable[[ForeignTrace], ForeignTrace]:
    def changed(trace: ForeignTrace) -> ForeignTrace:
        role = roles.get(trace.name, Role.OTHER)
        scale, unit = trace.scale * options.factor.get(trace.name, 1.0), trace.unit
        if role is Role.CURRENT and unit == "V":
            if options.sensitivity is None:
                raise refused(path, f"channel {trace.name!r} was saved in volts: give the probe's --sensitivity V/A")
            scale, unit = scale / options.sensitivity, "A"
        elif role is Role.CURRENT and options.sensitivity is not None:
            raise refused(path, f"channel {trace.name!r} was saved in {unit or 'no unit'}: leave --sensitivity out")
        wanted = {Role.CURRENT: "A", Role.VOLTAGE: "V", Role.POWER: "W"}.get(role)
        if wanted is not None and unit != wanted:
            raise refused(
                path, f"channel {trace.name!r} is in {unit or 'no unit'}, so it is no {role.value} in {wanted}"
            )
        return replace(trace, role=role, unit=unit, scale=scale)

    return changed


def _listed(record: ForeignRecord) -> str:
    return ", ".join(f"{trace.name!r} in {trace.unit or 'no unit'}" for trace in record.traces[:8])
