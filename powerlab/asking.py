"""Asking one place who is there, and judging why nobody answers.

Nothing but `*IDN?` is sent to an instrument.
"""

import contextlib
import errno
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from powerlab.bench import SIMULATED_SERIAL
from powerlab.benchfile import BenchFile
from powerlab.holders import Holder, connected_to
from powerlab_instruments import prologix, search
from powerlab_instruments.catalogue import driver_for
from powerlab_instruments.errors import InstrumentError, NoAnswer, WrongInstrument
from powerlab_instruments.identity import Identity
from powerlab_instruments.link import Visa
from powerlab_instruments.rs232 import Rs232
from powerlab_instruments.search import usual

PORTMAPPER_PORT, HISLIP_PORT = 111, 4880
GPIB_PATIENCE = 0.2  # s for the answer of each address behind an adapter: any but a measurement takes 50 ms at most
LAN_SILENCE = "another program may hold it; a 2000 X-Series scope may also need 10 s for its first answer"
GPIB_SILENCE = "is it on, is its GPIB interface chosen, is the address right?"
NO_MACHINE = "is it on, is the cable in, is the address right?"


class State(StrEnum):
    """How an instrument, or a place where one could be, stands."""

    ANSWERS = "answers"
    ODD = "odd answer"
    HELD = "held"
    SILENT = "silent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NO_PERMISSION = "no permission"
    UNUSABLE = "unusable"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Place:
    """A resource as one writes it in bench.toml, with the adapter in front of it; `origins` say who named it.

    `rs232` is how a serial line is set where it is known, else as supplies come from the factory.
    """

    resource: str
    adapter: str | None = None
    origins: tuple[str, ...] = ()
    rs232: Rs232 | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The same for two names of one place."""
        return self.resource.upper(), (self.adapter or "").upper()


@dataclass(frozen=True, slots=True)
class Entry:
    """What was found at a place: `answer` is that to `*IDN?`, as it came; `do` says what would help."""

    place: Place
    state: State
    answer: str = ""
    why: str = ""
    do: str = ""
    holders: tuple[Holder, ...] = ()

    @property
    def identity(self) -> Identity | None:
        """Who the instrument says it is; None where it did not."""
        try:
            return Identity.parse(self.answer)
        except WrongInstrument:
            return None

    @property
    def simulated(self) -> bool:
        """Whether it is a simulated scope, which its serial number says."""
        return self.identity is not None and self.identity.serial.startswith(SIMULATED_SERIAL)

    @property
    def driver(self) -> str | None:
        """The model of the driver that powerlab has for it."""
        kind = driver_for(self.identity) if self.identity else None
        return kind.model_of(self.identity) if kind and self.identity else None


def ask(place: Place, timeout: float, library: str = "@py") -> Entry:
    """Ask `*IDN?` at one place, and judge what comes or why nothing does."""
    tcp = re.fullmatch(r"TCPIP\d*::(.+)::(\d+)::SOCKET", place.resource, re.IGNORECASE)
    if tcp and place.adapter is None:
        return _ask_socket(place, tcp[1], int(tcp[2]), timeout)
    closed = _knock(place, timeout)
    if closed is not None:
        return closed
    try:
        with Visa(library) as visa:
            link = visa.open(place.resource, timeout=timeout, adapter=place.adapter, rs232=place.rs232)
            answer = link.query("*IDN?")
    except NoAnswer as error:
        return _unanswered(place, error, library, timeout)
    except InstrumentError as error:
        return Entry(place, State.ODD, why=str(error))
    return _heard(place, answer)


def _knock(place: Place, timeout: float) -> Entry | None:
    """Why a VXI-11 or HiSLIP instrument cannot be there; VISA would not say. None where it can, or is another kind."""
    named = re.fullmatch(
        r"TCPIP\d*::([^:,]+)(?:,(\d+))?::(hislip)?[^:]*?(?:,(\d+))?::INSTR", place.resource, re.IGNORECASE
    )
    if named is None:
        return None
    host, port = named[1], int(named[2] or named[4] or (HISLIP_PORT if named[3] else PORTMAPPER_PORT))
    try:
        socket.create_connection((host, port), timeout=timeout).close()
    except OSError as error:
        return _no_connection(place, host, port, error)
    return None


def _no_connection(place: Place, host: str, port: int, error: OSError) -> Entry:
    if isinstance(error, ConnectionRefusedError):
        return Entry(place, State.REFUSED, why=f"{host} is there, and nothing listens on its port {port}")
    why = f"no machine answers at {host}" if isinstance(error, TimeoutError) else f"{host}: {error.strerror or error}"
    return Entry(place, State.UNREACHABLE, why=why, do=NO_MACHINE)


def _heard(place: Place, answer: str) -> Entry:
    entry = Entry(place, State.ANSWERS, answer)
    if entry.identity is None:
        return replace(entry, state=State.ODD, why="that is no answer to *IDN?", do="is it an instrument?")
    return entry


def _ask_socket(place: Place, host: str, port: int, timeout: float) -> Entry:
    """Without VISA, whose socket opens to a dead port as well."""
    try:
        line = socket.create_connection((host, port), timeout=timeout)
    except OSError as error:
        return _no_connection(place, host, port, error)
    heard, ended = b"", False
    with line, contextlib.suppress(OSError):  # too late, or cut off: what has come counts
        line.sendall(b"*IDN?\n")
        deadline = time.monotonic() + timeout
        while not ended and b"\n" not in heard and (left := deadline - time.monotonic()) > 0:
            line.settimeout(left)
            chunk = line.recv(4096)
            heard, ended = heard + chunk, not chunk
    if heard:
        return _heard(place, heard.decode("ascii", "replace").strip())
    why = "it takes the connection and " + ("ends it at once" if ended else "does not answer")
    return Entry(place, State.SILENT, why=why, do=LAN_SILENCE, holders=connected_to(host, port))


def _unanswered(place: Place, error: NoAnswer, library: str, timeout: float) -> Entry:
    """Why VISA got no answer, from what lies behind its error."""
    cause = error.__cause__
    reason = getattr(cause, "abbreviation", "") or (str(cause).splitlines() or [""])[0]
    on_network = place.resource.upper().startswith("TCPIP")
    if getattr(cause, "errno", None) in (errno.EACCES, errno.EPERM):
        return Entry(place, State.NO_PERMISSION, why=reason, do="give this user the right to read and write it")
    if "install" in reason.lower():
        return Entry(place, State.UNUSABLE, why=reason)
    if reason in ("VI_ERROR_IO", "VI_ERROR_RSRC_LOCKED", "VI_ERROR_TMO") and on_network and _locked(place, library):
        return Entry(
            place, State.HELD, why="another VXI-11 client has locked it", do="close that program", holders=_peers(place)
        )
    if reason == "VI_ERROR_TMO":
        do = LAN_SILENCE if on_network else "is it on, and does no other program hold it?"
        return Entry(place, State.SILENT, why=f"no answer within {timeout:g} s", do=do, holders=_peers(place))
    return Entry(place, State.UNREACHABLE, why=f"it cannot be opened ({reason})")


def _locked(place: Place, library: str) -> bool:
    try:
        return search.locked(place.resource, library)
    except InstrumentError:
        return False  # it has no locks


def _peers(place: Place) -> tuple[Holder, ...]:
    """Processes of this machine on the port that a resource names; most VXI-11 resources name none."""
    named = re.match(r"TCPIP\d*::([^:,]+),(\d+)::", place.resource, re.IGNORECASE)
    return connected_to(named[1], int(named[2])) if named else ()


def line_of(bench: BenchFile, role: str) -> Place:
    """Where the scope or the supply is, with the adapter in front of it.

    A GPIB resource of the scope is taken to be behind the supply's adapter where that of the supply is not on GPIB:
    then the two were written in each other's place.
    """
    supply = bench.supply
    resource = usual(bench.scope.resource if role == "scope" else supply.resource)
    behind = is_gpib(resource) and (role == "supply" or not is_gpib(supply.resource))
    return Place(
        resource,
        supply.adapter if behind else None,
        (f"{role} of bench.toml",),
        supply.rs232 if role == "supply" else None,
    )


def is_gpib(resource: str) -> bool:
    """Whether a resource is on GPIB, on a card or behind an adapter."""
    return resource.upper().startswith("GPIB")


def tcp_adapter(adapter: str) -> tuple[int, str, int] | None:
    """Board number, host and port of an adapter on the network."""
    match = re.fullmatch(r"PRLGX-TCPIP(\d*)::(.+?)(?:::(\d+))?::INTFC", adapter, re.IGNORECASE)
    return (int(match[1] or 0), match[2], int(match[3] or prologix.PORT)) if match else None


def ask_behind(adapter: str, places: Sequence[Place], timeout: float, *, everywhere: bool) -> list[Entry]:
    """Ask at these places behind an adapter on the network, and with `everywhere` at every other address, too.

    An adapter that is not to be spoken to is found at each place, or at its own where there is none.
    """
    tcp = tcp_adapter(adapter)
    if tcp is None:
        return [Entry(it, State.UNUSABLE, why=f"{adapter} is no adapter on the network") for it in places]
    board, host, port = tcp
    named = {int(it.resource.split("::")[1]): it for it in places}
    heard: dict[int, str] = {}

    def everybody(state: State, why: str, do: str = "", holders: tuple[Holder, ...] = ()) -> list[Entry]:
        shown = places or [Place(adapter, None, (f"--host {host}",))]
        return [Entry(it, state, why=why, do=do, holders=holders) for it in shown]

    try:
        with prologix.Prologix(host, port, timeout=timeout) as line:
            line.version()
            heard.update(line.identify(named, timeout))
            if everywhere or heard.keys() < named.keys():
                rest = [it for it in prologix.ADDRESSES if it not in named]
                heard.update(line.identify(rest, min(GPIB_PATIENCE, timeout)))
    except ConnectionRefusedError:
        return everybody(State.REFUSED, f"{host} is there, and nothing listens on its port {port}")
    except NoAnswer as error:
        why = f"the adapter takes the connection and does not answer {error.command}"
        held = "another program may hold it: most adapters serve one at a time"
        return everybody(State.SILENT, why, held, connected_to(host, port))
    except InstrumentError as error:
        return everybody(State.ODD, str(error))
    except OSError as error:
        return everybody(State.UNREACHABLE, f"no machine answers at {host} ({error.strerror or error})", NO_MACHINE)
    others = [
        _heard(Place(f"GPIB{board}::{address}::INSTR", adapter, (f"--host {host}",)), answer)
        for address, answer in heard.items()
        if address not in named
    ]
    elsewhere = ", ".join(f"{it.place.resource} ({it.identity.model if it.identity else it.answer})" for it in others)
    silence = f"write the resource that does answer: {elsewhere}" if elsewhere else GPIB_SILENCE
    why = "the adapter is there, and nobody answers at this address"
    return [
        _heard(place, heard[address]) if address in heard else Entry(place, State.SILENT, why=why, do=silence)
        for address, place in named.items()
    ] + (others if everywhere else [])


def ask_adapter(adapter: str, timeout: float, resource: str | None = None) -> Entry:
    """Ask at one place behind an adapter, or whether the adapter itself is there."""
    places = [Place(resource, adapter)] if resource else []
    found = ask_behind(adapter, places, timeout, everywhere=False)
    return found[0] if found else Entry(Place(adapter), State.ANSWERS)
