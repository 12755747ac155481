"""Which instruments can be reached from here, who they are, and who holds those that cannot.

Nothing but `*IDN?` is sent to an instrument. Everything is asked at once, save what shares a line: the addresses
behind one adapter or on one GPIB card take turns. Whatever hangs is left behind at its deadline.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from powerlab.asking import GPIB_PATIENCE, Entry, Place, State, ask, ask_behind, is_gpib, line_of, tcp_adapter
from powerlab.benchfile import BenchFile
from powerlab.serialports import is_serial, look_at_port, port_of, serial_ports
from powerlab_instruments import prologix, search
from powerlab_instruments.link import Visa
from powerlab_instruments.roles import ROLES
from powerlab_instruments.search import usual

SOCKET_PORT = 5025  # raw SCPI, as Keysight instruments have it
SEARCH_TIME = 20.0  # s after which the library's own search is left behind
SPARE = 3.0  # s more than its time-outs that an instrument gets before it is left behind


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where to look besides what can be found without being told."""

    bench: BenchFile | None = None
    hosts: tuple[str, ...] = ()
    probe_serial: bool = False
    timeout: float = 5.0  # s for each instrument
    library: str = "@py"
    socket_port: int = SOCKET_PORT
    adapter_port: int = prologix.PORT


@dataclass(frozen=True, slots=True)
class Discovery:
    """All entries, those of bench.toml first, and what could not be searched."""

    entries: tuple[Entry, ...]
    failures: tuple[str, ...] = ()


@dataclass(slots=True)
class _Job:
    """Places that are asked one after the other, and how long that may take."""

    places: list[Place]
    ask: Callable[[], list[Entry]]
    patience: float
    found: list[Entry] | None = None
    thread: threading.Thread | None = field(default=None, repr=False)


def discover(wanted: Wanted) -> Discovery:
    """Find every place an instrument could be at, and ask each who is there.

    Raises
    ------
    InstrumentError
        The VISA library cannot be loaded.
    """
    Visa(wanted.library).close()  # once, before threads use it
    listing = _listed(wanted.library)
    places = _merged([*_named(wanted), *(Place(name, None, ("found",)) for name in listing.resources)])
    usb = {usual(it.resource).upper(): it for it in search.usb_instruments()}
    places = _merged([*places, *(Place(usual(it.resource), None, (it.name,)) for it in usb.values())])
    ports = _merged([*(it for it in places if is_serial(it.resource)), *_ports(wanted.bench)])
    jobs = [_serial_job(place, wanted) for place in ports]
    adapters = {it.adapter for it in places if it.adapter} | {_adapter(host, wanted) for host in wanted.hosts}
    jobs += [_adapter_job(it, [place for place in places if place.adapter == it], wanted) for it in sorted(adapters)]
    cards: dict[str, list[Place]] = {}
    for place in places:
        if place.adapter or is_serial(place.resource):
            continue
        if is_gpib(place.resource):
            cards.setdefault(place.resource.partition("::")[0], []).append(place)
        elif (device := usb.get(place.resource.upper())) and not device.permitted:
            jobs.append(_answered(_forbidden(place, device)))
        else:
            jobs.append(_visa_job([place], wanted))
    jobs += [_visa_job(of_one, wanted) for of_one in cards.values()]
    entries = _together(jobs)
    order = {place.key: number for number, place in enumerate([*places, *ports])}
    entries.sort(key=lambda it: order.get(it.place.key, len(order)))
    return Discovery(tuple(entries), listing.failures)


def _forbidden(place: Place, device: search.UsbInstrument) -> Entry:
    return Entry(
        place,
        State.NO_PERMISSION,
        why=f"{device.node} is not for this user",
        do=f"write {device.rule} into /etc/udev/rules.d/70-powerlab.rules, then "
        "`sudo udevadm control --reload` and plug it in again",
    )


def _listed(library: str) -> search.Listing:
    """The library's own search, left behind when it hangs."""
    found: list[search.Listing] = []
    thread = threading.Thread(target=lambda: found.append(search.listed(library)), daemon=True)
    thread.start()
    thread.join(SEARCH_TIME)
    return found[0] if found else search.Listing((), (f"the VISA search did not end within {SEARCH_TIME:g} s",))


def _named(wanted: Wanted) -> list[Place]:
    """What bench.toml and --host name, adapters' instruments aside."""
    places: list[Place] = []
    if wanted.bench is not None:
        places += [line_of(wanted.bench, role) for role in ROLES]
    for host in wanted.hosts:
        names = (f"{host}::{wanted.socket_port}::SOCKET", f"{host}::inst0::INSTR", f"{host}::hislip0::INSTR")
        places += [Place(f"TCPIP0::{name}", None, (f"--host {host}",)) for name in names]
    return places


def _ports(bench: BenchFile | None) -> list[Place]:
    output = bench.marker.output if bench and bench.dut is None else ""  # that of a [dut] is on another machine
    marker = re.fullmatch(r"serial:(.+):(?:rts|dtr)(?:-inverted)?", output)
    marked = [Place(f"ASRL{marker[1]}::INSTR", None, ("marker of bench.toml",))] if marker else []
    return [*marked, *(Place(f"ASRL{device}::INSTR", None, (what,)) for device, what in serial_ports())]


def _adapter(host: str, wanted: Wanted) -> str:
    board = 0
    if wanted.bench is not None and (named := tcp_adapter(wanted.bench.supply.adapter or "")):
        if named[1:] == (host, wanted.adapter_port):
            return wanted.bench.supply.adapter or ""
        board = named[0] + 1  # a number of its own, as two adapters in one program need
    return f"PRLGX-TCPIP{board}::{host}::{wanted.adapter_port}::INTFC"


def _merged(places: Iterable[Place]) -> list[Place]:
    """Each place once, in order, with everybody who named it."""
    known: dict[tuple[str, str], Place] = {}
    for place in places:
        before = known.get(place.key)
        origins = (*before.origins, *place.origins) if before else place.origins
        known[place.key] = replace(before or place, origins=tuple(dict.fromkeys(origins)))
    return list(known.values())


def _visa_job(places: list[Place], wanted: Wanted) -> _Job:
    def act() -> list[Entry]:
        return [ask(place, wanted.timeout, wanted.library) for place in places]

    # Connecting, asking and looking for a lock may each take the whole time-out.
    return _Job(places, act, len(places) * 3 * wanted.timeout + SPARE)


def _serial_job(place: Place, wanted: Wanted) -> _Job:
    role = next((it for it in place.origins if it.endswith("of bench.toml")), "")
    refusal = look_at_port(port_of(place.resource), role, asked=wanted.probe_serial)
    if refusal is None:
        return _visa_job([place], wanted)
    state, why, do, holders = refusal
    return _answered(Entry(place, State(state), why=why, do=do, holders=holders))


def _answered(entry: Entry) -> _Job:
    return _Job([entry.place], lambda: [entry], SPARE)


def _adapter_job(adapter: str, places: list[Place], wanted: Wanted) -> _Job:
    tcp = tcp_adapter(adapter)
    if tcp is None:  # on a serial port: through VISA, as the bench uses it
        return _visa_job(places, wanted)
    everywhere = tcp[1] in wanted.hosts
    longest = (10 + len(places)) * wanted.timeout + len(prologix.ADDRESSES) * (GPIB_PATIENCE + prologix.SPARE) + SPARE
    return _Job(places, lambda: ask_behind(adapter, places, wanted.timeout, everywhere=everywhere), longest)


def _together(jobs: Sequence[_Job]) -> list[Entry]:
    """Everything that the jobs find, all at once; a job that hangs says so at its deadline."""

    def work(job: _Job) -> None:
        job.found = job.ask()

    started = time.monotonic()
    for job in jobs:
        job.thread = threading.Thread(target=work, args=(job,), daemon=True)
        job.thread.start()
    entries: list[Entry] = []
    for job in jobs:
        assert job.thread is not None
        job.thread.join(max(0.0, started + job.patience - time.monotonic()))
        why = f"it hung, and was left behind after {job.patience:.0f} s"
        entries += job.found if job.found is not None else [Entry(it, State.SILENT, why=why) for it in job.places]
    return entries
