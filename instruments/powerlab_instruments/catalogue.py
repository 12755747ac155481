"""Which driver drives what: ours, and those that other packages bring in the entry-point group `powerlab.instruments`.

An instrument is asked who it is before anything else, and the driver follows from its answer.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar, cast, overload

from powerlab_instruments.errors import WrongInstrument
from powerlab_instruments.identity import Identity
from powerlab_instruments.instrument import Instrument, ask_identity
from powerlab_instruments.link import VisaLink
from powerlab_instruments.roles import Scope, Supply, missing
from powerlab_instruments.scope import InfiniiVision
from powerlab_instruments.supply import E364xA

GROUP = "powerlab.instruments"

# Written out by role, so that the type checker holds each to its protocol.
_SCOPES: tuple[type[Scope], ...] = (InfiniiVision,)
_SUPPLIES: tuple[type[Supply], ...] = (E364xA,)
BUILT_IN = cast("tuple[type[Instrument], ...]", (*_SCOPES, *_SUPPLIES))

Driver = TypeVar("Driver", bound=type[Instrument])
_registered: list[type[Instrument]] = []


def register(driver: Driver) -> Driver:
    """Add a driver to the catalogue of this program; a package declares an entry point instead. A class decorator.

    Raises
    ------
    TypeError
        It is no driver, or lacks something that its role needs.
    """
    if (fault := _fault(driver)) is not None:
        raise TypeError(f"{driver!r} {fault}")
    if driver not in _registered:
        _registered.append(driver)
    return driver


def drivers() -> Mapping[str, type[Instrument]]:
    """Every model that can be driven, with its driver. Of two drivers of one model the built-in one counts."""
    return {model: driver for driver in reversed(_load()[0]) for model in driver.models}


def problems() -> tuple[str, ...]:
    """A line for each driver of another package that cannot be used, with the package's name and the reason."""
    return _load()[1]


def driver_for(identity: Identity) -> type[Instrument] | None:
    """The driver of an instrument that says it is this; None if there is none."""
    for known in ([*BUILT_IN, *_registered], _load()[0]):  # looking for other packages takes tens of milliseconds
        for driver in known:
            if driver.model_of(identity) is not None:
                return driver
    return None


@overload
def open_instrument(link: VisaLink, role: Literal["scope"]) -> Scope: ...  # type: ignore[overload-overlap]
@overload
def open_instrument(link: VisaLink, role: Literal["supply"]) -> Supply: ...  # type: ignore[overload-overlap]
@overload
def open_instrument(link: VisaLink, role: str) -> Instrument: ...
def open_instrument(link: VisaLink, role: str) -> Any:
    """Ask who answers on a line, and open it with its driver.

    Raises
    ------
    WrongInstrument
        There is no driver for it, or it plays another role. Nothing was sent to it but `*IDN?`.
    NoAnswer
        Nothing answers there.
    """
    identity = ask_identity(link)
    driver = driver_for(identity)
    if driver is None or driver.role != role:
        what = "for which there is no driver" if driver is None else f"a {driver.role}"
        known = sorted({it.family for it in _load()[0] if it.role == role})
        right = f"the {role} may be a {' or a '.join(known)}" if known else f"no driver plays the role {role!r}"
        raise WrongInstrument(
            f"{link} is {identity.maker} {identity.model}, {what}, and not the {role}: nothing was set. Check the "
            f"resources in bench.toml; {'; '.join((right, *(problems() if driver is None else ())))}"
        )
    return driver(link, identity)


def _load() -> tuple[tuple[type[Instrument], ...], tuple[str, ...]]:
    """All drivers, the built-in ones first, and what is wrong with those left out."""
    found, wrong = [*BUILT_IN, *_registered], []
    for entry in entry_points(group=GROUP):
        driver, fault = _third_party(entry)
        if fault:
            package = entry.dist.name if entry.dist is not None else "unknown package"
            wrong.append(f"the driver {entry.name!r} of {package} is left out: {entry.value} {fault}")
        elif driver not in found:
            found.append(driver)
    return tuple(found), tuple(wrong)


def _third_party(entry: EntryPoint) -> tuple[Any, str | None]:
    try:
        driver = entry.load()
    except Exception as error:  # noqa: BLE001 - whatever another package's module raises, ours go on working
        return None, f"cannot be imported ({' '.join(str(error).split()) or type(error).__name__})"
    return driver, _fault(driver)


def _fault(driver: object) -> str | None:
    """What keeps an object from being a driver; None if nothing does."""
    if not (isinstance(driver, type) and issubclass(driver, Instrument)):
        return "is no subclass of powerlab_instruments.instrument.Instrument"
    lacking = [it for it in ("family", "role", "models", "error_queue_depth") if not hasattr(driver, it)]
    lacking += missing(driver, getattr(driver, "role", ""))
    return f"lacks {', '.join(lacking)}" if lacking else None
