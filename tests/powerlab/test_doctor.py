"""`powerlab doctor` on simulated benches in virtual time: a healthy one passes, a broken one is named."""

import dataclasses
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.benchfile import BenchFile
from powerlab.doctor.checks import Check, Finding, Outcome, Verdict, advice, examine, ok, skipped, wrong
from powerlab.doctor.marker import Behaviour, Pulse, behaviours, judge_inputs
from powerlab.doctor.order import bench_checks
from powerlab.doctor.patient import Patient, Seen
from powerlab.doctor.probe import Slope, explain, judge_offset, slope_of
from powerlab.marker import WireMarker
from powerlab.simulation import bench_text
from powerlab_instruments.link import Visa
from powerlab_instruments.probe import CurrentProbe1146B
from powerlab_instruments.simulated.bench import SimulatedBench
from powerlab_instruments.simulated.faults import Fault
from powerlab_instruments.simulated.wire import VirtualClock, Wire
from powerlab_instruments.waveform import Preamble, Waveform
from powerlab_traces.errors import PowerlabError

Findings = dict[str, Verdict]


class Peer:
    """An instrument that answers everything with the same line, and notes what it heard."""

    def __init__(self, answer: str) -> None:
        self.heard: list[str] = []
        self._answer = answer.encode() + b"\n"
        self._server = socket.create_server(("127.0.0.1", 0))
        self.resource = f"TCPIP0::127.0.0.1::{self._server.getsockname()[1]}::SOCKET"
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    if line == b"END\n":
                        return
                    self.heard.append(line.decode().strip())
                    connection.sendall(self._answer)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.create_connection(self._server.getsockname()) as end:
            end.sendall(b"END\n")
        self._thread.join(5)
        self._server.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address behind the simulated adapter answers at once or never."""
    monkeypatch.setattr("powerlab.asking.GPIB_PATIENCE", 0.02)
    monkeypatch.setattr("powerlab_instruments.prologix.SPARE", 0.02)


class SharedWireMarker(WireMarker):
    """A marker on the wire that also carries virtual time: edges and time stay in order."""

    def close(self) -> None:
        self.low()


@dataclasses.dataclass
class Ward:
    """A simulated bench, and the wire to it."""

    simulator: SimulatedBench
    wire: Wire
    text: str

    def patient(self, **options: object) -> Patient:
        return Patient(
            BenchFile.parse(self.text, "bench.toml"),
            clock=VirtualClock(self.wire),
            marker=lambda _spec, clock: SharedWireMarker(self.wire, clock),
            **options,
        )

    def examine(self, **options: object) -> Findings:
        with self.patient(**options) as patient:
            return {it.name: it.verdict for it in examine(bench_checks(), patient)}

    def tell_supply(self, *commands: str) -> None:
        """As somebody at its front panel would; then a second passes."""
        where = self.simulator.resources
        with Visa() as visa:
            link = visa.open(where.supply, adapter=where.adapter)
            for command in commands:
                link.write(command)
            assert link.query("*OPC?")
        VirtualClock(self.wire).sleep(1)

    def switch_on(self, *commands: str) -> None:
        self.tell_supply("VOLT:PROT 21", "VOLT 19", "CURR 2", *commands, "OUTP ON")

    def ask_supply(self, query: str) -> str:
        where = self.simulator.resources
        with Visa() as visa:
            return visa.open(where.supply, adapter=where.adapter).query(query)


@pytest.fixture
def admit() -> Iterator[Callable[..., Ward]]:
    """Simulated benches to examine; `edit` changes their bench.toml, the rest goes to the simulator."""
    boards = itertools.count(40)  # away from those of the other tests
    with ExitStack() as opened:

        def make(*edits: tuple[str, str], **simulator: object) -> Ward:
            simulator = {"memory": 100_000} | simulator
            sim = opened.enter_context(SimulatedBench(virtual=True, gpib_board=next(boards), **simulator))
            text = bench_text(turns=simulator.get("turns", 1), **dataclasses.asdict(sim.resources))
            for old, new in edits:
                assert old in text
                text = text.replace(old, new)
            return Ward(sim, opened.enter_context(Wire(sim.resources.wire)), text)

        yield make


def outcomes(findings: Findings, outcome: Outcome) -> list[str]:
    return [name for name, it in findings.items() if it.outcome is outcome]


def culprits(findings: Findings) -> list[str]:
    """The wrong checks, each with what was found and what to do, in one text each."""
    return [f"{name}: {it.found}; {it.do}" for name, it in findings.items() if it.outcome is Outcome.WRONG]


QUICK = ("[scope]\n", "timeout = 0.4\n[scope]\n")
LEAVE = ('output = "on"', 'output = "leave"')


def test_a_healthy_bench_has_nothing_wrong(admit: Callable[..., Ward]) -> None:
    found = admit().examine(power=True)
    assert {it.outcome for it in found.values()} == {Outcome.OK}, found


def test_without_power_a_board_that_is_off_stays_off(admit: Callable[..., Ward]) -> None:
    ward = admit()
    found = ward.examine()
    assert culprits(found) == []
    assert "--power" in found["board on"].found
    assert found["probe current"].outcome is Outcome.SKIPPED
    assert found["probe zero"].outcome is Outcome.OK
    assert ward.ask_supply("OUTP?") == "0"
    assert float(ward.ask_supply("VOLT?")) == 0


def test_power_is_not_enough_where_the_bench_file_leaves_the_output(admit: Callable[..., Ward]) -> None:
    ward = admit(LEAVE)
    found = ward.examine(power=True)
    assert [it.partition(":")[0] for it in culprits(found)] == ["supply settings"]
    assert 'write output = "on"' in found["supply settings"].do
    assert found["board on"].outcome is Outcome.SKIPPED
    assert ward.ask_supply("OUTP?") == "0"


def test_a_board_that_is_on_stays_as_it_is(admit: Callable[..., Ward]) -> None:
    ward = admit(LEAVE)
    ward.switch_on()
    found = ward.examine()
    assert culprits(found) == []
    assert found["probe current"].outcome is Outcome.OK
    assert found["probe zero"] == skipped("the board is on")
    assert ward.ask_supply("OUTP?") == "1"


def test_the_supply_is_left_as_it_was_found(admit: Callable[..., Ward]) -> None:
    ward = admit()
    settings = ("VOLT:RANG P60V", "VOLT 12.5", "CURR 0.75", "VOLT:PROT 33", "VOLT:PROT:STAT OFF")
    ward.tell_supply(*settings)
    assert culprits(ward.examine(power=True)) == []
    assert ward.ask_supply("OUTP?") == "0"
    assert ward.ask_supply("VOLT:RANG?") == "P60V"
    assert float(ward.ask_supply("VOLT?")) == pytest.approx(12.5, abs=0.01)
    assert float(ward.ask_supply("CURR?")) == pytest.approx(0.75, abs=0.01)
    assert float(ward.ask_supply("VOLT:PROT?")) == 33
    assert ward.ask_supply("VOLT:PROT:STAT?") == "0"


@pytest.mark.parametrize("when", ["board on", "regulation", "probe current"])
def test_an_interrupt_leaves_the_supply_off(admit: Callable[..., Ward], when: str) -> None:
    ward = admit()

    def interrupted(_patient: Patient) -> Verdict:
        raise KeyboardInterrupt

    checks = [dataclasses.replace(it, look=interrupted) if it.name == when else it for it in bench_checks()]
    with pytest.raises(KeyboardInterrupt), ward.patient(power=True) as patient:
        list(examine(checks, patient))
    assert ward.ask_supply("OUTP?") == "0"
    assert float(ward.ask_supply("VOLT?")) == 0


def test_a_supply_that_falls_silent_under_power_is_reported(admit: Callable[..., Ward]) -> None:
    ward = admit(QUICK)
    ward.simulator.faults.plan(Fault("supply", "silent", at="OUTPut 0", times=0))
    with pytest.raises(PowerlabError, match="look at the supply"):
        ward.examine(power=True)
    ward.simulator.faults.forget()
    assert float(ward.ask_supply("VOLT?")) == 19  # nothing was set under a board that may be on


def test_swapped_resources(admit: Callable[..., Ward]) -> None:
    ward = admit()
    where = ward.simulator.resources
    ward.text = ward.text.replace(where.scope, "HERE").replace(where.supply, where.scope).replace("HERE", where.supply)
    found = ward.examine()
    assert outcomes(found, Outcome.WRONG) == ["scope answers", "supply answers"]
    for name in ("scope answers", "supply answers"):
        assert "scope and supply are swapped in bench.toml" in found[name].do


@pytest.mark.parametrize("role", ["scope", "supply"])
def test_a_stranger(admit: Callable[..., Ward], role: str) -> None:
    ward = admit()
    with Peer("RIGOL TECHNOLOGIES,DS1054Z,DS1ZA1,00.04.04") as peer:
        where = ward.simulator.resources
        ward.text = ward.text.replace(getattr(where, role), peer.resource)
        if role == "supply":
            ward.text = ward.text.replace(f'adapter = "{where.adapter}"', "")
        found = ward.examine()
    assert outcomes(found, Outcome.WRONG) == [f"{role} answers"]
    assert "is a DS1054Z of RIGOL TECHNOLOGIES, for which there is no driver" in found[f"{role} answers"].found
    assert set(peer.heard) == {"*IDN?"}


def test_a_sibling_is_as_good(admit: Callable[..., Ward]) -> None:
    ward = admit(("current_limit = 2.0", "current_limit = 0.7"), model="MSO-X 3104A", supply_model="E3641A")
    assert culprits(ward.examine(power=True)) == []


@pytest.mark.parametrize(
    ("simulator", "culprit", "words"),
    [
        ({"model": "DSO-X 2024A"}, "scope set-up", "no digital inputs"),
        ({"supply_model": "E3640A"}, "supply settings", "a E3640A gives up to 8.24 V with 3.09 A or 20.6 V"),
    ],
)
def test_a_sibling_that_cannot_do_it(
    admit: Callable[..., Ward], simulator: dict[str, str], culprit: str, words: str
) -> None:
    found = admit(**simulator).examine(power=True)
    assert outcomes(found, Outcome.WRONG) == [culprit]
    assert words in found[culprit].found


@pytest.mark.parametrize("instrument", ["scope", "supply"])
def test_a_silent_instrument_does_not_hide_the_other(admit: Callable[..., Ward], instrument: str) -> None:
    found = admit(QUICK, faults=[Fault(instrument, "silent", times=0)]).examine()
    other = {"scope": "supply", "supply": "scope"}[instrument]
    assert outcomes(found, Outcome.WRONG) == [f"{instrument} answers"]
    assert found[f"{other} answers"].outcome is Outcome.OK
    assert found[f"{other} error queue"].outcome is Outcome.OK
    assert found[f"{instrument} error queue"] == skipped(f"'{instrument} answers' is wrong")


def test_nobody_at_the_gpib_address(admit: Callable[..., Ward]) -> None:
    ward = admit(QUICK)
    address = ward.simulator.resources.supply
    ward.text = ward.text.replace(address, address.replace("::5::", "::7::"))
    found = ward.examine()
    assert outcomes(found, Outcome.WRONG) == ["supply answers"]
    assert f"write the resource that does answer: {address} (E3645A)" in found["supply answers"].do


def test_a_gpib_resource_without_adapter_or_card(admit: Callable[..., Ward], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    ward = admit()
    ward.text = ward.text.replace(f'adapter = "{ward.simulator.resources.adapter}"', "")
    found = ward.examine()
    assert outcomes(found, Outcome.WRONG) == ["supply resource"]
    assert "gpib-ctypes" in found["supply resource"].do
    assert found["scope answers"].outcome is Outcome.OK


def test_an_adapter_in_front_of_nothing(admit: Callable[..., Ward]) -> None:
    ward = admit()
    ward.text = ward.text.replace(ward.simulator.resources.supply, "TCPIP0::127.0.0.1::9::SOCKET")
    found = ward.examine()
    assert outcomes(found, Outcome.WRONG) == ["supply resource"]
    assert "leave supply.adapter out" in found["supply resource"].do


def test_an_adapter_that_is_not_there(admit: Callable[..., Ward]) -> None:
    ward = admit(QUICK)
    ward.text = ward.text.replace(ward.simulator.resources.adapter, "PRLGX-TCPIP0::127.0.0.1::9::INTFC")
    found = ward.examine()
    assert outcomes(found, Outcome.WRONG)[0] == "adapter"
    assert "nothing listens on its port 9" in found["adapter"].found
    assert found["scope answers"].outcome is Outcome.OK


@pytest.mark.parametrize("instrument", ["scope", "supply"])
def test_garbage_instead_of_an_identity(admit: Callable[..., Ward], instrument: str) -> None:
    found = admit(QUICK, faults=[Fault(instrument, "garbage", times=0)]).examine()
    assert outcomes(found, Outcome.WRONG) == [f"{instrument} answers"]


@pytest.mark.parametrize(
    ("fault", "culprit"),
    [
        (Fault("scope", "garbage", at=r":CHANnel1:PROBe\?"), "scope set-up"),
        (Fault("scope", "short", at=":WAVeform:DATA"), "scope record"),
        (Fault("scope", "silent", at=":WAVeform:DATA"), "scope record"),
        (Fault("supply", "garbage", at="TRIPped"), "over-voltage trip"),
        (Fault("supply", "garbage", at="MEASure:CURRent", nth=3), "regulation"),
        (Fault("supply", "garbage", at="MEASure:VOLTage", nth=2), "voltage readback"),
    ],
)
def test_nonsense_on_the_way_is_named_where_it_came(admit: Callable[..., Ward], fault: Fault, culprit: str) -> None:
    ward = admit(QUICK, faults=[fault])
    found = ward.examine(power=True)
    assert outcomes(found, Outcome.WRONG) == [culprit]
    assert ward.ask_supply("OUTP?") == "0"


def test_entries_in_an_error_queue_are_shown(admit: Callable[..., Ward]) -> None:
    ward = admit()
    ward.tell_supply("NONSENSE")
    found = ward.examine()
    assert found["supply error queue"].outcome is Outcome.ADVICE
    assert "-113" in found["supply error queue"].found


def test_a_tripped_crowbar(admit: Callable[..., Ward]) -> None:
    ward = admit()
    ward.simulator.supply.trip()
    found = ward.examine(power=True)
    assert outcomes(found, Outcome.WRONG) == ["over-voltage trip"]
    assert found["board on"].outcome is Outcome.SKIPPED
    assert ward.ask_supply("OUTP?") == "0"


@pytest.mark.parametrize(
    ("command", "culprit", "words"),
    [
        ("VOLT 12", "supply settings", "bench.toml says voltage = 19"),
        ("CURR 0.5", "supply settings", "bench.toml says current_limit = 2"),
        ("VOLT:PROT:STAT OFF", "over-voltage level", "it does not protect the board"),
    ],
)
def test_a_board_that_runs_with_other_settings(
    admit: Callable[..., Ward], command: str, culprit: str, words: str
) -> None:
    ward = admit(LEAVE)
    ward.switch_on(command)
    found = ward.examine()
    assert outcomes(found, Outcome.WRONG) == [culprit]
    assert words in found[culprit].found


def test_an_over_voltage_level_other_than_the_files_is_advice(admit: Callable[..., Ward]) -> None:
    ward = admit(LEAVE)
    ward.switch_on("VOLT:PROT 30")
    found = ward.examine()
    assert outcomes(found, Outcome.ADVICE) == ["over-voltage level"]


def test_constant_current(admit: Callable[..., Ward]) -> None:
    ward = admit(faults=[Fault("supply", "cc", at="OUTPut 1")])
    found = ward.examine(power=True)
    assert outcomes(found, Outcome.WRONG) == ["regulation"]
    assert "raise current_limit" in found["regulation"].do


@pytest.mark.parametrize("power", [True, False])
def test_a_wrong_switch_on_the_probe(admit: Callable[..., Ward], power: bool) -> None:
    ward = admit(sensitivity=0.01)
    if not power:
        ward.switch_on()
    found = ward.examine(power=power)
    assert outcomes(found, Outcome.WRONG) == ["probe current"]
    assert "switch stands at 10 mV/A" in found["probe current"].found
    assert found["probe current"].do == "put it to 100 mV/A, or write sensitivity = 0.01"


def test_a_switch_more_sensitive_than_the_file_says(admit: Callable[..., Ward]) -> None:
    found = admit(("sensitivity = 0.1", "sensitivity = 0.01")).examine(power=True)
    assert outcomes(found, Outcome.WRONG) == ["probe current"]
    assert "switch stands at 100 mV/A" in found["probe current"].found


@pytest.mark.parametrize(("real", "written"), [(5, 1), (1, 3), (2, 3), (10, 1)])
def test_wrong_turns(admit: Callable[..., Ward], real: int, written: int) -> None:
    ward = admit(turns=real)
    ward.text = ward.text.replace(f"turns = {real}", f"turns = {written}")
    found = ward.examine(power=True)
    assert outcomes(found, Outcome.WRONG) == ["probe current"]
    assert f"goes {real} times through the clamp, not {written}" in found["probe current"].found
    assert found["probe current"].do == f"write turns = {real} in bench.toml"


def test_a_clamp_the_wrong_way_round(admit: Callable[..., Ward]) -> None:
    ward = admit()
    digitiser = ward.simulator.digitiser
    digitiser.probe = dataclasses.replace(digitiser.probe, gain_error=-2.01)
    found = ward.examine(power=True)
    assert outcomes(found, Outcome.WRONG) == ["probe current"]
    assert "the clamp is the wrong way round" in found["probe current"].found
    assert found["probe current"].do == "turn the clamp round"


def test_a_clamp_that_is_not_on_the_lead(admit: Callable[..., Ward]) -> None:
    ward = admit()
    digitiser = ward.simulator.digitiser
    digitiser.probe = dataclasses.replace(digitiser.probe, gain_error=-1.0)
    found = ward.examine(power=True)
    assert outcomes(found, Outcome.WRONG) == ["probe current"]
    assert "not on the lead" in found["probe current"].found


@pytest.mark.parametrize(("offset", "outcome"), [(0.13, Outcome.ADVICE), (0.35, Outcome.WRONG)])
def test_a_probe_that_is_far_off_zero(admit: Callable[..., Ward], offset: float, outcome: Outcome) -> None:
    ward = admit()
    digitiser = ward.simulator.digitiser
    digitiser.probe = dataclasses.replace(digitiser.probe, offset=offset)
    found = ward.examine()
    assert found["probe zero"].outcome is outcome
    assert "thumbwheel" in found["probe zero"].do


def test_a_screen_that_is_too_small(admit: Callable[..., Ward]) -> None:
    found = admit(("full_scale = 0.8\ncentre = 0.4", "full_scale = 0.4\ncentre = 0.15")).examine(power=True)
    assert outcomes(found, Outcome.WRONG) == ["screen"]
    assert "full_scale = 1.2 and centre = 0.525" in found["screen"].do


def test_a_screen_that_is_chosen_needs_none(admit: Callable[..., Ward]) -> None:
    found = admit(("full_scale = 0.8\ncentre = 0.4", 'full_scale = "auto"')).examine(power=True)
    assert {it.outcome for it in found.values()} == {Outcome.OK}, found


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("sensitivity = 0.1", "sensitivity = 0.2"), "0.1 and 0.01 V/A"),
        (("centre = 0.4", "centre = 1.4"), "0 A is not on the screen"),
        (("full_scale = 0.8", "full_scale = 80"), "beyond the probe's"),
    ],
)
def test_a_file_that_asks_for_what_cannot_be(admit: Callable[..., Ward], edit: tuple[str, str], words: str) -> None:
    found = admit(edit).examine()
    assert outcomes(found, Outcome.WRONG) == ["bench.toml"]
    assert words in found["bench.toml"].found
    assert found["scope answers"].outcome is Outcome.OK


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("[probe]", "sample_rate = 30e3\n[probe]"), "write record = 3.33333"),
        (("[probe]", "sample_rate = 1e6\n[probe]"), "write record = 0.1"),
        (("[probe]", "sample_rate = 49e3\nrecord = 0.9\n[probe]"), "write record = 1.0"),
    ],
)
def test_a_sample_rate_that_the_scope_does_not_give(
    admit: Callable[..., Ward], edit: tuple[str, str], words: str
) -> None:
    found = admit(edit).examine()
    assert culprits(found) == []
    assert words in found["scope record"].do


def test_the_marker_on_another_input(admit: Callable[..., Ward]) -> None:
    ward = admit()
    ward.text += 'input = "D3"\n'
    found = ward.examine()
    assert outcomes(found, Outcome.WRONG) == ["marker input"]
    assert "D3 stays low, and D0 follows the marker" in found["marker input"].found
    assert 'write input = "D0"' in found["marker input"].do
    assert found["marker trigger"].outcome is Outcome.SKIPPED


def test_a_marker_wire_that_is_off(admit: Callable[..., Ward]) -> None:
    ward = admit()
    ward.simulator.digitiser.marker_input = 99
    found = ward.examine()
    assert outcomes(found, Outcome.WRONG) == ["marker input"]
    assert "is the wire on both ends" in found["marker input"].do


def test_a_marker_that_cannot_be_driven(admit: Callable[..., Ward]) -> None:
    ward = admit()
    patient = ward.patient()
    patient.close()
    broken = Patient(
        BenchFile.parse(ward.text.replace("wire:", "serial:/dev/nosuch").rstrip().rstrip('"') + ':rts"', "bench.toml"),
        clock=VirtualClock(ward.wire),
    )
    with broken:
        found = {it.name: it.verdict for it in examine(bench_checks(), broken)}
    assert outcomes(found, Outcome.WRONG) == ["marker output"]
    assert "/dev/nosuch" in found["marker output"].found


def test_no_marker_is_no_fault(admit: Callable[..., Ward]) -> None:
    ward = admit()
    ward.text = ward.text.replace(f"wire:{ward.simulator.resources.wire}", "none")
    found = ward.examine()
    assert culprits(found) == []
    assert found["marker output"].outcome is Outcome.SKIPPED


def waveform(levels: list[int]) -> Waveform:
    """A record of a second, a tenth of it before the trigger."""
    return Waveform(np.array(levels, np.uint8), Preamble(len(levels), 1 / len(levels), -0.1, 0, 1, 0, 0), "")


def pulse_record(*, low: int = 0, high: int = 0b1, rise: float = 0.25, fall: float = 0.55) -> Waveform:
    times = np.arange(1000) / 1000 - 0.1
    return waveform([high if rise <= t < fall else low for t in times])


@given(st.floats(0, 0.07), st.floats(0, 0.07), st.integers(0, 7))
def test_an_edge_may_be_late(rise: float, fall: float, bit: int) -> None:
    found = behaviours(pulse_record(high=1 << bit, rise=0.25 + rise, fall=0.55 + fall), Pulse())
    assert [it is Behaviour.FOLLOWS for it in found] == [n == bit for n in range(8)]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (pulse_record(low=1, high=0), Behaviour.INVERTED),
        (pulse_record(low=0, high=0), Behaviour.LOW),
        (pulse_record(low=1, high=1), Behaviour.HIGH),
        (waveform([n // 7 % 2 for n in range(1000)]), Behaviour.OTHER),
        (waveform([0] * 3), Behaviour.OTHER),
    ],
)
def test_what_an_input_can_do(record: Waveform, expected: Behaviour) -> None:
    assert behaviours(record, Pulse())[0] is expected


def inputs(**known: Behaviour) -> tuple[Behaviour, ...]:
    return tuple(known.get(f"d{n}", Behaviour.LOW) for n in range(8))


@pytest.mark.parametrize(
    ("found", "outcome", "words"),
    [
        (inputs(d0=Behaviour.FOLLOWS), Outcome.OK, "D0 follows"),
        (inputs(d0=Behaviour.FOLLOWS, d5=Behaviour.FOLLOWS), Outcome.ADVICE, "and so does D5"),
        (inputs(d0=Behaviour.INVERTED), Outcome.WRONG, 'output = "serial:/dev/ttyUSB0:rts-inverted"'),
        (inputs(d0=Behaviour.HIGH), Outcome.WRONG, "D0 stays high"),
        (inputs(), Outcome.WRONG, "no other input follows"),
        (inputs(d0=Behaviour.OTHER), Outcome.WRONG, "is its ground connected"),
        (inputs(d4=Behaviour.FOLLOWS), Outcome.WRONG, 'input = "D4"'),
        (inputs(d4=Behaviour.INVERTED), Outcome.WRONG, "D4 follows the marker upside down"),
    ],
)
def test_what_the_inputs_say(found: tuple[Behaviour, ...], outcome: Outcome, words: str) -> None:
    verdict = judge_inputs(found, 0, "serial:/dev/ttyUSB0:rts", 1.4)
    assert verdict.outcome is outcome
    assert words in f"{verdict.found} {verdict.do}"


def test_an_inverted_line_that_is_written_as_inverted() -> None:
    verdict = judge_inputs(inputs(d0=Behaviour.INVERTED), 0, "serial:/dev/ttyUSB0:rts-inverted", 1.4)
    assert verdict.do == 'write output = "serial:/dev/ttyUSB0:rts"'


def seen(supply: float, scope: float, unsteady: float = 0.0) -> Seen:
    return Seen(supply, scope, unsteady, scope, scope, clipped=False)


@given(
    turns=st.integers(1, 4),
    real=st.integers(1, 6),
    gain=st.floats(0.97, 1.03),
    offset=st.floats(-0.05, 0.05),
    turned=st.booleans(),
)
def test_turns_and_direction_are_told_from_two_currents(
    turns: int, real: int, gain: float, offset: float, turned: bool
) -> None:
    probe = CurrentProbe1146B(0.1, turns)
    true = gain * real / turns * (-1 if turned else 1)
    slope = slope_of([seen(0.06, 0.06 * true + offset), seen(0.68, 0.68 * true + offset)], probe)
    assert slope is not None
    verdict = explain(slope, probe)
    assert ("wrong way round" in verdict.found) is turned
    told = f"goes {real} times through the clamp, not {turns}" in verdict.found
    assert told is (real != turns)
    assert (verdict.outcome is Outcome.OK) is (real == turns and not turned)


def test_a_slope_that_nothing_explains() -> None:
    verdict = explain(Slope(0.5, 0.08, 0.6), CurrentProbe1146B(0.1, 1))
    assert verdict.outcome is Outcome.WRONG
    assert "neither its switch nor a number of turns" in verdict.found


def test_ten_turns_may_be_the_switch_and_both_are_said() -> None:
    verdict = explain(Slope(10.1, 0.08, 0.6), CurrentProbe1146B(0.01, 1))
    assert "switch stands at 100 mV/A (or the lead goes 10 times" in verdict.found


def test_a_current_that_does_not_change_is_not_compared_by_its_change() -> None:
    assert slope_of([seen(0.064, 0.07), seen(0.066, 0.09)], CurrentProbe1146B()) is None


@pytest.mark.parametrize(
    ("supply", "scope", "outcome"),
    [(0.65, 0.70, Outcome.OK), (0.07, 0.10, Outcome.ADVICE), (0.65, 0.065, Outcome.WRONG), (0.07, 0.7, Outcome.WRONG)],
)
def test_what_one_current_says(supply: float, scope: float, outcome: Outcome) -> None:
    assert judge_offset(seen(supply, scope), 0.12).outcome is outcome


def test_a_check_is_skipped_when_what_it_needs_is_not_well() -> None:
    def fails(_: None) -> Verdict:
        raise PowerlabError("it is broken")

    checks = (
        Check("first", lambda _: ok("fine")),
        Check("second", fails, needs=("first",)),
        Check("third", lambda _: ok("fine"), needs=("first", "second")),
        Check("fourth", lambda _: ok("fine"), needs=("third",)),
        Check("fifth", lambda _: advice("so so", "better"), needs=("first",)),
        Check("sixth", lambda _: ok("fine"), needs=("fifth",)),
    )
    assert list(examine(checks, None)) == [
        Finding("first", ok("fine")),
        Finding("second", wrong("it is broken")),
        Finding("third", skipped("'second' is wrong")),
        Finding("fourth", skipped("'third' was skipped")),
        Finding("fifth", advice("so so", "better")),
        Finding("sixth", ok("fine")),
    ]


def test_what_an_interrupted_question_leaves_is_no_refusal(admit: Callable[..., Ward]) -> None:
    ward = admit()

    def interrupted(patient: Patient) -> Verdict:
        patient.supply.link.write("NONSENSE")
        raise KeyboardInterrupt

    checks = [dataclasses.replace(it, look=interrupted) if it.name == "regulation" else it for it in bench_checks()]
    with pytest.raises(KeyboardInterrupt), ward.patient(power=True) as patient:
        list(examine(checks, patient))
    assert ward.ask_supply("OUTP?") == "0"
    assert float(ward.ask_supply("VOLT?")) == 0
