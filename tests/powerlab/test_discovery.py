"""Looking for instruments: who answers, who is silent, who holds what; and nothing is asked that must not be."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from powerlab import asking, discovery, serialports
from powerlab.asking import Entry, Place, State, ask
from powerlab.benchfile import BenchFile
from powerlab.cli import run
from powerlab.discovery import Wanted, discover
from powerlab.holders import connected_to, holders_of
from powerlab.simulation import bench_text
from powerlab_instruments import search
from powerlab_instruments.errors import InstrumentError, NoAnswer
from powerlab_instruments.prologix import Prologix
from powerlab_instruments.search import Listing, UsbInstrument, listed, missing_packages, usb_instruments, usual
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.faults import Fault

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc and /sys")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals on Windows")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No search of the real network and ports, and no waiting for the 26 addresses where nobody is."""
    monkeypatch.setattr(search, "listed", lambda _library: Listing(()))
    monkeypatch.setattr(search, "usb_instruments", lambda: ())
    monkeypatch.setattr(discovery, "serial_ports", list)
    monkeypatch.setattr(asking, "GPIB_PATIENCE", 0.02)
    monkeypatch.setattr("powerlab_instruments.prologix.SPARE", 0.02)


def bench_file(sim: SimulatedBench, edit: Callable[[str], str] = lambda text: text) -> BenchFile:
    return BenchFile.parse(edit(bench_text(**dataclasses.asdict(sim.resources))), "bench.toml")


def by_resource(entries: tuple[Entry, ...]) -> dict[str, Entry]:
    return {it.place.resource: it for it in entries}


@contextmanager
def listener(serve: Callable[[socket.socket], None] = lambda _: None) -> Iterator[tuple[str, int]]:
    """Something that takes connections, and does this with each."""
    server = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            taken.append(connection)
            serve(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server.getsockname()[:2]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)
        for connection in taken:
            connection.close()


def socket_place(address: tuple[str, int]) -> Place:
    return Place(f"TCPIP0::{address[0]}::{address[1]}::SOCKET")


def test_what_a_bench_file_names_is_found_with_its_drivers() -> None:
    with SimulatedBench(gpib_board=60) as sim:
        found = by_resource(discover(Wanted(bench_file(sim))).entries)
        scope, supply = found[sim.resources.scope], found[sim.resources.supply]
        assert list(found) == [sim.resources.scope, sim.resources.supply]
    assert (scope.state, scope.driver, scope.simulated) == (State.ANSWERS, "MSO-X 2024A", True)
    assert (supply.state, supply.driver, supply.place.adapter) == (State.ANSWERS, "E3645A", sim.resources.adapter)
    assert scope.place.origins == ("scope of bench.toml",)


def test_a_host_is_tried_in_every_way() -> None:
    with SimulatedBench() as sim:
        scope_port, adapter_port = (int(it.split("::")[2]) for it in (sim.resources.scope, sim.resources.adapter))
        entries = discover(
            Wanted(hosts=("127.0.0.1",), socket_port=scope_port, adapter_port=adapter_port, timeout=2)
        ).entries
    found = by_resource(entries)
    assert found[sim.resources.scope].driver == "MSO-X 2024A"
    supply = found["GPIB0::5::INSTR"]
    assert (supply.driver, supply.place.adapter) == ("E3645A", sim.resources.adapter)
    assert found["TCPIP0::127.0.0.1::hislip0::INSTR"].state is State.REFUSED
    assert "TCPIP0::127.0.0.1::inst0::INSTR" in found


def test_an_adapter_of_another_host_gets_a_board_of_its_own() -> None:
    with SimulatedBench() as sim:
        port = int(sim.resources.adapter.split("::")[2])
        bench = bench_file(sim, lambda text: text.replace(sim.resources.adapter, "PRLGX-TCPIP3::127.0.0.1::9::INTFC"))
        entries = discover(Wanted(bench, hosts=("127.0.0.1",), adapter_port=port, socket_port=9, timeout=1)).entries
    places = [(it.place.resource, it.place.adapter) for it in entries if it.state is State.ANSWERS]
    assert ("GPIB4::5::INSTR", f"PRLGX-TCPIP4::127.0.0.1::{port}::INTFC") in places


def test_nothing_is_sent_but_the_question_who_is_there() -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heard.append(connection.recv(100))
        connection.sendall(b"ACME,Toaster,1,2\n")

    with listener(serve) as address:
        entry = ask(socket_place(address), 2)
    assert heard == [b"*IDN?\n"]
    assert entry.state is State.ANSWERS
    assert entry.driver is None


@pytest.mark.parametrize("said", [b"\x00\xfe~?#\x1b9\n", b"hello\n", b"no end"])
def test_what_is_no_identity_is_shown(said: bytes) -> None:
    with listener(lambda connection: connection.sendall(said)) as address:
        entry = ask(socket_place(address), 0.3)
    assert entry.state is State.ODD
    assert entry.identity is None


def test_a_connection_that_ends_at_once() -> None:
    with listener(lambda connection: connection.shutdown(socket.SHUT_RDWR)) as address:
        entry = ask(socket_place(address), 2)
    assert entry.state is State.SILENT


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        entry = ask(socket_place(free.getsockname()), 2)
    assert entry.state is State.REFUSED
    assert "nothing listens" in entry.why


def test_a_name_that_nobody_has() -> None:
    assert ask(Place("TCPIP0::no-such-host.invalid::5025::SOCKET"), 2).state is State.UNREACHABLE


@LINUX
def test_a_silent_instrument_and_the_process_that_is_connected_to_it() -> None:
    with listener() as address:
        code = (
            f"import socket, sys; s = socket.create_connection({address!r}); print('in', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "in\n"
            entry = ask(socket_place(address), 0.3)
            assert connected_to("localhost", address[1])[0].pid == other.pid
            other.communicate()
    assert entry.state is State.SILENT
    assert "another program may hold it" in entry.do
    assert [it.pid for it in entry.holders] == [other.pid]
    assert "python" in str(entry.holders[0])


def test_a_lock_of_another_client() -> None:
    with SimulatedBench(vxi11=True, portmapper_port=0, gpib_board=61) as sim:
        place = Place(sim.scope_vxi11)
        assert ask(place, 2).driver == "MSO-X 2024A"
        sim.faults.plan(Fault("scope", "lock"))
        assert ask(Place(sim.resources.scope), 2).state is State.ANSWERS  # the message that begins it
        entry = ask(place, 2)
    assert entry.state is State.HELD
    assert entry.why == "another VXI-11 client has locked it"


@POSIX
def test_serial_ports_are_asked_only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with SimulatedBench(serial=True) as sim:
        port = sim.resources.supply.removeprefix("ASRL").removesuffix("::INSTR")
        monkeypatch.setattr(discovery, "serial_ports", lambda: [(port, "serial port")])
        (entry,) = discover(Wanted()).entries
        assert (entry.place.resource, entry.state) == (sim.resources.supply, State.NOT_ASKED)
        assert "--probe-serial" in entry.do
        (entry,) = discover(Wanted(probe_serial=True)).entries
        assert (entry.state, entry.driver) == (State.ANSWERS, "E3645A")
        named = bench_file(sim, lambda text: text.replace('adapter = ""\n', ""))
        entry = by_resource(discover(Wanted(named)).entries)[sim.resources.supply]
        assert (entry.state, entry.driver) == (State.ANSWERS, "E3645A")
        assert entry.place.origins == ("supply of bench.toml", "serial port")


@POSIX
def test_the_markers_port_is_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    main, port = os.openpty()
    name = os.ttyname(port)
    monkeypatch.setattr(discovery, "serial_ports", lambda: [(name, "serial port")])
    with SimulatedBench(gpib_board=62) as sim:
        bench = bench_file(sim, lambda text: text.replace(f"wire:{sim.resources.wire}", f"serial:{name}:rts"))
        entry = by_resource(discover(Wanted(bench, probe_serial=True)).entries)[f"ASRL{name}::INSTR"]
    assert entry.state is State.NOT_ASKED
    assert "marker" in entry.why
    os.close(main)
    os.close(port)


@LINUX
def test_a_port_that_another_process_has_open(monkeypatch: pytest.MonkeyPatch) -> None:
    main, port = os.openpty()
    name = os.ttyname(port)
    monkeypatch.setattr(discovery, "serial_ports", lambda: [(name, "serial port")])
    code = f"import sys; f = open({name!r}, 'rb', 0); print('in', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        (entry,) = discover(Wanted(probe_serial=True)).entries
        assert [it.pid for it in holders_of(name)] == [other.pid]
        other.communicate()
    assert entry.state is State.HELD
    assert [it.pid for it in entry.holders] == [other.pid]
    os.close(main)
    os.close(port)


def test_a_port_without_rights_or_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if os.name != "posix":
        pytest.skip("rights that are not files'")
    port = tmp_path / "ttyUSB0"
    lack = serialports.lacks_permission(str(port))
    assert lack is not None
    assert "there is no" in lack[0]
    port.touch()
    assert serialports.lacks_permission(str(port)) is None
    monkeypatch.setattr(os, "access", lambda *_: False)
    lack = serialports.lacks_permission(str(port))
    assert lack is not None
    assert f"usermod -aG {port.group()} " in lack[1]


def usb_tree(root: Path, *, kind: tuple[str, str] = ("fe", "03"), serial: str | None = "MY53510378") -> Path:
    """What the kernel shows of one device with one interface."""
    device, interface = root / "1-2", root / "1-2:1.0"
    files = {"idVendor": "0957", "idProduct": "1796", "manufacturer": "AGILENT", "product": "MSO-X 2024A"}
    for folder, names in (
        (device, files | {"busnum": "1", "devnum": "7"} | ({"serial": serial} if serial else {})),
        (interface, {"bInterfaceClass": kind[0], "bInterfaceSubClass": kind[1], "bInterfaceNumber": "00"}),
    ):
        folder.mkdir()
        for name, text in names.items():
            (folder / name).write_text(f"{text}\n")
    return root


@LINUX
def test_usb_instruments_are_seen_without_any_package(tmp_path: Path) -> None:
    (found,) = usb_instruments(usb_tree(tmp_path))
    assert found.resource == "USB0::0x0957::0x1796::MY53510378::0::INSTR"
    assert found.node == "/dev/bus/usb/001/007"
    assert found.name == "AGILENT MSO-X 2024A"
    assert 'ATTR{idVendor}=="0957", ATTR{idProduct}=="1796"' in found.rule


@LINUX
@pytest.mark.parametrize("tree", [{"kind": ("08", "06")}, {"serial": None}])
def test_other_usb_devices_are_left_alone(tmp_path: Path, tree: dict[str, object]) -> None:
    assert usb_instruments(usb_tree(tmp_path, **tree)) == ()


@pytest.mark.parametrize("permitted", [True, False])
def test_an_instrument_on_usb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, permitted: bool) -> None:
    node = tmp_path / "007"
    if permitted:
        node.touch()
    device = UsbInstrument("0957", "1796", "MY1", 0, "AGILENT MSO-X 2024A", str(node))
    monkeypatch.setattr(search, "usb_instruments", lambda: (device,))
    monkeypatch.setattr(search, "listed", lambda _: Listing((usual("USB0::2391::6038::MY1::0::INSTR"),)))
    (entry,) = discover(Wanted(timeout=1)).entries
    assert entry.place.resource == "USB0::0x0957::0x1796::MY1::0::INSTR"
    assert entry.state is not State.ANSWERS
    if not permitted:
        assert entry.state is State.NO_PERMISSION
        assert device.rule in entry.do


def test_an_adapter_that_is_held_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for serve, state in (
        (lambda _: None, State.SILENT),
        (lambda connection: connection.sendall(b"220 mail ready\r\n"), State.ODD),
    ):
        with listener(serve) as (host, port):
            adapter = f"PRLGX-TCPIP0::{host}::{port}::INTFC"
            (entry,) = asking.ask_behind(adapter, [Place("GPIB0::5::INSTR", adapter)], 0.3, everywhere=True)
        assert entry.state is state, entry


def test_the_adapters_settings_are_put_back() -> None:
    with SimulatedBench(gpib_board=63) as sim:
        host, port = sim.resources.adapter.split("::")[1:3]
        with socket.create_connection((host, int(port))) as other, other.makefile("rwb") as lines:
            lines.write(b"++addr 9\n++read_tmo_ms 777\n++eos 3\n++addr\n")
            lines.flush()
            assert lines.readline() == b"9\r\n"
            with Prologix(host, int(port)) as adapter:
                assert "GPIB-ETHERNET" in adapter.version()
                assert dict(adapter.identify(range(4, 7), 0.1)) == {5: "Agilent Technologies,E3645A,0,1.7-5.0-1.0"}
                adapter.version()  # so that what was put back has been taken
            lines.write(b"++addr\n++read_tmo_ms\n++eos\n")
            lines.flush()
            assert [lines.readline() for _ in range(3)] == [b"9\r\n", b"777\r\n", b"3\r\n"]


def test_an_adapter_that_falls_silent() -> None:
    with listener() as (host, port), Prologix(host, port, timeout=0.1) as adapter:
        with pytest.raises(NoAnswer, match="the adapter at"):
            adapter.version()
        with pytest.raises(NoAnswer):
            list(adapter.identify([5], 0.1))


def test_what_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def hang(place: Place, _timeout: float, _library: str) -> Entry:
        ended.wait(30)
        return Entry(place, State.ANSWERS)

    monkeypatch.setattr(discovery, "ask", hang)
    monkeypatch.setattr(discovery, "SPARE", 0.1)
    started = time.monotonic()
    entries = discover(Wanted(hosts=("127.0.0.1",), adapter_port=9, timeout=0.05)).entries
    ended.set()
    assert time.monotonic() - started < 20
    left = [it for it in entries if "it hung" in it.why]
    assert [it.place.resource.split("::")[-2:] for it in left] == [
        ["5025", "SOCKET"],
        ["inst0", "INSTR"],
        ["hislip0", "INSTR"],
    ]
    assert {it.state for it in left} == {State.SILENT}


def test_a_search_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyvisa
    from pyvisa_py.sessions import Session

    class Broken:
        @staticmethod
        def list_resources() -> list[str]:
            raise OSError("no route to anything")

    class Works:
        @staticmethod
        def list_resources() -> list[str]:
            return ["TCPIP::10.0.0.5::INSTR", "TCPIP0::10.0.0.5::inst0::INSTR", "ASRL/dev/ttyS0::INSTR"]

    kinds = pyvisa.constants.InterfaceType
    classes = [((kinds.usb, "INSTR"), Broken), ((kinds.tcpip, "INSTR"), Works), ((kinds.asrl, "INSTR"), Broken)]
    monkeypatch.setattr(Session, "iter_valid_session_classes", lambda: iter(classes))
    assert listed() == Listing(
        ("TCPIP0::10.0.0.5::inst0::INSTR",), ("the USB INSTR search failed: no route to anything",)
    )


def test_a_resource_without_locks_is_not_locked() -> None:
    with listener() as address, pytest.raises(InstrumentError, match="does not say whether it is locked"):
        search.locked(socket_place(address).resource, timeout=0.5)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in {"usb", "psutil"} else object())
    assert list(missing_packages()) == ["pyusb", "psutil"]


def test_the_verb_in_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("powerlab.verbs.instruments.missing_packages", lambda: {"psutil": "wide search"})
    with SimulatedBench(gpib_board=64) as sim:
        Path("bench.toml").write_text(bench_text(**dataclasses.asdict(sim.resources)))
        assert run(["instruments", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["schema"] == "powerlab.instruments/1"
    assert found["missing"] == {"psutil": "wide search"}
    assert err == "powerlab: without psutil no wide search; `python -m pip install psutil` adds that\n"
    scope, supply = found["instruments"]
    assert scope == {
        "resource": sim.resources.scope,
        "adapter": None,
        "named_by": ["scope of bench.toml"],
        "state": "answers",
        "identity": {
            "maker": "AGILENT TECHNOLOGIES",
            "model": "MSO-X 2024A",
            "serial": "SIM00000001",
            "firmware": "02.65.2021102830",
        },
        "answer": "AGILENT TECHNOLOGIES,MSO-X 2024A,SIM00000001,02.65.2021102830",
        "driver": "MSO-X 2024A",
        "simulated": True,
        "why": None,
        "do": None,
        "holders": [],
    }
    assert supply["adapter"] == sim.resources.adapter


def test_the_verb_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("powerlab.verbs.instruments.missing_packages", dict)
    assert run(["instruments"]) == 1
    assert "nothing was found" in capsys.readouterr().out
    with SimulatedBench(gpib_board=65) as sim:
        Path("b.toml").write_text(bench_text(**dataclasses.asdict(sim.resources)))
    assert run(["instruments", "--bench", "b.toml", "--timeout", "1"]) == 1
    out = capsys.readouterr().out
    assert f"{sim.resources.scope}\n    scope of bench.toml\n    refused: " in out
    assert run(["instruments", "--bench", "none.toml"]) == 2
